//! The sync and threads backends of kvern: memory budget, spill, cancel.

mod keys;
pub mod memory;

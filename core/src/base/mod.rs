//! The ground: errors, keys, sizes, text, and the geometry of blocks. Nothing here knows what a value or a task is.

pub mod blocks;
pub mod error;
pub mod key;
pub mod meta;
pub mod panics;
pub mod text;
pub mod unfinished;

pub use kvern_pages as pages;

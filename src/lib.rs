//! kvern facade.

#[cfg(feature = "config-file")]
pub mod config_file;

pub use kvern_core as core;
#[cfg(feature = "local")]
pub use kvern_scheduler_local as scheduler_local;

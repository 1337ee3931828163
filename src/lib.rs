//! kvern facade.

#[cfg(feature = "config-file")]
pub mod config_file;

pub use kvern_core as core;
#[cfg(feature = "array")]
pub use kvern_array as array;
#[cfg(feature = "local")]
pub use kvern_scheduler_local as scheduler_local;

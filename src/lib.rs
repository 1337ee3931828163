//! kvern facade.

pub mod about;
#[cfg(feature = "config-file")]
pub mod config_file;

#[cfg(feature = "array")]
pub use kvern_array as array;
pub use kvern_core as core;
#[cfg(feature = "local")]
pub use kvern_scheduler_local as scheduler_local;

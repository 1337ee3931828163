//! What people write to kvern: configuration, and the URLs of schedulers.

pub mod config;
pub mod url;

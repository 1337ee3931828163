//! The host that has loaded this library, and what the library is called there.

use std::sync::OnceLock;

use kvern_plugin_abi::{Bytes, HostApi};

/// What [`crate::export_plugin!`] knows of its crate.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The plugin's name.
    pub name: &'static str,
    /// The crate's version.
    pub version: &'static str,
    /// The crate's description.
    pub description: &'static str,
    /// The crate's licence.
    pub licence: &'static str,
}

static ABOUT: OnceLock<About> = OnceLock::new();
static HOST: OnceLock<HostApi> = OnceLock::new();

/// Said once, when the library is loaded. A second host in one process keeps the first's log.
pub(crate) fn set(about: &About, host: HostApi) {
    let _ = HOST.set(host);
    let _ = ABOUT.set(*about);
}

/// The plugin's name, for lines of the log.
pub(crate) fn name() -> &'static str {
    ABOUT.get().map_or("plugin", |a| a.name)
}

/// A line for the host's log, from outside any call.
pub(crate) fn log(level: u32, message: &str) {
    if let Some(host) = HOST.get() {
        // SAFETY: the host's function, which lives as long as the process.
        unsafe { (host.log)(host.host, level, Bytes::text(name()), Bytes::text(message)) };
    }
}

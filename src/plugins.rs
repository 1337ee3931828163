//! Operators from files that are loaded at run time (feature `plugins`).
//!
//! ```no_run
//! use kvern::prelude::*;
//!
//! // As the configuration says: `plugins.trust`, `plugins.manifest`, …
//! let registry = kvern::plugins::load(["target/release/libsample_plugin.so"])?;
//! let factor = std::collections::BTreeMap::from([("factor", 2.5)]); // or a struct of yours that is `Serialize`
//! let scale = kvern::plugins::op_ref(&registry, "sample.scale", &factor)?;
//! let session = Session::builder().registry(registry.into()).url("threads://").build()?;
//!
//! let x = Array::<f64>::arange(0.0, 1e6, 1.0, 100_000)?;
//! let y = x.apply::<f64>(&scale)?.compute_in(&session)?;
//! # Ok::<(), kvern::Error>(())
//! ```
//!
//! A plugin is native code with all the rights of this program. Which ones are loaded is said by [`Trust`]: those in a list with their
//! sha-256, unless something else is configured. How to write one is told by the crate `kvern-plugin`.

use std::path::Path;

use kvern_core::config::Config;
use kvern_core::{Error, ErrorKind, Registry, Result};

pub use kvern_plugin_host::{
    Inspection, Loader, Manifest, Plugin, PluginError, Trust, inspect, op_ref,
};

/// A registry of all linked operators and those of the plugins at these paths, loaded as the configuration of files and environment says.
///
/// # Errors
/// The first plugin that is refused, and why; [`ErrorKind::Config`] for a configuration that is wrong.
pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Registry> {
    let config = Config::load(&Registry::linked()?)
        .map_err(|e| Error::with_source(ErrorKind::Config, e.to_string(), e))?;
    load_with(&Loader::configured(&config)?, paths)
}

/// [`load`] with a loader of your own.
///
/// # Errors
/// The first plugin that is refused, and why.
pub fn load_with<P: AsRef<Path>>(
    loader: &Loader,
    paths: impl IntoIterator<Item = P>,
) -> Result<Registry> {
    let mut registry = Registry::linked()?;
    for path in paths {
        loader.load(path.as_ref(), &mut registry)?;
    }
    Ok(registry)
}

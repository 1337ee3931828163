//! Finds, checks and loads plugins, and never unloads them.
//!
//! ```no_run
//! use kvern_core::{Registry, Session};
//! use kvern_plugin_host::{Loader, Trust};
//!
//! let loader = Loader::new(Trust::AllowDir(vec!["target/release".into()]));
//! let mut registry = Registry::linked()?;
//! let plugin = loader.load("target/release/libsample_plugin.so".as_ref(), &mut registry)?;
//! println!("{plugin}"); // sample 0.1.0: sample.scale@1, …
//! let session = Session::builder().registry(registry.into()).url("threads://").build()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A plugin is native code with all the rights of its host, and its constructors run when it is opened. So everything that can be known
//! without opening it is looked at before, in this order, each step with an error of its own ([`PluginError`]): [`file`](mod@file) reads it
//! once, [`trust`] asks whether it may be loaded at all ([`manifest`] has the list), [`inspect`](mod@inspect) reads its headers and
//! descriptor, [`cache`] makes a private copy, `library` opens that, [`root`](mod@root) checks what is inside, [`registration`] adds its
//! operators. [`loader`] is the sequence.

pub mod cache;
pub mod error;
pub mod file;
mod hash;
pub mod inspect;
mod keys;
mod library;
pub mod loader;
pub mod log;
pub mod manifest;
pub mod registration;
pub mod root;
pub mod trust;

pub use error::PluginError;
pub use inspect::{Inspection, inspect};
pub use kvern_plugin_bridge::{TableOperator, op_ref};
pub use loader::{Loader, Plugin};
pub use manifest::Manifest;
pub use trust::Trust;

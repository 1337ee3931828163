//! Layered configuration: nothing is configured by typo.
//!
//! Every key is declared once, by the crate that reads it, with its type, default and meaning ([`config_keys!`]); a
//! [`Schema`] is the collection of all keys, and the session's [registry](crate::Registry::schema) has it. A [`Config`] stacks values over the defaults, from low to
//! high: **default**, **file**, **environment**, **code**. Each value remembers where it came from, and a name that no
//! crate declared is an error with the nearest name that one did.
//!
//! | key | variable |
//! | --- | --- |
//! | `memory.limit` | `KVERN_MEMORY_LIMIT` |
//! | `array.chunk-size` | `KVERN_ARRAY_CHUNK_SIZE` |
//!
//! A variable is `KVERN_` and the key in capitals, with `_` for each `.` and `-`. A variable that begins with `KVERN_`
//! and belongs to no key is an error too, but for those that a crate reserved for other ends, and those that begin with
//! `KVERN_TEST_`. Settings are a user's, and programs differ in what they link: those of a crate that is known and left out ([`Absent`])
//! are passed over.
//!
//! This module reads no files: whoever does hands the values over with [`Config::add_file_values`]. A [`FileReader`]
//! that is linked takes part in [`Config::load`].
//!
//! ```
//! use kvern_core::Registry;
//! use kvern_core::config::Config;
//!
//! let mut config = Config::new(&Registry::linked()?);
//! config.add_environment([("KVERN_PROGRESS", "off")])?;
//! assert_eq!(config.get::<String>("progress")?, "off");
//!
//! let error = config.set("progres", "bar").unwrap_err();
//! assert!(error.to_string().contains(r#"did you mean "progress"?"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtin;
mod error;
mod key;
mod kind;
mod layers;
mod read;
mod schema;
mod source;
mod value;

pub use crate::config_keys;
pub use error::ConfigError;
pub use key::{Absent, Declared, Key, Variable, variable_of};
pub use kind::Kind;
pub use layers::{Config, Entry, FileReader};
pub use read::FromValue;
pub use schema::{DeclaredKey, Schema};
pub use source::Source;
pub use value::{ConfigValue, Value};

/// The crate that collects keys and file readers over all linked crates.
pub use inventory;

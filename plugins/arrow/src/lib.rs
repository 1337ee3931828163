//! Arrow data across the border of plugins, from either side: a host and a plugin's SDK use the same code, each its own copy, and the
//! arrow crates of the two may be of different versions.
//!
//! Where to look: [`export()`] makes a value of an array or a record batch, [`import`](mod@import) reads one, [`schema`] sees to it that a type
//! is written and read once and not for every array, and `flat` is a shorter way for arrays of numbers.

pub mod export;
mod flat;
pub mod import;
pub mod schema;

pub use export::{Exported, export};
pub use import::{Imported, import, import_primitive};

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

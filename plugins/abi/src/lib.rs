//! The binary border between a kvern host and its plugins: plain `#[repr(C)]` tables without any dependency, for a major version
//! of the border that is [`MAJOR`].
//!
//! Where to look: [`decl`] is what a plugin says of itself (in its file as a [`Descriptor`], at run time as a [`PluginDecl`] behind
//! a [`PluginRoot`]), [`table`] how lists of tables are walked, [`op`] the operators of a plugin, [`value`], [`tensor`], [`arrow`]
//! and [`bytes`] what crosses, [`meta`] what is known of it before it exists, [`ctx`] what a running operator may ask of the host,
//! [`status`] how a call ended, [`layout`] the fingerprint of all of that.
//!
//! # Rules
//! - **Major**: raised when a field changes meaning, order or size. A host loads plugins of its own major only.
//! - **Minor**: fields are added at the end of a table, as `Option<fn>` or with a meaning for "not there". Whoever reads a table looks
//!   at its `size` first ([`covers!`]), so old plugins load in new hosts and new plugins in old hosts.
//! - Every table begins with its size in bytes. Lists of tables ([`Table`]) are walked by the stride that their writer had.
//! - No Rust enum crosses: numbers do, with constants. An unknown number is refused with [`status::UNSUPPORTED`], never guessed at.
//! - Text is UTF-8, and checked by who receives it. Who allocates frees.
//! - No panic crosses: the plugin catches its own and answers [`status::PANIC`].
//! - Everything may be called from any thread.

pub mod arrow;
pub mod bytes;
pub mod ctx;
pub mod decl;
mod descriptor;
pub mod layout;
pub mod meta;
pub mod op;
pub mod status;
pub mod table;
pub mod tensor;
pub mod value;
mod version;

pub use arrow::{ArrowArray, ArrowSchema};
pub use bytes::{Buf, Bytes};
pub use ctx::{Ctx, HostApi};
pub use decl::{Descriptor, PluginDecl, PluginRoot};
pub use meta::Meta;
pub use op::OpVTable;
pub use status::Status;
pub use table::Table;
pub use value::Value;
pub use version::{MAJOR, MINOR};

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

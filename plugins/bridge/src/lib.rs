//! Between kvern-core and the tables of plugins: a table of an operator becomes an [`Operator`](kvern_core::Operator), and values cross
//! by bridges.
//!
//! Where to look: [`operator`] wraps a table, [`kernel`] runs it, [`call`] is what the plugin may ask meanwhile. What a kvern value looks
//! like on the other side is the business of a [`Bridge`], which whoever knows the type registers: [`plain`] has those of bytes and text,
//! `array` (feature) that of chunks, `arrow` (feature) those of Arrow arrays and record batches. [`owned`] sees to it that each value is
//! given back once, [`meta`] translates what is known before anything runs, [`status`] how a call ended.

#[cfg(feature = "array")]
pub mod array;
#[cfg(feature = "arrow")]
pub mod arrow;
pub mod bridge;
pub mod call;
pub mod kernel;
pub mod meta;
pub mod operator;
pub mod owned;
pub mod plain;
mod request;
pub mod status;

#[doc(hidden)]
pub use inventory as __inventory;

pub use bridge::{Bridge, BridgeEntry};
pub use operator::TableOperator;
pub use owned::Owned;
pub use request::op_ref;

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

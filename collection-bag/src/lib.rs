//! Partitioned lists of anything for kvern: what does not fit neatly into an array or a frame. Text, JSON lines, records of any serde
//! type.
//!
//! Where to look: [`Bag`] is the lazy list, [`Text`] the same for text that is borrowed while it passes, [`Item`] the one value that a
//! reduction ends in; [`read_text()`] and [`read_json`] begin. Below them `pipe` is how items pass through a chain, `ends` what eats them,
//! `read` the files, `expr` how all of it becomes one task a partition, and `once` how several results of one run share what they have in common.
//!
//! ```
//! use kvern_bag::Bag;
//!
//! let lines = Bag::from_sequence(["to be or", "not to be"].map(String::from), 2);
//! let words = lines.flat_map(|line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
//! let top = words.frequencies().topk_by_key(1, |pair: &(String, u64)| pair.1);
//! assert_eq!(top.reference()?, [("to".to_owned(), 2)]); // with a backend linked: `top.compute()?`
//! # Ok::<(), kvern_core::Error>(())
//! ```

mod bag;
mod compute;
mod counts;
mod ends;
mod expr;
mod hash;
mod item;
mod once;
mod pipe;
mod read;
mod skipped;
mod text;
mod value;
mod words;

pub use bag::{Bag, concat};
pub use compute::WithSkipped;
pub use ends::number::Number;
pub use item::Item;
pub use pipe::steps::Items;
pub use pipe::text_steps::Pieces;
pub use read::{Compression, Encoding, InvalidUtf8, LineEnd, OnBad, Paths, TextOptions};
pub use skipped::Skipped;
pub use text::{Text, read_json, read_json_with, read_text, read_text_with};
pub use value::Portable;

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Array files: `.npy` and the members of `.npz`, read in pieces and never whole.
//!
//! | type | what it does |
//! | --- | --- |
//! | [`NpyReader`] | opens one array, plain or inside an archive, and reads any block of it; thread safe |
//! | [`NpzArchive`] | lists an archive's members and opens them |
//! | [`NpyWriter`], [`save_npy`] | write a `.npy` file that appears whole or not at all |
//! | [`NpyHeader`], [`NpyDtype`], [`NpyElement`] | what a file says of itself, and the Rust types that match |
//! | [`NpyError`] | every way in which the above can fail, with the file's and the member's name |
//!
//! Nothing here knows of chunks, keys or graphs: a lazy source is a reader and a list of blocks.

mod block;
mod bytes;
mod checksum;
mod cursor;
mod deflated;
mod element;
mod error;
mod npy;
mod npy_header;
mod npy_literal;
mod npy_write;
mod npz;
mod positional;
mod zip_directory;

pub use deflated::InflateStats;
pub use element::NpyElement;
pub use error::NpyError;
pub use npy::NpyReader;
pub use npy_header::{NpyByteOrder, NpyDtype, NpyHeader};
pub use npy_write::{NpyWriter, save_npy};
pub use npz::{NpzArchive, NpzMember};

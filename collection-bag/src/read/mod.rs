//! Reading files: which there are ([`files`]), their bytes in blocks of whole lines ([`blocks`]), text and JSON lines of them.

pub(crate) mod blocks;
pub(crate) mod encoding;
pub(crate) mod files;
pub(crate) mod json;
mod packed;
pub(crate) mod source;

pub use encoding::{Encoding, LineEnd};
pub use files::{Compression, Paths};
pub use json::OnBad;
pub use source::{InvalidUtf8, TextOptions};

//! Layer kinds of arrays: formulas from which the tasks of rechunks, slices and concatenations follow.

pub(crate) mod concat;
pub(crate) mod gather;

use kvern_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn encode(kind: &str, layer: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(layer).map_err(|e| {
        Error::with_source(
            ErrorKind::NotPortable,
            format!("a {kind} layer cannot be serialised"),
            e,
        )
    })
}

fn decode<T: DeserializeOwned>(kind: &str, bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| {
        Error::with_source(
            ErrorKind::Decode,
            format!("{} bytes are not a {kind} layer", bytes.len()),
            e,
        )
    })
}

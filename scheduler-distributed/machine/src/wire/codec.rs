//! Batches of messages as bytes. Decoding takes any bytes and never panics.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are no batch of messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes is not a batch of {of}: {why}")]
pub struct DecodeError {
    /// How many bytes there were.
    pub length: usize,
    /// The type that was expected.
    pub of: &'static str,
    /// What was wrong.
    pub why: String,
}

/// One frame of messages.
pub fn encode<T: Serialize>(batch: &[T]) -> Vec<u8> {
    // Vectors grow, and our types are all of known length: nothing is left that could fail.
    postcard::to_allocvec(batch).unwrap_or_default()
}

/// The messages of a frame.
///
/// # Errors
/// [`DecodeError`] on anything that is not exactly one batch.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, DecodeError> {
    whole(bytes)
}

/// One value that takes up all bytes.
pub(crate) fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let wrong = |why: String| DecodeError {
        length: bytes.len(),
        of: std::any::type_name::<T>(),
        why,
    };
    match postcard::take_from_bytes::<T>(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(wrong(format!("{} bytes are left over", rest.len()))),
        Err(e) => Err(wrong(e.to_string())),
    }
}

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

/// The most messages in one frame. Whoever reads refuses more: a message of one byte may take a hundred in memory.
pub(crate) const MOST_MESSAGES: usize = 4096;

/// The most bytes in a frame of several messages: a larger message has a frame of its own. What is sent to a slow peer is so made in pieces,
/// and one frame never becomes too large because many messages came at once.
pub const MOST_BYTES: usize = 4 << 20;

/// Messages on their way into frames: as many in each as its bytes allow.
#[derive(Debug)]
pub struct Packer {
    /// Room for the frame's length and count, then the messages.
    bytes: Vec<u8>,
    count: usize,
}

/// A frame's length and the count of its messages, while that takes one byte.
const HEAD: usize = 4 + 1;

impl Default for Packer {
    fn default() -> Self {
        Self {
            bytes: vec![0; HEAD],
            count: 0,
        }
    }
}

impl Packer {
    /// Adds a message; gives the bytes of a frame, with its length in front, once one is full.
    ///
    /// # Errors
    /// [`TooLarge`] for a message that takes more than `most` alone; what was added before is still there.
    pub fn push<T: Serialize>(
        &mut self,
        message: &T,
        most: usize,
    ) -> Result<Option<Vec<u8>>, TooLarge> {
        let before = self.bytes.len();
        let bytes = std::mem::take(&mut self.bytes);
        // Vectors grow, and our types are all of known length: nothing is left that could fail.
        self.bytes = postcard::to_extend(message, bytes).unwrap_or_default();
        let own = self.bytes.len().saturating_sub(before);
        if own > most.saturating_sub(HEAD) {
            self.bytes.truncate(before);
            return Err(TooLarge { length: own, most });
        }
        self.count += 1;
        if self.bytes.len() - HEAD <= MOST_BYTES {
            return Ok((self.count == MOST_MESSAGES)
                .then(|| self.finish())
                .flatten());
        }
        if self.count == 1 {
            return Ok(self.finish());
        }
        // The one that was too much begins the next frame.
        let last = self.bytes.split_off(before);
        self.count -= 1;
        let full = self.finish();
        self.bytes.extend(last);
        self.count = 1;
        Ok(full)
    }

    /// The frame of what has been added; `None`: nothing has.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        (self.count > 0).then(|| self.frame())
    }

    /// The frame of what has been added, of nothing if nothing has.
    pub fn frame(&mut self) -> Vec<u8> {
        let Self { bytes, count } = std::mem::take(self);
        close(bytes, count)
    }
}

/// Writes length and count before the messages.
fn close(mut bytes: Vec<u8>, count: usize) -> Vec<u8> {
    // A varint: 7 bits a byte, the lowest first; two bytes hold more than a frame may have.
    if count < 0x80 {
        bytes[HEAD - 1] = count as u8;
    } else {
        bytes[HEAD - 1] = count as u8 | 0x80;
        bytes.insert(HEAD, (count >> 7) as u8);
    }
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// A message that no frame can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes is larger than a frame may be ({most})")]
pub struct TooLarge {
    /// How many bytes it takes.
    pub length: usize,
    /// How many a frame may have.
    pub most: usize,
}

/// The messages of a frame.
///
/// # Errors
/// [`DecodeError`] on anything that is not exactly one batch, of at most 4,096 messages.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, DecodeError> {
    let count = postcard::take_from_bytes::<u64>(bytes).map_or(0, |(n, _): (u64, _)| n);
    if count > MOST_MESSAGES as u64 {
        return Err(DecodeError {
            length: bytes.len(),
            of: std::any::type_name::<Vec<T>>(),
            why: format!("it has {count} messages, at most {MOST_MESSAGES} are allowed"),
        });
    }
    if count > 1 && bytes.len() > MOST_BYTES + HEAD {
        return Err(DecodeError {
            length: bytes.len(),
            of: std::any::type_name::<Vec<T>>(),
            why: format!("several messages share at most {MOST_BYTES} bytes"),
        });
    }
    whole(bytes)
}

/// The most names in one list that a message holds. Nobody says more of them at once: lists that may be longer are sent in pieces.
pub const MOST_NAMES: usize = 1 << 20;

/// A list of at most [`MOST_NAMES`], for `serde(deserialize_with)`.
pub(crate) fn short_list<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    struct Short<T>(std::marker::PhantomData<T>);
    impl<'de, T: serde::Deserialize<'de>> serde::de::Visitor<'de> for Short<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {MOST_NAMES}")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let said = seq.size_hint().unwrap_or(0);
            let too_many = |n| serde::de::Error::invalid_length(n, &self);
            if said > MOST_NAMES {
                return Err(too_many(said));
            }
            let mut list = Vec::with_capacity(said.min(4096));
            while let Some(item) = seq.next_element()? {
                if list.len() == MOST_NAMES {
                    return Err(too_many(list.len() + 1));
                }
                list.push(item);
            }
            Ok(list)
        }
    }
    from.deserialize_seq(Short(std::marker::PhantomData))
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

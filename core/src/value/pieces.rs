//! A result in pieces: what a task makes that splits its input, and how a piece of it is named.

use std::any::TypeId;

use serde::{Deserialize, Serialize};

use super::{TypeEntry, Value, decode_linked, encode_linked, linked_type};
use crate::base::error::{Error, ErrorKind, Result};

/// Which piece of a result a task reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Piece {
    /// Its number.
    pub index: u32,
    /// How many there are: about such a part of the bytes is one.
    pub of: u32,
}

impl Piece {
    /// Projected bytes of the piece of a result that takes so many.
    pub fn share(self, bytes: u64) -> u64 {
        bytes / u64::from(self.of.max(1))
    }
}

/// What a task makes that splits its input: one piece for each of its readers.
///
/// Who runs tasks may keep, spill and send each piece alone: a task that reads a piece ([`LayerKind::piece`](crate::LayerKind::piece)) is never
/// given the others.
#[derive(Debug, Clone)]
pub struct Pieces(pub Vec<Value>);

impl Pieces {
    /// The pieces as a value, counting all their bytes.
    pub fn into_value(self) -> Value {
        Value::new(self)
    }

    /// A piece of a value that a splitting task made.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] if the value is not `Pieces` or has no such piece.
    pub fn pick(value: &Value, index: u32) -> Result<Value> {
        let pieces = value.downcast_ref::<Self>().ok_or_else(|| {
            Error::bad_input(format!(
                "the pieces of a split were expected, got {}",
                value.describe()
            ))
        })?;
        pieces
            .0
            .get(index as usize)
            .cloned()
            .ok_or_else(|| Self::missing(index, pieces.0.len()))
    }

    /// The error about a piece that a split did not make.
    pub fn missing(index: u32, made: usize) -> Error {
        Error::bad_input(format!(
            "a split made {made} pieces, piece {index} was asked for"
        ))
    }

    /// Whether a value could be written as one of several pieces.
    pub fn can_encode(piece: &Value) -> bool {
        linked_type(piece.value_type()).is_some() || piece.of_build().is_some()
    }

    /// Each piece as its tag and its bytes.
    fn encode(&self) -> Result<Vec<u8>> {
        let pieces = self.0.iter().map(|v| {
            encode_linked(v, u64::MAX).ok_or_else(|| {
                let message = format!(
                    "a piece of a split, a {}, cannot be written: register the type with register_type!",
                    v.describe()
                );
                Error::new(ErrorKind::NotPortable, message)
            })
        });
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        postcard::to_allocvec(&pieces)
            .map_err(|e| Error::with_source(ErrorKind::Internal, "pieces cannot be written", e))
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let pieces: Vec<(&str, &[u8])> = postcard::from_bytes(bytes).map_err(|e| {
            let message = format!("{} bytes are not the pieces of a split", bytes.len());
            Error::with_source(ErrorKind::Decode, message, e)
        })?;
        let pieces = pieces
            .into_iter()
            .map(|(tag, bytes)| decode_linked(tag, bytes));
        pieces.collect::<Result<_>>().map(Self)
    }

    fn nbytes(&self) -> u64 {
        self.0.iter().map(Value::nbytes).sum::<u64>() + (self.0.len() * size_of::<Value>()) as u64
    }
}

inventory::submit! {
    TypeEntry {
        tag: "core.pieces@1",
        source: "kvern-core",
        type_id: TypeId::of::<Pieces>,
        nbytes: |v| v.downcast_ref::<Pieces>().map_or(0, Pieces::nbytes),
        describe: None,
        encode: |v, out| {
            let pieces = v.downcast_ref::<Pieces>().ok_or_else(|| {
                Error::new(ErrorKind::Internal, "the codec of pieces was given another type")
            })?;
            out.extend(pieces.encode()?);
            Ok(())
        },
        decode: |bytes| Ok(Pieces::decode(bytes)?.into_value()),
        bulk: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn pieces_come_back_and_cut_ones_are_refused() {
        let registry = Registry::linked().unwrap();
        let pieces = vec![Value::new(7u64), Value::new(vec![1u8; 100])];
        let mut bytes = Vec::new();
        registry
            .encode(&Pieces(pieces).into_value(), &mut bytes)
            .unwrap();
        let back = registry.decode(&bytes).unwrap();
        let piece = |i| Pieces::pick(&back, i).unwrap();
        assert_eq!(piece(0).downcast_ref(), Some(&7u64));
        assert_eq!(piece(1).downcast_ref(), Some(&vec![1u8; 100]));
        for n in 1 + "core.pieces@1".len()..bytes.len() {
            assert!(registry.decode(&bytes[..n]).is_err(), "cut to {n}");
        }
        let e = Pieces::pick(&back, 2).unwrap_err().to_string();
        assert!(e.contains("made 2 pieces, piece 2"), "{e}");
        let e = Pieces::pick(&Value::new(7u64), 0).unwrap_err().to_string();
        assert!(e.contains("the pieces of a split were expected"), "{e}");
    }

    #[test]
    fn what_cannot_be_written_is_known_before_and_named() {
        struct Own;
        let own = Value::new(Own);
        assert!(!Pieces::can_encode(&own) && Pieces::can_encode(&Value::new(1u64)));
        let e = Pieces(vec![own]).encode().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotPortable);
        assert!(e.to_string().contains("Own"), "{e}");
    }
}

//! All-to-all layers: every output may need a piece of every input. Shuffles, rechunks between strangers.

use std::any::TypeId;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Edge, LayerKind, decode, encode, malformed};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::KeyBuilder;
use crate::operator::OpRef;
use crate::value::{TypeEntry, Value, decode_linked, encode_linked};

/// `from` splitting tasks, each making [`Parts`] for every output, and `to` merging tasks, each reading its part of all of them.
///
/// A merging task gets the [`Parts`] of every split in order and picks number [`TaskContext::block`](crate::TaskContext::block).
/// The split and merge halves are kept apart in the protocol so that a backend with a network can move parts instead of wholes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AllToAll {
    /// split, merge.
    ops: [OpRef; 2],
    from: u32,
    to: u32,
    split_bytes: u64,
    merge_bytes: u64,
}

/// What a splitting task makes: one piece an output.
#[derive(Debug, Clone)]
pub struct Parts(pub Vec<Value>);

impl Parts {
    /// The parts as a value, counting all their bytes.
    pub fn into_value(self) -> Value {
        Value::new(self)
    }

    /// Part `index` of a value that a splitting task made.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] if the value is not `Parts` or has no such part.
    pub fn pick(value: &Value, index: u64) -> Result<Value> {
        let parts = value.downcast_ref::<Self>().ok_or_else(|| {
            Error::bad_input(format!(
                "an all-to-all merge reads the parts of a split, got {}",
                value.describe()
            ))
        })?;
        parts.0.get(index as usize).cloned().ok_or_else(|| {
            Error::new(
                ErrorKind::BadInput,
                format!(
                    "a split made {} parts, part {index} was asked for",
                    parts.0.len()
                ),
            )
        })
    }
}

impl Parts {
    /// Each part as its tag and its bytes.
    fn encode(&self) -> Result<Vec<u8>> {
        let parts = self.0.iter().map(|v| {
            encode_linked(v, u64::MAX).ok_or_else(|| {
                let words = format!(
                    "a part of a split, a {}, cannot be written: register the type with register_type!",
                    v.describe()
                );
                Error::new(ErrorKind::NotPortable, words)
            })
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        postcard::to_allocvec(&parts)
            .map_err(|e| Error::with_source(ErrorKind::Internal, "parts cannot be written", e))
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let parts: Vec<(&str, &[u8])> = postcard::from_bytes(bytes).map_err(|e| {
            let words = format!("{} bytes are not the parts of a split", bytes.len());
            Error::with_source(ErrorKind::Decode, words, e)
        })?;
        let parts = parts
            .into_iter()
            .map(|(tag, bytes)| decode_linked(tag, bytes));
        parts.collect::<Result<_>>().map(Self)
    }

    fn nbytes(&self) -> u64 {
        self.0.iter().map(Value::nbytes).sum::<u64>() + (self.0.len() * size_of::<Value>()) as u64
    }
}

inventory::submit! {
    TypeEntry {
        tag: "core.parts@1",
        source: "kvern-core",
        type_id: TypeId::of::<Parts>,
        nbytes: |v| v.downcast_ref::<Parts>().map_or(0, Parts::nbytes),
        describe: None,
        encode: |v, out| {
            let parts = v.downcast_ref::<Parts>().ok_or_else(|| {
                Error::new(ErrorKind::Internal, "the codec of parts was given another type")
            })?;
            out.extend(parts.encode()?);
            Ok(())
        },
        decode: |bytes| Ok(Parts::decode(bytes)?.into_value()),
        bulk: None,
    }
}

impl AllToAll {
    /// Every one of `from` input blocks to every one of `to` outputs; bytes are per split and per merge result.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for no input or no output.
    pub fn new(
        [split, merge]: [OpRef; 2],
        from: u32,
        to: u32,
        split_bytes: u64,
        merge_bytes: u64,
    ) -> Result<Self> {
        let layer = Self {
            ops: [split, merge],
            from,
            to,
            split_bytes,
            merge_bytes,
        };
        layer.check().map_err(Error::bad_input)?;
        Ok(layer)
    }

    fn check(&self) -> Result<(), String> {
        if self.from == 0 || self.to == 0 || self.from.checked_add(self.to).is_none() {
            return Err(format!(
                "an all-to-all needs inputs and outputs, got {} and {}",
                self.from, self.to
            ));
        }
        Ok(())
    }
}

impl LayerKind for AllToAll {
    fn kind(&self) -> &'static str {
        "all-to-all"
    }

    fn tasks(&self) -> usize {
        (self.from + self.to) as usize
    }

    fn outputs(&self) -> usize {
        self.to as usize
    }

    fn output_task(&self, output: usize) -> usize {
        self.from as usize + output
    }

    fn inputs(&self) -> usize {
        1
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        if (task as u32) < self.from {
            out.push(Edge::Input {
                slot: 0,
                output: task as u32,
            });
        } else {
            out.extend((0..self.from).map(Edge::Own));
        }
    }

    fn ops(&self) -> &[OpRef] {
        &self.ops
    }

    fn op(&self, task: usize) -> usize {
        usize::from(task as u32 >= self.from)
    }

    fn block(&self, task: usize) -> u32 {
        let t = task as u32;
        if t < self.from { t } else { t - self.from }
    }

    fn bytes(&self, task: usize) -> u64 {
        if (task as u32) < self.from {
            self.split_bytes
        } else {
            self.merge_bytes
        }
    }

    fn total_bytes(&self) -> u64 {
        u64::from(self.from)
            .saturating_mul(self.split_bytes)
            .saturating_add(u64::from(self.to).saturating_mul(self.merge_bytes))
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        k.key(self.ops[0].key())
            .key(self.ops[1].key())
            .u64(u64::from(self.from))
            .u64(u64::from(self.to))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.ops, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let ops: [OpRef; 2] = ops.try_into().ok()?;
        Some(Arc::new(Self {
            ops,
            ..self.clone()
        }))
    }
}

crate::register_layer!("all-to-all", |bytes| {
    let layer: AllToAll = decode("all-to-all", bytes)?;
    layer.check().map_err(|why| malformed("all-to-all", why))?;
    Ok(Arc::new(layer))
});

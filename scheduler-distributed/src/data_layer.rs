//! The layer in which a graph names values on its way to the scheduler: small ones encoded, the others by where they are.
//!
//! A client replaces the [`Data`](kvern_core::layer::Data) layers of a graph by these, whose keys are the same. The scheduler never
//! decodes a value: it may not know its type.

use std::sync::Arc;

use kvern_core::key::KeyBuilder;
use kvern_core::layer::{Datum, Edge};
use kvern_core::{Error, ErrorKind, Key, LayerKind, OpRef, Result, Value};
use kvern_machine::{OutputRef, Payload, WorkerId};
use serde::{Deserialize, Serialize};

/// One value that a graph reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// Encoded by a registry, and the bytes that it takes in memory.
    Literal { value: Payload, nbytes: u64 },
    /// An output of another graph of the same scheduler.
    Output(OutputRef),
    /// Bytes that the client puts on that worker itself, and how many they are in memory.
    Scattered { worker: WorkerId, nbytes: u64 },
    /// The same, and it puts them there again when they are lost.
    Backed { worker: WorkerId, nbytes: u64 },
}

/// Items; each is an output.
#[derive(Debug)]
pub(crate) struct Items {
    keys: Vec<Key>,
    /// Each a value that holds an [`Item`]: what a layer can show of something that is not run.
    items: Vec<Datum>,
}

impl Items {
    pub(crate) fn new(keys: Vec<Key>, items: Vec<Item>) -> Self {
        Self {
            keys,
            items: items
                .into_iter()
                .map(|i| Datum::Value(Value::new(i)))
                .collect(),
        }
    }

    fn item(&self, task: usize) -> Option<&Item> {
        of_datum(self.items.get(task)?)
    }
}

/// The item that a datum of such a layer holds.
pub(crate) fn of_datum(datum: &Datum) -> Option<&Item> {
    match datum {
        Datum::Value(v) => v.downcast_ref(),
        Datum::Pending(_) => None,
    }
}

const KIND: &str = "cluster.items";

impl LayerKind for Items {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn tasks(&self) -> usize {
        self.items.len()
    }

    fn inputs(&self) -> usize {
        0
    }

    fn edges(&self, _task: usize, _out: &mut Vec<Edge>) {}

    fn ops(&self) -> &[OpRef] {
        &[]
    }

    fn bytes(&self, task: usize) -> u64 {
        match self.item(task) {
            Some(
                Item::Literal { nbytes, .. }
                | Item::Scattered { nbytes, .. }
                | Item::Backed { nbytes, .. },
            ) => *nbytes,
            // Counted by the graph that made it.
            _ => 0,
        }
    }

    fn datum(&self, task: usize) -> Option<&Datum> {
        self.items.get(task)
    }

    fn task_key(&self, task: usize) -> Option<Key> {
        self.keys.get(task).copied()
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        self.keys
            .iter()
            .fold(k.u64(self.keys.len() as u64), |k, &key| k.key(key))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let items: Vec<&Item> = (0..self.items.len()).filter_map(|t| self.item(t)).collect();
        postcard::to_allocvec(&(&self.keys, items))
            .map_err(|e| Error::with_source(ErrorKind::Internal, "items cannot be written", e))
    }
}

kvern_core::register_layer!(KIND, |bytes| {
    let (keys, items): (Vec<Key>, Vec<Item>) = postcard::from_bytes(bytes).map_err(|e| {
        Error::with_source(
            ErrorKind::Decode,
            format!("a layer of items of {} bytes cannot be read", bytes.len()),
            e,
        )
    })?;
    if keys.len() != items.len() {
        let words = format!(
            "a layer of items has {} keys for {} items",
            keys.len(),
            items.len()
        );
        return Err(Error::new(ErrorKind::Decode, words));
    }
    Ok(Arc::new(Items::new(keys, items)))
});

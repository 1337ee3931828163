//! Data layers: values that exist already, or are being made by another run.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Edge, LayerKind, decode, encode, malformed};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::{self, Key, KeyBuilder};
use crate::operator::OpRef;
use crate::value::{Value, decode_linked, encode_linked};

/// Values up to this many bytes count as part of a graph: they are keyed by content (about 0.3 ms) and encoded with it. Larger ones
/// are data that the graph reads.
pub(crate) const LITERAL_MAX: u64 = 1 << 20;

/// Something that a graph reads without running it.
#[derive(Debug, Clone)]
pub enum Datum {
    /// A value at hand.
    Value(Value),
    /// The result of a task of some run: this is how a graph grows while it runs, and how futures are arguments.
    Pending(Arc<dyn Pending>),
}

/// A result of another run, as a graph knows it: it may not be there yet, and is kept as long as this lives. The scheduler protocol's
/// [`Handle`](crate::Handle) is one; a backend that knows the run behind it finds it by downcasting.
pub trait Pending: Any + fmt::Debug + Send + Sync {
    /// The content key of the result.
    fn key(&self) -> Key;

    /// The result if it is there. Does not wait for a task.
    fn try_get(&self) -> Option<Result<Value>>;

    /// Waits for the result.
    ///
    /// # Errors
    /// Why there is none.
    fn wait(&self) -> Result<Value>;

    /// Calls `then` once the result is there, at once if it is already. It must not block.
    fn when_done(&self, then: Box<dyn FnOnce(Result<Value>) + Send>);
}

/// Values or handles; each is an output.
#[derive(Debug, Clone)]
pub struct Data {
    items: Vec<Datum>,
    keys: Vec<Key>,
}

impl Data {
    /// Values, each with a key of its own that equals no other. If the content is known to be equal elsewhere, say so with
    /// [`Data::keyed`].
    pub fn values(values: Vec<Value>) -> Self {
        let keys = values.iter().map(|_| key::unique("data")).collect();
        Self {
            items: values.into_iter().map(Datum::Value).collect(),
            keys,
        }
    }

    /// Results of other runs, by their handles; keys are those of the tasks that make them.
    pub fn handles(handles: impl IntoIterator<Item = impl Pending>) -> Self {
        let (keys, items) = handles
            .into_iter()
            .map(|h| (h.key(), Datum::Pending(Arc::new(h))))
            .unzip();
        Self { items, keys }
    }

    /// One value whose content has that key.
    pub fn keyed(key: Key, value: Value) -> Self {
        Self {
            items: vec![Datum::Value(value)],
            keys: vec![key],
        }
    }

    /// Values whose contents have those keys.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] unless there is one key a value.
    pub fn keyed_values(keys: Vec<Key>, values: Vec<Value>) -> Result<Self> {
        if keys.len() != values.len() {
            return Err(Error::bad_input(format!(
                "{} keys for {} values",
                keys.len(),
                values.len()
            )));
        }
        Ok(Self {
            items: values.into_iter().map(Datum::Value).collect(),
            keys,
        })
    }
}

impl LayerKind for Data {
    fn kind(&self) -> &'static str {
        "data"
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
        match &self.items[task] {
            Datum::Value(v) => v.nbytes(),
            // Counted by the run that holds it.
            Datum::Pending(_) => 0,
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
        let values = self.items.iter().map(|item| {
            let Datum::Value(v) = item else {
                return Err(Error::new(
                    ErrorKind::NotPortable,
                    "results of other runs cannot be part of a stored graph: gather them first",
                ));
            };
            encode_linked(v, LITERAL_MAX).ok_or_else(|| {
                let words = format!(
                    "a {} held by this process cannot be part of a stored graph, only values of registered types (register_type!) of at \
                     most {LITERAL_MAX} bytes: scatter it to the backend first",
                    v.describe()
                );
                Error::new(ErrorKind::NotPortable, words)
            })
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        encode(&[], &(&self.keys, values))
    }
}

crate::register_layer!("data", |bytes| {
    let (keys, values): (Vec<Key>, Vec<(String, Vec<u8>)>) = decode("data", bytes)?;
    if keys.len() != values.len() {
        return Err(malformed(
            "data",
            format!("{} keys for {} values", keys.len(), values.len()),
        ));
    }
    let values = values.iter().map(|(tag, bytes)| decode_linked(tag, bytes));
    Ok(Arc::new(Data::keyed_values(
        keys,
        values.collect::<Result<_>>()?,
    )?))
});

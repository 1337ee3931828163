//! Data layers: values that exist already, or are being made by another run.

use super::{Edge, LayerKind};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Handle;
use crate::key::{self, Key, KeyBuilder};
use crate::operator::OpRef;
use crate::value::Value;

/// Something that a graph reads without running it.
#[derive(Debug, Clone)]
pub enum Datum {
    /// A value at hand.
    Value(Value),
    /// The result of a task of some run: this is how a graph grows while it runs, and how futures are arguments.
    Handle(Handle),
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
    pub fn handles(handles: Vec<Handle>) -> Self {
        let keys = handles.iter().map(Handle::key).collect();
        Self {
            items: handles.into_iter().map(Datum::Handle).collect(),
            keys,
        }
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
            Datum::Handle(_) => 0,
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
        Err(Error::new(
            ErrorKind::NotPortable,
            "values held by this process cannot be part of a stored graph: scatter them to the backend first",
        ))
    }
}

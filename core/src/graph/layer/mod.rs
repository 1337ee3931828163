//! Layers: the nodes of a symbolic graph. A layer stands for any number of tasks that it can name one by one, but that do not
//! exist until somebody needs them: an elementwise operation over a million chunks is a few hundred bytes.
//!
//! A layer's tasks are numbered from 0. Some of them are its *outputs*, which other layers read; the rest (inner nodes of a tree,
//! the splitting half of an exchange) are its own business. [`LayerKind`] is open: collections and plugins add kinds and
//! register how they are decoded ([`LayerEntry`]).

mod blockwise;
mod data;
mod exchange;
mod explicit;
mod overlap;
mod tree;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

pub use blockwise::{BlockArg, Blockwise};
pub(crate) use data::LITERAL_MAX;
pub use data::{Data, Datum, Pending};
pub use exchange::Exchange;
pub use explicit::{Explicit, NamedTasks, OpIndex, TaskId, TaskList};
pub use overlap::{Overlap, Reach};
pub use tree::{TreeBytes, TreeReduction};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::{Key, KeyBuilder};
use crate::base::meta::Meta;
use crate::graph::annotations::Annotations;
use crate::operator::OpRef;
use crate::value::Piece;

/// What a task reads: in argument order, another task of its own layer or an output of an input layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Task of the same layer.
    Own(u32),
    /// Output `output` of the layer's input number `slot`.
    Input {
        /// Which input layer.
        slot: u32,
        /// Which of its outputs.
        output: u32,
    },
}

/// The shape of a layer: how many tasks, what each reads, runs and is expected to weigh. All methods are cheap and total for
/// task numbers below [`LayerKind::tasks`].
pub trait LayerKind: Any + Send + Sync + fmt::Debug {
    /// The registered name of this kind.
    fn kind(&self) -> &'static str;

    /// Number of tasks, inner ones included. At most 2^32 - 1.
    fn tasks(&self) -> usize;

    /// Number of results that other layers can read.
    fn outputs(&self) -> usize {
        self.tasks()
    }

    /// The task that makes an output.
    fn output_task(&self, output: usize) -> usize {
        output
    }

    /// Number of input layers.
    fn inputs(&self) -> usize;

    /// Appends what a task reads, in argument order.
    fn edges(&self, task: usize, out: &mut Vec<Edge>);

    /// Which piece of each result that it reads a task is given, where those are [`Pieces`](crate::Pieces); `None`: the whole of each.
    fn piece(&self, _task: usize) -> Option<Piece> {
        None
    }

    /// The operators that tasks of this layer run.
    fn ops(&self) -> &[OpRef];

    /// Which of [`LayerKind::ops`] a task runs.
    fn op(&self, _task: usize) -> usize {
        0
    }

    /// The block number that the task's kernel sees.
    fn block(&self, task: usize) -> u32 {
        task as u32
    }

    /// Projected bytes of a task's result.
    fn bytes(&self, task: usize) -> u64;

    /// Projected bytes of all results together.
    fn total_bytes(&self) -> u64 {
        (0..self.tasks())
            .map(|t| self.bytes(t))
            .fold(0, u64::saturating_add)
    }

    /// A value that exists already instead of a task to run (scattered data, results of other runs).
    fn datum(&self, _task: usize) -> Option<&Datum> {
        None
    }

    /// The key of a task if it has its own; else it is made from the layer's key and the task's number.
    fn task_key(&self, _task: usize) -> Option<Key> {
        None
    }

    /// Adds everything that makes this layer what it is (except its inputs) to a key.
    fn token(&self, k: KeyBuilder) -> KeyBuilder;

    /// The layer without its inputs, to be sent or stored; what the kind's [`LayerEntry::decode`] reads.
    ///
    /// # Errors
    /// [`ErrorKind::NotPortable`] if it holds what cannot leave this process.
    fn encode(&self) -> Result<Vec<u8>>;

    /// The same layer with other operators in the places of [`LayerKind::ops`]; `None` if the kind does not allow it.
    fn with_ops(&self, _ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        None
    }
}

/// How layers of one kind are read back. The crate that has the kind submits it with [`register_layer!`](crate::register_layer), or a registry is
/// told ([`Registry::add_layer`](crate::Registry::add_layer)).
#[derive(Debug, Clone, Copy)]
pub struct LayerEntry {
    /// [`LayerKind::kind`].
    pub kind: &'static str,
    /// The crate that submitted it.
    pub source: &'static str,
    /// Reads what [`LayerKind::encode`] wrote. Must refuse, not panic, on any bytes.
    pub decode: fn(&[u8]) -> Result<Arc<dyn LayerKind>>,
}

inventory::collect!(LayerEntry);

/// Registers a kind of layers of this crate: its name, and what reads a layer of it ([`layer::decode`](crate::layer::decode), then checks).
///
/// ```
/// use std::sync::Arc;
/// use kvern_core::key::KeyBuilder;
/// use kvern_core::layer::{self, Edge};
/// use kvern_core::{LayerKind, OpRef, Result, register_layer};
/// use serde::{Deserialize, Serialize};
///
/// /// So many tasks that read nothing.
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Row {
///     op: [OpRef; 1],
///     tasks: u32,
/// }
///
/// impl LayerKind for Row {
///     fn kind(&self) -> &'static str {
///         "demo.row"
///     }
///     fn tasks(&self) -> usize {
///         self.tasks as usize
///     }
///     fn inputs(&self) -> usize {
///         0
///     }
///     fn edges(&self, _task: usize, _out: &mut Vec<Edge>) {}
///     fn ops(&self) -> &[OpRef] {
///         &self.op
///     }
///     fn bytes(&self, _task: usize) -> u64 {
///         8
///     }
///     fn token(&self, k: KeyBuilder) -> KeyBuilder {
///         k.key(self.op[0].key()).u64(self.tasks.into())
///     }
///     fn encode(&self) -> Result<Vec<u8>> {
///         layer::encode(&self.op, self)
///     }
/// }
///
/// register_layer!("demo.row", |bytes| {
///     let row: Row = layer::decode("demo.row", bytes)?;
///     Ok(Arc::new(row))
/// });
///
/// assert!(kvern_core::Registry::linked()?.layers().any(|kind| kind == "demo.row"));
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[macro_export]
macro_rules! register_layer {
    ($kind:expr, $decode:expr $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::LayerEntry {
                kind: $kind,
                source: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                decode: $decode,
            }
        }
    };
}

/// A layer with its inputs: a node of the expression that a collection holds. Shared by everything built on it.
pub struct Layer {
    key: Key,
    kind: Arc<dyn LayerKind>,
    inputs: Vec<Arc<Self>>,
    annotations: Option<Arc<Annotations>>,
    meta: Option<Arc<Meta>>,
}

impl Layer {
    /// A layer that reads `inputs`; its key says what it computes.
    ///
    /// # Panics
    /// If the number of inputs is not what the kind takes (a defect of the collection that builds it).
    pub fn new(kind: impl LayerKind, inputs: Vec<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self::build(Arc::new(kind), inputs, None, None, None))
    }

    /// [`Layer::new`] with all there is to say. `key`: for rewrites, which keep the key of what they replace.
    ///
    /// # Panics
    /// If the number of inputs is not what the kind takes.
    pub fn build(
        kind: Arc<dyn LayerKind>,
        inputs: Vec<Arc<Self>>,
        key: Option<Key>,
        annotations: Option<Arc<Annotations>>,
        meta: Option<Arc<Meta>>,
    ) -> Self {
        assert_eq!(
            kind.inputs(),
            inputs.len(),
            "a {} layer takes {} inputs, got {}",
            kind.kind(),
            kind.inputs(),
            inputs.len()
        );
        let key = key.unwrap_or_else(|| {
            let k = kind.token(Key::builder("layer").str(kind.kind()));
            inputs
                .iter()
                .fold(k.u64(inputs.len() as u64), |k, i| k.key(i.key))
                .finish()
        });
        Self {
            key,
            kind,
            inputs,
            annotations,
            meta,
        }
    }

    /// The same layer with annotations.
    #[must_use]
    pub fn annotated(self: &Arc<Self>, annotations: Annotations) -> Arc<Self> {
        Arc::new(Self {
            key: self.key,
            kind: self.kind.clone(),
            inputs: self.inputs.clone(),
            annotations: Some(Arc::new(annotations)),
            meta: self.meta.clone(),
        })
    }

    /// The same layer saying what its result looks like.
    #[must_use]
    pub fn with_meta(self: &Arc<Self>, meta: Meta) -> Arc<Self> {
        Arc::new(Self {
            key: self.key,
            kind: self.kind.clone(),
            inputs: self.inputs.clone(),
            annotations: self.annotations.clone(),
            meta: Some(Arc::new(meta)),
        })
    }

    /// What it computes.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Its shape.
    pub fn kind(&self) -> &Arc<dyn LayerKind> {
        &self.kind
    }

    /// Its shape, if it is of that kind.
    pub fn as_kind<K: LayerKind>(&self) -> Option<&K> {
        (self.kind.as_ref() as &dyn Any).downcast_ref()
    }

    /// What it reads.
    pub fn inputs(&self) -> &[Arc<Self>] {
        &self.inputs
    }

    /// How it should be run.
    pub fn annotations(&self) -> Option<&Arc<Annotations>> {
        self.annotations.as_ref()
    }

    /// What its result looks like.
    pub fn meta(&self) -> Option<&Arc<Meta>> {
        self.meta.as_ref()
    }

    /// The key of one of its tasks.
    pub fn task_key(&self, task: usize) -> Key {
        self.kind
            .task_key(task)
            .unwrap_or_else(|| self.key.child(task as u64))
    }
}

impl Drop for Layer {
    /// Takes long chains apart without recursion: a chain of 100,000 delayed calls must not overflow the stack.
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.inputs);
        while let Some(input) = rest.pop() {
            // Of several threads that let go of it, exactly one is given it.
            if let Some(mut layer) = Arc::into_inner(input) {
                rest.append(&mut layer.inputs);
            }
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Layer({} {}, {} tasks, {} inputs)",
            self.kind.kind(),
            self.key.short(),
            self.kind.tasks(),
            self.inputs.len()
        )
    }
}

/// What most kinds answer [`LayerKind::encode`] with: a layer of a serde type, as bytes.
///
/// # Errors
/// [`ErrorKind::NotPortable`] if one of `ops` is a closure that stays in this process, or the layer cannot be serialised.
pub fn encode<T: serde::Serialize>(ops: &[OpRef], layer: &T) -> Result<Vec<u8>> {
    ops.iter().try_for_each(OpRef::check_portable)?;
    postcard::to_allocvec(layer).map_err(|e| {
        Error::with_source(ErrorKind::NotPortable, "the layer cannot be serialised", e)
    })
}

/// Reads what [`encode`] wrote. What it says is still to be checked: bytes may come from anywhere.
///
/// # Errors
/// [`ErrorKind::Decode`] naming the kind.
pub fn decode<T: serde::de::DeserializeOwned>(kind: &str, bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| {
        Error::with_source(
            ErrorKind::Decode,
            format!("a {kind} layer of {} bytes cannot be read", bytes.len()),
            e,
        )
    })
}

/// The error about bytes that say what cannot be.
pub fn malformed(kind: &str, why: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!("a {kind} layer is malformed: {why}"),
    )
}

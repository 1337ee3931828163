//! [`Bag`]: a lazy list of anything in partitions, and what can be done with it, by theme.

mod compute;
mod explain;
mod make;
mod reduce;
mod steps;
mod structure;
mod write;

use std::marker::PhantomData;
use std::sync::Arc;

use kvern_core::{Error, Layer, Meta, Result};

use crate::ends::collect::{AsPartition, Collect};
use crate::expr::{Expr, Reads};
use crate::pipe::sources::Inputs;
use crate::pipe::split::{ItemType, learn};
use crate::pipe::{End, EndPart, Part, Source, SourcePart, StepPart};
use crate::value::Portable;

pub(crate) use make::partitions;
pub use structure::concat;

/// A lazy list of `T` in partitions. Cloning shares the expression; nothing is read or run before [`compute`](Bag::compute).
///
/// The items of a partition pass the whole chain one by one: `map`, `filter`, `flat_map`, and the reduction at its end, are one pass and
/// one task a partition, without a list in between. Items that only exist inside a chain may be of any type; those that a task hands
/// on are [`Portable`].
///
/// ```
/// use kvern_bag::Bag;
/// let squares = Bag::from_sequence(1..=10i64, 3).map(|x| x * x);
/// assert_eq!(squares.filter(|x| x % 2 == 0).sum().reference()?, 220);
/// assert_eq!(squares.reference()?.len(), 10);
/// # Ok::<(), kvern_core::Error>(())
/// ```
pub struct Bag<T> {
    expr: Arc<Expr>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Bag<T> {
    fn clone(&self) -> Self {
        Self {
            expr: self.expr.clone(),
            of: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Bag<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bag<{}>({})", std::any::type_name::<T>(), self.expr)
    }
}

impl<T: Clone + 'static> Bag<T> {
    /// The bag of an expression, whose items must be `T`.
    pub(crate) fn of(expr: Arc<Expr>) -> Self {
        Self {
            expr,
            of: PhantomData,
        }
    }

    /// The bag that a source gives.
    pub(crate) fn begin(
        source: Part<dyn Source>,
        reads: Reads,
        partitions: u32,
        bytes: u64,
    ) -> Self {
        learn::<T>();
        let item = ItemType::of::<T>();
        Self::of(Expr::source(item, source, reads, partitions, bytes))
    }

    /// A bag that could not be made, which is told when it is computed.
    pub(crate) fn broken(e: Error) -> Self {
        Self::begin(SourcePart::broken(e), Reads::Nothing, 1, 0)
    }

    /// The bag that a step makes.
    pub(crate) fn then(expr: &Arc<Expr>, step: &StepPart) -> Self {
        learn::<T>();
        Self::of(expr.then(step, ItemType::of::<T>()))
    }

    pub(crate) fn expr(&self) -> &Arc<Expr> {
        &self.expr
    }

    /// Number of partitions.
    ///
    /// ```
    /// use kvern_bag::Bag;
    /// assert_eq!(Bag::range(10, 3).npartitions(), 3);
    /// ```
    pub fn npartitions(&self) -> usize {
        self.expr.npartitions()
    }
}

impl<T: Portable> Bag<T> {
    /// The bag whose partitions are the outputs of a layer.
    pub(crate) fn of_layer(layer: Arc<Layer>, bytes: u64) -> Self {
        let n = layer.kind().outputs() as u32;
        learn::<T>();
        let source = SourcePart::plain::<Inputs<T>>("partitions", &());
        Self::begin(source, Reads::Same(layer), n, bytes)
    }

    /// The bag that a reduction ends in: one partition.
    pub(crate) fn reduced(expr: &Expr, end: &Part<dyn End>) -> Self {
        match expr.reduced(end) {
            Ok(layer) => Self::of_layer(layer, 64 << 10),
            Err(e) => Self::broken(e),
        }
    }

    /// The bag that a reduction by key ends in, over `n` partitions by the hash of the key. `items`: all items
    /// move.
    pub(crate) fn exchanged(expr: &Expr, end: &Part<dyn End>, n: usize, items: bool) -> Self {
        let bytes = expr.bytes();
        match partitions(n.max(1)).and_then(|n| expr.by_key(end, n, items)) {
            Ok(layer) => Self::of_layer(layer, bytes),
            Err(e) => Self::broken(e),
        }
    }

    /// The layer of its partitions.
    pub(crate) fn layer(&self) -> Result<Arc<Layer>> {
        learn::<T>();
        self.expr.partitions(
            || EndPart::plain::<Collect<T, AsPartition>>("", &u64::MAX),
            || Meta {
                kind: "bag".into(),
                dtype: std::any::type_name::<T>().into(),
                shape: vec![None],
            },
        )
    }
}

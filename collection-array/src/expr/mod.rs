//! The expression behind an [`Array`](crate::Array): what to compute, before anybody says in which tasks.

pub(crate) mod cost;
mod elementwise;
mod gather;
mod product;
mod reduction;
mod reshape;
mod view;

pub(crate) use elementwise::unify;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use kvern_core::key::{self, KeyBuilder};
use kvern_core::{BlockBytes, Grid, Key, Layer, Meta, OpRef, Splits};

use crate::geometry::grid_of;
use crate::geometry::pick::Pick;
use kvern_kernels::dtype::{DType, Scalar};
use kvern_kernels::{Program, Reduce};

/// A node of the expression, with all that is known of its result.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) key: Key,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) chunks: Vec<Splits>,
    pub(crate) node: Node,
    /// What it reads.
    pub(crate) args: Vec<Arc<Self>>,
    /// The layer of this node as the root of a computation, once it was asked for.
    pub(crate) layer: OnceLock<Arc<Layer>>,
}

/// What a node does with its arguments. How the result is cut has been decided when a node is built.
#[derive(Debug)]
pub(crate) enum Node {
    /// Chunks that exist, or are made by another run.
    Held(Arc<Layer>),
    /// The same value everywhere.
    Full(Scalar),
    /// Chunks made by one operator from nothing but their number.
    Source(Source),
    /// A program over arguments that are broadcast together.
    Map(Program),
    /// A reduction over axes.
    Reduce {
        reduce: Reduce,
        axes: Vec<usize>,
        keepdims: bool,
    },
    /// Other chunks of the same array, or a part of it.
    Gather(Vec<Pick>),
    /// Axes in another order; `None` is a new one of length 1. Those not named have length 1.
    View(Vec<Option<usize>>),
    /// As many chunks, each in another shape.
    Reblock,
    /// One behind the other along an axis; the chunks stay.
    Concat(usize),
    /// An operator over the chunks at one place of each argument.
    Blocks(OpRef),
    /// Matrix product of the last two axes.
    Product,
}

/// Chunks from nothing.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) op: OpRef,
    /// For `explain`.
    pub(crate) about: String,
    /// Whatever must live as long as the array: an open file keeps what its decoder has learnt.
    pub(crate) keep: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({})",
            self.about,
            if self.keep.is_some() {
                "open"
            } else {
                "formula"
            }
        )
    }
}

impl Source {
    pub(crate) fn new(op: OpRef, about: impl Into<String>) -> Self {
        Self {
            op,
            about: about.into(),
            keep: None,
        }
    }
}

impl Node {
    /// A word or two for `explain` and pictures.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Held(_) => "data".into(),
            Self::Full(v) => format!("full {v}"),
            Self::Source(s) => s.about.clone(),
            Self::Map(p) => program_label(p),
            Self::Reduce {
                reduce,
                axes,
                keepdims,
            } => {
                let keep = if *keepdims { ", keepdims" } else { "" };
                format!("{} over axes {axes:?}{keep}", reduce.name())
            }
            Self::Gather(picks) if picks.iter().all(Pick::is_whole) => "rechunk".into(),
            Self::Gather(_) => "slice".into(),
            Self::View(_) => "view".into(),
            Self::Reblock => "reshape".into(),
            Self::Concat(axis) => format!("concatenate along axis {axis}"),
            Self::Blocks(op) => op.name().to_owned(),
            Self::Product => "matmul".into(),
        }
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        match self {
            Self::Held(layer) => k.str("held").key(layer.key()),
            Self::Full(v) => k.str("full").u64(v.to_bits()),
            Self::Source(s) => k.str("source").key(s.op.key()),
            Self::Map(p) => k.str("map").key(program_key(p)),
            Self::Reduce {
                reduce,
                axes,
                keepdims,
            } => axes.iter().fold(
                k.str("reduce")
                    .str(&format!("{reduce:?}"))
                    .u64(u64::from(*keepdims)),
                |k, &a| k.u64(a as u64),
            ),
            Self::Gather(picks) => picks.iter().fold(k.str("gather"), |k, p| p.token(k)),
            Self::View(axes) => axes
                .iter()
                .fold(k.str("view"), |k, a| k.u64(a.map_or(0, |a| a as u64 + 1))),
            Self::Reblock => k.str("reblock"),
            Self::Concat(axis) => k.str("concat").u64(*axis as u64),
            Self::Blocks(op) => k.str("blocks").key(op.key()),
            Self::Product => k.str("product"),
        }
    }
}

/// The names of what a program computes, without loads and constants.
fn program_label(p: &Program) -> String {
    use kvern_kernels::StepKind as S;
    let names: Vec<String> = p
        .steps()
        .iter()
        .filter_map(|s| match s.kind {
            S::Load(_) | S::Const(_) => None,
            S::Unary(op, _) => Some(op.to_string()),
            S::Binary(op, ..) => Some(op.to_string()),
            S::Where(..) => Some("where".into()),
            S::Cast(_) => Some(s.dtype.to_string()),
        })
        .collect();
    match names.len() {
        0 => "broadcast".into(),
        1..=8 => names.join(", "),
        n => format!("{}, … {} more", names[..6].join(", "), n - 6),
    }
}

/// A program's content. Its text tells every step; a constant is told by its bits besides, since `-0.0` prints like `0.0`.
fn program_key(p: &Program) -> Key {
    use kvern_kernels::StepKind;
    let k = p
        .inputs()
        .iter()
        .fold(Key::builder("array.program"), |k, d| k.str(d.name()));
    let k = p
        .steps()
        .iter()
        .fold(k.str(&p.to_string()), |k, s| match s.kind {
            StepKind::Const(c) => k.u64(c.to_bits()),
            _ => k,
        });
    k.finish()
}

impl Expr {
    pub(crate) fn new(
        dtype: DType,
        shape: Vec<usize>,
        chunks: Vec<Splits>,
        node: Node,
        args: Vec<Arc<Self>>,
    ) -> Arc<Self> {
        let k = node.token(Key::builder("array").str(dtype.name()));
        let k = shape
            .iter()
            .fold(k.u64(shape.len() as u64), |k, &n| k.u64(n as u64));
        let k = chunks.iter().fold(k, |k, s| s.token(k));
        let k = args
            .iter()
            .fold(k.u64(args.len() as u64), |k, a| k.key(a.key));
        Arc::new(Self {
            key: k.finish(),
            dtype,
            shape,
            chunks,
            node,
            args,
            layer: OnceLock::new(),
        })
    }

    /// Chunks that a layer makes, one an output, row-major.
    pub(crate) fn held(dtype: DType, chunks: Vec<Splits>, layer: Arc<Layer>) -> Arc<Self> {
        let shape = chunks.iter().map(|s| s.total() as usize).collect();
        Self::new(dtype, shape, chunks, Node::Held(layer), Vec::new())
    }

    pub(crate) fn full(shape: Vec<usize>, chunks: Vec<Splits>, value: Scalar) -> Arc<Self> {
        Self::new(value.dtype(), shape, chunks, Node::Full(value), Vec::new())
    }

    pub(crate) fn source(
        dtype: DType,
        shape: Vec<usize>,
        chunks: Vec<Splits>,
        source: Source,
    ) -> Arc<Self> {
        Self::new(dtype, shape, chunks, Node::Source(source), Vec::new())
    }

    pub(crate) fn ndim(&self) -> usize {
        self.shape.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn nbytes(&self) -> u64 {
        (self.size() as u64).saturating_mul(self.dtype.itemsize() as u64)
    }

    /// The blocks of the result.
    pub(crate) fn grid(&self) -> Grid {
        grid_of(&self.chunks)
    }

    /// Projected bytes of the blocks.
    pub(crate) fn block_bytes(&self) -> BlockBytes {
        BlockBytes::Dense {
            item: self.dtype.itemsize() as u64,
            axes: self.chunks.clone(),
        }
    }

    pub(crate) fn meta(&self) -> Meta {
        Meta::array(self.dtype.name(), self.shape.iter().map(|&n| n as u64))
    }

    /// `float64[100, 3]`.
    pub(crate) fn describe(&self) -> String {
        crate::value::describe(self.dtype, &self.shape)
    }
}

impl Drop for Expr {
    /// Takes long chains apart without recursion: a loop may have built an expression of 100,000 steps.
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.args);
        while let Some(arg) = rest.pop() {
            // Of several threads that let go of it, exactly one is given it.
            if let Some(mut expr) = Arc::into_inner(arg) {
                rest.append(&mut expr.args);
            }
        }
    }
}

/// A key that equals no other.
pub(crate) fn unique_key() -> Key {
    key::unique("array.data")
}

//! The expression behind a bag, and how it becomes layers of tasks.
//!
//! An expression is a source, a step over another expression, or several one after another. It has no tasks until something ends it; then
//! it is branches of a source and its steps, and source, steps and end are one operator, and one task a partition.

use std::sync::{Arc, OnceLock};

use kvern_core::layer::{BlockArg, Blockwise, Data, Edge, Exchange, TreeBytes, TreeReduction};
use kvern_core::{BlockBytes, Error, Grid, Layer, Meta, OpRef, Result, TaskList};

use crate::pipe::begin::{Begin, UNKNOWN_BYTES, names};
use crate::pipe::fork::Link;
use crate::pipe::kernel::{chain, exchange, merges, pass};
use crate::pipe::split::ItemType;
use crate::pipe::{End, Part, SourcePart, StepPart};

/// So many partial results are put together at a time.
const FAN_IN: u32 = 8;

/// What is said of the bytes of a partial result, of which nothing is known before it is there.
const PARTIAL_BYTES: u64 = 64 << 10;

/// What is said of the bytes of one item where a few of them are taken.
const ITEM_BYTES: u64 = 1 << 10;

/// What the tasks of a branch read.
#[derive(Clone)]
pub(crate) enum Reads {
    /// Nothing: files, functions.
    Nothing,
    /// Output `i` of this layer for partition `i`.
    Same(Arc<Layer>),
    /// For each partition, outputs of these layers.
    Any(Vec<Arc<Layer>>, Vec<Vec<(u32, u32)>>),
}

/// Where a chain begins.
pub(crate) struct Start {
    pub(crate) begin: Arc<Begin>,
    pub(crate) reads: Reads,
}

/// A source and its steps.
pub(crate) struct Branch {
    pub(crate) begin: Arc<Begin>,
    pub(crate) reads: Reads,
    pub(crate) steps: Vec<Link>,
}

/// What a bag is made of. Each step is an expression over the one before, so that building a chain costs what is added.
pub(crate) struct Expr {
    shape: Shape,
    partitions: usize,
    /// About the bytes of the largest partition.
    bytes: u64,
    /// Its partitions as a layer, once somebody wanted them: so that two who want them want the same.
    layer: OnceLock<Result<Arc<Layer>>>,
}

enum Shape {
    Start(Start),
    Then(Arc<Expr>, Link),
    Concat(Vec<Arc<Expr>>),
}

impl Expr {
    fn new(shape: Shape, partitions: usize, bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            shape,
            partitions,
            bytes,
            layer: OnceLock::new(),
        })
    }

    /// A source without steps.
    pub(crate) fn source(
        item: ItemType,
        source: SourcePart,
        reads: Reads,
        partitions: u32,
        bytes: u64,
    ) -> Arc<Self> {
        let begin = Arc::new(Begin {
            source,
            item,
            partitions,
            bytes,
        });
        let start = Start { begin, reads };
        Self::new(Shape::Start(start), partitions as usize, bytes)
    }

    /// The same with one more step, which makes such items.
    pub(crate) fn then(self: &Arc<Self>, step: &StepPart, item: ItemType) -> Arc<Self> {
        let step = step.clone();
        let shape = Shape::Then(self.clone(), Link { step, item });
        Self::new(shape, self.partitions, self.bytes.min(UNKNOWN_BYTES))
    }

    /// One after another.
    pub(crate) fn concat(all: impl Iterator<Item = Arc<Self>>) -> Arc<Self> {
        let all: Vec<_> = all.collect();
        let partitions = all.iter().map(|e| e.partitions).sum();
        let bytes = all.iter().map(|e| e.bytes).max().unwrap_or(0);
        Self::new(Shape::Concat(all), partitions, bytes)
    }

    /// One or several branches (several after `concat`).
    pub(crate) fn branches(&self) -> Vec<Branch> {
        let mut branches = Vec::new();
        // Expressions, and the steps that come behind them, the last one first.
        let mut stack: Vec<(&Self, Vec<&Link>)> = vec![(self, Vec::new())];
        while let Some((mut expr, mut steps)) = stack.pop() {
            loop {
                match &expr.shape {
                    Shape::Then(before, link) => {
                        steps.push(link);
                        expr = before;
                    }
                    Shape::Start(start) => {
                        branches.push(Branch {
                            begin: start.begin.clone(),
                            reads: start.reads.clone(),
                            steps: steps.into_iter().rev().cloned().collect(),
                        });
                        break;
                    }
                    Shape::Concat(all) => {
                        stack.extend(all.iter().rev().map(|e| (&**e, steps.clone())));
                        break;
                    }
                }
            }
        }
        branches
    }

    pub(crate) fn npartitions(&self) -> usize {
        self.partitions
    }

    /// About the bytes of the largest partition.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its partitions as a layer, made by `end` when they are first wanted.
    pub(crate) fn partitions(
        &self,
        end: impl FnOnce() -> Part<dyn End>,
        meta: impl FnOnce() -> Meta,
    ) -> Result<Arc<Layer>> {
        self.layer
            .get_or_init(|| {
                // Partitions that exist already are taken as they are.
                if let Shape::Start(start) = &self.shape
                    && let Reads::Same(layer) = &start.reads
                    && layer.as_kind::<Data>().is_some()
                {
                    return Ok(layer.clone());
                }
                Ok(self.ended(&end())?.with_meta(meta()))
            })
            .clone()
    }

    /// A layer whose output `i` is what `end` makes of partition `i`.
    pub(crate) fn ended(&self, end: &Part<dyn End>) -> Result<Arc<Layer>> {
        self.ended_within(end, u64::MAX)
    }

    /// [`Expr::ended`] by an end that keeps no more than the first `n` items of a partition, however large that is.
    pub(crate) fn ended_after(&self, end: &Part<dyn End>, n: u64) -> Result<Arc<Layer>> {
        self.ended_within(end, n.saturating_mul(ITEM_BYTES).max(PARTIAL_BYTES))
    }

    fn ended_within(&self, end: &Part<dyn End>, most: u64) -> Result<Arc<Layer>> {
        let branches = self.branches();
        match &branches[..] {
            [b] => b.ended(end, most),
            _ => explicit(&branches, end, most),
        }
    }

    /// A layer of `n` outputs: what `end` makes of all partitions, each key in the one that its hash says. `items`: all items move, not
    /// only what was made of them.
    pub(crate) fn by_key(&self, end: &Part<dyn End>, n: u32, items: bool) -> Result<Arc<Layer>> {
        let from = u32::try_from(self.npartitions())
            .map_err(|_| Error::bad_input("a bag of more than 2^32 partitions"))?;
        let each = if items { self.bytes() } else { PARTIAL_BYTES };
        let all = each.saturating_mul(u64::from(from));
        let kind = Exchange::new(exchange(end, n)?, from, n, each, all / u64::from(n.max(1)))?;
        Ok(Layer::new(kind, vec![self.ended(end)?]))
    }

    /// A layer of one output: what `end` makes of all partitions, in a tree.
    pub(crate) fn reduced(&self, end: &Part<dyn End>) -> Result<Arc<Layer>> {
        let n = u32::try_from(self.npartitions())
            .map_err(|_| Error::bad_input("a bag of more than 2^32 partitions"))?;
        let grid = Grid::new([n]);
        let [combine, finish] = merges(end)?;
        let branches = self.branches();
        let (chunk, args, inputs) = match &branches[..] {
            [b] if !matches!(b.reads, Reads::Any(..)) => {
                let op = chain(0, &b.begin, &b.steps, end)?;
                match &b.reads {
                    Reads::Same(layer) => (op, vec![BlockArg::same(0, &grid)], vec![layer.clone()]),
                    _ => (op, Vec::new(), Vec::new()),
                }
            }
            _ => {
                let partials = explicit(&branches, end, u64::MAX)?;
                (pass(end)?, vec![BlockArg::same(0, &grid)], vec![partials])
            }
        };
        let ops = [chunk, combine, finish];
        Ok(Layer::new(tree(ops, grid, args)?, inputs))
    }
}

impl Drop for Expr {
    /// Takes long chains apart without recursion.
    fn drop(&mut self) {
        let mut rest = Vec::new();
        let take = |shape: &mut Shape, rest: &mut Vec<Arc<Self>>| match std::mem::replace(
            shape,
            Shape::Concat(Vec::new()),
        ) {
            Shape::Then(before, _) => rest.push(before),
            Shape::Concat(mut all) => rest.append(&mut all),
            Shape::Start(_) => {}
        };
        take(&mut self.shape, &mut rest);
        while let Some(expr) = rest.pop() {
            if let Ok(mut expr) = Arc::try_unwrap(expr) {
                take(&mut expr.shape, &mut rest);
            }
        }
    }
}

/// A tree over what a chunk stage makes.
pub(crate) fn tree(ops: [OpRef; 3], grid: Grid, args: Vec<BlockArg>) -> Result<TreeReduction> {
    let bytes = TreeBytes {
        partial: PARTIAL_BYTES,
        output: PARTIAL_BYTES,
    };
    TreeReduction::new(ops, grid, args, vec![true], FAN_IN, bytes)
}

impl Branch {
    /// A layer whose output `i` is what `end` makes of partition `i`, which holds no more than `most` bytes.
    pub(crate) fn ended(&self, end: &Part<dyn End>, most: u64) -> Result<Arc<Layer>> {
        let grid = Grid::new([self.begin.partitions]);
        let bytes = BlockBytes::Each(self.begin.bytes_after(&self.steps).min(most));
        match &self.reads {
            Reads::Nothing => {
                let op = chain(0, &self.begin, &self.steps, end)?;
                let kind = Blockwise::source(op, grid, bytes);
                Ok(Layer::new(kind, Vec::new()))
            }
            Reads::Same(layer) => {
                let op = chain(0, &self.begin, &self.steps, end)?;
                let arg = BlockArg::same(0, &grid);
                let kind = Blockwise::new(op, grid, vec![arg], bytes)?;
                Ok(Layer::new(kind, vec![layer.clone()]))
            }
            Reads::Any(..) => explicit(std::slice::from_ref(self), end, most),
        }
    }
}

/// [`Branch::ended`] with tasks one by one: for several branches, and for partitions that read more than one other.
fn explicit(branches: &[Branch], end: &Part<dyn End>, most: u64) -> Result<Arc<Layer>> {
    let n = branches.iter().map(|b| b.begin.partitions as usize).sum();
    let (mut list, mut tasks) = (TaskList::with_capacity(n, n), Vec::with_capacity(n));
    let mut layers: Vec<Arc<Layer>> = Vec::new();
    for b in branches {
        let op = list.op(chain(tasks.len() as u64, &b.begin, &b.steps, end)?);
        let base = layers.len() as u32;
        for p in 0..b.begin.partitions {
            let input = |slot, output| Edge::Input { slot, output };
            let edges = match &b.reads {
                Reads::Nothing => Vec::new(),
                Reads::Same(_) => vec![input(base, p)],
                Reads::Any(_, reads) => reads
                    .get(p as usize)
                    .into_iter()
                    .flatten()
                    .map(|&(slot, output)| input(base + slot, output))
                    .collect(),
            };
            let task = list.task_with(op, edges);
            list.set_block(task, p);
            list.project(task, b.begin.bytes_after(&b.steps).min(most));
            tasks.push(task);
        }
        match &b.reads {
            Reads::Nothing => {}
            Reads::Same(layer) => layers.push(layer.clone()),
            Reads::Any(more, _) => layers.extend(more.iter().cloned()),
        }
    }
    let kind = list.into_kind(tasks);
    // Tasks may read fewer layers than there are: the kind counts up to the last that is read.
    layers.truncate(kvern_core::LayerKind::inputs(&kind));
    Ok(Layer::new(kind, layers))
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, b) in self.branches().iter().enumerate() {
            let n = b.begin.partitions;
            let plural = if n == 1 { "" } else { "s" };
            let and = if i == 0 { "" } else { "\n" };
            let names = names(&b.begin, &b.steps, "");
            write!(f, "{and}{} ({n} partition{plural})", names[0])?;
            for name in &names[1..] {
                write!(f, " | {name}")?;
            }
        }
        Ok(())
    }
}

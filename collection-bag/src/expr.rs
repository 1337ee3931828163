//! The expression behind a bag, and how it becomes layers of tasks.
//!
//! An expression is one or several branches (several after `concat`): a source, and the steps that its items pass. It has no tasks
//! until something ends it; then source, steps and end are one operator, and one task a partition.

use std::sync::{Arc, OnceLock};

use kvern_core::layer::{BlockArg, Blockwise, Data, Edge, TreeBytes, TreeReduction};
use kvern_core::{BlockBytes, Error, Grid, Layer, Meta, Result, TaskList};

use crate::pipe::kernel::{chain, exchange, merges, pass};
use crate::pipe::{End, Part, Source, Step};

/// So many partial results are put together at a time.
const FAN_IN: u32 = 8;

/// What is said of the bytes of a partial result, of which nothing is known before it is there.
const PARTIAL_BYTES: u64 = 64 << 10;

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

/// A source and its steps.
#[derive(Clone)]
pub(crate) struct Branch {
    pub(crate) source: Part<dyn Source>,
    pub(crate) reads: Reads,
    pub(crate) partitions: u32,
    pub(crate) steps: Vec<Part<dyn Step>>,
    /// About the bytes of a partition, as far as can be known.
    pub(crate) bytes: u64,
}

/// What a bag is made of.
pub(crate) struct Expr {
    branches: Vec<Branch>,
    /// Its partitions as a layer, once somebody wanted them: so that two who want them want the same.
    partitions: OnceLock<Result<Arc<Layer>>>,
}

impl Expr {
    pub(crate) fn new(branches: Vec<Branch>) -> Arc<Self> {
        Arc::new(Self {
            branches,
            partitions: OnceLock::new(),
        })
    }

    /// A source without steps.
    pub(crate) fn source(
        source: Part<dyn Source>,
        reads: Reads,
        partitions: u32,
        bytes: u64,
    ) -> Arc<Self> {
        Self::new(vec![Branch {
            source,
            reads,
            partitions,
            steps: Vec::new(),
            bytes,
        }])
    }

    /// The same with one more step.
    pub(crate) fn then(&self, step: &Part<dyn Step>) -> Arc<Self> {
        let mut branches = self.branches.clone();
        for b in &mut branches {
            b.steps.push(step.clone());
        }
        Self::new(branches)
    }

    pub(crate) fn branches(&self) -> &[Branch] {
        &self.branches
    }

    pub(crate) fn npartitions(&self) -> usize {
        self.branches.iter().map(|b| b.partitions as usize).sum()
    }

    /// About the bytes of the largest partition.
    pub(crate) fn bytes(&self) -> u64 {
        self.branches.iter().map(|b| b.bytes).max().unwrap_or(0)
    }

    /// Its partitions as a layer, made by `end` when they are first wanted.
    pub(crate) fn partitions(
        &self,
        end: impl FnOnce() -> Part<dyn End>,
        meta: impl FnOnce() -> Meta,
    ) -> Result<Arc<Layer>> {
        self.partitions
            .get_or_init(|| {
                // Partitions that exist already are taken as they are.
                if let [b] = &self.branches[..]
                    && b.steps.is_empty()
                    && let Reads::Same(layer) = &b.reads
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
        if let [b] = &self.branches[..] {
            let op = chain(0, &b.source, &b.steps, end)?;
            let grid = Grid::new([b.partitions]);
            let bytes = BlockBytes::Each(b.bytes);
            match &b.reads {
                Reads::Nothing => {
                    return Ok(Layer::new(Blockwise::source(op, grid, bytes), Vec::new()));
                }
                Reads::Same(layer) => {
                    let arg = BlockArg::same(0, &grid);
                    let kind = Blockwise::new(op, grid, vec![arg], bytes)?;
                    return Ok(Layer::new(kind, vec![layer.clone()]));
                }
                Reads::Any(..) => {}
            }
        }
        self.explicit(end)
    }

    /// The same with tasks one by one: for several branches, and for partitions that read more than one other.
    fn explicit(&self, end: &Part<dyn End>) -> Result<Arc<Layer>> {
        let n = self.npartitions();
        let (mut list, mut tasks) = (TaskList::with_capacity(n, n), Vec::with_capacity(n));
        let mut layers: Vec<Arc<Layer>> = Vec::new();
        for b in &self.branches {
            let op = list.op(chain(tasks.len() as u64, &b.source, &b.steps, end)?);
            let base = layers.len() as u32;
            for p in 0..b.partitions {
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
                list.project(task, b.bytes);
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

    /// A layer of `n` outputs: what `end` makes of all partitions, each key in the one that its hash says. `items`: all items move, not
    /// only what was made of them.
    pub(crate) fn exchanged(&self, end: &Part<dyn End>, n: u32, items: bool) -> Result<Arc<Layer>> {
        let from = u32::try_from(self.npartitions())
            .map_err(|_| Error::bad_input("a bag of more than 2^32 partitions"))?;
        let each = if items { self.bytes() } else { PARTIAL_BYTES };
        let [split, pick, gather] = exchange(end, n)?;
        let grid = Grid::new([from]);
        let arg = vec![BlockArg::same(0, &grid)];
        let splits = Blockwise::new(split, grid, arg, BlockBytes::Each(each))?;
        let splits = Layer::new(splits, vec![self.ended(end)?]);
        // Not an all-to-all layer, whose merging tasks read all splits whole: with a task for every piece, a split is gone when its
        // pieces are taken, and pieces go to disk one by one. The static order takes all pieces of a split at once.
        let tasks = u64::from(from) * u64::from(n);
        if tasks >= 1 << 30 {
            let words = format!(
                "{from} partitions into {n}: {tasks} pieces are too many, repartition first"
            );
            return Err(Error::bad_input(words));
        }
        let mut list = TaskList::with_capacity(tasks as usize, 2 * tasks as usize);
        let (pick, gather) = (list.op(pick), list.op(gather));
        for output in 0..from {
            for part in 0..n {
                let task = list.task_with(pick, [Edge::Input { slot: 0, output }]);
                list.set_block(task, part);
                list.project(task, each / u64::from(n));
            }
        }
        let gathers: Vec<_> = (0..n)
            .map(|part| {
                let pieces = (0..from).map(|i| Edge::Own(i * n + part));
                let task = list.task_with(gather, pieces);
                list.project(task, each.saturating_mul(u64::from(from)) / u64::from(n));
                task
            })
            .collect();
        Ok(Layer::new(list.into_kind(gathers), vec![splits]))
    }

    /// A layer of one output: what `end` makes of all partitions, in a tree.
    pub(crate) fn reduced(&self, end: &Part<dyn End>) -> Result<Arc<Layer>> {
        let n = u32::try_from(self.npartitions())
            .map_err(|_| Error::bad_input("a bag of more than 2^32 partitions"))?;
        let grid = Grid::new([n]);
        let [combine, finish] = merges(end)?;
        let (chunk, args, inputs) = match &self.branches[..] {
            [b] if !matches!(b.reads, Reads::Any(..)) => {
                let op = chain(0, &b.source, &b.steps, end)?;
                match &b.reads {
                    Reads::Same(layer) => (op, vec![BlockArg::same(0, &grid)], vec![layer.clone()]),
                    _ => (op, Vec::new(), Vec::new()),
                }
            }
            _ => {
                let partials = self.explicit(end)?;
                (pass(end)?, vec![BlockArg::same(0, &grid)], vec![partials])
            }
        };
        let bytes = TreeBytes {
            partial: PARTIAL_BYTES,
            output: PARTIAL_BYTES,
        };
        let tree = TreeReduction::new(
            [chunk, combine, finish],
            grid,
            args,
            vec![true],
            FAN_IN,
            bytes,
        )?;
        Ok(Layer::new(tree, inputs))
    }
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, b) in self.branches.iter().enumerate() {
            let plural = if b.partitions == 1 { "" } else { "s" };
            let (and, n) = (if i == 0 { "" } else { "\n" }, b.partitions);
            write!(f, "{and}{} ({n} partition{plural})", b.source.name)?;
            for s in &b.steps {
                write!(f, " | {}", s.name)?;
            }
        }
        Ok(())
    }
}

//! The graphs of the task cases, as formulas: the same for kvern and for the limits that it is held against.

use std::sync::Arc;

use kvern_core::optimize::Passes;
use kvern_core::{Graph, Layer, OpRef, Plan, Registry, Result, Root, TaskId, TaskList, Value};

/// A graph of trivial tasks. Tasks are numbered so that each only reads earlier ones.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// So many tasks that read nothing; all results wanted.
    Independent(usize),
    /// Each task reads the one before it; the last is wanted.
    Chain(usize),
    /// A binary tree over so many leaves (a power of two); the root is wanted.
    Tree(usize),
    /// Each tile reads itself and its two neighbours, round a ring, one step earlier; the last step is wanted.
    Stencil { steps: usize, tiles: usize },
}

impl Shape {
    pub(crate) fn tasks(self) -> usize {
        match self {
            Self::Independent(n) | Self::Chain(n) => n,
            Self::Tree(leaves) => 2 * leaves - 1,
            Self::Stencil { steps, tiles } => steps * tiles,
        }
    }

    /// Tasks that read others, times what each reads.
    pub(crate) fn edges(self) -> usize {
        match self {
            Self::Independent(_) => 0,
            Self::Chain(n) => n - 1,
            Self::Tree(leaves) => 2 * leaves - 2,
            Self::Stencil { steps, tiles } => 3 * (steps - 1) * tiles,
        }
    }

    /// What a task reads.
    pub(crate) fn reads(self, task: usize, out: &mut Vec<usize>) {
        out.clear();
        match self {
            Self::Independent(_) => {}
            Self::Chain(_) => out.extend(task.checked_sub(1)),
            Self::Tree(leaves) => {
                if let Some(k) = task.checked_sub(leaves) {
                    out.extend([2 * k, 2 * k + 1]);
                }
            }
            Self::Stencil { tiles, .. } => {
                if let Some(before) = (task / tiles).checked_sub(1) {
                    let (row, j) = (before * tiles, task % tiles);
                    out.extend([
                        row + (j + tiles - 1) % tiles,
                        row + j,
                        row + (j + 1) % tiles,
                    ]);
                }
            }
        }
    }

    /// The first wanted task; all from there on are wanted.
    pub(crate) fn wanted_from(self) -> usize {
        match self {
            Self::Independent(_) => 0,
            Self::Stencil { steps, tiles } => (steps - 1) * tiles,
            Self::Chain(_) | Self::Tree(_) => self.tasks() - 1,
        }
    }

    /// What the last task must find: 1 and the sum of what it reads, all the way up.
    pub(crate) fn last_answer(self) -> i64 {
        match self {
            Self::Independent(_) => 1,
            Self::Chain(n) => n as i64,
            Self::Tree(leaves) => 2 * leaves as i64 - 1,
            // Every tile of a step has the same value: three times the step before, and 1.
            Self::Stencil { steps, .. } => {
                (1..steps).fold(1, |v: i64, _| v.wrapping_mul(3).wrapping_add(1))
            }
        }
    }

    /// The same shape as a layer of kvern.
    pub(crate) fn layer(self) -> Arc<Layer> {
        self.layer_of(&OpRef::local("one more", |x, _| Ok(one_more(x))))
    }

    /// The same, with that operator.
    fn layer_of(self, op: &OpRef) -> Arc<Layer> {
        let mut list = TaskList::with_capacity(self.tasks(), self.edges());
        let f = list.op(op.clone());
        let mut ids: Vec<TaskId> = Vec::with_capacity(self.tasks());
        let mut reads = Vec::new();
        for task in 0..self.tasks() {
            self.reads(task, &mut reads);
            ids.push(list.task(f, reads.iter().map(|&r| ids[r])));
        }
        list.finish(ids[self.wanted_from()..].iter().copied())
    }

    /// A plan of it.
    pub(crate) fn plan(self, registry: &Arc<Registry>, passes: Passes) -> Result<Plan> {
        let layer = self.layer();
        Plan::new(Graph::new(&[Root::all(&layer)]), registry.clone(), passes)
    }

    /// A plan of it with an operator that counts as [`one_more`] does.
    pub(crate) fn plan_of(
        self,
        op: &OpRef,
        registry: &Arc<Registry>,
        passes: Passes,
    ) -> Result<Plan> {
        let layer = self.layer_of(op);
        Plan::new(Graph::new(&[Root::all(&layer)]), registry.clone(), passes)
    }
}

/// What every task does: nearly nothing.
pub(crate) fn one_more(x: &[Value]) -> Value {
    let sum = x
        .iter()
        .filter_map(|v| v.downcast_ref::<i64>())
        .fold(1i64, |sum, v| sum.wrapping_add(*v));
    Value::new(sum)
}

/// Refuses a wrong answer: a fast wrong run is no figure.
pub(crate) fn check_last(shape: Shape, last: Option<&Value>) -> std::result::Result<i64, String> {
    let found = last.and_then(|v| v.downcast_ref::<i64>()).copied();
    match found {
        Some(v) if v == shape.last_answer() => Ok(v),
        other => Err(format!(
            "{shape:?}: the last task found {other:?}, and {} is right",
            shape.last_answer()
        )),
    }
}

//! Plans: a checked and optimised symbolic graph, and what a backend of this machine makes of it.

use std::sync::Arc;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::format_bytes;
use crate::graph::Graph;
use crate::graph::expand::TaskGraph;
use crate::graph::optimize::{self, PassReport, Passes};
use crate::graph::order::{self, Dag};
use crate::graph::registry::{Kernels, Registry};
use crate::operator::Kernel;

/// A symbolic graph that is ready to be submitted.
#[derive(Debug, Clone)]
pub struct Plan {
    graph: Graph,
    registry: Arc<Registry>,
    passes: Passes,
    reports: Vec<PassReport>,
    /// The code of the operators, as the check found it.
    kernels: Arc<Kernels>,
}

impl Plan {
    /// Checks the graph and runs the symbolic passes over it, those of collections first. No task is made yet.
    ///
    /// # Errors
    /// What [`Graph::check`] finds, or what a collection cannot do in one run.
    pub fn new(graph: Graph, registry: Arc<Registry>, passes: Passes) -> Result<Self> {
        let kernels = Arc::new(graph.checked(&registry)?);
        let (graph, mut reports) = optimize::of_collections(graph, &registry)?;
        let (graph, mut more) = optimize::symbolic(graph, &passes);
        reports.append(&mut more);
        Ok(Self {
            graph,
            registry,
            passes,
            reports,
            kernels,
        })
    }

    /// The optimised graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What operator names mean.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What each symbolic pass did.
    pub fn reports(&self) -> &[PassReport] {
        &self.reports
    }

    /// The tasks, optimised and ordered, with their code: what a backend of this machine runs.
    ///
    /// # Errors
    /// What [`TaskGraph::expand`] refuses.
    pub fn prepare(&self) -> Result<Prepared> {
        let tasks = TaskGraph::expand(&self.graph)?;
        let (tasks, mut reports) = optimize::tasks(tasks, &self.passes);
        let mut all = self.reports.clone();
        all.append(&mut reports);
        Prepared::new(tasks, Kernels::over(&self.kernels), &self.registry, all)
    }
}

/// Expanded tasks in the order in which they are best run, with their code and what is projected of them.
pub struct Prepared {
    /// The tasks.
    pub tasks: TaskGraph,
    /// The code of each operator of [`TaskGraph::ops`].
    pub kernels: Vec<Arc<dyn Kernel>>,
    /// Position of each task in the static order: lower runs earlier.
    pub position: Vec<u32>,
    /// What the passes did.
    pub reports: Vec<PassReport>,
}

impl Prepared {
    fn new(
        tasks: TaskGraph,
        mut known: Kernels,
        registry: &Registry,
        reports: Vec<PassReport>,
    ) -> Result<Self> {
        let ops = tasks.ops().iter();
        let kernels = ops.map(|op| known.of(op, registry));
        let kernels = kernels.collect::<Result<Vec<_>>>()?;
        let position = positions(&tasks);
        Ok(Self {
            tasks,
            kernels,
            position,
            reports,
        })
    }

    /// What running the tasks one by one in the static order takes.
    pub fn project(&self) -> Projection {
        let peak = order::peak(&dag(&self.tasks), &self.position, true);
        let mut largest = (0u32, 0u64);
        for t in 0..self.tasks.len() as u32 {
            let need = self.need(t);
            if need > largest.1 {
                largest = (t, need);
            }
        }
        Projection {
            tasks: self.tasks.len(),
            total_bytes: self
                .tasks
                .all_bytes()
                .iter()
                .copied()
                .fold(0, u64::saturating_add),
            peak_bytes: peak.bytes,
            peak_chunks: peak.chunks,
            largest_task: largest.0,
            largest_bytes: largest.1,
        }
    }

    /// Projected bytes that one task needs at once: its inputs, its result and what it was annotated to need besides.
    pub fn need(&self, task: u32) -> u64 {
        need(&self.tasks, task)
    }

    /// [`check_budget`] of its tasks.
    ///
    /// # Errors
    /// As there.
    pub fn check_budget(&self, budget: u64) -> Result<()> {
        check_budget(&self.tasks, budget)
    }
}

/// Projected bytes that one task needs at once: its inputs, its result and what it was annotated to need besides.
fn need(tasks: &TaskGraph, task: u32) -> u64 {
    let deps = tasks.deps(task);
    // Each input once. A wide fan-in is sorted first: looking back over all earlier ones would be quadratic.
    let mut sorted = Vec::new();
    let deps = if deps.len() > 32 {
        sorted.extend_from_slice(deps);
        sorted.sort_unstable();
        sorted.dedup();
        &sorted[..]
    } else {
        deps
    };
    let wide = deps.len() == sorted.len();
    let inputs = deps
        .iter()
        .enumerate()
        .filter(|(i, d)| wide || !deps[..*i].contains(d))
        .map(|(_, &d)| tasks.input_bytes(task, d));
    let extra = tasks.annotations(task).and_then(|a| a.memory).unwrap_or(0);
    inputs.fold(tasks.bytes(task).saturating_add(extra), u64::saturating_add)
}

/// Refuses a plan that has a task which cannot fit the budget even alone, before anything has run.
///
/// # Errors
/// [`ErrorKind::OutOfMemory`] naming the operator, the task, what it needs and what would help.
pub fn check_budget(tasks: &TaskGraph, budget: u64) -> Result<()> {
    // No task needs more than all results together: most plans are far below any budget.
    let annotated = tasks.is_annotated();
    let total = tasks.all_bytes().iter().copied();
    if !annotated && total.fold(0, u64::saturating_add) <= budget {
        return Ok(());
    }
    for t in 0..tasks.len() as u32 {
        let need = need(tasks, t);
        if need > budget {
            let own = tasks.bytes(t);
            let extra = tasks.annotations(t).and_then(|a| a.memory).unwrap_or(0);
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "the plan cannot fit its memory budget of {}: task {} ({}) needs {} at once ({} of inputs, {} of result, {} annotated); \
                         use smaller chunks or a larger budget (memory=…)",
                    format_bytes(budget),
                    tasks.key(t).short(),
                    tasks.op(t).label(),
                    format_bytes(need),
                    format_bytes(need.saturating_sub(own).saturating_sub(extra)),
                    format_bytes(own),
                    format_bytes(extra),
                ),
            ));
        }
    }
    Ok(())
}

/// What running a plan takes, by projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    /// Tasks to run.
    pub tasks: usize,
    /// Bytes of all results together.
    pub total_bytes: u64,
    /// The most bytes alive at once when run serially in the static order.
    pub peak_bytes: u64,
    /// The most results alive at once in that order.
    pub peak_chunks: usize,
    /// The task that needs most at once.
    pub largest_task: u32,
    /// What it needs: inputs and result.
    pub largest_bytes: u64,
}

/// Position of each task in the static order, annotated priorities first: lower runs earlier. For backends that expand a graph
/// where its operators are not known.
pub fn positions(tasks: &TaskGraph) -> Vec<u32> {
    by_priority(tasks, order::order(&dag(tasks)))
}

/// The priority of a graph beside others, for backends: that of its tasks; where these differ, the one nearest to 0 between the lowest and the
/// highest.
pub fn priority(tasks: &TaskGraph) -> i32 {
    if !tasks.is_annotated() {
        return 0;
    }
    let mut data = tasks.data().iter().map(|(t, _)| *t).peekable();
    let of = |t: u32| tasks.annotations(t).map_or(0, |a| a.priority);
    let run = (0..tasks.len() as u32).filter(|t| data.next_if_eq(t).is_none());
    let ends = run.map(of).fold(None, |ends, p| match ends {
        None => Some((p, p)),
        Some((low, high)) => Some((p.min(low), p.max(high))),
    });
    ends.map_or(0, |(low, high)| 0.clamp(low, high))
}

fn dag(tasks: &TaskGraph) -> Dag<'_> {
    let (dep_off, deps) = tasks.edges();
    Dag {
        dep_off,
        deps,
        bytes: tasks.all_bytes(),
        outputs: tasks.outputs(),
    }
}

/// Annotated priorities go before the static order, among tasks that are ready.
fn by_priority(tasks: &TaskGraph, position: Vec<u32>) -> Vec<u32> {
    let of = |t: u32| tasks.annotations(t).map_or(0, |a| a.priority);
    if !tasks.is_annotated() || (0..tasks.len() as u32).all(|t| of(t) == 0) {
        return position;
    }
    // What a task of high priority reads must run before it, so it inherits that priority.
    let mut priority: Vec<i32> = (0..tasks.len() as u32).map(of).collect();
    let mut by_position: Vec<u32> = (0..tasks.len() as u32).collect();
    by_position.sort_unstable_by_key(|&t| position[t as usize]);
    for &t in by_position.iter().rev() {
        for &d in tasks.deps(t) {
            priority[d as usize] = priority[d as usize].max(priority[t as usize]);
        }
    }
    by_position.sort_by_key(|&t| std::cmp::Reverse(priority[t as usize]));
    let mut ranked = vec![0; tasks.len()];
    for (rank, &t) in by_position.iter().enumerate() {
        ranked[t as usize] = rank as u32;
    }
    ranked
}

//! Static order: in which sequence the tasks of a graph should run so that little is alive at once.
//!
//! An order is made by a *walk*: starting from a wanted output, what a task lacks is made depth
//! first, the needier input first (Sethi and Ullman), and as soon as a task is ready that frees at
//! least as much as it makes, it runs, whoever asked for it. When a goal is reached, the next one is
//! looked for among the readers of what is alive. Walks differ in how they break ties and in
//! how far ahead they run; no single one is best on every graph. So a few are tried, each is measured
//! while it goes, given up once it cannot win, and the lowest peak is taken. How many depends on the
//! size alone: all of them up to some thousands of tasks, three on large graphs. Time is linear in
//! tasks and edges but for the sorting of outputs and of each task's inputs; so is memory, about 40
//! bytes a task and 4 an edge while it goes. Nothing recurses.
//!
//! The aim, tasks that free memory first and few roots loaded ahead, is that of `dask.order`, whose
//! peaks on the canonical graphs are recorded in `tests/data/dask_order.json` and never exceeded.
//!
//! Code map: `dag` the input, `clean` its repair, `readers` its inverse, `need` the labels, `policy`
//! the walks to try, `walk` one walk, `ahead` what a walk runs before its turn, `meter` the running
//! peak, `peak` the simulation for users.

mod ahead;
mod clean;
mod dag;
mod meter;
mod need;
mod peak;
mod policy;
mod readers;
mod walk;

pub use dag::Dag;
pub use peak::{Peak, peak};

use meter::Tops;
use policy::POLICIES;
use readers::Readers;
use walk::Walk;

/// Tasks plus edges that all walks together may visit, which takes about five milliseconds.
const BUDGET: usize = 100_000;
/// Walks that are tried whatever the size. On a graph too large for its share of the budget, a walk
/// after the first is given up as soon as its peak is no lower, whatever it does for held outputs.
const LEAST: usize = 3;

/// The position of each task in the order: the task at position 0 runs first.
///
/// The result is a permutation of `0..dag.len()` in which every task stands after all that it reads,
/// and depends on nothing but `dag`. Repeated dependencies count once; dependencies and outputs that
/// are no tasks are passed over. If the graph has a cycle, which a checked graph has not, the tasks
/// on it and behind it come last, in the order of their ids.
///
/// # Panics
///
/// If `dag.dep_off` is not as described on [`Dag`].
///
/// # Examples
///
/// ```
/// use kvern_core::order::{Dag, order};
///
/// // Two chains, 0 → 1 and 2 → 3, joined by 4: one chain is finished before the other starts.
/// let dag = Dag { dep_off: &[0, 0, 1, 1, 2, 4], deps: &[0, 2, 1, 3], bytes: &[], outputs: &[4] };
/// let position = order(&dag);
/// assert_eq!(position[1].abs_diff(position[0]), 1);
/// assert_eq!(position[3].abs_diff(position[2]), 1);
/// assert_eq!(position[4], 4);
/// ```
pub fn order(dag: &Dag<'_>) -> Vec<u32> {
    if dag.deps.is_empty() {
        return (0..dag.len() as u32).collect();
    }
    match clean::clean(dag) {
        None => best(dag),
        Some((dep_off, deps)) => best(&Dag {
            dep_off: &dep_off,
            deps: &deps,
            ..*dag
        }),
    }
}

fn best(dag: &Dag<'_>) -> Vec<u32> {
    let readers = Readers::new(dag);
    let need = need::needs(dag, &readers);
    let affordable = BUDGET / (dag.len() + dag.deps.len());
    let large = affordable < LEAST;
    let walks = affordable.clamp(LEAST, POLICIES.len());
    let floor = meter::floor(dag);
    let (mut best, mut to_beat) = (Vec::new(), Tops::WORST);
    // Where results differ in size, each walk is tried both ways, the way that uses up large chunks first.
    let (least, most) = dag
        .bytes
        .iter()
        .fold((u64::MAX, 0), |(l, m), &b| (l.min(b), m.max(b)));
    let ways = if most / 8 > least { 2 } else { 1 };
    let tried = POLICIES[..walks]
        .iter()
        .flat_map(|&p| [p.finishing(), p].into_iter().skip(2 - ways));
    for policy in tried.take(walks.max(LEAST + 1)) {
        if let Some((position, tops)) = Walk::run(dag, &readers, &need, policy, to_beat, large) {
            (best, to_beat) = (position, tops);
        }
        if to_beat.score() <= floor {
            break;
        }
    }
    best
}

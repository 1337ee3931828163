//! Microseconds a task, from the submit to the last result.

use std::sync::Arc;

use kvern_core::optimize::Passes;
use kvern_core::{Registry, RunHandle, Scheduler};
use kvern_scheduler_local::{SyncOptions, SyncScheduler};

use super::{WORKERS, threads};
use crate::catalog::Outcome;
use crate::limits::graph::{Counters, rayon_spawn};
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;
use crate::shapes::{Shape, check_last};

const RUNS: usize = 7;
/// Microseconds a task that a million tasks without dependencies may take.
const INDEPENDENT: f64 = 0.5;
/// The same where tasks read tasks.
const DEPENDENT: f64 = 1.0;

/// Times one shape on a backend. The graph is built and planned before the clock starts, as for the peers.
fn time(
    options: &Options,
    shape: Shape,
    scheduler: &dyn Scheduler,
    registry: &Arc<Registry>,
    runs: usize,
) -> Result<Record, Box<dyn std::error::Error>> {
    let mut answer = 0;
    let timing = measure(
        options,
        runs,
        || -> Result<f64, Box<dyn std::error::Error>> {
            let plan = shape.plan(registry, Passes::none())?;
            let (seconds, values) = clock(|| RunHandle::new(scheduler.submit(plan)?).gather());
            answer = check_last(shape, values?.last())?;
            Ok(seconds)
        },
    )?;
    let n = shape.tasks();
    Ok(Record::new(
        timing,
        format!("{n} tasks, from submit to the last result, no fusion"),
    )
    .units(n, "task")
    .check(answer))
}

fn on_threads(options: &Options, shape: Shape, target: f64) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let scheduler = threads(&registry)?;
    let record = time(options, shape, &*scheduler, &registry, RUNS)?;
    Ok(vec![record.target(target)])
}

fn on_sync(options: &Options, shape: Shape) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let scheduler = SyncScheduler::new(&SyncOptions::default(), registry.clone());
    Ok(vec![time(options, shape, &scheduler, &registry, 5)?])
}

fn by_counters(options: &Options, shape: Shape) -> Outcome {
    let graph = Counters::new(shape);
    let timing = measure(options, RUNS, || graph.run())?;
    let n = shape.tasks();
    let detail = format!("{n} tasks, one thread, dependency counters and a stack, no scheduler");
    Ok(vec![Record::new(timing, detail).units(n, "task")])
}

pub(super) fn independent_limit(options: &Options) -> Outcome {
    let n = super::independent(options).tasks();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(WORKERS)
        .build()?;
    let timing = measure(options, RUNS, || rayon_spawn(&pool, n))?;
    let detail =
        format!("{n} closures spawned in one scope, {WORKERS} threads, results in a vector");
    Ok(vec![Record::new(timing, detail).units(n, "task")])
}

pub(super) fn independent(options: &Options) -> Outcome {
    on_threads(options, super::independent(options), INDEPENDENT)
}

pub(super) fn independent_sync(options: &Options) -> Outcome {
    on_sync(options, super::independent(options))
}

pub(super) fn chain(options: &Options) -> Outcome {
    on_threads(options, super::chain(options), DEPENDENT)
}

pub(super) fn chain_sync(options: &Options) -> Outcome {
    on_sync(options, super::chain(options))
}

pub(super) fn chain_limit(options: &Options) -> Outcome {
    by_counters(options, super::chain(options))
}

pub(super) fn tree(options: &Options) -> Outcome {
    on_threads(options, super::tree(options), DEPENDENT)
}

pub(super) fn tree_sync(options: &Options) -> Outcome {
    on_sync(options, super::tree(options))
}

pub(super) fn tree_limit(options: &Options) -> Outcome {
    by_counters(options, super::tree(options))
}

pub(super) fn stencil(options: &Options) -> Outcome {
    on_threads(options, super::stencil(options), DEPENDENT)
}

pub(super) fn stencil_sync(options: &Options) -> Outcome {
    on_sync(options, super::stencil(options))
}

pub(super) fn stencil_limit(options: &Options) -> Outcome {
    by_counters(options, super::stencil(options))
}

/// Each size of both shapes in one process, the small ones first, so that the peak RSS of the last row is its own.
pub(super) fn flat(options: &Options) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let scheduler = threads(&registry)?;
    let mut records = Vec::new();
    for (name, target, shape) in [
        (
            "independent",
            INDEPENDENT,
            Shape::Independent as fn(usize) -> Shape,
        ),
        ("stencil", DEPENDENT, |n| Shape::Stencil {
            steps: n / 1000,
            tiles: 1000,
        }),
    ] {
        for power in 4..=7 {
            let full = 10usize.pow(power);
            let shape = shape(options.size(full, 2000));
            let runs = if power == 7 { 3 } else { RUNS };
            let record = time(options, shape, &*scheduler, &registry, runs)?;
            records.push(
                record
                    .case(format!("a7_flat_{name}_1e{power}"))
                    .target(target),
            );
        }
    }
    Ok(records)
}

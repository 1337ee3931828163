//! Microseconds a task of whole graphs, from the submit to the last result.

use kvern_core::optimize::Passes;
use kvern_core::{OpRef, RunHandle, op};

use crate::catalog::Outcome;
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;
use crate::shapes::{Shape, check_last};

/// As for the peers.
const WORKERS: usize = 2;
/// Microseconds a task.
const TARGET: f64 = 20.0;

/// What every task does: nearly nothing.
#[op(name = "bench.one-more")]
fn one_more(reads: &[&i64]) -> i64 {
    reads.iter().fold(1, |sum, v| sum.wrapping_add(**v))
}

fn time(options: &Options, shape: Shape) -> Outcome {
    let session = super::session(WORKERS)?;
    let op: OpRef = one_more::op();
    let mut answer = 0;
    let timing = measure(options, 5, || -> Result<f64, Box<dyn std::error::Error>> {
        let plan = shape.plan_of(&op, session.registry(), Passes::none())?;
        let (seconds, values) =
            clock(|| RunHandle::new(session.scheduler().submit(plan)?).gather());
        answer = check_last(shape, values?.last())?;
        Ok(seconds)
    })?;
    let n = shape.tasks();
    let detail = format!("{n} tasks on {WORKERS} worker processes, from submit to the last result");
    let record = Record::new(timing, detail)
        .units(n, "task")
        .check(answer)
        .target(TARGET);
    Ok(vec![record])
}

pub(super) fn independent(options: &Options) -> Outcome {
    time(options, Shape::Independent(options.size(1_000_000, 100)))
}

pub(super) fn chain(options: &Options) -> Outcome {
    time(options, Shape::Chain(options.size(20_000, 100)))
}

pub(super) fn tree(options: &Options) -> Outcome {
    time(
        options,
        Shape::Tree(options.size(1 << 18, 128).next_power_of_two()),
    )
}

pub(super) fn stencil(options: &Options) -> Outcome {
    time(
        options,
        Shape::Stencil {
            steps: options.size(100, 2),
            tiles: 2500,
        },
    )
}

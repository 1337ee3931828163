//! One task at a time.

use std::sync::Arc;

use kvern_core::optimize::Passes;
use kvern_core::{Registry, RunHandle};

use super::threads;
use crate::catalog::Outcome;
use crate::limits::graph::wake_round_trips;
use crate::machine;
use crate::measure::{Timing, clock};
use crate::options::Options;
use crate::record::Record;
use crate::shapes::{Shape, check_last};

/// From the submit of a planned graph of one task to its result in the caller's hands.
pub(super) fn kvern(options: &Options) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let scheduler = threads(&registry)?;
    let shape = Shape::Independent(1);
    let plan = shape.plan(&registry, Passes::none())?;
    machine::wait_for_quiet(options.patience);
    let n = options.size(20_000, 200);
    let mut seconds = Vec::with_capacity(n);
    for i in 0..n + n / 10 {
        let plan = plan.clone();
        let (took, values) = clock(|| RunHandle::new(scheduler.submit(plan)?).gather());
        check_last(shape, values?.last())?;
        if i >= n / 10 {
            seconds.push(took);
        }
    }
    Ok(vec![row(seconds, "one task at a time, planned before")])
}

pub(super) fn limit(options: &Options) -> Outcome {
    machine::wait_for_quiet(options.patience);
    let seconds = wake_round_trips(options.size(20_000, 200));
    Ok(vec![row(
        seconds,
        "round trips of two threads over a condition variable",
    )])
}

fn row(seconds: Vec<f64>, what: &str) -> Record {
    let n = seconds.len();
    let timing = Timing::of(seconds);
    let (median, p99) = (timing.median() * 1e6, timing.at(0.99) * 1e6);
    let detail = format!("{what}: median {median:.1} us, p99 {p99:.1} us of {n}");
    Record::new(timing, detail).units(1, "round trip")
}

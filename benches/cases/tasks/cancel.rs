//! How soon a cancelled run is over and its workers do something else.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use kvern_core::optimize::Passes;
use kvern_core::{ErrorKind, Graph, OpRef, Plan, Registry, Root, RunHandle, TaskList, Value};

use super::{WORKERS, threads};
use crate::catalog::Outcome;
use crate::machine;
use crate::measure::Timing;
use crate::options::Options;
use crate::record::Record;
use crate::shapes::Shape;

/// Milliseconds from the cancel to the end of a run that needs every worker.
const TARGET_MS: f64 = 50.0;

pub(super) fn kvern(options: &Options) -> Outcome {
    machine::wait_for_quiet(options.patience);
    let registry = Arc::new(Registry::linked()?);
    let tiny = Shape::Stencil {
        steps: options.size(1000, 50),
        tiles: 1000,
    };
    let tiny = tiny.plan(&registry, Passes::none())?;
    let long = long_tasks(&registry)?;
    Ok(vec![
        cancel(
            options,
            &registry,
            &tiny,
            "tiny",
            "10^6 tiny tasks with three reads each",
        )?,
        cancel(
            options,
            &registry,
            &long,
            "long",
            "tasks of 10 s that look at their flag each 0.1 ms",
        )?,
    ])
}

/// A run that needs every worker at once: it ends when all of them have left what they did.
fn every_worker(registry: &Arc<Registry>) -> kvern_core::Result<Plan> {
    let mut list = TaskList::new();
    let met = Arc::new(Barrier::new(WORKERS));
    let op = list.op(OpRef::local("meet", move |_, _| {
        met.wait();
        Ok(Value::UNIT)
    }));
    let ids: Vec<_> = (0..WORKERS).map(|_| list.task(op, [])).collect();
    let layer = list.finish(ids);
    Plan::new(
        Graph::new(&[Root::all(&layer)]),
        registry.clone(),
        Passes::none(),
    )
}

/// Tasks that would take 10 s each, but look whether they are cancelled.
fn long_tasks(registry: &Arc<Registry>) -> kvern_core::Result<Plan> {
    let mut list = TaskList::new();
    let op = list.op(OpRef::local("long", |_, context| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            context.check_cancelled()?;
            thread::sleep(Duration::from_micros(100));
        }
        Ok(Value::UNIT)
    }));
    let ids: Vec<_> = (0..100).map(|_| list.task(op, [])).collect();
    let layer = list.finish(ids);
    Plan::new(
        Graph::new(&[Root::all(&layer)]),
        registry.clone(),
        Passes::none(),
    )
}

fn cancel(
    options: &Options,
    registry: &Arc<Registry>,
    plan: &Plan,
    name: &str,
    what: &str,
) -> Result<Record, Box<dyn std::error::Error>> {
    let scheduler = threads(registry)?;
    let mut seconds = Vec::new();
    for i in 0..options.runs.unwrap_or(40) {
        let run = RunHandle::new(scheduler.submit(plan.clone())?);
        // At another moment each time.
        thread::sleep(Duration::from_micros(1000 + 500 * (i as u64 % 20)));
        if run.progress().is_finished() {
            // It was faster than the pause: no figure.
            continue;
        }
        let next = every_worker(registry)?;
        let begun = Instant::now();
        run.cancel();
        match run.wait() {
            Err(error) if error.kind() == ErrorKind::Cancelled => {}
            other => return Err(format!("a cancelled run ended with {other:?}").into()),
        }
        RunHandle::new(scheduler.submit(next)?).gather()?;
        seconds.push(begun.elapsed().as_secs_f64());
        drop(run);
        let held = scheduler.memory().held;
        if held > 0 {
            return Err(format!("{held} results of a cancelled run are still held").into());
        }
    }
    if seconds.is_empty() {
        return Err(format!("a6_cancel_{name}: every run was over before it was cancelled").into());
    }
    let n = seconds.len();
    let timing = Timing::of(seconds);
    let (median, worst) = (timing.median() * 1e3, timing.at(1.0) * 1e3);
    let detail = format!(
        "{what}: median {median:.3} ms, worst {worst:.3} ms of {n}, until every worker did something else; nothing held afterwards"
    );
    Ok(Record::new(timing, detail)
        .case(format!("a6_cancel_{name}"))
        .value(worst, "ms at worst")
        .target(TARGET_MS))
}

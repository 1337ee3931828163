//! Memory that the scheduler itself takes for a task.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kvern_core::optimize::Passes;
use kvern_core::{
    Graph, OpRef, Plan, Registry, Result, Root, RunHandle, Scheduler, TaskList, Value,
};

use super::{WORKERS, shapes, threads};
use crate::alloc;
use crate::catalog::Outcome;
use crate::measure::{Timing, clock};
use crate::options::Options;
use crate::record::Record;
use crate::shapes::check_last;

/// Bytes a task of a graph that is submitted and has not begun.
const TARGET: f64 = 200.0;

/// A door that tasks wait at.
#[derive(Default)]
struct Door {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Door {
    fn pass(&self) {
        let guard = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(guard, |open| !*open));
    }

    fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }
}

/// A run that keeps every worker at the door, so that what is submitted next does not begin.
fn hold(
    scheduler: &dyn Scheduler,
    registry: &Arc<Registry>,
    door: &Arc<Door>,
) -> Result<RunHandle> {
    let mut list = TaskList::new();
    let door = door.clone();
    let op = list.op(OpRef::local("wait at the door", move |_, _| {
        door.pass();
        Ok(Value::UNIT)
    }));
    let ids: Vec<_> = (0..WORKERS).map(|_| list.task(op, [])).collect();
    let layer = list.finish(ids);
    let plan = Plan::new(
        Graph::new(&[Root::all(&layer)]),
        registry.clone(),
        Passes::none(),
    )?;
    scheduler.submit(plan).map(RunHandle::new)
}

/// Live bytes once they stay the same: the workers free what the shape before left, after its result was here.
fn settled() -> i64 {
    let mut live = alloc::live();
    loop {
        thread::sleep(Duration::from_millis(50));
        match alloc::live() {
            now if now == live => return live,
            now => live = now,
        }
    }
}

pub(super) fn kvern(options: &Options) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let mut records = Vec::new();
    alloc::start();
    for (name, shape) in shapes(options) {
        let n = shape.tasks() as f64;
        let scheduler = threads(&registry)?;
        let door = Arc::new(Door::default());
        let held = hold(&*scheduler, &registry, &door)?;
        let before = settled();
        let plan = shape.plan(&registry, Passes::none())?;
        let planned = (alloc::live() - before) as f64 / n;
        let (seconds, run) = clock(|| scheduler.submit(plan));
        let run = RunHandle::new(run?);
        let submitted = (alloc::live() - before) as f64 / n;
        door.open();
        held.wait()?;
        check_last(shape, run.gather()?.last())?;
        let detail = format!(
            "{} tasks: {planned:.0} bytes a task when planned, {submitted:.0} when submitted and not begun \
             (graph, order and run; counted by the allocator)",
            shape.tasks()
        );
        records.push(
            Record::new(Timing::of(vec![seconds]), detail)
                .case(format!("a8_bytes_{name}"))
                .value(submitted, "bytes a task")
                .target(TARGET),
        );
    }
    Ok(records)
}

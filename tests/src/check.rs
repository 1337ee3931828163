//! What cases are written with: plans, waits that end, comparisons that tell what differs.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use kvern_core::optimize::Passes;
use kvern_core::{
    Error, ErrorKind, Graph, Handle, Layer, OpRef, Plan, Result, Root, RunHandle, Scheduler,
    TaskGraph, TaskList, Value,
};

use crate::fixture::Fixture;
use crate::ops::registry;
use crate::probe::eventually;

/// The plan of some roots as they are built, with no optimisation: as many tasks as written down.
pub(crate) fn plan(roots: &[Root]) -> Plan {
    plan_with(roots, Passes::none())
}

pub(crate) fn plan_with(roots: &[Root], passes: Passes) -> Plan {
    match Plan::new(Graph::new(roots), registry(), passes) {
        Ok(p) => p,
        Err(e) => panic!("the case's own graph is refused: {e:?}"),
    }
}

/// Submits some roots, which must be accepted.
pub(crate) fn submit(scheduler: &Arc<dyn Scheduler>, roots: &[Root]) -> RunHandle {
    submit_plan(scheduler, plan(roots))
}

pub(crate) fn submit_plan(scheduler: &Arc<dyn Scheduler>, plan: Plan) -> RunHandle {
    match scheduler.submit(plan) {
        Ok(run) => RunHandle::new(run),
        Err(e) => panic!("submit refused a good plan: {e:?}"),
    }
}

/// One layer of tasks that read nothing, all of which are wanted.
pub(crate) fn wide(op: &OpRef, tasks: usize) -> Arc<Layer> {
    let mut list = TaskList::with_capacity(tasks, 0);
    let op = list.op(op.clone());
    let all: Vec<_> = (0..tasks).map(|_| list.task(op, [])).collect();
    list.finish(all)
}

/// A chain of `ops`, each task reading the one before; the last is wanted.
pub(crate) fn chain(ops: &[OpRef]) -> Arc<Layer> {
    let mut list = TaskList::new();
    let mut last = None;
    for op in ops {
        let op = list.op(op.clone());
        last = Some(list.task(op, last));
    }
    list.finish(last)
}

/// What the reference executor makes of some roots.
pub(crate) fn reference(roots: &[Root]) -> Result<Vec<Value>> {
    let tasks = TaskGraph::expand(&Graph::new(roots))?;
    kvern_core::reference::run(&tasks, &registry())
}

/// Whether two values of the suite's types are equal.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    fn eq<T: PartialEq + 'static>(a: &Value, b: &Value) -> bool {
        matches!((a.downcast_ref::<T>(), b.downcast_ref::<T>()), (Some(a), Some(b)) if a == b)
    }
    eq::<u64>(a, b)
        || eq::<Vec<u8>>(a, b)
        || eq::<bool>(a, b)
        || eq::<String>(a, b)
        || eq::<()>(a, b)
}

/// Fails naming the first value that differs.
pub(crate) fn assert_same(what: &str, got: &[Value], want: &[Value]) {
    assert_eq!(got.len(), want.len(), "{what}: number of results");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(
            same(g, w),
            "{what}: result {i} is {g:?}, the reference says {w:?}"
        );
    }
}

/// The number that a value is.
pub(crate) fn number(v: &Value) -> u64 {
    match v.downcast_ref::<u64>() {
        Some(n) => *n,
        None => panic!("a u64 is expected, got {v:?}"),
    }
}

/// Fails unless it is an error of that kind.
pub(crate) fn expect_error<T>(what: &str, got: Result<T>, kind: ErrorKind) -> Error {
    match got {
        Ok(_) => panic!("{what}: a {} error is expected, got a value", kind.name()),
        Err(e) => {
            assert_eq!(e.kind(), kind, "{what}: got {e:?}");
            e
        }
    }
}

impl Fixture {
    /// Waits for a result; fails if it does not come.
    pub(crate) fn result(&self, what: &str, handle: &Handle) -> Result<Value> {
        match handle.wait_timeout(self.waits()) {
            Some(r) => r,
            None => panic!("{what}: no result within {:?}", self.waits()),
        }
    }

    /// Waits for a result, which must be a value.
    pub(crate) fn value(&self, what: &str, handle: &Handle) -> Value {
        match self.result(what, handle) {
            Ok(v) => v,
            Err(e) => panic!("{what}: {e:?}"),
        }
    }

    /// Waits for all results of a run, which must be values.
    pub(crate) fn values(&self, what: &str, run: &RunHandle) -> Vec<Value> {
        run.handles().iter().map(|h| self.value(what, h)).collect()
    }

    /// Waits until all of a run's tasks are over; fails if that does not happen.
    pub(crate) fn finish(&self, what: &str, run: &RunHandle) -> Result<()> {
        match run.run().wait_all(Some(self.waits())) {
            Some(r) => r,
            None => panic!(
                "{what}: not over within {:?} ({:?})",
                self.waits(),
                run.progress()
            ),
        }
    }

    /// Waits until something is so; fails if it does not become so.
    pub(crate) fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        assert!(
            eventually(self.waits(), is_so),
            "{what}: not within {:?}",
            self.waits()
        );
    }

    /// Fails unless the backend gives all memory back.
    pub(crate) fn freed(&self, what: &str, scheduler: &Arc<dyn Scheduler>) {
        let is_free = || {
            let m = scheduler.memory();
            m.live == 0 && m.held == 0 && m.spilled == 0
        };
        assert!(
            eventually(self.waits(), is_free),
            "{what}: memory is not given back: {:?}",
            scheduler.memory()
        );
    }

    /// Fails unless the backend still runs a small graph rightly and frees it: the last line of cases that make trouble.
    pub(crate) fn still_works(&self, scheduler: &Arc<dyn Scheduler>) {
        let roots = [Root::all(&wide(&crate::ops::mix_block(5), 20))];
        let run = submit(scheduler, &roots);
        let got = self.values("a small graph afterwards", &run);
        let want = match reference(&roots) {
            Ok(v) => v,
            Err(e) => panic!("the reference fails: {e:?}"),
        };
        assert_same("a small graph afterwards", &got, &want);
        drop((got, run));
        self.freed("afterwards", scheduler);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future on this thread, with nothing but a thread to wake; `None` if it is not ready in time.
pub(crate) fn block_on<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let end = Instant::now() + limit;
    loop {
        if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            return Some(out);
        }
        let left = end.checked_duration_since(Instant::now())?;
        std::thread::park_timeout(left);
    }
}

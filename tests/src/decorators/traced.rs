//! Counts and times the calls of the protocol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Description, MemoryUse, Progress};
use kvern_core::{Error, Handle, Key, Plan, Result, Run, Scheduler, Value};

/// What was seen of one call of the protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Call {
    /// How often it was made.
    pub count: u64,
    /// Time in all of them together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

#[derive(Default)]
struct Book(Mutex<BTreeMap<&'static str, Call>>);

impl Book {
    fn time<T>(&self, name: &'static str, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = call();
        let took = start.elapsed();
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = book.entry(name).or_default();
        entry.count += 1;
        entry.total += took;
        entry.longest = entry.longest.max(took);
        out
    }
}

/// Any backend, with every call of the protocol counted and timed.
pub struct Traced {
    inner: Arc<dyn Scheduler>,
    book: Arc<Book>,
}

impl Traced {
    /// Traces that backend.
    pub fn new(inner: Arc<dyn Scheduler>) -> Arc<Self> {
        let book = Arc::default();
        Arc::new(Self { inner, book })
    }

    /// What was called so far, by name.
    pub fn calls(&self) -> BTreeMap<&'static str, Call> {
        self.book
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Scheduler for Traced {
    fn describe(&self) -> Description {
        self.book.time("describe", || self.inner.describe())
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        let inner = self.book.time("submit", || self.inner.submit(plan))?;
        let book = self.book.clone();
        Ok(Arc::new(TracedRun { inner, book }))
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.book.time("scatter", || self.inner.scatter(values))
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.book
            .time("subscribe", || self.inner.subscribe(observer))
    }

    fn memory(&self) -> MemoryUse {
        self.book.time("memory", || self.inner.memory())
    }

    fn stop(&self, why: &Error) {
        self.book.time("stop", || self.inner.stop(why));
    }

    fn close(&self) {
        self.book.time("close", || self.inner.close());
    }
}

struct TracedRun {
    inner: Arc<dyn Run>,
    book: Arc<Book>,
}

impl Run for TracedRun {
    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn key(&self, output: u32) -> Key {
        self.inner.key(output)
    }

    fn try_get(&self, output: u32) -> Option<Result<Value>> {
        self.book.time("try_get", || self.inner.try_get(output))
    }

    fn wait(&self, output: u32, limit: Option<Duration>) -> Option<Result<Value>> {
        self.book.time("wait", || self.inner.wait(output, limit))
    }

    fn when_done(&self, output: u32, then: Box<dyn FnOnce(Result<Value>) + Send>) {
        self.book
            .time("when_done", || self.inner.when_done(output, then));
    }

    fn wait_all(&self, limit: Option<Duration>) -> Option<Result<()>> {
        self.book.time("wait_all", || self.inner.wait_all(limit))
    }

    fn want(&self, output: u32) {
        self.book.time("want", || self.inner.want(output));
    }

    fn release(&self, output: u32) {
        self.book.time("release", || self.inner.release(output));
    }

    fn cancel(&self) {
        self.book.time("cancel", || self.inner.cancel());
    }

    fn progress(&self) -> Progress {
        self.book.time("progress", || self.inner.progress())
    }
}

//! Writes down what was asked of a backend and what it answered, so that another can be asked the same.
//!
//! A recording holds graphs in their portable form and results as digests: it keeps no result alive. What cannot leave the process
//! (closures, handles of other runs) is noted and left out of a replay.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kvern_core::events::{Observer, Subscription};
use kvern_core::optimize::Passes;
use kvern_core::scheduler::{Description, MemoryUse, Progress};
use kvern_core::{
    Error, ErrorKind, Graph, Handle, Key, Plan, Registry, Result, Run, RunHandle, Scheduler, Value,
};

/// What a result was, without the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A value: the digest of its encoded form, or of its description if its type cannot be encoded.
    Value(Key),
    /// An error of that kind.
    Failed(ErrorKind),
}

impl Outcome {
    fn of(result: &Result<Value>, registry: &Registry) -> Self {
        let digest = |v: &Value| {
            let mut bytes = Vec::new();
            let k = Key::builder("recorded");
            match registry.encode(v, &mut bytes) {
                Ok(()) => k.bytes(&bytes),
                Err(_) => k.str(&v.describe()),
            }
        };
        match result {
            Ok(v) => Self::Value(digest(v).finish()),
            Err(e) => Self::Failed(e.kind()),
        }
    }
}

/// One recorded run.
#[derive(Debug, Clone, Default)]
struct Entry {
    /// The graph as [`Graph::encode`] wrote it; none if it cannot leave the process.
    graph: Option<Vec<u8>>,
    /// What each output was found to be, where somebody asked.
    outcomes: Vec<Option<Outcome>>,
    /// Calls of `want`, `release` and `cancel` on it, in order.
    calls: Vec<(&'static str, u32)>,
}

/// What was recorded of a backend.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    entries: Vec<Entry>,
}

/// A result that a replay found to be another than the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The run, counted from 0.
    pub run: usize,
    /// The output.
    pub output: usize,
    /// What was recorded.
    pub recorded: Outcome,
    /// What the replay gave.
    pub replayed: Outcome,
}

impl Recording {
    /// Number of recorded runs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of runs that can be replayed: those whose graph can leave the process, and that were not cancelled.
    pub fn replayable(&self) -> usize {
        self.entries.iter().filter(|e| e.can_replay()).count()
    }

    /// Number of calls of that name (`want`, `release`, `cancel`) on a run, counted from 0.
    pub fn calls(&self, run: usize, name: &str) -> usize {
        let calls = self.entries.get(run).map(|e| e.calls.as_slice());
        calls
            .unwrap_or_default()
            .iter()
            .filter(|c| c.0 == name)
            .count()
    }

    /// Runs the recorded graphs again, on any backend, and tells which results differ from the recorded ones.
    ///
    /// # Errors
    /// What [`Graph::decode`], [`Plan::new`] or the backend's `submit` refuse.
    pub fn replay(
        &self,
        on: &Arc<dyn Scheduler>,
        registry: &Arc<Registry>,
    ) -> Result<Vec<Difference>> {
        let mut found = Vec::new();
        for (run, entry) in self.entries.iter().enumerate().filter(|e| e.1.can_replay()) {
            let Some(bytes) = &entry.graph else { continue };
            let graph = Graph::decode(bytes, registry)?;
            let plan = Plan::new(graph, registry.clone(), Passes::none())?;
            let again = RunHandle::new(on.submit(plan)?);
            for (output, recorded) in entry.outcomes.iter().enumerate() {
                let Some(recorded) = recorded else { continue };
                let replayed = Outcome::of(&again.handle(output).wait(), registry);
                if replayed != *recorded {
                    let recorded = recorded.clone();
                    found.push(Difference {
                        run,
                        output,
                        recorded,
                        replayed,
                    });
                }
            }
        }
        Ok(found)
    }
}

impl Entry {
    fn can_replay(&self) -> bool {
        self.graph.is_some() && !self.calls.iter().any(|c| c.0 == "cancel")
    }
}

type Log = Arc<Mutex<Recording>>;

/// Any backend, with a log of what was asked of it and what it answered.
pub struct Recorded {
    inner: Arc<dyn Scheduler>,
    log: Log,
}

impl Recorded {
    /// Records that backend.
    pub fn new(inner: Arc<dyn Scheduler>) -> Arc<Self> {
        let log = Log::default();
        Arc::new(Self { inner, log })
    }

    /// What was recorded so far.
    pub fn recording(&self) -> Recording {
        lock(&self.log).clone()
    }
}

fn lock(log: &Log) -> std::sync::MutexGuard<'_, Recording> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scheduler for Recorded {
    fn describe(&self) -> Description {
        self.inner.describe()
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        let (graph, registry) = (plan.graph().encode().ok(), plan.registry().clone());
        let inner = self.inner.submit(plan)?;
        let outcomes = vec![None; inner.outputs()];
        let mut log = lock(&self.log);
        log.entries.push(Entry {
            graph,
            outcomes,
            calls: Vec::new(),
        });
        let run = log.entries.len() - 1;
        let log = self.log.clone();
        Ok(Arc::new(RecordedRun {
            inner,
            log,
            run,
            registry,
        }))
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.inner.scatter(values)
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.inner.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.inner.memory()
    }

    fn stop(&self, why: &Error) {
        self.inner.stop(why);
    }

    fn close(&self) {
        self.inner.close();
    }
}

struct RecordedRun {
    inner: Arc<dyn Run>,
    log: Log,
    run: usize,
    registry: Arc<Registry>,
}

impl RecordedRun {
    fn note(&self, call: &'static str, output: u32) {
        lock(&self.log).entries[self.run].calls.push((call, output));
    }

    /// Keeps the first outcome of an output. The digest is made outside of the lock: values may be large.
    fn saw(&self, output: u32, result: &Result<Value>) {
        let at = output as usize;
        if lock(&self.log).entries[self.run].outcomes[at].is_some() {
            return;
        }
        let outcome = Outcome::of(result, &self.registry);
        lock(&self.log).entries[self.run].outcomes[at].get_or_insert(outcome);
    }
}

impl Run for RecordedRun {
    fn outputs(&self) -> usize {
        self.inner.outputs()
    }

    fn key(&self, output: u32) -> Key {
        self.inner.key(output)
    }

    fn try_get(&self, output: u32) -> Option<Result<Value>> {
        self.inner.try_get(output).inspect(|r| self.saw(output, r))
    }

    fn wait(&self, output: u32, limit: Option<Duration>) -> Option<Result<Value>> {
        self.inner
            .wait(output, limit)
            .inspect(|r| self.saw(output, r))
    }

    fn when_done(&self, output: u32, then: Box<dyn FnOnce(Result<Value>) + Send>) {
        self.inner.when_done(output, then);
    }

    fn wait_all(&self, limit: Option<Duration>) -> Option<Result<()>> {
        self.inner.wait_all(limit)
    }

    fn want(&self, output: u32) {
        self.note("want", output);
        self.inner.want(output);
    }

    fn release(&self, output: u32) {
        self.note("release", output);
        self.inner.release(output);
    }

    fn cancel(&self) {
        self.note("cancel", 0);
        self.inner.cancel();
    }

    fn progress(&self) -> Progress {
        self.inner.progress()
    }
}

//! Running one task: its inputs taken, its time limited, its panic caught, and an error that names it.

use std::time::{Duration, Instant};

use kvern_core::error::TaskInfo;
use kvern_core::operator::{Submitter, TaskHost};
use kvern_core::unfinished::Leftovers;
use kvern_core::{Error, Kernel, Key, Result, TaskContext, Value, panics};

use crate::store::Store;

/// One attempt at a task, as its backend knows it.
pub trait Task: Sync {
    /// Puts what the task reads into `inputs`.
    ///
    /// # Errors
    /// One that names a task is of that input, and not of this task.
    fn acquire_inputs(&mut self, inputs: &mut Vec<Value>) -> Result<()>;

    /// The inputs are there and the task is about to run: since when, and for how long it may.
    fn begin(&mut self, inputs: &[Value]) -> Clock;

    /// What it runs.
    ///
    /// # Errors
    /// Why there is no code.
    fn kernel(&self) -> Result<&dyn Kernel>;

    /// What its code is told about it.
    fn context<'a>(&'a self, host: &'a dyn TaskHost) -> TaskContext<'a>;

    /// What an error says of it.
    fn info(&self, inputs: &[Value]) -> TaskInfo;

    /// Whether it is to stop.
    fn is_cancelled(&self) -> bool;

    /// Why it is to stop.
    fn why_cancelled(&self) -> Error;

    /// Its code has come to an end. False: it was given up before, and answered for by somebody else.
    fn claim(&mut self) -> bool;

    /// Whether its result may be one.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, value: &Value) -> Result<()>;

    /// Whose memory it takes.
    fn store(&self) -> &Store;

    /// Writes a line to the run's log.
    fn log(&self, key: Key, operator: &str, message: &str);

    /// See [`TaskHost::leftovers`].
    fn leftovers(&self) -> Leftovers;

    /// See [`TaskHost::submitter`].
    ///
    /// # Errors
    /// Why there is nothing to submit to.
    fn submitter(&self) -> Result<Submitter>;
}

/// When an attempt began, and how long it may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// `None`: nobody asks how long it takes.
    pub begun: Option<Instant>,
    /// `None`: as long as it likes.
    pub limit: Option<Duration>,
}

impl Clock {
    fn deadline(self) -> Option<Instant> {
        // A limit beyond what the clock can hold is none.
        self.begun
            .zip(self.limit)
            .and_then(|(b, l)| b.checked_add(l))
    }
}

/// What a task made, and how long that took as far as somebody looked.
pub struct Made {
    /// Its result.
    pub value: Value,
    /// See [`Clock::begun`].
    pub took: Duration,
}

/// Runs one attempt. `inputs` is what the caller reuses from task to task; what is left in it is the caller's to drop. `None`: it was given up, and
/// what it made came too late.
#[inline]
pub fn run_task<T: Task>(task: &mut T, inputs: &mut Vec<Value>) -> Option<Result<Made>> {
    if let Err(e) = task.acquire_inputs(inputs) {
        return Some(Err(named(task, e, &[])));
    }
    let clock = task.begin(inputs);
    let caught = {
        let host = Host {
            task: &*task,
            deadline: clock.deadline(),
        };
        let context = task.context(&host);
        match task.kernel() {
            Ok(kernel) => panics::caught(|| context.enter(|| kernel.run(inputs, &context))),
            Err(e) => Ok(Err(e)),
        }
    };
    let took = clock.begun.map_or(Duration::ZERO, |b| b.elapsed());
    if !task.claim() {
        panics::discard(caught);
        return None;
    }
    let result = caught.unwrap_or_else(|panic| Err(panic.into()));
    let result = match clock.limit {
        Some(limit) if took > limit => {
            panics::discard(result);
            Err(Error::out_of_time(limit, Some(took)))
        }
        _ => result,
    };
    if task.is_cancelled() {
        // Whatever it gives: nobody reads it any more, and whoever asks is told why.
        panics::discard(result);
        return Some(Err(task.why_cancelled()));
    }
    let result = result.and_then(|value| match task.check(&value) {
        Ok(()) => Ok(Made { value, took }),
        Err(e) => {
            panics::discard(value);
            Err(e)
        }
    });
    Some(result.map_err(|e| named(task, e, inputs)))
}

/// Names the task in an error, with what its inputs were, unless another is named.
#[cold]
fn named(task: &impl Task, e: Error, inputs: &[Value]) -> Error {
    if e.task().is_some() {
        return e;
    }
    e.at_task(task.info(inputs))
}

/// A task as its code sees what runs it.
struct Host<'a, T> {
    task: &'a T,
    deadline: Option<Instant>,
}

impl<T: Task> TaskHost for Host<'_, T> {
    fn is_cancelled(&self) -> bool {
        self.task.is_cancelled() || self.deadline.is_some_and(|d| Instant::now() > d)
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        self.task.store().reserve(bytes)
    }

    fn unreserve(&self, bytes: u64) {
        self.task.store().budget().unreserve(bytes);
    }

    fn memory_budget(&self) -> Option<u64> {
        Some(self.task.store().budget().limit())
    }

    fn log(&self, key: Key, operator: &str, message: &str) {
        self.task.log(key, operator, message);
    }

    fn leftovers(&self) -> Leftovers {
        self.task.leftovers()
    }

    fn submitter(&self) -> Result<Submitter> {
        self.task.submitter()
    }
}

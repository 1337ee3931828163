//! What a running task can ask: whether it should stop, for memory, for the session that runs it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::Key;
use crate::base::unfinished::Leftovers;
use crate::operator::OpRef;

/// A flag that asks running tasks to stop. Cloning gives another handle on the same flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks to stop. Never undone.
    pub fn cancel(&self) {
        // SeqCst here and below: a backend raises the flag and then looks who is at work; who begins to work says so and then looks
        // at the flag. With less, each could miss the other (on x86, too: a plain store may pass a later load).
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a running task can ask of the scheduler that runs it. Backends implement it; kernels see it as [`TaskContext`].
pub trait TaskHost: Sync {
    /// Whether this run should stop.
    fn is_cancelled(&self) -> bool;

    /// Sets memory aside for the running task beyond its inputs and its projected output, spilling others' results if need be.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] if the budget cannot hold it.
    fn reserve(&self, bytes: u64) -> Result<()>;

    /// Gives back what [`TaskHost::reserve`] set aside.
    fn unreserve(&self, bytes: u64);

    /// How many bytes all values together may take in memory; `None`: nobody counts them.
    fn memory_budget(&self) -> Option<u64> {
        None
    }

    /// Writes a line to the run's log.
    fn log(&self, key: Key, operator: &str, message: &str);

    /// What takes the tasks that this task submits.
    ///
    /// # Errors
    /// Why there is nothing to submit to: what a task computes is never computed elsewhere without a word.
    fn submitter(&self) -> Result<Submitter> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "the backend that runs this task does not take tasks from tasks",
        ))
    }

    /// What running tasks would leave behind; of a backend that waits for all of them, nobody asks.
    fn leftovers(&self) -> Leftovers {
        Leftovers::default()
    }
}

/// What takes the tasks that a task submits. Operators do not know schedulers: the scheduler protocol makes it
/// ([`Submitter::new`]) and takes it apart ([`TaskContext::scheduler`]).
pub struct Submitter(Box<dyn Any + Send>);

impl Submitter {
    pub(crate) fn of(inner: impl Any + Send) -> Self {
        Self(Box::new(inner))
    }

    /// What [`Submitter::of`] was given, if it is a `T`.
    pub(crate) fn open<T: Any>(self) -> Option<T> {
        self.0.downcast().ok().map(|inner| *inner)
    }
}

impl fmt::Debug for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Submitter")
    }
}

/// Numbered tasks, as their contexts ask for them: an expanded graph is one.
pub trait TaskTable: Sync {
    /// The key of a task's result.
    fn key(&self, task: u32) -> Key;

    /// What the task runs.
    fn op(&self, task: u32) -> &OpRef;

    /// Its number in its layer.
    fn block(&self, task: u32) -> u32;
}

/// What a kernel is told about the task it runs.
#[derive(Clone, Copy)]
pub struct TaskContext<'a> {
    host: &'a dyn TaskHost,
    task: Which<'a>,
    block: u64,
}

/// Which task it is.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// One of a graph that is here.
    Of(&'a dyn TaskTable, u32),
    /// One whose graph is elsewhere.
    Alone(Key, &'a OpRef),
}

impl<'a> TaskContext<'a> {
    /// For schedulers: the context of `task` of `graph`.
    pub fn new(host: &'a dyn TaskHost, graph: &'a dyn TaskTable, task: u32) -> Self {
        Self {
            host,
            task: Which::Of(graph, task),
            block: u64::from(graph.block(task)),
        }
    }

    /// For schedulers whose workers do not have the graph: the context of a task of which this is known.
    pub fn of_task(host: &'a dyn TaskHost, key: Key, op: &'a OpRef, block: u32) -> Self {
        Self {
            host,
            task: Which::Alone(key, op),
            block: u64::from(block),
        }
    }

    /// The same task seen as another block (fused operators each keep their own numbering).
    #[must_use]
    pub fn with_block(self, block: u64) -> Self {
        Self { block, ..self }
    }

    /// Which block of its layer this task makes, counted row-major over the layer's grid.
    pub fn block(&self) -> u64 {
        self.block
    }

    /// The key of the result.
    pub fn key(&self) -> Key {
        match self.task {
            Which::Of(graph, task) => graph.key(task),
            Which::Alone(key, _) => key,
        }
    }

    fn op(&self) -> &'a OpRef {
        match self.task {
            Which::Of(graph, task) => graph.op(task),
            Which::Alone(_, op) => op,
        }
    }

    /// `name@version` of the operator.
    pub fn operator(&self) -> String {
        self.op().label()
    }

    /// Whether the run was cancelled; long kernels ask between pieces of work.
    pub fn is_cancelled(&self) -> bool {
        self.host.is_cancelled()
    }

    /// [`TaskContext::is_cancelled`] for use with `?`.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`].
    pub fn check_cancelled(&self) -> Result<()> {
        if self.is_cancelled() {
            Err(Error::new(ErrorKind::Cancelled, "the run was cancelled"))
        } else {
            Ok(())
        }
    }

    /// Sets `bytes` of memory aside until the guard is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] if the budget cannot hold it.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation<'a>> {
        self.host.reserve(bytes)?;
        Ok(Reservation {
            host: self.host,
            bytes,
        })
    }

    /// How many bytes all values together may take in memory; `None`: nobody counts them.
    pub fn memory_budget(&self) -> Option<u64> {
        self.host.memory_budget()
    }

    /// Where a task says what it would leave behind, should the process end before it does: a program that is told to end does not wait long for
    /// tasks, and removes that.
    pub fn leftovers(&self) -> Leftovers {
        self.host.leftovers()
    }

    /// Writes a line to the run's log.
    pub fn log(&self, message: &str) {
        self.host.log(self.key(), self.op().name(), message);
    }

    /// What the host says of [`TaskHost::submitter`].
    pub(crate) fn submitter(&self) -> Result<Submitter> {
        self.host.submitter()
    }
}

/// Memory set aside for a running task; given back when dropped.
pub struct Reservation<'a> {
    host: &'a dyn TaskHost,
    bytes: u64,
}

impl Reservation<'_> {
    /// How much is set aside, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.host.unreserve(self.bytes);
    }
}

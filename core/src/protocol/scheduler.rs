//! The scheduler protocol: what every backend, ours or a third party's, offers to whoever has a graph to run.
//!
//! A backend takes a [`Plan`] and gives a [`Run`]. A run's wanted results are numbered in the order of the graph's outputs; users
//! see them as [`Handle`]s, which are futures and can also be waited for. A graph grows while it runs by submitting another whose
//! [`Data`](crate::graph::layer::Data) layers hold handles of the first. Values never come back but through handles; events only go out.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::Key;
use crate::graph::plan::Plan;
use crate::graph::registry::{Extension, Registry};
use crate::operator::{Submitter, TaskContext};
use crate::protocol::events::{Observer, Subscription};
use crate::protocol::handle::Handle;
use crate::settings::config::Config;
use crate::settings::url::SchedulerUrl;
use crate::value::Value;

/// A backend that runs graphs.
pub trait Scheduler: Send + Sync {
    /// What this backend is and can do.
    fn describe(&self) -> Description;

    /// Starts running a plan and returns at once.
    ///
    /// # Errors
    /// What is known to be wrong before any task ran: a graph that does not expand, a plan over the memory budget
    /// ([`ErrorKind::OutOfMemory`], naming the operator), a closure for a remote backend ([`ErrorKind::NotPortable`]), a closed
    /// backend.
    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>>;

    /// Hands values to the backend, where they live (and are spilled) like results, and gives handles on them.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] or [`ErrorKind::NotPortable`].
    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>>;

    /// Sends events to an observer until the subscription is dropped.
    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription;

    /// The memory that results take.
    fn memory(&self) -> MemoryUse;

    /// What the backend offers, beside running graphs, to a collection that knows it by type: a frame asks here for an engine that takes
    /// whole queries. Nothing, unless the backend says so; a backend around another hides what that one offers, since it would be passed by.
    fn extension(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Cancels all runs and takes nothing any more, at once: it waits for nothing. What is not made yet is the error `why`, of kind
    /// [`ErrorKind::Cancelled`], for whoever waits for it; so are later submits and scatters. Results that are there stay. For a program that is told
    /// to end ([`Session::cancel_on_ctrl_c`](crate::Session::cancel_on_ctrl_c)), which calls it on a thread that must not be held up.
    ///
    /// A backend that does not say otherwise is closed.
    fn stop(&self, why: &Error) {
        let _ = why;
        self.close();
    }

    /// Cancels all runs and waits for running tasks to stop; what they held is freed. Results that are there stay readable as long
    /// as somebody holds a handle on them. Later submits and scatters fail with [`ErrorKind::Cancelled`]. Done by dropping, too.
    ///
    /// After [`Scheduler::stop`] it waits for tasks that do not stop for [`GRACE`] and no longer.
    fn close(&self);
}

/// How long a backend that was stopped waits, when it is closed, for tasks that do not ask whether they should stop.
pub const GRACE: Duration = Duration::from_millis(400);

/// What a backend is and can do; conformance cases that need more are skipped by these and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The URL scheme, such as `threads`.
    pub scheme: String,
    /// One sentence for people.
    pub about: String,
    /// Tasks that can run at once.
    pub threads: usize,
    /// Memory budget for results in bytes, if there is one.
    pub memory_budget: Option<u64>,
    /// The folder in which results are spilled, if they are: the one that was named, or that of temporary files. Operators that spill by
    /// themselves use the same, and none where there is none.
    pub spill_directory: Option<std::path::PathBuf>,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl Description {
    /// A backend of that scheme with one thread, no budget and no special abilities.
    pub fn new(scheme: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            scheme: scheme.into(),
            about: about.into(),
            threads: 1,
            memory_budget: None,
            spill_directory: None,
            capabilities: Capabilities::default(),
        }
    }
}

/// Abilities that not every backend has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Runs closures of this process ([`OpRef::local`](crate::OpRef::local)).
    pub closures: bool,
    /// Keeps results under a memory budget by spilling them to disk.
    pub spill: bool,
    /// Runs the same graph in the same order each time (and explores other orders by seed).
    pub deterministic: bool,
    /// `submit` returns before the tasks have run, so that runs can be cancelled and overlap.
    pub concurrent: bool,
    /// Tasks can submit tasks and wait for them.
    pub nested: bool,
}

/// Memory that a backend's results take, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Results in memory now, counted by [`Value::nbytes`].
    pub live: u64,
    /// The most that `live` has been since the backend was opened.
    pub peak: u64,
    /// Bytes on disk now, as encoded.
    pub spilled: u64,
    /// All bytes ever written to disk by spilling.
    pub spilled_total: u64,
    /// Number of results held, in memory or on disk. Scalars that a value holds in place, and values that users took, are not
    /// counted.
    pub held: u64,
}

/// A submitted plan. A backend shares its workers among its runs of one priority: a small one does not wait for the whole of a large one. The
/// results that a run reads from another are kept for as long as the reading run lives.
///
/// Asking for a result after it was released is an error of kind [`ErrorKind::Cancelled`].
///
/// Dropping the last reference to a run, and the handles on it, cancels what is left of it.
pub trait Run: Send + Sync {
    /// Number of wanted results.
    fn outputs(&self) -> usize;

    /// The content key of a wanted result.
    fn key(&self, output: u32) -> Key;

    /// The result if it is made: a value, or why there is none. `None`: not yet. It does not wait for tasks; a value that another
    /// process or a disk has is read from there first.
    fn try_get(&self, output: u32) -> Option<Result<Value>>;

    /// How a result stands. Backends that have values elsewhere tell it without reading them.
    fn state(&self, output: u32) -> ResultState {
        match self.try_get(output) {
            None => ResultState::Pending,
            Some(Ok(_)) => ResultState::Made,
            Some(Err(_)) => ResultState::Failed,
        }
    }

    /// Waits for a result, at most so long. `None`: the time is over. May be called from inside a task of the same backend.
    fn wait(&self, output: u32, limit: Option<Duration>) -> Option<Result<Value>>;

    /// Calls `then` once the result is there, at once if it is already. It must not block.
    fn when_done(&self, output: u32, then: Box<dyn FnOnce(Result<Value>) + Send>);

    /// The same without the result, which is read from nowhere for this.
    fn when_settled(&self, output: u32, then: Box<dyn FnOnce() + Send>) {
        self.when_done(output, Box::new(|_| then()));
    }

    /// A thread waits, by `wait`, for what `done` tells and tasks of this run bring about. If it is a task of the same backend, others
    /// may run in its place, or on its thread: else it would wait for ever where it holds the only one.
    fn while_blocked(&self, done: &dyn Fn() -> bool, wait: &dyn Fn()) {
        if !done() {
            wait();
        }
    }

    /// Waits until every task has finished, failed or been cancelled, or until the first failure; at most so long.
    /// `None`: the time is over.
    fn wait_all(&self, limit: Option<Duration>) -> Option<Result<()>>;

    /// One more wants this result: it is kept until as many have released it. Each output is wanted once by the submit itself.
    fn want(&self, output: u32);

    /// One fewer wants this result. When nobody does, it is freed; if it has not been made yet and no other task needs it, it
    /// may never be.
    fn release(&self, output: u32);

    /// The results of all outputs of a run that is over, in order; waits for those that are not there. Backends that can hand
    /// them over in bulk do better than this.
    ///
    /// # Errors
    /// The first in the order of the outputs that there is.
    fn collect(&self) -> Result<Vec<Value>> {
        (0..self.outputs() as u32)
            .map(|i| {
                let result = self.try_get(i).or_else(|| self.wait(i, None));
                let missing = || {
                    Err(Error::new(
                        ErrorKind::Internal,
                        format!("result {i} of a finished run is missing"),
                    ))
                };
                result.unwrap_or_else(missing)
            })
            .collect()
    }

    /// [`Run::release`] of each output once.
    fn release_all(&self) {
        (0..self.outputs() as u32).for_each(|i| self.release(i));
    }

    /// Stops the run: tasks that have not started never do, running ones are asked to stop (and count as cancelled even if they
    /// finish), results not yet there become
    /// [`ErrorKind::Cancelled`], whatever other task has failed before. Those that are there stay, failures among them; and if a task had
    /// failed before, [`Run::wait_all`] goes on telling that.
    fn cancel(&self);

    /// How far it is.
    fn progress(&self) -> Progress;
}

/// How a wanted result stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultState {
    /// Not there yet.
    Pending,
    /// It is made.
    Made,
    /// There will be none.
    Failed,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tasks in the run, values at hand (data) included.
    pub total: u64,
    /// Of these, values at hand: literals, arguments, results of other runs. They are done as soon as they are there; who counts what is
    /// computed leaves them out ([`Progress::tasks`]).
    pub data: u64,
    /// Tasks that have finished with a value.
    pub done: u64,
    /// Tasks that failed, or could not run as something they read failed or was cancelled.
    pub failed: u64,
    /// Bytes of the values that its tasks have made, those that were freed since included.
    pub bytes: u64,
}

impl Progress {
    /// What is computed: how many functions and chunks, and how many of them are over, failed ones included.
    pub fn tasks(&self) -> (u64, u64) {
        let over = (self.done + self.failed).saturating_sub(self.data);
        (self.total.saturating_sub(self.data), over)
    }

    /// Whether no task is left to run.
    pub fn is_finished(&self) -> bool {
        self.done + self.failed >= self.total
    }
}

impl Submitter {
    /// For [`TaskHost::submitter`](crate::operator::TaskHost::submitter): that scheduler, where operator names mean what that registry says;
    /// `None`: what is linked.
    pub fn new(scheduler: Arc<dyn Scheduler>, registry: Option<Arc<Registry>>) -> Self {
        Self::of((scheduler, registry))
    }
}

type Parts = (Arc<dyn Scheduler>, Option<Arc<Registry>>);

/// What runs a task, and what operator names mean there.
pub(crate) fn parts(task: &TaskContext<'_>) -> Result<Parts> {
    let parts = task.submitter()?.open();
    parts.ok_or_else(|| Error::new(ErrorKind::Internal, "a submitter without a scheduler"))
}

impl TaskContext<'_> {
    /// The scheduler that runs this task, to submit more work to.
    ///
    /// # Errors
    /// As [`TaskContext::session`].
    pub fn scheduler(&self) -> Result<Arc<dyn Scheduler>> {
        parts(self).map(|(scheduler, _)| scheduler)
    }
}

/// What a backend is opened with.
#[derive(Debug, Clone)]
pub struct OpenContext {
    /// What operator names mean.
    pub registry: Arc<Registry>,
    /// The session's configuration.
    pub config: Arc<Config>,
}

/// A backend that can be opened by URL. Linked crates submit theirs with [`register_backend!`](crate::register_backend); one that comes at run time is
/// added to a registry ([`Registry::add`]) before the session is opened with it.
///
/// ```no_run
/// use std::sync::Arc;
/// use kvern_core::{BackendEntry, Registry, Session};
/// # fn open(_: &kvern_core::url::SchedulerUrl, _: &kvern_core::scheduler::OpenContext) -> kvern_core::Result<Arc<dyn kvern_core::Scheduler>> { todo!() }
/// let mut registry = Registry::linked()?;
/// registry.add(BackendEntry {
///     scheme: "mine",
///     about: "a backend of this program",
///     source: "the example",
///     rank: -1,
///     open,
/// })?;
/// let session = Session::builder().registry(registry.into()).url("mine://").build()?;
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BackendEntry {
    /// URL scheme: `threads` for `threads://?workers=4`.
    pub scheme: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// The crate that has it.
    pub source: &'static str,
    /// The backend of the highest rank is used when nothing is said; below 0: never.
    pub rank: i32,
    /// Opens it.
    pub open: fn(&SchedulerUrl, &OpenContext) -> Result<Arc<dyn Scheduler>>,
}

impl Extension for BackendEntry {
    const WHAT: &'static str = "backend";

    fn name(&self) -> &str {
        self.scheme
    }

    fn source(&self) -> &str {
        self.source
    }

    fn hint() -> &'static str {
        "backends are features of the crate kvern, such as `local`, or crates of their own, which a program has to `use`"
    }
}

inventory::collect!(BackendEntry);

crate::register_kind!(|| inventory::iter::<BackendEntry>().copied());

/// Registers a backend of this crate: its URL scheme, one sentence about it, its [rank](crate::BackendEntry::rank), and what opens it.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use kvern_core::scheduler::OpenContext;
/// # use kvern_core::url::SchedulerUrl;
/// # use kvern_core::{Result, Scheduler};
/// fn open(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
///     todo!("a scheduler that {url} describes")
/// }
/// kvern_core::register_backend! { scheme: "mine", about: "a backend of this crate", rank: -1, open: open }
/// ```
#[macro_export]
macro_rules! register_backend {
    (scheme: $scheme:expr, about: $about:expr, rank: $rank:expr, open: $open:expr $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::BackendEntry {
                scheme: $scheme,
                about: $about,
                source: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                rank: $rank,
                open: $open,
            }
        }
    };
}

impl Registry {
    /// The backends, the best first.
    pub fn backends(&self) -> Vec<&BackendEntry> {
        let mut all: Vec<&BackendEntry> = self.all().collect();
        all.sort_by(|a, b| b.rank.cmp(&a.rank).then(a.scheme.cmp(b.scheme)));
        all
    }
}

impl fmt::Debug for dyn Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scheduler({}://)", self.describe().scheme)
    }
}

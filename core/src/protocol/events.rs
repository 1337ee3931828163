//! Events: what happened, told to whoever listens. One stream feeds the progress bar, reports, dashboards and tests; nothing
//! flows back.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use crate::base::error::Error;
use crate::base::key::Key;
use crate::protocol::scheduler::Progress;

/// Something that happened in a backend.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A plan was accepted.
    RunStarted {
        /// Number of the run in this backend, from 1.
        run: u64,
        /// How many tasks it has.
        tasks: u64,
        /// Projected bytes of all results.
        bytes: u64,
    },
    /// How far a run is; sent several times a second at most, and once at the end.
    Progress {
        /// The run.
        run: u64,
        /// How far it is.
        progress: Progress,
    },
    /// A task began (only with [`Interest::Tasks`]).
    TaskStarted {
        /// The run.
        run: u64,
        /// The task.
        key: Key,
        /// Its operator's name.
        operator: Arc<str>,
        /// The worker, from 0.
        worker: u32,
    },
    /// A task made its value (only with [`Interest::Tasks`]).
    TaskFinished {
        /// The run.
        run: u64,
        /// The task.
        key: Key,
        /// Its operator's name.
        operator: Arc<str>,
        /// The worker, from 0.
        worker: u32,
        /// How long it ran.
        took: Duration,
        /// Bytes of its value.
        bytes: u64,
    },
    /// A task failed (told to every observer).
    TaskFailed {
        /// The run.
        run: u64,
        /// Why; names key and operator.
        error: Error,
        /// Whether it is tried again.
        retried: bool,
    },
    /// A result went to disk.
    Spilled {
        /// The task that made it.
        key: Key,
        /// Its bytes in memory.
        bytes: u64,
    },
    /// A result came back from disk.
    Unspilled {
        /// The task that made it.
        key: Key,
        /// Its bytes in memory.
        bytes: u64,
    },
    /// A line that a task logged.
    Log {
        /// The task.
        key: Key,
        /// Its operator's name.
        operator: String,
        /// The words.
        message: String,
    },
    /// No task of the run is left.
    RunFinished {
        /// The run.
        run: u64,
        /// How it ended.
        progress: Progress,
        /// The first failure, if there was one.
        error: Option<Error>,
        /// How long it took from the submit.
        took: Duration,
    },
}

/// How much an observer wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// Runs, failures, spills, logs.
    Runs = 1,
    /// Each task's beginning and end as well: costs some tenths of a microsecond a task.
    Tasks = 2,
}

/// Somebody who listens.
pub trait Observer: Send + Sync {
    /// How much it wants to be told.
    fn interest(&self) -> Interest {
        Interest::Runs
    }

    /// Told from the thread where it happened: must be quick, must not block, must not call the scheduler (dropping the last handle
    /// of a run calls it too). A panic in it is
    /// caught and ends its subscription.
    fn event(&self, event: &Event);
}

/// Keeps an observer subscribed; dropping it ends that.
#[must_use = "dropping the subscription ends it"]
pub struct Subscription(
    #[expect(dead_code, reason = "held for its drop")] Option<Arc<dyn Observer>>,
);

impl Subscription {
    /// For backends that cannot send events.
    pub fn none() -> Self {
        Self(None)
    }
}

/// An observer for as long as its subscription lives.
struct Subscribed(Arc<dyn Observer>);

impl Observer for Subscribed {
    fn interest(&self) -> Interest {
        self.0.interest()
    }

    fn event(&self, event: &Event) {
        self.0.event(event);
    }
}

/// The observers of a backend. Costs one relaxed load where nobody listens.
#[derive(Default)]
pub struct Observers {
    level: AtomicU8,
    list: RwLock<Vec<Weak<dyn Observer>>>,
    /// One who is told at a time: an observer sees events in one order.
    telling: Mutex<()>,
}

impl Observers {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one until the subscription is dropped.
    pub fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        let interest = observer.interest();
        // The list refers to something that the subscription alone holds: the caller may keep the observer itself.
        let subscribed: Arc<dyn Observer> = Arc::new(Subscribed(observer));
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.push(Arc::downgrade(&subscribed));
        self.level.fetch_max(interest as u8, Ordering::Relaxed);
        Subscription(Some(subscribed))
    }

    /// Whether anybody wants events of that level.
    #[inline]
    pub fn wants(&self, interest: Interest) -> bool {
        self.level.load(Ordering::Relaxed) >= interest as u8
    }

    /// Tells an event of that level.
    pub fn tell(&self, interest: Interest, event: &Event) {
        if !self.wants(interest) {
            return;
        }
        let alive: Vec<Arc<dyn Observer>> = {
            let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
            list.iter().filter_map(Weak::upgrade).collect()
        };
        let _one = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = alive.is_empty();
        for o in &alive {
            if o.interest() < interest {
                continue;
            }
            let told = crate::base::panics::caught(|| o.event(event));
            if told.is_err() {
                gone = true;
                let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
                list.retain(|w| w.upgrade().is_some_and(|x| !Arc::ptr_eq(&x, o)));
            }
        }
        if gone {
            self.refresh();
        }
    }

    /// Forgets observers that are gone and lowers the level to what the rest wants.
    fn refresh(&self) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|w| w.strong_count() > 0);
        let level = list
            .iter()
            .filter_map(Weak::upgrade)
            .map(|o| o.interest() as u8)
            .max()
            .unwrap_or(0);
        self.level.store(level, Ordering::Relaxed);
    }
}

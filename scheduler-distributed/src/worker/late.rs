//! Running tasks that are given up: those whose time is over, and those that were told to stop and do not. They are answered for, and others
//! run in their place. Their threads cannot be ended and go on; of these there may be so many.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use kvern_core::{Error, ErrorKind, Result};
use kvern_machine::{Attempt, TaskRef};

/// How long a task that was told to stop may take to do so.
const GRACE: Duration = Duration::from_secs(2);

/// How long after its time limit a task is given up: one that asks whether it is to stop says in its own words where it was.
const MOMENT: Duration = Duration::from_millis(20);

/// Threads a slot that may go on with what nobody wants any more, and some besides.
const ADRIFT: usize = 8;

/// See the module.
pub(super) struct Late {
    due: BTreeSet<(Instant, TaskRef, Attempt)>,
    of: HashMap<(TaskRef, Attempt), (Instant, Why)>,
    most: usize,
}

/// Why a task is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It may run for so long.
    Limit(Duration),
    /// It was told to stop.
    Stopped,
}

impl Why {
    pub(super) fn error(self) -> Error {
        match self {
            Self::Limit(limit) => Error::out_of_time(limit, None),
            Self::Stopped => Error::new(ErrorKind::Cancelled, "the run was cancelled"),
        }
    }

    /// How long it has run, as far as is known.
    pub(super) fn nanos(self) -> u64 {
        match self {
            Self::Limit(limit) => u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX),
            Self::Stopped => 0,
        }
    }
}

impl Late {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            due: BTreeSet::new(),
            of: HashMap::new(),
            most: ADRIFT * slots + 64,
        }
    }

    /// When one is given up next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// A task begins whose time is limited.
    pub(super) fn limit(&mut self, task: TaskRef, attempt: Attempt, limit: Duration) {
        if let Some(at) = Instant::now().checked_add(limit.saturating_add(MOMENT)) {
            self.put(task, attempt, at, Why::Limit(limit));
        }
    }

    /// A task is told to stop.
    pub(super) fn stopped(&mut self, task: TaskRef, attempt: Attempt) {
        self.put(task, attempt, Instant::now() + GRACE, Why::Stopped);
    }

    fn put(&mut self, task: TaskRef, attempt: Attempt, at: Instant, why: Why) {
        if self
            .of
            .get(&(task, attempt))
            .is_some_and(|(was, _)| *was <= at)
        {
            return;
        }
        self.forget(task, attempt);
        self.due.insert((at, task, attempt));
        self.of.insert((task, attempt), (at, why));
    }

    /// A task has ended.
    pub(super) fn forget(&mut self, task: TaskRef, attempt: Attempt) {
        // Most tasks have no limit and are not told to stop.
        if self.of.is_empty() {
            return;
        }
        if let Some((at, _)) = self.of.remove(&(task, attempt)) {
            self.due.remove(&(at, task, attempt));
        }
    }

    /// The next that is to be given up by now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(TaskRef, Attempt, Why)> {
        let &(at, task, attempt) = self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        let (_, why) = self.of.remove(&(task, attempt))?;
        Some((task, attempt, why))
    }

    /// Whether this process may go on with so many threads that cannot be ended.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if not.
    pub(super) fn check(&self, adrift: usize) -> Result<()> {
        if adrift <= self.most {
            return Ok(());
        }
        let words = format!(
            "{adrift} threads of this worker go on with tasks that were cancelled or whose time is over, and cannot be stopped: the process ends"
        );
        Err(Error::new(ErrorKind::Internal, words))
    }
}

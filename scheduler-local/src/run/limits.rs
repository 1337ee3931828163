//! Attempts whose time is limited: when it is over, whoever waits is told at once, and the thread goes on alone.
//!
//! An attempt is answered for once: by its thread when it has come to an end, or by the monitor when its time is over ([`RunCore::give_up_late`]).
//! Who takes it out of the list has from then on what the task holds: the unit of its own slot, one of each input for each time that it reads it,
//! and its stay inside the gate. The thread of one that was given up has its inputs in its hands, and touches nothing of the run any more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::Error;
use kvern_core::error::TaskInfo;
use kvern_core::events::{Event, Interest};
use kvern_store::Store;

use super::RunCore;
use super::lend::Lender;

/// How long after its time limit an attempt is given up: one that asks whether it is to stop says in its own words where it was.
const MOMENT: Duration = Duration::from_millis(20);

/// The attempts of a run whose time is limited.
#[derive(Default)]
pub(super) struct Limits(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    next: u64,
    running: BTreeMap<(Instant, u64), Limited>,
    /// Of those that were given up and go on: what the store counts for them.
    adrift: HashMap<u64, u64>,
    /// Tasks that were given up and are to be tried again.
    again: BTreeSet<(Instant, u32)>,
    /// How often such tasks have failed.
    failures: HashMap<u32, u32>,
}

/// An attempt whose time is limited.
pub(super) struct Limited {
    pub(super) task: u32,
    pub(super) limit: Duration,
    /// What is said of it in an error.
    pub(super) info: TaskInfo,
    /// How often the task has failed before.
    pub(super) failures: u32,
    /// How often it may be tried, the first time included.
    pub(super) tries: u32,
    pub(super) backoff: Option<Duration>,
    /// Whose place its thread has.
    pub(super) lender: Option<Arc<dyn Lender>>,
    /// How often its thread is counted as busy by the store.
    pub(super) admitted: u64,
}

/// Which attempt.
pub(super) type Ticket = (Instant, u64);

impl Limits {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins. `None`: its limit is beyond what the clock can hold.
    pub(super) fn begin(&self, begun: Instant, attempt: Limited) -> Option<Ticket> {
        let due = begun.checked_add(attempt.limit.saturating_add(MOMENT))?;
        let mut inner = self.lock();
        inner.next += 1;
        let ticket = (due, inner.next);
        inner.running.insert(ticket, attempt);
        Some(ticket)
    }

    /// An attempt has come to an end. False: it was given up before.
    pub(super) fn end(&self, ticket: Ticket, store: &Store) -> bool {
        let mut inner = self.lock();
        if inner.running.remove(&ticket).is_some() {
            return true;
        }
        if let Some(admitted) = inner.adrift.remove(&ticket.1) {
            store.budget().not_adrift(admitted);
        }
        false
    }

    /// How often a task has failed, if an attempt of it was given up.
    pub(super) fn failures(&self, task: u32) -> u32 {
        self.lock().failures.get(&task).copied().unwrap_or(0)
    }

    /// Takes out the next attempt whose time is over. Its thread has no place among the workers any more, and is not waited for.
    fn next_late(&self, now: Instant, store: &Store) -> Option<Limited> {
        let mut inner = self.lock();
        let first = inner.running.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let ((_, id), late) = first.remove_entry();
        // Under the lock: its thread asks for it when it comes to an end.
        if late.lender.as_ref().is_some_and(|l| l.lose()) {
            store.budget().adrift(late.admitted);
            inner.adrift.insert(id, late.admitted);
        }
        Some(late)
    }

    fn try_again(&self, at: Instant, task: u32, failures: u32) {
        let mut inner = self.lock();
        inner.again.insert((at, task));
        inner.failures.insert(task, failures);
    }

    /// Takes out the tasks that are to be tried again by now.
    fn due(&self, now: Instant) -> Vec<u32> {
        let mut inner = self.lock();
        let mut due = Vec::new();
        while let Some(&(at, task)) = inner.again.first()
            && at <= now
        {
            inner.again.pop_first();
            due.push(task);
        }
        due
    }
}

impl RunCore {
    /// Gives up the attempts whose time is over, and sees to it that tasks that were are tried again. For one thread.
    pub(crate) fn give_up_late(&self) {
        if !self.limited {
            return;
        }
        let now = Instant::now();
        while let Some(late) = self.limits.next_late(now, &self.store) {
            self.give_up(late, now);
        }
        let again = self.limits.due(now);
        if !again.is_empty() {
            self.hand_out(again);
        }
    }

    fn give_up(&self, late: Limited, now: Instant) {
        let error = Error::out_of_time(late.limit, None).at_task(late.info);
        let failures = late.failures + 1;
        let retried = failures < late.tries && !self.is_cancelled();
        let event = Event::TaskFailed {
            run: self.id,
            error: error.clone(),
            retried,
        };
        self.observers.tell(Interest::Runs, &event);
        if retried {
            let pause = super::execute::pause_after(late.backoff, late.failures);
            let at = now.checked_add(pause).unwrap_or(now);
            self.limits.try_again(at, late.task, failures);
        } else if !self.is_cancelled() {
            // The stay inside the gate is that of the attempt.
            let mut ready = Vec::new();
            self.fail(late.task, error, &mut ready);
            self.report(1, 1);
            if !ready.is_empty() {
                self.hand_out(ready);
            }
        }
        self.leave();
        if let Some(lender) = late.lender {
            lender.replace_me();
        }
    }

    fn hand_out(&self, tasks: Vec<u32>) {
        if let Some(me) = self.me.upgrade() {
            self.driver.ready(&me, tasks);
        }
    }
}

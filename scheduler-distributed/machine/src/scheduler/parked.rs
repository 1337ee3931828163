//! Tasks that are looked at again after a while: those that could not reach their inputs, and those that failed and are to be tried again.

use std::collections::{BTreeMap, BTreeSet};

use super::Effect;
use super::Scheduler;
use super::state::State;
use super::task::At;
use crate::ids::{TaskRef, Tick};
use crate::outbox::Outbox;

/// Which, and when.
#[derive(Debug, Default)]
pub(super) struct Parked {
    due: BTreeSet<(Tick, TaskRef)>,
    until: BTreeMap<TaskRef, Tick>,
}

impl Parked {
    fn insert(&mut self, task: TaskRef, until: Tick) {
        self.remove(task);
        self.due.insert((until, task));
        self.until.insert(task, until);
    }

    /// One that is parked no more.
    pub(super) fn remove(&mut self, task: TaskRef) {
        if let Some(until) = self.until.remove(&task) {
            self.due.remove(&(until, task));
        }
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<Tick> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Which there are.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskRef> {
        self.until.keys().copied()
    }
}

impl Scheduler {
    /// Looks at a task again after so many nanoseconds.
    pub(super) fn park(&mut self, at: At, nanos: u64, why: &'static str) {
        let task = self.name(at);
        self.set(at, State::Parked, why);
        self.parked.insert(task, self.now.after(nanos));
    }

    /// Looks again at those whose time has come.
    pub(super) fn unpark(&mut self, out: &mut Outbox<Effect>) {
        while let Some(&(due, task)) = self.parked.due.first() {
            if due > self.now {
                return;
            }
            self.parked.remove(task);
            if let Some(at) = self.locate(task) {
                self.set(at, State::Waiting, "waited long enough");
                self.reconsider(at);
                self.settle(out);
            }
        }
    }
}

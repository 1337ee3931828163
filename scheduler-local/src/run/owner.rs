//! What the store asks and tells about a large result of a run.

use std::sync::{Arc, Weak};

use kvern_core::Key;
use kvern_core::events::{Event, Interest, Observers};
use kvern_store::ValueOwner;

use super::RunCore;

/// The result of a task.
pub(super) struct OfTask {
    run: Weak<RunCore>,
    task: u32,
    key: Key,
    observers: Arc<Observers>,
}

impl OfTask {
    pub(super) fn new(run: &RunCore, task: u32) -> Self {
        Self {
            run: run.me.clone(),
            task,
            key: run.tasks.key(task),
            observers: run.observers.clone(),
        }
    }
}

impl ValueOwner for OfTask {
    /// Position of the next task that reads it.
    fn next_use(&self) -> u64 {
        self.run
            .upgrade()
            .map_or(u64::MAX, |run| run.next_use(self.task))
    }

    fn spilled(&self, bytes: u64) {
        let key = self.key;
        self.observers
            .tell(Interest::Runs, &Event::Spilled { key, bytes });
    }

    fn unspilled(&self, bytes: u64) {
        let key = self.key;
        self.observers
            .tell(Interest::Runs, &Event::Unspilled { key, bytes });
    }
}

impl RunCore {
    /// Position of the next task that reads this task's result; beyond all positions if none does.
    fn next_use(&self, task: u32) -> u64 {
        let (off, rows) = &self.dependents;
        let readers = &rows[off[task as usize] as usize..off[task as usize + 1] as usize];
        let waiting = readers
            .iter()
            .filter(|&&r| !self.slots[r as usize].is_filled());
        waiting
            .map(|&r| u64::from(self.position[r as usize]))
            .min()
            .unwrap_or(u64::MAX)
    }
}

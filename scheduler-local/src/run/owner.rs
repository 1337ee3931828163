//! What the store asks and tells about a large result of a run.

use std::sync::{Arc, Weak};

use kvern_core::Key;
use kvern_core::events::{Event, Interest, Observers};
use kvern_store::ValueOwner;

use super::RunCore;

/// The result of a task, or some pieces of it.
pub(super) struct OfTask {
    run: Weak<RunCore>,
    task: u32,
    /// Who reads the pieces; `None`: it is all of the result.
    readers: Option<Box<[u32]>>,
    key: Key,
    observers: Arc<Observers>,
}

impl OfTask {
    pub(super) fn new(run: &RunCore, task: u32) -> Self {
        Self {
            run: run.me.clone(),
            task,
            readers: None,
            key: run.tasks.key(task),
            observers: run.observers.clone(),
        }
    }

    /// Pieces that these tasks read.
    pub(super) fn of_pieces(run: &RunCore, task: u32, readers: Box<[u32]>) -> Self {
        Self {
            readers: Some(readers),
            ..Self::new(run, task)
        }
    }
}

impl ValueOwner for OfTask {
    /// Position of the next task that reads it.
    fn next_use(&self) -> u64 {
        self.run.upgrade().map_or(u64::MAX, |run| {
            let readers = self.readers.as_deref();
            run.next_use(readers.unwrap_or_else(|| run.readers(self.task)))
        })
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
    /// Position of the next of these tasks that is not done; beyond all positions if all are.
    fn next_use(&self, readers: &[u32]) -> u64 {
        let waiting = readers
            .iter()
            .filter(|&&r| !self.slots[r as usize].is_filled());
        waiting
            .map(|&r| u64::from(self.position[r as usize]))
            .min()
            .unwrap_or(u64::MAX)
    }
}

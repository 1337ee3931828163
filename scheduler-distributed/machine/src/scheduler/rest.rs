//! Workers whose tasks fail, one after the other, while those of others do not: they rest, so that what fails quickly is not given more for it.
//!
//! Only beside a worker of the same build whose last task did not fail: where all fail, the tasks are the reason.

use super::Scheduler;
use super::workers::Entry;
use crate::ids::WorkerId;

impl Scheduler {
    /// A task came to a good end at a worker.
    pub(super) fn went_well(&mut self, worker: WorkerId) {
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        if std::mem::take(&mut entry.failures) > 0 {
            self.wake(worker);
        }
    }

    /// A task failed at a worker.
    pub(super) fn went_wrong(&mut self, worker: WorkerId) {
        let most = self.config.failures;
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        let (failures, build) = (entry.failures, entry.build);
        let rests = entry.rests.is_some();
        if failures >= most && !rests && self.another_is_well(worker, build) {
            let doubled = self.config.rest << (failures - most).min(6);
            let until = self.now.after(doubled);
            self.resting.insert((until, worker));
            if let Some(entry) = self.worker_mut(worker) {
                entry.rests = Some(until);
            }
        }
        self.relist(worker);
    }

    /// Whether another worker of a build is not at rest, and its last task did not fail.
    fn another_is_well(&self, worker: WorkerId, build: u32) -> bool {
        self.workers.iter().enumerate().any(|(n, other)| {
            n != worker.0 as usize
                && other
                    .as_ref()
                    .is_some_and(|o| o.build == build && o.failures == 0)
        })
    }

    /// A worker can be given tasks again.
    fn wake(&mut self, worker: WorkerId) {
        if let Some(entry) = self.worker_mut(worker)
            && let Some(until) = entry.rests.take()
        {
            self.resting.remove(&(until, worker));
        }
        self.relist(worker);
    }

    /// Those who have rested long enough are given tasks again.
    pub(super) fn end_rests(&mut self) {
        while let Some(&(until, worker)) = self.resting.first() {
            if until > self.now {
                return;
            }
            self.resting.pop_first();
            self.wake(worker);
        }
    }

    /// A worker is gone. If all that are left of its build rest, they do so no more: nobody else would work.
    pub(super) fn not_resting(&mut self, worker: WorkerId, entry: &Entry) {
        if let Some(until) = entry.rests {
            self.resting.remove(&(until, worker));
        }
        let resting: Vec<WorkerId> = self
            .resting
            .iter()
            .map(|(_, w)| *w)
            .filter(|w| self.worker(*w).is_some_and(|w| w.build == entry.build))
            .collect();
        if resting.len() as u32 == self.fitting.there(entry.build) {
            resting.into_iter().for_each(|w| self.wake(w));
        }
    }
}

//! A running attempt, as those see it who may have to answer for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use kvern_core::Error;
use kvern_core::error::TaskInfo;
use kvern_core::operator::CancelFlag;

use super::store::Store;
use crate::seat::Seat;

/// A running attempt, as those see it who may have to answer for it.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) stop: CancelFlag,
    answered: AtomicBool,
    /// What is said of the task in an error, if its time is limited.
    info: Mutex<Option<TaskInfo>>,
    pub(super) seat: OnceLock<Seat>,
    counts: Mutex<Counts>,
}

/// How an attempt counts for those who wait for memory.
#[derive(Default)]
pub(super) struct Counts {
    /// It was let in.
    pub(super) admitted: bool,
    /// It waits for other tasks, and is not counted meanwhile.
    pub(super) waits: bool,
    pub(super) given_up: bool,
    /// It was given up while it was counted: nobody waits for what it will give back.
    adrift: bool,
}

impl Watch {
    pub(super) fn info(&self) -> MutexGuard<'_, Option<TaskInfo>> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the task in an error.
    pub(crate) fn blame(&self, e: Error) -> Error {
        match self.info().clone() {
            Some(info) => e.at_task(info),
            None => e,
        }
    }

    /// Changes how it counts, and tells the store.
    pub(super) fn count(&self, store: &Store, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut counts);
        let adrift = counts.given_up && counts.admitted && !counts.waits;
        let budget = store.values().budget();
        match (counts.adrift, adrift) {
            (false, true) => budget.adrift(1),
            (true, false) => budget.not_adrift(1),
            _ => {}
        }
        counts.adrift = adrift;
    }

    /// Who says what has become of the attempt: true for the first who asks.
    pub(super) fn claim(&self) -> bool {
        !self.answered.swap(true, Ordering::SeqCst)
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::SeqCst)
    }
}

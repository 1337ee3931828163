//! A worker loop as its task sees it when it waits for others: whose place it is that is lent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use kvern_core::{Error, Result};
use kvern_store::Store;

use super::Inner;
use super::queue::Job;
use crate::run::RunCore;
use crate::run::lend::Lender;

/// What has become of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Held,
    Lent,
    /// Given up for good, since its task does not stop.
    Lost,
}

/// A worker loop on its thread.
pub(super) struct Frame {
    inner: Weak<Inner>,
    /// Whether it has a place to lend. A thread of the pool that does rayon work of some kernel has none.
    placed: bool,
    place: Mutex<Place>,
    /// The run that it is at.
    job: Mutex<Option<Arc<Job>>>,
    /// Its task waits.
    waits: AtomicBool,
}

impl Frame {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        Self {
            placed: true,
            ..Self::without_place(Arc::downgrade(inner))
        }
    }

    pub(super) fn without_place(inner: Weak<Inner>) -> Self {
        Self {
            inner,
            placed: false,
            place: Mutex::new(Place::Held),
            job: Mutex::new(None),
            waits: AtomicBool::new(false),
        }
    }

    /// Whether it is a loop of that backend.
    pub(super) fn is_of(&self, inner: &Inner) -> bool {
        std::ptr::eq(self.inner.as_ptr(), inner)
    }

    /// Whether another loop has its place, and it is to end.
    pub(super) fn is_lost(&self) -> bool {
        *self.place() == Place::Lost
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its task waits for others.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    /// The run that it is at from now on; gives the one before.
    pub(super) fn at(&self, job: Option<Arc<Job>>) -> Option<Arc<Job>> {
        std::mem::replace(
            &mut self.job.lock().unwrap_or_else(PoisonError::into_inner),
            job,
        )
    }

    fn mark(&self, run: &RunCore, waits: bool) {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = [Some(&run.awaited), job.as_ref().map(|j| &j.waiting)];
        for count in counts.into_iter().flatten() {
            if waits {
                count.fetch_add(1, Ordering::SeqCst);
            } else {
                count.fetch_sub(1, Ordering::SeqCst);
            }
        }
        drop(job);
        self.waits.store(waits, Ordering::SeqCst);
    }

    /// Gives up the place, or takes it again.
    fn count(&self, inner: &Inner, waits: bool) {
        let mut place = self.place();
        // One that was lost is neither lent nor taken again.
        let moves = *place != Place::Lost;
        if moves {
            *place = if waits { Place::Lent } else { Place::Held };
        }
        // What goes up while it waits, and what goes down.
        let (up, down) = match self.placed {
            true => (None, moves.then_some(&inner.workers)),
            false => (Some(&inner.on_pool), None),
        };
        let (up, down) = if waits { (up, down) } else { (down, up) };
        up.map(|n| n.fetch_add(1, Ordering::SeqCst));
        down.map(|n| n.fetch_sub(1, Ordering::SeqCst));
        drop(place);
        if waits {
            inner.blocked.fetch_add(1, Ordering::SeqCst);
        } else {
            inner.blocked.fetch_sub(1, Ordering::SeqCst);
        }
        inner.moves.fetch_add(1, Ordering::Relaxed);
    }
}

impl Lender for Frame {
    fn lend(&self, waits_for: &RunCore) -> Result<()> {
        let Some(inner) = self.inner.upgrade() else {
            return Ok(());
        };
        self.mark(waits_for, true);
        self.count(&inner, true);
        if inner.has_ready()
            && let Err(e) = inner.wake(inner.workers.load(Ordering::SeqCst) + 1)
            && inner.workers.load(Ordering::SeqCst) == 0
        {
            self.count(&inner, false);
            self.mark(waits_for, false);
            return Err(e);
        }
        Ok(())
    }

    fn take_back(&self, waited_for: &RunCore) {
        self.mark(waited_for, false);
        let Some(inner) = self.inner.upgrade() else {
            return;
        };
        let crowded = inner.is_crowded();
        self.count(&inner, false);
        if crowded && !inner.is_crowded() && inner.has_ready() {
            inner.wake_one();
        }
    }

    fn give_up(&self) -> Option<Error> {
        self.inner.upgrade()?.stand_ins.take_refusal()
    }

    fn lose(&self) -> bool {
        let mut place = self.place();
        let (true, Place::Held, Some(inner)) = (self.placed, *place, self.inner.upgrade()) else {
            return false;
        };
        *place = Place::Lost;
        inner.workers.fetch_sub(1, Ordering::SeqCst);
        true
    }

    fn replace_me(&self) {
        if let Some(inner) = self.inner.upgrade()
            && inner.has_ready()
        {
            inner.wake_one();
        }
    }

    fn store(&self) -> Option<Arc<Store>> {
        // What does not stop is not counted as busy, so it does not count as waiting either.
        let inner = self.inner.upgrade().filter(|_| !self.is_lost())?;
        Some(inner.store.clone())
    }
}

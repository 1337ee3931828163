//! What results take of the memory that they may take: counted in bytes, with what is set aside for tasks, and who runs.
//!
//! Bytes are those that values count themselves ([`Value::nbytes`](kvern_core::Value::nbytes)); nothing is guessed from the resident set.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The counts of one store.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    live: AtomicU64,
    reserved: AtomicU64,
    peak: AtomicU64,
    held: AtomicU64,
    /// Tasks that run under admission.
    running: AtomicU64,
    /// Of these, how many do not stop, and are not waited for.
    adrift: AtomicU64,
    /// How many have ended: whoever found no room looks again if this has moved.
    ended: AtomicU64,
    /// One task at a time is let in where memory is short.
    admission: Mutex<()>,
    /// Threads that wait until a task ends.
    waiting: AtomicUsize,
    turn: Mutex<()>,
    end: Condvar,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            live: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            held: AtomicU64::new(0),
            running: AtomicU64::new(0),
            adrift: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            admission: Mutex::new(()),
            waiting: AtomicUsize::new(0),
            turn: Mutex::new(()),
            end: Condvar::new(),
        }
    }

    /// Bytes that results may take in memory.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes in memory now.
    pub fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// The most bytes that were in memory at once.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Results that are held, in memory or on disk.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Counts bytes that came to life. Where nothing forgets to count them back, a [`Counted`](crate::Counted) does it.
    #[inline]
    pub fn count(&self, bytes: u64) {
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
    }

    /// Counts bytes that are gone.
    #[inline]
    pub fn uncount(&self, bytes: u64) {
        self.live.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts results that are held from now on.
    #[inline]
    pub fn hold(&self, results: u64) {
        self.held.fetch_add(results, Ordering::Relaxed);
    }

    /// Counts results that are not held any more.
    #[inline]
    pub fn let_go(&self, results: u64) {
        self.held.fetch_sub(results, Ordering::Relaxed);
    }

    /// Whether `bytes` more would stay within the budget.
    pub fn fits(&self, bytes: u64) -> bool {
        let used = self.live.load(Ordering::Relaxed) + self.reserved.load(Ordering::Relaxed);
        used.saturating_add(bytes) <= self.limit
    }

    /// Whether more is alive than there should be.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.live.load(Ordering::Relaxed) > self.limit
    }

    /// Whether `bytes` fit if the budget is stretched by a sixteenth: inputs may weigh a little more than was projected.
    pub(crate) fn fits_nearly(&self, bytes: u64) -> bool {
        let used = self.live.load(Ordering::Relaxed).saturating_add(bytes);
        used <= self.limit.saturating_add(self.limit / 16)
    }

    /// Sets `bytes` aside if they fit now.
    pub fn try_reserve(&self, bytes: u64) -> bool {
        let mut reserved = self.reserved.load(Ordering::Relaxed);
        loop {
            let used = self
                .live
                .load(Ordering::Relaxed)
                .saturating_add(reserved)
                .saturating_add(bytes);
            if used > self.limit {
                return false;
            }
            match self.reserved.compare_exchange_weak(
                reserved,
                reserved + bytes,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => reserved = now,
            }
        }
    }

    /// Sets `bytes` aside whether they fit or not.
    pub(crate) fn force_reserve(&self, bytes: u64) {
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back what was set aside.
    pub fn unreserve(&self, bytes: u64) {
        self.reserved.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A task that was let in begins.
    pub(crate) fn start(&self) {
        self.running.fetch_add(1, Ordering::SeqCst);
    }

    /// A task that was let in has ended, or waits for others.
    pub(crate) fn stop(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.tell_waiting();
    }

    /// How many tasks that were let in have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// Held by the one who is being let in where memory is short.
    pub(crate) fn admission(&self) -> MutexGuard<'_, ()> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a task is running that will give memory back.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.load(Ordering::SeqCst) > self.adrift.load(Ordering::SeqCst)
    }

    /// Tasks that were let in do not stop: nobody waits for what they will give back.
    pub fn adrift(&self, tasks: u64) {
        self.adrift.fetch_add(tasks, Ordering::SeqCst);
        self.ended.fetch_add(tasks, Ordering::SeqCst);
        self.tell_waiting();
    }

    /// They have come to an end all the same.
    pub fn not_adrift(&self, tasks: u64) {
        self.adrift.fetch_sub(tasks, Ordering::SeqCst);
    }

    fn tell_waiting(&self) {
        // SeqCst: whoever waits says so before it looks at `ended`, which was raised before this.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner));
            self.end.notify_all();
        }
    }

    /// Waits until a task ends after `seen` have, at most so long.
    pub(crate) fn wait_for_an_end(&self, seen: u64, limit: Duration) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let none = |(): &mut ()| self.ended() == seen;
        drop(self.end.wait_timeout_while(turn, limit, none));
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

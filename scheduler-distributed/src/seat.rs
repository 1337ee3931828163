//! Where a thread stands that runs a task: at work, waiting for other tasks, or given up. Whoever makes a task wait says so here ([`while_waiting`]), and
//! knows nothing of the pool that runs it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

/// How a job stands. Changed under the lock of the pool alone.
pub(crate) const BUSY: u8 = 0;
pub(crate) const WAITS: u8 = 1;
pub(crate) const OVER: u8 = 2;

/// What a running job counts as: busy, waiting for others, or over, which it also is when it was given up.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) pool: Arc<dyn Seats>,
    pub(crate) stands: Arc<AtomicU8>,
}

impl Seat {
    /// A job that does not stop is given up: its thread goes on for as long as it does, and counts for nothing.
    pub(crate) fn take_away(&self) {
        self.pool.take_away(&self.stands);
    }

    /// On the thread of the job: it is done but for telling so, which may bring the next job. This thread will look for it.
    pub(crate) fn leave(&self) {
        LEAVES.set(true);
        self.pool.leave(&self.stands);
    }
}

/// The pool of a seat.
pub(crate) trait Seats: Send + Sync {
    /// The job waits for others; false: it was given up.
    fn wait(&self, stands: &AtomicU8) -> bool;
    fn go_on(&self, stands: &AtomicU8);
    fn take_away(&self, stands: &AtomicU8);
    fn leave(&self, stands: &AtomicU8);
}

thread_local! {
    /// The seat of the task that this thread runs.
    pub(crate) static MINE: RefCell<Option<Seat>> = const { RefCell::new(None) };
    /// Whether this thread counts as one that is about to look for a job.
    pub(crate) static LEAVES: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, which waits for something; if this thread runs a task of a pool, another task may run meanwhile.
pub(crate) fn while_waiting<R>(f: impl FnOnce() -> R) -> R {
    /// Goes on also when `f` panics.
    struct Back(Option<Seat>);
    impl Drop for Back {
        fn drop(&mut self) {
            if let Some(seat) = self.0.take() {
                seat.pool.go_on(&seat.stands);
                MINE.with_borrow_mut(|m| *m = Some(seat));
            }
        }
    }
    let Some(seat) = MINE.with_borrow_mut(Option::take) else {
        return f();
    };
    if !seat.pool.wait(&seat.stands) {
        return f();
    }
    let _back = Back(Some(seat));
    f()
}

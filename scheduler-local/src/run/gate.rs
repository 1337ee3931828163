//! Who is inside a run, touching its slots, and whether it has been shut (cancelled): so that what is left in the slots of a shut run is
//! swept out once, when nobody is inside.
//!
//! Who touches slots enters first (`inside` goes up), then looks at the flag; who shuts raises the flag first, then looks at `inside`. Both
//! are SeqCst, so at least one sees the other: either the one who enters sees the flag and touches nothing, or the one who shuts sees
//! somebody inside and leaves the sweeping to the last one who goes. That one looks at `inside` once more after the flag: between its own
//! going and its look at the flag another may have entered, and the run may have been shut after that.

#[cfg(not(all(test, kvern_loom)))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(all(test, kvern_loom))]
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// The gate of one run.
pub(super) struct Gate {
    /// Workers and callbacks that touch slots right now.
    inside: AtomicUsize,
    shut: AtomicBool,
    swept: AtomicBool,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            inside: AtomicUsize::new(0),
            shut: AtomicBool::new(false),
            swept: AtomicBool::new(false),
        }
    }

    pub(super) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::SeqCst)
    }

    /// Begins touching slots. False: it is shut, and nothing may be touched. Must be followed by [`Gate::leave`].
    pub(super) fn enter(&self) -> bool {
        self.inside.fetch_add(1, Ordering::SeqCst);
        one_order();
        !self.is_shut()
    }

    /// Ends touching slots. True: the caller must sweep.
    #[must_use]
    pub(super) fn leave(&self) -> bool {
        let last = self.inside.fetch_sub(1, Ordering::SeqCst) == 1;
        one_order();
        last && self.is_shut() && self.is_to_sweep()
    }

    /// Lets nobody touch slots any more who does not yet. True: the caller must sweep.
    #[must_use]
    pub(super) fn shut(&self) -> bool {
        self.shut.store(true, Ordering::SeqCst);
        one_order();
        self.is_to_sweep()
    }

    /// Of a gate that is shut: nobody is inside, and nobody sweeps yet.
    fn is_to_sweep(&self) -> bool {
        self.inside.load(Ordering::SeqCst) == 0 && !self.swept.swap(true, Ordering::SeqCst)
    }
}

/// Loom does not know the one order of all SeqCst operations, but that of fences.
#[cfg(all(test, kvern_loom))]
fn one_order() {
    fence(Ordering::SeqCst);
}

#[cfg(not(all(test, kvern_loom)))]
fn one_order() {}

/// Every interleaving, as in `slot/models.rs`.
#[cfg(all(test, kvern_loom))]
mod models {
    use loom::cell::UnsafeCell;
    use loom::model::Builder;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// What stands in the slots: loom tells if two touch it at once. And how often it was swept out.
    struct Run {
        gate: Gate,
        slots: UnsafeCell<u32>,
        sweeps: AtomicUsize,
    }

    impl Run {
        fn task(&self) {
            if self.gate.enter() {
                // Tasks touch different slots, all of which a sweep touches.
                self.slots.with(|_| ());
            }
            if self.gate.leave() {
                self.sweep();
            }
        }

        fn sweep(&self) {
            self.slots.with_mut(|_| ());
            self.sweeps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Two threads run two tasks and one, and a third cancels.
    #[test]
    fn a_shut_run_is_swept_once_and_when_nobody_is_inside() {
        let mut every = Builder::new();
        every.preemption_bound = Some(4);
        every.check(|| {
            let run = Arc::new(Run {
                gate: Gate::new(),
                slots: UnsafeCell::new(0),
                sweeps: AtomicUsize::new(0),
            });
            let workers = [2, 1].map(|tasks| {
                let run = run.clone();
                thread::spawn(move || (0..tasks).for_each(|_| run.task()))
            });
            if run.gate.shut() {
                run.sweep();
            }
            for w in workers {
                w.join().unwrap();
            }
            assert_eq!(run.sweeps.load(Ordering::Relaxed), 1);
        });
    }
}

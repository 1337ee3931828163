//! The protocol of the slot, every interleaving of it, under loom:
//!
//! ```text
//! RUSTFLAGS="--cfg kvern_loom" cargo test -p kvern-scheduler-local --release --lib models
//! ```
//!
//! Loom also follows which memory orders make one thread's accesses visible to another, so an order that is too weak is found here
//! and on no x86 machine. What it does not know is the one order of all `SeqCst` operations, on which waking those who wait rests.

use std::sync::atomic::AtomicUsize as Plain;
use std::sync::atomic::Ordering::Relaxed as Counted;

use loom::model;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use loom::thread;

use super::Slot;

type Boxed = Slot<Option<Box<u32>>>;

/// What came out of the slot, counted: it must come out once.
struct Out(AtomicUsize);

impl Out {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(0)))
    }

    fn count(&self, got: Option<Option<Box<u32>>>) {
        if let Some(v) = got.flatten() {
            assert_eq!(*v, 7);
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_one(&self) {
        assert_eq!(
            self.0.load(Ordering::Relaxed),
            1,
            "the value comes out once"
        );
    }
}

/// A task that reads the slot: looks, takes it if nobody else will look, gives its unit back.
///
/// # Safety
/// The slot is filled, and the caller has a unit that it does not use again.
unsafe fn read(slot: &Boxed, out: &Out) {
    // SAFETY: by the contract.
    unsafe {
        slot.look(|v| assert_eq!(v.as_deref(), Some(&7)));
        out.count(slot.take_if_sole());
        out.count(slot.give_back());
    }
}

/// The task that owns a slot: puts the result in, gives its unit back.
///
/// # Safety
/// Nobody else fills it, and the caller has a unit that it does not use again.
unsafe fn make(slot: &Boxed, out: &Out) {
    // SAFETY: by the contract.
    unsafe {
        out.count(slot.finish(Some(Box::new(7))).0);
    }
}

/// Two readers on two threads while a handle lets go: each may be the last, at most one takes it.
#[test]
fn readers_race_to_be_the_last() {
    model(|| {
        let (slot, out) = (Arc::new(Boxed::new(4)), Out::new());
        // SAFETY: four units: the maker's, ours and one for each reader; the readers start after the slot is filled.
        unsafe { make(&slot, &out) };
        let readers = [0, 1].map(|_| {
            let (slot, out) = (slot.clone(), out.clone());
            // SAFETY: as above.
            thread::spawn(move || unsafe { read(&slot, &out) })
        });
        // SAFETY: as above.
        out.count(unsafe { slot.give_back() });
        for r in readers {
            r.join().unwrap();
        }
        out.is_one();
    });
}

/// Two results made on two threads; whoever brings the last one runs the task that reads both. The count is the one of
/// `RunCore::complete`: down by one with `AcqRel` after the slot is filled.
#[test]
fn the_last_input_to_come_starts_its_reader() {
    let ran = std::sync::Arc::new(Plain::new(0));
    let runs = ran.clone();
    model(move || {
        let slots = Arc::new([Boxed::new(2), Boxed::new(2)]);
        let outs = Arc::new([Out::new(), Out::new()]);
        let pending = Arc::new(AtomicU32::new(2));
        let makers = [0, 1].map(|i| {
            let (slots, outs, pending) = (slots.clone(), outs.clone(), pending.clone());
            let ran = runs.clone();
            thread::spawn(move || {
                // SAFETY: two units a slot: its maker's and the reader's, which is run once, after both are filled.
                unsafe {
                    make(&slots[i], &outs[i]);
                    if pending.fetch_sub(1, Ordering::AcqRel) == 1 {
                        ran.fetch_add(1, Counted);
                        read(&slots[0], &outs[0]);
                        read(&slots[1], &outs[1]);
                    }
                }
            })
        });
        for m in makers {
            m.join().unwrap();
        }
        outs.iter().for_each(|o| o.is_one());
    });
    assert!(ran.load(Counted) > 1, "loom tried more than one order");
}

/// A handle looks whenever it likes, and lets go, while the result is made and a task reads it: three threads, no waiting.
#[test]
fn a_handle_looks_and_lets_go_at_any_time() {
    let seen = std::sync::Arc::new([Plain::new(0), Plain::new(0)]);
    let counts = seen.clone();
    model(move || {
        let (slot, out) = (Arc::new(Boxed::new(3)), Out::new());
        let outside = {
            let (slot, out, counts) = (slot.clone(), out.clone(), counts.clone());
            // SAFETY: the handle's unit, used by this thread alone; it looks only at what it has seen filled.
            thread::spawn(move || unsafe {
                let filled = slot.is_filled();
                counts[usize::from(filled)].fetch_add(1, Counted);
                if filled {
                    slot.look(|v| assert_eq!(v.as_deref(), Some(&7)));
                }
                out.count(slot.give_back());
            })
        };
        // SAFETY: the maker's unit here and the reader's there; it is started after the slot is filled.
        let reader = unsafe {
            make(&slot, &out);
            let (slot, out) = (slot.clone(), out.clone());
            thread::spawn(move || read(&slot, &out))
        };
        outside.join().unwrap();
        reader.join().unwrap();
        out.is_one();
    });
    assert!(
        seen.iter().all(|n| n.load(Counted) > 0),
        "filled and not yet filled were both met"
    );
}

/// Nobody reads it and the handle goes away while it is made: whoever is last gets it, to drop it.
#[test]
fn a_result_that_nobody_wants_any_more_is_dropped_once() {
    model(|| {
        let (slot, out) = (Arc::new(Boxed::new(2)), Out::new());
        let maker = {
            let (slot, out) = (slot.clone(), out.clone());
            // SAFETY: the maker's unit.
            thread::spawn(move || unsafe {
                // As the executor does: not even run if only its own unit is left.
                if slot.units() == 1 {
                    out.0.fetch_add(1, Ordering::Relaxed);
                    assert!(slot.give_back().flatten().is_none());
                } else {
                    make(&slot, &out);
                }
            })
        };
        // SAFETY: the handle's unit.
        out.count(unsafe { slot.give_back() });
        maker.join().unwrap();
        out.is_one();
    });
}

/// A run is cancelled while a result of it is made: who asks is told once and for all that it is there, or that it is not.
#[test]
fn what_was_told_stays_true() {
    let seen = std::sync::Arc::new([Plain::new(0), Plain::new(0)]);
    let counts = seen.clone();
    model(move || {
        let (slot, out) = (Arc::new(Boxed::new(2)), Out::new());
        let maker = {
            let (slot, out) = (slot.clone(), out.clone());
            // SAFETY: the maker's unit.
            thread::spawn(move || unsafe { make(&slot, &out) })
        };
        let there = || slot.is_filled() || !slot.refuse();
        let first = there();
        counts[usize::from(first)].fetch_add(1, Counted);
        if first {
            // SAFETY: the handle's unit, and it was seen to be filled.
            unsafe { slot.look(|v| assert_eq!(v.as_deref(), Some(&7))) };
        }
        maker.join().unwrap();
        assert_eq!(there(), first);
        // SAFETY: the handle's unit.
        out.count(unsafe { slot.give_back() });
        out.is_one();
    });
    assert!(seen.iter().all(|n| n.load(Counted) > 0), "both were met");
}

//! Where a task's result waits for its readers: written once, read without locks, freed by the last reader.
//!
//! # Protocol
//! Each unit in `readers` is a right to look at the result: one for the task itself while it runs, one for each edge that reads
//! it, one for each time it is wanted from outside. Units are only ever given back; none is made after the count has reached 0.
//!
//! - The task that owns the slot calls [`Slot::finish`] once, which puts the result in and gives its unit back.
//! - A reader looks after it has *seen* `is_filled` (or after the filled task has counted down its `pending`, which orders the
//!   same), while it holds its unit.
//! - Who holds the only unit left may take the result out instead of sharing it.
//! - Whoever gives the last unit back gets what is left, to drop it.
//! - Of a run that was cancelled, whoever told that there is no result refuses it ([`Slot::refuse`]): it never counts as filled then, for
//!   nobody, so nobody is told of it later.

#[cfg(all(test, kvern_loom))]
mod models;

#[cfg(not(all(test, kvern_loom)))]
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

#[cfg(all(test, kvern_loom))]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU8, AtomicU32, Ordering},
};

/// `std::cell::UnsafeCell` in the words of loom's, which checks that no access overlaps another that it should not.
#[cfg(not(all(test, kvern_loom)))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(all(test, kvern_loom)))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline(always)]
    fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

const EMPTY: u8 = 0;
const FILLED: u8 = 1;
const REFUSED: u8 = 2;

/// A result and the count of those who may still look at it.
pub(crate) struct Slot<T> {
    filled: AtomicU8,
    readers: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is written by one thread (`finish`, before `filled` is set with Release), read by holders of a unit after an
// Acquire of `filled`, and changed again only by a thread that knows itself the only holder (`take_if_sole`, `give_back` at 0,
// both after an Acquire of `readers` that the other holders' Release decrements synchronise with). T crosses threads, and `&T` is
// shared between readers, hence both bounds.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T: Default> Slot<T> {
    /// An empty slot with that many units.
    pub(crate) fn new(units: u32) -> Self {
        Self {
            filled: AtomicU8::new(EMPTY),
            readers: AtomicU32::new(units),
            value: UnsafeCell::new(T::default()),
        }
    }

    /// Whether the result has been put in (it may be gone again).
    pub(crate) fn is_filled(&self) -> bool {
        // SeqCst as in `finish`: an Acquire load after "I wait" could still be answered with what was before, and the one who
        // fills could at the same time see nobody waiting. (On x86 both are one plain load.)
        self.filled.load(Ordering::SeqCst) == FILLED
    }

    /// Units out.
    pub(crate) fn units(&self) -> u32 {
        self.readers.load(Ordering::Acquire)
    }

    /// Puts the result in and gives the maker's unit back; if that was the last, the result comes out again. False: it had been refused.
    ///
    /// # Safety
    /// Called at most once, by the one who runs the task and holds its unit; nobody looks before `is_filled`.
    pub(crate) unsafe fn finish(&self, value: T) -> (Option<T>, bool) {
        debug_assert!(!self.is_filled(), "a slot is filled once");
        // SAFETY: by the contract nobody else touches the value before `filled` is set, or the last unit is given back, which is ordered
        // after this by our giving back.
        self.value.with_mut(|v| unsafe { *v = value });
        // Before it can be seen: the first who sees it may be the only one left, and take it rather than a copy.
        // SAFETY: the maker does not look again.
        let rest = unsafe { self.give_back() };
        // SeqCst (not only Release): a waiter says that it waits, then looks here; we set this, then look for waiters. If it was refused,
        // it stays so.
        let seen = self
            .filled
            .compare_exchange(EMPTY, FILLED, Ordering::SeqCst, Ordering::SeqCst);
        (rest, seen.is_ok())
    }

    /// Has a result that is not there yet never be there. False: it is there.
    pub(crate) fn refuse(&self) -> bool {
        let was = self
            .filled
            .compare_exchange(EMPTY, REFUSED, Ordering::SeqCst, Ordering::SeqCst);
        was != Err(FILLED)
    }

    /// Looks at the result.
    ///
    /// # Safety
    /// The caller holds a unit, and the slot is filled (seen by `is_filled` or through the pending count).
    pub(crate) unsafe fn look<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: the value only changes when one unit is left and its holder takes it; the caller holds one and does not.
        self.value.with(|v| f(unsafe { &*v }))
    }

    /// Takes the result out if the caller's unit is the only one left; the unit stays and must still be given back.
    ///
    /// # Safety
    /// As [`Slot::look`].
    pub(crate) unsafe fn take_if_sole(&self) -> Option<T> {
        if self.readers.load(Ordering::Acquire) != 1 {
            return None;
        }
        // SAFETY: the only unit is the caller's, no unit is ever made again, and the Acquire above pairs with the Release of
        // every other holder's `give_back`, so their looks are over.
        Some(self.value.with_mut(|v| std::mem::take(unsafe { &mut *v })))
    }

    /// Gives a unit back; with the last one, what is in the slot comes out.
    ///
    /// # Safety
    /// The caller holds the unit and does not look again with it.
    pub(crate) unsafe fn give_back(&self) -> Option<T> {
        if self.readers.fetch_sub(1, Ordering::AcqRel) != 1 {
            return None;
        }
        // SAFETY: that was the last unit; AcqRel orders all other holders' looks before this.
        Some(self.value.with_mut(|v| std::mem::take(unsafe { &mut *v })))
    }

    /// Takes whatever is in the slot.
    ///
    /// # Safety
    /// No other thread fills or looks at this slot now or later.
    pub(crate) unsafe fn sweep(&self) -> T {
        // SAFETY: by the contract this is the only access.
        self.value.with_mut(|v| std::mem::take(unsafe { &mut *v }))
    }
}

#[cfg(all(test, not(kvern_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_gets_it() {
        let slot: Slot<Option<Box<i32>>> = Slot::new(3);
        // SAFETY: single-threaded; three units are used in the order of the protocol.
        unsafe {
            assert_eq!(slot.finish(Some(Box::new(5))), (None, true));
            assert_eq!(slot.look(|v| v.as_deref().copied()), Some(5));
            assert!(slot.take_if_sole().is_none());
            assert!(slot.give_back().is_none());
            assert_eq!(slot.take_if_sole().flatten().as_deref(), Some(&5));
            assert_eq!(slot.give_back(), Some(None));
        }
    }

    #[test]
    fn what_was_refused_stays_so() {
        let slot: Slot<Option<i32>> = Slot::new(2);
        assert!(slot.refuse() && slot.refuse());
        // SAFETY: single-threaded; two units are used in the order of the protocol.
        unsafe {
            assert_eq!(slot.finish(Some(5)), (None, false));
            assert!(!slot.is_filled() && slot.refuse());
            assert_eq!(
                slot.give_back(),
                Some(Some(5)),
                "it is dropped with the last unit"
            );
        }
        let slot: Slot<Option<i32>> = Slot::new(2);
        // SAFETY: as above.
        unsafe {
            assert_eq!(slot.finish(Some(5)), (None, true));
            assert!(!slot.refuse() && slot.is_filled());
            assert_eq!(slot.give_back(), Some(Some(5)));
        }
    }
}

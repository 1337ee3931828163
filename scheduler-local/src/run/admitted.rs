//! Tasks that the memory has let in, as the threads know them that run them.

use std::cell::RefCell;

use crate::memory::Memory;

thread_local! {
    /// Tasks that this thread runs under admission: whose memory let each in. A task may compute in another backend, on this thread if that is
    /// `sync://`, whose tasks are no business of the first one's memory.
    static ADMITTED: RefCell<Vec<Of>> = const { RefCell::new(Vec::new()) };
}

/// Which memory, to compare: it is not looked at.
#[derive(Clone, Copy, PartialEq)]
struct Of(usize);

impl Of {
    fn memory(memory: &Memory) -> Self {
        Self(std::ptr::from_ref(memory).addr())
    }
}

/// The tasks of a thread, for one that goes on with the last of them.
pub(super) struct Held(Vec<Of>);

pub(super) fn held() -> Held {
    Held(ADMITTED.with_borrow(Clone::clone))
}

pub(super) fn hold(held: Held) {
    ADMITTED.set(held.0);
}

/// How often this thread is counted as busy by a memory.
pub(super) fn count(memory: &Memory) -> u64 {
    let this = Of::memory(memory);
    ADMITTED.with_borrow(|all| all.iter().filter(|m| **m == this).count() as u64)
}

/// A task that was let in: counted as running, its memory set aside.
pub(super) struct Admitted<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl<'a> Admitted<'a> {
    pub(super) fn new(memory: &'a Memory, bytes: u64) -> Self {
        memory.start();
        ADMITTED.with_borrow_mut(|all| all.push(Of::memory(memory)));
        Self { memory, bytes }
    }

    /// Sets `bytes` aside if they fit now.
    pub(super) fn reserve(&mut self, bytes: u64) -> bool {
        let there = bytes == 0 || self.memory.try_reserve(bytes);
        if there {
            self.bytes += bytes;
        }
        there
    }

    /// Gives back what was set aside, and still counts as running.
    pub(super) fn settle(&mut self) {
        self.memory.unreserve(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        ADMITTED.with_borrow_mut(Vec::pop);
        self.settle();
        self.memory.stop();
    }
}

/// Counts this thread as busy with tasks that needed no admission: what they hold may be given back, so nobody who waits for
/// memory is alone meanwhile.
pub(crate) fn unmanaged(memory: &Memory) -> impl Drop + '_ {
    Admitted::new(memory, 0)
}

/// Runs `f` with this thread's admitted tasks counted as waiting: those that they wait for must not wait for them.
pub(crate) fn as_waiting<R>(memory: &Memory, f: impl FnOnce() -> R) -> R {
    /// Counts them as running again also when `f` panics.
    struct Back<'a>(&'a Memory, Vec<Of>, usize);
    impl Drop for Back<'_> {
        fn drop(&mut self) {
            (0..self.2).for_each(|_| self.0.start());
            ADMITTED.set(std::mem::take(&mut self.1));
        }
    }
    let before = ADMITTED.take();
    let this = Of::memory(memory);
    let mine = before.iter().filter(|m| **m == this).count();
    let others = before.iter().filter(|m| **m != this);
    ADMITTED.set(others.copied().collect());
    (0..mine).for_each(|_| memory.stop());
    let _back = Back(memory, before, mine);
    f()
}

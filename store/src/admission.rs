//! Letting tasks in: each has the memory that it will take set aside before it runs, or waits until others have given theirs back.
//!
//! A task that was let in counts as running until what it made is in place: whoever finds no room before that would otherwise think it is alone
//! with values that it cannot see yet.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use kvern_core::Result;

use crate::store::{Pin, Store, StoredValue};

thread_local! {
    /// Tasks that this thread runs under admission: whose store let each in. A task may compute in another backend, on this thread if that is
    /// `sync://`, whose tasks are no business of the first one's store.
    static ADMITTED: RefCell<Vec<Of>> = const { RefCell::new(Vec::new()) };
}

/// Which store, to compare: it is not looked at.
#[derive(Clone, Copy, PartialEq)]
struct Of(usize);

impl Of {
    fn store(store: &Store) -> Self {
        Self(std::ptr::from_ref(store).addr())
    }
}

/// The tasks of a thread, for one that goes on with the last of them.
pub struct AdmittedHere(Vec<Of>);

impl AdmittedHere {
    /// Those of this thread.
    pub fn of_thread() -> Self {
        Self(ADMITTED.with_borrow(Clone::clone))
    }

    /// They are this thread's from now on.
    pub fn adopt(self) {
        ADMITTED.set(self.0);
    }
}

/// How often this thread is counted as busy by a store.
pub fn admitted_here(store: &Store) -> u64 {
    let this = Of::store(store);
    ADMITTED.with_borrow(|all| all.iter().filter(|m| **m == this).count() as u64)
}

/// A task that was let in: counted as running, its memory set aside.
pub struct Admitted<'a> {
    store: &'a Store,
    bytes: u64,
}

impl<'a> Admitted<'a> {
    fn new(store: &'a Store, bytes: u64) -> Self {
        store.budget().start();
        ADMITTED.with_borrow_mut(|all| all.push(Of::store(store)));
        Self { store, bytes }
    }

    /// Counts this thread as busy with tasks that needed no admission: what they hold may be given back, so nobody who waits for
    /// memory is alone meanwhile.
    pub fn unmanaged(store: &'a Store) -> Self {
        Self::new(store, 0)
    }

    /// Sets `bytes` aside if they fit now.
    fn reserve(&mut self, bytes: u64) -> bool {
        let there = bytes == 0 || self.store.budget().try_reserve(bytes);
        if there {
            self.bytes += bytes;
        }
        there
    }

    /// Gives back what was set aside, and still counts as running.
    pub fn settle(&mut self) {
        self.store
            .budget()
            .unreserve(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        ADMITTED.with_borrow_mut(Vec::pop);
        self.settle();
        self.store.budget().stop();
    }
}

impl Store {
    /// Sets `need` bytes aside for a task on this thread: what it will make, what it was said to need besides, and inputs that come back from
    /// disk. `inputs` are those that the store keeps, asked for only where memory is short. `None`: not now, but when another task has ended.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`](kvern_core::ErrorKind::OutOfMemory) if nobody else is there to wait for,
    /// [`ErrorKind::Spill`](kvern_core::ErrorKind::Spill) if the disk refuses.
    pub fn admit(
        &self,
        need: u64,
        inputs: impl FnOnce() -> Vec<Arc<StoredValue>>,
    ) -> Result<Option<Admitted<'_>>> {
        // Counted as running before it has the memory: whoever finds that memory gone must not think it is alone.
        let mut admitted = Admitted::new(self, 0);
        if admitted.reserve(need) {
            return Ok(Some(admitted));
        }
        drop(admitted);
        // One at a time from here on: each holds its inputs in place, which are nobody's victims then.
        let _one = self.budget().admission();
        let _pins: Vec<Pin> = inputs().iter().map(StoredValue::pin_in_place).collect();
        self.admit_slowly(need)
    }

    /// Only this decides by being alone, one thread at a time; it counts a task as running before it returns.
    fn admit_slowly(&self, need: u64) -> Result<Option<Admitted<'_>>> {
        let budget = self.budget();
        loop {
            let ended = budget.ended();
            if self.make_room(need)? && budget.try_reserve(need) {
                return Ok(Some(Admitted::new(self, need)));
            }
            if budget.is_busy() {
                // Another task is running; when it ends there is more room, or nobody else to wait for.
                return Ok(None);
            }
            if budget.ended() != ended {
                // One ended while we looked: what it held can go now.
                continue;
            }
            // Alone: the plan was checked to fit task by task, so what is in the way cannot be spilled.
            if budget.fits_nearly(need) {
                budget.force_reserve(need);
                return Ok(Some(Admitted::new(self, need)));
            }
            return Err(self.refusal(need));
        }
    }

    /// [`Store::admit`], waiting on this thread until the task may run or is told to stop (`None` then).
    ///
    /// # Errors
    /// As [`Store::admit`].
    pub fn admit_waiting(
        &self,
        need: u64,
        inputs: &dyn Fn() -> Vec<Arc<StoredValue>>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Admitted<'_>>> {
        /// How long it may take to notice that it is told to stop.
        const LOOK: Duration = Duration::from_millis(10);
        loop {
            let seen = self.budget().ended();
            if let Some(admitted) = self.admit(need, inputs)? {
                return Ok(Some(admitted));
            }
            if stop() {
                return Ok(None);
            }
            self.budget().wait_for_an_end(seen, LOOK);
        }
    }

    /// Sets `bytes` aside for a running task beyond what it was let in with, spilling others' values if need be.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`](kvern_core::ErrorKind::OutOfMemory) if the budget cannot hold it,
    /// [`ErrorKind::Spill`](kvern_core::ErrorKind::Spill) if the disk refuses.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        while !self.budget().try_reserve(bytes) {
            // Another task may take the room that was made: then it is made again, while there is something to make it of.
            if !self.make_room(bytes)? {
                return Err(self.refusal(bytes));
            }
        }
        Ok(())
    }
}

/// This thread's admitted tasks counted as waiting, for as long as it lives: those that they wait for must not wait for them.
pub struct Waiting {
    store: Arc<Store>,
    before: Vec<Of>,
    mine: usize,
}

impl Waiting {
    /// From now on.
    pub fn new(store: &Arc<Store>) -> Self {
        let before = ADMITTED.take();
        let this = Of::store(store);
        let mine = before.iter().filter(|m| **m == this).count();
        let others = before.iter().filter(|m| **m != this);
        ADMITTED.set(others.copied().collect());
        (0..mine).for_each(|_| store.budget().stop());
        Self {
            store: store.clone(),
            before,
            mine,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        (0..self.mine).for_each(|_| self.store.budget().start());
        ADMITTED.set(std::mem::take(&mut self.before));
    }
}

/// Runs `f` with this thread's admitted tasks counted as waiting.
pub fn as_waiting<R>(store: &Arc<Store>, f: impl FnOnce() -> R) -> R {
    let _waiting = Waiting::new(store);
    f()
}

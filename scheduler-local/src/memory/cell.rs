//! One large result under the budget's care: in memory, on disk, or gone.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use kvern_core::events::{Event, Interest};
use kvern_core::{Key, Result, Value};

use super::Memory;
use super::file::Extent;

/// What knows when results are read next.
pub(crate) trait NextUse: Send + Sync {
    /// Position of the next task that reads this task's result; beyond all positions if none does.
    fn next_use(&self, task: u32) -> u64;
}

/// Whose result it is: tells the key and when it is read next.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) run: Weak<dyn NextUse>,
    pub(crate) task: u32,
    pub(crate) key: Key,
}

enum Place {
    Memory(Value),
    Disk(Extent),
    Gone,
}

pub(crate) struct Cell {
    memory: Arc<Memory>,
    place: Mutex<Place>,
    /// Running tasks that hold a clone of the value: spilling it would free nothing.
    pins: AtomicU32,
    nbytes: u64,
    spillable: bool,
    owner: Owner,
}

impl Cell {
    /// The bytes have been counted by the caller.
    pub(super) fn new(memory: Arc<Memory>, value: Value, owner: Owner, spillable: bool) -> Self {
        let nbytes = value.nbytes();
        Self {
            memory,
            place: Mutex::new(Place::Memory(value)),
            pins: AtomicU32::new(0),
            nbytes,
            spillable,
            owner,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn nbytes(&self) -> u64 {
        self.nbytes
    }

    pub(super) fn key(&self) -> Key {
        self.owner.key
    }

    /// Position of the next task that reads it; beyond all positions if none does.
    pub(super) fn next_use(&self) -> u64 {
        self.owner
            .run
            .upgrade()
            .map_or(u64::MAX, |run| run.next_use(self.owner.task))
    }

    pub(super) fn is_spillable(&self) -> bool {
        self.spillable
            && self.pins.load(Ordering::Acquire) == 0
            && matches!(*self.lock(), Place::Memory(_))
    }

    /// Whether reading it will take memory anew.
    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(*self.lock(), Place::Disk(_))
    }

    /// Moves the value to where `write` puts it. False if it is not there or in use.
    pub(super) fn spill(&self, write: impl FnOnce(&Value) -> Result<Extent>) -> Result<bool> {
        let mut place = self.lock();
        let Place::Memory(value) = &*place else {
            return Ok(false);
        };
        if self.pins.load(Ordering::Acquire) != 0 {
            return Ok(false);
        }
        let extent = write(value)?;
        *place = Place::Disk(extent);
        Ok(true)
    }

    /// The value for a running task, which unpins it when done. A value on disk comes back to memory, counted.
    pub(crate) fn pin(&self) -> Result<Value> {
        let mut place = self.lock();
        let value = match &*place {
            Place::Memory(v) => v.clone(),
            Place::Disk(_) => self.load(&mut place)?,
            Place::Gone => return Err(lost()),
        };
        self.pins.fetch_add(1, Ordering::AcqRel);
        Ok(value)
    }

    /// Keeps the value from being chosen for the disk, wherever it is, until unpinned.
    pub(crate) fn hold_in_place(&self) {
        self.pins.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn unpin(&self) {
        self.pins.fetch_sub(1, Ordering::AcqRel);
    }

    /// The value for its last reader, who may change it. Its bytes stay counted until the caller uncounts them.
    pub(crate) fn take(&self) -> Result<Value> {
        let mut place = self.lock();
        if matches!(*place, Place::Disk(_)) {
            self.load(&mut place)?;
        }
        match std::mem::replace(&mut *place, Place::Gone) {
            Place::Memory(v) => Ok(v),
            _ => Err(lost()),
        }
    }

    /// The value for somebody outside the budget; a value on disk stays there.
    pub(crate) fn copy_out(&self) -> Result<Value> {
        match &*self.lock() {
            Place::Memory(v) => Ok(v.clone()),
            Place::Disk(extent) => self.memory.read_back(extent),
            Place::Gone => Err(lost()),
        }
    }

    fn load(&self, place: &mut Place) -> Result<Value> {
        let Place::Disk(extent) = &*place else {
            return Err(lost());
        };
        let value = self.memory.read_back(extent)?;
        self.memory.add(self.nbytes);
        self.memory.observers.tell(
            Interest::Runs,
            &Event::Unspilled {
                key: self.owner.key,
                bytes: self.nbytes,
            },
        );
        if let Place::Disk(extent) = std::mem::replace(place, Place::Memory(value.clone())) {
            self.memory.free_extent(extent);
        }
        Ok(value)
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        match std::mem::replace(&mut *self.lock(), Place::Gone) {
            Place::Memory(_) => self.memory.sub(self.nbytes),
            Place::Disk(extent) => self.memory.free_extent(extent),
            Place::Gone => {}
        }
    }
}

fn lost() -> kvern_core::Error {
    kvern_core::Error::new(
        kvern_core::ErrorKind::Internal,
        "a result was read after its last reader took it",
    )
}

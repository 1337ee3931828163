//! One large value under the store's care: in memory, on disk, or gone.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvern_core::{Error, ErrorKind, Result, Value};

use super::Store;
use crate::spill_file::Extent;

/// What a store asks and tells about a value: it knows neither runs nor tasks.
pub trait ValueOwner: Send + Sync {
    /// When the value is read next: the later, the higher; [`u64::MAX`] if nobody reads it.
    fn next_use(&self) -> u64;

    /// It went to disk, so many bytes of memory less.
    fn spilled(&self, bytes: u64);

    /// It came back into memory for a task.
    fn unspilled(&self, bytes: u64);
}

enum Place {
    Memory(Value),
    Disk(Extent),
    Gone,
}

/// See the module.
pub struct StoredValue {
    store: Arc<Store>,
    place: Mutex<Place>,
    /// Running tasks that hold a clone of the value: spilling it would free nothing.
    pins: AtomicU32,
    nbytes: u64,
    spillable: bool,
    owner: Box<dyn ValueOwner>,
}

impl StoredValue {
    /// The bytes have been counted by the caller.
    pub(crate) fn new(
        store: Arc<Store>,
        value: Value,
        owner: Box<dyn ValueOwner>,
        spillable: bool,
    ) -> Self {
        let nbytes = value.nbytes();
        Self {
            store,
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

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Bytes that the value takes in memory, wherever it is.
    pub fn nbytes(&self) -> u64 {
        self.nbytes
    }

    pub(crate) fn next_use(&self) -> u64 {
        self.owner.next_use()
    }

    pub(crate) fn tell_spilled(&self) {
        self.owner.spilled(self.nbytes);
    }

    pub(crate) fn is_spillable(&self) -> bool {
        self.spillable
            && self.pins.load(Ordering::Acquire) == 0
            && matches!(*self.lock(), Place::Memory(_))
    }

    /// Whether reading it will take memory anew.
    pub fn is_on_disk(&self) -> bool {
        matches!(*self.lock(), Place::Disk(_))
    }

    /// Moves the value to where `write` puts it. False if it is not there or in use.
    pub(crate) fn spill(&self, write: impl FnOnce(&Value) -> Result<Extent>) -> Result<bool> {
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

    /// The value for a running task, which holds the guard until it is done. A value on disk comes back to memory, counted.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if it cannot be read back.
    pub fn pin(self: &Arc<Self>) -> Result<(Value, Pin)> {
        let mut place = self.lock();
        let (value, loaded) = match &*place {
            Place::Memory(v) => (v.clone(), false),
            Place::Disk(_) => (self.load(&mut place)?, true),
            Place::Gone => return Err(lost()),
        };
        let pin = self.pin_in_place();
        drop(place);
        self.tell_if(loaded);
        Ok((value, pin))
    }

    /// Keeps the value from being chosen for the disk, wherever it is.
    pub(crate) fn pin_in_place(self: &Arc<Self>) -> Pin {
        self.pins.fetch_add(1, Ordering::AcqRel);
        Pin(self.clone())
    }

    /// The value for its last reader, who may change it. Its bytes stay counted for as long as the guard lives.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if it cannot be read back.
    pub fn take(&self) -> Result<(Value, Counted)> {
        let mut place = self.lock();
        let loaded = matches!(*place, Place::Disk(_));
        if loaded {
            self.load(&mut place)?;
        }
        let taken = std::mem::replace(&mut *place, Place::Gone);
        drop(place);
        self.tell_if(loaded);
        match taken {
            Place::Memory(value) => {
                let counted = Counted {
                    store: self.store.clone(),
                    bytes: self.nbytes,
                };
                Ok((value, counted))
            }
            _ => Err(lost()),
        }
    }

    /// The value for somebody outside the budget; a value on disk stays there.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if it cannot be read.
    pub fn read(&self) -> Result<Value> {
        match &*self.lock() {
            Place::Memory(v) => Ok(v.clone()),
            Place::Disk(extent) => self.store.read_back(extent),
            Place::Gone => Err(lost()),
        }
    }

    /// The value for somebody who only passes it on. One on disk stays there, and what is read counts as set aside for as long as the guard lives.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if it cannot be read, or the disk refuses what has to go for it.
    pub fn lend(self: &Arc<Self>) -> Result<(Value, Lent)> {
        if self.is_on_disk() {
            let room = self.store.expect(self.nbytes)?;
            return Ok((self.read()?, Lent::Read(room)));
        }
        // It may go to disk just now, and comes back then.
        let (value, pin) = self.pin()?;
        Ok((value, Lent::Pinned(pin)))
    }

    fn load(&self, place: &mut Place) -> Result<Value> {
        let Place::Disk(extent) = &*place else {
            return Err(lost());
        };
        let value = self.store.read_back(extent)?;
        self.store.budget().count(self.nbytes);
        self.store.left_disk(self.nbytes);
        if let Place::Disk(extent) = std::mem::replace(place, Place::Memory(value.clone())) {
            self.store.free_extent(extent);
        }
        Ok(value)
    }

    /// Without its lock: nobody knows what the owner does.
    fn tell_if(&self, loaded: bool) {
        if loaded {
            self.owner.unspilled(self.nbytes);
        }
    }
}

impl Drop for StoredValue {
    fn drop(&mut self) {
        match std::mem::replace(&mut *self.lock(), Place::Gone) {
            Place::Memory(_) => self.store.budget().uncount(self.nbytes),
            Place::Disk(extent) => {
                self.store.left_disk(self.nbytes);
                self.store.free_extent(extent);
            }
            Place::Gone => {}
        }
    }
}

/// Keeps a value in memory for as long as it lives: a task has it in hand, so writing it to disk would free nothing.
pub struct Pin(Arc<StoredValue>);

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Of a value that is passed on, see [`StoredValue::lend`].
pub enum Lent {
    /// It is kept in memory meanwhile.
    Pinned(Pin),
    /// It was read from disk.
    Read(Reserved),
}

/// Bytes that are set aside for as long as this lives.
pub struct Reserved {
    store: Arc<Store>,
    bytes: u64,
}

impl Reserved {
    /// The bytes have been set aside.
    pub(super) fn new(store: Arc<Store>, bytes: u64) -> Self {
        Self { store, bytes }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.store.budget().unreserve(self.bytes);
    }
}

/// Bytes that are counted for as long as this lives.
pub struct Counted {
    store: Arc<Store>,
    bytes: u64,
}

impl Counted {
    /// Counts bytes that came to life.
    pub fn new(store: &Arc<Store>, bytes: u64) -> Self {
        store.budget().count(bytes);
        Self {
            store: store.clone(),
            bytes,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.store.budget().uncount(self.bytes);
    }
}

#[cold]
fn lost() -> Error {
    Error::new(
        ErrorKind::Internal,
        "a result was read after its last reader took it",
    )
}

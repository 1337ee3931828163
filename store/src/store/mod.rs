//! The store of one worker: its values under a budget, in memory or in the spill file.

mod pieces;
mod stored_value;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use kvern_core::scheduler::MemoryUse;
use kvern_core::text::format_bytes;
use kvern_core::{Error, ErrorKind, Registry, Result, Value, panics};

use crate::budget::Budget;
use crate::spill_file::{Extent, SpillFile};
pub use pieces::{PieceInHand, StoredPieces};
pub use stored_value::{Counted, Lent, Pin, Reserved, StoredValue, ValueOwner};

/// Smaller values are never spilled: a disk write costs more than they are worth, and there would be too many to choose from.
pub const SPILL_MIN: u64 = 32 << 10;

/// How a [`Store`] is set up.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Bytes that results may take in memory.
    pub budget: u64,
    /// Whether results may go to disk.
    pub spill: bool,
    /// Where; `None`: the system's directory for temporary files.
    pub directory: Option<PathBuf>,
    /// Bytes that may be on disk at once.
    pub spill_limit: Option<u64>,
}

impl StoreOptions {
    /// So many bytes, and what does not fit goes to the system's directory for temporary files.
    pub fn new(budget: u64) -> Self {
        Self {
            budget,
            spill: true,
            directory: None,
            spill_limit: None,
        }
    }
}

/// What is on disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spilled {
    /// What the values took in memory.
    pub memory: u64,
    /// What they take on disk, as encoded.
    pub disk: u64,
    /// What has ever been spilled, as it was in memory.
    pub total: u64,
}

/// See the [crate].
pub struct Store {
    options: StoreOptions,
    registry: Arc<Registry>,
    budget: Budget,
    /// Bytes of memory that the values on disk took.
    on_disk: AtomicU64,
    spilled_total: AtomicU64,
    file: Mutex<Option<SpillFile>>,
    values: Mutex<Vec<Weak<StoredValue>>>,
    /// One thread chooses and writes victims at a time; the others wait for what it frees.
    spilling: Mutex<()>,
}

impl Store {
    /// An empty store. `registry` says how values are written and read.
    pub fn new(options: StoreOptions, registry: Arc<Registry>) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(options.budget),
            options,
            registry,
            on_disk: AtomicU64::new(0),
            spilled_total: AtomicU64::new(0),
            file: Mutex::new(None),
            values: Mutex::new(Vec::new()),
            spilling: Mutex::new(()),
        })
    }

    /// What the names of operators and types mean.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What is counted against the limit.
    #[inline]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Where results are spilled, and what operators spill by themselves; `None` if nothing is to be.
    pub fn directory(&self) -> Option<PathBuf> {
        let named = || self.options.directory.clone();
        self.options
            .spill
            .then(|| named().unwrap_or_else(std::env::temp_dir))
    }

    /// What results take now.
    pub fn usage(&self) -> MemoryUse {
        MemoryUse {
            live: self.budget.live(),
            peak: self.budget.peak(),
            held: self.budget.held(),
            spilled: self.lock_file().as_ref().map_or(0, SpillFile::used),
            spilled_total: self.spilled_total.load(Ordering::Relaxed),
        }
    }

    /// What is on disk now; all zeros for as long as nothing ever was.
    pub fn spilled(&self) -> Spilled {
        let total = self.spilled_total.load(Ordering::Relaxed);
        if total == 0 {
            return Spilled::default();
        }
        Spilled {
            memory: self.on_disk.load(Ordering::Relaxed),
            disk: self.lock_file().as_ref().map_or(0, SpillFile::used),
            total,
        }
    }

    /// Sets `bytes` aside for a value that comes from somewhere else, spilling what is in the way; where nothing more can go, it is taken all the
    /// same.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] if it is larger than the whole budget, [`ErrorKind::Spill`] if the disk refuses.
    pub fn expect(self: &Arc<Self>, bytes: u64) -> Result<Reserved> {
        if bytes > self.budget.limit() {
            let message = format!(
                "a value of {} is larger than the whole memory budget of {}: use smaller chunks or a larger budget (memory=…)",
                format_bytes(bytes),
                format_bytes(self.budget.limit())
            );
            return Err(Error::new(ErrorKind::OutOfMemory, message));
        }
        if !self.budget.try_reserve(bytes) {
            self.make_room(bytes)?;
            self.budget.force_reserve(bytes);
        }
        Ok(Reserved::new(self.clone(), bytes))
    }

    fn left_disk(&self, bytes: u64) {
        self.on_disk.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn lock_file(&self) -> MutexGuard<'_, Option<SpillFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_values(&self) -> MutexGuard<'_, Vec<Weak<StoredValue>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spills until `bytes` fit or nothing is left to spill. True if they fit. Must not be called with a lock that a [`ValueOwner`] takes.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if the disk refuses.
    pub fn make_room(&self, bytes: u64) -> Result<bool> {
        if !self.options.spill {
            return Ok(self.budget.fits(bytes));
        }
        let _one = self.spilling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.budget.fits(bytes) {
            return Ok(true);
        }
        let candidates: Vec<Arc<StoredValue>> = {
            let mut values = self.lock_values();
            values.retain(|v| v.strong_count() > 0);
            values.iter().filter_map(Weak::upgrade).collect()
        };
        // One look at all candidates serves several victims: the ones whose next use is furthest go first (Belady 1966). Their owners are asked
        // with no lock held but the one that keeps others from doing the same.
        let mut victims: Vec<(u64, Arc<StoredValue>)> = candidates
            .into_iter()
            .filter(|v| v.is_spillable())
            .map(|v| (v.next_use(), v))
            .collect();
        victims.sort_by_key(|v| std::cmp::Reverse(v.0));
        for (_, value) in victims {
            if self.budget.fits(bytes) {
                break;
            }
            self.spill(&value)?;
        }
        Ok(self.budget.fits(bytes))
    }

    /// Writes one value to disk, unless somebody uses it meanwhile.
    fn spill(&self, stored: &StoredValue) -> Result<()> {
        let written = stored.spill(|value| {
            let lent = foreign("writing", || self.registry.lend(value))?;
            let mut file = self.lock_file();
            if file.is_none() {
                *file = Some(SpillFile::create(
                    self.options.directory.as_deref(),
                    self.options.spill_limit,
                )?);
            }
            match file.as_mut() {
                Some(f) => f.write(&lent),
                None => Err(Error::new(
                    ErrorKind::Internal,
                    "the spill file has just been made",
                )),
            }
        })?;
        if written {
            self.budget.uncount(stored.nbytes());
            self.on_disk.fetch_add(stored.nbytes(), Ordering::Relaxed);
            self.spilled_total
                .fetch_add(stored.nbytes(), Ordering::Relaxed);
            stored.tell_spilled();
        }
        Ok(())
    }

    /// Puts a value under the store's care: spilled when it must be, and its bytes counted back when it goes. The caller has counted them.
    pub fn insert(
        self: &Arc<Self>,
        value: Value,
        owner: impl ValueOwner + 'static,
    ) -> Arc<StoredValue> {
        let spillable = self.options.spill && self.registry.can_encode(&value);
        let owner = Box::new(owner);
        let stored = Arc::new(StoredValue::new(self.clone(), value, owner, spillable));
        self.lock_values().push(Arc::downgrade(&stored));
        stored
    }

    /// Why `bytes` cannot be had.
    pub fn refusal(&self, bytes: u64) -> Error {
        let why = if self.options.spill {
            "and what is alive cannot be spilled"
        } else {
            "and spilling is off"
        };
        Error::new(
            ErrorKind::OutOfMemory,
            format!(
                "{} more are needed, but {} of the memory budget of {} are in use {why}; use smaller chunks or a larger budget \
                 (memory=…), or register the values' type (register_type!)",
                format_bytes(bytes),
                format_bytes(self.budget.live()),
                format_bytes(self.options.budget)
            ),
        )
    }

    pub(crate) fn read_back(&self, extent: &Extent) -> Result<Value> {
        let reader = match self.lock_file().as_ref() {
            Some(f) => f.reader(),
            None => return Err(Error::new(ErrorKind::Spill, "the spill file is closed")),
        };
        let read = || reader.read(extent, |head, length| self.registry.room(head, length));
        foreign("reading", read).map_err(|e| match e.kind() {
            ErrorKind::Spill => e,
            _ => Error::with_source(ErrorKind::Spill, "a spilled value cannot be read back", e),
        })
    }

    pub(crate) fn free_extent(&self, extent: Extent) {
        if let Some(f) = self.lock_file().as_mut() {
            f.free(extent);
        }
    }

    /// Gives the spill file back if nothing is in it. (Handles may outlive their backend's close; the file goes with the last.)
    pub fn close_if_unused(&self) {
        let mut file = self.lock_file();
        if file.as_ref().is_some_and(|f| f.used() == 0) {
            *file = None;
        }
    }

    /// Flips a byte of everything on disk: for tests of corruption.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if the spill file cannot be changed.
    #[doc(hidden)]
    pub fn corrupt_for_tests(&self) -> Result<()> {
        self.lock_file().as_mut().map_or(Ok(()), SpillFile::corrupt)
    }
}

/// Runs a type's own code (its codec): a panic in it is an error, not the end of a worker.
fn foreign<R>(doing: &str, f: impl FnOnce() -> Result<R>) -> Result<R> {
    panics::caught(f).unwrap_or_else(|panic| {
        let message = panic.words;
        Err(Error::new(
            ErrorKind::Panic,
            format!("the codec of a value panicked while {doing}: {message}"),
        ))
    })
}

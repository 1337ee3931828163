//! The memory of results: counted, kept under a budget, spilled to disk where it must be.
//!
//! Every backend of this crate has one `Memory`. Bytes are those that values count themselves ([`Value::nbytes`](kvern_core::Value::nbytes)); nothing is
//! guessed from the resident set.

mod cell;
mod file;
pub mod limits;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kvern_core::events::{Event, Interest, Observers};
use kvern_core::panics;
use kvern_core::scheduler::MemoryUse;
use kvern_core::text::format_bytes;
use kvern_core::{Error, ErrorKind, Registry, Result, Value};

pub(crate) use cell::{Cell, NextUse, Owner};
use file::SpillFile;

/// Smaller values are never spilled: a disk write costs more than they are worth, and there would be too many to choose from.
pub(crate) const SPILL_MIN: u64 = 32 << 10;

/// How a [`Memory`] is set up.
#[derive(Debug, Clone)]
pub(crate) struct MemoryOptions {
    /// Bytes that results may take in memory.
    pub(crate) budget: u64,
    /// Whether results may go to disk.
    pub(crate) spill: bool,
    /// Where; `None`: the system's directory for temporary files.
    pub(crate) directory: Option<PathBuf>,
    /// Bytes that may be on disk at once.
    pub(crate) spill_limit: Option<u64>,
}

pub(crate) struct Memory {
    options: MemoryOptions,
    registry: Arc<Registry>,
    observers: Arc<Observers>,
    live: AtomicU64,
    reserved: AtomicU64,
    /// Tasks that run under admission.
    running: AtomicU64,
    /// Of these, how many do not stop, and are not waited for.
    adrift: AtomicU64,
    /// How many have ended: whoever found no room looks again if this has moved.
    ended: AtomicU64,
    peak: AtomicU64,
    held: AtomicU64,
    spilled_total: AtomicU64,
    file: Mutex<Option<SpillFile>>,
    cells: Mutex<Vec<Weak<Cell>>>,
    /// One thread chooses and writes victims at a time; the others wait for what it frees.
    spilling: Mutex<()>,
    /// One task at a time is let in where memory is short.
    admission: Mutex<()>,
}

impl Memory {
    /// What the names of operators and types mean.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    pub(crate) fn new(
        options: MemoryOptions,
        registry: Arc<Registry>,
        observers: Arc<Observers>,
    ) -> Arc<Self> {
        Arc::new(Self {
            options,
            registry,
            observers,
            live: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            running: AtomicU64::new(0),
            adrift: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            admission: Mutex::new(()),
            peak: AtomicU64::new(0),
            held: AtomicU64::new(0),
            spilled_total: AtomicU64::new(0),
            file: Mutex::new(None),
            cells: Mutex::new(Vec::new()),
            spilling: Mutex::new(()),
        })
    }

    pub(crate) fn budget(&self) -> u64 {
        self.options.budget
    }

    /// Where results are spilled, and what operators spill by themselves; `None` if nothing is to be.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        let named = || self.options.directory.clone();
        self.options
            .spill
            .then(|| named().unwrap_or_else(std::env::temp_dir))
    }

    pub(crate) fn usage(&self) -> MemoryUse {
        MemoryUse {
            live: self.live.load(Ordering::Relaxed),
            peak: self.peak.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            spilled: self.lock_file().as_ref().map_or(0, SpillFile::used),
            spilled_total: self.spilled_total.load(Ordering::Relaxed),
        }
    }

    fn lock_file(&self) -> std::sync::MutexGuard<'_, Option<SpillFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes that came to life.
    pub(crate) fn add(&self, bytes: u64) {
        let live = self.live.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(live, Ordering::Relaxed);
    }

    /// Counts bytes that are gone.
    pub(crate) fn sub(&self, bytes: u64) {
        self.live.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn hold(&self, n: u64) {
        self.held.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn unhold(&self, n: u64) {
        self.held.fetch_sub(n, Ordering::Relaxed);
    }

    /// Whether `bytes` more would stay within the budget.
    fn fits(&self, bytes: u64) -> bool {
        let used = self.live.load(Ordering::Relaxed) + self.reserved.load(Ordering::Relaxed);
        used.saturating_add(bytes) <= self.options.budget
    }

    /// Sets `bytes` aside if they fit now.
    pub(crate) fn try_reserve(&self, bytes: u64) -> bool {
        let mut reserved = self.reserved.load(Ordering::Relaxed);
        loop {
            let used = self
                .live
                .load(Ordering::Relaxed)
                .saturating_add(reserved)
                .saturating_add(bytes);
            if used > self.options.budget {
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

    pub(crate) fn unreserve(&self, bytes: u64) {
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
    }

    /// How many tasks that were let in have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// Held by the one who is being let in where memory is short.
    pub(crate) fn admission(&self) -> std::sync::MutexGuard<'_, ()> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a task is running that will give memory back.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.load(Ordering::SeqCst) > self.adrift.load(Ordering::SeqCst)
    }

    /// Tasks that were let in do not stop: nobody waits for what they will give back.
    pub(crate) fn adrift(&self, tasks: u64) {
        self.adrift.fetch_add(tasks, Ordering::SeqCst);
        self.ended.fetch_add(tasks, Ordering::SeqCst);
    }

    /// They have come to an end all the same.
    pub(crate) fn not_adrift(&self, tasks: u64) {
        self.adrift.fetch_sub(tasks, Ordering::SeqCst);
    }

    /// Whether more is alive than there should be.
    pub(crate) fn is_over(&self) -> bool {
        self.live.load(Ordering::Relaxed) > self.options.budget
    }

    /// Whether `bytes` fit if the budget is stretched by a sixteenth: inputs may weigh a little more than was projected.
    pub(crate) fn fits_nearly(&self, bytes: u64) -> bool {
        let used = self.live.load(Ordering::Relaxed).saturating_add(bytes);
        used <= self.options.budget.saturating_add(self.options.budget / 16)
    }

    /// Spills until `bytes` fit or nothing is left to spill. True if they fit.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if the disk refuses.
    pub(crate) fn make_room(&self, bytes: u64) -> Result<bool> {
        if !self.options.spill {
            return Ok(self.fits(bytes));
        }
        let _one = self.spilling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.fits(bytes) {
            return Ok(true);
        }
        // One look at all candidates serves several victims: the ones whose next use is furthest go first (Belady 1966).
        let mut victims: Vec<(u64, Arc<Cell>)> = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.retain(|c| c.strong_count() > 0);
            cells
                .iter()
                .filter_map(Weak::upgrade)
                .filter(|c| c.is_spillable())
                .map(|c| (c.next_use(), c))
                .collect()
        };
        victims.sort_by_key(|v| std::cmp::Reverse(v.0));
        for (_, cell) in victims {
            if self.fits(bytes) {
                break;
            }
            self.spill(&cell)?;
        }
        Ok(self.fits(bytes))
    }

    /// Writes one value to disk, unless somebody uses it meanwhile.
    fn spill(&self, cell: &Cell) -> Result<()> {
        let written = cell.spill(|value| {
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
            self.sub(cell.nbytes());
            self.spilled_total
                .fetch_add(cell.nbytes(), Ordering::Relaxed);
            self.observers.tell(
                Interest::Runs,
                &Event::Spilled {
                    key: cell.key(),
                    bytes: cell.nbytes(),
                },
            );
        }
        Ok(())
    }

    /// A value under this memory's care: counted, and spilled when it must be. Small ones are only counted, by the caller.
    pub(crate) fn keep(self: &Arc<Self>, value: Value, owner: Owner) -> Arc<Cell> {
        let spillable = self.options.spill && self.registry.can_encode(&value);
        let cell = Arc::new(Cell::new(self.clone(), value, owner, spillable));
        self.cells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&cell));
        cell
    }

    /// Why `bytes` cannot be had.
    pub(crate) fn refusal(&self, bytes: u64) -> Error {
        let usage = self.usage();
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
                format_bytes(usage.live),
                format_bytes(self.options.budget)
            ),
        )
    }

    fn read_back(&self, extent: &file::Extent) -> Result<Value> {
        let reader = match self.lock_file().as_ref() {
            Some(f) => f.reader()?,
            None => return Err(Error::new(ErrorKind::Spill, "the spill file is closed")),
        };
        let read = || reader.read(extent, |head, length| self.registry.room(head, length));
        foreign("reading", read).map_err(|e| match e.kind() {
            ErrorKind::Spill => e,
            _ => Error::with_source(ErrorKind::Spill, "a spilled value cannot be read back", e),
        })
    }

    fn free_extent(&self, extent: file::Extent) {
        if let Some(f) = self.lock_file().as_mut() {
            f.free(extent);
        }
    }

    /// Gives the spill file back if nothing is in it. (Handles may outlive their backend's close; the file goes with the last.)
    pub(crate) fn close_if_unused(&self) {
        let mut file = self.lock_file();
        if file.as_ref().is_some_and(|f| f.used() == 0) {
            *file = None;
        }
    }

    /// Flips a byte of everything on disk: for tests of corruption.
    #[doc(hidden)]
    pub(crate) fn corrupt_for_tests(&self) -> Result<()> {
        self.lock_file().as_mut().map_or(Ok(()), SpillFile::corrupt)
    }
}

/// Runs a type's own code (its codec): a panic in it is an error, not the end of a worker.
fn foreign<R>(doing: &str, f: impl FnOnce() -> Result<R>) -> Result<R> {
    panics::caught(f).unwrap_or_else(|panic| {
        let words = panic.words;
        Err(Error::new(
            ErrorKind::Panic,
            format!("the codec of a value panicked while {doing}: {words}"),
        ))
    })
}

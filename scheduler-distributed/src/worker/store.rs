//! What a worker keeps: results by name, in memory under its budget or on its disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use kvern_core::{Error, Registry, Result, Value};
use kvern_machine::TaskRef;
use kvern_store::{Counted, Lent, Pin, Reserved, SPILL_MIN, StoreOptions, StoredValue, ValueOwner};
use tokio::sync::mpsc::UnboundedSender;

use super::Happened;
use crate::data::Keeper;
use crate::parcel::discard;

/// A result, or why what came in its place cannot be read.
pub(crate) enum Kept {
    /// One that is too small to spill.
    Small(Value, Option<Counted>),
    Large(Arc<StoredValue>, Arc<LastUse>),
    Failed(Error),
}

/// What goes with a value that somebody has in hand.
#[expect(dead_code, reason = "they do their work when they are dropped")]
pub(crate) enum InHand {
    /// It is that holder's alone.
    Taken(Counted),
    /// It stays where it is.
    Pinned(Pin),
}

impl Kept {
    /// The value and its bytes, for its last reader.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn take(self) -> Result<(Value, Option<InHand>)> {
        match self {
            Self::Small(value, counted) => Ok((value, counted.map(InHand::Taken))),
            Self::Large(stored, _) => {
                let (value, counted) = stored.take()?;
                Ok((value, Some(InHand::Taken(counted))))
            }
            Self::Failed(e) => Err(e),
        }
    }

    /// What is spilled when memory is short, if it is that.
    pub(crate) fn stored(&self) -> Option<&Arc<StoredValue>> {
        match self {
            Self::Large(stored, _) => Some(stored),
            _ => None,
        }
    }
}

/// When a value was last used, counted in uses of the store.
pub(crate) type LastUse = AtomicU64;

/// Whom the store asks and tells about its values.
pub(crate) trait Overseer: Send + Sync {
    /// The lowest priority number of those that wait to read an object.
    fn next_use(&self, object: TaskRef) -> Option<i64>;

    /// An object went to disk, or came back.
    fn moved(&self, object: TaskRef, bytes: u64, back: bool);
}

/// Results by name.
pub(crate) struct Store {
    kept: Mutex<HashMap<TaskRef, Kept>>,
    values: Arc<kvern_store::Store>,
    overseer: Arc<OnceLock<Weak<dyn Overseer>>>,
    uses: AtomicU64,
    /// Where it is said that a client put something here.
    happened: UnboundedSender<Happened>,
}

/// An object, as what the store of values asks about it.
struct OfObject {
    object: TaskRef,
    used: Arc<LastUse>,
    overseer: Arc<OnceLock<Weak<dyn Overseer>>>,
}

impl OfObject {
    fn overseer(&self) -> Option<Arc<dyn Overseer>> {
        self.overseer.get().and_then(Weak::upgrade)
    }
}

impl ValueOwner for OfObject {
    /// Those that somebody here waits for go after those that nobody does, of which the one goes first that was not used for longest.
    fn next_use(&self) -> u64 {
        match self.overseer().and_then(|o| o.next_use(self.object)) {
            // In the same order, in the lower half of the numbers.
            Some(priority) => (priority.cast_unsigned() ^ (1 << 63)) >> 1,
            None => u64::MAX - self.used.load(Ordering::Relaxed),
        }
    }

    fn spilled(&self, bytes: u64) {
        if let Some(overseer) = self.overseer() {
            overseer.moved(self.object, bytes, false);
        }
    }

    fn unspilled(&self, bytes: u64) {
        if let Some(overseer) = self.overseer() {
            overseer.moved(self.object, bytes, true);
        }
    }
}

impl Store {
    pub(crate) fn new(
        options: StoreOptions,
        registry: Arc<Registry>,
        happened: UnboundedSender<Happened>,
    ) -> Self {
        Self {
            kept: Mutex::default(),
            values: kvern_store::Store::new(options, registry),
            overseer: Arc::default(),
            uses: AtomicU64::new(0),
            happened,
        }
    }

    /// Who decides here.
    pub(crate) fn oversee(&self, overseer: Weak<dyn Overseer>) {
        let _ = self.overseer.set(overseer);
    }

    /// Says that something happened here.
    pub(crate) fn tell(&self, what: Happened) {
        let _ = self.happened.send(what);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskRef, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.values.registry()
    }

    /// The budget, and what is under it.
    pub(crate) fn values(&self) -> &Arc<kvern_store::Store> {
        &self.values
    }

    fn now(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a value and decides how it is kept. Writes nothing: what is over the budget is for [`Store::settle`].
    fn kept(&self, object: TaskRef, value: Result<Value>) -> Kept {
        let value = match value {
            Ok(value) => value,
            Err(e) => return Kept::Failed(e),
        };
        let bytes = value.nbytes();
        if bytes < SPILL_MIN {
            let counted = (bytes > 0).then(|| Counted::new(&self.values, bytes));
            return Kept::Small(value, counted);
        }
        self.values.budget().count(bytes);
        let used = Arc::new(LastUse::new(self.now()));
        let owner = OfObject {
            object,
            used: used.clone(),
            overseer: self.overseer.clone(),
        };
        Kept::Large(self.values.insert(value, owner), used)
    }

    /// Spills what is over the budget. Not under the lock of the machine, which is asked what goes.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`](kvern_core::ErrorKind::Spill) if the disk refuses.
    pub(crate) fn settle(&self) -> Result<()> {
        if self.values.budget().is_over() {
            self.values.make_room(0)?;
        }
        Ok(())
    }

    /// Keeps a value that has come from elsewhere, under the budget; gives its size in memory. Where the disk refuses to make room for it, the error
    /// stands in its place.
    pub(crate) fn keep(&self, object: TaskRef, value: Result<Value>) -> u64 {
        let bytes = value.as_ref().map_or(0, Value::nbytes);
        discard(self.replace(object, value));
        match self.settle() {
            Ok(()) => bytes,
            Err(e) => {
                discard(self.replace(object, Err(e)));
                0
            }
        }
    }

    /// Keeps what a task has made, under the budget; gives its size in memory.
    ///
    /// # Errors
    /// As [`Store::settle`]; it is not kept then.
    pub(crate) fn keep_made(&self, object: TaskRef, value: Value) -> Result<u64> {
        let bytes = value.nbytes();
        discard(self.replace(object, Ok(value)));
        self.settle().inspect_err(|_| discard(self.take(object)))?;
        Ok(bytes)
    }

    /// Keeps a value; gives the one that stood there.
    pub(crate) fn replace(&self, object: TaskRef, value: Result<Value>) -> Option<Kept> {
        let kept = self.kept(object, value);
        self.lock().insert(object, kept)
    }

    /// A value for a task that is not its last reader.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn share(&self, object: TaskRef) -> Option<Result<(Value, Option<InHand>)>> {
        let stored = match self.lock().get(&object)? {
            Kept::Small(value, _) => return Some(Ok((value.clone(), None))),
            Kept::Failed(e) => return Some(Err(e.clone())),
            Kept::Large(stored, used) => {
                used.store(self.now(), Ordering::Relaxed);
                stored.clone()
            }
        };
        // Without the lock: it may come from disk.
        Some(
            stored
                .pin()
                .map(|(value, pin)| (value, Some(InHand::Pinned(pin)))),
        )
    }

    pub(crate) fn take(&self, object: TaskRef) -> Option<Kept> {
        self.lock().remove(&object)
    }

    /// What is kept in the way that can be spilled.
    pub(crate) fn stored(&self, object: TaskRef) -> Option<Arc<StoredValue>> {
        self.lock().get(&object)?.stored().cloned()
    }
}

impl Keeper for Store {
    fn get(&self, object: TaskRef) -> Option<Result<(Value, Option<Lent>)>> {
        let stored = match self.lock().get(&object)? {
            Kept::Small(value, _) => return Some(Ok((value.clone(), None))),
            Kept::Failed(e) => return Some(Err(e.clone())),
            Kept::Large(stored, _) => stored.clone(),
        };
        Some(stored.lend().map(|(value, lent)| (value, Some(lent))))
    }

    fn expect(&self, bytes: u64) -> Result<Reserved> {
        self.values.expect(bytes)
    }

    fn put(&self, object: TaskRef, value: Value, room: Reserved) {
        self.tell(Happened::Put {
            object,
            value,
            room,
        });
    }

    fn registry(&self) -> &Registry {
        self.values.registry()
    }
}

//! What a worker keeps: results by name, in memory under its budget or on its disk.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use kvern_core::{Error, Pieces, Registry, Result, Value};
use kvern_machine::TaskRef;
use kvern_store::{
    Counted, Lent, PieceInHand, Pin, Reserved, SPILL_MIN, StoreOptions, StoredPieces, StoredValue,
    ValueOwner,
};
use tokio::sync::mpsc::UnboundedSender;

use super::Happened;
use crate::data::Keeper;
use crate::parcel::discard;

/// A result, or why what came in its place cannot be read.
pub(crate) enum Kept {
    /// One that is too small to spill.
    Small(Value, Option<Counted>),
    Large(Arc<StoredValue>, Arc<LastUse>),
    /// What a splitting task made here: each piece can go to disk, and to another worker, without the others.
    Pieces(Arc<StoredPieces>),
    Failed(Error),
}

/// What goes with a value that somebody has in hand.
#[expect(dead_code, reason = "they do their work when they are dropped")]
pub(crate) enum InHand {
    /// It is that holder's alone.
    Taken(Counted),
    /// It stays where it is.
    Pinned(Pin),
    /// It is a piece of something.
    Piece(PieceInHand),
    /// It is all pieces of something.
    Whole(Vec<Pin>),
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
            Self::Pieces(all) => {
                let (value, pins) = all.whole()?;
                Ok((value, Some(InHand::Whole(pins))))
            }
            Self::Failed(e) => Err(e),
        }
    }

    /// What is spilled when memory is short and has to be here for a reader, of this piece if it reads one.
    pub(crate) fn stored(&self, piece: Option<u32>) -> Option<Arc<StoredValue>> {
        match self {
            Self::Large(stored, _) => Some(stored.clone()),
            Self::Pieces(all) => all.stored(piece?),
            _ => None,
        }
    }
}

/// When a value was last used, counted in uses of the store.
pub(crate) type LastUse = AtomicU64;

/// Whom the store asks and tells about its values.
pub(crate) trait Overseer: Send + Sync {
    /// The lowest priority number of those that wait to read an object, or one of these pieces of it.
    fn next_use(&self, object: TaskRef, pieces: Option<&Range<u32>>) -> Option<i64>;

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
    /// Some pieces of it; `None`: all of it.
    pieces: Option<Range<u32>>,
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
        let pieces = self.pieces.as_ref();
        match (self.overseer()).and_then(|o| o.next_use(self.object, pieces)) {
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
        let used = Arc::new(LastUse::new(self.now()));
        let owner = |pieces| OfObject {
            object,
            pieces,
            used: used.clone(),
            overseer: self.overseer.clone(),
        };
        let value = match value.try_into_inner::<Pieces>() {
            Ok(pieces) => {
                // Who reads them is not known here: they stay until the object is freed.
                let of = |pieces| owner(Some(pieces));
                let stored = self.values.insert_pieces(pieces, |_| 1, of);
                return Kept::Pieces(Arc::new(stored));
            }
            Err(value) => value,
        };
        let bytes = value.nbytes();
        if bytes < SPILL_MIN {
            let counted = (bytes > 0).then(|| Counted::new(&self.values, bytes));
            return Kept::Small(value, counted);
        }
        self.values.budget().count(bytes);
        Kept::Large(self.values.insert(value, owner(None)), used)
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

    /// A value for a task that is not its last reader, or a piece of it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn share(
        &self,
        object: TaskRef,
        piece: Option<u32>,
    ) -> Option<Result<(Value, Option<InHand>)>> {
        let found = match self.lock().get(&object)? {
            Kept::Small(value, _) => return Some(picked(value.clone(), None, piece)),
            Kept::Failed(e) => return Some(Err(e.clone())),
            Kept::Large(stored, used) => {
                used.store(self.now(), Ordering::Relaxed);
                Found::Value(stored.clone())
            }
            Kept::Pieces(all) => Found::Pieces(all.clone()),
        };
        // Without the lock: it may come from disk.
        Some(match (found, piece) {
            (Found::Value(stored), _) => stored
                .pin()
                .and_then(|(value, pin)| picked(value, Some(InHand::Pinned(pin)), piece)),
            (Found::Pieces(all), Some(piece)) => all
                .get(piece, false)
                .map(|(value, in_hand)| (value, in_hand.map(InHand::Piece))),
            (Found::Pieces(all), None) => all
                .whole()
                .map(|(value, pins)| (value, Some(InHand::Whole(pins)))),
        })
    }

    pub(crate) fn take(&self, object: TaskRef) -> Option<Kept> {
        self.lock().remove(&object)
    }

    /// What is kept in the way that can be spilled, of this piece if a piece is read.
    pub(crate) fn stored(&self, object: TaskRef, piece: Option<u32>) -> Option<Arc<StoredValue>> {
        self.lock().get(&object)?.stored(piece)
    }
}

/// What is kept, to be read without the lock.
enum Found {
    Value(Arc<StoredValue>),
    Pieces(Arc<StoredPieces>),
}

/// A value that is kept as a whole, or a piece of it.
fn picked(
    value: Value,
    in_hand: Option<InHand>,
    piece: Option<u32>,
) -> Result<(Value, Option<InHand>)> {
    let value = match piece {
        Some(piece) => Pieces::pick(&value, piece)?,
        None => value,
    };
    Ok((value, in_hand))
}

impl Keeper for Store {
    fn get(&self, object: TaskRef) -> Option<Result<(Value, Vec<Lent>)>> {
        let piece = object.piece();
        let pick = |value: Value| match piece {
            Some(piece) => Pieces::pick(&value, piece),
            None => Ok(value),
        };
        let found = match self.lock().get(&object.whole())? {
            Kept::Small(value, _) => return Some(pick(value.clone()).map(|v| (v, Vec::new()))),
            Kept::Failed(e) => return Some(Err(e.clone())),
            Kept::Large(stored, _) => Found::Value(stored.clone()),
            Kept::Pieces(all) => Found::Pieces(all.clone()),
        };
        Some(match (found, piece) {
            (Found::Value(stored), _) => stored
                .lend()
                .and_then(|(value, lent)| Ok((pick(value)?, vec![lent]))),
            (Found::Pieces(all), Some(piece)) => all
                .lend(piece)
                .map(|(value, lent)| (value, lent.into_iter().collect())),
            (Found::Pieces(all), None) => all
                .whole()
                .map(|(value, pins)| (value, pins.into_iter().map(Lent::Pinned).collect())),
        })
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

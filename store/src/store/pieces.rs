//! The pieces of one split: each can be had, spilled and let go without the others.
//!
//! Large pieces are values of their own. Small ones lie in groups that are just large enough to spill, neighbours with neighbours: tasks read
//! neighbouring pieces one after the other, so what comes back from disk with one piece is read next. Where there is no room for a group, its
//! piece alone is taken out of what was read: a task that reads a small piece of very many splits needs no more memory than they take.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvern_core::{Error, ErrorKind, Pieces, Result, Value};

use super::{Counted, Lent, Pin, SPILL_MIN, Store, StoredValue, ValueOwner};

/// See the module.
pub struct StoredPieces {
    groups: Vec<Group>,
    /// How many pieces there are.
    count: u32,
    nbytes: u64,
}

/// Neighbouring pieces.
struct Group {
    /// Number of its first piece.
    first: u32,
    len: u32,
    /// Readers that have not let go of their piece.
    readers: AtomicU32,
    kept: Mutex<Kept>,
}

enum Kept {
    /// Too small to spill, or not to be written at all.
    Small(Value, Counted),
    Large(Arc<StoredValue>),
    Gone,
}

/// What goes with a piece that somebody has in hand.
pub enum PieceInHand {
    /// It is that holder's alone.
    Taken(Counted),
    /// It stays where it is.
    Pinned(Pin),
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn large(&self) -> Option<Arc<StoredValue>> {
        match &*self.lock() {
            Kept::Large(stored) => Some(stored.clone()),
            _ => None,
        }
    }

    /// One of several pieces, which counts by itself while somebody has it in hand.
    fn one_of(&self, stored: &Arc<StoredValue>, piece: u32) -> Result<(Value, PieceInHand)> {
        let store = stored.store();
        let value = match stored.is_on_disk() && !store.budget().fits(stored.nbytes()) {
            true => stored.read()?,
            false => stored.pin()?.0,
        };
        let value = self.pick(value, piece)?;
        let counted = Counted::new(store, value.nbytes());
        Ok((value, PieceInHand::Taken(counted)))
    }

    /// What the group holds as the value of a piece.
    fn pick(&self, value: Value, piece: u32) -> Result<Value> {
        match self.len {
            1 => Ok(value),
            _ => Pieces::pick(&value, piece - self.first),
        }
    }
}

impl Store {
    /// Puts the pieces of a split under the store's care and counts their bytes. `readers`: how many tasks will read a piece; what nobody reads
    /// goes at once. `owner` answers for the pieces of such numbers.
    pub fn insert_pieces<O: ValueOwner + 'static>(
        self: &Arc<Self>,
        pieces: Pieces,
        readers: impl Fn(u32) -> u32,
        mut owner: impl FnMut(Range<u32>) -> O,
    ) -> StoredPieces {
        let count = pieces.0.len() as u32;
        let (mut groups, mut total) = (Vec::new(), 0);
        let grouped = grouped(&pieces.0);
        let mut pieces = pieces.0.into_iter();
        for range in grouped {
            let mut values: Vec<Value> = pieces.by_ref().take(range.len()).collect();
            let readers = range.clone().map(&readers).sum::<u32>();
            if readers == 0 {
                continue;
            }
            let value = match values.pop() {
                Some(one) if values.is_empty() => one,
                last => {
                    values.extend(last);
                    Pieces(values).into_value()
                }
            };
            let bytes = value.nbytes();
            total += bytes;
            let kept = if bytes < SPILL_MIN {
                Kept::Small(value, Counted::new(self, bytes))
            } else {
                self.budget().count(bytes);
                Kept::Large(self.insert(value, owner(range.clone())))
            };
            groups.push(Group {
                first: range.start,
                len: range.len() as u32,
                readers: AtomicU32::new(readers),
                kept: Mutex::new(kept),
            });
        }
        StoredPieces {
            groups,
            count,
            nbytes: total,
        }
    }
}

/// Which neighbours lie in one group: as many small ones as are worth a place on disk, and the few behind the last of these. A large piece is
/// alone, and so is one that could not be written with others.
fn grouped(pieces: &[Value]) -> Vec<Range<u32>> {
    let mut groups: Vec<Range<u32>> = Vec::new();
    // Where the small pieces begin that are in no group yet, their bytes, and whether the last group is of small ones.
    let (mut first, mut bytes, mut small) = (0, 0, false);
    for (index, piece) in (0u32..).zip(pieces) {
        let alone = piece.nbytes() >= SPILL_MIN || !Pieces::can_encode(piece);
        if !alone {
            bytes += piece.nbytes() + size_of::<Value>() as u64;
        }
        if alone || bytes >= SPILL_MIN {
            let end = if alone { index } else { index + 1 };
            close(&mut groups, first..end, bytes, small);
            if alone {
                groups.push(index..index + 1);
            }
            (first, bytes, small) = (index + 1, 0, !alone);
        }
    }
    close(&mut groups, first..pieces.len() as u32, bytes, small);
    groups
}

/// Small pieces become a group, or a part of the one before them.
fn close(groups: &mut Vec<Range<u32>>, range: Range<u32>, bytes: u64, behind_small: bool) {
    match groups.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if behind_small && bytes < SPILL_MIN => last.end = range.end,
        _ => groups.push(range),
    }
}

impl StoredPieces {
    /// Bytes that all pieces took in memory at first, wherever they are.
    pub fn nbytes(&self) -> u64 {
        self.nbytes
    }

    fn group(&self, piece: u32) -> Option<&Group> {
        let after = self.groups.partition_point(|g| g.first <= piece);
        let group = self.groups.get(after.checked_sub(1)?)?;
        (piece < group.first + group.len).then_some(group)
    }

    fn group_of(&self, piece: u32) -> Result<&Group> {
        let missing = || Pieces::missing(piece, self.count as usize);
        self.group(piece).ok_or_else(missing)
    }

    /// A piece for a running task, which holds the guard until it is done. `takes`: nobody reads it after that, the task itself in a second try
    /// included.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] if there is no such piece, [`ErrorKind::Spill`] if it cannot be read back.
    pub fn get(&self, piece: u32, takes: bool) -> Result<(Value, Option<PieceInHand>)> {
        let group = self.group_of(piece)?;
        let takes = takes && group.len == 1 && group.readers.load(Ordering::Acquire) == 1;
        let stored = {
            let mut kept = group.lock();
            match &*kept {
                Kept::Small(value, _) => return Ok((group.pick(value.clone(), piece)?, None)),
                Kept::Gone => return Err(lost()),
                Kept::Large(stored) => {
                    let stored = stored.clone();
                    if takes {
                        *kept = Kept::Gone;
                    }
                    stored
                }
            }
        };
        // Without the lock: it may come from disk.
        if takes {
            let (value, counted) = stored.take()?;
            return Ok((value, Some(PieceInHand::Taken(counted))));
        }
        if group.len > 1 {
            let (value, in_hand) = group.one_of(&stored, piece)?;
            return Ok((value, Some(in_hand)));
        }
        let (value, pin) = stored.pin()?;
        Ok((value, Some(PieceInHand::Pinned(pin))))
    }

    /// A piece for somebody who only passes it on: on disk it stays there, see [`StoredValue::lend`].
    ///
    /// # Errors
    /// As [`StoredPieces::get`].
    pub fn lend(&self, piece: u32) -> Result<(Value, Option<Lent>)> {
        let group = self.group_of(piece)?;
        let stored = match &*group.lock() {
            Kept::Small(value, _) => return Ok((group.pick(value.clone(), piece)?, None)),
            Kept::Gone => return Err(lost()),
            Kept::Large(stored) => stored.clone(),
        };
        let (value, lent) = stored.lend()?;
        Ok((group.pick(value, piece)?, Some(lent)))
    }

    /// All pieces, for somebody who reads the whole and holds the guards meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if one cannot be read back, [`ErrorKind::Internal`] if one has been let go.
    pub fn whole(&self) -> Result<(Value, Vec<Pin>)> {
        let (mut all, mut pins) = (Vec::with_capacity(self.count as usize), Vec::new());
        for group in &self.groups {
            let found = match &*group.lock() {
                Kept::Small(value, _) => Err(value.clone()),
                Kept::Large(stored) => Ok(stored.clone()),
                Kept::Gone => return Err(lost()),
            };
            let value = match found {
                Err(small) => small,
                Ok(stored) => {
                    let (value, pin) = stored.pin()?;
                    pins.push(pin);
                    value
                }
            };
            for piece in group.first..group.first + group.len {
                all.push(group.pick(value.clone(), piece)?);
            }
        }
        if all.len() != self.count as usize {
            return Err(lost());
        }
        Ok((Pieces(all).into_value(), pins))
    }

    /// A reader of a piece needs it no more. With the last one of a group its memory goes, or its place on disk.
    pub fn let_go(&self, piece: u32) {
        if let Some(group) = self.group(piece)
            && group.readers.fetch_sub(1, Ordering::AcqRel) == 1
        {
            let gone = std::mem::replace(&mut *group.lock(), Kept::Gone);
            if let Kept::Small(value, _counted) = gone {
                kvern_core::panics::discard(value);
            }
        }
    }

    /// Memory that reading a piece takes anew.
    pub fn on_disk(&self, piece: u32) -> u64 {
        let bytes = |group: &Group| {
            let stored = group.large().filter(|v| v.is_on_disk())?;
            Some(stored.nbytes() / u64::from(group.len))
        };
        self.group(piece).and_then(bytes).unwrap_or(0)
    }

    /// What has to stay in memory, or come back to it, for a reader of a piece.
    pub fn stored(&self, piece: u32) -> Option<Arc<StoredValue>> {
        self.group(piece).filter(|g| g.len == 1)?.large()
    }
}

#[cold]
fn lost() -> Error {
    Error::new(
        ErrorKind::Internal,
        "a piece of a result was read after its last reader let it go",
    )
}

#[cfg(test)]
mod tests {
    use kvern_core::Registry;

    use super::*;
    use crate::StoreOptions;

    /// Of pieces that are read in the order of their numbers.
    struct InOrder(Range<u32>);

    impl ValueOwner for InOrder {
        fn next_use(&self) -> u64 {
            u64::from(self.0.start)
        }

        fn spilled(&self, _bytes: u64) {}

        fn unspilled(&self, _bytes: u64) {}
    }

    fn store(budget: u64) -> Arc<Store> {
        let registry = Arc::new(Registry::linked().unwrap());
        Store::new(StoreOptions::new(budget), registry)
    }

    /// Pieces of such lengths, each filled with its number.
    fn pieces(lengths: &[usize]) -> Pieces {
        let piece = |(i, n): (usize, &usize)| Value::new(vec![i as u8; *n]);
        Pieces(lengths.iter().enumerate().map(piece).collect())
    }

    fn is_piece(value: &Value, index: u32, length: usize) {
        assert_eq!(
            value.downcast_ref::<Vec<u8>>(),
            Some(&vec![index as u8; length])
        );
    }

    #[test]
    fn large_pieces_go_to_disk_and_come_back_one_by_one() {
        const N: usize = 50_000;
        let store = store(10 * N as u64);
        let all = store.insert_pieces(pieces(&[N; 8]), |_| 1, InOrder);
        assert!(store.make_room(5 * N as u64 - 1000).unwrap());
        let on_disk: Vec<u32> = (0..8).filter(|&p| all.on_disk(p) > 0).collect();
        assert_eq!(on_disk, [5, 6, 7], "the last ones are read last");
        let before = store.budget().live();
        let (value, in_hand) = all.get(6, true).unwrap();
        is_piece(&value, 6, N);
        assert_eq!(store.budget().live() - before, value.nbytes());
        all.let_go(6);
        drop((value, in_hand));
        assert_eq!(store.budget().live(), before, "it is gone with its reader");
        assert!(all.get(6, true).is_err());
        assert!(all.on_disk(5) > 0 && all.on_disk(7) > 0, "the others stay");
        let (value, lent) = all.lend(7).unwrap();
        is_piece(&value, 7, N);
        assert!(all.on_disk(7) > 0, "what is lent stays on disk");
        drop((value, lent, all));
        assert_eq!((store.budget().live(), store.spilled().disk), (0, 0));
    }

    #[test]
    fn small_pieces_share_a_place_and_are_read_without_room_for_their_neighbours() {
        const N: usize = 1000;
        let lengths = [N; 100];
        // Three groups: the last pieces are too few for one of their own.
        let ends: Vec<u32> = grouped(&pieces(&lengths).0).iter().map(|g| g.end).collect();
        assert_eq!(ends, [32, 64, 100]);
        let store = store(200_000);
        let all = store.insert_pieces(pieces(&lengths), |_| 1, InOrder);
        assert!(store.budget().live() < 110_000);
        assert!(store.make_room(195_000).unwrap());
        assert!(all.on_disk(0) > 0 && all.on_disk(0) < 2 * N as u64);
        // Nothing but a piece has room now.
        store.budget().force_reserve(190_000);
        let before = store.budget().live();
        for p in 0..100 {
            let (value, in_hand) = all.get(p, true).unwrap();
            is_piece(&value, p, N);
            drop((value, in_hand));
        }
        assert!(store.budget().live() - before < SPILL_MIN);
        store.budget().unreserve(190_000);
        // With room they come back together.
        let (_, _in_hand) = all.get(3, true).unwrap();
        assert_eq!((all.on_disk(3), all.on_disk(4)), (0, 0));
        (0..100).for_each(|p| all.let_go(p));
        drop(_in_hand);
        assert_eq!((store.budget().live(), store.spilled().disk), (0, 0));
    }

    #[test]
    fn what_nobody_reads_is_not_kept_and_what_is_not_there_is_refused() {
        let store = store(1 << 20);
        let lengths = [40_000, 40_000, 10];
        let all = store.insert_pieces(pieces(&lengths), |p| u32::from(p != 0), InOrder);
        assert!(store.budget().live() < 41_000);
        assert!(all.whole().is_err(), "a piece of it was dropped");
        let e = all.get(3, true).err().unwrap();
        assert!(e.to_string().contains("made 3 pieces, piece 3"), "{e}");
        is_piece(&all.get(2, false).unwrap().0, 2, 10);
        let all = store.insert_pieces(pieces(&lengths), |_| 1, InOrder);
        let (whole, _pins) = all.whole().unwrap();
        for (p, n) in (0..3).zip(lengths) {
            is_piece(&Pieces::pick(&whole, p).unwrap(), p, n);
        }
    }
}

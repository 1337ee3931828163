//! Random access to a deflated member by many threads at once.
//!
//! **First pass.** One cursor, the *frontier*, is the only one that decodes what nobody decoded before; it
//! hashes every byte and leaves snapshots behind. Whoever wants data past it waits for its turn, the lowest
//! offset first. A holder that has to skip towards its own offset hands the frontier over as soon as a
//! lower offset is waiting, so readers of consecutive blocks, in any order of arrival, share one pass.
//!
//! **Later reads.** Data behind the frontier is decoded again, without waiting for anyone, from the
//! nearest idle cursor or snapshot before it; a sequence of such reads keeps its cursor. Snapshots are put
//! where reads of the first pass began, as later passes mostly ask for the same blocks.
//!
//! **Why it cannot hang.** There is one lock, held for bookkeeping only, and one thing to wait for, the
//! frontier. Its holder waits for nothing, and gives it back when dropped, on an error as well. Among the
//! waiting the lowest is always free to go.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::NpyError;
use super::block::Runs;
use super::cursor::{Cursor, Snapshot, Stream};

mod frontier;
#[cfg(test)]
mod tests;

use frontier::{Frontier, Lead};

/// Idle cursors kept for later reads.
const IDLE_CURSORS: usize = 8;
/// Snapshots that a member of ordinary size gets, and the bounds of the distance that follows.
const SNAPSHOTS: u64 = 56;
const SPACING: (u64, u64) = (4 << 20, 64 << 20);

/// What reading a deflated member has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InflateStats {
    /// Bytes decoded for the first time, from the member's start.
    pub first_pass_bytes: u64,
    /// Bytes decoded again for later reads.
    pub replayed_bytes: u64,
    /// Snapshots of the decoder held.
    pub snapshots: usize,
    /// Bytes of memory in snapshots and idle cursors.
    pub resident_bytes: usize,
    /// Whether the first pass reached the end and the CRC-32 was right.
    pub verified: bool,
}

/// A deflated member that can be read anywhere.
pub(super) struct Deflated {
    stream: Stream,
    spacing: u64,
    state: Mutex<State>,
    frontier: Mutex<Frontier>,
    turn: Condvar,
}

impl std::fmt::Debug for Deflated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflated")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

struct State {
    lead: LeadState,
    /// Data before this has been decoded once and can be replayed.
    reached: u64,
    /// Threads that wait for the frontier: offset, and a number that tells equal ones apart.
    waiting: BTreeSet<(u64, u64)>,
    tickets: u64,
    /// In ascending order of position; the first is at 0.
    snapshots: Vec<Arc<Snapshot>>,
    /// Least recently used first.
    idle: Vec<Cursor>,
    replayed: u64,
    /// Damage, once found: every later read fails with it.
    damage: Option<NpyError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LeadState {
    Free,
    Taken,
    /// The first pass is over and the CRC-32 was right.
    Verified,
}

impl Deflated {
    /// A member at its start; nothing is read yet.
    pub(super) fn new(stream: Stream) -> Self {
        let spacing = (stream.size / SNAPSHOTS).clamp(SPACING.0, SPACING.1);
        Self::with_spacing(stream, spacing)
    }

    /// The same with a snapshot about every `spacing` bytes.
    fn with_spacing(stream: Stream, spacing: u64) -> Self {
        let cursor = Cursor::new();
        let state = State {
            lead: LeadState::Free,
            reached: 0,
            waiting: BTreeSet::new(),
            tickets: 0,
            snapshots: vec![Arc::new(cursor.snapshot())],
            idle: Vec::new(),
            replayed: 0,
            damage: None,
        };
        let frontier = Frontier::new(cursor);
        Self {
            stream,
            spacing,
            state: Mutex::new(state),
            frontier: Mutex::new(frontier),
            turn: Condvar::new(),
        }
    }

    /// Fills `out` with the runs, which are `base` bytes further on in the member.
    ///
    /// On an error `out` holds nothing of use.
    pub(super) fn read_runs(&self, base: u64, runs: Runs, out: &mut [u8]) -> Result<(), NpyError> {
        let Some((first, _)) = runs.clone().next() else {
            return Ok(());
        };
        let end = base
            + runs
                .clone()
                .map(|(at, n)| at + n as u64)
                .last()
                .unwrap_or(first);
        let start = base + first;
        let pieces = || runs.clone().map(|(at, n)| (base + at, n));

        // The part past the frontier, if any; `split` is where that begins.
        let mut split = end;
        let mut ticket = None;
        while let Some(mut lead) = self.take_frontier(start, end, &mut ticket)? {
            if !lead.skip_to(start)? {
                continue;
            }
            lead.mark(start);
            split = lead.frontier.cursor.position();
            let mut filled = 0;
            for (at, n) in pieces() {
                let target = &mut out[filled..filled + n];
                filled += n;
                let done = split.saturating_sub(at).min(n as u64) as usize;
                if done < n {
                    lead.read(at + done as u64, &mut target[done..])?;
                }
            }
            break;
        }

        // The part behind it, decoded again.
        if start < split {
            self.replay(split, pieces(), out)?;
        }
        Ok(())
    }

    /// Blocks of this many bytes or more can be read again by many threads at little more than their own
    /// decoding; of smaller ones, several lie between two snapshots.
    pub(super) fn spacing(&self) -> u64 {
        self.spacing
    }

    /// What it has cost so far.
    pub(super) fn stats(&self) -> InflateStats {
        let state = self.lock();
        InflateStats {
            first_pass_bytes: state.reached,
            replayed_bytes: state.replayed,
            snapshots: state.snapshots.len(),
            resident_bytes: state.snapshots.len() * Snapshot::BYTES
                + (state.idle.len() + 1) * Cursor::BYTES,
            verified: state.lead == LeadState::Verified,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete in itself, so a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this thread may move the frontier; `None` once all of `start..end` is behind it.
    fn take_frontier(
        &self,
        start: u64,
        end: u64,
        ticket: &mut Option<u64>,
    ) -> Result<Option<Lead<'_>>, NpyError> {
        let mut state = self.lock();
        let number = *ticket.get_or_insert_with(|| {
            state.tickets += 1;
            state.tickets
        });
        let me = (start, number);
        state.waiting.insert(me);
        loop {
            if let Some(damage) = state.damage.clone() {
                state.waiting.remove(&me);
                return Err(damage);
            }
            if end <= state.reached {
                state.waiting.remove(&me);
                // The next one may have waited for this one only.
                self.turn.notify_all();
                return Ok(None);
            }
            if state.waiting.first() == Some(&me) && state.lead == LeadState::Free {
                state.waiting.remove(&me);
                state.lead = LeadState::Taken;
                drop(state);
                let frontier = self.frontier.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(Some(Lead {
                    member: self,
                    frontier,
                }));
            }
            state = self
                .turn
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Decodes the parts of the pieces before `end`, all behind the frontier, with a cursor of its own.
    fn replay(
        &self,
        end: u64,
        pieces: impl Iterator<Item = (u64, usize)>,
        out: &mut [u8],
    ) -> Result<(), NpyError> {
        let mut own: Option<Cursor> = None;
        let mut filled = 0;
        for (at, n) in pieces.take_while(|&(at, _)| at < end) {
            // Over a wide gap a snapshot may be nearer than the cursor in hand.
            let mut cursor = match own.take() {
                Some(cursor) if at - cursor.position() <= self.spacing => cursor,
                left => {
                    left.into_iter().for_each(|cursor| self.give_back(cursor));
                    self.nearest(at)?
                }
            };
            let wanted = (end - at).min(n as u64) as usize;
            let before = cursor.decoded();
            let result = read_piece(
                &self.stream,
                &mut cursor,
                at,
                &mut out[filled..filled + wanted],
            );
            let mut state = self.lock();
            state.replayed += cursor.decoded() - before;
            if let Err(e) = result {
                state.note_damage(&e);
                return Err(e);
            }
            drop(state);
            filled += n;
            own = Some(cursor);
        }
        own.into_iter().for_each(|cursor| self.give_back(cursor));
        Ok(())
    }

    /// Keeps a cursor for later reads, unless it is at the end.
    fn give_back(&self, cursor: Cursor) {
        if cursor.position() == self.stream.size {
            return;
        }
        let mut state = self.lock();
        if state.idle.len() == IDLE_CURSORS {
            state.idle.remove(0);
        }
        state.idle.push(cursor);
    }

    /// A cursor at or before `start`, as near as there is one.
    fn nearest(&self, start: u64) -> Result<Cursor, NpyError> {
        let mut state = self.lock();
        if let Some(damage) = &state.damage {
            return Err(damage.clone());
        }
        let after = state.snapshots.partition_point(|s| s.position() <= start);
        // The first snapshot is at 0, so there is always one.
        let snapshot = state.snapshots[after.saturating_sub(1)].clone();
        let idle = (0..state.idle.len())
            .filter(|&i| (snapshot.position()..=start).contains(&state.idle[i].position()))
            .max_by_key(|&i| state.idle[i].position());
        if let Some(i) = idle {
            return Ok(state.idle.remove(i));
        }
        drop(state);
        Ok(Cursor::resume(&snapshot))
    }
}

impl State {
    /// Keeps damage to the data for later reads; a failing disk may recover.
    fn note_damage(&mut self, error: &NpyError) {
        if matches!(error, NpyError::Corrupt { .. } | NpyError::Checksum { .. }) {
            self.damage.get_or_insert_with(|| error.clone());
        }
    }
}

/// Fills `out` from offset `at`, which is not before the cursor.
fn read_piece(
    stream: &Stream,
    cursor: &mut Cursor,
    at: u64,
    mut out: &mut [u8],
) -> Result<(), NpyError> {
    while cursor.position() < at {
        cursor.next(stream, at - cursor.position())?;
    }
    while !out.is_empty() {
        let bytes = cursor.next(stream, out.len() as u64)?;
        let (now, later) = out.split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        out = later;
    }
    Ok(())
}

//! The first pass through a member: the one cursor that hashes, leaves snapshots and checks the end, and the
//! right to move it.

use std::sync::{Arc, MutexGuard};

use super::super::NpyError;
use super::super::cursor::Cursor;
use super::{Deflated, LeadState};

/// The cursor of the first pass. Its lock is only ever taken by the thread that holds the [`Lead`].
pub(super) struct Frontier {
    pub(super) cursor: Cursor,
    hasher: crc32fast::Hasher,
    last_snapshot: u64,
    /// Whether end and CRC-32 have been checked.
    checked: bool,
}

/// The right to move the frontier; given back when dropped.
pub(super) struct Lead<'a> {
    pub(super) member: &'a Deflated,
    pub(super) frontier: MutexGuard<'a, Frontier>,
}

impl Lead<'_> {
    /// Moves up to `target`; `false` if somebody with a lower offset waits and should go first.
    pub(super) fn skip_to(&mut self, target: u64) -> Result<bool, NpyError> {
        while self.frontier.cursor.position() < target {
            let waiting = self.member.lock().waiting.first().copied();
            if waiting.is_some_and(|(offset, _)| offset < target) {
                return Ok(false);
            }
            let left = target - self.frontier.cursor.position();
            self.advance(left)?;
        }
        Ok(true)
    }

    /// Takes a snapshot where a read begins, unless the last one is near.
    pub(super) fn mark(&mut self, start: u64) {
        let near = self.frontier.last_snapshot + self.member.spacing / 4 * 3;
        if self.frontier.cursor.position() == start && start >= near {
            self.frontier.snapshot(self.member);
        }
    }

    /// Reads the bytes at `offset`, which is not behind the frontier.
    pub(super) fn read(&mut self, offset: u64, mut out: &mut [u8]) -> Result<(), NpyError> {
        while self.frontier.cursor.position() < offset {
            let left = offset - self.frontier.cursor.position();
            self.advance(left)?;
        }
        while !out.is_empty() {
            let bytes = self.advance(out.len() as u64)?;
            let (now, later) = out.split_at_mut(bytes.len());
            now.copy_from_slice(bytes);
            out = later;
        }
        Ok(())
    }

    /// The next bytes, at most `most`: hashes what is new, takes a snapshot where one is due, and checks the
    /// end before any of the last bytes is handed out.
    fn advance(&mut self, most: u64) -> Result<&[u8], NpyError> {
        let member = self.member;
        if let Err(e) = self.frontier.prepare(member) {
            member.lock().note_damage(&e);
            return Err(e);
        }
        self.frontier.cursor.next(&member.stream, most)
    }
}

impl Frontier {
    /// A first pass from the start.
    pub(super) fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            hasher: crc32fast::Hasher::new(),
            last_snapshot: 0,
            checked: false,
        }
    }

    /// Makes sure that a byte lies ready.
    fn prepare(&mut self, member: &Deflated) -> Result<(), NpyError> {
        let Deflated {
            stream, spacing, ..
        } = member;
        let before = self.cursor.decoded();
        if self.cursor.position() == before {
            self.cursor.decode(stream)?;
            self.hasher.update(self.cursor.fresh(before));
        }
        let decoded = self.cursor.decoded();
        if decoded == stream.size {
            // Kept apart from the decoding: after a failing disk this is tried again.
            if !self.checked {
                self.cursor.finish(stream)?;
                let found = self.hasher.clone().finalize();
                if found != stream.crc {
                    let (origin, expected) = (stream.origin.clone(), stream.crc);
                    return Err(NpyError::Checksum {
                        origin,
                        expected,
                        found,
                    });
                }
                self.checked = true;
            }
        } else if self.cursor.position() - self.last_snapshot >= *spacing {
            self.snapshot(member);
        }
        Ok(())
    }

    fn snapshot(&mut self, member: &Deflated) {
        let snapshot = Arc::new(self.cursor.snapshot());
        self.last_snapshot = snapshot.position();
        let mut state = member.lock();
        state.reached = snapshot.position();
        state.snapshots.push(snapshot);
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = self.member.lock();
        state.reached = self.frontier.cursor.position();
        // With everything behind the frontier nobody asks for it again.
        let done = state.reached == self.member.stream.size && self.frontier.checked;
        state.lead = if done {
            LeadState::Verified
        } else {
            LeadState::Free
        };
        drop(state);
        self.member.turn.notify_all();
    }
}

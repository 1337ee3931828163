//! The CRC-32 of a member that is read in pieces, in any order: hashed stretches are joined where they
//! meet, and compared once they cover everything.

use std::collections::BTreeMap;

use crc32fast::Hasher;

/// Stretches remembered at most; what would be one more is not hashed.
const MOST: usize = 4096;

/// Hashed stretches of `size` bytes, not overlapping and not touching each other.
#[derive(Default)]
pub(super) struct Coverage {
    /// Start to end and hash.
    stretches: BTreeMap<u64, (u64, Hasher)>,
}

impl Coverage {
    /// The part of `start..end` that is new, from its first byte that is not covered up to the next
    /// stretch; `None` if there is none or no room.
    pub(super) fn missing(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let from = match self.stretches.range(..=start).next_back() {
            Some((_, &(covered, _))) => start.max(covered),
            None => start,
        };
        let to = self
            .stretches
            .range(from..)
            .next()
            .map_or(end, |(&next, _)| end.min(next));
        (from < to && self.stretches.len() < MOST).then_some((from, to))
    }

    /// Adds a stretch; one that overlaps (two threads hashed the same) is dropped.
    pub(super) fn add(&mut self, start: u64, end: u64, hasher: Hasher) {
        if self.missing(start, end) != Some((start, end)) {
            return;
        }
        let (mut first, mut last, mut joined) = (start, end, hasher);
        if let Some((&before, &(covered, _))) = self.stretches.range(..start).next_back()
            && covered == start
            && let Some((_, mut left)) = self.stretches.remove(&before)
        {
            left.combine(&joined);
            (first, joined) = (before, left);
        }
        if let Some((covered, right)) = self.stretches.remove(&end) {
            joined.combine(&right);
            last = covered;
        }
        self.stretches.insert(first, (last, joined));
    }

    /// The CRC-32, once all of `size` bytes is covered.
    pub(super) fn whole(&self, size: u64) -> Option<u32> {
        let (end, hasher) = self.stretches.get(&0)?;
        (*end == size).then(|| hasher.clone().finalize())
    }
}

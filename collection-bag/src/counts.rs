//! Counting strings: a hash table that allocates for a string when it is first seen and never again.
//!
//! The strings of up to 16 bytes, which words are, stand in their entry as two numbers, and entries stand in the table itself: finding one
//! is one look into memory and one comparison. The bytes of all strings follow each other in one buffer. The order in which strings
//! were first seen is kept.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::{FoldState, ends};

/// How often each string was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Open addressing, at most half full; its length is a power of two, or 0.
    table: Vec<Entry>,
    /// Where in the table the entries are, in the order in which they were first seen.
    order: Vec<u32>,
    /// The entries in order, while there is no table ([`Counts::settle`]).
    settled: Vec<Entry>,
    text: String,
    hash: FoldState,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// The ends of the string.
    a: u64,
    b: u64,
    count: u64,
    /// Where its bytes begin.
    start: u32,
    /// Its length plus one; 0: no entry.
    len: u32,
}

/// Strings up to this long are told by their ends.
const SHORT: usize = 16;

/// Entries of the first table.
const FIRST: usize = 1 << 10;

impl Counts {
    /// Counts a string once more.
    #[inline]
    pub(crate) fn add(&mut self, s: &str) -> Result<(), TooMuch> {
        self.add_times(s, 1)
    }

    /// Counts a string `times` more.
    #[inline]
    pub(crate) fn add_times(&mut self, s: &str, times: u64) -> Result<(), TooMuch> {
        let bytes = s.as_bytes();
        let (a, b) = ends(bytes);
        let hash = self.hash_of(bytes, a, b);
        let mask = self.table.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        // An empty table has no entry anywhere.
        while let Some(entry) = self.table.get_mut(at) {
            if entry.a == a
                && entry.b == b
                && entry.len as usize == bytes.len() + 1
                && (bytes.len() <= SHORT || self.text.as_bytes()[entry.range()] == *bytes)
            {
                entry.count += times;
                return Ok(());
            }
            if entry.len == 0 {
                break;
            }
            at = (at + 1) & mask;
        }
        self.insert(s, a, b, times)
    }

    #[inline(always)]
    fn hash_of(&self, bytes: &[u8], a: u64, b: u64) -> u64 {
        if bytes.len() <= SHORT {
            self.hash.of_ends(a, b, bytes.len() as u64)
        } else {
            self.hash.of_bytes(bytes)
        }
    }

    /// A string that is not in the table.
    #[cold]
    fn insert(&mut self, s: &str, a: u64, b: u64, count: u64) -> Result<(), TooMuch> {
        if self.table.is_empty() && !self.settled.is_empty() {
            // There was no table to look into.
            self.unsettle();
            return self.add_times(s, count);
        }
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u32::try_from(s.len())) else {
            return Err(TooMuch);
        };
        if len == u32::MAX || self.order.len() >= 1 << 30 {
            return Err(TooMuch);
        }
        self.text.push_str(s);
        if (self.order.len() + 1) * 2 > self.table.len() {
            let entries: Vec<Entry> = self.entries().copied().collect();
            self.rebuild(&entries, (self.table.len() * 2).max(FIRST));
        }
        self.place(Entry {
            a,
            b,
            count,
            start,
            len: len + 1,
        });
        Ok(())
    }

    /// A table of `len` for these entries.
    fn rebuild(&mut self, entries: &[Entry], len: usize) {
        self.table = vec![Entry::default(); len];
        self.order.clear();
        for e in entries {
            self.place(*e);
        }
    }

    /// Puts an entry that is not there where it belongs.
    fn place(&mut self, entry: Entry) {
        let hash = self.hash_of(&self.text.as_bytes()[entry.range()], entry.a, entry.b);
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        while self.table[at].len != 0 {
            at = (at + 1) & mask;
        }
        self.table[at] = entry;
        self.order.push(at as u32);
    }

    /// Each string in the one of `n` that its hash says, which is the same in all processes.
    pub(crate) fn split(&self, n: usize) -> Option<Vec<Self>> {
        let mut parts = vec![Self::default(); n];
        for (s, times) in self.iter() {
            let h = FoldState::STABLE.of_bytes(s.as_bytes());
            // No part is larger than the whole, so none is too large.
            parts[((h >> 32) as usize) % n].add_times(s, times).ok()?;
        }
        Some(parts)
    }

    /// Gives back what only counting needs: what is left is the entries and their text.
    pub(crate) fn settle(&mut self) {
        if !self.table.is_empty() {
            self.settled = self.entries().copied().collect();
            self.table = Vec::new();
            self.order = Vec::new();
            self.text.shrink_to_fit();
        }
    }

    fn unsettle(&mut self) {
        let entries = std::mem::take(&mut self.settled);
        let len = (entries.len() * 2 + 2).next_power_of_two().max(FIRST);
        self.rebuild(&entries, len);
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let placed = self.order.iter().map(|&i| &self.table[i as usize]);
        self.settled.iter().chain(placed)
    }

    /// Strings and their counts in the order in which they were first seen.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.entries().map(|e| (&self.text[e.range()], e.count))
    }

    /// Bytes of memory held.
    pub(crate) fn nbytes(&self) -> u64 {
        let entries = (self.table.capacity() + self.settled.capacity()) * size_of::<Entry>();
        (entries + self.text.capacity() + self.order.capacity() * 4) as u64
    }
}

impl Entry {
    #[inline(always)]
    fn range(&self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + (self.len as usize).saturating_sub(1)
    }
}

/// The different strings of one partition, or those of all together, are more than 4 GiB.
#[derive(Debug)]
pub(crate) struct TooMuch;

impl From<TooMuch> for kvern_core::Error {
    fn from(_: TooMuch) -> Self {
        Self::new(
            kvern_core::ErrorKind::OutOfMemory,
            "frequencies: the different texts take more than 4 GiB in one result; count something shorter, such as a hash of each text",
        )
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let list = Vec::<(String, u64)>::deserialize(d)?;
        let mut counts = Self::default();
        for (s, n) in list {
            counts
                .add_times(&s, n)
                .map_err(|TooMuch| serde::de::Error::custom("more than 4 GiB of strings"))?;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_a_plain_list(strings in prop::collection::vec("[ab]{0,18}", 0..400)) {
            let mut counts = Counts::default();
            let mut plain: Vec<(String, u64)> = Vec::new();
            for s in &strings {
                counts.add(s).unwrap();
                match plain.iter_mut().find(|p| p.0 == *s) {
                    Some(p) => p.1 += 1,
                    None => plain.push((s.clone(), 1)),
                }
            }
            let got: Vec<_> = counts.iter().map(|(s, n)| (s.to_owned(), n)).collect();
            prop_assert_eq!(&got, &plain);
            counts.settle();
            prop_assert_eq!(counts.iter().map(|(s, n)| (s.to_owned(), n)).collect::<Vec<_>>(), plain.clone());
            // Settled, it still counts.
            counts.add("new").unwrap();
            counts.add("new").unwrap();
            plain.push(("new".into(), 2));
            let bytes = rmp_serde::to_vec_named(&counts).unwrap();
            let back: Counts = rmp_serde::from_slice(&bytes).unwrap();
            prop_assert_eq!(back.iter().map(|(s, n)| (s.to_owned(), n)).collect::<Vec<_>>(), plain);
        }
    }

    #[test]
    fn strings_that_differ_in_the_middle_only_are_two() {
        let mut counts = Counts::default();
        for len in 1..40 {
            for i in 0..len {
                let mut s = "a".repeat(len);
                s.replace_range(i..=i, "b");
                counts.add(&s).unwrap();
            }
        }
        assert_eq!(counts.iter().count(), (1..40).sum::<usize>());
    }

    #[test]
    fn many_strings_are_all_found_again() {
        let mut counts = Counts::default();
        for round in 0..2 {
            for i in 0..50_000u64 {
                counts.add_times(&format!("w{i}"), i + round).unwrap();
            }
        }
        assert_eq!(counts.iter().count(), 50_000);
        assert!(
            counts
                .iter()
                .all(|(s, n)| s[1..].parse::<u64>().unwrap() * 2 + 1 == n)
        );
    }
}

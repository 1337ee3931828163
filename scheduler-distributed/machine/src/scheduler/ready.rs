//! The ready tasks of a graph by rank: a set of small numbers as bits, with the bits of bits above them.
//!
//! Adding, removing and finding the first cost one word a level, and a million tasks have four levels; a heap would cost twenty
//! cache misses at each, and could not remove.

/// A set of numbers below a bound.
#[derive(Debug, Default, Clone)]
pub(crate) struct ReadySet {
    /// The numbers themselves, then one bit for each word below that has any.
    levels: Vec<Vec<u64>>,
    len: usize,
}

impl ReadySet {
    /// An empty set of numbers below `bound`.
    pub(crate) fn new(bound: usize) -> Self {
        let mut levels = Vec::new();
        let mut words = bound.div_ceil(64).max(1);
        loop {
            levels.push(vec![0; words]);
            if words == 1 {
                break;
            }
            words = words.div_ceil(64);
        }
        Self { levels, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn contains(&self, n: u32) -> bool {
        self.levels[0][n as usize / 64] & (1 << (n % 64)) != 0
    }

    /// Adds a number; true if it was not there.
    pub(crate) fn insert(&mut self, n: u32) -> bool {
        if self.contains(n) {
            return false;
        }
        self.len += 1;
        let mut at = n as usize;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            let was = *word;
            *word |= 1 << (at % 64);
            if was != 0 {
                break;
            }
            at /= 64;
        }
        true
    }

    /// Removes a number; true if it was there.
    pub(crate) fn remove(&mut self, n: u32) -> bool {
        if !self.contains(n) {
            return false;
        }
        self.len -= 1;
        let mut at = n as usize;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                break;
            }
            at /= 64;
        }
        true
    }

    /// The smallest number.
    pub(crate) fn first(&self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut at = 0usize;
        for level in self.levels.iter().rev() {
            at = at * 64 + level[at].trailing_zeros() as usize;
        }
        Some(at as u32)
    }

    /// All of them, the smallest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.levels[0].iter().enumerate().flat_map(|(at, &word)| {
            let bits = (0..64).filter(move |bit| word & (1 << bit) != 0);
            bits.map(move |bit| at as u32 * 64 + bit)
        })
    }

    /// Bytes it takes.
    pub(crate) fn footprint(&self) -> usize {
        self.levels.iter().map(|l| l.capacity() * 8).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_sorted_set() {
        for bound in [1u32, 63, 64, 65, 4096, 4097, 300_000] {
            let (mut set, mut oracle) = (ReadySet::new(bound as usize), BTreeSet::new());
            let mut x = u64::from(bound);
            for _ in 0..20_000 {
                x = x
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let n = ((x >> 33) as u32) % bound;
                if x >> 20 & 3 == 0 {
                    assert_eq!(set.remove(n), oracle.remove(&n), "bound {bound}");
                } else {
                    assert_eq!(set.insert(n), oracle.insert(n), "bound {bound}");
                }
                if let (true, Some(n)) = (x >> 22 & 3 == 0, set.first()) {
                    assert_eq!(Some(&n), oracle.first(), "bound {bound}");
                    assert!(set.remove(n) && oracle.remove(&n));
                }
                assert_eq!(set.first(), oracle.first().copied(), "bound {bound}");
                assert_eq!(set.len(), oracle.len());
                if x >> 24 & 0xfff == 0 {
                    assert!(set.iter().eq(oracle.iter().copied()), "bound {bound}");
                }
                assert_eq!(set.is_empty(), oracle.is_empty());
            }
        }
    }
}

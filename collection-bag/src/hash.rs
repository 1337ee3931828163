//! The hash of the maps inside of tasks: fast on short keys, and seeded anew in each process, so that nobody can prepare keys
//! that all fall together. Results do not depend on it: maps keep the order in which keys were first seen.
//!
//! Words are mixed in by a folded multiplication, as in wyhash (Wang Yi, public domain).

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

/// Three odd random numbers.
static SEEDS: LazyLock<[u64; 3]> = LazyLock::new(|| {
    let random = std::hash::RandomState::new();
    [1u8, 2, 3].map(|i| random.hash_one(i) | 1)
});

/// The high and low half of the product, mixed.
#[inline(always)]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// Makes [`FoldHasher`]s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoldState([u64; 3]);

impl Default for FoldState {
    fn default() -> Self {
        Self(*SEEDS)
    }
}

impl FoldState {
    /// The same in every process: for saying which partition a key belongs to. Whoever prepares keys that fall together gets an
    /// uneven bag, and no slow table.
    pub(crate) const STABLE: Self = Self([
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
    ]);

    /// The hash of a string of which `a` and `b` are the first and last eight bytes ([`ends`]), and `len` the length; of a longer
    /// one, `middle` is the hash of all of it.
    #[inline(always)]
    pub(crate) fn of_ends(&self, a: u64, b: u64, len: u64) -> u64 {
        fold(a ^ self.0[0], fold(b ^ self.0[1], len ^ self.0[2]) ^ b)
    }

    /// The hash of any bytes.
    pub(crate) fn of_bytes(&self, bytes: &[u8]) -> u64 {
        let mut h = self.0[2] ^ bytes.len() as u64;
        let mut chunks = bytes.chunks_exact(16);
        for c in &mut chunks {
            let (a, b) = c.split_at(8);
            h = fold(word(a) ^ self.0[0], word(b) ^ h);
        }
        let (a, b) = ends(chunks.remainder());
        fold(a ^ self.0[1], b ^ h)
    }
}

/// Up to eight bytes as a number.
#[inline(always)]
fn word(b: &[u8]) -> u64 {
    let mut w = [0; 8];
    w.copy_from_slice(&b[..8]);
    u64::from_le_bytes(w)
}

#[inline(always)]
fn half(b: &[u8]) -> u64 {
    let mut w = [0; 4];
    w.copy_from_slice(&b[..4]);
    u64::from(u32::from_le_bytes(w))
}

/// The first and last eight bytes as numbers, overlapping in shorter strings: with the length they say all of up to 16 bytes.
#[inline(always)]
pub(crate) fn ends(b: &[u8]) -> (u64, u64) {
    match b.len() {
        8.. => (word(b), word(&b[b.len() - 8..])),
        4.. => (half(b), half(&b[b.len() - 4..])),
        0 => (0, 0),
        n => (
            u64::from(b[0]) | u64::from(b[n / 2]) << 8 | u64::from(b[n - 1]) << 16,
            0,
        ),
    }
}

impl BuildHasher for FoldState {
    type Hasher = FoldHasher;

    fn build_hasher(&self) -> FoldHasher {
        FoldHasher {
            h: self.0[2],
            state: *self,
        }
    }
}

/// A [`Hasher`] that folds.
pub(crate) struct FoldHasher {
    h: u64,
    state: FoldState,
}

impl Hasher for FoldHasher {
    #[inline]
    fn finish(&self) -> u64 {
        fold(self.h, self.state.0[1])
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(self.state.of_bytes(bytes));
    }

    #[inline]
    fn write_u64(&mut self, v: u64) {
        self.h = fold(self.h.rotate_left(23) ^ v, self.state.0[0]);
    }

    #[inline]
    fn write_u8(&mut self, v: u8) {
        self.write_u64(u64::from(v));
    }

    #[inline]
    fn write_u16(&mut self, v: u16) {
        self.write_u64(u64::from(v));
    }

    #[inline]
    fn write_u32(&mut self, v: u32) {
        self.write_u64(u64::from(v));
    }

    #[inline]
    fn write_usize(&mut self, v: usize) {
        self.write_u64(v as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_length_say_all_of_a_short_string() {
        // Every byte of every length up to 16 shows in the ends.
        for len in 1..=16usize {
            let zero = vec![0u8; len];
            for i in 0..len {
                let mut one = zero.clone();
                one[i] = 1;
                assert_ne!(ends(&zero), ends(&one), "byte {i} of {len}");
            }
        }
    }

    #[test]
    fn hashes_of_near_keys_spread() {
        // Buckets by the high and the low bits must fill about as those of a random function would.
        let state = FoldState::default();
        for shift in [0, 48] {
            let mut buckets = vec![0u32; 1 << 12];
            for i in 0..1u64 << 16 {
                let h = state.hash_one(i.to_string());
                buckets[(h >> shift) as usize & 0xfff] += 1;
            }
            let fullest = buckets.iter().max().unwrap();
            assert!(*fullest < 60, "{fullest} of 16 expected, shift {shift}");
        }
    }
}

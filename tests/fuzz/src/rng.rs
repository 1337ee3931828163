//! Random numbers by seed.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of that seed. Neighbouring seeds have nothing in common.
    pub fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
        rng.any();
        rng
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.any() % (bound.max(1) as u64)) as usize
    }

    /// A number of a range, both ends included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = high.wrapping_sub(low) as u64;
        let step = match width.checked_add(1) {
            Some(n) => self.any() % n,
            None => self.any(),
        };
        low.wrapping_add(step as i64)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of some things, of which there must be one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Some of these, in their order: each with a chance of one in two, and at least one where there is one.
    pub fn some<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        let mut out: Vec<T> = of.iter().filter(|_| self.one_in(2)).cloned().collect();
        if out.is_empty() && !of.is_empty() {
            out.push(self.pick(of).clone());
        }
        out
    }
}

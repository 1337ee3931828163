//! The running peak of a walk, so that a walk that cannot win is given up early.

use super::Dag;

/// Bytes alive with wanted outputs let go (`free`) and with them held to the end (`held`).
pub(super) struct Meter {
    wanted: Vec<u64>,
    free: u64,
    held: u64,
    top_free: u64,
    top_held: u64,
}

impl Meter {
    pub(super) fn new(dag: &Dag<'_>) -> Self {
        let mut wanted = vec![0u64; dag.len().div_ceil(64)];
        for &t in dag.outputs {
            if let Some(word) = wanted.get_mut(t as usize / 64) {
                *word |= 1 << (t % 64);
            }
        }
        Self {
            wanted,
            free: 0,
            held: 0,
            top_free: 0,
            top_held: 0,
        }
    }

    pub(super) fn born(&mut self, weight: u64) {
        self.free += weight;
        self.held += weight;
        self.top_free = self.top_free.max(self.free);
        self.top_held = self.top_held.max(self.held);
    }

    pub(super) fn dies(&mut self, task: u32, weight: u64) {
        self.free -= weight;
        if (self.wanted[task as usize / 64] >> (task % 64)) & 1 == 0 {
            self.held -= weight;
        }
    }

    /// What walks are compared by; it only grows while a walk goes.
    pub(super) fn score(&self) -> u64 {
        score(self.top_free, self.top_held)
    }
}

/// The peak without held outputs counts twice: a store's outputs are small, and where they are not,
/// every order ends with all of them.
fn score(free: u64, held: u64) -> u64 {
    free.saturating_mul(2).saturating_add(held)
}

/// A score that no order can beat: some task has all its inputs and its output alive.
pub(super) fn floor(dag: &Dag<'_>) -> u64 {
    let one = |t| dag.deps_of(t).iter().map(|&d| dag.weight(d)).sum::<u64>() + dag.weight(t);
    let free = (0..dag.len() as u32).map(one).max().unwrap_or(0);
    score(free, free)
}

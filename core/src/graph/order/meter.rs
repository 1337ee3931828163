//! The running peak of a walk, so that a walk that cannot win is given up early.

use super::Dag;

/// The peaks of a walk so far, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tops {
    /// With wanted outputs let go once they are made.
    free: u64,
    /// With wanted outputs held to the end.
    held: u64,
}

impl Tops {
    /// What any walk beats.
    pub(super) const WORST: Self = Self {
        free: u64::MAX,
        held: u64::MAX,
    };

    /// What walks are compared by. The peak without held outputs counts twice: a store's outputs are
    /// small, and where they are not, every order ends with all of them.
    pub(super) fn score(self) -> u64 {
        self.free.saturating_mul(2).saturating_add(self.held)
    }
}

/// Counts the bytes alive while a walk goes.
pub(super) struct Meter {
    wanted: Vec<u64>,
    free: u64,
    held: u64,
    tops: Tops,
    to_beat: Tops,
    strict: bool,
}

impl Meter {
    /// A meter that watches for a walk that cannot beat `to_beat`. If `strict`, only a lower peak
    /// without held outputs beats it, which shows earlier.
    pub(super) fn new(dag: &Dag<'_>, to_beat: Tops, strict: bool) -> Self {
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
            tops: Tops { free: 0, held: 0 },
            to_beat,
            strict,
        }
    }

    pub(super) fn born(&mut self, weight: u64) {
        self.free += weight;
        self.held += weight;
        self.tops.free = self.tops.free.max(self.free);
        self.tops.held = self.tops.held.max(self.held);
    }

    pub(super) fn dies(&mut self, task: u32, weight: u64) {
        self.free -= weight;
        if (self.wanted[task as usize / 64] >> (task % 64)) & 1 == 0 {
            self.held -= weight;
        }
    }

    /// Whether the walk can no longer win: the peaks only grow.
    pub(super) fn lost(&self) -> bool {
        self.tops.score() >= self.to_beat.score()
            || self.strict && self.tops.free >= self.to_beat.free
    }

    pub(super) fn tops(&self) -> Tops {
        self.tops
    }
}

/// A score that no order can beat: some task has all its inputs and its output alive.
pub(super) fn floor(dag: &Dag<'_>) -> u64 {
    let one = |t| dag.deps_of(t).iter().map(|&d| dag.weight(d)).sum::<u64>() + dag.weight(t);
    let top = (0..dag.len() as u32).map(one).max().unwrap_or(0);
    Tops {
        free: top,
        held: top,
    }
    .score()
}

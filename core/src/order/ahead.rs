//! What a walk runs before its turn, because a reader is close to freeing memory.

use super::policy::Chains;
use super::walk::{TODO, Walk};

/// Longest chain that is run ahead.
const CHAIN: usize = 8;
/// A link with more inputs than this is not looked through: many chains may lead to it.
const WIDE: usize = 16;

impl Walk<'_> {
    /// `end` lacks one input. Where all that is missing is a chain, and running it up to `end`
    /// leaves no more alive than before, it is run.
    pub(super) fn chain(&mut self, end: u32) {
        let mut links = [0u32; CHAIN];
        let mut made = self.dag.weight(end);
        let mut at = end;
        for i in 0..CHAIN {
            let inputs = self.dag.deps_of(at);
            if i > 0 && inputs.len() > WIDE {
                return;
            }
            let Some(&d) = inputs.iter().find(|&&d| self.todo(d)) else {
                return;
            };
            links[i] = d;
            if self.tasks[d as usize].left > 1 {
                made += self.dag.weight(d);
            }
            match self.tasks[d as usize].pending {
                0 => {
                    if self.freed_by(end) >= made {
                        self.eager.push(end);
                        self.eager.extend_from_slice(&links[..=i]);
                    }
                    return;
                }
                1 => at = d,
                _ => return,
            }
        }
    }

    /// One more input of `end` is ready and waits for nothing but `end`; if that was the last of
    /// what `end` lacks, they all run.
    pub(super) fn gather(&mut self, end: u32) {
        self.waiting[end as usize] += 1;
        if self.waiting[end as usize] == self.tasks[end as usize].pending {
            self.eager.push(end);
            let Self {
                dag, eager, tasks, ..
            } = self;
            eager.extend(
                dag.deps_of(end)
                    .iter()
                    .filter(|&&d| tasks[d as usize].position == TODO),
            );
        }
    }

    /// Bytes that die with `end`, the last reader of some of its inputs.
    fn freed_by(&self, end: u32) -> u64 {
        // Counting the input not yet made is what lets `OneMore` leave one chunk more.
        let counts = |d| self.policy.chains == Chains::OneMore || !self.todo(d);
        let inputs = self.dag.deps_of(end).iter();
        inputs
            .filter(|&&d| self.tasks[d as usize].left == 1 && counts(d))
            .map(|&d| self.dag.weight(d))
            .sum()
    }
}

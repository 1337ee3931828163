//! What a walk runs before its turn, because a reader is close to freeing memory.

use super::policy::Chains;
use super::walk::{TODO, Walk};

/// Longest chain that is run ahead.
const CHAIN: usize = 8;
/// A link with more inputs than this is not looked through: many chains may lead to it.
const WIDE: usize = 16;

/// Most tasks that are looked at to find out whether a chunk can be finished with, in a small graph and in a large one.
const FINISH: [usize; 2] = [96, 12];

impl Walk<'_> {
    /// `t` has just been made and has several readers. Where all of them can run now, with what they lack besides, and leave
    /// less alive than `t` is large, they do: a chunk that was costly to load is used for everything while it is there.
    pub(super) fn finish(&mut self, t: u32) {
        let most = FINISH[usize::from(self.dag.len() > 1 << 16)];
        let weight = self.dag.weight(t);
        let mut run: Vec<u32> = Vec::new();
        for &r in self.readers.of(t) {
            if !self.todo(r) || run.contains(&r) {
                continue;
            }
            if !self.closure(r, most, &mut run) {
                return;
            }
            // A large result with one reader is passed on at once, as far as that shrinks it.
            let mut last = r;
            while self.dag.weight(last) > weight / 8 && self.tasks[last as usize].left == 1 {
                last = self.readers.of(last)[0];
                if !self.todo(last) || !self.closure(last, most, &mut run) {
                    return;
                }
            }
        }
        // What still has readers, or is wanted, when all of these have run.
        let reads = |r: u32, d: u32| u32::from(self.dag.deps_of(r).contains(&d));
        let stays = |d: u32| {
            let left = self.tasks[d as usize].left;
            left == 0 || run.iter().map(|&r| reads(r, d)).sum::<u32>() < left
        };
        let left_alive: u64 = run
            .iter()
            .filter(|&&d| stays(d))
            .map(|&d| self.dag.weight(d))
            .sum();
        if left_alive <= weight {
            self.eager.extend(run.iter().rev());
        }
    }

    /// Adds `end` to `run`, after all that it lacks; false if that is more than `most` tasks.
    fn closure(&self, end: u32, most: usize, run: &mut Vec<u32>) -> bool {
        let mut stack = vec![(end, false)];
        while let Some((t, ready)) = stack.pop() {
            if ready {
                if !run.contains(&t) {
                    run.push(t);
                }
                continue;
            }
            if run.contains(&t) {
                continue;
            }
            if run.len() + stack.len() >= most {
                return false;
            }
            stack.push((t, true));
            if self.tasks[t as usize].pending > 0 {
                let lacks = self.dag.deps_of(t).iter().filter(|&&d| self.todo(d));
                stack.extend(lacks.map(|&d| (d, false)));
            }
        }
        true
    }

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

//! One walk over the graph: what is needed is made depth first, what frees memory runs at once.

use super::Dag;
use super::meter::{Meter, Tops};
use super::policy::{Chains, Inputs, Next, Outputs, Policy};
use super::readers::Readers;

pub(super) const TODO: u32 = u32::MAX;
/// Readers of one chunk that are looked at for the next goal.
const READERS: u32 = 4;

/// What a walk knows of a task, together since it is asked for together.
pub(super) struct Task {
    /// Inputs not yet made.
    pub(super) pending: u32,
    /// Readers not yet run.
    pub(super) left: u32,
    /// Where to look for the next reader that has not run.
    cursor: u32,
    pub(super) position: u32,
}

pub(super) struct Walk<'a> {
    pub(super) dag: &'a Dag<'a>,
    pub(super) readers: &'a Readers,
    need: &'a [f32],
    pub(super) policy: Policy,
    pub(super) tasks: Vec<Task>,
    next: u32,
    /// Tasks that free at least what they make.
    pub(super) eager: Vec<u32>,
    /// Tasks that lack one input.
    lacking: Vec<u32>,
    /// For each task, an estimate of how many ready inputs wait for it alone. Empty unless the
    /// policy gathers.
    pub(super) waiting: Vec<u32>,
    /// Chunks with readers left, the newest last.
    recent: Vec<u32>,
    meter: Meter,
}

impl<'a> Walk<'a> {
    /// Positions and peaks of the walk, or `None` once it cannot beat `to_beat`, see [`Meter::new`].
    pub(super) fn run(
        dag: &'a Dag<'a>,
        readers: &'a Readers,
        need: &'a [f32],
        policy: Policy,
        to_beat: Tops,
        strict: bool,
    ) -> Option<(Vec<u32>, Tops)> {
        let n = dag.len() as u32;
        let mut walk = Walk {
            dag,
            readers,
            need,
            policy,
            tasks: (0..n)
                .map(|t| Task {
                    pending: dag.deps_of(t).len() as u32,
                    left: readers.count(t),
                    cursor: readers.start(t),
                    position: TODO,
                })
                .collect(),
            next: 0,
            eager: Vec::new(),
            lacking: Vec::new(),
            waiting: vec![0; if policy.gathers { n as usize } else { 0 }],
            recent: Vec::new(),
            meter: Meter::new(dag, to_beat, strict),
        };
        walk.all()?;
        let tops = walk.meter.tops();
        let position = walk.tasks.iter().map(|task| task.position).collect();
        Some((position, tops))
    }

    fn all(&mut self) -> Option<()> {
        let n = self.dag.len() as u32;
        let mut outputs: Vec<u32> = self
            .dag
            .outputs
            .iter()
            .copied()
            .filter(|&t| t < n)
            .collect();
        let need = |t: &u32| self.need[*t as usize];
        match self.policy.outputs {
            Outputs::Listed => {}
            Outputs::Small => outputs.sort_by(|a, b| need(a).total_cmp(&need(b))),
            Outputs::Big => outputs.sort_by(|a, b| need(b).total_cmp(&need(a))),
        }
        // Whatever no output asked for comes last.
        let mut rest = outputs.into_iter().chain(0..n);
        let mut expanded = vec![0u64; (n as usize).div_ceil(64)];
        let mut stack: Vec<u32> = Vec::new();
        while self.next < n {
            let Some(&t) = stack.last() else {
                match self.goal().or_else(|| rest.find(|&t| self.todo(t))) {
                    Some(goal) => stack.push(goal),
                    None => break,
                }
                continue;
            };
            if !self.todo(t) {
                stack.pop();
            } else if self.tasks[t as usize].pending == 0 {
                stack.pop();
                self.go(t)?;
            } else {
                let (word, bit) = (t as usize / 64, 1 << (t % 64));
                if expanded[word] & bit != 0 {
                    // Only a cycle leads here: what `t` lacks waits for `t`. Readers of what is alive
                    // may be stuck for good, so from now on goals are taken from the list alone.
                    self.policy.next = Next::Output;
                    stack.pop();
                    continue;
                }
                expanded[word] |= bit;
                self.expand(t, &mut stack);
            }
        }
        // Tasks of a cycle, and those behind it, in the order of their ids.
        for t in 0..n {
            if self.todo(t) {
                self.tasks[t as usize].position = self.next;
                self.next += 1;
            }
        }
        Some(())
    }

    pub(super) fn todo(&self, t: u32) -> bool {
        self.tasks[t as usize].position == TODO
    }

    /// Puts what `t` lacks on the stack, the first to make on top.
    fn expand(&self, t: u32, stack: &mut Vec<u32>) {
        let from = stack.len();
        stack.extend(
            self.dag
                .deps_of(t)
                .iter()
                .copied()
                .filter(|&d| self.todo(d)),
        );
        let lacks = &mut stack[from..];
        if lacks.len() < 2 {
            return;
        }
        let beyond = |t: u32| self.need[t as usize] - self.dag.weight(t) as f32;
        match self.policy.inputs {
            Inputs::Listed => lacks.reverse(),
            Inputs::Reversed => {}
            Inputs::Needy => {
                lacks.reverse();
                lacks.sort_by(|&a, &b| beyond(a).total_cmp(&beyond(b)));
            }
            Inputs::NeedyReversed => {
                lacks.sort_by(|&a, &b| beyond(a).total_cmp(&beyond(b)));
            }
        }
    }

    /// Runs `t`, then whatever that makes profitable.
    fn go(&mut self, t: u32) -> Option<()> {
        self.place(t);
        loop {
            if self.meter.lost() {
                return None;
            }
            // Whatever was put there has its inputs; that it has is looked at once more, as an order
            // must be valid above all.
            if let Some(t) = self.eager.pop() {
                if self.todo(t) && self.tasks[t as usize].pending == 0 {
                    self.place(t);
                }
            } else if let Some(end) = self.lacking.pop() {
                if self.todo(end) && self.tasks[end as usize].pending == 1 {
                    self.chain(end);
                }
            } else {
                return Some(());
            }
        }
    }

    fn place(&mut self, t: u32) {
        let dag = self.dag;
        let readers = self.readers;
        self.tasks[t as usize].position = self.next;
        self.next += 1;
        self.meter.born(dag.weight(t));
        for &d in dag.deps_of(t) {
            self.tasks[d as usize].left -= 1;
            match self.tasks[d as usize].left {
                0 => self.meter.dies(d, dag.weight(d)),
                1 => {
                    let r = self.first_reader(d);
                    if self.tasks[r as usize].pending == 0 && self.gains(r, d) {
                        self.eager.push(r);
                    }
                }
                _ => {}
            }
        }
        let left = self.tasks[t as usize].left;
        if left == 0 {
            self.meter.dies(t, dag.weight(t));
            return;
        }
        self.remember(t);
        if self.policy.gathers && left == 1 && !dag.deps_of(t).is_empty() {
            let waits = &mut self.waiting[readers.of(t)[0] as usize];
            *waits = waits.saturating_sub(1);
        }
        for &r in readers.of(t) {
            self.tasks[r as usize].pending -= 1;
            if self.policy.chains != Chains::Late && self.tasks[r as usize].pending == 1 {
                self.lacking.push(r);
            }
        }
        for &r in readers.of(t) {
            if self.tasks[r as usize].pending == 0 && self.todo(r) {
                if self.frees(r) {
                    self.eager.push(r);
                } else if self.policy.gathers && self.tasks[r as usize].left == 1 {
                    self.gather(readers.of(r)[0]);
                }
            }
        }
        if self.policy.finishes && left > 1 {
            self.finish(t);
        }
    }

    /// Adds `t` to the chunks alive; the dead are dropped before room is made for more.
    fn remember(&mut self, t: u32) {
        let room = self.recent.capacity();
        if self.recent.len() == room {
            let tasks = &self.tasks;
            self.recent.retain(|&c| tasks[c as usize].left > 0);
            if self.recent.len() > room / 2 {
                self.recent.reserve(room);
            }
        }
        self.recent.push(t);
    }

    /// The first reader of `d` that has not run. One must be left.
    fn first_reader(&mut self, d: u32) -> u32 {
        let mut at = self.tasks[d as usize].cursor;
        while !self.todo(self.readers.at(at)) {
            at += 1;
        }
        self.tasks[d as usize].cursor = at;
        self.readers.at(at)
    }

    /// Whether `t` frees at least what it makes.
    fn frees(&self, t: u32) -> bool {
        let mut dying = self
            .dag
            .deps_of(t)
            .iter()
            .filter(|&&d| self.tasks[d as usize].left == 1);
        if self.dag.bytes.is_empty() {
            return dying.next().is_some();
        }
        dying.map(|&d| self.dag.weight(d)).sum::<u64>() >= self.dag.weight(t)
    }

    /// Whether `t` frees at least what it makes, now that it is the last reader of `d`. Of a task
    /// with many inputs only `d` is looked at, as this is asked once for each of them.
    fn gains(&self, t: u32, d: u32) -> bool {
        self.dag.weight(d) >= self.dag.weight(t) || self.dag.deps_of(t).len() <= 32 && self.frees(t)
    }

    /// A task that reads a chunk alive, by [`Next`].
    fn goal(&mut self) -> Option<u32> {
        let window = match self.policy.next {
            Next::Output => return None,
            Next::Newest => 1,
            Next::Dying if self.dag.len() <= 1 << 16 => 64,
            Next::Dying => 8,
        };
        let mut best = None;
        let mut seen = 0;
        let mut i = self.recent.len();
        while i > 0 && seen < window {
            i -= 1;
            let c = self.recent[i];
            let left = self.tasks[c as usize].left;
            if left == 0 {
                self.recent.remove(i);
                continue;
            }
            seen += 1;
            self.first_reader(c);
            let from = self.tasks[c as usize].cursor;
            for at in from..self.readers.end(c).min(from + READERS) {
                let r = self.readers.at(at);
                if self.todo(r) {
                    // The last reader of a chunk first, then what lacks least.
                    let lacks = if left == 1 {
                        0
                    } else {
                        self.tasks[r as usize].pending
                    };
                    if best.is_none_or(|(key, _)| (lacks, left) < key) {
                        best = Some(((lacks, left), r));
                    }
                }
            }
        }
        best.map(|(_, r)| r)
    }
}

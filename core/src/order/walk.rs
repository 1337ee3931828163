//! The walk.
use super::Dag;
use super::readers::Readers;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Child {
    Listed,
    Reversed,
    NeedDesc,
    NeedDescRev,
    NeedAsc,
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum First {
    Listed,
    Small,
    Big,
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    Outputs,
    Recent,
    Fewest,
}
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    pub child: Child,
    pub goal: Goal,
    pub first: First,
    pub close: u8,
}

const TODO: u32 = u32::MAX;

/// Sethi–Ullman.
pub(super) fn needs(dag: &Dag<'_>, readers: &Readers) -> Vec<u32> {
    let n = dag.len();
    let mut need = vec![1u32; n];
    let mut pending: Vec<u32> = (0..n as u32).map(|t| dag.deps_of(t).len() as u32).collect();
    let mut stack: Vec<u32> = (0..n as u32)
        .filter(|&t| pending[t as usize] == 0)
        .collect();
    let mut kids = Vec::new();
    while let Some(t) = stack.pop() {
        kids.clear();
        kids.extend(dag.deps_of(t).iter().map(|&d| need[d as usize]));
        kids.sort_unstable_by(|a, b| b.cmp(a));
        need[t as usize] = kids
            .iter()
            .enumerate()
            .map(|(i, &k)| i as u32 + k)
            .max()
            .unwrap_or(0)
            .max(kids.len() as u32 + 1);
        for &r in readers.of(t) {
            pending[r as usize] -= 1;
            if pending[r as usize] == 0 {
                stack.push(r);
            }
        }
    }
    need
}

struct State<'a> {
    dag: &'a Dag<'a>,
    readers: &'a Readers,
    pending: Vec<u32>,
    left: Vec<u32>,
    position: Vec<u32>,
    next: u32,
    eager: Vec<u32>,
    chains: Vec<u32>,
    chain: bool,
    waiting: Vec<u32>,
    recent: Vec<u32>,
}

impl State<'_> {
    fn ready(&self, t: u32) -> bool {
        self.position[t as usize] == TODO && self.pending[t as usize] == 0
    }
    fn gains(&self, t: u32) -> bool {
        self.dag
            .deps_of(t)
            .iter()
            .any(|&d| self.left[d as usize] == 1)
    }
    fn run(&mut self, t: u32) {
        self.place(t);
        loop {
            if let Some(t) = self.eager.pop() {
                if self.position[t as usize] == TODO {
                    self.place(t);
                }
                continue;
            }
            let Some(end) = self.chains.pop() else { break };
            if self.position[end as usize] == TODO && self.pending[end as usize] == 1 {
                self.try_chain(end);
            }
        }
    }
    /// `end` lacks one input; if the tasks up to it need nothing else and it frees more than they add, run them.
    fn try_chain(&mut self, end: u32) {
        let mut links = [0u32; 8];
        let mut made = 1;
        let mut at = end;
        for i in 0..8 {
            let Some(&d) = self
                .dag
                .deps_of(at)
                .iter()
                .find(|&&d| self.position[d as usize] == TODO)
            else {
                return;
            };
            links[i] = d;
            made += usize::from(self.left[d as usize] > 1);
            match self.pending[d as usize] {
                0 => {
                    let freed = self
                        .dag
                        .deps_of(end)
                        .iter()
                        .filter(|&&d| self.left[d as usize] == 1)
                        .count();
                    if freed >= made {
                        self.eager.push(end);
                        self.eager.extend(&links[..=i]);
                    }
                    return;
                }
                1 => at = d,
                _ => return,
            }
        }
    }
    fn place(&mut self, t: u32) {
        self.position[t as usize] = self.next;
        self.next += 1;
        if self.left[t as usize] > 0 {
            self.recent.push(t);
        }
        for &d in self.dag.deps_of(t) {
            self.left[d as usize] -= 1;
            if self.left[d as usize] == 1 {
                if let Some(&r) = self
                    .readers
                    .of(d)
                    .iter()
                    .find(|&&r| self.position[r as usize] == TODO)
                {
                    if self.ready(r) {
                        self.eager.push(r);
                    }
                }
            }
        }
        if !self.waiting.is_empty() && self.left[t as usize] == 1 && !self.dag.deps_of(t).is_empty()
        {
            let w = &mut self.waiting[self.readers.of(t)[0] as usize];
            *w = w.saturating_sub(1);
        }
        for &r in self.readers.of(t) {
            self.pending[r as usize] -= 1;
            if self.chain && self.pending[r as usize] == 1 {
                self.chains.push(r);
            }
        }
        for &r in self.readers.of(t) {
            if self.ready(r) {
                if self.gains(r) {
                    self.eager.push(r);
                } else if !self.waiting.is_empty() && self.left[r as usize] == 1 {
                    let end = self.readers.of(r)[0];
                    self.waiting[end as usize] += 1;
                    if self.waiting[end as usize] == self.pending[end as usize] {
                        self.eager.push(end);
                        self.eager.extend(
                            self.dag
                                .deps_of(end)
                                .iter()
                                .copied()
                                .filter(|&d| self.position[d as usize] == TODO),
                        );
                    }
                }
            }
        }
    }
}

pub(super) fn walk(dag: &Dag<'_>, readers: &Readers, need: &[u32], policy: Policy) -> Vec<u32> {
    let n = dag.len();
    let mut s = State {
        dag,
        readers,
        pending: (0..n as u32).map(|t| dag.deps_of(t).len() as u32).collect(),
        left: (0..n as u32).map(|t| readers.of(t).len() as u32).collect(),
        position: vec![TODO; n],
        next: 0,
        eager: Vec::new(),
        chains: Vec::new(),
        chain: policy.close & 1 != 0,
        waiting: vec![0; if policy.close & 2 != 0 { n } else { 0 }],
        recent: Vec::new(),
    };
    let mut outputs: Vec<u32> = (0..n as u32)
        .filter(|&t| readers.of(t).is_empty())
        .collect();
    match policy.first {
        First::Listed => {}
        First::Small => outputs.sort_by_key(|&t| need[t as usize]),
        First::Big => outputs.sort_by_key(|&t| std::cmp::Reverse(need[t as usize])),
    }
    let mut outputs = outputs.into_iter();
    let mut stack: Vec<u32> = Vec::new();
    let mut expanded = vec![false; n];
    let mut kids = Vec::new();
    loop {
        let Some(t) = stack.pop() else {
            let goal = match policy.goal {
                Goal::Outputs => outputs.next(),
                _ => next_recent(&mut s, policy).or_else(|| outputs.next()),
            };
            let Some(goal) = goal else { break };
            stack.push(goal);
            continue;
        };
        if s.position[t as usize] != TODO {
            continue;
        }
        if s.pending[t as usize] == 0 {
            s.run(t);
            continue;
        }
        if std::mem::replace(&mut expanded[t as usize], true) {
            continue;
        }
        stack.push(t);
        kids.clear();
        kids.extend(
            dag.deps_of(t)
                .iter()
                .copied()
                .filter(|&d| s.position[d as usize] == TODO),
        );
        match policy.child {
            Child::Listed => {}
            Child::Reversed => kids.reverse(),
            Child::NeedDesc => kids.sort_by_key(|&d| std::cmp::Reverse(need[d as usize])),
            Child::NeedDescRev => {
                kids.reverse();
                kids.sort_by_key(|&d| std::cmp::Reverse(need[d as usize]));
            }
            Child::NeedAsc => kids.sort_by_key(|&d| need[d as usize]),
        }
        stack.extend(kids.iter().rev());
    }
    s.position
}

fn next_recent(s: &mut State<'_>, policy: Policy) -> Option<u32> {
    while let Some(&t) = s.recent.last() {
        if s.left[t as usize] == 0 {
            s.recent.pop();
            continue;
        }
        let scan = if policy.goal == Goal::Fewest { 64 } else { 1 };
        return s
            .recent
            .iter()
            .rev()
            .take(scan)
            .filter(|&&c| s.left[c as usize] > 0)
            .filter_map(|&c| {
                let r = s
                    .readers
                    .of(c)
                    .iter()
                    .copied()
                    .filter(|&r| s.position[r as usize] == TODO)
                    .min_by_key(|&r| s.pending[r as usize])?;
                let left = s.left[c as usize];
                Some((if left == 1 { 0 } else { s.pending[r as usize] }, left, r))
            })
            .min_by_key(|&(p, l, _)| (p, l))
            .map(|x| x.2);
    }
    None
}

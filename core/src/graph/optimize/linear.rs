//! Linear fusion: chains of tasks in which each is read by the next alone run as one task.
//!
//! A task joins its reader if it is the only thing that the reader waits for: the reader's other inputs must be values at hand.
//! So no two tasks that could run beside each other are put behind each other. The first task of a chain may read anything; if it reads pieces,
//! the others read nothing but what comes before them in the chain.
//! A fused task holds what its longest step holds; its projected bytes are those of its last result.

use std::collections::HashMap;

use super::Classes;
use crate::graph::expand::TaskGraph;
use crate::operator::OpRef;
use crate::operator::program::{Arg, Program, Step};

const NONE: u32 = u32::MAX;
const MANY: u32 = u32::MAX - 1;

/// Fuses all chains; tasks that are not part of one stay as they are.
pub(super) fn fuse(g: TaskGraph) -> TaskGraph {
    let Some(next) = links(&g) else { return g };
    match rebuild(&g, &next) {
        Some(fused) => fused,
        None => g,
    }
}

/// For each task the reader that it joins, or `NONE`; nothing at all if no task joins any.
fn links(g: &TaskGraph) -> Option<Vec<u32>> {
    let n = g.len();
    let mut fixed = vec![false; n];
    g.outputs.iter().for_each(|&t| fixed[t as usize] = true);
    let mut data = vec![false; if g.data.is_empty() { 0 } else { n }];
    for (t, _) in &g.data {
        fixed[*t as usize] = true;
        data[*t as usize] = true;
    }
    let at_hand = |t: u32| data.get(t as usize).copied().unwrap_or(false);
    // The only reader of each task.
    let mut reader = vec![NONE; n];
    for t in 0..n as u32 {
        for &d in g.deps(t) {
            let r = &mut reader[d as usize];
            *r = if *r == NONE || *r == t { t } else { MANY };
        }
    }
    let classes = Classes::new(g);
    let mut any = false;
    for t in 0..n as u32 {
        let r = reader[t as usize];
        let joins = r != NONE
            && r != MANY
            && !fixed[t as usize]
            && g.piece(r).is_none()
            && g.deps(r).iter().all(|&d| d == t || at_hand(d))
            && classes.of(t) == classes.of(r);
        reader[t as usize] = if joins { r } else { NONE };
        any |= joins;
    }
    if g.has_pieces() {
        cut_behind_pieces(g, &mut reader);
    }
    any.then_some(reader)
}

/// A fused task is given its piece of everything that it reads, so no other step of it may read anything of its own.
fn cut_behind_pieces(g: &TaskGraph, reader: &mut [u32]) {
    for first in (0..g.len() as u32).filter(|&t| g.piece(t).is_some()) {
        let mut at = first;
        while reader[at as usize] != NONE {
            let next = reader[at as usize];
            if g.deps(next).iter().any(|&d| d != at) {
                reader[at as usize] = NONE;
                break;
            }
            at = next;
        }
    }
}

fn rebuild(g: &TaskGraph, next: &[u32]) -> Option<TaskGraph> {
    let n = g.len();
    // The task that each reader takes in.
    let mut before = vec![NONE; n];
    for (t, &r) in next.iter().enumerate() {
        if r != NONE {
            before[r as usize] = t as u32;
        }
    }
    let kept = next.iter().filter(|&&r| r == NONE).count();
    let mut new = TaskGraph {
        ops: g.ops.clone(),
        op: Vec::with_capacity(kept),
        layer: Vec::with_capacity(kept),
        local: Vec::with_capacity(kept),
        block: Vec::with_capacity(kept),
        dep_off: Vec::with_capacity(kept + 1),
        bytes: Vec::with_capacity(kept),
        layers: g.layers.clone(),
        ..TaskGraph::default()
    };
    new.dep_off.push(0);
    let mut number = vec![NONE; n];
    let mut programs = Programs::default();
    let mut chain: Vec<u32> = Vec::new();
    let mut inputs: Vec<u32> = Vec::new();
    for last in (0..n as u32).filter(|&t| next[t as usize] == NONE) {
        number[last as usize] = new.op.len() as u32;
        let i = last as usize;
        new.layer.push(g.layer[i]);
        new.local.push(g.local[i]);
        new.block.push(g.block[i]);
        new.bytes.push(g.bytes[i]);
        if before[i] == NONE {
            new.op.push(g.op[i]);
            new.push_piece(g.piece(last));
            new.deps.extend_from_slice(g.deps(last));
        } else {
            chain.clear();
            let mut t = last;
            while t != NONE {
                chain.push(t);
                t = before[t as usize];
            }
            chain.reverse();
            new.op
                .push(programs.of(g, &chain, &mut new.ops, &mut inputs)?);
            new.push_piece(chain.first().and_then(|&first| g.piece(first)));
            new.deps.extend_from_slice(&inputs);
        }
        new.dep_off.push(new.deps.len() as u32);
    }
    // Only last tasks of chains are read from outside, so each has its number.
    new.deps.iter_mut().for_each(|d| *d = number[*d as usize]);
    new.outputs = g.outputs.iter().map(|&t| number[t as usize]).collect();
    new.data = g
        .data
        .iter()
        .map(|(t, d)| (number[*t as usize], d.clone()))
        .collect();
    Some(new)
}

/// Programs by what they run, so that a thousand equal chains share one operator.
#[derive(Default)]
struct Programs {
    known: HashMap<Vec<u32>, u32>,
    words: Vec<u32>,
}

impl Programs {
    /// The operator of a chain as a number into `ops`; what it reads is left in `inputs`.
    fn of(
        &mut self,
        g: &TaskGraph,
        chain: &[u32],
        ops: &mut Vec<OpRef>,
        inputs: &mut Vec<u32>,
    ) -> Option<u32> {
        let last = *chain.last()?;
        let words = &mut self.words;
        words.clear();
        inputs.clear();
        for (i, &t) in chain.iter().enumerate() {
            let deps = g.deps(t);
            words.extend([g.op[t as usize], deps.len() as u32]);
            for &d in deps {
                if i > 0 && d == chain[i - 1] {
                    words.push(NONE);
                } else {
                    words.push(inputs.len() as u32);
                    inputs.push(d);
                }
            }
            // Blocks count only where they are asked for and differ from that of the task.
            let own = g.op(t).traits().uses_block && g.block(t) != g.block(last);
            words.push(if own { g.block(t) } else { NONE });
        }
        if let Some(&op) = self.known.get(words) {
            return Some(op);
        }
        let op = OpRef::program(program(g, chain, words)?);
        ops.push(op);
        let number = ops.len() as u32 - 1;
        self.known.insert(words.clone(), number);
        Some(number)
    }
}

/// The program that `words` describe.
fn program(g: &TaskGraph, chain: &[u32], words: &[u32]) -> Option<Program> {
    let mut rest = words;
    let mut steps = Vec::with_capacity(chain.len());
    for (i, &t) in chain.iter().enumerate() {
        let deps = *rest.get(1)? as usize;
        let args = rest.get(2..2 + deps)?.iter().map(|&w| match w {
            NONE => Arg::Step(i as u32 - 1),
            input => Arg::Input(input),
        });
        let block = *rest.get(2 + deps)?;
        steps.push(Step {
            op: g.op(t).clone(),
            args: args.collect(),
            block: None,
            fixed_block: (block != NONE).then_some(u64::from(block)),
        });
        rest = &rest[3 + deps..];
    }
    Program::new(steps).ok()
}

//! Common subexpressions among tasks: those that run the same pure operator on the same inputs become one, and tasks that
//! nothing wanted reads go.
//!
//! Layers of equal content are one already when a [`Graph`](crate::Graph) is made; this finds equal tasks *inside* explicit lists.
//! It numbers values as compilers do (local value numbering), rather than trusting content keys alone: a key knows nothing of an
//! impure operator further up, whose two results differ.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::Classes;
use crate::base::key::{KeyHasher, KeyMap};
use crate::graph::expand::TaskGraph;

const DEAD: u32 = u32::MAX;

/// Merges equal tasks and drops dead ones.
pub(super) fn merge(g: TaskGraph) -> TaskGraph {
    let n = g.len() as u32;
    // Kinds of third parties may number tasks before what they read; such graphs are left alone.
    if (0..n).any(|t| g.deps(t).iter().any(|&d| d >= t)) {
        return g;
    }
    let twin = twins(&g);
    let mut live = vec![false; g.len()];
    g.outputs
        .iter()
        .for_each(|&t| live[twin[t as usize] as usize] = true);
    for t in (0..n).rev().filter(|&t| twin[t as usize] == t) {
        if live[t as usize] {
            g.deps(t)
                .iter()
                .for_each(|&d| live[twin[d as usize] as usize] = true);
        }
    }
    if live.iter().all(|&l| l) {
        return g;
    }
    keep(&g, &twin, &live)
}

/// For each task the first one that is equal to it, perhaps itself.
fn twins(g: &TaskGraph) -> Vec<u32> {
    let n = g.len();
    let classes = Classes::new(g);
    let mut twin: Vec<u32> = (0..n as u32).collect();
    let mut data: KeyMap<u32> = KeyMap::default();
    // What is wanted keeps its key; of the rest only the content counts.
    let mut wanted = vec![false; n];
    g.outputs.iter().for_each(|&t| wanted[t as usize] = true);
    let mut values = g.data.iter().map(|d| d.0).peekable();
    let mut first: HashMap<u64, u32, BuildHasherDefault<KeyHasher>> =
        HashMap::with_capacity_and_hasher(n, BuildHasherDefault::default());
    for t in 0..n as u32 {
        if values.next_if_eq(&t).is_some() {
            twin[t as usize] = *data.entry(g.key(t)).or_insert(t);
            continue;
        }
        let traits = g.op(t).traits();
        if !traits.pure {
            continue;
        }
        let block = if traits.uses_block { g.block(t) } else { 0 };
        // The number of inputs first, and never 0: operator 0 on tasks 2 and 0 must not look like operator 2 on none.
        let mut hash = mix(0, g.deps(t).len() as u64 + 1);
        hash = mix(hash, u64::from(g.op[t as usize]));
        hash = mix(hash, u64::from(block) << 32 | u64::from(classes.of(t)));
        if let Some(piece) = g.piece(t) {
            hash = mix(hash, u64::from(piece.index) + 1);
        }
        for &d in g.deps(t) {
            hash = mix(hash, u64::from(twin[d as usize]));
        }
        let there = *first.entry(hash ^ hash >> 32).or_insert(t);
        if there != t
            && equal(g, &classes, &twin, there, t)
            && (!wanted[t as usize] || g.key(there) == g.key(t))
        {
            twin[t as usize] = there;
        }
    }
    twin
}

/// One round of a multiplicative hash; equality is checked afterwards, so a collision only costs a merge.
fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whether `b` is `a` again, annotations included.
fn equal(g: &TaskGraph, classes: &Classes<'_>, twin: &[u32], a: u32, b: u32) -> bool {
    let inputs = |t: u32| g.deps(t).iter().map(|&d| twin[d as usize]);
    g.op[a as usize] == g.op[b as usize]
        && (!g.op(a).traits().uses_block || g.block(a) == g.block(b))
        && g.piece(a) == g.piece(b)
        && inputs(a).eq(inputs(b))
        && classes.of(a) == classes.of(b)
}

/// The live tasks alone.
fn keep(g: &TaskGraph, twin: &[u32], live: &[bool]) -> TaskGraph {
    let mut new = TaskGraph {
        ops: g.ops.clone(),
        layers: g.layers.clone(),
        dep_off: vec![0],
        ..TaskGraph::default()
    };
    let mut number = vec![DEAD; g.len()];
    for t in (0..g.len()).filter(|&t| live[t]) {
        number[t] = new.op.len() as u32;
        new.op.push(g.op[t]);
        new.layer.push(g.layer[t]);
        new.local.push(g.local[t]);
        new.block.push(g.block[t]);
        new.bytes.push(g.bytes[t]);
        new.push_piece(g.piece(t as u32));
        let deps = g.deps(t as u32).iter();
        new.deps
            .extend(deps.map(|&d| number[twin[d as usize] as usize]));
        new.dep_off.push(new.deps.len() as u32);
    }
    let renumber = |t: u32| number[twin[t as usize] as usize];
    new.outputs = g.outputs.iter().map(|&t| renumber(t)).collect();
    let kept = g.data.iter().filter(|d| live[d.0 as usize]);
    new.data = kept
        .map(|(t, d)| (number[*t as usize], d.clone()))
        .collect();
    new
}

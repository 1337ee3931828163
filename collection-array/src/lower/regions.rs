//! Which nodes of an expression are written down as chunks, and which are computed on the way.

use std::sync::Arc;

use kvern_core::key::KeyMap;

use crate::expr::cost::{CHEAP, cost};
use crate::expr::{Expr, Node};

/// A region computes at most so many steps: its registers must stay in the first-level cache.
const MOST_STEPS: usize = 96;

/// The nodes of an expression, each once, and where each is computed.
pub(crate) struct Regions {
    /// Each after what it reads; the root is last.
    pub(crate) nodes: Vec<Arc<Expr>>,
    /// For each node, what it reads as numbers into `nodes`.
    pub(crate) args: Vec<Vec<usize>>,
    /// Whether the chunks of a node are written down; else every region that reads it computes it.
    pub(crate) kept: Vec<bool>,
}

/// Who reads a node.
#[derive(Clone, Copy, PartialEq)]
enum Readers {
    None,
    /// One region only.
    One(usize),
    /// Several regions, each of which could compute it.
    Many,
    /// Somebody needs its chunks.
    Chunks,
}

impl Regions {
    /// Equal nodes (same key) are one: this is where common subexpressions meet.
    pub(crate) fn new(root: &Arc<Expr>) -> Self {
        let (nodes, args) = topological(root);
        let chain = chains(&nodes, &args);
        let mut readers = vec![Readers::None; nodes.len()];
        let mut steps = vec![0usize; nodes.len()];
        let mut kept = vec![false; nodes.len()];
        let mut home = vec![usize::MAX; nodes.len()];
        if let Some(r) = readers.last_mut() {
            *r = Readers::Chunks;
        }
        for i in (0..nodes.len()).rev() {
            let e = &nodes[i];
            let cost = match &e.node {
                Node::Map(p) => Some(cost(p)),
                Node::Full(_) => Some(0),
                _ => None,
            };
            let absorbed = match (readers[i], cost) {
                (Readers::One(r), Some(c)) => {
                    // Computing a small operand once for each element that it is broadcast to is work done over and over.
                    let fits = e.size() >= region_size(&nodes, r) || c <= CHEAP;
                    let ops = n_ops(e);
                    let room = steps[r] + ops <= MOST_STEPS;
                    if fits && room {
                        steps[r] += ops;
                        home[i] = r;
                    }
                    fits && room
                }
                (Readers::Many, Some(_)) => chain[i] <= CHEAP,
                _ => false,
            };
            if !absorbed {
                kept[i] = true;
                home[i] = i;
                steps[i] = n_ops(e);
            }
            let reader = match e.node {
                Node::Map(_) if home[i] == usize::MAX => Readers::Many,
                Node::Map(_) | Node::Reduce { .. } => Readers::One(home[i]),
                _ => Readers::Chunks,
            };
            for &a in &args[i] {
                readers[a] = match (readers[a], reader) {
                    (Readers::None, r) => r,
                    (Readers::One(a), Readers::One(b)) if a == b => Readers::One(a),
                    (Readers::Chunks, _) | (_, Readers::Chunks) => Readers::Chunks,
                    _ => Readers::Many,
                };
            }
        }
        Self { nodes, args, kept }
    }

    /// The nodes that region `root` computes besides itself, and the kept ones that it reads, each in topological order.
    pub(crate) fn members(&self, root: usize) -> (Vec<usize>, Vec<usize>) {
        let mut inside = Vec::new();
        let mut leaves = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut stack = self.args[root].clone();
        while let Some(n) = stack.pop() {
            if !seen.insert(n) {
                continue;
            }
            if self.kept[n] {
                leaves.push(n);
            } else {
                inside.push(n);
                stack.extend(&self.args[n]);
            }
        }
        inside.sort_unstable();
        leaves.sort_unstable();
        (inside, leaves)
    }
}

/// Elements over which a region's program runs.
fn region_size(nodes: &[Arc<Expr>], root: usize) -> usize {
    match &nodes[root].node {
        Node::Reduce { .. } => nodes[root].args[0].size(),
        _ => nodes[root].size(),
    }
}

/// For each elementwise node, what computing it from the nearest other nodes below it costs.
fn chains(nodes: &[Arc<Expr>], args: &[Vec<usize>]) -> Vec<usize> {
    let mut chain = vec![0usize; nodes.len()];
    for (i, e) in nodes.iter().enumerate() {
        if let Node::Map(p) = &e.node {
            let below = args[i].iter().map(|&a| chain[a]);
            chain[i] = below.fold(cost(p), usize::saturating_add);
        }
    }
    chain
}

fn n_ops(e: &Expr) -> usize {
    match &e.node {
        Node::Map(p) => p.n_ops(),
        _ => 0,
    }
}

/// Every node once, each after what it reads, without recursion.
fn topological(root: &Arc<Expr>) -> (Vec<Arc<Expr>>, Vec<Vec<usize>>) {
    let mut number: KeyMap<usize> = KeyMap::default();
    let mut nodes: Vec<Arc<Expr>> = Vec::new();
    let mut args: Vec<Vec<usize>> = Vec::new();
    let mut stack: Vec<(&Arc<Expr>, usize)> = vec![(root, 0)];
    while let Some((e, next)) = stack.pop() {
        if number.contains_key(&e.key) {
            continue;
        }
        if let Some(arg) = e.args.get(next) {
            stack.push((e, next + 1));
            stack.push((arg, 0));
            continue;
        }
        number.insert(e.key, nodes.len());
        args.push(
            e.args
                .iter()
                .filter_map(|a| number.get(&a.key).copied())
                .collect(),
        );
        nodes.push(e.clone());
    }
    (nodes, args)
}

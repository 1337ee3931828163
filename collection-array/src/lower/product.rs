//! The tasks of matrix products.
//!
//! An output block is a sum over pairs of blocks. One task takes as many pairs as leave every thread some work, adding up in its
//! own buffer; the sums of several tasks are then added. `xᵀ·x` is symmetric: blocks below the diagonal are views of those above,
//! and a block on it is computed by half.

use std::sync::Arc;

use kvern_core::layer::{Edge, OpIndex, TaskId};
use kvern_core::{Grid, Layer, Result, TaskList};

use crate::expr::{Expr, Node};
use crate::ops::product::{Factors, add_blocks_op, product_op};
use crate::ops::view::view_op;

/// Pairs of blocks that one task multiplies at most.
const MOST_PAIRS: usize = 16;

/// Tasks that there should be at least, as far as there are pairs for them.
const LEAST_TASKS: usize = 16;

/// Partial sums that one task adds.
const FAN_IN: usize = 8;

/// The array whose transpose times itself `a·b` is, if it is that.
pub(super) fn gram_of<'a>(a: &Expr, b: &'a Arc<Expr>) -> Option<&'a Arc<Expr>> {
    let is = b.ndim() == 2
        && matches!(&a.node, Node::View(axes) if axes.as_slice() == [Some(1), Some(0)])
        && a.args[0].key == b.key;
    is.then_some(b)
}

/// Makes the tasks for one output block after another.
struct Builder {
    list: TaskList,
    pairs: OpIndex,
    add: OpIndex,
    /// Pairs a task.
    group: usize,
}

impl Builder {
    /// The sum over `pairs`, each given by the edges it reads: all left ones first.
    fn sum(&mut self, op: OpIndex, pairs: &[(Edge, Option<Edge>)], bytes: u64) -> TaskId {
        let mut parts: Vec<TaskId> = Vec::new();
        for some in pairs.chunks(self.group) {
            let left = some.iter().map(|p| p.0);
            let right = some.iter().filter_map(|p| p.1);
            let edges: Vec<Edge> = left.chain(right).collect();
            let task = self.list.task_with(op, edges);
            self.list.project(task, bytes);
            parts.push(task);
        }
        while parts.len() > 1 {
            parts = parts
                .chunks(FAN_IN)
                .map(|some| match some {
                    [one] => *one,
                    more => {
                        let task = self.list.task(self.add, more.iter().copied());
                        self.list.project(task, bytes);
                        task
                    }
                })
                .collect();
        }
        parts[0]
    }
}

/// The layer of the product `e` of `a` and `b`, whose chunks along the summed axis agree.
pub(super) fn product(e: &Expr, a: &Expr, b: &Expr, inputs: Vec<Arc<Layer>>) -> Result<Arc<Layer>> {
    let inner = a.chunks[a.ndim() - 1].len();
    let mut list = TaskList::new();
    let pairs = list.op(product_op(e.dtype, Factors::Pairs)?);
    let add = list.op(add_blocks_op()?);
    let (grid, left, right) = (e.grid(), a.grid(), b.grid());
    let mut builder = Builder {
        list,
        pairs,
        add,
        group: group(grid.len(), inner),
    };
    let mut outputs = Vec::with_capacity(grid.len());
    let mut at = Vec::new();
    let bytes = e.block_bytes();
    for block in 0..grid.len() as u64 {
        grid.coords(block, &mut at);
        let n = at.len();
        let (batch, row, col) = (&at[..n - 2], at[n - 2], at[n - 1]);
        let edges: Vec<_> = (0..inner as u32)
            .map(|k| {
                (
                    edge(0, &left, batch, row, k),
                    Some(edge(1, &right, batch, k, col)),
                )
            })
            .collect();
        let op = builder.pairs;
        outputs.push(builder.sum(op, &edges, bytes.of(&grid, block)));
    }
    Ok(Layer::new(builder.list.into_kind(outputs), inputs))
}

/// The layer of `xᵀ·x`.
pub(super) fn gram(e: &Expr, x: &Expr, input: Arc<Layer>) -> Result<Arc<Layer>> {
    let (inner, n) = (x.chunks[0].len(), x.chunks[1].len() as u32);
    let mut list = TaskList::new();
    let pairs = list.op(product_op(e.dtype, Factors::TransposedPairs)?);
    let own = list.op(product_op(e.dtype, Factors::Own)?);
    let mirror = list.op(view_op(&[Some(1), Some(0)])?);
    let add = list.op(add_blocks_op()?);
    let (grid, from) = (e.grid(), x.grid());
    let above = (n as usize * (n as usize + 1)) / 2;
    let mut builder = Builder {
        list,
        pairs,
        add,
        group: group(above, inner),
    };
    let mut outputs: Vec<TaskId> = Vec::with_capacity(grid.len());
    let bytes = e.block_bytes();
    for i in 0..n {
        for j in 0..n {
            let here = bytes.of(&grid, u64::from(i) * u64::from(n) + u64::from(j));
            let task = if j < i {
                // Made already: its row came first.
                let task = builder.list.task(mirror, [outputs[(j * n + i) as usize]]);
                builder.list.project(task, here);
                task
            } else {
                let right = |k| (i != j).then(|| edge(0, &from, &[], k, j));
                let edges: Vec<_> = (0..inner as u32)
                    .map(|k| (edge(0, &from, &[], k, i), right(k)))
                    .collect();
                let op = if i == j { own } else { builder.pairs };
                builder.sum(op, &edges, here)
            };
            outputs.push(task);
        }
    }
    Ok(Layer::new(builder.list.into_kind(outputs), vec![input]))
}

/// Pairs a task, for so many output blocks of so many pairs each.
fn group(blocks: usize, pairs: usize) -> usize {
    (blocks * pairs / LEAST_TASKS).clamp(1, MOST_PAIRS)
}

/// The block of a factor: batch axes aligned at the last, those of length 1 at their only block.
fn edge(slot: u32, grid: &Grid, batch: &[u32], row: u32, col: u32) -> Edge {
    let own = grid.counts().len() - 2;
    let mut at: Vec<u32> = batch[batch.len() - own..].to_vec();
    for (c, &n) in at.iter_mut().zip(grid.counts()) {
        *c = (*c).min(n - 1);
    }
    at.extend([row, col]);
    Edge::Input {
        slot,
        output: grid.index(&at) as u32,
    }
}

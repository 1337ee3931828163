//! Blockwise fusion: layers of blocks that only one place reads, one block each, run inside the task that reads them.
//!
//! A group begins at a layer that stays (a blockwise layer or the chunk stage of a tree) and takes in, readers before what they
//! read, each blockwise layer that is not wanted itself, has the same annotations, is read by layers of this group alone, and
//! is read block by block in one way. That covers chains and diamonds such as `y + sin(y)`. Time is linear in the number of
//! arguments, and nothing recurses.

use super::group::{self, Group, stage};
use super::rewrite::rebuild;
use super::same_annotations;
use crate::graph::Graph;

/// A fused task may read this many blocks at once; beyond it, a layer is only taken in where that makes no more. All inputs of
/// a task are in memory together, so that a sum of a hundred arrays must not become one task of a hundred inputs.
pub const MAX_WIDTH: usize = 32;

/// Fuses until nothing changes: taking in a source makes room below the limit for what was refused before.
pub(super) fn fuse(mut graph: Graph) -> Graph {
    loop {
        let Some((fused, refused)) = once(&graph) else {
            return graph;
        };
        graph = fused;
        if !refused {
            return graph;
        }
    }
}

/// One round: the new graph and whether the limit kept something apart; `None` if there is nothing to fuse.
fn once(graph: &Graph) -> Option<(Graph, bool)> {
    let n = graph.layers.len();
    let mut wanted = vec![false; n];
    for (w, _) in &graph.wanted {
        wanted[*w as usize] = true;
    }
    let readers = readers(graph);
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: Vec<Option<u32>> = vec![None; n];
    let (mut refused, mut any) = (false, false);
    for i in (0..n).rev() {
        let layer = &graph.layers[i];
        let Some(stage) = stage(layer) else { continue };
        let home = readers.common(i, &group_of).filter(|&g| {
            let root = groups[g as usize].root as usize;
            stage.absorbable && !wanted[i] && same_annotations(&graph.layers[root], layer)
        });
        if let Some(g) = home {
            let group = &mut groups[g as usize];
            let root = group::stage(&graph.layers[group.root as usize])?.grid;
            if let [at] = group.patterns(i as u32)
                && at.grid == *stage.grid
                && at.arg(0).is_one_to_one(root)
            {
                let at = at.clone();
                let width = group.width_with(graph, i as u32, &stage, &at);
                if width <= MAX_WIDTH || width <= group.width() {
                    group.absorb(graph, i as u32, &stage, &at);
                    group_of[i] = Some(g);
                    any = true;
                    continue;
                }
                refused = true;
            }
        }
        group_of[i] = Some(groups.len() as u32);
        groups.push(Group::new(graph, i as u32, &stage));
    }
    if !any {
        return None;
    }
    let mut changes: Vec<_> = (0..n).map(|_| None).collect();
    for group in groups.into_iter().filter(Group::is_fused) {
        let root = group.root as usize;
        changes[root] = Some(group.change(graph)?);
    }
    Some((rebuild(graph, changes), refused))
}

/// For each layer, the layers that read it, as compressed rows.
struct Readers {
    offsets: Vec<u32>,
    rows: Vec<u32>,
}

impl Readers {
    /// The one group that all readers of a layer are in.
    fn common(&self, layer: usize, group_of: &[Option<u32>]) -> Option<u32> {
        let rows = &self.rows[self.offsets[layer] as usize..self.offsets[layer + 1] as usize];
        let first = group_of[*rows.first()? as usize]?;
        rows.iter()
            .all(|&r| group_of[r as usize] == Some(first))
            .then_some(first)
    }
}

fn readers(graph: &Graph) -> Readers {
    let n = graph.layers.len();
    let mut offsets = vec![0u32; n + 1];
    for &i in graph.inputs.iter().flatten() {
        offsets[i as usize + 1] += 1;
    }
    for i in 0..n {
        offsets[i + 1] += offsets[i];
    }
    let mut at = offsets.clone();
    let mut rows = vec![0u32; offsets[n] as usize];
    for (reader, inputs) in graph.inputs.iter().enumerate() {
        for &i in inputs {
            rows[at[i as usize] as usize] = reader as u32;
            at[i as usize] += 1;
        }
    }
    Readers { offsets, rows }
}

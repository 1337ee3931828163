//! Inlining: cheap sources (constants, coordinates) run inside each task that reads them instead of being kept for all.

use super::group::{Group, Pattern, stage};
use super::rewrite::rebuild;
use super::same_annotations;
use crate::base::blocks::AxisMap;
use crate::graph::Graph;

/// Puts blockwise sources whose operator is marked [`inline`](crate::OpTraits::inline) and pure into every blockwise layer or
/// chunk stage that reads single blocks of them under equal annotations. They stay for other readers, and if they are wanted.
pub(super) fn inline(graph: Graph) -> Graph {
    let cheap: Vec<bool> = graph
        .layers
        .iter()
        .map(|l| {
            stage(l).is_some_and(|s| {
                let t = s.op.traits();
                s.absorbable && s.args.is_empty() && t.inline && t.pure
            })
        })
        .collect();
    let mut changes: Vec<_> = graph.layers.iter().map(|_| None).collect();
    let mut any = false;
    for (i, inputs) in graph.inputs.iter().enumerate() {
        if !inputs.iter().any(|&j| cheap[j as usize]) {
            continue;
        }
        let Some(reader) = stage(&graph.layers[i]) else {
            continue;
        };
        let mut group = Group::new(&graph, i as u32, &reader);
        let mut sources: Vec<u32> = inputs.clone();
        sources.sort_unstable();
        sources.dedup();
        for j in sources {
            if !cheap[j as usize] || !same_annotations(&graph.layers[i], &graph.layers[j as usize])
            {
                continue;
            }
            let Some(source) = stage(&graph.layers[j as usize]) else {
                continue;
            };
            let single = |p: &Pattern| p.grid == *source.grid && !p.axes.contains(&AxisMap::All);
            let patterns = group.patterns(j).to_vec();
            for at in patterns.iter().filter(|p| single(p)) {
                group.absorb(&graph, j, &source, at);
            }
        }
        if group.is_fused() {
            match group.change(&graph) {
                Some(change) => changes[i] = Some(change),
                None => continue,
            }
            any = true;
        }
    }
    if any { rebuild(&graph, changes) } else { graph }
}

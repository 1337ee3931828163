//! Rebuilding a graph after its layers were changed: keys and annotations stay, what nothing reads any more goes.

use std::sync::Arc;

use crate::graph::Graph;
use crate::graph::layer::{Layer, LayerKind};

/// What a layer becomes: another kind with other inputs (numbers into the graph's layers).
pub(super) struct Change {
    pub(super) kind: Arc<dyn LayerKind>,
    pub(super) inputs: Vec<u32>,
}

/// The graph with those changes (one entry a layer).
pub(super) fn rebuild(graph: &Graph, mut changes: Vec<Option<Change>>) -> Graph {
    let n = graph.layers.len();
    let mut live = vec![false; n];
    for (w, _) in &graph.wanted {
        live[*w as usize] = true;
    }
    for i in (0..n).rev() {
        if !live[i] {
            continue;
        }
        let inputs = changes[i].as_ref().map_or(&graph.inputs[i], |c| &c.inputs);
        inputs.iter().for_each(|&j| live[j as usize] = true);
    }
    let mut new = Graph {
        layers: Vec::new(),
        inputs: Vec::new(),
        wanted: Vec::new(),
        conflict: None,
    };
    let mut number = vec![0u32; n];
    for i in (0..n).filter(|&i| live[i]) {
        let old = &graph.layers[i];
        let change = changes[i].take();
        let inputs: Vec<u32> = change
            .as_ref()
            .map_or(&graph.inputs[i], |c| &c.inputs)
            .iter()
            .map(|&j| number[j as usize])
            .collect();
        let layers: Vec<Arc<Layer>> = inputs
            .iter()
            .map(|&j| new.layers[j as usize].clone())
            .collect();
        let same = change.is_none()
            && layers
                .iter()
                .zip(old.inputs())
                .all(|(a, b)| Arc::ptr_eq(a, b));
        number[i] = new.layers.len() as u32;
        new.layers.push(if same {
            old.clone()
        } else {
            Arc::new(Layer::build(
                change.map_or_else(|| old.kind().clone(), |c| c.kind),
                layers,
                Some(old.key()),
                old.annotations().cloned(),
                old.meta().cloned(),
            ))
        });
        new.inputs.push(inputs);
    }
    new.wanted = graph
        .wanted
        .iter()
        .map(|(w, o)| (number[*w as usize], o.clone()))
        .collect();
    new
}

//! Content keys of a graph's wanted outputs, found when somebody asks: the graph is not expanded here.

use std::sync::Arc;

use kvern_core::{Graph, Key, Layer, Outputs};

/// Output numbers to keys.
pub(crate) struct Keys {
    /// The first output of each root, and what it wants.
    roots: Vec<(usize, Arc<Layer>, Outputs)>,
    outputs: usize,
}

impl Keys {
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut outputs = 0;
        let roots = graph
            .roots()
            .into_iter()
            .map(|root| {
                let first = outputs;
                outputs += root.len();
                (first, root.layer, root.outputs)
            })
            .collect();
        Self { roots, outputs }
    }

    /// The key of an output.
    ///
    /// # Panics
    /// If there is no such output.
    pub(crate) fn key(&self, output: u32) -> Key {
        let output = output as usize;
        assert!(
            output < self.outputs,
            "output {output} of {} wanted results",
            self.outputs
        );
        let at = self.roots.partition_point(|r| r.0 <= output) - 1;
        // Roots that want nothing share their first output with the next; the last of them is the one that has it.
        let (first, layer, outputs) = &self.roots[at];
        let nth = output - first;
        let nth = match outputs {
            Outputs::All => nth,
            Outputs::Only(list) => list[nth] as usize,
        };
        layer.task_key(layer.kind().output_task(nth))
    }
}

#[cfg(test)]
mod tests {
    use kvern_core::layer::Data;
    use kvern_core::{Root, TaskGraph, Value};

    use super::*;

    #[test]
    fn keys_are_those_of_the_expanded_graph() {
        let data = |n: u64| Layer::new(Data::values((0..n).map(Value::new).collect()), Vec::new());
        let (a, b, c) = (data(3), data(0), data(4));
        let only = Root {
            layer: c.clone(),
            outputs: Outputs::Only(vec![2, 0, 2]),
        };
        let graph = Graph::new(&[Root::all(&a), Root::all(&b), only, Root::all(&c)]);
        let keys = Keys::of(&graph);
        let tasks = TaskGraph::expand(&graph).unwrap();
        let expanded: Vec<Key> = tasks.outputs().iter().map(|&t| tasks.key(t)).collect();
        assert_eq!(keys.outputs, 10);
        let asked: Vec<Key> = (0..10).map(|o| keys.key(o)).collect();
        assert_eq!(asked, expanded);
    }
}

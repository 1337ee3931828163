//! Optimisation: rewrites that keep every wanted result and every annotation, and make fewer tasks of them.

use crate::expand::TaskGraph;
use crate::graph::Graph;

/// Which passes run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passes {
    /// Put cheap tasks into each of their readers.
    pub inline: bool,
    /// Run blockwise layers together with the blockwise layer that alone reads them.
    pub blockwise: bool,
    /// Run chains of tasks as one task.
    pub linear: bool,
    /// Tasks of equal content become one.
    pub common: bool,
}

impl Default for Passes {
    fn default() -> Self {
        Self {
            inline: true,
            blockwise: true,
            linear: false,
            common: false,
        }
    }
}

impl Passes {
    /// No pass at all: the graph runs as it was built.
    pub fn none() -> Self {
        Self {
            inline: false,
            blockwise: false,
            linear: false,
            common: false,
        }
    }
}

/// What a pass did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassReport {
    /// The pass.
    pub pass: &'static str,
    /// Tasks before it.
    pub before: u64,
    /// Tasks after it.
    pub after: u64,
}

/// The passes over layers.
pub fn symbolic(graph: Graph, _passes: &Passes) -> (Graph, Vec<PassReport>) {
    (graph, Vec::new())
}

/// The passes over expanded tasks.
pub fn tasks(tasks: TaskGraph, _passes: &Passes) -> (TaskGraph, Vec<PassReport>) {
    (tasks, Vec::new())
}

//! Optimisation: rewrites that keep every wanted result and every annotation, and make fewer tasks of them.

mod blockwise;
mod common;
mod group;
mod inline;
mod linear;
mod rewrite;

pub use blockwise::MAX_WIDTH;

use crate::base::error::Result;
use crate::base::key::KeyMap;
use crate::graph::Graph;
use crate::graph::expand::TaskGraph;
use crate::graph::layer::Layer;
use crate::graph::registry::{Extension, Registry};

/// Which passes run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passes {
    /// Put cheap sources into each of their readers (layers; on by default).
    pub inline: bool,
    /// Run blockwise layers together with the blockwise layers or trees that alone read them (layers; on by default).
    pub blockwise: bool,
    /// Run chains of tasks as one task (expanded tasks). Off by default: a chain would be retried, timed and shown as a whole.
    pub linear: bool,
    /// Tasks of equal content become one (expanded tasks). Off by default: layers of equal content are one already.
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

/// A rewrite by a collection that knows what its operators mean, of every graph before the passes of this crate. It is part of what the
/// graph means, and so not to be switched off: what a collection promises over several results of one run can only be kept here.
///
/// A session runs those of its registry: what linked crates register with [`register_graph_pass!`](crate::register_graph_pass), and what a
/// program adds with [`Registry::add`].
#[derive(Debug, Clone, Copy)]
pub struct GraphPass {
    /// What it is called in reports: `bag.once`.
    pub pass: &'static str,
    /// The crate that has it.
    pub source: &'static str,
    /// The graph that it makes, of which the wanted results and their keys are the same; `None`: it has nothing to do.
    pub run: fn(&Graph) -> Result<Option<Graph>>,
}

impl Extension for GraphPass {
    const WHAT: &'static str = "graph pass";

    fn name(&self) -> &str {
        self.pass
    }

    fn source(&self) -> &str {
        self.source
    }
}

inventory::collect!(GraphPass);

crate::register_kind!(|| inventory::iter::<GraphPass>().copied());

/// Registers a [`GraphPass`](crate::optimize::GraphPass) of this crate: its name in reports, and its function.
///
/// ```
/// use kvern_core::graph::Graph;
///
/// fn nothing(graph: &Graph) -> kvern_core::Result<Option<Graph>> {
///     Ok(None)
/// }
/// kvern_core::register_graph_pass!("mine.nothing", nothing);
/// ```
#[macro_export]
macro_rules! register_graph_pass {
    ($pass:expr, $run:expr) => {
        $crate::__private::inventory::submit! {
            $crate::optimize::GraphPass {
                pass: $pass,
                source: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                run: $run,
            }
        }
    };
}

/// The passes of collections that a registry knows, in the order of their names.
///
/// # Errors
/// What a collection cannot do in one run, in its words.
pub(crate) fn of_collections(
    mut graph: Graph,
    registry: &Registry,
) -> Result<(Graph, Vec<PassReport>)> {
    let mut reports = Vec::new();
    for pass in registry.all::<GraphPass>() {
        if let Some(after) = (pass.run)(&graph)? {
            reports.push(PassReport {
                pass: pass.pass,
                before: graph.tasks(),
                after: after.tasks(),
            });
            graph = after;
        }
    }
    Ok((graph, reports))
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

/// The passes over layers: [`Passes::inline`], then [`Passes::blockwise`]. No task is made; time is linear in layers and arguments.
pub fn symbolic(graph: Graph, passes: &Passes) -> (Graph, Vec<PassReport>) {
    let mut reports = Vec::new();
    let mut run = |on: bool, pass: &'static str, f: fn(Graph) -> Graph, graph: Graph| {
        if !on {
            return graph;
        }
        let before = graph.tasks();
        let graph = f(graph);
        reports.push(PassReport {
            pass,
            before,
            after: graph.tasks(),
        });
        graph
    };
    let graph = run(passes.inline, "inline", inline::inline, graph);
    let graph = run(passes.blockwise, "blockwise", blockwise::fuse, graph);
    (graph, reports)
}

/// The passes over expanded tasks: [`Passes::common`], then [`Passes::linear`]. Linear time, no recursion.
pub fn tasks(tasks: TaskGraph, passes: &Passes) -> (TaskGraph, Vec<PassReport>) {
    let mut reports = Vec::new();
    let mut run = |on: bool, pass: &'static str, f: fn(TaskGraph) -> TaskGraph, g: TaskGraph| {
        if !on {
            return g;
        }
        let before = g.len() as u64;
        let g = f(g);
        reports.push(PassReport {
            pass,
            before,
            after: g.len() as u64,
        });
        g
    };
    let tasks = run(passes.common, "common", common::merge, tasks);
    let tasks = run(passes.linear, "linear", linear::fuse, tasks);
    (tasks, reports)
}

/// Whether two layers are to be run in the same way.
fn same_annotations(a: &Layer, b: &Layer) -> bool {
    a.annotations() == b.annotations()
}

/// Tasks by how they are to be run: equal annotations, equal class.
struct Classes<'a> {
    tasks: &'a TaskGraph,
    /// By layer; empty if no layer is annotated.
    class: Vec<u32>,
}

impl<'a> Classes<'a> {
    fn new(tasks: &'a TaskGraph) -> Self {
        let mut known: KeyMap<u32> = KeyMap::default();
        let class = if tasks.is_annotated() {
            let mut of = |l: &std::sync::Arc<Layer>| {
                l.annotations().map_or(0, |a| {
                    let next = known.len() as u32 + 1;
                    *known.entry(a.key()).or_insert(next)
                })
            };
            tasks.layers.iter().map(&mut of).collect()
        } else {
            Vec::new()
        };
        Self { tasks, class }
    }

    fn of(&self, task: u32) -> u32 {
        let layer = self.tasks.layer[task as usize] as usize;
        self.class.get(layer).copied().unwrap_or(0)
    }
}

//! Pictures of graphs, as DOT for Graphviz and as SVG that needs nothing.
//!
//! A picture shows layers ([`Picture::of_graph`]) or single tasks ([`Picture::of_tasks`]), coloured by the static order: what runs
//! early is light, what runs late is dark.

mod layout;
mod svg;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::format_bytes;
use crate::graph::Graph;
use crate::graph::expand::TaskGraph;
use crate::graph::optimize::Passes;
use crate::graph::plan::Plan;
use crate::graph::registry::Registry;

/// Larger graphs make pictures that nobody can read.
const MOST_NODES: usize = 2000;

/// Graphs of at most so many tasks are drawn task by task unless something else is said.
const DRAWN_TASKS: u64 = 200;

/// A graph as boxes and arrows.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    nodes: Vec<Node>,
    /// `(read, reader)`.
    edges: Vec<(usize, usize)>,
}

#[derive(Debug, Clone)]
struct Node {
    lines: Vec<String>,
    /// 0 runs first, 1 last.
    shade: f64,
    wanted: bool,
}

impl Picture {
    /// One box a task, as optimised and in the static order, if there are few; else one a layer.
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn of(graph: Graph) -> Result<Self> {
        if graph.tasks() > DRAWN_TASKS {
            return Ok(Self::of_graph(&graph));
        }
        let plan = Plan::new(graph, Arc::new(Registry::linked()?), Passes::default())?;
        let prepared = plan.prepare()?;
        Self::of_tasks(&prepared.tasks, &prepared.position)
    }

    /// One box a layer.
    pub fn of_graph(graph: &Graph) -> Self {
        let last = graph.layers().len().saturating_sub(1).max(1) as f64;
        let nodes = graph.layers().iter().enumerate().map(|(i, l)| {
            let kind = l.kind();
            let op = kind.ops().first().map_or("data", |o| o.name());
            let mut lines = vec![
                op.to_owned(),
                format!(
                    "{}, {} tasks, {}",
                    kind.kind(),
                    kind.tasks(),
                    format_bytes(kind.total_bytes())
                ),
            ];
            if let Some(m) = l.meta() {
                lines.push(m.describe());
            }
            Node {
                lines,
                shade: i as f64 / last,
                wanted: graph.wanted().iter().any(|w| w.0 as usize == i),
            }
        });
        let nodes = nodes.collect();
        let edges = (0..graph.layers().len())
            .flat_map(|i| graph.inputs(i).iter().map(move |&d| (d as usize, i)))
            .collect();
        Self { nodes, edges }
    }

    /// One box a task; `position` is the static order.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] beyond 2,000 tasks.
    pub fn of_tasks(tasks: &TaskGraph, position: &[u32]) -> Result<Self> {
        if tasks.len() > MOST_NODES {
            return Err(Error::bad_input(format!(
                "{} tasks are too many to draw one by one (at most {MOST_NODES})",
                tasks.len()
            )));
        }
        let last = tasks.len().saturating_sub(1).max(1) as f64;
        let nodes = (0..tasks.len() as u32).map(|t| {
            let place = position.get(t as usize).copied().unwrap_or(t);
            let lines = vec![
                tasks.op(t).name().to_owned(),
                format!("step {place}, block {}", tasks.block(t)),
            ];
            Node {
                lines,
                shade: f64::from(place) / last,
                wanted: tasks.outputs().contains(&t),
            }
        });
        let nodes = nodes.collect();
        let edges = (0..tasks.len() as u32)
            .flat_map(|t| tasks.deps(t).iter().map(move |&d| (d as usize, t as usize)))
            .collect();
        Ok(Self { nodes, edges })
    }

    /// The picture in the DOT language of Graphviz.
    pub fn to_dot(&self) -> String {
        let mut out = String::from(
            "digraph kvern {\n  rankdir=BT;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n",
        );
        for (i, n) in self.nodes.iter().enumerate() {
            let label = n
                .lines
                .iter()
                .map(|l| l.replace('\\', "\\\\").replace('"', "\\\""))
                .collect::<Vec<_>>()
                .join("\\n");
            let pen = if n.wanted { 3 } else { 1 };
            let font = if svg::is_dark(n.shade) {
                "white"
            } else {
                "black"
            };
            let fill = svg::colour(n.shade);
            let _ = writeln!(
                out,
                "  n{i} [label=\"{label}\", fillcolor=\"{fill}\", fontcolor={font}, penwidth={pen}];"
            );
        }
        for (from, to) in &self.edges {
            let _ = writeln!(out, "  n{from} -> n{to};");
        }
        out + "}\n"
    }

    /// The picture as SVG.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// Writes the picture; the extension says how.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for an extension other than `.svg` and `.dot`, [`ErrorKind::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = match path.extension().and_then(|e| e.to_str()) {
            Some("svg") => self.to_svg(),
            Some("dot") => self.to_dot(),
            _ => {
                return Err(Error::bad_input(format!(
                    "{}: a picture is written as .svg or .dot",
                    path.display()
                )));
            }
        };
        std::fs::write(path, text).map_err(|e| {
            Error::with_source(
                ErrorKind::Io,
                format!("cannot write {}: {e}", path.display()),
                e,
            )
        })
    }
}

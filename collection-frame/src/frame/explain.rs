//! What is going to be done for a frame, for people.

use std::fmt::Write as _;

use datafusion::physical_plan::displayable;
use kvern_core::text::format_bytes;
use kvern_core::{Result, Session};

use super::Frame;
use crate::backend::engine_of;
use crate::cut;
use crate::engine::config;

impl Frame {
    /// The plan in four steps: as written, as optimised, as DataFusion would stream it, and as tasks with their projected bytes.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, lit};
    /// let words = sales.filter(col("day").eq(lit(1)))?.explain()?;
    /// assert!(words.contains("logical") && words.contains("optimised"), "{words}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What keeps it from being planned.
    pub fn explain(&self) -> Result<String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        self.explain_for(threads, None)
    }

    /// [`Frame::explain`] for the backend of a session.
    ///
    /// # Errors
    /// As [`Frame::explain`].
    pub fn explain_in(&self, session: &Session) -> Result<String> {
        let backend = session.describe();
        let mut out = self.explain_for(backend.threads, backend.memory_budget)?;
        if let Some(engine) = engine_of(session) {
            let (query, ..) = self.engine_query(engine.as_ref())?;
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "\nhanded to {}:// as a whole\n{}",
                backend.scheme,
                indent(&displayable(query.plan.as_ref()).indent(false).to_string())
            );
        }
        Ok(out)
    }

    fn explain_for(&self, threads: usize, memory: Option<u64>) -> Result<String> {
        let mut out = String::new();
        let n = self.wanted_partitions(threads);
        let knobs = self.local_knobs(threads, memory);
        let optimised = self.planning(config(knobs), &|state, plan| Ok(state.optimize(plan)))?;
        let physical = self.physical(knobs)?;
        let task_knobs = self.task_knobs(n);
        let lowered = cut::lower(&self.physical(task_knobs)?, task_knobs)?;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "logical\n{}\n",
            indent(&self.plan.display_indent().to_string())
        );
        let _ = writeln!(
            out,
            "optimised\n{}\n",
            indent(&optimised.display_indent().to_string())
        );
        let _ = writeln!(
            out,
            "one task, {n} threads\n{}\n",
            indent(&displayable(physical.as_ref()).indent(false).to_string())
        );
        let graph = kvern_core::Graph::new(&[kvern_core::Root::all(&lowered.cut.layer)]);
        let _ = writeln!(
            out,
            "tasks ({} in {} layers, {} projected)",
            graph.tasks(),
            graph.layers().len(),
            format_bytes(graph.total_bytes())
        );
        if let Some(why) = &lowered.whole {
            let _ = writeln!(out, "  one task runs all of it: {why}");
        }
        for (i, layer) in graph.layers().iter().enumerate() {
            let kind = layer.kind();
            let ops: Vec<String> = kind.ops().iter().map(kvern_core::OpRef::label).collect();
            let reads: Vec<String> = graph
                .inputs(i)
                .iter()
                .map(|j| format!("layer {j}"))
                .collect();
            let _ = write!(
                out,
                "  layer {i}: {} {}, {} tasks, {}",
                kind.kind(),
                ops.join(" + "),
                kind.tasks(),
                format_bytes(kind.total_bytes())
            );
            let _ = match reads.as_slice() {
                [] => writeln!(out),
                reads => writeln!(out, ", reads {}", reads.join(", ")),
            };
        }
        Ok(out)
    }
}

fn indent(words: &str) -> String {
    words
        .trim_end()
        .lines()
        .map(|l| format!("  {l}"))
        .collect::<Vec<_>>()
        .join("\n")
}

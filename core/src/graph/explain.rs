//! What a plan will do, in words: layers, passes, tasks, bytes, peak.

use std::fmt;

use crate::base::error::Result;
use crate::base::text::format_bytes;
use crate::graph::optimize::PassReport;
use crate::graph::plan::{Plan, Projection};

/// A plan explained; [`fmt::Display`] is the text for people.
#[derive(Debug, Clone)]
pub struct Explanation {
    layers: Vec<Line>,
    passes: Vec<PassReport>,
    projection: Projection,
    largest: String,
    budget: Option<u64>,
}

#[derive(Debug, Clone)]
struct Line {
    kind: &'static str,
    key: String,
    ops: String,
    tasks: usize,
    bytes: u64,
    reads: Vec<usize>,
    looks: String,
    label: String,
}

impl Plan {
    /// Explains the plan: its layers after the symbolic passes, what each pass did, and what running it takes. Expands the tasks
    /// but runs none. `budget`: memory in bytes that it is to fit, as far as there is one.
    ///
    /// # Errors
    /// What [`Plan::prepare`] finds.
    pub fn explain(&self, budget: Option<u64>) -> Result<Explanation> {
        let prepared = self.prepare()?;
        let graph = self.graph();
        let layers = graph.layers().iter().enumerate().map(|(i, l)| {
            let kind = l.kind();
            let mut ops: Vec<&str> = kind.ops().iter().map(|o| o.name()).collect();
            ops.dedup();
            Line {
                kind: kind.kind(),
                key: l.key().short(),
                ops: shorten(ops),
                tasks: kind.tasks(),
                bytes: kind.total_bytes(),
                reads: graph.inputs(i).iter().map(|&n| n as usize).collect(),
                looks: l.meta().map(|m| m.describe()).unwrap_or_default(),
                label: l
                    .annotations()
                    .and_then(|a| a.label.clone())
                    .unwrap_or_default(),
            }
        });
        let layers = layers.collect();
        let projection = prepared.project();
        let largest = if prepared.tasks.is_empty() {
            String::new()
        } else {
            prepared.tasks.op(projection.largest_task).label()
        };
        Ok(Explanation {
            layers,
            passes: prepared.reports,
            projection,
            largest,
            budget,
        })
    }
}

/// The first few operators of a layer: explicit layers may have thousands.
fn shorten(ops: Vec<&str>) -> String {
    const SHOWN: usize = 4;
    match ops.len() {
        0..=SHOWN => ops.join(", "),
        n => format!("{}, … {} more", ops[..SHOWN].join(", "), n - SHOWN),
    }
}

impl Explanation {
    /// What running the plan takes.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// What each pass did.
    pub fn passes(&self) -> &[PassReport] {
        &self.passes
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A graph of many one-task layers (delayed calls) is told by its ends.
        const SHOWN: usize = 30;
        writeln!(f, "layers ({}):", self.layers.len())?;
        let hidden = self.layers.len().saturating_sub(SHOWN);
        for (i, l) in self.layers.iter().enumerate() {
            if hidden > 0 && i == SHOWN / 2 {
                writeln!(f, "  … {hidden} more …")?;
            }
            if hidden > 0 && (SHOWN / 2..SHOWN / 2 + hidden).contains(&i) {
                continue;
            }
            let plural = if l.tasks == 1 { "task" } else { "tasks" };
            write!(
                f,
                "  {i:>3}  {} {}  {}  {} {plural}, {}",
                l.kind,
                l.key,
                l.ops,
                l.tasks,
                format_bytes(l.bytes)
            )?;
            if !l.looks.is_empty() {
                write!(f, "  -> {}", l.looks)?;
            }
            if !l.reads.is_empty() {
                let reads: Vec<String> = l.reads.iter().take(8).map(usize::to_string).collect();
                let more = if l.reads.len() > 8 { ", …" } else { "" };
                write!(f, "  reads {}{more}", reads.join(", "))?;
            }
            if !l.label.is_empty() {
                write!(f, "  ({})", l.label)?;
            }
            writeln!(f)?;
        }
        writeln!(f, "passes:")?;
        for p in &self.passes {
            let what = if p.before == p.after {
                "nothing to do".to_owned()
            } else {
                format!("{} -> {} tasks", p.before, p.after)
            };
            writeln!(f, "  {}: {what}", p.pass)?;
        }
        let p = &self.projection;
        writeln!(
            f,
            "projected: {} tasks, {} of results in all",
            p.tasks,
            format_bytes(p.total_bytes)
        )?;
        writeln!(
            f,
            "  peak {} in {} results when run one by one",
            format_bytes(p.peak_bytes),
            p.peak_chunks
        )?;
        write!(
            f,
            "  largest task {} ({})",
            format_bytes(p.largest_bytes),
            self.largest
        )?;
        match self.budget {
            Some(b) if p.largest_bytes > b => write!(
                f,
                "\nbudget {}: REFUSED, the largest task does not fit",
                format_bytes(b)
            ),
            Some(b) if p.peak_bytes > b => {
                write!(f, "\nbudget {}: fits by spilling", format_bytes(b))
            }
            Some(b) => write!(f, "\nbudget {}: fits", format_bytes(b)),
            None => Ok(()),
        }
    }
}

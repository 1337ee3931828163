//! The reference executor: one task after another in the order of their numbers, no optimisation, nothing shared with real
//! schedulers. It is slow and obviously right; every suite compares against it.

use std::sync::Arc;

use crate::base::error::{Error, ErrorKind, Result, TaskInfo};
use crate::base::key::Key;
use crate::graph::expand::TaskGraph;
use crate::graph::layer::{Datum, Layer};
use crate::graph::registry::{Kernels, Registry};
use crate::graph::{Graph, Root};
use crate::operator::{TaskContext, TaskHost};
use crate::value::Value;

struct Plain;

impl TaskHost for Plain {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn reserve(&self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    fn unreserve(&self, _bytes: u64) {}

    fn log(&self, _key: Key, _operator: &str, _message: &str) {}
}

/// All outputs of a layer, with the linked operators.
///
/// # Errors
/// Whatever the first failing task says, or what [`TaskGraph::expand`] refuses.
pub fn compute(layer: &Arc<Layer>) -> Result<Vec<Value>> {
    run(
        &TaskGraph::expand(&Graph::new(&[Root::all(layer)]))?,
        &Registry::linked()?,
    )
}

/// The wanted values of expanded tasks, run in a topological order.
///
/// # Errors
/// Whatever the first failing task says.
pub fn run(g: &TaskGraph, registry: &Registry) -> Result<Vec<Value>> {
    let rows: Vec<Vec<usize>> = (0..g.len())
        .map(|t| g.deps(t as u32).iter().map(|&d| d as usize).collect())
        .collect();
    let order = crate::graph::topological(g.len(), |t| &rows[t]).map_err(|p| {
        Error::new(
            ErrorKind::Cycle,
            format!("the graph has a cycle through task {}", g.key(p[0] as u32)),
        )
    })?;
    let mut values: Vec<Option<Value>> = vec![None; g.len()];
    for (t, datum) in g.data() {
        values[*t as usize] = Some(match datum {
            Datum::Value(v) => v.clone(),
            Datum::Pending(p) => p.wait()?,
        });
    }
    let mut kernels = Kernels::default();
    for t in order {
        if values[t].is_some() {
            continue;
        }
        let t = t as u32;
        let mut inputs: Vec<Value> = g
            .deps(t)
            .iter()
            .filter_map(|&d| values[d as usize].clone())
            .map(|v| g.input(t, v))
            .collect::<Result<_>>()?;
        let task = TaskInfo::new(g.key(t), g.op(t), g.block(t), &inputs);
        let kernel = kernels.of(g.op(t), registry)?;
        let context = TaskContext::new(&Plain, g, t);
        let value = context
            .enter(|| kernel.run(&mut inputs, &context))
            .map_err(|e| e.at_task(task))?;
        values[t as usize] = Some(value);
    }
    Ok(g.outputs()
        .iter()
        .filter_map(|&t| values[t as usize].clone())
        .collect())
}

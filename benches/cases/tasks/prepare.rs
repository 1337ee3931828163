//! What comes before running: building a graph, optimising it, putting its tasks into order.

use std::sync::Arc;

use kvern_core::layer::{Blockwise, Exchange};
use kvern_core::optimize::Passes;
use kvern_core::order::{self, Dag};
use kvern_core::{BlockBytes, Graph, Grid, Layer, OpRef, Plan, Registry, Result, Root, Value};

use super::{shapes, stencil};
use crate::catalog::Outcome;
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;

/// Microseconds a task.
const TARGET: f64 = 1.0;

/// From nothing to tasks that are ready to run, with the default passes.
pub(super) fn prepare(options: &Options) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let mut records = Vec::new();
    for (name, shape) in shapes(options) {
        let n = shape.tasks();
        let (mut built, mut left) = (Vec::new(), 0);
        let timing = measure(options, 5, || -> Result<f64> {
            let (build, layer) = clock(|| shape.layer());
            drop(layer);
            built.push(build);
            let (seconds, prepared) = clock(|| {
                shape
                    .plan(&registry, Passes::default())
                    .and_then(|plan| plan.prepare())
            });
            left = prepared?.tasks.len();
            Ok(seconds)
        })?;
        built.sort_by(f64::total_cmp);
        let build = built[built.len() / 2] / n as f64 * 1e6;
        let detail = format!(
            "{n} tasks built, optimised (default passes; {left} left) and ordered; building alone {build:.3} us a task"
        );
        records.push(
            Record::new(timing, detail)
                .case(format!("a0_prepare_{name}"))
                .units(n, "task")
                .target(TARGET),
        );
    }
    Ok(records)
}

/// Microseconds a piece: 50 ms for all of them.
const EXCHANGE_TARGET: f64 = 0.05;

/// How many partitions are exchanged, and to how many.
const EXCHANGED: u32 = 1000;

/// An exchange of 1,000 to 1,000 partitions: from nothing to tasks that are ready to run, with the default passes.
pub(super) fn exchange(options: &Options) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let op = |name: &str| OpRef::local(name, |_: &mut [Value], _| Ok(Value::UNIT));
    let mut left = 0;
    let timing = measure(options, 7, || -> Result<f64> {
        let (seconds, prepared) = clock(|| {
            let bytes = 2 << 20;
            let source =
                Blockwise::source(op("make"), Grid::new([EXCHANGED]), BlockBytes::Each(bytes));
            let ops = [op("split"), op("merge")];
            let kind = Exchange::new(ops, EXCHANGED, EXCHANGED, bytes, bytes)?;
            let layer = Layer::new(kind, vec![Layer::new(source, Vec::new())]);
            let graph = Graph::new(&[Root::all(&layer)]);
            Plan::new(graph, registry.clone(), Passes::default())?.prepare()
        });
        left = prepared?.tasks.len();
        Ok(seconds)
    })?;
    let pieces = u64::from(EXCHANGED) * u64::from(EXCHANGED);
    let detail = format!(
        "{EXCHANGED} to {EXCHANGED} partitions, {pieces} pieces, {left} tasks: built, optimised and ordered"
    );
    Ok(vec![
        Record::new(timing, detail)
            .units(pieces as usize, "piece")
            .target(EXCHANGE_TARGET),
    ])
}

/// The order alone, of the graph that the peers order (200 steps of 100 tiles) and of ours.
pub(super) fn order(options: &Options) -> Outcome {
    let registry = Arc::new(Registry::linked()?);
    let shape = stencil(options);
    let prepared = shape.plan(&registry, Passes::none())?.prepare()?;
    let tasks = &prepared.tasks;
    let (dep_off, deps) = tasks.edges();
    let dag = Dag {
        dep_off,
        deps,
        bytes: tasks.all_bytes(),
        outputs: tasks.outputs(),
    };
    let timing = measure(options, 7, || -> Result<f64> {
        let (seconds, positions) = clock(|| order::order(&dag));
        assert_eq!(positions.len(), shape.tasks());
        Ok(seconds)
    })?;
    let n = shape.tasks();
    let record = Record::new(timing, format!("{n} tasks: the order alone")).units(n, "task");
    Ok(vec![record])
}

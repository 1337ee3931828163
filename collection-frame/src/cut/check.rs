//! Whether a stage still is what it was cut from, after it has been encoded and read again.
//!
//! Operators choose how they work by what their inputs promise: an aggregate over sorted rows gives sorted rows. If a promise were lost at
//! a cut or on the wire, an operator further up could rely on an order that is no more, and the answer would be wrong without an error.

use std::sync::Arc;

use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// What is different, if anything: the stage as decoded against the stage as cut, and its result against that of the plan.
pub(super) fn same(
    decoded: &Arc<dyn ExecutionPlan>,
    stage: &Arc<dyn ExecutionPlan>,
    original: &Arc<dyn ExecutionPlan>,
) -> Result<(), String> {
    promises(decoded, original)?;
    nodes(decoded, stage)
}

/// A node over other inputs works as it did over its own.
pub(super) fn kept(
    new: &Arc<dyn ExecutionPlan>,
    old: &Arc<dyn ExecutionPlan>,
) -> Result<(), String> {
    let modes = (
        new.downcast_ref::<AggregateExec>(),
        old.downcast_ref::<AggregateExec>(),
    );
    if let (Some(x), Some(y)) = modes
        && x.input_order_mode() != y.input_order_mode()
    {
        return Err(format!(
            "the order that {} works in is lost on the way",
            old.name()
        ));
    }
    promises(new, old)
}

/// The result has the columns and the order that those above were promised.
fn promises(have: &Arc<dyn ExecutionPlan>, want: &Arc<dyn ExecutionPlan>) -> Result<(), String> {
    let (a, b) = (have.schema(), want.schema());
    let fits = a.fields().len() == b.fields().len()
        && a.fields()
            .iter()
            .zip(b.fields())
            .all(|(x, y)| x.data_type() == y.data_type());
    if !fits {
        return Err(format!("the columns of {} change on the way", want.name()));
    }
    if let Some(order) = want.output_ordering() {
        let kept = have
            .equivalence_properties()
            .ordering_satisfy(order.iter().cloned());
        if !kept.unwrap_or(false) {
            return Err(format!("the order of {} is lost on the way", want.name()));
        }
    }
    Ok(())
}

fn nodes(decoded: &Arc<dyn ExecutionPlan>, stage: &Arc<dyn ExecutionPlan>) -> Result<(), String> {
    let (a, b) = (decoded.children(), stage.children());
    if decoded.name() != stage.name() || a.len() != b.len() {
        return Err(format!(
            "{} becomes {} on the way",
            stage.name(),
            decoded.name()
        ));
    }
    if decoded.output_partitioning().partition_count()
        != stage.output_partitioning().partition_count()
    {
        return Err(format!(
            "the partitions of {} change on the way",
            stage.name()
        ));
    }
    kept(decoded, stage)?;
    a.into_iter().zip(b).try_for_each(|(x, y)| nodes(x, y))
}

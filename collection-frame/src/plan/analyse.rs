//! Types told while a frame is built: each step is analysed when it is made, over leaves that stand for the frames below it, so that a long
//! chain of steps costs no more than its length, and what a frame says of its columns is what comes out when it is computed.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan};

use super::names::plain;

/// A leaf with the columns of a plan.
pub(crate) fn leaf(plan: &LogicalPlan) -> LogicalPlan {
    LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        // A schema of its own is what the leaf is known by: a plan and its filter share one.
        schema: Arc::new(plan.schema().as_ref().clone()),
    })
}

/// A step over leaves as one over the plans that they stand for, with the types that it has when it is computed.
///
/// # Errors
/// Types that do not go together, and whatever else makes a plan impossible.
pub(crate) fn step(
    plan: LogicalPlan,
    over: &[(&LogicalPlan, &LogicalPlan)],
) -> DfResult<LogicalPlan> {
    for_each_row(&plan)?;
    let plan = whole(plan)?;
    plan.transform_up(|node| {
        let LogicalPlan::EmptyRelation(e) = &node else {
            return Ok(Transformed::no(node));
        };
        let stands_for = over
            .iter()
            .find(|(leaf, _)| Arc::ptr_eq(leaf.schema(), &e.schema));
        Ok(match stands_for {
            Some((_, plan)) => Transformed::yes((*plan).clone()),
            None => Transformed::no(node),
        })
    })
    .data()
}

/// Refuses `sum(x)` where a value for each row belongs: DataFusion says so when it is computed, by all that it knows of the function.
fn for_each_row(plan: &LogicalPlan) -> DfResult<()> {
    let of_all = |e: &Expr| match e {
        Expr::AggregateFunction(_) => Err(DataFusionError::Plan(format!(
            "{name} is one value of many rows, and stands where each row has a value: compute it with `agg`, or for groups with \
             `groupby(…).agg`; as a value beside each row it is a window, in SQL `{name} OVER ()`",
            name = plain(e)
        ))),
        _ => Ok(TreeNodeRecursion::Continue),
    };
    plan.apply(|node| match node {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) => {
            node.apply_expressions(|e| e.apply(of_all))
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

/// All of a plan with the types that it has when it is computed.
///
/// # Errors
/// As [`step`].
pub(crate) fn whole(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let state = crate::plan::base();
    let analyser = state.analyzer();
    analyser.execute_and_check(plan, state.config_options(), |_, _| {})
}

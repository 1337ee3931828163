//! Types told while a frame is built: each step is analysed when it is made, over leaves that stand for the frames below it, so that a long
//! chain of steps costs no more than its length, and what a frame says of its columns is what comes out when it is computed.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};

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

/// All of a plan with the types that it has when it is computed.
///
/// # Errors
/// As [`step`].
pub(crate) fn whole(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let state = crate::plan::base();
    let analyser = state.analyzer();
    analyser.execute_and_check(plan, state.config_options(), |_, _| {})
}

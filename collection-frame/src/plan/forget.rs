//! What DataFusion (55.2) takes for known of the rows of an operator, and is not so. Before it optimises a plan, such columns go through a
//! function of which nothing is concluded.
//!
//! - The rows of an outer join that find no partner have nulls in the columns of the other side, whatever is known of that side's own rows.
//!   Over `t LEFT JOIN (SELECT * FROM u WHERE c = 5)` it takes `c` for the constant 5: it leaves `c` out of orders, and an aggregate by `c`
//!   takes its rows for sorted and ends a group whenever the next row has another key, so that groups come many times.
//! - `max(x) OVER (ORDER BY o)` never falls, but it is null until there is a value. It is taken for sorted with the nulls last, and where the
//!   frame loses rows with the nulls first, both the wrong way around.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result as DfResult};
use datafusion::logical_expr::SetMonotonicity;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr,
};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, replace_children_if_necessary,
};

use super::own;

#[derive(Debug)]
pub(crate) struct Forget;

impl PhysicalOptimizerRule for Forget {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let options = Arc::new(options.clone());
        plan.transform_up(|node| {
            let sorted = taken_for_sorted(node.as_ref());
            if !sorted.is_empty() {
                let chosen = |c: &Arc<dyn PhysicalExpr>| {
                    let column = c.downcast_ref::<Column>();
                    column.is_some_and(|c| sorted.contains(&c.index()))
                };
                return own::opaque_rows(node, chosen, &options).map(Transformed::yes);
            }
            let Some(filled) = filled(node.as_ref()) else {
                return Ok(Transformed::no(node));
            };
            let inputs: Vec<_> = node.children().into_iter().cloned().collect();
            let inputs = inputs.into_iter().zip(filled);
            let inputs = inputs.map(|(input, filled)| match filled {
                true => forgotten(input, &options),
                false => Ok(input),
            });
            let inputs = inputs.collect::<DfResult<Vec<_>>>()?;
            replace_children_if_necessary(node, inputs).map(Transformed::yes)
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "kvern_forget"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The columns of a window node that never rise or never fall, but for nulls.
fn taken_for_sorted(node: &dyn ExecutionPlan) -> Vec<usize> {
    let exprs = if let Some(window) = node.downcast_ref::<WindowAggExec>() {
        window.window_expr()
    } else if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
        window.window_expr()
    } else {
        return Vec::new();
    };
    let first = node.schema().fields().len() - exprs.len();
    let sorted = |expr: &Arc<dyn WindowExpr>| {
        let any = expr.as_any();
        let plain = any.downcast_ref::<PlainAggregateWindowExpr>();
        let sliding = any.downcast_ref::<SlidingAggregateWindowExpr>();
        let aggregate = plain.map(PlainAggregateWindowExpr::get_aggregate_expr);
        let aggregate = aggregate.or(sliding.map(SlidingAggregateWindowExpr::get_aggregate_expr));
        aggregate.is_some_and(|a| {
            a.set_monotonicity() != SetMonotonicity::NotMonotonic && a.field().is_nullable()
        })
    };
    let columns = exprs.iter().enumerate().filter(|(_, e)| sorted(e));
    columns.map(|(i, _)| first + i).collect()
}

/// Which sides of a join are filled up with nulls; `None`: it is no join, or fills none.
fn filled(node: &dyn ExecutionPlan) -> Option<[bool; 2]> {
    let kind = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        *join.join_type()
    } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        *join.join_type()
    } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
        join.join_type()
    } else {
        return None;
    };
    match kind {
        JoinType::Left => Some([false, true]),
        JoinType::Right => Some([true, false]),
        JoinType::Full => Some([true, true]),
        _ => None,
    }
}

/// The rows of a plan without what is known of them that nulls in all columns would not keep: that a column is a constant, or equal to an
/// expression. That two columns are equal, nulls keep.
fn forgotten(
    input: Arc<dyn ExecutionPlan>,
    options: &Arc<ConfigOptions>,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let known = input.equivalence_properties();
    let forget = |column: &Arc<dyn PhysicalExpr>| {
        let class = known.eq_group().get_equivalence_class(column);
        known.is_expr_constant(column).is_some()
            || class.is_some_and(|c| !c.iter().all(|e| e.is::<Column>()))
    };
    own::opaque_rows(input.clone(), forget, options)
}

//! Keys of windows that are one value are sorted by, too. An engine that cuts a plan forgets what is constant in the rows that it moves, and
//! a window that was planned with it (`PARTITION BY g` over `WHERE g = 'a'`) then misses an order by `g`.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// The plan with such windows over rows that are sorted by all of their keys.
pub(crate) fn sorted(plan: Arc<dyn ExecutionPlan>) -> DfResult<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let bounded = node.downcast_ref::<BoundedWindowAggExec>();
        let (exprs, input) = match (bounded, node.downcast_ref::<WindowAggExec>()) {
            (Some(w), _) => (w.window_expr(), w.input()),
            (_, Some(w)) => (w.window_expr(), w.input()),
            _ => return Ok(Transformed::no(node)),
        };
        let Some(first) = exprs.first() else {
            return Ok(Transformed::no(node));
        };
        let known = input.equivalence_properties();
        let keys = first.partition_by();
        if !keys.iter().any(|k| known.is_expr_constant(k).is_some()) {
            return Ok(Transformed::no(node));
        }
        // As the rows are sorted already, where a key is not constant: some windows run backwards.
        let as_it_is = |k: &Arc<_>| {
            let orders = input.output_ordering().into_iter().flatten();
            orders.clone().find(|s| s.expr.eq(k)).map(|s| s.options)
        };
        let by_key = keys.iter().map(|k| {
            let options = as_it_is(k).unwrap_or_default();
            PhysicalSortExpr::new(k.clone(), options)
        });
        let by_order = input.output_ordering().into_iter().flatten().cloned();
        let Some(order) = LexOrdering::new(by_key.chain(by_order)) else {
            return Ok(Transformed::no(node));
        };
        let rows = SortExec::new(order, input.clone()).with_preserve_partitioning(true);
        let new = datafusion::physical_plan::replace_children_if_necessary(
            node,
            vec![Arc::new(rows) as Arc<dyn ExecutionPlan>],
        )?;
        Ok(Transformed::yes(new))
    })
    .data()
}

//! Plans that DataFusion (55.2) does not make with all that it does to them, and makes without some of it: a query that is right should not
//! fail because of an attempt to make it faster.

use std::collections::HashSet;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::own;

/// How often it was tried in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Not yet.
    First,
    /// Once.
    Last,
}

/// The plan as it might be made, which was not because of that error, with options that are set for it. `None`: there is no other way.
pub(crate) fn otherwise(
    e: &DataFusionError,
    plan: &LogicalPlan,
    options: &mut ConfigOptions,
    attempt: Attempt,
) -> Option<LogicalPlan> {
    let words = e.to_string();
    if let Some((_, differences)) = words.split_once("one converted from logical input schema.") {
        // `(x = 1) IS NOT FALSE` is never null, which the expression that computes it does not know. What else may differ is a mistake.
        let mut differences = differences.lines().map(str::trim);
        let null =
            differences.all(|d| !d.starts_with("- ") || d.starts_with("- field nullability"));
        options.execution.skip_physical_aggregate_schema_check = null;
        return null.then(|| plan.clone());
    }
    if words.contains("does not satisfy order requirements") {
        // What it has left out of a sort it forgets further up: that two names are those of one column, that a key is a constant.
        if attempt == Attempt::Last {
            // And what it knows of one row, where rows are dealt out.
            options.execution.target_partitions = 1;
        }
        return apart(plan.clone()).ok();
    }
    if attempt == Attempt::Last {
        return None;
    }
    // Fields of structs are computed near the files, of columns that come twice by two names.
    let leaves = &mut options.optimizer.enable_leaf_expression_pushdown;
    (std::mem::replace(leaves, false) && words.contains("duplicate")).then(|| plan.clone())
}

/// The plan with the second name of a column not known for the same as the first one, and constants not known for such.
fn apart(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let keys = match &node {
            LogicalPlan::Projection(_) => usize::MAX,
            LogicalPlan::Aggregate(a) => a.group_expr.len(),
            _ => return Ok(Transformed::no(node)),
        };
        let names = NamePreserver::new(&node);
        let (mut known, mut at) = (HashSet::new(), 0);
        node.map_expressions(|expr| {
            at += 1;
            if at > keys || matches!(expr, Expr::GroupingSet(_)) {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            let new = match expr.unalias() {
                Expr::Column(c) if !known.insert(c.clone()) => own::twin(Expr::Column(c), at),
                Expr::Column(c) => Expr::Column(c),
                value if value.column_refs().is_empty() && !value.contains_outer() => {
                    own::opaque(value)
                }
                value => value,
            };
            Ok(Transformed::yes(name.restore(new)))
        })
    })
    .data()
}

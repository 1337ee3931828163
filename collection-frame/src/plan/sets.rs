//! `INTERSECT ALL` and `EXCEPT ALL`: a row that is there three times on one side and once on the other is there once, and twice. DataFusion
//! (55.2) plans both as joins that keep or drop all of equal rows. Here equal rows are numbered on both sides, and the numbers are compared
//! with them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, JoinType, NullEquality, Result as DfResult};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};

/// Which of its equals a row is.
const NTH: [&str; 2] = ["__kvern_nth_left", "__kvern_nth_right"];

/// A plan of SQL in which these two count.
pub(crate) fn counted(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::Join(join) if keeps_all(join) => Ok(Transformed::yes(by_number(join)?)),
        _ => Ok(Transformed::no(node)),
    })
    .data()
}

/// Whether the join is what DataFusion makes of these two: nothing else that SQL says becomes a join in which null is null, and without ALL
/// its first side is distinct (in which case both are the same).
fn keeps_all(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
        && !join
            .on
            .iter()
            .any(|(l, _)| matches!(l, Expr::Column(c) if c.name == NTH[0]))
}

fn by_number(join: &Join) -> DfResult<LogicalPlan> {
    let columns = all(&join.left);
    let (left, right) = (
        numbered(&join.left, NTH[0])?,
        numbered(&join.right, NTH[1])?,
    );
    let mut on = join.on.clone();
    let nth = |name: &str| Expr::Column(Column::new_unqualified(name));
    on.push((nth(NTH[0]), nth(NTH[1])));
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(joined))
        .project(columns)?
        .build()
}

/// The rows with their number among their equals.
fn numbered(plan: &Arc<LogicalPlan>, name: &str) -> DfResult<LogicalPlan> {
    let nth = row_number().partition_by(all(plan)).build()?;
    LogicalPlanBuilder::from(plan.as_ref().clone())
        .window([nth.alias(name)])?
        .build()
}

fn all(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema()
        .iter()
        .map(|f| Expr::Column(Column::from(f)))
        .collect()
}

//! Subqueries of one value that are about the row around them: DataFusion (55.2) takes them apart where every condition about that row says that
//! a column of the subquery is equal to something of the row (a relative of apache/datafusion#24139). Floats are made columns for that, since
//! what is compared is computed of them. Of all others it forgets columns while it plans, and then misses them: what it says of that is
//! replaced here by what the query should say instead.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, Result as DfResult, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;
use kvern_core::{Error, ErrorKind};

use super::{names, nan};
use crate::error::from_df;

/// A subquery of one value with the floats by which it is about the row computed as they are compared before they are: as columns.
pub(crate) fn by_columns(mut subquery: Subquery) -> DfResult<Transformed<Subquery>> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(Transformed::no(subquery));
    }
    let plan = subquery.subquery.as_ref().clone();
    let new = plan.transform_up(|node| match node {
        LogicalPlan::Filter(filter) => keyed(filter),
        other => Ok(Transformed::no(other)),
    })?;
    subquery.subquery = Arc::new(new.data);
    Ok(Transformed::new(subquery, new.transformed, new.tnr))
}

fn keyed(filter: Filter) -> DfResult<Transformed<LogicalPlan>> {
    let mut keys = Vec::new();
    let own = |e: &Expr| match e {
        Expr::ScalarFunction(f) if nan::is_one_nan(&f.func) => {
            matches!(f.args.as_slice(), [Expr::Column(_)])
        }
        _ => false,
    };
    let parts = split_conjunction(&filter.predicate).into_iter().map(|e| {
        let Expr::BinaryExpr(b) = e else {
            return e.clone();
        };
        let (a, b, op) = (b.left.as_ref(), b.right.as_ref(), b.op);
        let (key, of_row) = match (own(a), own(b)) {
            (true, false) => (a, b),
            (false, true) => (b, a),
            _ => return e.clone(),
        };
        if op != Operator::Eq || !of_row.contains_outer() || of_row.any_column_refs() {
            return e.clone();
        }
        // With a table: subqueries of subqueries have such keys, too, and what has one is not taken for what has none.
        let table = TableReference::bare("__kvern");
        let name = format!("__kvern_key_{}", keys.len());
        keys.push(key.clone().alias_qualified(Some(table.clone()), &name));
        Expr::Column(Column::new(Some(table), name)).eq(of_row.clone())
    });
    let parts: Vec<Expr> = parts.collect();
    let (Some(predicate), false) = (conjunction(parts), keys.is_empty()) else {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    };
    let columns = filter.input.schema().iter();
    let columns: Vec<Expr> = columns.map(|f| Expr::Column(Column::from(f))).collect();
    let plan = LogicalPlanBuilder::from(filter.input.as_ref().clone())
        .project(columns.iter().cloned().chain(keys))?
        .filter(predicate)?
        .project(columns)?
        .build()?;
    Ok(Transformed::yes(plan))
}

/// What is told of a plan that could not be made.
pub(crate) fn told(e: DataFusionError, plan: &LogicalPlan, state: &SessionState) -> Error {
    let analysed =
        state
            .analyzer()
            .execute_and_check(plan.clone(), state.config_options(), |_, _| {});
    match analysed.ok().as_ref().and_then(stuck) {
        Some(condition) => Error::new(
            ErrorKind::Unsupported,
            format!(
                "a subquery of one value is about the row around it by `{condition}`, and such subqueries are taken apart only by columns \
                 of theirs that are equal to something of the row (`u.k = t.k`): join the two and group instead, as in \
                 SELECT t.id, max(u.y) FROM t LEFT JOIN u ON … GROUP BY t.id"
            ),
        ),
        None => from_df(e),
    }
}

/// The condition by which a subquery of one value cannot be taken apart, if the plan has one.
fn stuck(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    // The visits cannot fail: nothing in them does.
    let _ = plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            let _ = expr.apply(|e| {
                if let Expr::ScalarSubquery(s) = e
                    && found.is_none()
                    && !s.outer_ref_columns.is_empty()
                {
                    found = condition(s);
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(match found {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    });
    found
}

fn condition(subquery: &Subquery) -> Option<String> {
    let mut pull_up = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
    let whole = subquery.subquery.as_ref().clone().rewrite(&mut pull_up);
    if whole.is_ok() && pull_up.can_pull_up {
        return None;
    }
    let mut said = Vec::new();
    let _ = subquery.subquery.apply(|node| {
        for expr in node.expressions() {
            let parts = split_conjunction(&expr).into_iter();
            said.extend(parts.filter(|e| e.contains_outer()).map(spelled));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    Some(said.join(" AND "))
}

/// The condition as it reads.
fn spelled(condition: &Expr) -> String {
    let plain = condition.clone().transform_up(|e| {
        Ok(match e {
            Expr::OuterReferenceColumn(_, c) => Transformed::yes(Expr::Column(c)),
            Expr::ScalarFunction(mut f) if nan::is_one_nan(&f.func) && f.args.len() == 1 => {
                Transformed::yes(f.args.remove(0))
            }
            other => Transformed::no(other),
        })
    });
    match plain.data() {
        Ok(plain) => names::plain(&plain),
        Err(_) => condition.to_string(),
    }
}

//! `x NOT IN (SELECT … WHERE it is about this row)`: true if no row of the subquery is equal to `x`, none is null, and `x` is not. DataFusion
//! (55.2) asks that of subqueries only that are the same for all rows, and refuses the others; under OR it forgets the nulls of those, too.
//! Here both are said as NOT EXISTS.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as DfResult};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, Subquery,
};

/// A plan of SQL with them said so, where they choose rows.
pub(crate) fn as_exists(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Filter(mut filter) = node else {
            return Ok(Transformed::no(node));
        };
        let schema = filter.input.schema().clone();
        let new = said(filter.predicate, &schema, false)?;
        filter.predicate = new.data;
        let plan = LogicalPlan::Filter(filter);
        Ok(match new.transformed {
            true => Transformed::yes(plan),
            false => Transformed::no(plan),
        })
    })
    .data()
}

/// The parts of a condition that must be true: nothing else tells false from null. `or`: one of several may be.
fn said(expr: Expr, schema: &DFSchema, or: bool) -> DfResult<Transformed<Expr>> {
    let ours = |s: &InSubquery| or || !s.subquery.outer_ref_columns.is_empty();
    match expr {
        Expr::BinaryExpr(b) if matches!(b.op, Operator::And | Operator::Or) => {
            let or = or || b.op == Operator::Or;
            let (left, right) = (said(*b.left, schema, or)?, said(*b.right, schema, or)?);
            let changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), b.op, Box::new(right.data));
            let both = Expr::BinaryExpr(both);
            Ok(match changed {
                true => Transformed::yes(both),
                false => Transformed::no(both),
            })
        }
        Expr::InSubquery(s) if s.negated && ours(&s) => Ok(Transformed::yes(exists(s, schema)?)),
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(s) if !s.negated && ours(&s) => {
                Ok(Transformed::yes(exists(s, schema)?))
            }
            other => Ok(Transformed::no(Expr::Not(Box::new(other)))),
        },
        other => Ok(Transformed::no(other)),
    }
}

fn exists(s: InSubquery, schema: &DFSchema) -> DfResult<Expr> {
    let Subquery {
        subquery,
        mut outer_ref_columns,
        spans,
    } = s.subquery;
    // What this row has, as the subquery sees it.
    let outer = s.expr.transform_up(|e| {
        let Expr::Column(c) = e else {
            return Ok(Transformed::no(e));
        };
        let field = schema.field_from_column(&c)?.clone();
        let seen = Expr::OuterReferenceColumn(field, c);
        outer_ref_columns.push(seen.clone());
        Ok(Transformed::yes(seen))
    });
    let outer = outer.data()?;
    let own = subquery
        .schema()
        .iter()
        .next()
        .map(|f| Expr::Column(Column::from(f)));
    let Some(own) = own else {
        return datafusion::common::plan_err!("a subquery of NOT IN has no column");
    };
    let refuted = own
        .clone()
        .eq(outer.clone())
        .or(own.is_null())
        .or(outer.is_null());
    let plan = LogicalPlanBuilder::from(subquery.as_ref().clone())
        .filter(refuted)?
        .build()?;
    Ok(Expr::Exists(Exists {
        subquery: Subquery {
            subquery: Arc::new(plan),
            outer_ref_columns,
            spans,
        },
        negated: true,
    }))
}

//! Nulls that DataFusion (55.2) forgets when it simplifies (apache/datafusion#24246): `x ^ x` is 0 to it, `x IN (1) AND x IN (2)` is false, and
//! `x NOT IN (1) OR x NOT IN (2)` is true, also where `x` is null. What becomes equal, or stands side by side, only when queries are put
//! together is simplified in the same way, so a function of ours computes every `^`, and no list stands beside another one.
//!
//! And a list that has an item of the row is made of comparisons. DataFusion computes an item such as `coalesce(x, x, 1)` once, over no rows, and takes
//! what comes for its value; and it takes items that are written otherwise for other values: `x IN (1) AND x NOT IN (x)` is true of 1 to it.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;

use super::own;

/// The rule.
#[derive(Debug)]
pub(crate) struct NullRule;

impl AnalyzerRule for NullRule {
    fn name(&self) -> &'static str {
        "kvern_nulls"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            // What is null does not choose a row, nor what is false.
            let chooses = matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Join(_));
            let shows = matches!(plan, LogicalPlan::Projection(_));
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let new = match chooses {
                    true => conjuncts(expr, &schema)?,
                    false => inner(expr, &schema)?,
                };
                let new = match shows {
                    true => new.transform_data(|e| Ok(shown(e)))?,
                    false => new,
                };
                Ok(match new.transformed {
                    true => new.update_data(|e| name.restore(e)),
                    false => new,
                })
            })
        })
        .data()
    }
}

/// The parts of a condition that must all be true.
fn conjuncts(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op == Operator::And => {
            let (left, right) = (conjuncts(*left, schema)?, conjuncts(*right, schema)?);
            let changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            let both = Expr::BinaryExpr(both);
            Ok(match changed {
                true => Transformed::yes(both),
                false => Transformed::no(both),
            })
        }
        other => inner(other, schema),
    }
}

fn inner(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    expr.transform_up(|e| {
        Ok(match e {
            Expr::BinaryExpr(b) if b.op == Operator::BitwiseXor => xor(b, schema),
            Expr::BinaryExpr(b) if matches!(b.op, Operator::And | Operator::Or) => beside(b),
            Expr::InList(l) if !l.expr.is_volatile() && l.list.iter().any(computed) => {
                Transformed::yes(one_by_one(l))
            }
            other => Transformed::no(other),
        })
    })
}

/// Whether an item of a list depends on the row.
fn computed(item: &Expr) -> bool {
    !item.column_refs().is_empty()
}

/// A list as comparisons.
fn one_by_one(list: InList) -> Expr {
    let equal = list
        .list
        .into_iter()
        .map(|item| list.expr.as_ref().clone().eq(item));
    let any = equal.reduce(Expr::or).unwrap_or_else(|| lit(false));
    match list.negated {
        true => Expr::Not(Box::new(any)),
        false => any,
    }
}

fn xor(b: BinaryExpr, schema: &DFSchema) -> Transformed<Expr> {
    match b.left.get_type(schema).is_ok_and(|t| t.is_integer()) {
        true => Transformed::yes(own::xor().call(vec![*b.left, *b.right])),
        false => Transformed::no(Expr::BinaryExpr(b)),
    }
}

/// Two conditions side by side, which are kept apart if they are lists: all in one and all in the other, or outside of one or the other.
fn beside(mut b: BinaryExpr) -> Transformed<Expr> {
    let lists = |e: &Expr| {
        let mut all = Vec::new();
        parts(e, b.op, &mut all);
        all
    };
    let (left, right) = (lists(&b.left), lists(&b.right));
    let clash = |l: bool, r: bool| match b.op {
        Operator::And => !(l && r),
        _ => l && r,
    };
    if !left.iter().any(|l| right.iter().any(|r| clash(*l, *r))) {
        return Transformed::no(Expr::BinaryExpr(b));
    }
    b.left = Box::new(own::apart(*b.left));
    b.right = Box::new(own::apart(*b.right));
    Transformed::yes(Expr::BinaryExpr(b))
}

/// Of the parts of a condition that are lists: whether each says what is not in it.
fn parts(expr: &Expr, op: Operator, all: &mut Vec<bool>) {
    match (list(expr), expr) {
        (Some(not), _) => all.push(not),
        (None, Expr::BinaryExpr(b)) if b.op == op => {
            parts(&b.left, op, all);
            parts(&b.right, op, all);
        }
        _ => {}
    }
}

/// Whether a condition that is a list, or is made one (`x = 1 OR x = 2`), says what is not in it.
fn list(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::InList(l) => Some(l.negated),
        Expr::Not(e) => list(e).map(|not| !not),
        Expr::BinaryExpr(b) if b.op == Operator::Or => {
            let part = |e: &Expr| {
                let equal = matches!(e, Expr::BinaryExpr(b) if b.op == Operator::Eq);
                equal || list(e) == Some(false)
            };
            (part(&b.left) && part(&b.right)).then_some(false)
        }
        _ => None,
    }
}

/// What a query shows, which another one may put beside something.
fn shown(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::Alias(mut a) if list(&a.expr).is_some() => {
            *a.expr = own::apart(*a.expr);
            Transformed::yes(Expr::Alias(a))
        }
        e if list(&e).is_some() => Transformed::yes(own::apart(e)),
        e => Transformed::no(e),
    }
}

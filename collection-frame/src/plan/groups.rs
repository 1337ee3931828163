//! Groups as DataFusion 55.2 gets them wrong: the smallest and greatest floats of a group, and what it believes of groups of several sets.
//!
//! - `min` of a group of infinities is the greatest finite number, and a NaN among others goes by the order of rows: its accumulators of groups
//!   begin at finite numbers and compare as IEEE does (apache/datafusion#24432). Here the floats of a group are
//!   compared as whole numbers of the same order, also where there are no groups yet: a subquery about a row becomes some.
//! - A key that is the same in all rows, or equal to another, is believed to be so in what ROLLUP, CUBE and GROUPING SETS make of it, where it is null
//!   in some rows: `ORDER BY` that key is left out, and groups may be closed too early (as in apache/datafusion#11291). Here nothing is concluded of keys of several sets.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{Expr, ExprSchemable, GroupingSet, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;

use super::nan;
use super::own::{opaque, rank, twin, unrank};

/// The rule that does both.
#[derive(Debug)]
pub(crate) struct GroupRule;

impl AnalyzerRule for GroupRule {
    fn name(&self) -> &'static str {
        "kvern_groups"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::Aggregate(aggregate) = node else {
                return Ok(Transformed::no(node));
            };
            let (aggregate, sets) = open_keys(aggregate)?;
            let (plan, extremes) = by_rank(aggregate)?;
            Ok(match sets || extremes {
                true => Transformed::yes(plan),
                false => Transformed::no(plan),
            })
        })
        .data()
    }
}

/// The aggregate with keys of several sets of which nothing is concluded, and whether there are some.
fn open_keys(mut aggregate: Aggregate) -> DfResult<(Aggregate, bool)> {
    let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() else {
        return Ok((aggregate, false));
    };
    let schema = aggregate.input.schema();
    let mut known: Vec<Expr> = Vec::new();
    let mut open = |all: &[Expr]| -> DfResult<Vec<Expr>> {
        let keys = all.iter().map(|key| {
            let n = known.iter().position(|k| k == key).unwrap_or_else(|| {
                known.push(key.clone());
                known.len() - 1
            });
            open_key(key, n, schema)
        });
        keys.collect()
    };
    let sets = match sets {
        GroupingSet::Rollup(keys) => GroupingSet::Rollup(open(keys)?),
        GroupingSet::Cube(keys) => GroupingSet::Cube(open(keys)?),
        GroupingSet::GroupingSets(sets) => GroupingSet::GroupingSets(
            sets.iter()
                .map(|keys| open(keys))
                .collect::<DfResult<_>>()?,
        ),
    };
    aggregate = Aggregate::try_new_with_schema(
        aggregate.input,
        vec![Expr::GroupingSet(sets)],
        aggregate.aggr_expr,
        aggregate.schema,
    )?;
    Ok((aggregate, true))
}

/// The `n`th of the keys: two that are the same value in each row are not so in each set.
fn open_key(key: &Expr, n: usize, schema: &DFSchema) -> DfResult<Expr> {
    let (relation, name) = key.qualified_name();
    let value = match key {
        Expr::Alias(Alias { expr, .. }) => expr.as_ref().clone(),
        other => other.clone(),
    };
    let value = value.transform_up(|e| nan::compared(e, schema)).data()?;
    Ok(twin(opaque(nan::key(value, schema)), n).alias_qualified(relation, name))
}

/// The plan with the extremes of floats in groups found by their ranks, and whether there are some.
fn by_rank(aggregate: Aggregate) -> DfResult<(LogicalPlan, bool)> {
    let schema = aggregate.input.schema();
    let ranked = aggregate.aggr_expr.iter().map(|e| is_extreme(e, schema));
    let ranked: Vec<bool> = ranked.collect();
    if !ranked.contains(&true) {
        return Ok((LogicalPlan::Aggregate(aggregate), false));
    }
    let out = aggregate.schema.clone();
    let first = out.fields().len() - ranked.len();
    let new = aggregate.aggr_expr.into_iter().enumerate().map(|(i, e)| {
        if !ranked[i] {
            return Ok(e);
        }
        let (relation, field) = out.qualified_field(first + i);
        let (relation, name) = (relation.cloned(), field.name().clone());
        Ok(of_ranks(e).alias_qualified(relation, name))
    });
    let new = new.collect::<DfResult<Vec<Expr>>>()?;
    let grouped = Aggregate::try_new(aggregate.input, aggregate.group_expr, new)?;
    let columns = out.iter().enumerate().map(|(i, (relation, field))| {
        let column = Expr::Column(Column::from((relation, field)));
        match i.checked_sub(first).is_some_and(|i| ranked[i]) {
            true => unrank()
                .call(vec![column])
                .alias_qualified(relation.cloned(), field.name()),
            false => column,
        }
    });
    let columns: Vec<Expr> = columns.collect();
    let plan = LogicalPlanBuilder::from(LogicalPlan::Aggregate(grouped)).project(columns)?;
    Ok((plan.build()?, true))
}

fn is_extreme(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Alias(a) => is_extreme(&a.expr, schema),
        Expr::AggregateFunction(a) if matches!(a.func.name(), "min" | "max") => {
            let of = a.params.args.first().map(|e| e.get_type(schema));
            of.is_some_and(|t| t.is_ok_and(|t| t.is_floating()))
        }
        _ => false,
    }
}

fn of_ranks(expr: Expr) -> Expr {
    match expr {
        Expr::Alias(a) => of_ranks(*a.expr),
        Expr::AggregateFunction(mut a) => {
            let args = std::mem::take(&mut a.params.args);
            a.params.args = args.into_iter().map(|e| rank().call(vec![e])).collect();
            Expr::AggregateFunction(a)
        }
        other => other,
    }
}

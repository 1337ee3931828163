//! What a key determines. Of `q CROSS JOIN b`, where `k` is the only key of `q`, DataFusion (55.2) knows rightly that `k` determines the other
//! columns of `q`; once such rows are grouped by `k` and a column of `b`, it takes that one for determined, too, and leaves it out of `ORDER BY k, v`
//! and of further groups. Here nothing is known of a key that determines some of the keys beside it only.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, Result as DfResult};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;

use super::own;

/// The rule.
#[derive(Debug)]
pub(crate) struct Determined;

impl AnalyzerRule for Determined {
    fn name(&self) -> &'static str {
        "kvern_determined"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        let new = plan.transform_up_with_subqueries(|node| {
            let wrong = match &node {
                LogicalPlan::Aggregate(a) => {
                    let keys = a.group_expr.iter().map(|e| e.schema_name().to_string());
                    wrong(&a.input, &keys.collect::<Vec<_>>())
                }
                LogicalPlan::Distinct(Distinct::All(input)) => {
                    wrong(input, &input.schema().field_names())
                }
                _ => Vec::new(),
            };
            if wrong.is_empty() {
                return Ok(Transformed::no(node));
            }
            let below: Vec<LogicalPlan> = node
                .inputs()
                .into_iter()
                .map(|input| unknown(input, &wrong))
                .collect::<DfResult<_>>()?;
            let exprs = node.expressions();
            Ok(Transformed::yes(node.with_new_exprs(exprs, below)?))
        })?;
        if !new.transformed {
            return Ok(new.data);
        }
        // What nodes further up believe comes from those below.
        new.data
            .transform_up_with_subqueries(|node| node.recompute_schema().map(Transformed::yes))
            .data()
    }
}

/// The columns of which it would be believed that they determine all keys, and which determine some.
fn wrong(input: &LogicalPlan, keys: &[String]) -> Vec<usize> {
    let schema = input.schema();
    let names = schema.field_names();
    let at = |key: &String| names.iter().position(|name| name == key);
    let wrong = schema.functional_dependencies().iter().filter(|known| {
        let is_key = |i: &usize| names.get(*i).is_some_and(|name| keys.contains(name));
        let determined = |key| at(key).is_some_and(|i| known.target_indices.contains(&i));
        known.source_indices.iter().all(is_key) && !keys.iter().all(determined)
    });
    wrong
        .flat_map(|known| known.source_indices.clone())
        .collect()
}

/// The rows with some columns that are not known for the same any more.
fn unknown(input: &LogicalPlan, these: &[usize]) -> DfResult<LogicalPlan> {
    let columns = input
        .schema()
        .iter()
        .enumerate()
        .map(|(i, (table, field))| {
            let column = Expr::Column(Column::from((table, field)));
            match these.contains(&i) {
                true => own::apart(column).alias_qualified(table.cloned(), field.name()),
                false => column,
            }
        });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(input.clone())
        .project(columns)?
        .build()
}

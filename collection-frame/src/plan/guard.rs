//! A condition that may fail is asked only of rows that passed the conditions before it. DataFusion puts filters together and computes all
//! of their parts for all rows (apache/datafusion#8927): `filter(y != 0)`, then `filter(x / y > 10)`, divided by zero.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal, NegativeExpr};
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};

/// The rule that makes one filter of what cannot fail, and one of what can above it.
#[derive(Debug)]
pub(crate) struct GuardFilters;

impl PhysicalOptimizerRule for GuardFilters {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(filter) = node.downcast_ref::<FilterExec>() else {
                return Ok(Transformed::no(node));
            };
            match guarded(filter)? {
                Some(new) => Ok(Transformed::yes(new)),
                None => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "kvern_guard_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn guarded(filter: &FilterExec) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
    let schema = filter.input().schema();
    let parts: Vec<Arc<dyn PhysicalExpr>> = split_conjunction(filter.predicate())
        .into_iter()
        .cloned()
        .collect();
    let (risky, safe): (Vec<_>, Vec<_>) = parts.into_iter().partition(|p| may_fail(p, &schema));
    if risky.is_empty() || (safe.is_empty() && risky.len() == 1) {
        return Ok(None);
    }
    // One after the other: a part that may fail may be there for the next one.
    let mut stages: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    if !safe.is_empty() {
        stages.push(conjunction(safe));
    }
    stages.extend(risky);
    let mut input = filter.input().clone();
    let last = stages.len() - 1;
    for (i, predicate) in stages.into_iter().enumerate() {
        let mut builder = FilterExecBuilder::new(predicate, input)
            .with_default_selectivity(filter.default_selectivity())
            .with_batch_size(filter.batch_size());
        if i == last {
            let projection = filter.projection().as_ref().map(|p| p.to_vec());
            builder = builder
                .apply_projection(projection)?
                .with_fetch(filter.fetch());
        }
        input = Arc::new(builder.build()?);
    }
    Ok(Some(input))
}

/// Whether an expression can be an error for some row.
fn may_fail(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let mut found = false;
    let visit = expr.apply(|e| {
        if fails_itself(e.as_ref(), schema) {
            found = true;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found || visit.is_err()
}

fn fails_itself(expr: &dyn PhysicalExpr, schema: &Schema) -> bool {
    let kind = |e: &dyn PhysicalExpr| e.data_type(schema);
    if let Some(b) = expr.downcast_ref::<BinaryExpr>() {
        let exact = kind(b.left().as_ref()).is_ok_and(|t| !t.is_floating());
        let decimal = kind(b.left().as_ref()).is_ok_and(|t| t.is_decimal());
        return match b.op() {
            Operator::Divide | Operator::Modulo => exact && !is_number_not_zero(b.right()),
            Operator::Plus | Operator::Minus | Operator::Multiply => decimal,
            _ => false,
        };
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let from = kind(cast.expr().as_ref());
        return !from.is_ok_and(|from| never_fails(&from, cast.cast_type()));
    }
    if let Some(f) = expr.downcast_ref::<ScalarFunctionExpr>() {
        return super::own::written(f.fun()).is_none();
    }
    expr.is::<NegativeExpr>() && kind(expr).is_ok_and(|t| t.is_integer())
}

fn is_number_not_zero(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let Some(literal) = expr.downcast_ref::<Literal>() else {
        return false;
    };
    let value = literal.value();
    // Divided by null is null.
    let zero = datafusion::common::ScalarValue::new_zero(&value.data_type());
    value.is_null() || zero.is_ok_and(|zero| zero != *value)
}

/// Whether every value of a type is one of the other.
fn never_fails(from: &DataType, to: &DataType) -> bool {
    let text =
        |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let width = |t: &DataType| t.primitive_width().unwrap_or(0);
    if from == to || from.is_null() || text(to) {
        return true;
    }
    if to.is_floating() {
        return from.is_numeric() || *from == DataType::Boolean;
    }
    if from.is_integer() && to.is_integer() {
        let signs = (from.is_signed_integer(), to.is_signed_integer());
        return match signs {
            (true, true) | (false, false) => width(to) >= width(from),
            (false, true) => width(to) > width(from),
            (true, false) => false,
        };
    }
    matches!((from, to), (DataType::Date32, DataType::Date64))
}

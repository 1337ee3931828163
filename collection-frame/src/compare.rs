//! Text is not compared with numbers, and not put below numbers in one column. DataFusion reads the text as a number for a comparison, so that
//! `zip = 501` is true of `00501`, and fails at the first one that is none; a join of text with numbers finds some of what belongs together; of
//! `concat` and UNION it makes text. What is meant is said by a cast.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::analyzer::AnalyzerRule;

type DfResult<T> = Result<T, DataFusionError>;

/// The rule that refuses it. It comes before the one that makes types equal.
#[derive(Debug)]
pub(crate) struct TextOrNumber;

impl AnalyzerRule for TextOrNumber {
    fn name(&self) -> &'static str {
        "kvern_text_or_number"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.apply_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            node.apply_expressions(|e| e.apply(|e| within(e, &schema)))?;
            if let LogicalPlan::Join(join) = node {
                for (a, b) in &join.on {
                    pair((a, join.left.schema()), (b, join.right.schema()))?;
                }
            }
            if let LogicalPlan::Union(union) = node {
                one_column(&union.inputs)?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(plan)
    }
}

/// What an expression compares.
fn within(expr: &Expr, schema: &DFSchema) -> DfResult<TreeNodeRecursion> {
    let two = |a: &Expr, b: &Expr| pair((a, schema), (b, schema));
    match expr {
        Expr::BinaryExpr(b) if compares(b.op) => two(&b.left, &b.right)?,
        Expr::Between(b) => {
            two(&b.expr, &b.low)?;
            two(&b.expr, &b.high)?;
        }
        Expr::InList(l) => l.list.iter().try_for_each(|e| two(&l.expr, e))?,
        Expr::InSubquery(s) => {
            let inner = s.subquery.subquery.schema();
            if let Some((qualifier, field)) = inner.iter().next() {
                let column = Expr::Column((qualifier, field).into());
                pair((&s.expr, schema), (&column, inner))?;
            }
        }
        Expr::Case(c) => {
            if let Some(value) = &c.expr {
                c.when_then_expr
                    .iter()
                    .try_for_each(|(when, _)| two(value, when))?;
            }
        }
        _ => {}
    }
    Ok(TreeNodeRecursion::Continue)
}

/// Whether its two sides are compared with each other.
pub(crate) fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// Two expressions that are compared. A text that is written into the query is the number that it says: SQL has no other way to write some.
fn pair(a: (&Expr, &DFSchema), b: (&Expr, &DFSchema)) -> DfResult<()> {
    let dtype = |(e, schema): (&Expr, &DFSchema)| e.get_type(schema).ok();
    let (Some(left), Some(right)) = (dtype(a), dtype(b)) else {
        return Ok(());
    };
    let (text, number) = if is_text(&left) && right.is_numeric() {
        (a.0, b.0)
    } else if is_text(&right) && left.is_numeric() {
        (b.0, a.0)
    } else {
        return Ok(());
    };
    if matches!(text, Expr::Literal(..)) {
        return Ok(());
    }
    Err(DataFusionError::Plan(format!(
        "{text} is text and {number} is a number: they cannot be compared, since 00501 and 501 are two texts and one number. \
         Cast one of them: cast({text}, DataType::Int64) or cast({number}, DataType::Utf8), in SQL CAST({text} AS BIGINT); or \
         write the number in quotes"
    )))
}

/// The inputs of a UNION, whose first columns make one column, and so on.
fn one_column(inputs: &[Arc<LogicalPlan>]) -> DfResult<()> {
    let Some((first, rest)) = inputs.split_first() else {
        return Ok(());
    };
    for (i, column) in first.schema().fields().iter().enumerate() {
        let mixed = |other: &Arc<LogicalPlan>| {
            let other = other.schema().fields().get(i)?;
            let [a, b] = [column, other].map(|f| f.data_type());
            let mixed = (is_text(a) && b.is_numeric()) || (a.is_numeric() && is_text(b));
            mixed.then(|| b.clone())
        };
        if let Some(other) = rest.iter().find_map(mixed) {
            return Err(DataFusionError::Plan(format!(
                "column {:?} is {} in one input and {other} in another: text and numbers make no one column. Cast it in one of them: \
                 cast(col({:?}), DataType::Utf8), in SQL CAST({} AS TEXT)",
                column.name(),
                column.data_type(),
                column.name(),
                column.name()
            )));
        }
    }
    Ok(())
}

fn is_text(dtype: &DataType) -> bool {
    match dtype {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

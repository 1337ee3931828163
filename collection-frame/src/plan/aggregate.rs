//! Aggregates that cannot be, told in one sentence when they are written: what is no aggregate, and what does not take its column.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, ExprSchemable};
use kvern_core::Error;

use super::names::plain;

/// What is wrong with an expression among aggregates of a table with those columns, as far as it is seen here.
pub(crate) fn mistake(expr: &Expr, schema: &DFSchema) -> Option<Error> {
    let mut aggregates = Vec::new();
    // The visit cannot fail: nothing in it does.
    let _ = expr.apply(|e| {
        Ok(match e {
            Expr::AggregateFunction(a) => {
                aggregates.push(a.clone());
                TreeNodeRecursion::Jump
            }
            Expr::GroupingSet(_) | Expr::WindowFunction(_) => TreeNodeRecursion::Jump,
            _ => TreeNodeRecursion::Continue,
        })
    });
    if aggregates.is_empty() {
        let bare = match expr {
            Expr::Alias(a) => a.expr.as_ref(),
            other => other,
        };
        let name = plain(bare);
        let shown = match bare {
            Expr::Column(_) => format!("col({name:?})"),
            _ => name,
        };
        return Some(Error::bad_input(format!(
            "{shown} is no aggregate, and a group has many values of it: say which is meant, as in sum({shown}), max({shown}), \
             first_value({shown}, vec![]) or array_agg({shown}), or group by it, too"
        )));
    }
    aggregates.iter().find_map(|a| wrong_type(a, schema))
}

/// Aggregates of numbers.
const OF_NUMBERS: &[&str] = &[
    "sum",
    "avg",
    "median",
    "stddev",
    "stddev_pop",
    "var",
    "var_pop",
    "corr",
    "covar_samp",
    "covar_pop",
];

fn wrong_type(a: &AggregateFunction, schema: &DFSchema) -> Option<Error> {
    let name = a.func.name();
    if !OF_NUMBERS.contains(&name) {
        return None;
    }
    let argument = a.params.args.first()?;
    let found = typed(argument, schema)?;
    let time = matches!(found, DataType::Duration(_) | DataType::Interval(_));
    let number = found.is_numeric() || found.is_null() || time;
    let dictionary = matches!(&found, DataType::Dictionary(_, v) if v.is_numeric());
    if number || dictionary {
        return None;
    }
    let read = plain(argument);
    let what = match argument {
        Expr::Column(_) => format!("column {read:?}"),
        _ => read.clone(),
    };
    let kind = match &found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => format!("text ({found})"),
        other => other.to_string(),
    };
    let instead = match &found {
        DataType::Boolean => {
            format!("to count what is true, cast it: {name}(cast(col({read:?}), DataType::Int64))")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => format!(
            "if all of it reads as numbers, cast it: {name}(cast(col({read:?}), DataType::Float64)); a file's column is text when a value \
             in it is no number"
        ),
        _ => format!("cast it if it stands for one: {name}(cast(col({read:?}), DataType::Int64))"),
    };
    Some(Error::bad_input(format!(
        "{name}({read}): {what} is {kind}, and {name} takes numbers; {instead}"
    )))
}

/// The type of an expression whose columns are named without their tables.
fn typed(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    if let Expr::Column(Column {
        relation: None,
        name,
        ..
    }) = expr
    {
        let field = schema.fields().iter().find(|f| f.name() == name)?;
        return Some(field.data_type().clone());
    }
    expr.get_type(schema).ok()
}

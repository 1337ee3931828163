//! Why a column of a frame is text: the value in a CSV file that is no number, though others are.

use std::any::Any;

use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};
use kvern_core::Error;

use super::table::CsvTable;

/// Which value makes a column of the plan's text, where the column is one of a CSV file.
pub(crate) fn why_text(plan: &LogicalPlan, column: &str) -> Option<String> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let provider = source_as_provider(&scan.source).ok()?;
            let table: &dyn Any = provider.as_ref();
            table.downcast_ref::<CsvTable>()?.why_text(column)
        }
        LogicalPlan::Projection(p) => p.expr.iter().find_map(|e| match e {
            Expr::Column(c) if c.name == column => why_text(&p.input, column),
            Expr::Alias(a) if a.name == column => match a.expr.as_ref() {
                Expr::Column(c) => why_text(&p.input, &c.name),
                _ => None,
            },
            _ => None,
        }),
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Join(_) => plan
            .inputs()
            .into_iter()
            .find_map(|input| why_text(input, column)),
        _ => None,
    }
}

/// The error with that value, where it is about a column's type.
pub(crate) fn with_reason(e: Error, plan: &LogicalPlan) -> Error {
    let about = plan.schema().fields().iter().filter(|f| {
        f.data_type().is_string() && e.message().contains(&format!("column {:?}", f.name()))
    });
    let reasons = about.filter_map(|f| {
        let why = why_text(plan, f.name())?;
        Some(format!("{:?} is text for {why}", f.name()))
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() {
        return e;
    }
    let words = format!("{}; {}", e.message(), reasons.join(", "));
    Error::with_source(e.kind(), words, e)
}

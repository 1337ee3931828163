//! SQL over frames, by the names that they are given.

use std::sync::Arc;

use datafusion::catalog::view::ViewTable;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use kvern_core::{Error, Result};

use super::Frame;
use crate::engine::block_on;
use crate::error::from_df;
use crate::function::Function;
use crate::plan::{analyse, base, names, not_in, own, sets, statement};

/// The frame that a query over other frames makes. The text is DataFusion's SQL: one `SELECT` (with `WITH`, joins, windows, subqueries);
/// statements that would change something are refused. Names in it are lower-cased unless quoted, as in PostgreSQL; a column that the text
/// does not name is called as it reads, `sum(x)`.
///
/// ```
/// use kvern_frame::{Frame, RecordBatch, arrow, sql};
/// use std::sync::Arc;
/// let x = Arc::new(arrow::array::Int64Array::from(vec![1, 2, 3])) as arrow::array::ArrayRef;
/// let t = Frame::from_batches([RecordBatch::try_from_iter([("x", x)])?])?;
/// let out = sql("SELECT sum(x) AS total FROM t WHERE x > 1", [("t", &t)])?;
/// assert_eq!(out.columns(), ["total"]);
/// let e = sql("SELECT y FROM t", [("t", &t)]).unwrap_err();
/// assert!(e.message().contains("there is no column \"y\""), "{e}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What is wrong with the query: where it cannot be read, a table or column that does not exist (with the nearest name), a function that
/// does not exist, a statement that is not a query.
pub fn sql<'a>(
    query: &str,
    tables: impl IntoIterator<Item = (&'a str, &'a Frame)>,
) -> Result<Frame> {
    sql_with(query, tables, [])
}

/// [`sql`] with functions of columns that operators compute, by the names that they were made with (lower-cased, as SQL's names are).
///
/// ```
/// # use kvern_frame::{Frame, Function, sql_with};
/// # fn warm(weather: &Frame, celsius: &Function) -> kvern_core::Result<Frame> {
/// sql_with("SELECT city FROM weather WHERE celsius(f) > 20", [("weather", weather)], [celsius])
/// # }
/// ```
///
/// # Errors
/// As [`sql`]; what an operator says of the types of its arguments.
pub fn sql_with<'a>(
    query: &str,
    tables: impl IntoIterator<Item = (&'a str, &'a Frame)>,
    functions: impl IntoIterator<Item = &'a Function>,
) -> Result<Frame> {
    let context = SessionContext::new_with_state(base().clone());
    // A catalog of its own: the state that is cloned shares its one with all others.
    let catalog = Arc::new(datafusion::catalog::MemoryCatalogProvider::new());
    let schema = Arc::new(datafusion::catalog::MemorySchemaProvider::new());
    datafusion::catalog::CatalogProvider::register_schema(catalog.as_ref(), "public", schema)
        .map_err(from_df)?;
    let list = Arc::new(datafusion::catalog::MemoryCatalogProviderList::new());
    datafusion::catalog::CatalogProviderList::register_catalog(
        list.as_ref(),
        "datafusion".into(),
        catalog,
    );
    context.register_catalog_list(list);
    for function in functions {
        context.register_udf(function.udf().clone());
    }
    let mut named = Vec::new();
    for (name, frame) in tables {
        if named.contains(&name) {
            return Err(Error::bad_input(format!("two frames are named {name:?}")));
        }
        named.push(name);
        let view = Arc::new(ViewTable::new(frame.plan.as_ref().clone(), None));
        let reference = datafusion::common::TableReference::bare(name);
        context.register_table(reference, view).map_err(from_df)?;
    }
    let state = context.state();
    let dialect = state.config_options().sql_parser.dialect;
    let mut statement = state.sql_to_statement(query, &dialect).map_err(from_df)?;
    if let Statement::Statement(statement) = &mut statement {
        statement::regroup(statement);
    }
    let written = match &statement {
        Statement::Statement(s) => Some(s.clone()),
        _ => None,
    };
    let plan = match block_on(async { state.statement_to_plan(statement).await })? {
        Ok(plan) if names::collide(&plan) => by_type(&context, written.as_deref())?.unwrap_or(plan),
        Ok(plan) => plan,
        Err(e) => match by_type(&context, written.as_deref())? {
            Some(plan) => plan,
            None => {
                let e = table_error(from_df(e), &named);
                return Err(call_error(e, written.as_deref()));
            }
        },
    };
    let only_queries = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    only_queries.verify_plan(&plan).map_err(from_df)?;
    let plan = sets::counted(plan)
        .and_then(not_in::as_exists)
        .and_then(analyse::whole)
        .and_then(names::of_sql)
        .map_err(|e| call_error(from_df(e), written.as_deref()))?;
    Ok(Frame::of_plan(plan))
}

/// The plan of a query with casts that DataFusion does not take because it names them as what they are casts of, so that in `GROUP BY x,
/// CAST(x AS BIGINT)` there are two columns `x` (as in 55.2). Here each says its type in its name, unless that is a name that is seen.
fn by_type(
    context: &SessionContext,
    written: Option<&ast::Statement>,
) -> Result<Option<LogicalPlan>> {
    let function = own::of_type();
    let Some(new) = written.and_then(|w| statement::casts_by_type(w, function.name())) else {
        return Ok(None);
    };
    context.register_udf(function.as_ref().clone());
    let state = context.state();
    let new = Statement::Statement(Box::new(new));
    let plan = block_on(async { state.statement_to_plan(new).await })?.ok();
    let seen = |plan: &LogicalPlan| {
        let named = names::of_sql(plan.clone());
        named.is_ok_and(|p| {
            p.schema()
                .fields()
                .iter()
                .all(|f| !f.name().contains(function.name()))
        })
    };
    Ok(plan.filter(seen))
}

/// Names the call whose arguments have types that its function does not take.
fn call_error(e: Error, statement: Option<&ast::Statement>) -> Error {
    let function = e.message().split_once(" does not take (").map(|(f, _)| f);
    let (Some(function), Some(statement)) = (function, statement) else {
        return e;
    };
    let calls = statement::calls(statement, function);
    match calls.is_empty() {
        true => e,
        false => Error::bad_input(format!("{}: {}", calls.join(" or "), e.message())),
    }
}

/// Names the nearest table where one does not exist.
fn table_error(e: Error, names: &[&str]) -> Error {
    let missing = e
        .message()
        .strip_prefix("table '")
        .and_then(|rest| rest.split_once("' not found"))
        .and_then(|(name, _)| name.rsplit('.').next());
    let Some(missing) = missing else { return e };
    let hint = kvern_core::text::nearest(missing, names.iter().copied())
        .map(|n| format!("; did you mean {n:?}?"))
        .unwrap_or_default();
    Error::bad_input(format!(
        "there is no table {missing:?}{hint} (there are: {})",
        names.join(", ")
    ))
}

//! Operators over Arrow data.

use std::sync::Arc;

use kvern_plugin::arrow::ArrayRef;
use kvern_plugin::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Factor {
    factor: f64,
}

/// Each value times `factor`; nulls stay.
#[plugin_op(name = "sample.times", elementwise)]
fn times(x: Float64Array, #[params] p: &Factor) -> Float64Array {
    x.unary(|v| v * p.factor)
}

/// The length of each text, in characters.
#[plugin_op(name = "sample.length", elementwise)]
fn length(x: StringArray) -> Int64Array {
    x.iter()
        .map(|t| t.map(|t| t.chars().count() as i64))
        .collect()
}

/// The first column of a batch twice.
#[plugin_op(name = "sample.twice")]
fn twice(batch: RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let first = schema
        .fields()
        .first()
        .ok_or_else(|| Error::bad_input("a batch without columns"))?;
    let column: ArrayRef = Arc::clone(batch.column(0));
    let again = format!("{}_again", first.name());
    Ok(RecordBatch::try_from_iter_with_nullable([
        (first.name().as_str(), Arc::clone(&column), true),
        (again.as_str(), column, true),
    ])?)
}

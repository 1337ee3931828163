//! The sample's operators as functions of columns: from a frame and in SQL, on both ways.

mod support;

use std::sync::Arc;

use kvern::ErrorKind;
use kvern::frame::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use kvern::frame::arrow::datatypes::{Float64Type, Int64Type};
use kvern::frame::{
    DataType, Frame, Function, RecordBatch, Way, cast, col, functions, lit, sql_with,
};
use serde_json::{Value as Json, json};
use support::{op, registry};

fn session() -> kvern::Session {
    support::session("threads://?workers=2")
}

/// 1,000 rows in three partitions: `x` with nulls, `n` whole numbers, `t` text.
fn table() -> Frame {
    let batch = |rows: std::ops::Range<i64>| {
        let x: Float64Array = rows
            .clone()
            .map(|i| (i % 7 != 0).then_some(i as f64))
            .collect();
        let n = Int64Array::from_iter_values(rows.clone().map(|i| i % 5));
        let t = StringArray::from_iter_values(rows.map(|i| "é".repeat(i as usize % 4)));
        let columns: [(&str, ArrayRef); 3] =
            [("x", Arc::new(x)), ("n", Arc::new(n)), ("t", Arc::new(t))];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(n, a)| (n, a, true))).unwrap()
    };
    let schema = batch(0..1).schema();
    let parts = [
        vec![batch(0..400)],
        vec![batch(400..401), batch(401..900)],
        vec![batch(900..1000)],
    ];
    Frame::from_partitions(schema, parts).unwrap()
}

fn numbers(batches: &[RecordBatch], column: &str) -> Vec<Option<f64>> {
    batches
        .iter()
        .flat_map(|b| {
            let a = b
                .column_by_name(column)
                .unwrap()
                .as_primitive::<Float64Type>();
            a.iter().collect::<Vec<_>>()
        })
        .collect()
}

fn wanted(factor: f64) -> Vec<Option<f64>> {
    (0..1000)
        .map(|i| (i % 7 != 0).then_some(f64::from(i) * factor))
        .collect()
}

/// An operator of the sample as a function of that name.
fn function(name: &str, operator: &str, params: Json) -> Function {
    Function::new(name, &registry(), &op(operator, params)).unwrap()
}

fn times(factor: f64) -> Function {
    function("times", "sample.times", json!({ "factor": factor }))
}

#[test]
fn a_column_is_computed_by_a_plugin_both_ways() {
    let session = session();
    let with = table().with_column("y", times(2.5).call("x")).unwrap();
    for way in [Way::Local, Way::Tasks] {
        let batches = session.compute(&with.via(way)).unwrap();
        assert_eq!(numbers(&batches, "y"), wanted(2.5), "{way:?}");
    }
    assert_eq!(numbers(&with.reference().unwrap(), "y"), wanted(2.5));
}

#[test]
fn it_is_a_function_like_any_other_in_sql() {
    let session = session();
    let length = function("chars", "sample.length", json!(null));
    let table = table();
    let query = "SELECT n, sum(times(x)) AS total, max(chars(t)) AS longest FROM t WHERE chars(t) > 0 GROUP BY n ORDER BY n";
    let frame = sql_with(query, [("t", &table)], [&times(-2.0), &length]).unwrap();
    for way in [Way::Local, Way::Tasks] {
        let batches = session.compute(&frame.via(way)).unwrap();
        let want: Vec<Option<f64>> = (0..5)
            .map(|n| {
                let rows = (0..1000).filter(|i| i % 5 == n && i % 4 > 0 && i % 7 != 0);
                Some(rows.map(|i| f64::from(i) * -2.0).sum())
            })
            .collect();
        assert_eq!(numbers(&batches, "total"), want, "{way:?}");
        let longest: Vec<i64> = batches
            .iter()
            .flat_map(|b| b.column(2).as_primitive::<Int64Type>().values().to_vec())
            .collect();
        assert_eq!(longest, [3; 5]);
    }
}

#[test]
fn wrong_types_are_told_when_the_frame_is_built() {
    let e = table().with_column("y", times(1.0).call("t")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::BadInput, "{e}");
    assert!(
        e.message()
            .contains("sample.times: input x: expected arrow Float64, got arrow Utf8"),
        "{e}"
    );
    let e = table()
        .with_column("y", times(1.0).call(["x", "x"]))
        .unwrap_err();
    assert!(e.message().contains("it takes 1 input, got 2"), "{e}");
    // A cast makes it fit.
    let n = cast(col("n"), DataType::Float64);
    assert!(table().with_column("y", times(1.0).call(n)).is_ok());
    // Tensors are no columns.
    let scale = function("scale", "sample.scale", json!({"factor": 1}));
    let e = table().with_column("y", scale.call("x")).unwrap_err();
    assert!(e.message().contains("expected tensor, got arrow"), "{e}");
}

#[test]
fn functions_of_other_parameters_are_other_functions() {
    let session = session();
    let frame = table()
        .with_column("a", times(2.0).call("x"))
        .and_then(|f| f.with_column("b", times(3.0).call("x")))
        .and_then(|f| f.filter(col("a").gt(lit(100.0))))
        .and_then(|f| {
            f.groupby(Vec::<&str>::new()).agg([
                functions::sum(col("a")).alias("a"),
                functions::sum(col("b")).alias("b"),
            ])
        })
        .unwrap();
    for way in [Way::Local, Way::Tasks] {
        let batches = session.compute(&frame.via(way)).unwrap();
        let sum: f64 = wanted(2.0)
            .into_iter()
            .flatten()
            .filter(|v| *v > 100.0)
            .sum();
        assert_eq!(numbers(&batches, "a"), [Some(sum)]);
        assert_eq!(numbers(&batches, "b"), [Some(sum * 1.5)]);
    }
}

//! The sample's Arrow and text operators over values of tasks: loaded from the file, or linked with the feature `linked`.

mod support;

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use kvern::ErrorKind;
use kvern::core::{Meta, Value};
use kvern_plugin_bridge::arrow::{array_value, batch_value};
use serde_json::json;
use support::{op, run, session};

fn floats(values: Vec<Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

fn array_of(value: &Value) -> ArrayRef {
    value.downcast_ref::<ArrayRef>().unwrap().clone()
}

#[test]
fn values_and_nulls_cross_both_ways() {
    let times = op("sample.times", json!({"factor": 2.0}));
    for url in ["sync://", "threads://?workers=2"] {
        let session = session(url);
        let x = floats(vec![Some(1.5), None, Some(-3.0)]);
        let got = run(&session, &times, vec![array_value(x)]).unwrap();
        assert_eq!(&array_of(&got), &floats(vec![Some(3.0), None, Some(-6.0)]));
    }
}

#[test]
fn slices_and_empty_arrays_too() {
    let times = op("sample.times", json!({"factor": -1.0}));
    let session = session("sync://");
    let x = floats(
        (0..100)
            .map(|i| (i % 7 != 0).then_some(f64::from(i)))
            .collect(),
    );
    for (start, len) in [(0, 100), (13, 40), (99, 1), (50, 0)] {
        let part = x.slice(start, len);
        let want: Vec<_> = (start..start + len)
            .map(|i| (i % 7 != 0).then_some(-(i as f64)))
            .collect();
        let got = run(&session, &times, vec![array_value(part)]).unwrap();
        assert_eq!(&array_of(&got), &floats(want), "{start} {len}");
    }
}

#[test]
fn texts_become_numbers() {
    let length = op("sample.length", json!(null));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![
        Some("ab"),
        None,
        Some(""),
        Some("grün"),
    ]));
    let got = run(
        &session("sync://"),
        &length,
        vec![array_value(texts.slice(1, 3))],
    )
    .unwrap();
    let want: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(0), Some(4)]));
    assert_eq!(&array_of(&got), &want);
}

#[test]
fn record_batches_cross_whole() {
    let twice = op("sample.twice", json!(null));
    let a: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let b: ArrayRef = Arc::new(StringArray::from(vec!["x", "y", "z"]));
    let batch = RecordBatch::try_from_iter_with_nullable([("a", a.clone(), true), ("b", b, false)])
        .unwrap();
    let got = run(
        &session("threads://?workers=2"),
        &twice,
        vec![batch_value(batch)],
    )
    .unwrap();
    let got = got.downcast_ref::<RecordBatch>().unwrap();
    let names: Vec<_> = got
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, ["a", "a_again"]);
    assert_eq!((got.column(0), got.column(1)), (&a, &a));
}

#[test]
fn wrong_arrow_inputs_are_named() {
    let times = op("sample.times", json!({"factor": 1.0}));
    let bad = |value| run(&session("sync://"), &times, vec![value]).unwrap_err();
    let e = bad(array_value(Arc::new(Int32Array::from(vec![1]))));
    assert_eq!(e.kind(), ErrorKind::BadInput);
    assert!(
        e.message()
            .contains("sample.times: input x: expected arrow Float64, got arrow Int32"),
        "{e}"
    );
    let batch = RecordBatch::try_from_iter([("a", floats(vec![Some(1.0)]))]).unwrap();
    let e = bad(batch_value(batch));
    assert!(
        e.message()
            .contains("expected an array, got a record batch of 1 columns"),
        "{e}"
    );
    let e = bad(Value::new(String::from("text")));
    assert!(e.message().contains("expected arrow, got text"), "{e}");
}

#[test]
fn types_are_known_before() {
    let registry = support::registry();
    let times = registry.operator("sample.times", None).unwrap();
    let meta = |dtype: &str| Meta {
        kind: "arrow".into(),
        dtype: dtype.into(),
        shape: vec![Some(10)],
    };
    let params = br#"{"factor": 2}"#;
    assert_eq!(
        times.infer(params, &[meta("Float64")]).unwrap(),
        meta("Float64")
    );
    let e = times.infer(params, &[meta("Utf8")]).unwrap_err();
    assert!(
        e.message()
            .contains("input x: expected arrow Float64, got arrow Utf8"),
        "{e}"
    );
    let length = registry.operator("sample.length", None).unwrap();
    assert_eq!(length.infer(b"", &[meta("Utf8")]).unwrap(), meta("Int64"));
}

#[test]
fn text_goes_in_and_json_comes_out() {
    let words = op("sample.words", json!(null));
    let text = Value::new(String::from("one two  two"));
    let got = run(&session("sync://"), &words, vec![text]).unwrap();
    assert_eq!(
        got.downcast_ref::<String>().unwrap(),
        r#"{"one":1,"two":2}"#
    );
}

/// Many types from many threads: the types are remembered by address, and none is taken for another.
#[test]
fn types_are_never_mistaken() {
    let twice = op("sample.twice", json!(null));
    let session = session("threads://?workers=2");
    for round in 0..20 {
        for columns in 1..12usize {
            let named: Vec<(String, ArrayRef)> = (0..columns)
                .map(|c| {
                    let array: ArrayRef = match (c + round) % 3 {
                        0 => Arc::new(Int64Array::from(vec![c as i64])),
                        1 => Arc::new(StringArray::from(vec![format!("{c}")])),
                        _ => floats(vec![Some(c as f64)]),
                    };
                    (format!("c{c}_{}", round % 5), array)
                })
                .collect();
            let batch = RecordBatch::try_from_iter(named.clone()).unwrap();
            let got = run(&session, &twice, vec![batch_value(batch)]).unwrap();
            let got = got.downcast_ref::<RecordBatch>().unwrap();
            assert_eq!(got.column(1), &named[0].1);
            assert_eq!(got.schema().field(0).name(), &named[0].0);
        }
    }
}

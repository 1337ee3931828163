//! What the queries of the right rows are asked of.

use std::sync::Arc;

use kvern_frame::arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int64Array, StringArray, StructArray,
};
use kvern_frame::arrow::datatypes::{DataType, Field};
use kvern_frame::{Frame, RecordBatch};

/// The frames by name.
pub(crate) fn tables() -> Vec<(&'static str, Frame)> {
    let frame = |columns: Vec<(&str, ArrayRef)>| {
        let columns = columns.into_iter().map(|(name, c)| (name, c, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        // Two partitions, so that rows have to meet.
        let half = batch.num_rows() / 2;
        let parts = [
            batch.slice(0, half),
            batch.slice(half, batch.num_rows() - half),
        ];
        Frame::from_batches(parts).unwrap()
    };
    let int = |v: &[Option<i64>]| Arc::new(Int64Array::from(v.to_vec())) as ArrayRef;
    let text = |v: &[&str]| Arc::new(StringArray::from(v.to_vec())) as ArrayRef;
    let float = |v: &[Option<f64>]| Arc::new(Float64Array::from(v.to_vec())) as ArrayRef;
    let minus = -f64::NAN;
    let f32s = [
        Some(-f32::NAN),
        Some(f32::NAN),
        Some(1.0),
        Some(-0.0),
        Some(0.0),
        None,
    ];
    let y = Field::new("y", DataType::Int64, true);
    let parts: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(y),
        int(&[Some(5), Some(6)]),
    )]));
    vec![
        (
            "w",
            frame(vec![
                ("g", text(&["a", "a", "a", "a", "b", "b", "b"])),
                ("h", text(&["x", "y", "x", "x", "x", "y", "x"])),
                ("o", int(&[1, 2, 3, 4, 1, 2, 3].map(Some))),
                (
                    "x",
                    int(&[Some(10), None, None, Some(40), None, Some(5), None]),
                ),
            ]),
        ),
        (
            "f",
            frame(vec![
                ("i", int(&[1, 2, 3, 4, 5, 6].map(Some))),
                (
                    "x",
                    float(&[
                        Some(minus),
                        Some(f64::NAN),
                        Some(1.0),
                        Some(-0.0),
                        Some(0.0),
                        None,
                    ]),
                ),
                ("s", Arc::new(Float32Array::from(f32s.to_vec()))),
                (
                    "z",
                    float(&[
                        Some(0.0),
                        Some(0.0),
                        Some(2.0),
                        Some(1.0),
                        Some(1.0),
                        Some(1.0),
                    ]),
                ),
            ]),
        ),
        (
            "o",
            Frame::from_batches([RecordBatch::try_from_iter([(
                "x",
                Arc::new(Float64Array::from(vec![minus, 1.0, f64::NAN])) as ArrayRef,
            )])
            .unwrap()])
            .unwrap(),
        ),
        ("p", frame(vec![("a", int(&[1, 1, 1, 2, 4, 4].map(Some)))])),
        ("q", frame(vec![("a", int(&[1, 3, 4, 4, 4].map(Some)))])),
        (
            "n",
            frame(vec![("a", int(&[Some(1), None, None, Some(2)]))]),
        ),
        ("m", frame(vec![("a", int(&[None, Some(2), Some(2)]))])),
        (
            "k",
            frame(vec![
                ("c", int(&[1, 1, 2, 2, 3, 3].map(Some))),
                ("v", int(&[Some(1), Some(2), Some(1), None, Some(5), None])),
            ]),
        ),
        (
            "l",
            frame(vec![
                ("c", int(&[1, 1, 2].map(Some))),
                ("v", int(&[Some(1), Some(7), None])),
            ]),
        ),
        (
            "d",
            frame(vec![
                ("x", int(&[100, 50, 7, 30, 9, 8].map(Some))),
                ("y", int(&[0, 2, 1, 2, 0, 1].map(Some))),
            ]),
        ),
        ("i", frame(vec![("x", int(&[1, 2].map(Some)))])),
        ("j", frame(vec![("x", float(&[Some(0.5), None]))])),
        (
            "e",
            frame(vec![("k", int(&[1, 2].map(Some))), ("r", parts)]),
        ),
    ]
}

//! Operators of this process as functions of columns. (Those of a plugin: the tests of the sample.)

use std::sync::Arc;

use kvern_core::{
    Error, ErrorKind, Kernel, Meta, OpRef, OpTraits, Operator, Registry, Result, Session,
    TaskContext, Value,
};
use kvern_frame::arrow::array::{
    ArrayRef, AsArray, DictionaryArray, Float64Array, Int16Array, Int64Array, StringArray,
    StringViewArray,
};
use kvern_frame::arrow::datatypes::{Float64Type, Int8Type, Int64Type};
use kvern_frame::{Frame, Function, RecordBatch, Way, col, lit, sql_with};
use kvern_scheduler_local as _;

/// An operator of this process, without any plugin; its second version gives fewer values than rows.
struct Plus(u32);

impl Operator for Plus {
    fn name(&self) -> &'static str {
        "trial.plus"
    }

    fn version(&self) -> u32 {
        self.0
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        let short = self.0 == 2;
        Ok(Arc::new(
            move |inputs: &mut [Value], _: &TaskContext<'_>| {
                let a = inputs[0]
                    .downcast_ref::<ArrayRef>()
                    .ok_or_else(|| Error::bad_input("no array"))?;
                let sum: Float64Array = a.as_primitive::<Float64Type>().unary(|v| v + 1.0);
                let sum: ArrayRef = Arc::new(sum);
                Ok(Value::new(if short {
                    sum.slice(0, sum.len() - 1)
                } else {
                    sum
                }))
            },
        ))
    }

    fn infer(&self, _: &[u8], inputs: &[Meta]) -> Result<Meta> {
        Ok(inputs[0].clone())
    }
}

#[test]
fn any_operator_over_arrow_arrays_will_do_and_is_held_to_its_word() {
    let mut registry = Registry::linked().unwrap();
    registry.add_operator(Arc::new(Plus(1)), "test").unwrap();
    registry.add_operator(Arc::new(Plus(2)), "test").unwrap();
    let registry = Arc::new(registry);
    let session = Session::builder()
        .url("threads://?workers=2")
        .registry(registry.clone())
        .build()
        .unwrap();
    let x: Float64Array = (0..10)
        .map(|i| (i % 7 != 0).then_some(f64::from(i)))
        .collect();
    let batch = RecordBatch::try_from_iter([("x", Arc::new(x) as ArrayRef)]).unwrap();
    let table = Frame::from_batches([batch]).unwrap();
    let of = |version| {
        let op = OpRef::named("trial.plus", version, OpTraits::default(), vec![]);
        Function::new("plus", &registry, &op).unwrap()
    };
    let good = table.with_column("y", of(1).call("x")).unwrap();
    let want: Vec<Option<f64>> = (0..10)
        .map(|i| (i % 7 != 0).then_some(f64::from(i) + 1.0))
        .collect();
    for way in [Way::Local, Way::Tasks] {
        let batches = session.compute(&good.via(way)).unwrap();
        let y = batches[0].column_by_name("y").unwrap();
        let y: Vec<_> = y.as_primitive::<Float64Type>().iter().collect();
        assert_eq!(y, want, "{way:?}");
    }
    let bad = table.with_column("y", of(2).call("x")).unwrap();
    let e = session.compute(&bad).unwrap_err();
    assert!(
        e.message().contains("trial.plus@2 gave") && e.message().contains("rows"),
        "{e}"
    );
    // What is not known is told at once.
    let op = OpRef::named("trial.plsu", 1, OpTraits::default(), vec![]);
    let e = Function::new("plus", &registry, &op).unwrap_err();
    assert!(e.message().contains("did you mean trial.plus?"), "{e}");
    let local = OpRef::local("closure", |_: &mut [Value], _: &TaskContext<'_>| {
        Ok(Value::UNIT)
    });
    assert_eq!(
        Function::new("f", &registry, &local).unwrap_err().kind(),
        ErrorKind::NotPortable
    );
}

/// The length of a text and a number, of exactly these types.
struct Longer;

impl Operator for Longer {
    fn name(&self) -> &'static str {
        "trial.longer"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(|inputs: &mut [Value], _: &TaskContext<'_>| {
            let array = |v: &Value| v.downcast_ref::<ArrayRef>().cloned();
            let (Some(text), Some(by)) = (array(&inputs[0]), array(&inputs[1])) else {
                return Err(Error::bad_input("no array"));
            };
            let pairs = text
                .as_string::<i32>()
                .iter()
                .zip(by.as_primitive::<Int64Type>());
            let sum: Int64Array = pairs.map(|(t, n)| Some(t?.len() as i64 + n?)).collect();
            Ok(Value::new(Arc::new(sum) as ArrayRef))
        }))
    }

    fn infer(&self, _: &[u8], inputs: &[Meta]) -> Result<Meta> {
        let types: Vec<&str> = inputs.iter().map(|m| m.dtype.as_str()).collect();
        match types[..] {
            ["Utf8", "Int64"] => Ok(inputs[1].clone()),
            _ => Err(Error::bad_input(format!("trial.longer: not of {types:?}"))),
        }
    }
}

/// A column of text is of one type in a CSV file and of another in a Parquet file, and all are taken, as functions of SQL do.
#[test]
fn columns_are_cast_to_what_an_operator_takes_where_nothing_is_lost() {
    let mut registry = Registry::linked().unwrap();
    registry.add_operator(Arc::new(Longer), "test").unwrap();
    let registry = Arc::new(registry);
    let builder = Session::builder().url("threads://?workers=2");
    let session = builder.registry(registry.clone()).build().unwrap();
    let words = ["a", "bcd", "ef"];
    let dictionary: DictionaryArray<Int8Type> = words.into_iter().collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("utf8", Arc::new(StringArray::from_iter_values(words))),
        ("view", Arc::new(StringViewArray::from_iter_values(words))),
        ("dictionary", Arc::new(dictionary)),
        ("n", Arc::new(Int16Array::from(vec![10, 20, 30]))),
        ("x", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
    ];
    let table = Frame::from_batches([RecordBatch::try_from_iter(columns).unwrap()]).unwrap();
    let op = OpRef::named("trial.longer", 1, OpTraits::default(), vec![]);
    let longer = Function::new("longer", &registry, &op).unwrap();
    let sums = |frame: &Frame| {
        let batches = session.compute(frame).unwrap();
        let y = batches[0].column_by_name("y").unwrap();
        y.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
    };
    for text in ["utf8", "view", "dictionary"] {
        let y = table
            .with_column("y", longer.call([col(text), col("n")]))
            .unwrap();
        for way in [Way::Local, Way::Tasks] {
            assert_eq!(sums(&y.via(way)), [Some(11), Some(23), Some(32)], "{text}");
        }
        let query = format!("SELECT longer({text}, NULL) AS y FROM t");
        let y = sql_with(&query, [("t", &table)], [&longer]).unwrap();
        assert_eq!(sums(&y), [None; 3], "{text}");
        let y = table
            .with_column("y", longer.call([col(text), lit(1i32)]))
            .unwrap();
        assert_eq!(sums(&y), [Some(2), Some(4), Some(3)], "{text}");
    }
    // A float is cut by a cast to a whole number: nobody asked for that.
    let e = table
        .with_column("y", longer.call([col("utf8"), col("x")]))
        .unwrap_err();
    assert!(
        e.message()
            .contains("trial.longer: not of [\"Utf8\", \"Float64\"]"),
        "{e}"
    );
}

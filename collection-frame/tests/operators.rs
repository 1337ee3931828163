//! Operators of this process as functions of columns. (Those of a plugin: the tests of the sample.)

use std::sync::Arc;

use kvern_core::{
    Error, ErrorKind, Kernel, Meta, OpRef, OpTraits, Operator, Registry, Result, Session,
    TaskContext, Value,
};
use kvern_frame::arrow::array::{ArrayRef, AsArray, Float64Array};
use kvern_frame::arrow::datatypes::Float64Type;
use kvern_frame::{Frame, Function, RecordBatch, Way};
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

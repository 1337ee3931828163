//! What this backend does not carry is told when it is submitted: graphs of tasks, leaves whose rows would come several times, functions
//! that executors do not have.

mod support;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::catalog::TableFunctionArgs;
use datafusion::logical_expr::{ColumnarValue, LogicalPlanBuilder, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use kvern_core::{
    Error, ErrorKind, Kernel, Meta, OpRef, OpTraits, Operator, Registry, Result, Session,
    TaskContext, Value, delayed, register_operator,
};
use kvern_frame::arrow::array::{ArrayRef, AsArray, Int64Array};
use kvern_frame::arrow::datatypes::Int64Type;
use kvern_frame::{Frame, Function, JoinHow, RecordBatch, Way, col, lit};
use support::cluster;

process_entry!();

fn numbers(from: i64, to: i64) -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
    RecordBatch::try_from_iter([("n", n)]).unwrap()
}

fn frame() -> Frame {
    Frame::from_batches((0..4).map(|i| numbers(i * 100, i * 100 + 100))).unwrap()
}

fn values(batches: &[RecordBatch], column: usize) -> Vec<i64> {
    let columns = batches
        .iter()
        .map(|b| b.column(column).as_primitive::<Int64Type>());
    columns.flat_map(|c| c.values().to_vec()).collect()
}

/// Adds one; linked into this program, so into its executors, too.
struct Linked;

impl Operator for Linked {
    fn name(&self) -> &'static str {
        "trial.linked"
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(|inputs: &mut [Value], _: &TaskContext<'_>| {
            let a = inputs[0]
                .downcast_ref::<ArrayRef>()
                .ok_or_else(|| Error::bad_input("no array"))?;
            let sum: Int64Array = a.as_primitive::<Int64Type>().unary(|v| v + 1);
            Ok(Value::new(Arc::new(sum) as ArrayRef))
        }))
    }

    fn infer(&self, _: &[u8], inputs: &[Meta]) -> Result<Meta> {
        Ok(inputs[0].clone())
    }
}
register_operator!(Linked);

/// The same, known to one session of this process.
struct Loaded;

impl Operator for Loaded {
    fn name(&self) -> &'static str {
        "trial.loaded"
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        Linked.instantiate(params)
    }

    fn infer(&self, params: &[u8], inputs: &[Meta]) -> Result<Meta> {
        Linked.infer(params, inputs)
    }
}

fn function(registry: &Registry, operator: &str) -> Function {
    let op = OpRef::named(operator, 1, OpTraits::default(), Vec::new());
    Function::new("next", registry, &op).unwrap()
}

fn refused(session: &Session, frame: &Frame) -> Error {
    session.compute(frame).unwrap_err()
}

#[test]
fn graphs_of_tasks_are_refused_by_name() {
    let (session, _cluster) = cluster(1);
    let one = delayed(|| 1i64).call(());
    let e = session.compute(&one).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    let words = e.to_string();
    assert!(
        words.contains("ballista:// carries whole frames only")
            && words.contains("threads://, sync://, cluster:// and tcp://"),
        "{words}"
    );

    let e = refused(&session, &frame().via(Way::Tasks));
    assert!(
        e.message().contains("frame.stage") && e.message().contains("Way::Tasks"),
        "{e}"
    );

    // A frame over partitions that tasks make.
    let make = kvern_core::delayed::delayed_local(|n: &i64| vec![numbers(0, *n)]);
    let parts = [make.call((3i64,)), make.call((4i64,))];
    let mixed = Frame::from_delayed(numbers(0, 0).schema(), parts).unwrap();
    let e = refused(&session, &mixed.filter(col("n").gt(lit(1))).unwrap());
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(e.message().contains("tasks make"), "{e}");

    // The same through the other doors.
    let e = frame().to_delayed().map(|parts| session.compute(&parts));
    assert_eq!(e.unwrap().unwrap_err().kind(), ErrorKind::Unsupported);
    // The session is none the worse for it.
    assert_eq!(frame().count().unwrap().compute_in(&session).unwrap(), 400);
}

#[test]
fn a_leaf_that_would_duplicate_its_rows_is_refused_by_name() {
    let (session, _cluster) = cluster(1);
    let context = SessionContext::new();
    // DataFusion's own generator is one: Ballista's scheduler does not know it.
    let generated = |end: i64| {
        let table = context.table_function("generate_series").unwrap();
        let (ends, state) = ([lit(1i64), lit(end)], context.state());
        let table = table
            .create_table_provider_with_args(TableFunctionArgs::new(&ends, &state))
            .unwrap();
        let source = datafusion::datasource::provider_as_source(table);
        LogicalPlanBuilder::scan("series", source, None).unwrap()
    };
    let plan = generated(1000).build().unwrap();
    let e = refused(&session, &Frame::from_logical_plan(plan));
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    let words = e.to_string();
    assert!(
        words.contains("LazyMemoryExec")
            && words.contains("several times")
            && words.contains("Frame::from_batches"),
        "{words}"
    );
    // Also where it stands beside leaves that are known: there its rows would come once for each task.
    let plan = generated(10)
        .union(
            frame()
                .rename([("n", "value")])
                .unwrap()
                .logical_plan()
                .clone(),
        )
        .unwrap();
    let e = refused(&session, &Frame::from_logical_plan(plan.build().unwrap()));
    assert!(e.message().contains("LazyMemoryExec"), "{e}");
}

#[test]
fn functions_are_found_where_they_run_or_refused_by_name() {
    let (session, _cluster) = cluster(2);
    // One that is linked is in the executors.
    let linked = function(session.registry(), "trial.linked");
    let with = frame().with_column("m", linked.call("n")).unwrap();
    let rows = session.compute(&with).unwrap();
    assert_eq!(values(&rows, 1), (1..=400).collect::<Vec<_>>());

    // One that only this session knows is not.
    let mut registry = Registry::linked().unwrap();
    registry.add_operator(Arc::new(Loaded), "test").unwrap();
    let loaded = function(&registry, "trial.loaded");
    let e = refused(
        &session,
        &frame().filter(loaded.call("n").gt(lit(3))).unwrap(),
    );
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    let words = e.to_string();
    assert!(
        words.contains("the function next") && words.contains("trial.loaded"),
        "{words}"
    );

    // A function of DataFusion's kind has nothing but its name, which may even be that of another.
    for name in ["half", "abs"] {
        let half = create_udf(
            name,
            vec![ArrowType::Int64],
            ArrowType::Int64,
            Volatility::Immutable,
            Arc::new(|args: &[ColumnarValue]| Ok(args[0].clone())),
        );
        let with = frame().with_column("h", half.call(vec![col("n")])).unwrap();
        let e = refused(&session, &with);
        assert_eq!(e.kind(), ErrorKind::NotPortable, "{name}");
        let words = e.to_string();
        assert!(
            words.contains(&format!(
                "the function {name} is known in this process only"
            )),
            "{words}"
        );
    }

    // A column that it makes may be the key of a join.
    let keyed = frame().with_column("k", linked.call("n")).unwrap();
    let joined = keyed.join(&frame().rename([("n", "k")]).unwrap(), "k", JoinHow::Inner);
    let rows = session.compute(&joined.unwrap().repartition(4)).unwrap();
    let mut found = values(&rows, 0);
    found.sort_unstable();
    assert_eq!(found, (0..399).collect::<Vec<_>>());
}

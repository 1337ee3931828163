//! Operators whose parameters have a type, and how often a run looks operators up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kvern_core::operator::Typed;
use kvern_core::optimize::Passes;
use kvern_core::{
    Error, ErrorKind, Graph, Kernel, Layer, Meta, OpRef, OpTraits, Operator, Plan, Registry,
    Result, Root, TaskContext, TaskList, TypedOperator, Value, reference, typed_operator,
};
use serde::{Deserialize, Serialize};

/// Adds a number that is not 13, or the number of the block.
#[derive(Serialize, Deserialize)]
struct Add {
    by: Option<u64>,
}

impl TypedOperator for Add {
    const NAME: &'static str = "typed.add";
    const VERSION: u32 = 3;
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        OpTraits {
            uses_block: self.by.is_none(),
            ..OpTraits::default()
        }
    }

    fn check(&self) -> Result<()> {
        match self.by {
            Some(13) => Err(Error::bad_input("by is 13, any other number is allowed")),
            _ => Ok(()),
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Meta> {
        Ok(inputs[0].clone())
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let n = inputs[0].downcast_ref::<u64>().copied().unwrap_or(0);
        Ok(Value::new(n + self.by.unwrap_or(ctx.block())))
    }
}

typed_operator!(Add);

/// A task of that operator over so many inputs.
fn over(op: OpRef, inputs: u64) -> Arc<Layer> {
    let mut list = TaskList::new();
    let op = list.op(op);
    let edges = (0..inputs as u32).map(|slot| kvern_core::layer::Edge::Input { slot, output: 0 });
    let task = list.task_with(op, edges);
    let data = |n| {
        Layer::new(
            kvern_core::layer::Data::values(vec![Value::new(n)]),
            Vec::new(),
        )
    };
    Layer::new(list.into_kind([task]), (0..inputs).map(data).collect())
}

#[test]
fn its_traits_depend_on_its_parameters() {
    let by_block = Add { by: None }.op().unwrap();
    let by_value = Add { by: Some(2) }.op().unwrap();
    assert!(by_block.traits().uses_block && !by_value.traits().uses_block);
    assert_eq!(by_value.label(), "typed.add@3");
    // Asked by somebody who has the parameters as bytes.
    let registry = Registry::linked().unwrap();
    let operator = registry.operator("typed.add", None).unwrap();
    let of = |params: &Add| OpRef::of(&**operator, params).unwrap();
    assert_eq!(of(&Add { by: None }).key(), by_block.key());
    assert!(of(&Add { by: None }).traits().uses_block);
    assert!(!of(&Add { by: Some(2) }).traits().uses_block);
}

#[test]
fn it_runs_and_refuses() {
    let values = reference::compute(&over(Add { by: Some(2) }.op().unwrap(), 1)).unwrap();
    assert_eq!(values[0].downcast_ref::<u64>(), Some(&2));
    let e = reference::compute(&over(Add { by: Some(2) }.op().unwrap(), 2)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::BadInput);
    assert!(
        e.to_string().contains("typed.add takes 1 input, got 2"),
        "{e}"
    );
    let e = reference::compute(&over(Add { by: Some(13) }.op().unwrap(), 1)).unwrap_err();
    assert!(
        e.to_string()
            .contains("typed.add@3: by is 13, any other number is allowed"),
        "{e}"
    );
    let e = Typed::<Add>::new().infer(&[0], &[]).unwrap_err();
    assert!(e.message().contains("takes 1 input, got 0"), "{e}");
    let e = Typed::<Add>::new().instantiate(&[0, 9]).err().unwrap();
    assert!(e.message().contains("another version"), "{e}");
}

#[test]
fn one_that_is_added_later_runs_and_two_of_one_name_are_refused() {
    #[derive(Serialize, Deserialize)]
    struct Seven;
    impl TypedOperator for Seven {
        const NAME: &'static str = "typed.seven";

        fn run(&self, _: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
            Ok(Value::new(7u64))
        }
    }
    let layer = over(Seven.op().unwrap(), 0);
    let tasks = kvern_core::TaskGraph::expand(&Graph::new(&[Root::all(&layer)])).unwrap();
    let mut registry = Registry::linked().unwrap();
    let e = reference::run(&tasks, &registry).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotRegistered);
    let seven = || Arc::new(Typed::<Seven>::new());
    registry.add_operator(seven(), "the test").unwrap();
    let values = reference::run(&tasks, &registry).unwrap();
    assert_eq!(values[0].downcast_ref::<u64>(), Some(&7));
    let e = registry.add_operator(seven(), "another").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Duplicate);
    assert!(
        e.message()
            .contains("typed.seven@1 is registered by both the test and another"),
        "{e}"
    );
    let e = registry.operator("typed.sevn", None).err().unwrap();
    assert!(e.message().contains("did you mean typed.seven?"), "{e}");
}

/// Counts how often its parameters are read.
struct Counting(Arc<AtomicUsize>);

impl Operator for Counting {
    fn name(&self) -> &str {
        "typed.counting"
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(|_: &mut [Value], _: &TaskContext<'_>| {
            Ok(Value::UNIT)
        }))
    }
}

#[test]
fn a_run_looks_each_operator_up_once() {
    let count = Arc::new(AtomicUsize::new(0));
    let mut registry = Registry::linked().unwrap();
    let counting = Arc::new(Counting(count.clone()));
    registry.add_operator(counting, "the test").unwrap();
    let op = || OpRef::named("typed.counting", 1, OpTraits::default(), Vec::new());
    // Two layers that name it, and a chain that is fused of four of it.
    let (first, second) = (over(op(), 1), over(op(), 2));
    let mut chain = over(op(), 1);
    for _ in 0..3 {
        let mut list = TaskList::new();
        let index = list.op(op());
        let edge = kvern_core::layer::Edge::Input { slot: 0, output: 0 };
        let task = list.task_with(index, [edge]);
        chain = Layer::new(list.into_kind([task]), vec![chain]);
    }
    let roots = [&first, &second, &chain].map(Root::all);
    let mut passes = Passes::default();
    passes.linear = true;
    let plan = Plan::new(Graph::new(&roots), Arc::new(registry), passes).unwrap();
    let prepared = plan.prepare().unwrap();
    let programs = |op: &&OpRef| matches!(op.body(), kvern_core::operator::OpBody::Program(_));
    assert!(prepared.tasks.ops().iter().filter(programs).count() > 0);
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

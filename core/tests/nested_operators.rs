//! An operator whose parameters name another one, which only the session's registry knows.

use std::sync::Arc;

use kvern_core::operator::Operators;
use kvern_core::{
    Error, ErrorKind, Graph, Kernel, Layer, OpRef, OpTraits, Operator, Registry, Result, Root,
    TaskContext, TaskGraph, TaskList, Value,
};

struct Add(i64);

impl Operator for Add {
    fn name(&self) -> &str {
        "nested.add"
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        let by = self.0;
        Ok(Arc::new(
            move |inputs: &mut [Value], _: &TaskContext<'_>| {
                Ok(Value::new(
                    inputs[0].downcast_ref::<i64>().map_or(0, |v| v + by),
                ))
            },
        ))
    }
}

/// Runs the operator that its parameters name, twice.
struct Twice;

impl Operator for Twice {
    fn name(&self) -> &str {
        "nested.twice"
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        Err(Error::new(ErrorKind::Unsupported, "it needs a registry"))
    }

    fn instantiate_in(&self, params: &[u8], operators: &dyn Operators) -> Result<Arc<dyn Kernel>> {
        let name = String::from_utf8_lossy(params).into_owned();
        let inner = operators
            .operator(&name, None)?
            .instantiate_in(&[], operators)?;
        Ok(Arc::new(
            move |inputs: &mut [Value], ctx: &TaskContext<'_>| {
                let once = inner.run(inputs, ctx)?;
                inner.run(&mut [once], ctx)
            },
        ))
    }
}

fn run(registry: &Registry, inner: &str) -> Result<Value> {
    let op = OpRef::named(
        "nested.twice",
        1,
        OpTraits::default(),
        inner.as_bytes().to_vec(),
    );
    let mut list = TaskList::new();
    let index = list.op(op);
    let edge = kvern_core::layer::Edge::Input { slot: 0, output: 0 };
    let task = list.task_with(index, [edge]);
    let data = Layer::new(
        kvern_core::layer::Data::values(vec![Value::new(1i64)]),
        vec![],
    );
    let layer = Layer::new(list.into_kind([task]), vec![data]);
    let graph = TaskGraph::expand(&Graph::new(&[Root::all(&layer)]))?;
    Ok(kvern_core::reference::run(&graph, registry)?.remove(0))
}

#[test]
fn it_is_found_in_the_registry_that_resolves() {
    for by in [10, 100] {
        let mut registry = Registry::empty();
        registry.add_operator(Arc::new(Twice), "test").unwrap();
        registry.add_operator(Arc::new(Add(by)), "test").unwrap();
        let value = run(&registry, "nested.add").unwrap();
        assert_eq!(value.downcast_ref::<i64>(), Some(&(1 + 2 * by)));
        let e = run(&registry, "nested.ad").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotRegistered);
        assert!(e.message().contains("did you mean nested.add?"), "{e}");
    }
}

//! Graphs give what the reference executor gives, whatever their shape.

use std::sync::Arc;

use kvern_core::layer::Data;
use kvern_core::optimize::Passes;
use kvern_core::{Layer, OpRef, Outputs, Root, RunHandle, Scheduler, TaskGraph, TaskList, Value};

use crate::check::{
    assert_same, chain, number, plan_with, reference, same, submit, submit_plan, wide,
};
use crate::fixture::Fixture;
use crate::probe::Probe;
use crate::rng::Rng;
use crate::{graphs, ops};

fn agrees(
    fx: &Fixture,
    scheduler: &Arc<dyn Scheduler>,
    what: &str,
    roots: &[Root],
    passes: Passes,
) {
    let want = match reference(roots) {
        Ok(v) => v,
        Err(e) => panic!("{what}: the reference fails: {e:?}"),
    };
    let run = submit_plan(scheduler, plan_with(roots, passes));
    assert_same(what, &fx.values(what, &run), &want);
}

/// Random graphs of 1 to 2000 tasks over all kinds of layers, run as they are built.
pub fn random_graphs_equal_the_reference(fx: &Fixture) {
    let scheduler = fx.open();
    let mut sizes = Rng::new(1);
    for seed in 0..60 {
        let size = sizes.between(1, if seed % 6 == 0 { 2000 } else { 300 });
        let roots = graphs::random(seed, size);
        agrees(
            fx,
            &scheduler,
            &format!("seed {seed}, size {size}"),
            &roots,
            Passes::none(),
        );
    }
    fx.freed("after random graphs", &scheduler);
}

/// The same after all optimisations: fused and inlined tasks run like any others.
pub fn random_graphs_optimised(fx: &Fixture) {
    let scheduler = fx.open();
    let mut passes = Passes::default();
    (
        passes.inline,
        passes.blockwise,
        passes.linear,
        passes.common,
    ) = (true, true, true, true);
    for seed in 100..140 {
        let roots = graphs::random(seed, 400);
        agrees(
            fx,
            &scheduler,
            &format!("seed {seed}, optimised"),
            &roots,
            passes.clone(),
        );
    }
    fx.freed("after optimised graphs", &scheduler);
}

/// A graph is submitted again while its first run is held, and gives the same again.
pub fn the_same_graph_twice(fx: &Fixture) {
    let scheduler = fx.open();
    let roots = graphs::random(7, 500);
    let (first, second) = (submit(&scheduler, &roots), submit(&scheduler, &roots));
    let a = fx.values("first run", &first);
    let b = fx.values("second run", &second);
    assert_same("second run", &b, &a);
    drop(first);
    assert_same("after the first is gone", &fx.values("again", &second), &b);
    agrees(fx, &scheduler, "third run", &roots, Passes::none());
}

/// What two roots both read runs once, and so does everything else.
pub fn every_task_runs_once(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let mut list = TaskList::new();
    let shared = list.op(ops::touch(&probe.path(), "shared"));
    let reader = list.op(ops::touch(&probe.path(), "reader"));
    let below: Vec<_> = (0..50).map(|_| list.task(shared, [])).collect();
    let readers: Vec<_> = (0..50)
        .map(|i| list.task(reader, [below[i], below[(i * 7) % 50]]))
        .collect();
    let layer = list.finish(readers.into_iter().chain(below));
    let run = submit(&scheduler, &[Root::all(&layer), Root::all(&layer)]);
    assert_eq!(fx.values("two equal roots", &run).len(), 200);
    let mut lines = probe.lines();
    lines.sort();
    lines.dedup();
    assert_eq!(
        (lines.len(), probe.count()),
        (100, 100),
        "tasks that ran, runs of tasks"
    );
}

/// Tasks that no wanted result reads do not run.
pub fn only_what_is_wanted_runs(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let layer = wide(&ops::touch(&probe.path(), "t"), 100);
    let outputs = Outputs::Only(vec![70, 3]);
    let roots = [Root { layer, outputs }];
    let run = submit(&scheduler, &roots);
    assert_same("partial outputs", &fx.values("partial outputs", &run), &{
        let mut lines = probe.lines();
        lines.sort();
        assert_eq!(lines, ["t 3", "t 70"], "tasks that ran");
        match reference(&roots) {
            Ok(v) => v,
            Err(e) => panic!("the reference fails: {e:?}"),
        }
    });
}

/// An output that is wanted several times is given several times, in the places where it is wanted.
pub fn an_output_wanted_twice(fx: &Fixture) {
    let scheduler = fx.open();
    let layer = wide(&ops::block(), 5);
    let outputs = Outputs::Only(vec![2, 0, 2, 4, 2]);
    let run = submit(
        &scheduler,
        &[
            Root {
                layer: layer.clone(),
                outputs,
            },
            Root::all(&layer),
        ],
    );
    let got: Vec<u64> = fx.values("outputs", &run).iter().map(number).collect();
    assert_eq!(got, [2, 0, 2, 4, 2, 0, 1, 2, 3, 4]);
}

/// No roots, roots that want nothing and layers without tasks: a run with nothing to do is over at once.
pub fn nothing_wanted(fx: &Fixture) {
    let scheduler = fx.open();
    let some = wide(&ops::block(), 5);
    let nothing = Outputs::Only(Vec::new());
    let empty = TaskList::new().finish([]);
    let none_of = Root {
        layer: some,
        outputs: nothing,
    };
    for roots in [vec![], vec![none_of], vec![Root::all(&empty)]] {
        let run = submit(&scheduler, &roots);
        assert!(run.is_empty() && run.handles().is_empty());
        if let Err(e) = fx.finish("an empty run", &run) {
            panic!("an empty run fails: {e:?}");
        }
        assert!(run.progress().is_finished(), "{:?}", run.progress());
        assert!(matches!(run.gather(), Ok(v) if v.is_empty()));
    }
    fx.still_works(&scheduler);
}

/// Values at hand are results like any others, read or wanted or both.
pub fn values_at_hand(fx: &Fixture) {
    let scheduler = fx.open();
    let values: Vec<Value> = (0..10u64).map(|i| Value::new(vec![i as u8; 100])).collect();
    let data = Layer::new(Data::values(values.clone()), Vec::new());
    let run = submit(&scheduler, &[Root::all(&data)]);
    assert_same("values only", &fx.values("values only", &run), &values);
    drop(run);
    let mut list = TaskList::new();
    let op = list.op(ops::sum_bytes());
    let reads = (0..10).map(|output| kvern_core::layer::Edge::Input { slot: 0, output });
    let sum = list.task_with(op, reads);
    let layer = Layer::new(list.into_kind([sum]), vec![data.clone()]);
    agrees(
        fx,
        &scheduler,
        "values read and wanted",
        &[Root::all(&layer), Root::all(&data)],
        Passes::none(),
    );
    fx.freed("values at hand", &scheduler);
}

/// The run, the task itself and the graph agree on each task's key.
pub fn keys_are_those_of_the_graph(fx: &Fixture) {
    let scheduler = fx.open();
    let roots = [
        Root::all(&wide(&ops::task_key(), 10)),
        Root::all(&wide(&ops::block(), 3)),
    ];
    let tasks = match TaskGraph::expand(&kvern_core::Graph::new(&roots)) {
        Ok(t) => t,
        Err(e) => panic!("{e:?}"),
    };
    let run = submit(&scheduler, &roots);
    for (i, &t) in tasks.outputs().iter().enumerate() {
        let handle = run.handle(i);
        assert_eq!(handle.key(), tasks.key(t), "key of output {i}");
        if i < 10 {
            let told = fx.value("a key", &handle);
            assert!(
                same(&told, &Value::new(tasks.key(t).to_string())),
                "output {i}: {told:?}"
            );
        }
    }
}

/// Tasks of one layer with equal keys (equal work written down twice) are two tasks or one, but never none.
pub fn equal_tasks(fx: &Fixture) {
    let scheduler = fx.open();
    let mut list = TaskList::new();
    let (two, add) = (list.op(ops::constant(2)), list.op(ops::mix(1)));
    let many: Vec<_> = (0..30).map(|_| list.task(two, [])).collect();
    let all = list.task(add, many.iter().copied());
    let roots = [Root::all(&list.finish(many.into_iter().chain([all])))];
    agrees(fx, &scheduler, "equal tasks", &roots, Passes::none());
}

/// A chain of 50,000 tasks: no recursion over the depth of a graph.
pub fn a_long_chain(fx: &Fixture) {
    agrees(
        fx,
        &fx.open(),
        "chain",
        &[graphs::chain(50_000)],
        Passes::none(),
    );
}

/// 50,000 independent tasks.
pub fn a_wide_graph(fx: &Fixture) {
    agrees(
        fx,
        &fx.open(),
        "wide",
        &[graphs::wide(50_000)],
        Passes::none(),
    );
}

/// One result read by 20,000 tasks, which one task reads.
pub fn wide_fans(fx: &Fixture) {
    agrees(
        fx,
        &fx.open(),
        "fan",
        &[graphs::fan(20_000)],
        Passes::none(),
    );
}

/// A binary tree of 16,384 leaves.
pub fn a_binary_tree(fx: &Fixture) {
    agrees(
        fx,
        &fx.open(),
        "tree",
        &[graphs::tree(16_384)],
        Passes::none(),
    );
}

/// 100 sweeps of a ring of 100 blocks, each reading its neighbours.
pub fn a_stencil(fx: &Fixture) {
    match graphs::stencil(100, 100) {
        Ok(root) => agrees(fx, &fx.open(), "stencil", &[root], Passes::none()),
        Err(e) => panic!("{e:?}"),
    }
}

/// A chain of 5,000 layers of one task each, as `delayed` builds them.
pub fn a_long_chain_of_layers(fx: &Fixture) {
    let mut layer = chain(&[ops::constant(1)]);
    for i in 0..5_000 {
        let mut list = TaskList::new();
        let op = list.op(ops::mix(i % 3));
        let task = list.task_with(op, [kvern_core::layer::Edge::Input { slot: 0, output: 0 }]);
        layer = Layer::new(list.into_kind([task]), vec![layer]);
    }
    agrees(
        fx,
        &fx.open(),
        "layers",
        &[Root::all(&layer)],
        Passes::none(),
    );
}

/// Closures that capture run like operators.
pub fn closures_run(fx: &Fixture) {
    let scheduler = fx.open();
    let captured = [3u64, 4, 5];
    let op = OpRef::local("captures", move |inputs, ctx| {
        let read: u64 = inputs.iter().map(number).sum();
        Ok(Value::new(captured[ctx.block() as usize % 3] + read))
    });
    let mut list = TaskList::new();
    let op = list.op(op);
    let first = list.task(op, []);
    let rest: Vec<_> = (0..20).map(|_| list.task(op, [first, first])).collect();
    agrees(
        fx,
        &scheduler,
        "closures",
        &[Root::all(&list.finish(rest))],
        Passes::none(),
    );
}

/// A value that is neither cloneable nor registered travels by reference where closures do.
pub fn unregistered_values(fx: &Fixture) {
    struct Opaque(u64);
    let scheduler = fx.open();
    let mut list = TaskList::new();
    let make = list.op(OpRef::local("make", |_, ctx| {
        Ok(Value::new(Opaque(ctx.block() + 1)))
    }));
    let read = list.op(OpRef::local("read", |inputs, _| {
        let sum: u64 = inputs
            .iter()
            .filter_map(|v| v.downcast_ref::<Opaque>())
            .map(|o| o.0)
            .sum();
        Ok(Value::new(sum))
    }));
    let made: Vec<_> = (0..10).map(|_| list.task(make, [])).collect();
    let sum = list.task(read, made);
    let run: RunHandle = submit(&scheduler, &[Root::all(&list.finish([sum]))]);
    assert_eq!(number(&fx.value("sum", &run.handle(0))), 55);
}

//! Symbolic graphs: expansion, culling, errors with paths, the wire.

use std::sync::Arc;

use kvern_core::layer::{
    BlockArg, Blockwise, Data, Edge, Overlap, Reach, TreeBytes, TreeReduction,
};
use kvern_core::operator::Stays;
use kvern_core::{
    AxisMap, BlockBytes, ErrorKind, Graph, Grid, Kernel, Layer, NamedTasks, OpRef, OpTraits,
    Operator, Outputs, Registry, Result, Root, TaskContext, TaskGraph, TaskList, Value, delayed,
    reference, register_operator,
};

struct Block;

impl Operator for Block {
    fn name(&self) -> &str {
        "test.block"
    }

    fn traits(&self, _: &[u8]) -> Result<OpTraits> {
        Ok(OpTraits {
            uses_block: true,
            ..OpTraits::default()
        })
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(|_: &mut [Value], ctx: &TaskContext<'_>| {
            Ok(Value::new(ctx.block() as i64))
        }))
    }
}

struct Sum;

impl Operator for Sum {
    fn name(&self) -> &str {
        "test.sum"
    }

    fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(|x: &mut [Value], _: &TaskContext<'_>| {
            Ok(Value::new(
                x.iter()
                    .map(|v| v.downcast_ref::<i64>().copied().unwrap_or(0))
                    .sum::<i64>(),
            ))
        }))
    }
}

register_operator!(Block);
register_operator!(Sum);

fn source(grid: &Grid) -> Arc<Layer> {
    Layer::new(
        Blockwise::source(
            OpRef::of(&Block, &()).unwrap(),
            grid.clone(),
            BlockBytes::Each(8),
        ),
        vec![],
    )
}

fn sum() -> OpRef {
    OpRef::of(&Sum, &()).unwrap()
}

fn ints(values: &[Value]) -> Vec<i64> {
    values
        .iter()
        .map(|v| *v.downcast_ref::<i64>().unwrap())
        .collect()
}

fn run(layer: &Arc<Layer>) -> Vec<i64> {
    ints(&reference::compute(layer).unwrap())
}

#[test]
fn blocks_are_picked_by_axis() {
    let grid = Grid::new([2, 3]);
    let s = source(&grid);
    let transposed = BlockArg {
        slot: 0,
        grid: grid.clone(),
        axes: vec![AxisMap::Out(1), AxisMap::Out(0)],
    };
    let t = Layer::new(
        Blockwise::new(
            sum(),
            Grid::new([3, 2]),
            vec![transposed],
            BlockBytes::Each(8),
        )
        .unwrap(),
        vec![s.clone()],
    );
    assert_eq!(run(&t), [0, 3, 1, 4, 2, 5]);
    let rows = BlockArg {
        slot: 0,
        grid: grid.clone(),
        axes: vec![AxisMap::Out(0), AxisMap::All],
    };
    let r = Layer::new(
        Blockwise::new(sum(), Grid::new([2]), vec![rows], BlockBytes::Each(8)).unwrap(),
        vec![s],
    );
    assert_eq!(run(&r), [3, 12]);
}

#[test]
fn axes_that_do_not_fit_are_named() {
    let bad = BlockArg {
        slot: 0,
        grid: Grid::new([2]),
        axes: vec![AxisMap::Out(1)],
    };
    let e = Blockwise::new(sum(), Grid::new([2]), vec![bad], BlockBytes::Each(8)).unwrap_err();
    assert_eq!(
        e.to_string(),
        "test.sum@1: argument 0: output axis 1 does not exist (the output has 1)"
    );
}

#[test]
fn trees_reduce_some_axes_in_order() {
    let grid = Grid::new([3, 5]);
    for split in [2, 3, 8] {
        let bytes = TreeBytes {
            partial: 8,
            output: 8,
        };
        let ops = || [sum(), sum(), sum()];
        let all = TreeReduction::new(
            ops(),
            grid.clone(),
            vec![BlockArg::same(0, &grid)],
            vec![true, true],
            split,
            bytes,
        )
        .unwrap();
        assert_eq!(
            run(&Layer::new(all, vec![source(&grid)])),
            [(0..15).sum::<i64>()],
            "split {split}"
        );
        let rows = TreeReduction::new(
            ops(),
            grid.clone(),
            vec![BlockArg::same(0, &grid)],
            vec![false, true],
            split,
            bytes,
        )
        .unwrap();
        assert_eq!(run(&Layer::new(rows, vec![source(&grid)])), [10, 35, 60]);
        let columns = TreeReduction::new(
            ops(),
            grid.clone(),
            vec![BlockArg::same(0, &grid)],
            vec![true, false],
            split,
            bytes,
        )
        .unwrap();
        assert_eq!(
            run(&Layer::new(columns, vec![source(&grid)])),
            [15, 18, 21, 24, 27]
        );
    }
}

#[test]
fn overlaps_read_their_neighbours() {
    let grid = Grid::new([4]);
    let reach = |periodic| {
        vec![Reach {
            before: 1,
            after: 1,
            periodic,
        }]
    };
    let open = Overlap::new(sum(), grid.clone(), reach(false), BlockBytes::Each(8)).unwrap();
    assert_eq!(run(&Layer::new(open, vec![source(&grid)])), [1, 3, 6, 5]);
    let ring = Overlap::new(sum(), grid.clone(), reach(true), BlockBytes::Each(8)).unwrap();
    assert_eq!(run(&Layer::new(ring, vec![source(&grid)])), [4, 3, 6, 5]);
}

#[test]
fn only_what_is_wanted_is_expanded() {
    let grid = Grid::new([1000]);
    let next = Blockwise::new(
        sum(),
        grid.clone(),
        vec![BlockArg::same(0, &grid)],
        BlockBytes::Each(8),
    )
    .unwrap();
    let layer = Layer::new(next, vec![source(&grid)]);
    let root = Root {
        layer,
        outputs: Outputs::Only(vec![7, 999, 7]),
    };
    let tasks = TaskGraph::expand(&Graph::new(&[root])).unwrap();
    assert_eq!(tasks.len(), 4);
    assert_eq!(
        ints(&reference::run(&tasks, &Registry::linked().unwrap()).unwrap()),
        [7, 999, 7]
    );
}

#[test]
fn a_million_chunks_are_small_on_the_wire() {
    let grid = Grid::new([1_000_000]);
    let bytes = BlockBytes::Dense {
        item: 8,
        axes: vec![kvern_core::Splits::regular(10_000_000, 10)],
    };
    let next = Blockwise::new(sum(), grid.clone(), vec![BlockArg::same(0, &grid)], bytes).unwrap();
    let graph = Graph::new(&[Root::all(&Layer::new(next, vec![source(&grid)]))]);
    let wire = graph.encode().unwrap();
    assert!(wire.len() < 1000, "{} bytes", wire.len());
    let back = Graph::decode(&wire, &Registry::linked().unwrap()).unwrap();
    assert_eq!(back.encode().unwrap(), wire);
    assert_eq!(back.tasks(), 2_000_000);
}

#[test]
fn damaged_graphs_are_refused_without_a_panic() {
    let grid = Grid::new([3, 5]);
    let bytes = TreeBytes {
        partial: 8,
        output: 8,
    };
    let tree = TreeReduction::new(
        [sum(), sum(), sum()],
        grid.clone(),
        vec![BlockArg::same(0, &grid)],
        vec![true, false],
        2,
        bytes,
    )
    .unwrap();
    let mut list = TaskList::new();
    let op = list.op(sum());
    let a = list.task_with(
        op,
        [
            Edge::Input { slot: 0, output: 1 },
            Edge::Input { slot: 0, output: 4 },
        ],
    );
    let b = list.task(op, [a, a]);
    let layer = Layer::new(
        list.into_kind([b]),
        vec![Layer::new(tree, vec![source(&grid)])],
    );
    let wire = Graph::new(&[Root::all(&layer)]).encode().unwrap();
    let registry = Registry::linked().unwrap();
    for cut in 0..wire.len() {
        assert!(
            Graph::decode(&wire[..cut], &registry).is_err(),
            "cut at {cut}"
        );
    }
    for at in 0..wire.len() {
        for bit in 0..8 {
            let mut bad = wire.clone();
            bad[at] ^= 1 << bit;
            // Some flips still make a graph; expanding it must be an answer or an error, never a panic or a hang.
            if let Ok(g) = Graph::decode(&bad, &registry)
                && g.tasks() < 100_000
            {
                let _ = TaskGraph::expand(&g);
            }
        }
    }
}

#[test]
fn closures_cannot_leave_and_say_why() {
    let captured = 5u64;
    let op = OpRef::local_kernel(
        "my_closure",
        OpTraits::default(),
        Stays::Captures(8),
        Arc::new(move |_: &mut [Value], _: &TaskContext<'_>| Ok(Value::new(captured))),
    );
    let mut list = TaskList::new();
    let op = list.op(op);
    let t = list.task(op, []);
    let e = Graph::new(&[Root::all(&list.finish([t]))])
        .encode()
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    assert!(e.to_string().contains("my_closure captures 8 bytes"), "{e}");
}

#[test]
fn named_tasks_tell_cycles_by_path_and_strangers_by_name() {
    let mut g = NamedTasks::new();
    g.task("a", sum(), ["c"])
        .task("b", sum(), ["a"])
        .task("c", sum(), ["b"]);
    let e = g.finish(["a"]).unwrap_err();
    assert_eq!(
        (e.kind(), e.to_string().as_str()),
        (ErrorKind::Cycle, "the graph has a cycle: a -> c -> b -> a")
    );

    let mut g = NamedTasks::new();
    g.task("load", sum(), []).task("mean", sum(), ["laod"]);
    let e = g.finish(["mean"]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Dangling);
    assert_eq!(
        e.to_string(),
        "task \"mean\" reads \"laod\", which does not exist; did you mean \"load\"?"
    );

    let mut g = NamedTasks::new();
    g.task("x", sum(), []).task("x", sum(), []);
    assert_eq!(
        g.finish(["x"]).unwrap_err().to_string(),
        "two tasks are named \"x\""
    );
}

#[test]
fn an_unknown_operator_is_found_before_anything_runs() {
    let op = OpRef::named("test.smu", 1, OpTraits::default(), vec![]);
    let mut list = TaskList::new();
    let op = list.op(op);
    let t = list.task(op, []);
    let e = Graph::new(&[Root::all(&list.finish([t]))])
        .check(&Registry::linked().unwrap())
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotRegistered);
    assert!(
        e.to_string()
            .ends_with("operator test.smu@1 is not registered; did you mean test.sum?"),
        "{e}"
    );
}

#[test]
fn two_sources_of_one_operator_are_both_named() {
    let mut r = Registry::linked().unwrap();
    let e = r.add_operator(Arc::new(Sum), "plugin libx.so").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Duplicate);
    assert!(
        e.to_string()
            .contains("kvern-core 0.1.0 and plugin libx.so"),
        "{e}"
    );
}

#[test]
fn equal_layers_are_one() {
    let grid = Grid::new([10]);
    let twice = |n: u32| {
        let arg = |slot| BlockArg::same(slot, &grid);
        let args = (0..n).map(arg).collect();
        let kind = Blockwise::new(sum(), grid.clone(), args, BlockBytes::Each(8)).unwrap();
        Layer::new(kind, (0..n).map(|_| source(&grid)).collect())
    };
    // Two sources that were built apart have one content.
    let graph = Graph::new(&[Root::all(&twice(2))]);
    assert_eq!(graph.layers().len(), 2);
    assert_eq!(TaskGraph::expand(&graph).unwrap().len(), 20);
}

#[test]
fn long_chains_neither_recurse_nor_leak() {
    let inc = delayed(|x: &i64| x + 1);
    let mut x = inc.call((0i64,));
    for _ in 0..200_000 {
        x = inc.call((&x,));
    }
    assert_eq!(x.reference().unwrap(), 200_001);
}

#[test]
fn nested_handles_are_arguments() {
    let parts: Vec<_> = (0..10i64).map(|i| delayed(move || i).call(())).collect();
    let total =
        delayed(|all: &Vec<i64>, plus: &i64| all.iter().sum::<i64>() + plus).call((&parts, 100i64));
    assert_eq!(total.reference().unwrap(), 145);
}

#[test]
fn data_is_read_not_run() {
    let data = Layer::new(
        Data::values(vec![Value::new(20i64), Value::new(1i64)]),
        vec![],
    );
    let mut list = TaskList::new();
    let op = list.op(sum());
    let t = list.task_with(
        op,
        [
            Edge::Input { slot: 0, output: 0 },
            Edge::Input { slot: 0, output: 1 },
        ],
    );
    assert_eq!(run(&Layer::new(list.into_kind([t]), vec![data])), [21]);
}

#[test]
fn one_key_for_two_things_is_an_error() {
    let key = kvern_core::Key::builder("mine").u64(1).finish();
    let data = |text: &str| Layer::new(Data::keyed(key, Value::new(text.to_owned())), vec![]);
    let registry = Registry::linked().unwrap();
    let both = |a, b| Graph::new(&[Root::all(&data(a)), Root::all(&data(b))]).check(&registry);
    assert!(both("one", "one").is_ok());
    let e = both("one", "two").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Duplicate);
    assert!(e.to_string().contains("but differ"), "{e}");
}

/// A kind whose answers do not fit together, as a third party might write one.
#[derive(Debug)]
struct Wrong {
    ops: [OpRef; 1],
    op: usize,
    output_task: usize,
}

impl kvern_core::LayerKind for Wrong {
    fn kind(&self) -> &'static str {
        "wrong"
    }

    fn tasks(&self) -> usize {
        2
    }

    fn outputs(&self) -> usize {
        1
    }

    fn output_task(&self, _: usize) -> usize {
        self.output_task
    }

    fn inputs(&self) -> usize {
        0
    }

    fn edges(&self, _: usize, _: &mut Vec<Edge>) {}

    fn ops(&self) -> &[OpRef] {
        &self.ops
    }

    fn op(&self, _: usize) -> usize {
        self.op
    }

    fn bytes(&self, _: usize) -> u64 {
        0
    }

    fn token(&self, k: kvern_core::key::KeyBuilder) -> kvern_core::key::KeyBuilder {
        k
    }

    fn encode(&self) -> Result<Vec<u8>> {
        Ok(vec![])
    }
}

#[test]
fn kinds_that_name_what_they_do_not_have_are_refused() {
    for (op, output_task) in [(1, 0), (0, 2)] {
        let kind = Wrong {
            ops: [sum()],
            op,
            output_task,
        };
        let graph = Graph::new(&[Root::all(&Layer::new(kind, vec![]))]);
        let e = TaskGraph::expand(&graph).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Dangling, "{e}");
    }
}

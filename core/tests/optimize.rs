//! The optimisation passes: counts before and after, and on random graphs the same values, keys and annotations.

mod random;

use std::sync::Arc;

use kvern_core::layer::{BlockArg, Blockwise, Data, Edge, TreeBytes, TreeReduction};
use kvern_core::operator::OpBody;
use kvern_core::optimize::{self, MAX_WIDTH, Passes};
use kvern_core::{
    Annotations, AxisMap, BlockBytes, Graph, Grid, Layer, Outputs, Registry, Root, TaskGraph,
    TaskList, Value, reference,
};
use proptest::prelude::*;
use random::{World, mix, values};

fn only(name: &str) -> Passes {
    let mut p = Passes::none();
    match name {
        "inline" => p.inline = true,
        "blockwise" => p.blockwise = true,
        "linear" => p.linear = true,
        "common" => p.common = true,
        _ => {
            (p.inline, p.blockwise, p.linear, p.common) = (true, true, true, true);
        }
    }
    p
}

/// The tasks that are left, after all that `passes` asks for.
fn tasks(roots: &[Root], passes: &Passes) -> TaskGraph {
    let (graph, _) = optimize::symbolic(Graph::new(roots), passes);
    optimize::tasks(TaskGraph::expand(&graph).unwrap(), passes).0
}

fn run(g: &TaskGraph) -> Vec<u64> {
    values(&reference::run(g, &Registry::linked().unwrap()).unwrap())
}

/// Tasks before and after, having checked that the values are the same.
fn counts(roots: &[Root], passes: &Passes) -> (usize, usize) {
    let plain = tasks(roots, &Passes::none());
    let less = tasks(roots, passes);
    assert_eq!(run(&plain), run(&less));
    (plain.len(), less.len())
}

fn source(id: u64, grid: &Grid) -> Arc<Layer> {
    let kind = Blockwise::source(mix(id, true, false), grid.clone(), BlockBytes::Each(8));
    Layer::new(kind, vec![])
}

fn each(id: u64, grid: &Grid, inputs: &[&Arc<Layer>]) -> Arc<Layer> {
    let args = (0..inputs.len() as u32)
        .map(|s| BlockArg::same(s, grid))
        .collect();
    let kind = Blockwise::new(
        mix(id, true, false),
        grid.clone(),
        args,
        BlockBytes::Each(8),
    );
    Layer::new(kind.unwrap(), inputs.iter().map(|l| (*l).clone()).collect())
}

fn chain(grid: &Grid, length: u64) -> Arc<Layer> {
    (1..length).fold(source(0, grid), |l, id| each(id, grid, &[&l]))
}

#[test]
fn a_blockwise_chain_of_five_is_one_layer() {
    let roots = [Root::all(&chain(&Grid::new([100]), 5))];
    assert_eq!(counts(&roots, &only("blockwise")), (500, 100));
}

#[test]
fn a_wanted_layer_is_not_fused_away() {
    let grid = Grid::new([100]);
    let middle = chain(&grid, 3);
    let last = each(9, &grid, &[&middle]);
    let roots = [Root::all(&last), Root::all(&middle)];
    assert_eq!(counts(&roots, &only("blockwise")), (400, 200));
}

#[test]
fn a_diamond_of_one_group_is_fused_and_runs_its_top_once() {
    let grid = Grid::new([10]);
    let top = source(0, &grid);
    let (a, b) = (each(1, &grid, &[&top]), each(2, &grid, &[&top]));
    let roots = [Root::all(&each(3, &grid, &[&a, &b, &a]))];
    assert_eq!(counts(&roots, &only("blockwise")), (40, 10));
    let g = tasks(&roots, &only("blockwise"));
    let OpBody::Program(p) = g.op(0).body() else {
        panic!("not fused")
    };
    assert_eq!(p.steps().len(), 4);
}

#[test]
fn a_transposed_reader_keeps_block_numbers() {
    let grid = Grid::new([2, 3]);
    let transposed = BlockArg {
        slot: 0,
        grid: grid.clone(),
        axes: vec![AxisMap::Out(1), AxisMap::Out(0)],
    };
    let read = |arg| {
        let kind = Blockwise::new(
            mix(1, true, false),
            Grid::new([3, 2]),
            vec![arg],
            BlockBytes::Each(8),
        );
        [Root::all(&Layer::new(
            kind.unwrap(),
            vec![source(0, &grid)],
        ))]
    };
    assert_eq!(counts(&read(transposed), &only("blockwise")), (12, 6));
    // Broadcasting reads blocks several times: run in each reader, they would be made several times.
    let broadcast = BlockArg {
        slot: 0,
        grid: grid.clone(),
        axes: vec![AxisMap::Fixed(0), AxisMap::Out(0)],
    };
    assert_eq!(counts(&read(broadcast), &only("blockwise")), (9, 9));
}

#[test]
fn a_block_read_in_two_ways_stays() {
    let grid = Grid::new([3, 3]);
    let mut other = BlockArg::same(0, &grid);
    other.axes.reverse();
    let args = vec![BlockArg::same(0, &grid), other];
    let kind = Blockwise::new(
        mix(1, false, false),
        grid.clone(),
        args,
        BlockBytes::Each(8),
    );
    let roots = [Root::all(&Layer::new(
        kind.unwrap(),
        vec![source(0, &grid)],
    ))];
    assert_eq!(counts(&roots, &only("blockwise")), (18, 18));
}

#[test]
fn a_tree_takes_in_what_its_chunk_stage_reads() {
    let grid = Grid::new([4, 8]);
    let bytes = TreeBytes {
        partial: 8,
        output: 8,
    };
    let ops = [10, 11, 12].map(|id| mix(id, id == 10, false));
    let args = vec![BlockArg::same(0, &grid)];
    let tree = TreeReduction::new(ops, grid.clone(), args, vec![false, true], 4, bytes).unwrap();
    let roots = [Root::all(&Layer::new(tree, vec![chain(&grid, 3)]))];
    // 3 x 32 blocks; 32 chunks, 4 x 2 combines, 4 results.
    assert_eq!(counts(&roots, &only("blockwise")), (96 + 44, 44));
}

#[test]
fn annotations_keep_layers_apart() {
    let grid = Grid::new([10]);
    let plain = chain(&grid, 2);
    let urgent = each(5, &grid, &[&plain]).annotated(Annotations::new().priority(3));
    let roots = [Root::all(&each(6, &grid, &[&urgent]))];
    assert_eq!(counts(&roots, &only("all")), (40, 30));
    // Equal content, other annotations: two layers.
    let twin = plain.annotated(Annotations::new().retries(2));
    let both = each(7, &grid, &[&plain, &twin]);
    assert_eq!(Graph::new(&[Root::all(&both)]).layers().len(), 4);
    let same = each(7, &grid, &[&plain, &chain(&grid, 2)]);
    assert_eq!(Graph::new(&[Root::all(&same)]).layers().len(), 3);
}

#[test]
fn sums_of_many_arrays_do_not_become_one_task_of_many_inputs() {
    let grid = Grid::new([2]);
    let data = |_| {
        Layer::new(
            Data::values(vec![Value::new(1u64), Value::new(2u64)]),
            vec![],
        )
    };
    let sum = (0..200u64)
        .map(data)
        .enumerate()
        .fold(source(0, &grid), |acc, (i, d)| {
            each(i as u64 + 1, &grid, &[&acc, &d])
        });
    let g = tasks(&[Root::all(&sum)], &only("blockwise"));
    let widest = (0..g.len() as u32).map(|t| g.deps(t).len()).max();
    assert_eq!(widest, Some(MAX_WIDTH));
    counts(&[Root::all(&sum)], &only("blockwise"));
}

#[test]
fn a_long_chain_of_layers_neither_recurses_nor_takes_long() {
    let roots = [Root::all(&chain(&Grid::new([1]), 20_000))];
    assert_eq!(counts(&roots, &only("blockwise")), (20_000, 1));
}

#[test]
fn cheap_sources_run_in_every_reader() {
    let grid = Grid::new([5, 4]);
    let row = Grid::new([4]);
    let cheap = Layer::new(
        Blockwise::source(mix(0, true, true), row.clone(), BlockBytes::Each(8)),
        vec![],
    );
    let broadcast = BlockArg {
        slot: 0,
        grid: row.clone(),
        axes: vec![AxisMap::Out(1)],
    };
    let reader = |id| {
        let args = vec![broadcast.clone(), broadcast.clone()];
        let kind = Blockwise::new(
            mix(id, true, false),
            grid.clone(),
            args,
            BlockBytes::Each(8),
        );
        Root::all(&Layer::new(kind.unwrap(), vec![cheap.clone()]))
    };
    let mut roots = vec![reader(1), reader(2)];
    assert_eq!(counts(&roots, &only("inline")), (44, 40));
    roots.push(Root::all(&cheap));
    assert_eq!(counts(&roots, &only("inline")), (44, 44));
    let g = tasks(&roots, &only("inline"));
    assert!((0..g.len() as u32).all(|t| g.deps(t).is_empty()));
}

#[test]
fn unread_tasks_are_never_made() {
    let layer = chain(&Grid::new([1000]), 3);
    let root = Root {
        layer,
        outputs: Outputs::Only(vec![7, 999, 7]),
    };
    assert_eq!(Graph::new(std::slice::from_ref(&root)).tasks(), 3000);
    assert_eq!(counts(std::slice::from_ref(&root), &Passes::none()), (6, 6));
    assert_eq!(counts(&[root], &only("blockwise")), (6, 2));
}

#[test]
fn equal_chains_share_one_program() {
    let mut list = TaskList::new();
    let ops: Vec<_> = (0..4).map(|id| list.op(mix(id, false, false))).collect();
    let ends: Vec<_> = (0..1000)
        .map(|_| {
            let first = list.task(ops[0], []);
            (1..4).fold(first, |t, i| list.task(ops[i], [t]))
        })
        .collect();
    let roots = [Root::all(&list.finish(ends))];
    assert_eq!(counts(&roots, &only("linear")), (4000, 1000));
    let g = tasks(&roots, &only("linear"));
    let mut used: Vec<usize> = (0..1000).map(|t| g.op_index(t)).collect();
    used.dedup();
    assert_eq!(used.len(), 1);
    // They are equal tasks, so the other pass makes one chain of them.
    assert_eq!(counts(&roots, &only("common")), (4000, 4));
    assert_eq!(counts(&roots, &only("all")), (4000, 1));
}

#[test]
fn chains_end_where_something_else_is_waited_for() {
    let data = Layer::new(Data::values(vec![Value::new(20u64)]), vec![]);
    let build = |external: bool| {
        let mut list = TaskList::new();
        let op = list.op(mix(1, true, false));
        let a = list.task(op, []);
        let b = list.task(op, [a]);
        let side = list.task(op, []);
        let at_hand = Edge::Input { slot: 0, output: 0 };
        let own = |t: kvern_core::layer::TaskId| Edge::Own(t.index() as u32);
        let c = list.task_with(op, [own(b), if external { at_hand } else { own(side) }]);
        let d = list.task_with(op, [own(c), at_hand, own(c)]);
        [Root::all(&Layer::new(
            list.into_kind([d]),
            vec![data.clone()],
        ))]
    };
    // The value and one task.
    assert_eq!(counts(&build(true), &only("linear")), (5, 2));
    // The value, the side task, a-b, c-d: b and the side task may run beside each other.
    assert_eq!(counts(&build(false), &only("linear")), (6, 4));
}

#[test]
fn a_chain_of_100_000_tasks_is_fused_without_recursion() {
    let mut list = TaskList::new();
    let op = list.op(mix(1, true, false));
    let first = list.task(op, []);
    let last = (1..100_000).fold(first, |t, _| list.task(op, [t]));
    assert_eq!(
        counts(&[Root::all(&list.finish([last]))], &only("linear")),
        (100_000, 1)
    );
}

/// What a pass must keep, checked on one random graph.
fn check(seed: u64, pass: &str) -> Result<(), TestCaseError> {
    let world = World::new(seed);
    let passes = only(pass);
    let plain = TaskGraph::expand(&Graph::new(&world.roots)).unwrap();
    let (graph, reports) = optimize::symbolic(Graph::new(&world.roots), &passes);
    let expanded = TaskGraph::expand(&graph).unwrap();
    let (g, more) = optimize::tasks(expanded.clone(), &passes);

    prop_assert_eq!(run(&plain), run(&g), "values");
    let keys = |g: &TaskGraph| g.outputs().iter().map(|&t| g.key(t)).collect::<Vec<_>>();
    prop_assert_eq!(keys(&plain), keys(&g), "keys");
    prop_assert!(g.len() <= expanded.len() && expanded.len() <= plain.len());
    for r in reports.iter().chain(&more) {
        prop_assert!(r.after <= r.before, "{r:?}");
    }

    for t in 0..g.len() as u32 {
        let have = g.annotations(t).map(|a| (**a).clone());
        prop_assert!(
            world.allows(g.layer_of(t).key(), &have),
            "layer of task {t}"
        );
        let ops: Vec<_> = match g.op(t).body() {
            OpBody::Program(p) => p.steps().iter().map(|s| s.op.clone()).collect(),
            _ => vec![g.op(t).clone()],
        };
        for op in ops.iter().filter(|o| o.name() != "core.data") {
            prop_assert_eq!(&world.annotations_of(op), &have, "{:?} in task {}", op, t);
        }
    }

    let (again, _) = optimize::symbolic(graph.clone(), &passes);
    prop_assert_eq!(again.layers().len(), graph.layers().len());
    let same = again.layers().iter().zip(graph.layers());
    prop_assert!(same.into_iter().all(|(a, b)| Arc::ptr_eq(a, b)));
    let (twice, _) = optimize::tasks(g.clone(), &passes);
    prop_assert_eq!(twice.len(), g.len());
    prop_assert_eq!(twice.edges(), g.edges());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inlining_keeps_everything(seed: u64) { check(seed, "inline")?; }

    #[test]
    fn blockwise_fusion_keeps_everything(seed: u64) { check(seed, "blockwise")?; }

    #[test]
    fn linear_fusion_keeps_everything(seed: u64) { check(seed, "linear")?; }

    #[test]
    fn merging_keeps_everything(seed: u64) { check(seed, "common")?; }

    #[test]
    fn all_passes_keep_everything(seed: u64) { check(seed, "all")?; }
}

#[test]
fn different_tasks_do_not_hide_equal_ones_behind_the_same_hash() {
    // Found by `merging_keeps_everything`: operator 0 on tasks 2 and 0 had the hash of operator 2 on none.
    check(16_677_968_645_356_955_048, "common").unwrap();
}

#[test]
fn random_graphs_do_exercise_the_passes() {
    for pass in ["inline", "blockwise", "linear", "common"] {
        let fewer = (0..100)
            .filter(|&seed| {
                let world = World::new(seed);
                tasks(&world.roots, &only(pass)).len() < tasks(&world.roots, &Passes::none()).len()
            })
            .count();
        assert!(fewer >= 15, "{pass} changed {fewer} of 100 graphs");
    }
}

/// `cargo test --release -p kvern-core --test optimize -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn microseconds_a_task() {
    let mut list = TaskList::new();
    let op = list.op(mix(1, true, false));
    let ends: Vec<_> = (0..1_000_000).map(|_| list.task(op, [])).collect();
    let independent = Root::all(&list.finish(ends));

    let mut list = TaskList::new();
    let op = list.op(mix(1, true, false));
    let first = list.task(op, []);
    let last = (1..100_000).fold(first, |t, _| list.task(op, [t]));
    let chain = Root::all(&list.finish([last]));

    let mut list = TaskList::new();
    let op = list.op(mix(1, true, false));
    let mut row: Vec<_> = (0..1 << 20).map(|_| list.task(op, [])).collect();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| list.task(op, pair.iter().copied()))
            .collect();
    }
    let tree = Root::all(&list.finish(row));

    let mut list = TaskList::new();
    let op = list.op(mix(1, true, false));
    let mut row: Vec<_> = (0..5000).map(|_| list.task(op, [])).collect();
    for _ in 1..200 {
        row = (0..row.len())
            .map(|i| {
                let near = i.saturating_sub(1)..(i + 2).min(row.len());
                list.task(op, row[near].iter().copied())
            })
            .collect();
    }
    let stencil = Root::all(&list.finish(row));

    let cases = [
        ("independent", independent),
        ("chain", chain),
        ("tree", tree),
        ("stencil", stencil),
    ];
    for (case, root) in &cases {
        for pass in ["none", "inline", "blockwise", "common", "linear"] {
            let mut passes = only(pass);
            if pass == "none" {
                passes = Passes::none();
            }
            let mut best = f64::MAX;
            let mut sizes = (0, 0);
            for _ in 0..5 {
                let graph = Graph::new(std::slice::from_ref(root));
                let start = std::time::Instant::now();
                let (graph, _) = optimize::symbolic(graph, &passes);
                let symbolic = start.elapsed();
                let g = TaskGraph::expand(&graph).unwrap();
                let before = g.len();
                let start = std::time::Instant::now();
                let (g, _) = optimize::tasks(g, &passes);
                let seconds = (start.elapsed() + symbolic).as_secs_f64();
                sizes = (before, g.len());
                best = best.min(seconds * 1e6 / before as f64);
            }
            println!("{case:12} {pass:10} {best:.4} us/task {sizes:?}");
        }
    }
}

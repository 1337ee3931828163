//! The static order: as good as `dask.order` on the canonical graphs, valid on any graph.

#[path = "order/graphs.rs"]
mod graphs;

use graphs::Graph;
use kvern_core::order::{Dag, Peak, order, peak};
use proptest::prelude::*;

const DASK: &str = include_str!("data/dask_order.json");

fn assert_valid(dag: &Dag<'_>, position: &[u32]) {
    let mut sorted = position.to_vec();
    sorted.sort_unstable();
    assert!(
        sorted.iter().copied().eq(0..dag.len() as u32),
        "no permutation"
    );
    for t in 0..dag.len() as u32 {
        for &d in dag.deps_of(t) {
            assert!(
                position[d as usize] < position[t as usize],
                "{t} runs before its input {d}"
            );
        }
    }
}

#[test]
fn canonical_graphs_peak_no_higher_than_dask() {
    let dask: serde_json::Value = serde_json::from_str(DASK).unwrap();
    let rows = dask["graphs"].as_array().unwrap();
    let graphs = graphs::all();
    assert_eq!(
        rows.len(),
        graphs.len(),
        "run bench/peers/dask_order.py again"
    );
    let mut worse = Vec::new();
    println!(
        "{:<22} {:>9} {:>6} | {:>5} {:>5} | held {:>5} {:>5}",
        "graph", "size", "tasks", "kvern", "dask", "kvern", "dask"
    );
    for (g, row) in graphs.iter().zip(rows) {
        let known = (
            row["name"].as_str(),
            row["size"].as_str(),
            row["checksum"].as_str(),
        );
        let sum = format!("{:016x}", g.checksum());
        assert_eq!(
            known,
            (Some(g.name), Some(&*g.size), Some(&*sum)),
            "figures of another graph"
        );
        let outputs = g.outputs();
        let dag = g.dag(&outputs);
        let position = order(&dag);
        assert_valid(&dag, &position);
        let ours = [false, true].map(|hold| peak(&dag, &position, hold).chunks as u64);
        let theirs = ["peak", "peak_held"].map(|key| row[key].as_u64().unwrap());
        println!(
            "{:<22} {:>9} {:>6} | {:>5} {:>5} | held {:>5} {:>5}",
            g.name,
            g.size,
            g.len(),
            ours[0],
            theirs[0],
            ours[1],
            theirs[1]
        );
        let strictly = ["climatology", "butterfly", "covariance"].contains(&g.name);
        if ours[0] > theirs[0] || ours[1] > theirs[1] || strictly && ours[0] == theirs[0] {
            worse.push(format!("{} {}: {ours:?}, dask {theirs:?}", g.name, g.size));
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}

#[test]
fn peaks_known_by_hand() {
    // A chain holds two chunks, a binary tree of 2^k leaves k + 2.
    for (g, expected) in [
        (graphs::chains(1, 50), 2),
        (graphs::tree_reduction(64, 2), 8),
    ] {
        let outputs = g.outputs();
        let dag = g.dag(&outputs);
        assert_eq!(
            peak(&dag, &order(&dag), true).chunks,
            expected,
            "{}",
            g.name
        );
    }
}

#[test]
fn sizes_steer_the_order() {
    // Each pair: a big chunk is summed to a small one. Then one task joins the small ones.
    let dep_off = [0, 0, 1, 1, 2, 2, 3, 6];
    let deps = [0, 2, 4, 1, 3, 5];
    let bytes = [1000, 1, 1000, 1, 1000, 1, 1];
    let dag = Dag {
        dep_off: &dep_off,
        deps: &deps,
        bytes: &bytes,
        outputs: &[6],
    };
    assert_eq!(
        peak(&dag, &order(&dag), true),
        Peak {
            chunks: 4,
            bytes: 1003
        }
    );
    // 0 is read by 2 and 6. 4 reads 1, 2 and 3, 5 sums it up, 7 joins 5 and 6. Once 2 has run, 6
    // would free 0, but 4 and 6 are big: the two must not be alive together.
    let bytes = [1, 1, 1, 1, 1000, 1, 1000, 1];
    let dep_off = [0, 0, 0, 1, 1, 4, 5, 6, 8];
    let deps = [0, 1, 2, 3, 4, 0, 6, 5];
    let dag = Dag {
        dep_off: &dep_off,
        deps: &deps,
        bytes: &bytes,
        outputs: &[7],
    };
    assert_eq!(peak(&dag, &order(&dag), true).bytes, 1004);
}

#[test]
fn repeated_and_unknown_dependencies_are_passed_over() {
    let dag = Dag {
        dep_off: &[0, 4, 4, 6],
        deps: &[1, 1, 9, 1, 0, 0],
        bytes: &[],
        outputs: &[2, 77],
    };
    assert_eq!(order(&dag), [1, 0, 2]);
}

#[test]
fn a_cycle_comes_last_and_ends() {
    // 3 → 0; 1 and 2 read each other; 4 reads 2.
    let dag = Dag {
        dep_off: &[0, 1, 2, 3, 3, 4],
        deps: &[3, 2, 1, 2],
        bytes: &[],
        outputs: &[4, 0],
    };
    assert_eq!(order(&dag), [1, 2, 3, 0, 4]);
    let dag = Dag {
        dep_off: &[0, 1],
        deps: &[0],
        bytes: &[],
        outputs: &[0],
    };
    assert_eq!(order(&dag), [0]);
}

#[test]
fn nothing_and_independent_tasks() {
    assert!(
        order(&Dag {
            dep_off: &[],
            deps: &[],
            bytes: &[],
            outputs: &[]
        })
        .is_empty()
    );
    assert!(
        order(&Dag {
            dep_off: &[0],
            deps: &[],
            bytes: &[],
            outputs: &[]
        })
        .is_empty()
    );
    assert_eq!(
        order(&Dag {
            dep_off: &[0; 4],
            deps: &[],
            bytes: &[],
            outputs: &[2]
        }),
        [0, 1, 2]
    );
}

#[test]
fn absurd_sizes_do_not_overflow() {
    let dag = Dag {
        dep_off: &[0, 0, 0, 2],
        deps: &[0, 1],
        bytes: &[u64::MAX; 3],
        outputs: &[2],
    };
    assert_eq!(
        peak(&dag, &order(&dag), true),
        Peak {
            chunks: 3,
            bytes: u64::MAX
        }
    );
}

#[test]
fn deep_and_wide_graphs_need_no_deep_stack() {
    for g in [
        graphs::chains(1, 100_000),
        graphs::shuffle(200, 100),
        graphs::map_reduce(50_000, 1),
    ] {
        let outputs = g.outputs();
        let dag = g.dag(&outputs);
        assert_valid(&dag, &order(&dag));
    }
}

/// A random graph whose ids are in no particular order, with sizes and wanted outputs.
fn any_graph() -> impl Strategy<Value = (Graph, Vec<u64>, Vec<u32>)> {
    (1usize..80, 1usize..30).prop_flat_map(|(n, reach)| {
        let rows = prop::collection::vec(prop::collection::vec(0usize..reach, 0..5), n);
        let ids = Just((0..n as u32).collect::<Vec<_>>()).prop_shuffle();
        let bytes = prop_oneof![
            Just(Vec::new()),
            prop::collection::vec(prop_oneof![0u64..4, 0u64..10_000], n)
        ];
        let wanted = prop::collection::vec(0..n as u32, 0..6);
        (rows, ids, bytes, wanted).prop_map(move |(rows, ids, bytes, wanted)| {
            let mut of = vec![0; n];
            ids.iter()
                .enumerate()
                .for_each(|(t, &id)| of[id as usize] = t);
            let mut g = Graph::new("random", format!("{n}"));
            for t in of {
                let back = rows[t].iter().filter(|&&back| back < t);
                let deps: Vec<u32> = back.map(|back| ids[t - 1 - back]).collect();
                g.add(&deps);
            }
            let mut outputs = g.outputs();
            outputs.extend(wanted);
            (g, bytes, outputs)
        })
    })
}

/// Looks at every task at every step.
fn slow_peak(dag: &Dag<'_>, position: &[u32], hold: bool) -> Peak {
    let n = dag.len() as u32;
    let at = |t: u32| position[t as usize];
    let last = |d: u32| {
        (0..n)
            .filter(|&t| dag.deps_of(t).contains(&d))
            .map(at)
            .max()
    };
    let ends: Vec<u32> = (0..n)
        .map(|d| {
            if hold && dag.outputs.contains(&d) {
                n
            } else {
                last(d).unwrap_or(at(d))
            }
        })
        .collect();
    let mut top = Peak {
        chunks: 0,
        bytes: 0,
    };
    for now in 0..n {
        let live = (0..n).filter(|&t| at(t) <= now && now <= ends[t as usize]);
        let sizes: Vec<u64> = live
            .map(|t| dag.bytes.get(t as usize).copied().unwrap_or(1))
            .collect();
        top.chunks = top.chunks.max(sizes.len());
        top.bytes = top.bytes.max(sizes.iter().sum());
    }
    top
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_are_ordered_validly((g, bytes, outputs) in any_graph()) {
        let dag = Dag { bytes: &bytes, ..g.dag(&outputs) };
        let position = order(&dag);
        assert_valid(&dag, &position);
        prop_assert_eq!(&position, &order(&dag), "an order depends on the graph alone");
        for hold in [false, true] {
            prop_assert_eq!(peak(&dag, &position, hold), slow_peak(&dag, &position, hold));
        }
    }

    #[test]
    fn cycles_end_and_the_rest_is_valid(
        rows in prop::collection::vec(prop::collection::vec(0u32..40, 0..4), 1..40)
    ) {
        let mut g = Graph::new("any", String::new());
        rows.iter().for_each(|row| {
            g.add(row);
        });
        let n = g.len() as u32;
        let outputs: Vec<u32> = (0..n).step_by(3).collect();
        let dag = g.dag(&outputs);
        let position = order(&dag);
        let mut sorted = position.clone();
        sorted.sort_unstable();
        prop_assert!(sorted.into_iter().eq(0..n));
        // What can run at all, found by brute force, is placed validly and before the rest.
        let mut runs = vec![false; n as usize];
        let deps = |t: u32| dag.deps_of(t).iter().copied().filter(|&d| d < n);
        for _ in 0..n {
            for t in 0..n {
                runs[t as usize] |= deps(t).all(|d| runs[d as usize]);
            }
        }
        let count = runs.iter().filter(|&&r| r).count();
        for t in 0..n {
            let at = position[t as usize];
            prop_assert_eq!(runs[t as usize], (at as usize) < count);
            if runs[t as usize] {
                prop_assert!(deps(t).all(|d| position[d as usize] < at));
            }
        }
    }

    #[test]
    fn peak_of_any_valid_order((g, bytes, outputs) in any_graph(), seed in any::<u64>()) {
        let dag = Dag { bytes: &bytes, ..g.dag(&outputs) };
        // A random topological order: of the ready tasks, any.
        let mut position = vec![u32::MAX; g.len()];
        let mut state = seed;
        for now in 0..g.len() as u32 {
            let todo = |t: &u32| position[*t as usize] == u32::MAX;
            let ready: Vec<u32> = (0..g.len() as u32)
                .filter(|t| todo(t) && !dag.deps_of(*t).iter().any(&todo))
                .collect();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            position[ready[(state >> 33) as usize % ready.len()] as usize] = now;
        }
        for hold in [false, true] {
            prop_assert_eq!(peak(&dag, &position, hold), slow_peak(&dag, &position, hold));
        }
    }
}

/// One JSON object a line for `bench/peers/dask_order.py`.
#[test]
#[ignore = "prints the graphs for bench/peers/dask_order.py"]
fn print_graphs() {
    for g in graphs::all() {
        println!(
            "{{\"name\": {:?}, \"size\": {:?}, \"dep_off\": {:?}, \"deps\": {:?}}}",
            g.name, g.size, g.dep_off, g.deps
        );
    }
}

/// `cargo test --release -p kvern-core --test order -- --ignored cost_a_task --nocapture`
#[test]
#[ignore = "timing, of use in release only"]
fn cost_a_task() {
    for g in graphs::large() {
        let outputs = g.outputs();
        let dag = g.dag(&outputs);
        let mut micros: Vec<f64> = (0..5)
            .map(|_| {
                let start = std::time::Instant::now();
                std::hint::black_box(order(&dag));
                start.elapsed().as_secs_f64() * 1e6 / g.len() as f64
            })
            .collect();
        micros.sort_by(f64::total_cmp);
        let chunks = peak(&dag, &order(&dag), false).chunks;
        println!(
            "{:<20} {:>10} {:>9} tasks {:.3} us a task (median of 5, {:.3} to {:.3}), peak {chunks}",
            g.name,
            g.size,
            g.len(),
            micros[2],
            micros[0],
            micros[4]
        );
    }
}

/// What is made of a merge runs before the next merge: merges free nothing of the splits, so nothing but the order keeps them from piling up.
#[test]
fn what_follows_a_merge_runs_before_the_next() {
    use kvern_core::layer::{BlockArg, Blockwise, Exchange};
    use kvern_core::{BlockBytes, Graph, Grid, Layer, OpRef, OpTraits, Root, TaskGraph};

    let op = |name: &str| OpRef::named(name, 1, OpTraits::default(), Vec::new());
    let (from, to) = (8u32, 6u32);
    let source = Blockwise::source(op("make"), Grid::new([from]), BlockBytes::Each(600));
    let kind = Exchange::new([op("split"), op("merge")], from, to, 600, 800).unwrap();
    let merged = Layer::new(kind, vec![Layer::new(source, vec![])]);
    let grid = Grid::new([to]);
    let arg = vec![BlockArg::same(0, &grid)];
    let sum = Blockwise::new(op("sum"), grid, arg, BlockBytes::Each(8)).unwrap();
    let sums = Layer::new(sum, vec![merged]);
    let tasks = TaskGraph::expand(&Graph::new(&[Root::all(&sums)])).unwrap();
    let position = kvern_core::plan::positions(&tasks);
    let named = |name: &str| {
        let all = 0..tasks.len() as u32;
        let mut of: Vec<u32> = all.filter(|&t| tasks.op(t).name() == name).collect();
        of.sort_unstable_by_key(|&t| tasks.block(t));
        of
    };
    let (made, split) = (named("make"), named("split"));
    for (m, s) in made.iter().zip(&split) {
        let between = position[*s as usize] - position[*m as usize];
        assert_eq!(between, 1, "a chunk goes as soon as it is split");
    }
    for (m, s) in named("merge").iter().zip(named("sum")) {
        let between = position[s as usize] - position[*m as usize];
        assert_eq!(between, 1, "a merge goes as soon as it is read");
    }
}

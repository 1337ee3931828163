//! However an expression is cut into regions and chunks, the answer is that of one chunk; and graphs from outside cannot do harm.

use kvern_array::{Array, Chunks, concatenate, where_};
use std::sync::OnceLock;

use kvern_core::{Collection, Graph, Registry, Session, TaskGraph};
use kvern_scheduler_local as _;
use ndarray::{Array2, ArrayD};
use proptest::prelude::*;

/// One step of a random expression: what is done to which earlier results.
type Step = (u8, usize, usize);

/// All results of the steps over two inputs, cut in some way. Values are multiples of 1/8 of moderate size, so that every sum is
/// exact and must come out the same however it is grouped.
fn build(steps: &[Step], chunks: [Chunks; 2]) -> Vec<Array<f64>> {
    let [one, two] = chunks;
    let a = Array2::from_shape_fn((6, 5), |(i, j)| ((i * 31 + j * 17) % 23) as f64 / 8.0 - 1.0);
    let b = Array2::from_shape_fn((6, 5), |(i, j)| ((i * 7 + j * 29) % 19) as f64 / 8.0 - 1.0);
    let mut all = vec![
        Array::from_ndarray(a, one).unwrap(),
        Array::from_ndarray(b, two).unwrap(),
    ];
    for &(op, i, j) in steps {
        let (x, y) = (all[i % all.len()].clone(), all[j % all.len()].clone());
        let small = |x: Array<f64>| x.clip(-4.0, 4.0).unwrap();
        let eighths = |x: Array<f64>| (x * 8.0).rint() / 8.0;
        all.push(match op % 12 {
            0 => small(&x + &y),
            1 => small(&x - &y),
            2 => eighths(small(&x * &y)),
            3 => eighths(x.sin()),
            4 => where_(&x.greater(&y).unwrap(), &x, -1.0).unwrap(),
            5 => small(&x - x.sum(0).unwrap()),
            6 => small(&x + y.max(kvern_array::keepdims(1)).unwrap()),
            7 => x.astype::<i16>().astype(),
            8 => x.flip(0).unwrap(),
            9 => small(&x * y.slice((2, ..)).unwrap()),
            10 => concatenate(
                &[&x.slice((..3, ..)).unwrap(), &y.slice((3.., ..)).unwrap()],
                0,
            )
            .unwrap(),
            _ => x.transpose().rechunk((2, -1)).unwrap().transpose(),
        });
    }
    all
}

fn sessions() -> &'static [Session; 2] {
    static OPEN: OnceLock<[Session; 2]> = OnceLock::new();
    OPEN.get_or_init(|| ["sync://", "threads://?workers=2"].map(|url| Session::open(url).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_expression_is_that_of_one_chunk(
        steps in prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 1..14),
        one in (1usize..7, 1usize..6), two in (1usize..7, 1usize..6),
    ) {
        let whole = build(&steps, [(-1).into(), (-1).into()]);
        let cut = build(&steps, [one.into(), two.into()]);
        let last = whole.len() - 1;
        let want: ArrayD<f64> = whole[last].reference().unwrap();
        prop_assert_eq!(cut[last].reference().unwrap(), want.clone());
        // With every optimisation on, and tasks on two threads.
        for session in sessions() {
            prop_assert_eq!(cut[last].compute_in(session).unwrap(), want.clone());
        }
        prop_assert_eq!(cut[last].sum(()).unwrap().reference().unwrap()[[]], want.sum());
    }

    #[test]
    fn bytes_that_are_no_graph_are_refused_or_run(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<bool>()) {
        let x = Array::<i32>::arange(0, 60, 1, 7).unwrap().reshape([6, 10]).unwrap().rechunk((4, 3)).unwrap();
        let y = concatenate(&[&x, &x.flip(0).unwrap()], 0).unwrap().slice((1..8, 2..)).unwrap();
        let z = y.matmul(&y.transpose()).unwrap().max(1).unwrap();
        let registry = Registry::linked().unwrap();
        let mut bytes = Graph::new(&z.roots().unwrap()).encode().unwrap();
        let i = at.index(bytes.len());
        if cut { bytes.truncate(i) } else { bytes[i] = to }
        // Whatever comes of it, it is an answer: a panic fails the test.
        if let Ok(graph) = Graph::decode(&bytes, &registry)
            && graph.tasks() < 10_000
            && graph.check(&registry).is_ok()
            && graph.total_bytes() < 1 << 20
            && let Ok(tasks) = TaskGraph::expand(&graph)
        {
            let _ = kvern_core::reference::run(&tasks, &registry);
        }
    }
}

#[test]
fn an_expression_of_a_hundred_thousand_steps_is_lowered_and_dropped() {
    let mut x = Array::<f64>::arange(0.0, 8.0, 1.0, 4).unwrap();
    for _ in 0..100_000 {
        x += 1.0;
    }
    let graph = Graph::new(&x.roots().unwrap());
    // Regions are bounded, so that their registers fit the cache.
    assert!(
        (1_000..2_000).contains(&graph.layers().len()),
        "{}",
        graph.layers().len()
    );
    drop(x);
}

#[test]
fn what_is_shared_is_computed_once_and_what_is_cheap_again() {
    let x = Array::<u8>::arange(0, 100, 1, 10).unwrap();
    let kinds = |a: &Array<f64>| -> Vec<&'static str> {
        let g = Graph::new(&a.roots().unwrap());
        g.layers()
            .iter()
            .map(|l| l.kind().ops()[0].name())
            .map(|n| n.to_owned().leak() as &str)
            .collect()
    };
    // The cast is cheap: both reductions and the difference read the bytes themselves.
    let f = x.astype::<f64>();
    let y = &f - f.mean(()).unwrap();
    assert_eq!(
        kinds(&y),
        ["array.formula", "array.reduce", "array.elementwise"]
    );
    // So is a short chain.
    let f = &f * 2.0;
    let y = &f - f.mean(()).unwrap();
    assert_eq!(
        kinds(&y),
        ["array.formula", "array.reduce", "array.elementwise"]
    );
    // The sine is not: it is written down once.
    let s = f.sin();
    let y = &s - s.mean(()).unwrap();
    assert_eq!(
        kinds(&y),
        [
            "array.formula",
            "array.elementwise",
            "array.reduce",
            "array.elementwise"
        ]
    );
    // Used by one reader only, it is part of it.
    assert_eq!(
        kinds(&s.sum(()).unwrap()),
        ["array.formula", "array.reduce"]
    );
    // A small operand of a large result is not computed over and over.
    let w = Array::<f64>::linspace(0.0, 1.0, 100, 10).unwrap().cos();
    let wide = (Array::<f64>::zeros([50, 100], (5, 10)).unwrap() + &w)
        .sum(())
        .unwrap();
    assert_eq!(
        kinds(&wide),
        ["array.formula", "array.elementwise", "array.reduce"]
    );
}

//! Functions of chunks on worker processes: this test program is its own worker.

use std::ops::Range;
use std::sync::Arc;

use kvern_array::{Array, Element};
use kvern_core::{ErrorKind, Registry, Session};
use kvern_scheduler_distributed::LocalCluster;
use kvern_scheduler_local as _;
use ndarray::{ArrayD, ArrayViewD};

#[path = "../../scheduler-distributed/tests/support/mod.rs"]
mod support;

worker_entry!();

fn cluster(workers: usize) -> (Session, Arc<LocalCluster>) {
    let registry = Arc::new(Registry::linked().unwrap());
    let cluster = Arc::new(support::cluster(workers, 1, registry.clone()));
    let session = Session::builder()
        .scheduler(cluster.clone())
        .registry(registry)
        .build()
        .unwrap();
    (session, cluster)
}

fn same<T: Element>(there: &Session, x: &Array<T>) -> ArrayD<T> {
    let here = Session::open("threads://?workers=2").unwrap();
    let computed = x.compute_in(there).unwrap();
    assert_eq!(computed, x.compute_in(&here).unwrap());
    computed
}

fn waves() -> Array<f64> {
    let wave = |i: &[usize]| ((i[0] * 7 + i[1]) as f64).sin();
    Array::from_fn([60, 50], (16, 20), wave).unwrap()
}

#[test]
fn the_same_on_workers_as_on_threads() {
    let (session, cluster) = cluster(2);
    let x = waves();
    same(&session, &x);
    let places = |place: &[Range<usize>]| {
        let lengths: Vec<usize> = place.iter().map(ExactSizeIterator::len).collect();
        ArrayD::from_elem(lengths, (1000 * place[0].start + place[1].end) as u32)
    };
    let places = Array::from_block_fn([60, 50], (16, 20), places).unwrap();
    let seen = same(&session, &places);
    assert_eq!((seen[[0, 0]], seen[[59, 49]]), (20, 48_050));

    let centred = x.map_blocks(|c: ArrayViewD<'_, f64>| {
        let mean = c.mean().unwrap_or(0.0);
        c.mapv(|v| v - mean)
    });
    same(&session, &centred);
    let scaled = x.map_blocks_with(
        &vec![2.0, 0.5],
        |line: &Vec<f64>, c: ArrayViewD<'_, f64>| c.mapv(|v| line[0] * v + line[1]),
    );
    same(&session, &scaled.unwrap());
    let lowest = centred
        .map_blocks_to(
            vec![vec![1; 4], vec![1; 3]],
            |c: ArrayViewD<'_, f64>, place: &[Range<usize>]| {
                let low = c.fold(f64::INFINITY, |m, &v| m.min(v));
                ArrayD::from_elem(vec![1, 1], low + place[0].start as f64)
            },
        )
        .unwrap();
    same(&session, &lowest);
    // Between operations that are no functions of users.
    let mixed = (&centred * 2.0).rechunk((30, 25)).unwrap();
    let mixed = mixed.map_blocks(|c: ArrayViewD<'_, f64>| c.mapv(|v| v > 0.0));
    same(&session, &mixed.count_nonzero(0).unwrap());

    // They really run in other processes.
    let process = |_: &[usize]| std::process::id();
    let processes = Array::from_fn(8, 1, process).unwrap();
    let processes = processes.compute_in(&session).unwrap();
    let workers = cluster.worker_processes();
    assert!(processes.iter().all(|p| workers.contains(p)), "{processes}");
}

#[test]
fn a_function_computes_in_the_session_that_runs_it() {
    let (session, _cluster) = cluster(2);
    let sums = waves().map_blocks_to(
        vec![vec![1; 4], vec![1; 3]],
        |c: ArrayViewD<'_, f64>, _: &[Range<usize>]| {
            let scheme = Session::current().unwrap().describe().scheme;
            assert_eq!(scheme, "tcp", "not the session of the task");
            // Chunks of a chunk, on the workers as well.
            let chunk = Array::from_ndarray(c.to_owned(), 8).unwrap();
            let squares = chunk.map_blocks(|c: ArrayViewD<'_, f64>| c.mapv(|v| v * v));
            let sum = squares.sum(()).unwrap().compute().unwrap();
            ArrayD::from_elem(vec![1, 1], sum[[]])
        },
    );
    let sum = sums.unwrap().sum(()).unwrap().compute_in(&session).unwrap()[[]];
    let want = waves().square().sum(()).unwrap().reference().unwrap()[[]];
    assert!((sum - want).abs() < 1e-9, "{sum}, not {want}");
}

#[test]
fn a_function_that_captures_is_refused_before_anything_runs() {
    let (session, _cluster) = cluster(1);
    let k = std::hint::black_box(2.0);
    let e = waves()
        .map_blocks(move |c| c.mapv(|v| k * v))
        .compute_in(&session)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    let words = e.to_string();
    assert!(
        words.contains("array.map_blocks captures 8 bytes"),
        "{words}"
    );
    same(&session, &waves());
}

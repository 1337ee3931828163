//! The same answers from the backends of this machine, under budgets that do not hold the data.

use kvern_array::{Array, Chunks};
use kvern_core::Session;
use kvern_scheduler_local as _;
use ndarray::ArrayViewD;

#[test]
fn several_results_share_their_pass() {
    for url in ["sync://", "threads://?workers=2&memory=64MiB"] {
        let session = Session::open(url).unwrap();
        let x = Array::<f64>::from_fn([400, 500], (50, -1), |i| {
            (i[0] * 7 + i[1] * 3) as f64 % 11.0
        })
        .unwrap();
        let (sum, mean, top) = (x.sum(0).unwrap(), x.mean(()).unwrap(), x.argmax(1).unwrap());
        let (s, m, t) = session.compute((&sum, &mean, &top)).unwrap();
        assert_eq!(s, sum.reference().unwrap());
        assert_eq!(m, mean.reference().unwrap());
        assert_eq!(t, top.reference().unwrap());
        let y = (&x - x.mean(0).unwrap()).abs().rechunk((-1, 100)).unwrap();
        assert_eq!(y.compute_in(&session).unwrap(), y.reference().unwrap());
    }
}

#[test]
fn persisted_arrays_are_read_again() {
    let session = Session::open("threads://?workers=2").unwrap();
    let x = Array::<i64>::arange(0, 10_000, 1, 100).unwrap();
    let y = (&x * 2).persist_in(&session).unwrap();
    assert_eq!(y.chunks(), x.chunks());
    assert_eq!(
        y.sum(()).unwrap().item_in(&session).unwrap(),
        9_999 * 10_000
    );
    assert_eq!(
        y.slice(-3..).unwrap().compute_in(&session).unwrap(),
        ndarray::array![19_994, 19_996, 19_998].into_dyn()
    );
}

#[test]
fn more_data_than_memory_is_spilled() {
    // 20 MB of chunks that are needed twice, under 8 MB.
    let session = Session::open("threads://?workers=2&memory=8MiB").unwrap();
    let x = Array::<f64>::from_block_fn([2_500, 1000], (125, -1), |b| {
        ndarray::ArrayD::from_shape_fn(vec![b[0].len(), b[1].len()], |i| {
            (b[0].start + i[0]) as f64 * 1e-3 + i[1] as f64
        })
    })
    .unwrap();
    let y = (&x - x.mean(0).unwrap()) / x.std(0).unwrap();
    let square = y.square().mean(()).unwrap().item_in(&session).unwrap();
    assert!((square - 1.0).abs() < 1e-9, "{square}");
}

#[test]
fn a_large_result_is_put_together_by_threads() {
    let session = Session::open("threads://?workers=2").unwrap();
    let x = Array::<u8>::from_fn([4001, 3001], (300, 700), |i| (i[0] ^ i[1]) as u8).unwrap();
    let a = x.compute_in(&session).unwrap();
    assert!(a.indexed_iter().all(|(i, &v)| v == (i[0] ^ i[1]) as u8));
}

#[test]
fn a_failing_task_names_its_operator_and_inputs() {
    let session = Session::open("sync://").unwrap();
    let x = Array::from_ndarray(ndarray::arr1(&[1.0; 4]), 2).unwrap();
    let bad = x.map_blocks(|_| ndarray::ArrayD::<f64>::zeros(vec![3]));
    let e = bad.compute_in(&session).unwrap_err().to_string();
    assert!(
        e.contains("map_blocks")
            && e.contains("[3]")
            && e.contains("[2]")
            && e.contains("float64[2]"),
        "{e}"
    );
    let e = x.item_in(&session).unwrap_err().to_string();
    assert!(e.contains("[4]"), "{e}");
}

#[test]
fn explanations_and_pictures_tell_the_layers() {
    let x = Array::<f64>::ones([1000, 1000], Chunks::Bytes(100_000)).unwrap();
    let y = (&x.sin() - x.sin().mean(0).unwrap()).sum(()).unwrap();
    let text = y.explain().unwrap();
    assert!(
        text.contains("mean over axes [0]")
            && text.contains("tree-reduction")
            && text.contains("tasks"),
        "{text}"
    );
    let dir = tempfile::tempdir().unwrap();
    for name in ["graph.svg", "graph.dot"] {
        let path = dir.path().join(name);
        y.visualize(&path).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > 100);
    }
    assert!(y.visualize(dir.path().join("graph.png")).is_err());
}

/// From rows to columns, every chunk of the result has something of every chunk: under half of what the array takes, that is only possible if no
/// task has all of them.
#[test]
fn rows_become_columns_under_half_of_the_array() {
    let n = 2000;
    let cell = |i: &[usize]| (i[0] * 2003 + i[1]) as f64;
    let x = Array::<f64>::from_fn([n, n], (250, -1), cell).unwrap();
    let y = x.rechunk((-1, 250)).unwrap();
    // 32 MB in chunks of 4 MB.
    for url in ["sync://?memory=14MiB", "threads://?workers=2&memory=16MiB"] {
        let session = Session::open(url).unwrap();
        let down = (0..n).map(|i| (i * 2003) as f64).sum::<f64>();
        // A function needs its chunks as they are: a sum alone would take them from the rows.
        let copied = y.map_blocks(|c: ArrayViewD<'_, f64>| c.to_owned());
        let sums = copied.sum(0).unwrap().compute_in(&session).unwrap();
        let want = (0..n).map(|j| down + (n * j) as f64);
        assert!(sums.iter().copied().eq(want), "{url}");
        let memory = session.memory();
        assert!(memory.spilled_total > 0, "{url}: {memory:?}");
    }
}

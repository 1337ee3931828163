//! Arrays in files: chunks read their own part, and what is wrong is told when the file is opened.

use kvern_array::Array;
use kvern_core::{Collection, Graph, Registry, Session};
use kvern_scheduler_local as _;
use ndarray::{Array2, Axis};

const NPZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/deflated.npz");

#[test]
fn a_member_is_weighted_by_another() {
    let grid = Array::<i32>::open_npz(NPZ, "grid", (7, -1)).unwrap();
    let whole = Array2::from_shape_fn((40, 300), |(i, j)| (i * 300 + j) as i32);
    assert_eq!(grid.reference().unwrap(), whole.clone().into_dyn());
    let lat = Array::<f64>::open_npz(NPZ, "lat", ()).unwrap();
    let weight = lat
        .slice(..40)
        .unwrap()
        .deg2rad()
        .cos()
        .expand_dims(1)
        .unwrap();
    let sum = (grid.astype::<f64>() * weight).sum(()).unwrap();
    let session = Session::open("threads://?workers=2").unwrap();
    let got = sum.item_in(&session).unwrap();
    let step = 180.0 / 199.0;
    let want: f64 = whole
        .axis_iter(Axis(0))
        .enumerate()
        .map(|(i, row)| f64::from(row.sum()) * (-90.0 + i as f64 * step).to_radians().cos())
        .sum();
    assert!((got / want - 1.0).abs() < 1e-12, "{got} {want}");
}

#[test]
fn a_file_travels_by_its_name() {
    let grid = Array::<i32>::open_npz(NPZ, "grid", (7, -1)).unwrap();
    let sum = grid.sum(0).unwrap();
    let registry = Registry::linked().unwrap();
    let graph = Graph::new(&sum.roots().unwrap());
    let back = Graph::decode(&graph.encode().unwrap(), &registry).unwrap();
    let tasks = kvern_core::TaskGraph::expand(&back).unwrap();
    let values = kvern_core::reference::run(&tasks, &registry).unwrap();
    assert_eq!(sum.finish(values).unwrap(), sum.reference().unwrap());
}

#[test]
fn what_is_wrong_is_told_at_once() {
    let has = |e: kvern_core::Error, words: &[&str]| {
        for w in words {
            assert!(e.to_string().contains(w), "{e} lacks {w}");
        }
    };
    has(
        Array::<f64>::open_npz(NPZ, "grid", ()).unwrap_err(),
        &["grid", "int32", "float64", "astype"],
    );
    has(
        Array::<i32>::open_npz(NPZ, "grit", ()).unwrap_err(),
        &["grit", "grid", "lat"],
    );
    has(
        Array::<i32>::open_npz(NPZ, "grid", [1, 2, 3]).unwrap_err(),
        &["3 axes", "[40, 300]"],
    );
    has(
        Array::<i32>::open_npy("/no/such/file.npy", ()).unwrap_err(),
        &["/no/such/file.npy"],
    );
}

#[test]
fn a_file_that_changed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    kvern_array::io::save_npy(&path, &ndarray::arr1(&[1u8, 2, 3])).unwrap();
    let x = Array::<u8>::open_npy(&path, 2).unwrap();
    let sum = x.sum(()).unwrap();
    assert_eq!(sum.reference().unwrap()[[]], 6);
    drop(x);
    drop(sum);
    let x = Array::<u8>::open_npy(&path, 2).unwrap();
    let graph = Graph::new(&x.roots().unwrap()).encode().unwrap();
    drop(x);
    kvern_array::io::save_npy(&path, &ndarray::arr1(&[1u8, 2, 3, 4])).unwrap();
    // Whoever opens it anew, as another process would, finds it changed.
    let registry = Registry::linked().unwrap();
    let e = Graph::decode(&graph, &registry)
        .unwrap()
        .check(&registry)
        .unwrap_err();
    assert!(e.to_string().contains("has changed"), "{e}");
}

#[test]
fn an_array_is_saved_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    let x = Array::<f32>::arange(0.0, 12.0, 1.0, 5)
        .unwrap()
        .reshape([3, 4])
        .unwrap();
    x.transpose().save_npy(&path).unwrap();
    let y = Array::<f32>::open_npy(&path, (3, -1)).unwrap();
    assert_eq!(
        y.reference().unwrap(),
        x.reference().unwrap().reversed_axes()
    );
}

#[test]
fn urls_are_paths_or_are_refused() {
    let url = format!("file://{NPZ}");
    let lat = Array::<f64>::open_npz(&url, "lat", ()).unwrap();
    assert_eq!(lat.shape(), [200]);
    for url in ["s3://bucket/x.npy", "https://example.com/x.npy"] {
        let e = Array::<f64>::open_npy(url, ()).unwrap_err();
        assert_eq!(e.kind(), kvern_core::ErrorKind::Unsupported);
        assert!(e.to_string().contains(url), "{e}");
        let e = lat.save_npy(url).unwrap_err();
        assert_eq!(e.kind(), kvern_core::ErrorKind::Unsupported, "{e}");
    }
}

//! The whole way from an expression to an answer, against ndarray.

use kvern_array::{Array, keepdims, where_};
use kvern_core::{Collection, Graph, Registry};
use ndarray::{Array2, ArrayD, Axis, arr0, array};

fn x() -> (ArrayD<f64>, Array<f64>) {
    let a = Array2::from_shape_fn((7, 5), |(i, j)| (i * 5 + j) as f64 * 0.37 - 4.0).into_dyn();
    (a.clone(), Array::from_ndarray(a, (3, 2)).unwrap())
}

#[test]
fn standardised_columns() {
    let (a, x) = x();
    let y = (&x - x.mean(0).unwrap()) / x.std(0).unwrap();
    let mean = a.mean_axis(Axis(0)).unwrap();
    let std = a.std_axis(Axis(0), 0.0);
    let want = (&a - &mean) / &std;
    let got = y.reference().unwrap();
    assert!(
        got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-12),
        "{got}"
    );
}

#[test]
fn masks_and_sums() {
    let (a, x) = x();
    let s = where_(&x.greater(0.5).unwrap(), &x, 0.0)
        .unwrap()
        .sum(())
        .unwrap();
    let want: f64 = a.iter().filter(|v| **v > 0.5).sum();
    assert!((s.reference().unwrap()[[]] - want).abs() < 1e-12);
    let n = x.greater(0.5).unwrap().count_nonzero(keepdims(1)).unwrap();
    assert_eq!(n.shape(), [7, 1]);
}

#[test]
fn mismatching_chunks_are_made_to_match() {
    let a = Array::<i64>::arange(0, 10, 1, 3).unwrap();
    let b = Array::<i64>::arange(0, 10, 1, 4).unwrap();
    let want: ArrayD<i64> = ndarray::Array1::from_iter((0..10).map(|i| 2 * i)).into_dyn();
    assert_eq!((&a + &b).reference().unwrap(), want);
    assert_eq!((&a + &b).chunks(), [vec![3, 3, 3, 1]]);
    assert_eq!(
        (a + 1).sum(0).unwrap().reference().unwrap(),
        arr0(55).into_dyn()
    );
}

#[test]
fn positions_count_through_the_whole_array() {
    let x = Array::from_ndarray(array![[3, 1, 2], [0, 5, 4]], 1).unwrap();
    assert_eq!(x.argmin(()).unwrap().reference().unwrap()[[]], 3);
    assert_eq!(
        x.argmax(1).unwrap().reference().unwrap(),
        array![0, 1].into_dyn()
    );
    assert_eq!(
        x.argmax(0).unwrap().reference().unwrap(),
        array![0, 1, 1].into_dyn()
    );
}

#[test]
fn a_chain_and_its_reduction_are_one_layer() {
    let (_, x) = x();
    let y = (x.sin().square() + x.cos().square()).sum(()).unwrap();
    let g = Graph::new(&y.roots().unwrap());
    let kinds: Vec<_> = g.layers().iter().map(|l| l.kind().kind()).collect();
    assert_eq!(kinds, ["data", "tree-reduction"]);
    assert!((y.reference().unwrap()[[]] - 35.0).abs() < 1e-12);
}

#[test]
fn a_million_chunks_are_small_and_travel() {
    let x = Array::<f64>::full(10_000_000_000, 2.0, 10_000).unwrap();
    let y = (&x * 3.0 + 1.0).sqrt().sum(()).unwrap();
    let g = Graph::new(&y.roots().unwrap());
    assert_eq!(
        g.layers()
            .iter()
            .map(|l| l.kind().kind())
            .collect::<Vec<_>>(),
        ["tree-reduction"]
    );
    let bytes = g.encode().unwrap();
    assert!(bytes.len() < 2000, "{}", bytes.len());
    let back = Graph::decode(&bytes, &Registry::linked().unwrap()).unwrap();
    assert_eq!(back.tasks(), g.tasks());
}

#[test]
fn scalars_and_empty_arrays() {
    let e = Array::<f64>::zeros([0, 3], ()).unwrap();
    assert_eq!(
        e.sum(0).unwrap().reference().unwrap(),
        array![0.0, 0.0, 0.0].into_dyn()
    );
    assert!(e.mean(()).unwrap().reference().unwrap()[[]].is_nan());
    assert!(e.min(0).unwrap_err().to_string().contains("no elements"));
    assert_eq!(e.min(1).unwrap().reference().unwrap().shape(), [0]);
    let s = Array::from_ndarray(arr0(3i32), ()).unwrap();
    assert_eq!((2 * &s - 1).item_reference(), 5);
}

trait Item<T> {
    fn item_reference(&self) -> T;
}
impl<T: kvern_array::Element> Item<T> for Array<T> {
    fn item_reference(&self) -> T {
        *self.reference().unwrap().first().unwrap()
    }
}

//! Chunked equals whole: slices, reshapes, rechunks, concatenations, transposes and broadcasts over random shapes and chunks.

use kvern_array::{Array, Chunks, Slice, concatenate, keepdims, stack};
use ndarray::{ArrayD, Axis, IxDyn};
use proptest::prelude::*;

/// Numbers 0, 1, 2, … in a shape.
fn counted(shape: &[usize]) -> ArrayD<i32> {
    let n = shape.iter().product::<usize>() as i32;
    ArrayD::from_shape_vec(IxDyn(shape), (0..n).collect()).unwrap()
}

fn lengths(total: usize, cuts: &[usize]) -> Vec<usize> {
    let mut at: Vec<usize> = cuts
        .iter()
        .map(|c| c % (total + 1))
        .chain([0, total])
        .collect();
    at.sort_unstable();
    at.dedup();
    match total {
        0 => vec![0],
        _ => at.windows(2).map(|w| w[1] - w[0]).collect(),
    }
}

prop_compose! {
    fn shape(max_axes: usize)(shape in prop::collection::vec(prop_oneof![6 => 1usize..7, 1 => Just(0)], 0..=max_axes)) -> Vec<usize> { shape }
}

fn chunked(shape: &[usize], cuts: &[Vec<usize>]) -> (ArrayD<i32>, Array<i32>) {
    let a = counted(shape);
    let chunks: Vec<Vec<usize>> = shape
        .iter()
        .zip(cuts)
        .map(|(&n, c)| lengths(n, c))
        .collect();
    let x = Array::from_ndarray(a.clone(), chunks.clone()).unwrap();
    assert_eq!(x.chunks(), chunks);
    (a, x)
}

fn cuts() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(0usize..20, 0..4), 4)
}

/// What Python's `range(*slice(start, stop, step).indices(n))` gives.
fn positions(start: Option<isize>, stop: Option<isize>, step: isize, n: usize) -> Vec<usize> {
    let n = n as isize;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let bring = |i: isize| if i < 0 { (i + n).max(low) } else { i.min(high) };
    let mut at = start.map_or(if step > 0 { 0 } else { n - 1 }, bring);
    let stop = stop.map_or(if step > 0 { n } else { -1 }, bring);
    let mut out = Vec::new();
    while if step > 0 { at < stop } else { at > stop } {
        out.push(at as usize);
        at += step;
    }
    out
}

fn some() -> impl Strategy<Value = Option<isize>> {
    prop::option::of(-9isize..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn slices(
        shape in shape(3), cuts in cuts(),
        picks in prop::collection::vec((any::<u8>(), some(), some(), prop_oneof![-4isize..0, 1isize..5]), 3),
    ) {
        let (a, x) = chunked(&shape, &cuts);
        let mut want = a;
        let mut slices = Vec::new();
        let mut axis = 0;
        for (&n, &(kind, start, stop, step)) in shape.iter().zip(&picks) {
            if kind % 8 == 0 && n > 0 {
                let i = start.unwrap_or(0).rem_euclid(n as isize);
                slices.push(Slice::At(if kind % 16 == 0 { i } else { i - n as isize }));
                want = want.index_axis_move(Axis(axis), i as usize);
            } else {
                slices.push(Slice::new(start, stop, step));
                want = want.select(Axis(axis), &positions(start, stop, step, n));
                if kind % 8 == 1 {
                    slices.push(Slice::NewAxis);
                    axis += 1;
                    want = want.insert_axis(Axis(axis));
                }
                axis += 1;
            }
        }
        let y = x.slice(slices.clone()).unwrap();
        prop_assert_eq!(y.shape(), want.shape());
        prop_assert_eq!(&y.reference().unwrap(), &want);
        // A slice of a slice, over other chunks.
        let z = y.rechunk(2).unwrap();
        if z.ndim() > 0 {
            let z = z.slice(Slice::new(None, None, -2)).unwrap();
            let n = want.shape()[0];
            prop_assert_eq!(z.reference().unwrap(), want.select(Axis(0), &positions(None, None, -2, n)));
        }
    }

    #[test]
    fn rechunks_and_views(shape in shape(3), one in cuts(), two in cuts()) {
        let (a, x) = chunked(&shape, &one);
        let other: Vec<Vec<usize>> = shape.iter().zip(&two).map(|(&n, c)| lengths(n, c)).collect();
        let y = x.rechunk(other.clone()).unwrap();
        prop_assert_eq!(y.chunks(), other);
        prop_assert_eq!(&y.reference().unwrap(), &a);
        prop_assert_eq!(x.transpose().rechunk(3).unwrap().reference().unwrap(), a.t());
        let sum = (&x + &y).transpose();
        prop_assert_eq!(sum.reference().unwrap(), (&a + &a).reversed_axes());
        let e = x.expand_dims(-1).unwrap();
        prop_assert_eq!(e.reference().unwrap(), a.clone().insert_axis(Axis(shape.len())));
        prop_assert_eq!(e.squeeze(-1).unwrap().reference().unwrap(), a.clone());
        if shape.len() > 1 {
            prop_assert_eq!(x.flip([0, 1]).unwrap().reference().unwrap(), a.slice_each_axis(|ax| {
                let step = if ax.axis.index() < 2 { -1 } else { 1 };
                ndarray::Slice::new(0, None, step)
            }));
        }
    }

    #[test]
    fn reshapes(from in shape(3), cut in cuts(), split in prop::collection::vec(1usize..5, 0..4), ones in any::<u8>()) {
        let (a, x) = chunked(&from, &cut);
        let size = a.len();
        // Another shape of that size: factors where they divide, the rest at the end, ones in between.
        let mut shape: Vec<isize> = Vec::new();
        let mut left = size;
        for (i, f) in split.iter().enumerate() {
            if ones >> i & 1 == 1 {
                shape.push(1);
            }
            if left > 0 && left % f == 0 {
                shape.push(*f as isize);
                left /= f;
            }
        }
        shape.push(left as isize);
        let want = a.clone().into_shape_with_order(shape.iter().map(|&n| n as usize).collect::<Vec<_>>()).unwrap();
        let y = x.reshape(shape.clone()).unwrap();
        prop_assert_eq!(&y.reference().unwrap(), &want, "{:?} to {:?}", x.chunks(), y.chunks());
        let back = y.reshape(from.clone()).unwrap();
        prop_assert_eq!(back.reference().unwrap(), a);
        // No chunk grows beyond the largest there was, but for the last rows.
        let largest = |x: &Array<i32>| x.chunksize().iter().product::<usize>();
        prop_assert!(largest(&y) <= largest(&x).max(1), "{:?} to {:?}", x.chunks(), y.chunks());
    }

    #[test]
    fn joins(shape in shape(3), one in cuts(), two in cuts(), along in any::<usize>(), more in 0usize..4) {
        prop_assume!(!shape.is_empty());
        let axis = along % shape.len();
        let mut other = shape.clone();
        other[axis] = more;
        let ((a, x), (b, y)) = (chunked(&shape, &one), chunked(&other, &two));
        let want = ndarray::concatenate(Axis(axis), &[a.view(), b.view(), a.view()]).unwrap();
        let got = concatenate(&[&x, &y, &x], axis as isize).unwrap();
        prop_assert_eq!(got.reference().unwrap(), want);
        let z = x.rechunk(2).unwrap();
        let want = ndarray::stack(Axis(axis), &[a.view(), a.view()]).unwrap();
        prop_assert_eq!(stack(&[&x, &z], axis as isize).unwrap().reference().unwrap(), want);
    }

    #[test]
    fn broadcasts_and_reductions(shape in shape(3), one in cuts(), two in cuts(), flat in any::<u8>(), over in any::<u8>(), keep in any::<bool>()) {
        let (a, x) = chunked(&shape, &one);
        let small: Vec<usize> = shape.iter().enumerate().map(|(i, &n)| if flat >> i & 1 == 1 { 1 } else { n }).collect();
        let lead = usize::from(flat >> 6).min(shape.len());
        let (b, y) = chunked(&small[lead..], &two);
        let want = &a * &b.broadcast(shape.as_slice()).unwrap();
        prop_assert_eq!(&(&x * &y).reference().unwrap(), &want);
        let wide = y.broadcast_to(shape.clone(), Chunks::Each(2.into())).unwrap();
        prop_assert_eq!(wide.reference().unwrap(), b.broadcast(shape.as_slice()).unwrap());
        let axes: Vec<usize> = (0..shape.len()).filter(|i| over >> i & 1 == 1).collect();
        let mut sum = want.mapv(i64::from);
        for &axis in axes.iter().rev() {
            sum = sum.sum_axis(Axis(axis));
            if keep {
                sum = sum.insert_axis(Axis(axis));
            }
        }
        let got = &x * &y;
        let got = if keep { got.sum(keepdims(axes.as_slice())) } else { got.sum(axes.as_slice()) }.unwrap();
        prop_assert_eq!(got.reference().unwrap(), sum);
    }
}

#[test]
fn errors_name_what_was_asked_and_what_is_allowed() {
    let x = Array::<i32>::zeros([3, 4], 2).unwrap();
    let has = |e: kvern_core::Error, words: &[&str]| {
        for w in words {
            assert!(e.to_string().contains(w), "{e} lacks {w}");
        }
    };
    has(
        x.slice((3, 0)).unwrap_err(),
        &["index 3", "axis 0", "[3, 4]", "-3..=2"],
    );
    has(x.slice((.., .., 0)).unwrap_err(), &["3 axes", "[3, 4]"]);
    has(
        x.slice(Slice::new(0, 1, 0)).unwrap_err(),
        &["step of 0", "axis 0"],
    );
    has(
        x.reshape([5, -1]).unwrap_err(),
        &["[3, 4]", "12 elements", "[5, -1]"],
    );
    has(x.reshape([-1, -1]).unwrap_err(), &["only one"]);
    has(x.permute_dims([0, 0]).unwrap_err(), &["[0, 0]", "once"]);
    has(x.squeeze(0).unwrap_err(), &["axis 0", "length 3"]);
    has(
        x.broadcast_to([3, 5], ()).unwrap_err(),
        &["[3, 4]", "[3, 5]"],
    );
    has(
        concatenate(&[&x, &x.transpose()], 0).unwrap_err(),
        &["[4, 3]", "[3, 4]"],
    );
    has(
        concatenate::<i32>(&[] as &[Array<i32>], 0).unwrap_err(),
        &["at least one"],
    );
    has(
        x.coarsen([2, 2], |x, a| x.sum(a)).unwrap_err(),
        &["factor 2", "axis 0", "divide"],
    );
    has(x.rechunk([1]).unwrap_err(), &["1 axes", "[3, 4]"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn products((m, k, n) in (0usize..7, 0usize..7, 0usize..7), one in cuts(), two in cuts(), batch in 0usize..3) {
        let ((a, x), (b, y)) = (chunked(&[m, k], &one), chunked(&[k, n], &two));
        let flat = |a: &ArrayD<i32>| a.clone().into_dimensionality::<ndarray::Ix2>().unwrap();
        let want = flat(&a).dot(&flat(&b));
        prop_assert_eq!(x.matmul(&y).unwrap().reference().unwrap(), want.clone().into_dyn());
        // A product with the own transpose takes another way.
        let gram = x.t().matmul(&x).unwrap().reference().unwrap();
        prop_assert_eq!(gram, flat(&a).t().dot(&flat(&a)).into_dyn());
        // Stacks: one factor broadcast.
        let stacked = stack(&vec![&x; batch + 1], 0).unwrap().matmul(&y).unwrap();
        let all = stacked.reference().unwrap();
        for one in all.axis_iter(Axis(0)) {
            prop_assert_eq!(one, want.view().into_dyn());
        }
        prop_assert_eq!(all.shape(), [batch + 1, m, n]);
        if m > 0 && n > 0 {
            let (row, col) = (x.slice(0).unwrap(), y.slice((.., 0)).unwrap());
            prop_assert_eq!(row.matmul(&y).unwrap().reference().unwrap(), want.row(0).into_dyn());
            prop_assert_eq!(x.dot(&col).unwrap().reference().unwrap(), want.column(0).into_dyn());
            prop_assert_eq!(row.dot(&col).unwrap().reference().unwrap()[[]], want[[0, 0]]);
        }
    }
}

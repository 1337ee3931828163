//! Copies between views of every layout.

mod kernels_support;

use kernels_support::{Rng, Sample, at, chunk, indices, shape, values};
use kvern_array::dtype::{DType, Scalar};
use kvern_array::kernels::{AnyChunk, Program, Reduce, copy_into, eval, reduce, to_contiguous};
use ndarray::{Array2, ArrayD, Axis, IxDyn, Slice};
use proptest::prelude::*;

fn check<T: Sample>(seed: u64) {
    let mut rng = Rng(seed);
    let to = match rng.below(4) {
        0 => vec![1 + rng.below(90), 1 + rng.below(90)],
        1 => vec![1 + rng.below(20), 1 + rng.below(5), 1 + rng.below(40)],
        _ => shape(&mut rng),
    };
    let src = chunk::<T>(&mut rng, &to);
    let src_view = T::peek(&src).unwrap().view();
    // A destination with gaps and axes of its own order, whose gaps must stay as they were.
    let wide: Vec<usize> = to.iter().rev().map(|n| n * 2 + 1).collect();
    let mark = T::sample(&mut Rng(9));
    let mut base = ArrayD::from_elem(IxDyn(&wide), mark);
    let untouched = {
        let mut view = base.view_mut();
        for (a, &n) in to.iter().rev().enumerate() {
            let step = if rng.below(3) == 0 { -2 } else { 2 };
            view.slice_axis_inplace(Axis(a), Slice::new(0, Some(n as isize * 2), step));
        }
        let mut view = view.reversed_axes();
        assert_eq!(view.shape(), to);
        copy_into(view.view_mut(), src_view.view()).unwrap();
        for i in indices(&to) {
            let (x, y) = (at::<T>(&src, &i), view[IxDyn(&i)]);
            assert_eq!(x.to_scalar(), y.to_scalar(), "{i:?}");
        }
        wide.iter().product::<usize>() - view.len()
    };
    let marks = base
        .iter()
        .filter(|v| v.to_scalar() == mark.to_scalar())
        .count();
    assert!(marks >= untouched, "{marks} of {untouched}");
    let own = to_contiguous(&src_view);
    assert!(own.is_standard_layout());
    assert_eq!(own.shape(), to);
    for i in indices(&to) {
        assert_eq!(own[IxDyn(&i)].to_scalar(), at::<T>(&src, &i).to_scalar());
    }
    let bytes = postcard::to_allocvec(&src).unwrap();
    let back: AnyChunk = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(back.shape(), to);
    for (a, b) in values::<T>(&back).into_iter().zip(values::<T>(&src)) {
        assert_eq!(a.to_scalar(), b.to_scalar());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn copies_are_equal(seed: u64) {
        check::<f64>(seed);
        check::<bool>(seed);
        check::<i16>(seed);
        check::<f32>(seed);
    }
}

#[test]
fn large_transposes_are_equal() {
    for (rows, cols) in [(300, 517), (64, 4096), (1000, 7)] {
        let a = Array2::from_shape_fn((rows, cols), |(i, j)| (i * 10_000 + j) as f64);
        let mut t = Array2::zeros((cols, rows));
        copy_into(t.view_mut().into_dyn(), a.t().into_dyn()).unwrap();
        assert_eq!(t, a.t());
        // A sum of an array and its transpose walks one of them across its memory.
        let square = AnyChunk::from(a.clone().into_dyn());
        let turned = AnyChunk::from(t.clone().into_dyn()).permuted(&[1, 0]);
        let add = kvern_array::kernels::binary_program::<f64>(kvern_array::kernels::BinaryOp::Add)
            .unwrap();
        let out = eval(&add, &[square, turned], &[rows, cols]).unwrap();
        assert_eq!(
            values::<f64>(&out),
            a.iter().map(|v| v * 2.0).collect::<Vec<_>>()
        );
    }
}

#[test]
fn shapes_must_agree() {
    let mut to = ArrayD::<i32>::zeros(vec![2, 3]);
    let e = copy_into(to.view_mut(), ArrayD::zeros(vec![3, 2]).view())
        .unwrap_err()
        .to_string();
    assert_eq!(
        e,
        "copy into a view of another shape: shape [3, 2] is not [2, 3]"
    );
}

#[test]
fn a_reshape_of_a_view_copies() {
    let x = AnyChunk::from(ndarray::arr2(&[[1, 2, 3], [4, 5, 6]]).into_dyn());
    let t = x.permuted(&[1, 0]);
    assert_eq!(
        values::<i32>(&t.reshaped(&[6]).unwrap()),
        [1, 4, 2, 5, 3, 6]
    );
    assert!(x.reshaped(&[5]).is_none());
    let total = reduce(
        Reduce::Sum,
        &Program::identity(DType::I32),
        &[t],
        &[3, 2],
        &[0, 1],
        false,
    )
    .unwrap();
    assert_eq!(total.as_scalar(), Some(Scalar::I64(21)));
}

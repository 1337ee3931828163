//! Matrix products against the sum that defines them: odd shapes, strides of any sign, every element type, every
//! instruction set.

use kvern_array::dtype::Element;
use kvern_array::kernels::{KernelError, Level, matmul_into_at, syrk_into, syrk_into_at};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use proptest::prelude::*;

/// A view of `rows` x `cols` into `data`, laid out in one of many ways.
#[derive(Clone, Copy, Debug)]
struct Layout {
    by_columns: bool,
    steps: (usize, usize),
    reversed: (bool, bool),
}

fn layout() -> impl Strategy<Value = Layout> {
    (
        any::<bool>(),
        1..=3_usize,
        1..=3_usize,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(by_columns, i, j, up, left)| Layout {
            by_columns,
            steps: (i, j),
            reversed: (up, left),
        })
}

impl Layout {
    /// The array that a view of `shape` is cut from.
    fn store<T: Element>(self, shape: (usize, usize), mut f: impl FnMut() -> T) -> Array2<T> {
        let (rows, cols) = (shape.0 * self.steps.0, shape.1 * self.steps.1);
        let dim = if self.by_columns {
            (cols, rows)
        } else {
            (rows, cols)
        };
        Array2::from_shape_simple_fn(dim, &mut f)
    }

    fn view<T>(self, store: &mut Array2<T>) -> ArrayViewMut2<'_, T> {
        let mut v = store.view_mut();
        if self.by_columns {
            v = v.reversed_axes();
        }
        let mut v = v.slice_move(s![..;self.steps.0, ..;self.steps.1]);
        for (axis, reversed) in [self.reversed.0, self.reversed.1].into_iter().enumerate() {
            if reversed {
                v.invert_axis(Axis(axis));
            }
        }
        v
    }
}

/// Arithmetic of the reference.
trait Reference: Element {
    fn from_number(x: i64) -> Self;
    fn fma(self, a: Self, b: Self) -> Self;
}

macro_rules! reference {
    ($($t:ty),*) => { $(
        impl Reference for $t {
            fn from_number(x: i64) -> Self { x as $t }
            fn fma(self, a: Self, b: Self) -> Self { self.wrapping_add(a.wrapping_mul(b)) }
        }
    )* };
}
reference!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! reference_float {
    ($($t:ty),*) => { $(
        impl Reference for $t {
            // Small integers: sums are exact, in any order.
            fn from_number(x: i64) -> Self { (x % 64) as $t }
            fn fma(self, a: Self, b: Self) -> Self { self + a * b }
        }
    )* };
}
reference_float!(f32, f64);

impl Reference for bool {
    fn from_number(x: i64) -> Self {
        x % 5 == 0
    }
    fn fma(self, a: Self, b: Self) -> Self {
        self | (a & b)
    }
}

fn naive<T: Reference>(c: &mut Array2<T>, a: &ArrayView2<'_, T>, b: &ArrayView2<'_, T>) {
    for ((i, j), c) in c.indexed_iter_mut() {
        for k in 0..a.ncols() {
            *c = c.fma(a[(i, k)], b[(k, j)]);
        }
    }
}

/// Numbers without end.
fn numbers<T: Reference>(mut seed: u64) -> impl FnMut() -> T {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        T::from_number(seed as i64 >> 33)
    }
}

fn check<T: Reference>(
    (m, k, n): (usize, usize, usize),
    [la, lb, lc]: [Layout; 3],
    accumulate: bool,
    seed: u64,
) {
    let mut next = numbers::<T>(seed);
    let (mut a, mut b) = (la.store((m, k), &mut next), lb.store((k, n), &mut next));
    let c = lc.store((m, n), &mut next);
    let (a, b) = (la.view(&mut a), lb.view(&mut b));
    let mut expected_store = c.clone();
    let mut expected = lc.view(&mut expected_store).to_owned();
    if !accumulate {
        expected.fill(T::ZERO);
    }
    naive(&mut expected, &a.view(), &b.view());
    lc.view(&mut expected_store).assign(&expected);
    for level in Level::available() {
        let mut got = c.clone();
        matmul_into_at(
            level,
            &mut lc.view(&mut got),
            &a.view(),
            &b.view(),
            accumulate,
        )
        .expect("shapes fit");
        // The whole store: what the view leaves out must stay as it was.
        assert_eq!(got, expected_store, "{} at {level:?}", T::DTYPE);
    }
}

fn check_syrk<T: Reference>(
    (n, k): (usize, usize),
    [la, lc]: [Layout; 2],
    accumulate: bool,
    seed: u64,
) {
    let mut next = numbers::<T>(seed);
    let mut a = la.store((n, k), &mut next);
    let a = la.view(&mut a);
    let mut c = lc.store((n, n), &mut next);
    let mut view = lc.view(&mut c);
    for i in 0..n {
        for j in 0..i {
            view[(i, j)] = view[(j, i)];
        }
    }
    let mut expected_store = c.clone();
    let mut expected = lc.view(&mut expected_store).to_owned();
    if !accumulate {
        expected.fill(T::ZERO);
    }
    naive(&mut expected, &a.view(), &a.t());
    lc.view(&mut expected_store).assign(&expected);
    for level in Level::available() {
        let mut got = c.clone();
        syrk_into_at(level, &mut lc.view(&mut got), &a.view(), accumulate).expect("shapes fit");
        assert_eq!(got, expected_store, "{} at {level:?}", T::DTYPE);
    }
}

/// Lengths around the borders of tiles, and now and then of blocks.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..=9_usize, 4 => 10..=52_usize, 1 => 190..=200_usize]
}

macro_rules! for_every_type {
    ($f:ident, $which:expr, $($args:expr),*) => {
        match $which {
            0 => $f::<f64>($($args),*),
            1 => $f::<f32>($($args),*),
            2 => $f::<i8>($($args),*),
            3 => $f::<u8>($($args),*),
            4 => $f::<i16>($($args),*),
            5 => $f::<u16>($($args),*),
            6 => $f::<i32>($($args),*),
            7 => $f::<u32>($($args),*),
            8 => $f::<i64>($($args),*),
            9 => $f::<u64>($($args),*),
            _ => $f::<bool>($($args),*),
        }
    };
}

/// Half of the cases are floats.
fn types() -> impl Strategy<Value = usize> {
    prop_oneof![0..2_usize, 0..11_usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn products_are_the_sums_that_define_them(
        shape in (length(), length(), length()),
        layouts in [layout(), layout(), layout()],
        accumulate: bool,
        which in types(),
        seed: u64,
    ) {
        for_every_type!(check, which, shape, layouts, accumulate, seed);
    }

    #[test]
    fn symmetric_products_are_too(
        shape in (length(), length()),
        layouts in [layout(), layout()],
        accumulate: bool,
        which in types(),
        seed: u64,
    ) {
        for_every_type!(check_syrk, which, shape, layouts, accumulate, seed);
    }
}

const PLAIN: Layout = Layout {
    by_columns: false,
    steps: (1, 1),
    reversed: (false, false),
};

#[test]
fn products_of_several_blocks() {
    let turned = Layout {
        by_columns: true,
        ..PLAIN
    };
    // More than one block in rows and in depth, and in columns, which are the longest.
    check::<f64>((200, 260, 26), [turned, PLAIN, PLAIN], true, 1);
    check::<f64>((9, 3, 2050), [PLAIN, turned, PLAIN], false, 2);
    check::<f32>((250, 400, 5), [PLAIN, PLAIN, turned], false, 3);
    check::<i32>((5, 260, 40), [PLAIN, PLAIN, PLAIN], true, 4);
    check::<i32>((130, 3, 1030), [PLAIN, PLAIN, PLAIN], true, 5);
    check_syrk::<f64>((400, 3), [turned, PLAIN], true, 6);
    check_syrk::<f64>((30, 260), [PLAIN, turned], false, 7);
}

#[test]
fn not_a_number_goes_through() {
    for level in Level::available() {
        for (m, n, k) in [(1, 1, 1), (8, 24, 3), (9, 25, 300), (50, 60, 5)] {
            let mut a = Array2::<f64>::ones((m, k));
            let mut b = Array2::<f64>::ones((k, n));
            a[(m - 1, k - 1)] = f64::NAN;
            b[(0, 0)] = f64::INFINITY;
            let mut c = Array2::from_elem((m, n), f64::NAN);
            matmul_into_at(level, &mut c.view_mut(), &a.view(), &b.view(), false).unwrap();
            for ((i, j), &x) in c.indexed_iter() {
                // A NaN spoils its row, an infinity its column, and what was in `c` nothing.
                match (i == m - 1, j == 0) {
                    (true, _) => assert!(x.is_nan(), "{x} at {i}, {j} of {m} x {n}"),
                    (false, true) => assert_eq!(x, f64::INFINITY),
                    (false, false) => assert_eq!(x, k as f64),
                }
            }
            a[(0, 0)] = 0.0;
            b[(0, 0)] = f64::INFINITY;
            matmul_into_at(level, &mut c.view_mut(), &a.view(), &b.view(), false).unwrap();
            assert!(c[(0, 0)].is_nan(), "0 * inf is not a number");
        }
    }
}

#[test]
fn fused_levels_agree_to_the_bit() {
    let mut x = 1_u64;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (x >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let a = Array2::from_shape_simple_fn((70, 600), &mut next);
    let b = Array2::from_shape_simple_fn((600, 90), &mut next);
    let product = |level| {
        let mut c = Array2::<f64>::zeros((70, 90));
        matmul_into_at(level, &mut c.view_mut(), &a.view(), &b.view(), false).unwrap();
        c
    };
    let levels = Level::available();
    let fused: Vec<_> = levels
        .iter()
        .filter(|l| **l > Level::Base)
        .map(|l| product(*l))
        .collect();
    for pair in fused.windows(2) {
        assert_eq!(pair[0], pair[1]);
    }
    let mut reference = Array2::<f64>::zeros((70, 90));
    naive(&mut reference, &a.view(), &b.view());
    for level in levels {
        let worst = (&product(level) - &reference)
            .iter()
            .fold(0.0_f64, |w, d| w.max(d.abs()));
        // 600 terms of at most 1/4, each sum of them rounded by at most half an ulp of 150.
        assert!(
            worst < 600.0 * 150.0 * f64::EPSILON / 2.0,
            "{worst} at {level:?}"
        );
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (a, b) = (Array2::<f64>::zeros((3, 4)), Array2::<f64>::zeros((5, 6)));
    let mut c = Array2::<f64>::zeros((3, 6));
    let error = matmul_into_at(
        Level::best(),
        &mut c.view_mut(),
        &a.view(),
        &b.view(),
        false,
    );
    assert_eq!(
        error,
        Err(KernelError::Shape {
            what: "the right factor of a matrix product",
            got: vec![5, 6],
            expected: vec![4, 6],
        })
    );
    let b = Array2::<f64>::zeros((4, 7));
    assert!(
        matmul_into_at(
            Level::best(),
            &mut c.view_mut(),
            &a.view(),
            &b.view(),
            false
        )
        .is_err()
    );
    assert!(syrk_into(&mut c.view_mut(), &a.view(), false).is_err());
}

//! Speed of the matrix products of chunks: `cargo bench -p kvern-array --bench gemm [WORD ...]`.
//!
//! Prints the best and the median of several runs in GFLOP/s, two operations a term, also for a symmetric product, of
//! which half is computed; beside it ndarray's product. `pair` is two threads with a product each, counted together. For
//! the same with OpenBLAS: `python3 collection-array/benches/gemm_peer.py`.

use std::hint::black_box;
use std::time::Instant;

use kvern_array::dtype::Element;
use kvern_array::kernels::{Level, matmul_into, matmul_into_at, syrk_into};
use ndarray::{Array2, LinalgScalar, linalg::general_mat_mul};

/// Runs `f`, which takes `flops` operations, for a second, at least five times.
fn time(name: &str, flops: f64, mut f: impl FnMut()) {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    if !words.iter().all(|w| name.contains(w.as_str())) {
        return;
    }
    f();
    let (begin, mut runs) = (Instant::now(), Vec::new());
    while runs.len() < 5 || begin.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        f();
        runs.push(start.elapsed().as_secs_f64());
    }
    runs.sort_by(f64::total_cmp);
    let (best, median) = (flops / runs[0] / 1e9, flops / runs[runs.len() / 2] / 1e9);
    println!("{name:40} best {best:7.1} median {median:7.1} GFLOP/s");
}

fn numbers<T: Element>(n: usize) -> Array2<T> {
    let mut x = 1_u64;
    Array2::from_shape_simple_fn((n, n), || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        T::from_scalar(((x >> 11) as f64 / (1_u64 << 53) as f64 * 100.0).into())
    })
}

fn cases<T: Element + LinalgScalar>(n: usize) {
    let (a, b) = (numbers::<T>(n), numbers::<T>(n));
    let mut c = Array2::from_elem((n, n), T::ZERO);
    let flops = 2.0 * (n as f64).powi(3);
    let name = |what: &str| format!("{} {n} {what}", T::DTYPE);
    for level in Level::available() {
        time(&name(&format!("a·b {level:?}")), flops, || {
            matmul_into_at(level, &mut c.view_mut(), &a.view(), &b.view(), false).expect("square");
        });
    }
    time(&name("aᵀ·b"), flops, || {
        matmul_into(&mut c.view_mut(), &a.t(), &b.view(), false).expect("square");
    });
    time(&name("a·bᵀ"), flops, || {
        matmul_into(&mut c.view_mut(), &a.view(), &b.t(), false).expect("square");
    });
    time(&name("aᵀ·a, syrk"), flops, || {
        syrk_into(&mut c.view_mut(), &a.t(), false).expect("square");
    });
    time(&name("pair a·b"), 2.0 * flops, || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut c = Array2::from_elem((n, n), T::ZERO);
                    matmul_into(&mut c.view_mut(), &a.view(), &b.view(), false).expect("square");
                    black_box(c);
                });
            }
        });
    });
    time(&name("a·b ndarray"), flops, || {
        general_mat_mul(T::one(), &a, &b, T::zero(), &mut c);
    });
    black_box(c);
}

fn main() {
    for n in [500, 1000, 2000] {
        cases::<f64>(n);
        cases::<f32>(n);
    }
    cases::<i64>(500);
    cases::<i32>(500);
    cases::<u8>(500);
}

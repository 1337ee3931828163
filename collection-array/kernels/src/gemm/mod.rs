//! Matrix products of chunks on one thread.
//!
//! The scheme is that of Goto and van de Geijn (*Anatomy of High-Performance Matrix Multiplication*, ACM TOMS 34, 2008) in
//! the form of Van Zee and van de Geijn (*BLIS: A Framework for Rapidly Instantiating BLAS Functionality*, ACM TOMS 41,
//! 2015): blocks of both factors are packed (`pack`), so that any strides will do and the caches hold what is read again
//! (`blocked`), and the result is computed in tiles that stay in registers (`tile`, `vector`). Tiles of floats are 8 x 3
//! registers on AVX-512, 4 x 3 on AVX2, both with one accumulator an element and the same blocks in depth, so that the two
//! agree to the bit; elsewhere, and for integers, a tile is a loop that is left to LLVM. A call allocates up to 5 MB.
//!
//! Nothing here starts a thread: the chunks of a product are multiplied side by side by tasks.
//!
//! # Why not a crate
//! Best of several runs in GFLOP/s on one core of a Xeon with AVX-512 that had other work to do as well (read the columns
//! against each other within some 10 %); `benches/gemm.rs` and `benches/gemm_peer.py` repeat all but the third:
//!
//! | product | here | NumPy, OpenBLAS 0.3.31 | gemm 0.19 | matrixmultiply 0.3.11, through ndarray |
//! | --- | --- | --- | --- | --- |
//! | f64, 500: a·b, aᵀ·a | 88, 154 | 87, 146 | 87 | 50 |
//! | f64, 2000: a·b, aᵀ·b, aᵀ·a | 84, 91, 161 | 82, 86, 167 | 84 | 41 |
//! | f64, 500, two threads: a·b | 171 | 164 | | |
//!
//! For aᵀ·a, the figure counts the operations of a full product, of which half are done. `gemm` (with AVX-512, without rayon) is
//! as fast, but adds 18 crates and 37 s of processor time to a release build, has among them one that is no longer
//! maintained (`paste`), and has no symmetric product. `matrixmultiply` comes with ndarray anyway, but stays well behind.

mod arith;
mod blocked;
mod matrix;
mod pack;
mod tile;
#[cfg(target_arch = "x86_64")]
mod vector;

use ndarray::{ArrayView2, ArrayViewMut2};

use self::arith::Arith;
use self::blocked::{Part, Scheme, mirror, product};
use self::matrix::{Source, Target};
use super::error::KernelError;
use super::level::Level;
use crate::dtype::{Element, with_dtype};

/// `c = a·b`, or `c += a·b` with `accumulate`.
///
/// `a` is (m, k), `b` (k, n) and `c` (m, n), of any strides: a transposed chunk is passed as a view. Integers wrap, `bool`
/// is *or* of *and*, NaN and infinities go through, as in NumPy. With no column in `a`, the product is all zeros.
///
/// # Errors
/// [`KernelError::Shape`] when the shapes do not fit together.
///
/// ```
/// use kvern_kernels::matmul_into;
/// use ndarray::{array, Array2};
///
/// let a = array![[1.0, 2.0], [3.0, 4.0]];
/// let mut c = Array2::zeros((2, 2));
/// matmul_into(&mut c.view_mut(), &a.t(), &a.view(), false)?;
/// assert_eq!(c, array![[10.0, 14.0], [14.0, 20.0]]);
/// # Ok::<(), kvern_kernels::KernelError>(())
/// ```
pub fn matmul_into<T: Element>(
    c: &mut ArrayViewMut2<'_, T>,
    a: &ArrayView2<'_, T>,
    b: &ArrayView2<'_, T>,
    accumulate: bool,
) -> Result<(), KernelError> {
    matmul_into_at(Level::best(), c, a, b, accumulate)
}

/// [`matmul_into`] with an instruction set of one's choice, or the best one that this machine has below it.
///
/// # Errors
/// As [`matmul_into`].
pub fn matmul_into_at<T: Element>(
    level: Level,
    c: &mut ArrayViewMut2<'_, T>,
    a: &ArrayView2<'_, T>,
    b: &ArrayView2<'_, T>,
    accumulate: bool,
) -> Result<(), KernelError> {
    fits(
        "the right factor of a matrix product",
        b.dim(),
        (a.ncols(), b.ncols()),
    )?;
    fits(
        "the result of a matrix product",
        c.dim(),
        (a.nrows(), b.ncols()),
    )?;
    run(level, c, a, b, accumulate, Part::All);
    Ok(())
}

/// `c = a·aᵀ`, or `c += a·aᵀ` with `accumulate`, in half the time of [`matmul_into`]. For `xᵀ·x`, pass the view `x.t()`.
///
/// `a` is (n, k) of any strides, `c` (n, n). Only one triangle is computed, and mirrored: `c` comes out exactly symmetric,
/// and with `accumulate` must have been symmetric before.
///
/// # Errors
/// [`KernelError::Shape`] when `c` is not square with a row for each row of `a`.
///
/// ```
/// use kvern_kernels::syrk_into;
/// use ndarray::{array, Array2};
///
/// let x = array![[1, 2, 3], [4, 5, 6]];
/// let mut c = Array2::zeros((3, 3));
/// syrk_into(&mut c.view_mut(), &x.t(), false)?;
/// assert_eq!(c, array![[17, 22, 27], [22, 29, 36], [27, 36, 45]]);
/// # Ok::<(), kvern_kernels::KernelError>(())
/// ```
pub fn syrk_into<T: Element>(
    c: &mut ArrayViewMut2<'_, T>,
    a: &ArrayView2<'_, T>,
    accumulate: bool,
) -> Result<(), KernelError> {
    syrk_into_at(Level::best(), c, a, accumulate)
}

/// [`syrk_into`] with an instruction set of one's choice, or the best one that this machine has below it.
///
/// # Errors
/// As [`syrk_into`].
pub fn syrk_into_at<T: Element>(
    level: Level,
    c: &mut ArrayViewMut2<'_, T>,
    a: &ArrayView2<'_, T>,
    accumulate: bool,
) -> Result<(), KernelError> {
    fits(
        "the result of a matrix product",
        c.dim(),
        (a.nrows(), a.nrows()),
    )?;
    run(level, c, a, &a.t(), accumulate, Part::Upper);
    Ok(())
}

fn fits(
    what: &'static str,
    got: (usize, usize),
    expected: (usize, usize),
) -> Result<(), KernelError> {
    if got == expected {
        return Ok(());
    }
    Err(KernelError::Shape {
        what,
        got: vec![got.0, got.1],
        expected: vec![expected.0, expected.1],
    })
}

/// The product of matrices that fit together.
fn run<T: Element>(
    level: Level,
    c: &mut ArrayViewMut2<'_, T>,
    a: &ArrayView2<'_, T>,
    b: &ArrayView2<'_, T>,
    accumulate: bool,
    part: Part,
) {
    if c.is_empty() {
        return;
    }
    if a.ncols() == 0 {
        if !accumulate {
            c.fill(T::ZERO);
        }
        return;
    }
    let level = level.min(Level::best());
    with_dtype!(T::DTYPE, U => {
        let (mut c, mut a, mut b) = (Target::<U>::of(c), Source::<U>::of(a), Source::<U>::of(b));
        // The tiles are rows of vectors, several times as wide as high: turn the product round where `c` lies by columns,
        // or is narrow and lies either way.
        let narrow = c.cols_are_contiguous() && c.cols() < c.rows();
        if !c.rows_are_contiguous() || narrow {
            (c, a, b) = (c.transposed(), b.transposed(), a.transposed());
        }
        product(&U::scheme(level), &mut c, a, b, accumulate, part);
        if part == Part::Upper {
            mirror(&mut c);
        }
    });
}

/// How each element type is multiplied.
trait Multiply: Arith {
    fn scheme(level: Level) -> Scheme<Self>;
}

macro_rules! plain {
    ($($t:ty: $nr:literal),*) => { $(
        impl Multiply for $t {
            fn scheme(level: Level) -> Scheme<Self> {
                Scheme::plain::<4, $nr>(level)
            }
        }
    )* };
}
// Rows this long are a loop that LLVM vectorises; shorter ones it unrolls, and then leaves scalar.
plain!(bool: 64, i8: 64, u8: 64, i16: 64, u16: 64, i32: 64, u32: 64, i64: 64, u64: 64);

macro_rules! float {
    ($t:ty, $nr:literal, $avx512:ident, $avx512_nr:literal, $avx2:ident, $avx2_nr:literal, $blocks:expr) => {
        impl Multiply for $t {
            fn scheme(level: Level) -> Scheme<Self> {
                #[cfg(target_arch = "x86_64")]
                match level {
                    Level::Avx512 => {
                        return Scheme::in_registers::<8, $avx512_nr>(
                            level,
                            vector::$avx512(),
                            $blocks,
                        );
                    }
                    Level::Avx2 => {
                        return Scheme::in_registers::<4, $avx2_nr>(
                            level,
                            vector::$avx2(),
                            $blocks,
                        );
                    }
                    Level::Base => {}
                }
                Scheme::plain::<4, $nr>(level)
            }
        }
    };
}
float!(f64, 8, f64_avx512, 24, f64_avx2, 12, [256, 192, 2016]);
float!(f32, 8, f32_avx512, 48, f32_avx2, 24, [384, 240, 2016]);

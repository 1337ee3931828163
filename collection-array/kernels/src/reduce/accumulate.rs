//! What a reduction keeps for every output element while it eats tiles.

use serde::{Deserialize, Serialize};

use kvern_pages::buffer;

use super::super::chunk::AnyVec;
use super::super::copy::copy_raw;
use super::super::space::c_strides;
use crate::dtype::{Element, each_variant};

/// Rows that are added up together before the accumulators are touched.
pub(crate) const GROUP: usize = 4;

/// What [`Accumulate::short_rows`] eats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortRows {
    pub(crate) x: *const u8,
    pub(crate) itemsize: usize,
    pub(crate) rows: usize,
    pub(crate) n: usize,
    pub(crate) at: usize,
    pub(crate) step: usize,
    pub(crate) index: u64,
    pub(crate) pitch: u64,
}

impl ShortRows {
    /// The rows as slices.
    ///
    /// # Safety
    /// `x` is valid for all the rows, whose elements are of `T`.
    pub(crate) unsafe fn each<'a, T: 'a>(self) -> impl Iterator<Item = (usize, &'a [T])> {
        (0..self.rows).map(move |r| {
            // SAFETY: the caller promises the rows.
            let row =
                unsafe { std::slice::from_raw_parts(self.x.cast::<T>().add(r * self.n), self.n) };
            (self.at + r * self.step, row)
        })
    }
}

/// Accumulators of one reduction. Tiles come as raw pointers to elements of the reduction's working dtype.
pub(crate) trait Accumulate {
    /// Eats `n` elements at `x` that all go to output `at`; the first has position `index` among the reduced ones.
    ///
    /// # Safety
    /// `x` is valid for `n` elements of the working dtype.
    unsafe fn segment(&mut self, at: usize, x: *const u8, n: usize, index: u64);

    /// Eats rows of `n` elements, element `j` of each going to output `at + j`; row `i` has position `index + i * step`.
    ///
    /// # Safety
    /// There are at most [`GROUP`] rows, and each is valid for `n` elements of the working dtype.
    unsafe fn rows(&mut self, at: usize, rows: &[*const u8], n: usize, index: u64, step: u64);

    /// Eats `rows` short rows of `n` elements that follow one another at `x`: row `r` goes to output `at + r * step`, and its
    /// first element has position `index + r * pitch`.
    ///
    /// # Safety
    /// `x` is valid for all the rows.
    unsafe fn short_rows(&mut self, run: ShortRows) {
        for r in 0..run.rows {
            let x = run.x.wrapping_add(r * run.n * run.itemsize);
            // SAFETY: the caller promises the rows.
            unsafe {
                self.segment(
                    run.at + r * run.step,
                    x,
                    run.n,
                    run.index + r as u64 * run.pitch,
                );
            };
        }
    }

    /// New accumulators of this kind for `outputs` elements.
    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate>;

    /// Merges accumulators that [`fresh`](Self::fresh) made: element `from + j` into output `at + j`, positions moved by
    /// `index`.
    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, index: u64);

    /// Itself, for [`fold`](Self::fold).
    fn as_any(&self) -> &dyn std::any::Any;

    /// What goes into the partial.
    fn finish(self: Box<Self>) -> Finished;
}

/// The accumulators of a finished chunk, one value for each output element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Finished {
    /// Sums, products, counts, least or greatest elements.
    Plain(AnyVec),
    /// Mean, and sum of squared distances from it.
    Moments { mean: Vec<f64>, m2: Vec<f64> },
    /// Least or greatest elements with their positions.
    Arg { values: AnyVec, index: Vec<i64> },
    /// Products of floats, mantissa and exponent apart.
    Products {
        mantissa: Vec<f64>,
        exponent: Vec<i64>,
    },
}

impl Finished {
    pub(crate) fn nbytes(&self) -> usize {
        match self {
            Self::Plain(v) => v.nbytes(),
            Self::Moments { mean, m2 } => size_of_val(mean.as_slice()) + size_of_val(m2.as_slice()),
            Self::Arg { values, index } => values.nbytes() + size_of_val(index.as_slice()),
            Self::Products { mantissa, exponent } => {
                size_of_val(mantissa.as_slice()) + size_of_val(exponent.as_slice())
            }
        }
    }

    /// The same values in C order of `shape`, where they lay with `strides` before.
    pub(crate) fn reorder(&self, shape: &[usize], strides: &[isize]) -> Self {
        match self {
            Self::Plain(v) => Self::Plain(reorder_any(v, shape, strides)),
            Self::Moments { mean, m2 } => Self::Moments {
                mean: reorder(mean, shape, strides),
                m2: reorder(m2, shape, strides),
            },
            Self::Arg { values, index } => Self::Arg {
                values: reorder_any(values, shape, strides),
                index: reorder(index, shape, strides),
            },
            Self::Products { mantissa, exponent } => Self::Products {
                mantissa: reorder(mantissa, shape, strides),
                exponent: reorder(exponent, shape, strides),
            },
        }
    }
}

fn reorder_any(v: &AnyVec, shape: &[usize], strides: &[isize]) -> AnyVec {
    each_variant!(AnyVec, v, v => Element::erase_vec(reorder(v, shape, strides)))
}

fn reorder<T: Copy>(v: &[T], shape: &[usize], strides: &[isize]) -> Vec<T> {
    let mut out: Vec<T> = buffer(v.len());
    // SAFETY: `strides` is a permutation of the C strides of a shape of `v.len()` elements, and `out` has room for them.
    unsafe {
        copy_raw(
            out.as_mut_ptr(),
            &c_strides(shape),
            v.as_ptr(),
            strides,
            shape,
        );
        out.set_len(v.len());
    }
    out
}

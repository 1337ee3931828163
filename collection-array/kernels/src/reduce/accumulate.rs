//! What a reduction keeps for every output element while it eats tiles.

use ndarray::{ArrayView, IxDyn, ShapeBuilder};
use serde::{Deserialize, Serialize};

use super::super::any::AnyVec;
use super::super::any_slice::AnySlice;
use super::super::copy::to_contiguous;
use crate::dtype::{Element, each_variant};

/// Rows that are added up together before the accumulators are touched.
pub(crate) const GROUP: usize = 4;

/// What [`Accumulate::short_rows`] eats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortRows<'a> {
    /// The rows, one behind the other.
    pub(crate) x: AnySlice<'a>,
    /// Elements of each.
    pub(crate) n: usize,
    /// Row `r` goes to output `at + r * step`.
    pub(crate) at: usize,
    pub(crate) step: usize,
    /// Its first element has position `index + r * pitch` among the reduced ones.
    pub(crate) index: u64,
    pub(crate) pitch: u64,
}

impl<'a> ShortRows<'a> {
    /// The rows with the outputs that they go to.
    pub(crate) fn each<T: Element>(self) -> impl Iterator<Item = (usize, &'a [T])> {
        let rows = self.x.get::<T>().chunks_exact(self.n);
        rows.enumerate()
            .map(move |(r, row)| (self.at + r * self.step, row))
    }
}

/// Accumulators of one reduction. Tiles come as slices of elements of the reduction's working dtype.
pub(crate) trait Accumulate {
    /// Eats elements that all go to output `at`; the first has position `index` among the reduced ones.
    fn segment(&mut self, at: usize, x: AnySlice<'_>, index: u64);

    /// Eats rows of equal length, element `j` of each going to output `at + j`; row `i` has position `index + i * step`.
    /// There are one to [`GROUP`] rows.
    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], index: u64, step: u64);

    /// Eats short rows that follow one another.
    fn short_rows(&mut self, run: ShortRows<'_>) {
        for r in 0..run.x.len() / run.n {
            self.segment(
                run.at + r * run.step,
                run.x.slice(r * run.n..(r + 1) * run.n),
                run.index + r as u64 * run.pitch,
            );
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

fn reorder<T: Element>(v: &[T], shape: &[usize], strides: &[isize]) -> Vec<T> {
    let steps: Vec<usize> = strides.iter().map(|s| s.unsigned_abs()).collect();
    match ArrayView::from_shape(IxDyn(shape).strides(IxDyn(&steps)), v) {
        Ok(view) => to_contiguous(&view).into_raw_vec_and_offset().0,
        Err(e) => panic!("strides {strides:?} are not those of shape {shape:?}: {e}"),
    }
}

//! The innermost part of a product: one tile of the result, `MR` x `NR` elements, from two packed slivers.

use std::marker::PhantomData;

use super::arith::Arith;
use super::matrix::Target;
use crate::level::{Body, Call};

/// One tile to compute.
pub(super) struct Tile<'a, T> {
    /// Columns of `MR` elements.
    pub(super) left: &'a [T],
    /// As many rows of `NR` elements.
    pub(super) right: &'a [T],
    /// `MR` rows of `NR` contiguous elements.
    pub(super) out: Target<'a, T>,
    /// Whether the product replaces what is in `out`, or is added to it.
    pub(super) overwrite: bool,
}

/// The call of a loop that computes a tile.
pub(super) struct Tiling<T>(PhantomData<T>);
impl<T: 'static> Call for Tiling<T> {
    type Args<'a> = Tile<'a, T>;
    type Out = ();
}

/// A tile of any element type, as a plain loop.
pub(super) struct Plain<const MR: usize, const NR: usize>;

impl<T: Arith, const MR: usize, const NR: usize> Body<Tiling<T>> for Plain<MR, NR> {
    #[inline(always)]
    fn run<const FMA: bool>(tile: Tile<'_, T>) {
        let (left, _) = tile.left.as_chunks::<MR>();
        let (right, _) = tile.right.as_chunks::<NR>();
        let mut acc = [[T::ZERO; NR]; MR];
        for (x, w) in left.iter().zip(right) {
            for (sums, &x) in acc.iter_mut().zip(x) {
                for (sum, &w) in sums.iter_mut().zip(w) {
                    *sum = sum.plus_product::<FMA>(x, w);
                }
            }
        }
        let mut rows = tile.out.rows_of::<MR, NR>();
        for (sums, row) in acc.iter().zip(&mut rows) {
            for (to, &sum) in row.iter_mut().zip(sums) {
                *to = if tile.overwrite { sum } else { to.plus(sum) };
            }
        }
    }
}

//! The innermost part of a product: one tile of the result, `MR` x `NR` elements, from two packed slivers.

use std::marker::PhantomData;

use super::arith::Arith;
#[cfg(target_arch = "x86_64")]
use super::vector::{Vector, prefetch};
use crate::level::Body;

/// One tile to compute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile<T> {
    /// Length of the slivers.
    pub(super) depth: usize,
    /// `depth` columns of `MR` elements.
    pub(super) left: *const T,
    /// `depth` rows of `NR` elements.
    pub(super) right: *const T,
    /// The first of `MR` rows of `NR` contiguous elements.
    pub(super) out: *mut T,
    /// Elements from one row of `out` to the next.
    pub(super) row_stride: isize,
    /// Whether the product replaces what is in `out`, or is added to it.
    pub(super) overwrite: bool,
}

/// A tile of `MR` rows and `NV` registers a row, all of which stay in registers while the slivers go by.
///
/// What [`Body::run`] needs: `left` valid for `depth * MR` elements and `right` for `depth * NR`; each of the rows of
/// `out` valid for `NR` elements, initialised unless `overwrite`; the instruction set of `V`.
#[cfg(target_arch = "x86_64")]
pub(super) struct InRegisters<V, const MR: usize, const NV: usize>(PhantomData<V>);

/// How many steps ahead the wide sliver is asked for. It comes from the second-level cache, once for every tile.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 8;

#[cfg(target_arch = "x86_64")]
impl<V: Vector, const MR: usize, const NV: usize> Body for InRegisters<V, MR, NV> {
    type Args = Tile<V::T>;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(tile: Tile<V::T>) {
        let nr = NV * V::LANES;
        let row = |i: usize| tile.out.wrapping_offset(i as isize * tile.row_stride);
        // The rows of the result are far apart in memory: ask for them now, they are needed at the end.
        for i in 0..MR {
            for j in 0..NV {
                prefetch(row(i).wrapping_add(j * V::LANES));
            }
            prefetch(row(i).wrapping_add(nr - 1));
        }
        let (mut left, mut right) = (tile.left, tile.right);
        // SAFETY: the pointers move by MR and nr elements, `depth` times, inside what the caller promises, and the
        // reads of a step are of the MR and nr elements at hand; the rows of `out` are valid for nr elements.
        unsafe {
            let mut acc = [[V::zero(); NV]; MR];
            for _ in 0..tile.depth {
                let mut wide = [V::zero(); NV];
                for (j, v) in wide.iter_mut().enumerate() {
                    prefetch(right.wrapping_add(AHEAD * nr + j * V::LANES));
                    *v = V::load(right.add(j * V::LANES));
                }
                for (i, sums) in acc.iter_mut().enumerate() {
                    let x = V::splat(left.add(i));
                    for (sum, w) in sums.iter_mut().zip(wide) {
                        *sum = x.mul_add(w, *sum);
                    }
                }
                left = left.add(MR);
                right = right.add(nr);
            }
            for (i, sums) in acc.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    let to = row(i).add(j * V::LANES);
                    if tile.overwrite {
                        sum.store(to);
                    } else {
                        V::load(to).plus(*sum).store(to);
                    }
                }
            }
        }
    }
}

/// A tile of any element type, as a plain loop. It needs the same as [`InRegisters`] but for the registers.
pub(super) struct Plain<T, const MR: usize, const NR: usize>(PhantomData<T>);

impl<T: Arith, const MR: usize, const NR: usize> Body for Plain<T, MR, NR> {
    type Args = Tile<T>;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(tile: Tile<T>) {
        // SAFETY: the caller promises so many elements; an array has the alignment of its element.
        let (left, right) = unsafe {
            (
                std::slice::from_raw_parts(tile.left.cast::<[T; MR]>(), tile.depth),
                std::slice::from_raw_parts(tile.right.cast::<[T; NR]>(), tile.depth),
            )
        };
        let mut acc = [[T::ZERO; NR]; MR];
        for (x, w) in left.iter().zip(right) {
            for (sums, &x) in acc.iter_mut().zip(x) {
                for (sum, &w) in sums.iter_mut().zip(w) {
                    *sum = sum.plus_product::<FMA>(x, w);
                }
            }
        }
        for (i, sums) in acc.iter().enumerate() {
            // SAFETY: the caller promises MR rows of NR initialised elements, or elements that are only written.
            unsafe {
                let to = tile.out.offset(i as isize * tile.row_stride);
                for (j, &sum) in sums.iter().enumerate() {
                    let to = to.add(j);
                    to.write(if tile.overwrite {
                        sum
                    } else {
                        to.read().plus(sum)
                    });
                }
            }
        }
    }
}

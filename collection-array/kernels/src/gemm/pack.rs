//! Packing: a block of a matrix is copied into slivers, in the order in which the tiles read it.
//!
//! A sliver is `W` rows wide and as long as the block has columns; its columns lie one after the other. Rows that the block
//! does not have are zeros, which only ever meet parts of a tile that are thrown away.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use kvern_pages as pages;

use super::arith::Arith;
use super::matrix::Source;
use crate::level::Body;

/// A block to pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pack<T> {
    pub(super) from: Source<T>,
    pub(super) to: *mut T,
}

/// Packs slivers of `W` rows.
///
/// What [`Body::run`] needs: `from` readable, with no axis empty, and `to` valid for writes of its columns times its rows
/// rounded up to `W`.
pub(super) struct Slivers<T, const W: usize>(PhantomData<T>);

/// How many elements of a row are read at once when the rows are the contiguous ones.
const RUN: usize = 8;

impl<T: Arith, const W: usize> Body for Slivers<T, W> {
    type Args = Pack<T>;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(Pack { from, mut to }: Pack<T>) {
        let depth = from.cols;
        for row in (0..from.rows).step_by(W) {
            let rows = W.min(from.rows - row);
            // SAFETY: `rows` rows from `row` on are in the block; `to` has room for W * depth elements a sliver.
            unsafe {
                let block = from.part(row, 0, rows, depth);
                match (rows == W, block.row_stride) {
                    (true, 1) => columns::<T, W>(block, to),
                    (true, _) => runs::<T, W>(block, to),
                    (false, _) => rest::<T, W>(block, to),
                }
                to = to.add(W * depth);
            }
        }
    }
}

/// Packs `W` rows whose columns are contiguous.
///
/// # Safety
/// `block` has `W` rows and a row stride of 1; `to` has room for them.
#[inline(always)]
unsafe fn columns<T: Copy, const W: usize>(block: Source<T>, to: *mut T) {
    for k in 0..block.cols {
        // SAFETY: column k has W contiguous elements, and `to` room for W of every column.
        unsafe {
            let from = block.start.offset(k as isize * block.col_stride);
            let to = to.add(k * W).cast::<[T; W]>();
            to.write(from.cast::<[T; W]>().read());
        }
    }
}

/// Packs `W` rows of any stride, a short run of every row at a time, so that each cache line is read once.
///
/// # Safety
/// `block` has `W` rows; `to` has room for them.
#[inline(always)]
unsafe fn runs<T: Copy, const W: usize>(block: Source<T>, to: *mut T) {
    let whole = block.cols - block.cols % RUN;
    let move_one = |i: usize, k: usize| {
        let at = i as isize * block.row_stride + k as isize * block.col_stride;
        // SAFETY: only called for rows and columns of the block; `to` has room for W of every column.
        unsafe { to.add(k * W + i).write(block.start.offset(at).read()) }
    };
    for k in (0..whole).step_by(RUN) {
        for i in 0..W {
            for k in k..k + RUN {
                move_one(i, k);
            }
        }
    }
    for k in whole..block.cols {
        for i in 0..W {
            move_one(i, k);
        }
    }
}

/// Packs fewer than `W` rows and fills up with zeros.
///
/// # Safety
/// `to` has room for `W` elements of every column.
#[inline(always)]
unsafe fn rest<T: Arith, const W: usize>(block: Source<T>, to: *mut T) {
    for k in 0..block.cols {
        for i in 0..W {
            let at = i as isize * block.row_stride + k as isize * block.col_stride;
            // SAFETY: read only for the rows of the block; `to` has room for W of every column.
            unsafe {
                let x = if i < block.rows {
                    block.start.offset(at).read()
                } else {
                    T::ZERO
                };
                to.add(k * W + i).write(x);
            }
        }
    }
}

/// Memory for slivers, aligned to cache lines, not initialised.
pub(super) struct Scratch(Vec<MaybeUninit<Line>>);

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "only its size is of use")] [u8; 64]);

impl Scratch {
    /// Room for `len` elements of `T`.
    pub(super) fn new<T>(len: usize) -> Self {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        Self(pages::buffer(lines))
    }

    pub(super) fn start<T>(&mut self) -> *mut T {
        const { assert!(align_of::<T>() <= align_of::<Line>()) };
        self.0.as_mut_ptr().cast()
    }
}

//! Packing: a block of a matrix is copied into slivers, in the order in which the tiles read it.
//!
//! A sliver is `W` rows wide and as long as the block has columns; its columns lie one after the other. Rows that the block
//! does not have are zeros, which only ever meet parts of a tile that are thrown away.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use kvern_pages as pages;

use super::arith::Arith;
use super::matrix::Source;
use crate::level::{Body, Call, Loop};

/// A block to pack, and as much memory as its columns times its rows rounded up to the width of a sliver.
pub(super) struct Pack<'a, T> {
    pub(super) from: Source<'a, T>,
    pub(super) to: &'a mut [MaybeUninit<T>],
}

/// The call of a loop that packs.
pub(super) struct Packing<T>(PhantomData<T>);
impl<T: 'static> Call for Packing<T> {
    type Args<'a> = Pack<'a, T>;
    type Out = ();
}

/// Packs slivers of `W` rows.
pub(super) struct Slivers<const W: usize>;

/// Packs a block.
pub(super) struct Packer<T: 'static> {
    width: usize,
    pack: Loop<Packing<T>>,
}

impl<T: Arith> Packer<T> {
    pub(super) fn new<const W: usize>(level: crate::level::Level) -> Self {
        Self {
            width: W,
            pack: Loop::of::<Slivers<W>>(level),
        }
    }

    /// The slivers of `from`, in as much of the memory as they need.
    pub(super) fn pack<'a>(&self, from: Source<'a, T>, to: &'a mut [MaybeUninit<T>]) -> &'a [T] {
        let to = &mut to[..from.rows().next_multiple_of(self.width) * from.cols()];
        self.pack.call(Pack { from, to: &mut *to });
        // SAFETY: `Slivers`, which is the only loop that packs, writes all columns of all slivers, and so all of this.
        unsafe { to.assume_init_ref() }
    }
}

/// How many elements of a row are read at once when the rows are the contiguous ones.
const RUN: usize = 8;

impl<T: Arith, const W: usize> Body<Packing<T>> for Slivers<W> {
    #[inline(always)]
    fn run<const FMA: bool>(Pack { from, to }: Pack<'_, T>) {
        let depth = from.cols();
        assert_eq!(to.len(), from.rows().next_multiple_of(W) * depth);
        let (columns_of_slivers, _) = to.as_chunks_mut::<W>();
        for (row, to) in (0..from.rows())
            .step_by(W)
            .zip(columns_of_slivers.chunks_exact_mut(depth))
        {
            let rows = W.min(from.rows() - row);
            let block = from.part(row, 0, rows, depth);
            if rows < W {
                rest(block, to);
            } else if block.cols_are_contiguous() {
                columns(block, to);
            } else {
                runs(block, to);
            }
        }
    }
}

/// Packs `W` rows whose columns are contiguous.
#[inline(always)]
fn columns<T: Arith, const W: usize>(block: Source<'_, T>, to: &mut [[MaybeUninit<T>; W]]) {
    for (k, to) in to.iter_mut().enumerate() {
        *to = block.in_column::<W>(0, k).map(MaybeUninit::new);
    }
}

/// Packs `W` rows of any stride, a short run of every row at a time, so that each cache line is read once.
#[inline(always)]
fn runs<T: Arith, const W: usize>(block: Source<'_, T>, to: &mut [[MaybeUninit<T>; W]]) {
    let (whole, left) = to.as_chunks_mut::<RUN>();
    let start = whole.len() * RUN;
    for (k, to) in whole.iter_mut().enumerate() {
        for i in 0..W {
            let run = block.in_row::<RUN>(i, k * RUN);
            for (to, x) in to.iter_mut().zip(run) {
                to[i].write(x);
            }
        }
    }
    for (k, to) in left.iter_mut().enumerate() {
        for (i, to) in to.iter_mut().enumerate() {
            to.write(block.in_row::<1>(i, start + k)[0]);
        }
    }
}

/// Packs fewer than `W` rows and fills up with zeros.
#[inline(always)]
fn rest<T: Arith, const W: usize>(block: Source<'_, T>, to: &mut [[MaybeUninit<T>; W]]) {
    for (k, to) in to.iter_mut().enumerate() {
        for (i, to) in to.iter_mut().enumerate() {
            to.write(if i < block.rows() {
                block.in_row::<1>(i, k)[0]
            } else {
                T::ZERO
            });
        }
    }
}

/// Memory for slivers, aligned to cache lines, not initialised.
pub(super) struct Scratch<T> {
    memory: Vec<T>,
    len: usize,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl<T> Scratch<T> {
    /// Room for `len` elements of `T`.
    pub(super) fn new(len: usize) -> Self {
        let memory = pages::buffer(len + LINE / size_of::<T>());
        Self { memory, len }
    }

    pub(super) fn room(&mut self) -> &mut [MaybeUninit<T>] {
        let all = self.memory.spare_capacity_mut();
        let skip = all.as_ptr().align_offset(LINE);
        &mut all[skip..skip + self.len]
    }
}

//! The loops around the tiles: which blocks are packed, and in which order the tiles of a product are computed.

use super::arith::Arith;
use super::matrix::{Source, Target};
use super::pack::{Pack, Scratch, Slivers};
use super::tile::{Plain, Tile};
#[cfg(target_arch = "x86_64")]
use super::{tile::InRegisters, vector::Vector};
use crate::level::{Level, clone_for};

/// The shape of tiles and blocks for one element type on one instruction set, and the code for them.
///
/// A block of the right factor (`depth` x `wide`) stays in the last-level cache, a block of the left one (`tall` x `depth`)
/// in the second level; in the first, one sliver meets the tiles of a column.
pub(super) struct Scheme<T> {
    mr: usize,
    nr: usize,
    depth: usize,
    tall: usize,
    wide: usize,
    tile: unsafe fn(Tile<T>),
    pack_left: unsafe fn(Pack<T>),
    pack_right: unsafe fn(Pack<T>),
}

/// The most elements that a tile can have.
const LARGEST_TILE: usize = 512;

impl<T: Arith> Scheme<T> {
    /// Tiles in vector registers.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn in_registers<
        V: Vector<T = T>,
        const MR: usize,
        const NV: usize,
        const NR: usize,
    >(
        level: Level,
        [depth, tall, wide]: [usize; 3],
    ) -> Self {
        const { assert!(NR == NV * V::LANES && MR * NR <= LARGEST_TILE) };
        Self {
            mr: MR,
            nr: NR,
            depth,
            tall,
            wide,
            tile: clone_for::<InRegisters<V, MR, NV>>(level),
            pack_left: clone_for::<Slivers<T, MR>>(level),
            pack_right: clone_for::<Slivers<T, NR>>(level),
        }
    }

    /// Tiles as plain loops.
    pub(super) fn plain<const MR: usize, const NR: usize>(level: Level) -> Self {
        const { assert!(MR * NR <= LARGEST_TILE) };
        Self {
            mr: MR,
            nr: NR,
            depth: 256,
            tall: 128,
            wide: 1024,
            tile: clone_for::<Plain<T, MR, NR>>(level),
            pack_left: clone_for::<Slivers<T, MR>>(level),
            pack_right: clone_for::<Slivers<T, NR>>(level),
        }
    }
}

/// Which elements of the result are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    All,
    /// Those on and above the diagonal, and some below it.
    Upper,
}

/// Lengths of at most `most`, all but the last of them equal and a multiple of `unit`, that `len` falls into.
fn even(len: usize, most: usize, unit: usize) -> usize {
    let pieces = len.div_ceil(most).max(1);
    len.div_ceil(pieces).next_multiple_of(unit)
}

/// `c = a·b`, or `c += a·b`.
///
/// # Safety
/// The matrices fit together and are valid for reads and writes; no axis is empty; `c` overlaps neither `a` nor `b`, and
/// no two of its elements are one; the machine has the instruction set of `scheme`.
pub(super) unsafe fn product<T: Arith>(
    scheme: &Scheme<T>,
    c: Target<T>,
    a: Source<T>,
    b: Source<T>,
    accumulate: bool,
    part: Part,
) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    let depth = even(k, scheme.depth, 1);
    let tall = even(m, scheme.tall, scheme.mr);
    let wide = even(n, scheme.wide, scheme.nr);
    let (mut left, mut right) = (
        Scratch::new::<T>(tall * depth),
        Scratch::new::<T>(wide * depth),
    );
    let (left, right) = (left.start::<T>(), right.start::<T>());
    for col in (0..n).step_by(wide) {
        let cols = wide.min(n - col);
        for at in (0..k).step_by(depth) {
            let deep = depth.min(k - at);
            // SAFETY: the part is in `b`; `right` has room for `wide` columns, a multiple of nr, of `depth` elements.
            unsafe {
                let from = b.part(at, col, deep, cols).transposed();
                (scheme.pack_right)(Pack { from, to: right });
            }
            for row in (0..m).step_by(tall) {
                if part == Part::Upper && row >= col + cols {
                    break;
                }
                let rows = tall.min(m - row);
                // SAFETY: the part is in `a`; `left` has room for `tall` rows, a multiple of mr, of `depth` elements.
                // The slivers of both were packed just now, and this block of the result is in `c`.
                unsafe {
                    let from = a.part(row, at, rows, deep);
                    (scheme.pack_left)(Pack { from, to: left });
                    let block = Block {
                        at: (row, col),
                        shape: (rows, cols),
                        depth: deep,
                        overwrite: at == 0 && !accumulate,
                        part,
                    };
                    block.run(scheme, c, left, right);
                }
            }
        }
    }
}

/// A block of the result whose factors are packed.
struct Block {
    at: (usize, usize),
    shape: (usize, usize),
    depth: usize,
    overwrite: bool,
    part: Part,
}

impl Block {
    /// # Safety
    /// The block is in `c`, which is valid for reads and writes; `left` and `right` hold the packed slivers of its rows and
    /// columns; the machine has the instruction set of `scheme`.
    unsafe fn run<T: Arith>(
        &self,
        scheme: &Scheme<T>,
        c: Target<T>,
        left: *const T,
        right: *const T,
    ) {
        let mut edge = [T::ZERO; LARGEST_TILE];
        for j in (0..self.shape.1).step_by(scheme.nr) {
            let cols = scheme.nr.min(self.shape.1 - j);
            for i in (0..self.shape.0).step_by(scheme.mr) {
                let rows = scheme.mr.min(self.shape.0 - i);
                let (row, col) = (self.at.0 + i, self.at.1 + j);
                if self.part == Part::Upper && row >= col + cols {
                    break;
                }
                // SAFETY: slivers i and j were packed; (row, col) is in `c`, and so is the whole tile where it is written
                // in place; `edge` has room for any tile.
                unsafe {
                    let tile = Tile {
                        depth: self.depth,
                        left: left.add(i * self.depth),
                        right: right.add(j * self.depth),
                        out: c.at(row, col),
                        row_stride: c.row_stride,
                        overwrite: self.overwrite,
                    };
                    if rows == scheme.mr && cols == scheme.nr && c.rows_are_contiguous() {
                        (scheme.tile)(tile);
                        continue;
                    }
                    (scheme.tile)(Tile {
                        out: edge.as_mut_ptr(),
                        row_stride: scheme.nr as isize,
                        overwrite: true,
                        ..tile
                    });
                    for (y, values) in edge.chunks_exact(scheme.nr).take(rows).enumerate() {
                        for (x, &value) in values.iter().take(cols).enumerate() {
                            let to = c.at(row + y, col + x);
                            to.write(if self.overwrite {
                                value
                            } else {
                                to.read().plus(value)
                            });
                        }
                    }
                }
            }
        }
    }
}

/// Copies what is above the diagonal of `c` to below it.
///
/// # Safety
/// `c` is square and valid for reads and writes, and its upper triangle is initialised.
pub(super) unsafe fn mirror<T: Copy>(c: Target<T>) {
    const SIDE: usize = 32;
    let n = c.rows;
    for top in (0..n).step_by(SIDE) {
        for left in (0..=top).step_by(SIDE) {
            for i in top..n.min(top + SIDE) {
                for j in left..i.min(left + SIDE) {
                    // SAFETY: i and j are below n.
                    unsafe { c.at(i, j).write(c.at(j, i).read()) }
                }
            }
        }
    }
}

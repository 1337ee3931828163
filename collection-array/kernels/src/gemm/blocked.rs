//! The loops around the tiles: which blocks are packed, and in which order the tiles of a product are computed.

use super::arith::Arith;
use super::matrix::{Source, Target};
use super::pack::{Packer, Scratch};
use super::tile::{Plain, Tile, Tiling};
use crate::level::{Level, Loop};

/// The shape of tiles and blocks for one element type on one instruction set, and the code for them.
///
/// A block of the right factor (`depth` x `wide`) stays in the last-level cache, a block of the left one (`tall` x `depth`)
/// in the second level; in the first, one sliver meets the tiles of a column.
pub(super) struct Scheme<T: 'static> {
    mr: usize,
    nr: usize,
    depth: usize,
    tall: usize,
    wide: usize,
    tile: Loop<Tiling<T>>,
    left: Packer<T>,
    right: Packer<T>,
}

/// The most elements that a tile can have.
const LARGEST_TILE: usize = 512;

impl<T: Arith> Scheme<T> {
    /// Tiles of `MR` x `NR` elements in vector registers.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn in_registers<const MR: usize, const NR: usize>(
        level: Level,
        tile: Loop<Tiling<T>>,
        [depth, tall, wide]: [usize; 3],
    ) -> Self {
        const { assert!(MR * NR <= LARGEST_TILE) };
        Self {
            mr: MR,
            nr: NR,
            depth,
            tall,
            wide,
            tile,
            left: Packer::new::<MR>(level),
            right: Packer::new::<NR>(level),
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
            tile: Loop::of::<Plain<MR, NR>>(level),
            left: Packer::new::<MR>(level),
            right: Packer::new::<NR>(level),
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
/// The matrices fit together, and no axis is empty.
pub(super) fn product<T: Arith>(
    scheme: &Scheme<T>,
    c: &mut Target<'_, T>,
    a: Source<'_, T>,
    b: Source<'_, T>,
    accumulate: bool,
    part: Part,
) {
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    let depth = even(k, scheme.depth, 1);
    let tall = even(m, scheme.tall, scheme.mr);
    let wide = even(n, scheme.wide, scheme.nr);
    let (mut left, mut right) = (Scratch::new(tall * depth), Scratch::new(wide * depth));
    let (left, right) = (left.room(), right.room());
    for col in (0..n).step_by(wide) {
        let cols = wide.min(n - col);
        for at in (0..k).step_by(depth) {
            let deep = depth.min(k - at);
            let from = b.part(at, col, deep, cols).transposed();
            let right = scheme.right.pack(from, right);
            for row in (0..m).step_by(tall) {
                if part == Part::Upper && row >= col + cols {
                    break;
                }
                let rows = tall.min(m - row);
                let from = a.part(row, at, rows, deep);
                let left = scheme.left.pack(from, left);
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

/// A block of the result whose factors are packed.
struct Block {
    at: (usize, usize),
    shape: (usize, usize),
    depth: usize,
    overwrite: bool,
    part: Part,
}

impl Block {
    /// Computes the block of `c` from the slivers of its rows and columns.
    fn run<T: Arith>(&self, scheme: &Scheme<T>, c: &mut Target<'_, T>, left: &[T], right: &[T]) {
        let mut edge = [T::ZERO; LARGEST_TILE];
        for (j, right) in right.chunks_exact(scheme.nr * self.depth).enumerate() {
            let j = j * scheme.nr;
            let cols = scheme.nr.min(self.shape.1 - j);
            for (i, left) in left.chunks_exact(scheme.mr * self.depth).enumerate() {
                let i = i * scheme.mr;
                let rows = scheme.mr.min(self.shape.0 - i);
                let (row, col) = (self.at.0 + i, self.at.1 + j);
                if self.part == Part::Upper && row >= col + cols {
                    break;
                }
                let mut out = c.part(row, col, rows, cols);
                if rows == scheme.mr && cols == scheme.nr && out.rows_are_contiguous() {
                    scheme.tile.call(Tile {
                        left,
                        right,
                        out,
                        overwrite: self.overwrite,
                    });
                    continue;
                }
                let all = &mut edge[..scheme.mr * scheme.nr];
                scheme.tile.call(Tile {
                    left,
                    right,
                    out: Target::of_rows(all, scheme.nr),
                    overwrite: true,
                });
                for (y, values) in edge.chunks_exact(scheme.nr).take(rows).enumerate() {
                    for (x, &value) in values.iter().take(cols).enumerate() {
                        let to = out.at(y, x);
                        *to = if self.overwrite {
                            value
                        } else {
                            to.plus(value)
                        };
                    }
                }
            }
        }
    }
}

/// Copies what is above the diagonal of `c`, which is square, to below it.
pub(super) fn mirror<T: Arith>(c: &mut Target<'_, T>) {
    const SIDE: usize = 32;
    let n = c.rows();
    for top in (0..n).step_by(SIDE) {
        for left in (0..=top).step_by(SIDE) {
            for i in top..n.min(top + SIDE) {
                for j in left..i.min(left + SIDE) {
                    *c.at(i, j) = *c.at(j, i);
                }
            }
        }
    }
}

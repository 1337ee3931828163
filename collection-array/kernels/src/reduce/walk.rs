//! Feeds the tiles of a space to accumulators, along rows or across them, whichever follows memory.

use super::super::any_slice::AnySlice;
use super::super::eval::tile_len;
use super::super::register::{Register, TILE};
use super::super::space::Space;
use super::super::tiles::Tiles;
use super::accumulate::{Accumulate, GROUP, ShortRows};

/// Columns whose accumulators are kept at hand while rows are added to them: they fit the second-level cache.
const PANEL: usize = 32 * TILE;
/// Rows of fewer elements than this are taken many at a time when they are added up across.
const NARROW: usize = TILE / 2;

/// Rows of no more elements than this are handed over many at a time when each goes to one output.
const SHORT: usize = 64;

/// Eats the whole space. Operand `inputs` of it is the output position, the next the position among reduced elements.
pub(crate) fn walk(tiles: &mut Tiles<'_>, space: &Space, inputs: usize, acc: &mut dyn Accumulate) {
    if space.inner_stride(inputs) == 0 && space.inner() > 0 {
        along(tiles, space, inputs, acc);
    } else {
        across(tiles, space, inputs, acc);
    }
}

/// The innermost axis is reduced: every row goes to one output.
fn along(tiles: &mut Tiles<'_>, space: &Space, inputs: usize, acc: &mut dyn Accumulate) {
    let (len, inner) = (space.len(), space.inner());
    let step = tile_len(space);
    let nd = space.ndim();
    let short = nd >= 2 && inner <= SHORT;
    let mut start = 0;
    while start < len {
        let n = step(start).min(len - start);
        let x = tiles.tile(start, n);
        let mut done = 0;
        if short && start % inner == 0 && n % inner == 0 {
            // Rows by the block, in which outputs are evenly spaced.
            let block = space.dims[nd - 2];
            while done < n {
                let row = (start + done) / inner;
                let rows = (block - row % block).min((n - done) / inner);
                let run = ShortRows {
                    x: x.slice(done..done + rows * inner),
                    n: inner,
                    at: space.row_offset(inputs, row) as usize,
                    step: space.stride(inputs, nd - 2) as usize,
                    index: space.row_offset(inputs + 1, row) as u64,
                    pitch: space.stride(inputs + 1, nd - 2) as u64,
                };
                acc.short_rows(run);
                done += rows * inner;
            }
        }
        while done < n {
            let (row, col) = ((start + done) / inner, (start + done) % inner);
            let part = (inner - col).min(n - done);
            let at = space.row_offset(inputs, row) as usize;
            let index = space.row_offset(inputs + 1, row) as u64
                + col as u64 * space.inner_stride(inputs + 1) as u64;
            acc.segment(at, x.slice(done..done + part), index);
            done += part;
        }
        start += n;
    }
}

/// The innermost axis is kept: rows are added up element by element.
fn across(tiles: &mut Tiles<'_>, space: &Space, inputs: usize, acc: &mut dyn Accumulate) {
    let nd = space.ndim();
    let inner = space.inner();
    let (out, red) = (inputs, inputs + 1);
    // The axis next to it, when that is reduced.
    let stacked = nd >= 2 && space.stride(out, nd - 2) == 0;
    let rows = if stacked { space.dims[nd - 2] } else { 1 };
    let step = if stacked {
        space.stride(red, nd - 2) as u64
    } else {
        0
    };
    let blocks = space.len() / (rows * inner);
    let mut buffer: [Register; GROUP] = std::array::from_fn(|_| Register::new());
    if stacked && inner <= NARROW && rows > 1 {
        let taken = (TILE / inner).min(rows);
        let width = taken * inner;
        for block in 0..blocks {
            let first = block * rows;
            let mut wide = acc.fresh(width);
            let whole = rows / taken;
            add_rows(
                tiles,
                &mut buffer,
                wide.as_mut(),
                first * inner,
                width,
                whole,
                0..width,
                0,
                0,
                step * taken as u64,
            );
            let rest = (rows % taken) * inner;
            if rest > 0 {
                let start = (first + whole * taken) * inner;
                let index = step * (whole * taken) as u64;
                add_rows(
                    tiles,
                    &mut buffer,
                    wide.as_mut(),
                    start,
                    rest,
                    1,
                    0..rest,
                    0,
                    index,
                    0,
                );
            }
            let at = space.row_offset(out, first) as usize;
            let base = space.row_offset(red, first) as u64;
            for g in 0..taken {
                acc.fold(at, wide.as_ref(), g * inner, inner, base + step * g as u64);
            }
        }
        return;
    }
    for block in 0..blocks {
        let first = block * rows;
        let at = space.row_offset(out, first) as usize;
        let index = space.row_offset(red, first) as u64;
        for col in (0..inner).step_by(PANEL) {
            let end = (col + PANEL).min(inner);
            add_rows(
                tiles,
                &mut buffer,
                acc,
                first * inner,
                inner,
                rows,
                col..end,
                at,
                index,
                step,
            );
        }
    }
}

/// Adds the columns `cols` of `rows` rows that start at element `start` and are `pitch` elements apart.
#[allow(
    clippy::too_many_arguments,
    reason = "one loop, cut out of two callers; a struct would be filled and emptied at once"
)]
fn add_rows(
    tiles: &mut Tiles<'_>,
    buffer: &mut [Register; GROUP],
    acc: &mut dyn Accumulate,
    start: usize,
    pitch: usize,
    rows: usize,
    cols: std::ops::Range<usize>,
    at: usize,
    index: u64,
    step: u64,
) {
    for r in (0..rows).step_by(GROUP) {
        let group = GROUP.min(rows - r);
        let mut col = cols.start;
        while col < cols.end {
            let n = TILE.min(cols.end - col);
            let mut in_place = [None; GROUP];
            for (i, (place, register)) in in_place
                .iter_mut()
                .zip(&mut *buffer)
                .take(group)
                .enumerate()
            {
                *place = tiles.tile_or_in(start + (r + i) * pitch + col, n, register);
            }
            let list: [AnySlice<'_>; GROUP] =
                std::array::from_fn(|i| in_place[i].unwrap_or_else(|| buffer[i].read()));
            acc.rows(at + col, &list[..group], index + r as u64 * step, step);
            col += n;
        }
    }
}

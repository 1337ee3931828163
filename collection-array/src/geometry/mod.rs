//! The ground of arrays: shapes, grids of blocks, and what a slice takes of an axis. Nothing here knows elements, expressions or tasks.

pub(crate) mod pick;
pub(crate) mod shape;

use kvern_core::{Grid, Splits};

pub(crate) fn grid_of(chunks: &[Splits]) -> Grid {
    Grid::new(chunks.iter().map(|s| s.len() as u32).collect::<Vec<_>>())
}

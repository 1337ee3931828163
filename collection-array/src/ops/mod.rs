//! The operators that array tasks run: each is registered by name, with parameters that can travel.

pub(crate) mod elementwise;
pub(crate) mod exchange;
pub(crate) mod expect;
pub(crate) mod file;
pub(crate) mod function;
pub(crate) mod gather;
pub(crate) mod list;
pub(crate) mod product;
pub(crate) mod reduction;
pub(crate) mod source;
pub(crate) mod view;

use kvern_core::{OpTraits, Splits};

use crate::geometry::grid_of;

/// Operators that ask which block they make.
pub(crate) const BY_BLOCK: OpTraits = OpTraits {
    pure: true,
    uses_block: true,
    inline: false,
};

/// Operators that only look at their inputs.
pub(crate) const BY_VALUE: OpTraits = OpTraits {
    pure: true,
    uses_block: false,
    inline: false,
};

/// Start and length along each axis of a block, counted row-major over the grid of `chunks`.
pub(crate) fn block_ranges(chunks: &[Splits], block: u64) -> Vec<(u64, u64)> {
    let mut coords = Vec::new();
    grid_of(chunks).coords(block, &mut coords);
    chunks
        .iter()
        .zip(coords)
        .map(|(s, c)| s.block(c as usize))
        .collect()
}

/// The shape of a block.
pub(crate) fn block_shape(chunks: &[Splits], block: u64) -> Vec<usize> {
    block_ranges(chunks, block)
        .into_iter()
        .map(|r| r.1 as usize)
        .collect()
}

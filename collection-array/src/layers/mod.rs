//! Layer kinds of arrays: formulas from which the tasks of rechunks, slices and concatenations follow.

pub(crate) mod concat;
pub(crate) mod gather;

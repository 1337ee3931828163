//! The operators that the tasks of a frame run: named, with parameters that can travel.

mod engine;
mod exchange;
mod query;
mod stage;
mod write;

pub(crate) use engine::{engine_op, engine_to_file};
pub(crate) use exchange::{concat_op, split_op};
pub(crate) use query::{query_op, query_to_file};
pub(crate) use stage::{StageInput, stage_op};
pub(crate) use write::write_op;

use kvern_core::OpTraits;

/// Operators that ask which block they make.
const BY_BLOCK: OpTraits = OpTraits {
    pure: true,
    uses_block: true,
    inline: false,
};

/// Operators that only look at their inputs.
const BY_VALUE: OpTraits = OpTraits {
    pure: true,
    uses_block: false,
    inline: false,
};

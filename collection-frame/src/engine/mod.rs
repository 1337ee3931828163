//! Running DataFusion inside kvern: its state and options, its futures on threads of this crate, its memory under the session's
//! budget.

mod drive;
mod pool;
mod rows;
mod state;

pub(crate) use drive::{Drive, block_on};
pub(crate) use rows::stoppable;
pub use state::batch_rows;
pub(crate) use state::{config, planner_with, task_context};

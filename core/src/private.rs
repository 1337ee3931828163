//! What macros of this crate expand to. Not an interface: may change in any version.

pub use inventory;

pub use crate::operator::function::{
    NamedFunction, TaskResult, check_inputs, decode_params, encode_params, input, op_or_error,
    task_result, task_value,
};
pub use crate::session::delayed::call;
pub use crate::value::codec::{decode_serde, encode_serde};

//! `array.from-list` and `array.to-list`: between a chunk and the list of its elements, where an array meets functions and other collections.

use kvern_core::{Error, OpRef, Result, TaskContext, Value};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use super::{BY_VALUE, named, operator};
use crate::value::{describe, take_chunk, to_value};
use kvern_kernels::AnyChunk;
use kvern_kernels::dtype::{DType, each_variant, with_dtype};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct FromList {
    dtype: DType,
    shape: Vec<u64>,
}

/// The operator that makes a chunk of that shape of a `Vec` of its elements in C order.
pub(crate) fn from_list_op(dtype: DType, shape: &[usize]) -> Result<OpRef> {
    let shape = shape.iter().map(|&n| n as u64).collect();
    named("array.from-list", BY_VALUE, &FromList { dtype, shape })
}

operator!(
    /// Lists as chunks.
    FromListOp, "array.from-list", BY_VALUE, FromList
);

impl FromList {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the operators' macro checks all parameters alike"
    )]
    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let [value] = inputs else {
            let words = format!("array.from-list takes 1 input, got {}", inputs.len());
            return Err(Error::bad_input(words));
        };
        let shape: Vec<usize> = self.shape.iter().map(|&n| n as usize).collect();
        let value = std::mem::replace(value, Value::UNIT);
        with_dtype!(self.dtype, T => {
            let list = value.try_into_inner::<Vec<T>>().or_else(|shared| {
                shared.downcast_ref::<Vec<T>>().cloned().ok_or_else(|| {
                    let words = format!("an array of {} is made of a list of such, got {}", self.dtype, shared.describe());
                    Error::bad_input(words)
                })
            })?;
            let length = list.len();
            let chunk = ArrayD::from_shape_vec(IxDyn(&shape), list).map_err(|_| {
                Error::bad_input(format!(
                    "a list of {length} elements came where an array {} was announced",
                    describe(self.dtype, &shape)
                ))
            })?;
            Ok(to_value(AnyChunk::from(chunk)))
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ToList;

/// The operator that makes a `Vec` of a chunk's elements in C order.
pub(crate) fn to_list_op() -> Result<OpRef> {
    named("array.to-list", BY_VALUE, &ToList)
}

operator!(
    /// Chunks as lists.
    ToListOp, "array.to-list", BY_VALUE, ToList
);

impl ToList {
    #[allow(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the operators' macro checks all parameters alike"
    )]
    fn check(&self) -> Result<()> {
        Ok(())
    }

    #[allow(
        clippy::unused_self,
        reason = "the operators' macro runs all kernels alike"
    )]
    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let [value] = inputs else {
            let words = format!("array.to-list takes 1 input, got {}", inputs.len());
            return Err(Error::bad_input(words));
        };
        let chunk = take_chunk(value)?;
        each_variant!(AnyChunk, chunk, a => {
            Ok(Value::new(a.iter().copied().collect::<Vec<_>>()))
        })
    }
}

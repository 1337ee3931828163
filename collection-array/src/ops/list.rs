//! `array.from-list` and `array.to-list`: between a chunk and the list of its elements, where an array meets functions and other collections.

use kvern_core::{
    Error, OpRef, OpTraits, Result, TaskContext, TypedOperator, Value, typed_operator,
};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use super::BY_VALUE;
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
    FromList { dtype, shape }.op()
}

typed_operator!(FromList);

impl TypedOperator for FromList {
    const NAME: &'static str = "array.from-list";
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let shape: Vec<usize> = self.shape.iter().map(|&n| n as usize).collect();
        let value = std::mem::replace(&mut inputs[0], Value::UNIT);
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
    ToList.op()
}

typed_operator!(ToList);

impl TypedOperator for ToList {
    const NAME: &'static str = "array.to-list";
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let chunk = take_chunk(&mut inputs[0])?;
        each_variant!(AnyChunk, chunk, a => {
            Ok(Value::new(a.iter().copied().collect::<Vec<_>>()))
        })
    }
}

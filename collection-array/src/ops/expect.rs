//! `array.expect`: a chunk as it is, if it is what was announced. Behind every operator of others, since what it gives is only known when it
//! has run.

use kvern_core::program::{Arg, Program, Step};
use kvern_core::{
    Error, ErrorKind, OpRef, OpTraits, Result, Splits, TaskContext, TypedOperator, Value,
    typed_operator,
};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, block_shape};
use crate::value::{chunk_of, describe, take_chunk, to_value};
use kvern_kernels::dtype::DType;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Expect {
    dtype: DType,
    chunks: Vec<Splits>,
    /// The axis, of length 1 in `chunks`, that the operator leaves out. It is put back.
    reduced: Option<u32>,
}

/// `op` over `inputs` chunks, whose result must be the chunk of that type at the block of `chunks`; without the axis `reduced`, if one is
/// given.
pub(crate) fn expected(
    op: OpRef,
    inputs: u32,
    dtype: DType,
    chunks: &[Splits],
    reduced: Option<u32>,
) -> Result<OpRef> {
    let check = Expect {
        dtype,
        chunks: chunks.to_vec(),
        reduced,
    };
    let check = check.op()?;
    let step = |op, args| Step {
        op,
        args,
        block: None,
        fixed_block: None,
    };
    Ok(OpRef::program(Program::new(vec![
        step(op, (0..inputs).map(Arg::Input).collect()),
        step(check, vec![Arg::Step(0)]),
    ])?))
}

typed_operator!(Expect);

impl TypedOperator for Expect {
    const NAME: &'static str = "array.expect";
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        BY_BLOCK
    }

    fn check(&self) -> Result<()> {
        match self.reduced {
            Some(axis) if axis as usize >= self.chunks.len() => Err(Error::bad_input(format!(
                "array.expect: axis {axis} of {} axes",
                self.chunks.len()
            ))),
            _ => Ok(()),
        }
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let value = &mut inputs[0];
        let chunk = chunk_of(value)?;
        let whole = block_shape(&self.chunks, ctx.block());
        let mut wanted = whole.clone();
        if let Some(axis) = self.reduced {
            wanted.remove(axis as usize);
        }
        if (chunk.dtype(), chunk.shape()) != (self.dtype, wanted.as_slice()) {
            let hint = match self.reduced {
                None if chunk.ndim() < wanted.len() => {
                    " (`apply_reduction` takes operators that leave an axis out)"
                }
                _ => "",
            };
            return Err(Error::bad_input(format!(
                "the operator gave a chunk {}, where {} was announced{hint}",
                describe(chunk.dtype(), chunk.shape()),
                describe(self.dtype, &wanted)
            )));
        }
        if self.reduced.is_none() {
            return Ok(std::mem::replace(value, Value::UNIT));
        }
        let chunk = take_chunk(value)?;
        // As many elements, so this fails for no layout that `compact` gives.
        let shaped = chunk
            .reshaped(&whole)
            .or_else(|| chunk.compact().reshaped(&whole));
        shaped.map(to_value).ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                format!("a chunk of shape {wanted:?} cannot be seen as one of {whole:?}"),
            )
        })
    }
}

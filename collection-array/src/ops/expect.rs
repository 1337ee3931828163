//! `array.expect`: a chunk as it is, if it is what was announced. Behind every operator of others, since what it gives is only known when it
//! has run.

use kvern_core::program::{Arg, Program, Step};
use kvern_core::{Error, OpRef, Result, Splits, TaskContext, Value};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, block_shape, named, operator};
use crate::dtype::DType;
use crate::value::{chunk_of, describe};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Expect {
    dtype: DType,
    chunks: Vec<Splits>,
}

operator!(
    /// Refuses chunks of another element type or shape.
    ExpectOp, "array.expect", BY_BLOCK, Expect
);

/// `op` over `inputs` chunks, whose result must be the chunk of that type at the block of `chunks`.
pub(crate) fn expected(op: OpRef, inputs: u32, dtype: DType, chunks: &[Splits]) -> Result<OpRef> {
    let check = named(
        "array.expect",
        BY_BLOCK,
        &Expect {
            dtype,
            chunks: chunks.to_vec(),
        },
    )?;
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

impl Expect {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the operators' macro checks all parameters alike"
    )]
    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let [value] = inputs else {
            return Err(Error::bad_input(format!(
                "array.expect takes 1 input, got {}",
                inputs.len()
            )));
        };
        let chunk = chunk_of(value)?;
        let wanted = block_shape(&self.chunks, ctx.block());
        if (chunk.dtype(), chunk.shape()) != (self.dtype, wanted.as_slice()) {
            return Err(Error::bad_input(format!(
                "the operator gave a chunk {}, where {} was announced",
                describe(chunk.dtype(), chunk.shape()),
                describe(self.dtype, &wanted)
            )));
        }
        Ok(std::mem::replace(value, Value::UNIT))
    }
}

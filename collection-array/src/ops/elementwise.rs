//! `array.elementwise`: a program over the blocks at one place of every argument.

use kvern_core::{OpTraits, Result, Splits, TaskContext, TypedOperator, Value, typed_operator};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, BY_VALUE, block_shape};
use crate::error::refused;
use crate::value::{take_chunks, to_value};
use kvern_kernels::{Program, eval_reusing};

/// What every element is made of, and how the shape of the block is found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Region {
    pub(crate) program: Program,
    pub(crate) extent: Extent,
}

/// Where the shape of a block comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Extent {
    /// The arguments, broadcast to at least so many axes: the operator need not know which block it makes.
    Inputs(u32),
    /// How the result is cut: some axis is longer than any argument's.
    Chunks(Vec<Splits>),
}

impl Extent {
    pub(crate) fn shape(&self, inputs: &[&[usize]], ctx: &TaskContext<'_>) -> Result<Vec<usize>> {
        match self {
            Self::Chunks(chunks) => Ok(block_shape(chunks, ctx.block())),
            Self::Inputs(ndim) => {
                let mut shape = vec![1; *ndim as usize];
                for s in inputs {
                    shape = crate::geometry::shape::broadcast("chunks", &shape, s)?;
                }
                Ok(shape)
            }
        }
    }
}

typed_operator!(Region);

impl TypedOperator for Region {
    const NAME: &'static str = "array.elementwise";

    fn traits(&self) -> OpTraits {
        match self.extent {
            Extent::Inputs(_) => BY_VALUE,
            Extent::Chunks(_) => BY_BLOCK,
        }
    }

    fn check(&self) -> Result<()> {
        self.program.validate().map_err(refused)
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let chunks = take_chunks(inputs)?;
        let shapes: Vec<&[usize]> = chunks.iter().map(|c| c.shape()).collect();
        let shape = self.extent.shape(&shapes, ctx)?;
        Ok(to_value(
            eval_reusing(&self.program, chunks, &shape).map_err(refused)?,
        ))
    }
}

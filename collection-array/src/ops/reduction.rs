//! Reductions: the chunk, combine and finish stages of a tree, and all three at once for an axis that lies in one block.

use kvern_core::{
    OpRef, OpTraits, Result, Splits, TaskContext, TypedOperator, Value, typed_operator,
};
use serde::{Deserialize, Serialize};

use super::elementwise::{Extent, Region};
use super::{BY_BLOCK, BY_VALUE, block_ranges};
use crate::error::refused;
use crate::value::{take_chunks, to_value};
use kvern_kernels::{Origin, Partial, Reduce, combine, reduce_chunk};

/// What is reduced: a program over blocks, which is never written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reduction {
    pub(crate) reduce: Reduce,
    pub(crate) region: Region,
    pub(crate) axes: Vec<u32>,
    /// How the array is cut, for reductions that tell positions.
    pub(crate) positions: Option<Vec<Splits>>,
    /// Only for reductions that are finished at once: which axes stay, with length 1.
    pub(crate) keepdims: bool,
    /// The blocks of the whole array that block numbers count, where the reduction is finished at once.
    pub(crate) whole: bool,
}

impl Reduction {
    fn partial(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Partial> {
        let chunks = take_chunks(inputs)?;
        let shapes: Vec<&[usize]> = chunks.iter().map(|c| c.shape()).collect();
        let shape = self.region.extent.shape(&shapes, ctx)?;
        let origin = self.positions.as_ref().map(|splits| Origin {
            offset: block_ranges(splits, ctx.block())
                .into_iter()
                .map(|r| r.0 as usize)
                .collect(),
            shape: splits.iter().map(|s| s.total() as usize).collect(),
        });
        let axes: Vec<usize> = self.axes.iter().map(|&a| a as usize).collect();
        reduce_chunk(
            self.reduce,
            &self.region.program,
            &chunks,
            &shape,
            &axes,
            origin.as_ref(),
        )
        .map_err(refused)
    }
}

/// A tree's first stage, or, `whole`, a reduction within blocks.
impl TypedOperator for Reduction {
    const NAME: &'static str = "array.reduce";

    fn traits(&self) -> OpTraits {
        match (&self.region.extent, &self.positions) {
            (Extent::Inputs(_), None) => BY_VALUE,
            _ => BY_BLOCK,
        }
    }

    fn check(&self) -> Result<()> {
        self.region.check()
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let partial = self.partial(inputs, ctx)?;
        if self.whole {
            return Ok(to_value(partial.finish(self.keepdims).map_err(refused)?));
        }
        Ok(partial_value(partial))
    }
}

typed_operator!(Reduction);

fn partial_value(p: Partial) -> Value {
    let bytes = p.nbytes() as u64;
    Value::with_bytes(p, bytes)
}

fn take_partials(inputs: &mut [Value]) -> Result<Vec<Partial>> {
    inputs
        .iter_mut()
        .map(|v| {
            std::mem::replace(v, Value::UNIT)
                .try_into_inner::<Partial>()
                .or_else(|v| {
                    v.downcast_ref::<Partial>().cloned().ok_or_else(|| {
                        kvern_core::Error::bad_input(format!(
                            "a partial result of a reduction was expected, got {}",
                            v.describe()
                        ))
                    })
                })
        })
        .collect()
}

/// Partials to one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Combine;

impl TypedOperator for Combine {
    const NAME: &'static str = "array.combine";

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let one = combine(take_partials(inputs)?).map_err(refused)?;
        Ok(partial_value(one))
    }
}

/// Partials to the result.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Finish {
    /// Whether reduced axes stay, with length 1.
    keepdims: bool,
}

impl TypedOperator for Finish {
    const NAME: &'static str = "array.finish";

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let one = combine(take_partials(inputs)?).map_err(refused)?;
        Ok(to_value(one.finish(self.keepdims).map_err(refused)?))
    }
}

typed_operator!(Combine, Finish);

/// The operator of a tree's inner stage.
pub(crate) fn combine_op() -> Result<OpRef> {
    Combine.op()
}

/// The operator of a tree's last stage.
pub(crate) fn finish_op(keepdims: bool) -> Result<OpRef> {
    Finish { keepdims }.op()
}

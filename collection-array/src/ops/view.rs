//! `array.view` and `array.reblock`: chunks under other axes and shapes, without a copy where memory order allows it.

use kvern_core::{
    Error, OpRef, OpTraits, Result, Splits, TaskContext, TypedOperator, Value, typed_operator,
};
use ndarray::{Axis, IxDyn};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, BY_VALUE, block_shape};
use crate::value::{chunk_of, describe, to_value};
use kvern_kernels::AnyChunk;
use kvern_kernels::dtype::each_variant;

/// Axes in another order. Every value holds the bytes of what it views, as long as that is not counted elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct View {
    /// For each axis of the result that of the input, or none for a new one.
    axes: Vec<Option<u32>>,
}

typed_operator!(View);

impl TypedOperator for View {
    const NAME: &'static str = "array.view";
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let value = &inputs[0];
        let chunk = chunk_of(value)?;
        // Named axes first, dropped ones behind them; then lengths of 1 come and go.
        let mut order: Vec<usize> = self.axes.iter().flatten().map(|&a| a as usize).collect();
        let mut used = vec![false; chunk.ndim()];
        for &a in &order {
            match used.get_mut(a) {
                Some(u) if !*u => *u = true,
                _ => {
                    return Err(Error::bad_input(format!(
                        "array.view: axis {a} of a chunk of shape {:?} is missing or named twice",
                        chunk.shape()
                    )));
                }
            }
        }
        let dropped: Vec<usize> = (0..used.len()).filter(|&a| !used[a]).collect();
        if let Some(&a) = dropped.iter().find(|&&a| chunk.shape()[a] != 1) {
            return Err(Error::bad_input(format!(
                "array.view: axis {a} of a chunk of shape {:?} cannot be dropped: its length is not 1",
                chunk.shape()
            )));
        }
        order.extend(dropped);
        let bytes = value.nbytes();
        let chunk = each_variant!(AnyChunk, chunk, a => {
            let mut a = a.clone().permuted_axes(IxDyn(&order));
            while a.ndim() > self.axes.iter().flatten().count() {
                let last = Axis(a.ndim() - 1);
                a = a.index_axis_move(last, 0);
            }
            for (i, axis) in self.axes.iter().enumerate() {
                if axis.is_none() {
                    a = a.insert_axis(Axis(i));
                }
            }
            AnyChunk::from(a)
        });
        Ok(Value::with_bytes(chunk, bytes))
    }
}

/// The operator for these axes.
pub(crate) fn view_op(axes: &[Option<usize>]) -> Result<OpRef> {
    let axes = axes.iter().map(|a| a.map(|a| a as u32)).collect();
    View { axes }.op()
}

/// A chunk in the shape that its place in the result has.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reblock {
    chunks: Vec<Splits>,
}

typed_operator!(Reblock);

impl TypedOperator for Reblock {
    const NAME: &'static str = "array.reblock";
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        BY_BLOCK
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let value = &inputs[0];
        let shape = block_shape(&self.chunks, ctx.block());
        let chunk = chunk_of(value)?;
        let shared = chunk.is_contiguous();
        let new = chunk.reshaped(&shape).ok_or_else(|| {
            Error::bad_input(format!(
                "array.reblock: a chunk {} cannot be seen as {shape:?}",
                describe(chunk.dtype(), chunk.shape())
            ))
        })?;
        Ok(if shared {
            Value::with_bytes(new, value.nbytes())
        } else {
            to_value(new)
        })
    }
}

/// The operator that gives chunks the shapes of `chunks`.
pub(crate) fn reblock_op(chunks: &[Splits]) -> Result<OpRef> {
    let chunks = chunks.to_vec();
    Reblock { chunks }.op()
}

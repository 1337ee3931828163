//! `array.formula`: chunks that are computed from the positions of their elements.

use kvern_core::{
    Error, OpRef, OpTraits, Result, Splits, TaskContext, TypedOperator, Value, typed_operator,
};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, block_ranges};
use crate::value::to_value;
use kvern_kernels::AnyChunk;
use kvern_kernels::dtype::{DType, Element, Scalar, with_dtype};

/// What an element is, by its position.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Formula {
    /// `start + i * step` along the only axis.
    Arange { start: Scalar, step: Scalar },
    /// From `start` to `stop` in `count` even steps along the only axis; the last one is `stop`, if that is meant to be met.
    Linspace {
        start: f64,
        stop: f64,
        count: u64,
        endpoint: bool,
    },
    /// 1 on the diagonal `k` above the main one, else 0.
    Eye { k: i64 },
    /// The position along an axis.
    Index { axis: u32 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Blocks {
    formula: Formula,
    dtype: DType,
    chunks: Vec<Splits>,
}

/// The operator for a formula over these chunks.
pub(crate) fn formula_op(formula: Formula, dtype: DType, chunks: &[Splits]) -> Result<OpRef> {
    let chunks = chunks.to_vec();
    let blocks = Blocks {
        formula,
        dtype,
        chunks,
    };
    blocks.op()
}

typed_operator!(Blocks);

impl TypedOperator for Blocks {
    const NAME: &'static str = "array.formula";

    fn traits(&self) -> OpTraits {
        BY_BLOCK
    }

    fn check(&self) -> Result<()> {
        let ndim = self.chunks.len();
        let ok = match self.formula {
            Formula::Arange { .. } | Formula::Linspace { .. } => ndim == 1,
            Formula::Eye { .. } => ndim == 2,
            Formula::Index { axis } => (axis as usize) < ndim,
        };
        if ok {
            return Ok(());
        }
        Err(Error::bad_input(format!(
            "array.formula: {:?} over {ndim} axes",
            self.formula
        )))
    }

    fn run(&self, _: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let ranges = block_ranges(&self.chunks, ctx.block());
        Ok(to_value(
            with_dtype!(self.dtype, T => block::<T>(self.formula, &ranges)),
        ))
    }
}

fn block<T: Element>(formula: Formula, ranges: &[(u64, u64)]) -> AnyChunk {
    let shape: Vec<usize> = ranges.iter().map(|r| r.1 as usize).collect();
    let start = |axis: usize| ranges.get(axis).map_or(0, |r| r.0);
    let line = |f: &dyn Fn(u64) -> T| {
        let first = start(0);
        ndarray::Array1::from_iter((first..first + shape[0] as u64).map(f)).into_dyn()
    };
    AnyChunk::from(match formula {
        Formula::Arange { start: a, step } if T::DTYPE.is_float() => {
            let (a, step): (f64, f64) = (a.get(), step.get());
            line(&|i| T::from_scalar(Scalar::F64(a + i as f64 * step)))
        }
        Formula::Arange { start: a, step } => {
            let (a, step): (i64, i64) = (a.get(), step.get());
            line(&|i| T::from_scalar(Scalar::I64(a.wrapping_add((i as i64).wrapping_mul(step)))))
        }
        Formula::Linspace {
            start: a,
            stop,
            count,
            endpoint,
        } => {
            let parts = (count - u64::from(endpoint && count > 0)).max(1);
            let step = (stop - a) / parts as f64;
            // As NumPy has it, for which a conversion is towards zero everywhere else.
            let down = T::DTYPE.is_int();
            line(&|i| {
                let last = endpoint && i + 1 == count && count > 1;
                let x = if last { stop } else { a + i as f64 * step };
                T::from_scalar(Scalar::F64(if down { x.floor() } else { x }))
            })
        }
        Formula::Eye { k } => {
            let (row, col) = (i128::from(start(0)), i128::from(start(1)));
            let mut out = ArrayD::from_elem(IxDyn(&shape), T::ZERO);
            for i in 0..shape[0] {
                let j = row + i as i128 + i128::from(k) - col;
                if (0..shape[1] as i128).contains(&j) {
                    out[[i, j as usize]] = T::ONE;
                }
            }
            out
        }
        Formula::Index { axis } => {
            let first = start(axis as usize);
            ArrayD::from_shape_fn(IxDyn(&shape), |i| {
                T::from_scalar(Scalar::U64(first + i[axis as usize] as u64))
            })
        }
    })
}

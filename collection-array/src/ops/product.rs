//! Matrix products of blocks: `array.matmul` sums the products of pairs of blocks, `array.gram` those of blocks with their own
//! transposes, `array.add_blocks` adds what several such tasks made.

use kvern_core::{
    Error, OpRef, OpTraits, Result, TaskContext, TypedOperator, Value, typed_operator,
};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMut2, Axis, Ix2, IxDyn};
use serde::{Deserialize, Serialize};

use super::BY_VALUE;
use crate::error::refused;
use crate::geometry::shape::broadcast;
use crate::value::{chunk_of, take_chunks, to_value};
use kvern_kernels::dtype::{DType, Element, with_dtype};
use kvern_kernels::{AnyChunk, BinaryOp, ProgramBuilder, eval_reusing, matmul_into, syrk_into};

/// What the inputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Factors {
    /// Half of them left factors, then as many right ones.
    Pairs,
    /// The same, the left factors to be transposed.
    TransposedPairs,
    /// Each is multiplied with its own transpose on the left: `xᵀ·x`.
    Own,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Product {
    dtype: DType,
    factors: Factors,
}

/// The operator that sums products of blocks.
pub(crate) fn product_op(dtype: DType, factors: Factors) -> Result<OpRef> {
    Product { dtype, factors }.op()
}

typed_operator!(Product);

impl TypedOperator for Product {
    const NAME: &'static str = "array.matmul";

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        with_dtype!(self.dtype, T => self.sum::<T>(inputs, ctx))
    }
}

impl Product {
    fn sum<T: Element>(&self, inputs: &[Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let mut views = Vec::with_capacity(inputs.len());
        for v in inputs {
            let chunk = chunk_of(v)?;
            let typed = chunk.peek::<T>().filter(|a| a.ndim() >= 2).ok_or_else(|| {
                Error::bad_input(format!(
                    "array.matmul: {} among blocks of matrices of {}",
                    v.describe(),
                    T::DTYPE
                ))
            })?;
            views.push(typed.view());
        }
        let half = match self.factors {
            Factors::Own => views.len(),
            _ => views.len() / 2,
        };
        let (left, right) = views.split_at(half);
        let mut out: Option<ArrayD<T>> = None;
        for (k, a) in left.iter().enumerate() {
            ctx.check_cancelled()?;
            let a = match self.factors {
                Factors::Pairs => a.clone(),
                _ => transposed(a.clone()),
            };
            let b = match self.factors {
                Factors::Own => left[k].clone(),
                _ => match right.get(k) {
                    Some(b) => b.clone(),
                    None => {
                        return Err(Error::bad_input(
                            "array.matmul: a left factor without a right one",
                        ));
                    }
                },
            };
            let (n, m) = (a.ndim(), b.ndim());
            let mut shape = broadcast("matmul", &a.shape()[..n - 2], &b.shape()[..m - 2])?;
            shape.extend([a.shape()[n - 2], b.shape()[m - 1]]);
            let first = out.is_none();
            let c = out.get_or_insert_with(|| ArrayD::from_elem(IxDyn(&shape), T::ZERO));
            if c.shape() != shape {
                return Err(Error::bad_input(format!(
                    "array.matmul: products of shapes {:?} and {shape:?}",
                    c.shape()
                )));
            }
            add_product(c, &a, &b, !first, self.factors == Factors::Own)?;
        }
        let out = out.ok_or_else(|| Error::bad_input("array.matmul: no blocks"))?;
        Ok(to_value(AnyChunk::from(out)))
    }
}

fn transposed<T>(a: ArrayViewD<'_, T>) -> ArrayViewD<'_, T> {
    let (mut a, n) = (a.clone(), a.ndim());
    a.swap_axes(n - 2, n - 1);
    a
}

/// `c = a·b` or `c += a·b`, matrix by matrix.
fn add_product<T: Element>(
    c: &mut ArrayD<T>,
    a: &ArrayViewD<'_, T>,
    b: &ArrayViewD<'_, T>,
    accumulate: bool,
    own: bool,
) -> Result<()> {
    let batch = c.shape()[..c.ndim() - 2].to_vec();
    let whole = |v: &ArrayViewD<'_, T>| {
        let mut shape = batch.clone();
        shape.extend(&v.shape()[v.ndim() - 2..]);
        shape
    };
    let unfit = || {
        Error::bad_input(format!(
            "matmul: blocks of shapes {:?} and {:?}",
            a.shape(),
            b.shape()
        ))
    };
    let (sa, sb) = (whole(a), whole(b));
    let a = a.broadcast(IxDyn(&sa)).ok_or_else(unfit)?;
    let b = b.broadcast(IxDyn(&sb)).ok_or_else(unfit)?;
    let count: usize = batch.iter().product();
    for i in 0..count {
        let (mut a, mut b, mut c) = (a.view(), b.view(), c.view_mut());
        let mut left = i;
        let mut step = count;
        for &n in &batch {
            step /= n;
            let at = left / step;
            left %= step;
            a = a.index_axis_move(Axis(0), at);
            b = b.index_axis_move(Axis(0), at);
            c = c.index_axis_move(Axis(0), at);
        }
        let (Ok(a), Ok(b), Ok(c)) = (
            a.into_dimensionality::<Ix2>(),
            b.into_dimensionality::<Ix2>(),
            c.into_dimensionality::<Ix2>(),
        ) else {
            return Err(unfit());
        };
        let mut c: ArrayViewMut2<'_, T> = c;
        if own {
            syrk_into(&mut c, &a, accumulate).map_err(refused)?;
        } else {
            matmul_into(&mut c, &a, &b, accumulate).map_err(refused)?;
        }
    }
    Ok(())
}

/// Blocks of one shape to their sum.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct AddBlocks;

/// The operator that adds blocks.
pub(crate) fn add_blocks_op() -> Result<OpRef> {
    AddBlocks.op()
}

typed_operator!(AddBlocks);

impl TypedOperator for AddBlocks {
    const NAME: &'static str = "array.add_blocks";

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let chunks = take_chunks(inputs)?;
        let Some(first) = chunks.first() else {
            return Err(Error::bad_input("array.add_blocks: no blocks"));
        };
        let (dtype, shape) = (first.dtype(), first.shape().to_vec());
        // The sum of all in one pass, written over the first.
        let mut b = ProgramBuilder::new();
        let mut sum = b.input(dtype);
        for _ in 1..chunks.len() {
            let next = b.input(dtype);
            sum = b.binary(BinaryOp::Add, sum, next).map_err(refused)?;
        }
        Ok(to_value(
            eval_reusing(&b.finish(sum).map_err(refused)?, chunks, &shape).map_err(refused)?,
        ))
    }
}

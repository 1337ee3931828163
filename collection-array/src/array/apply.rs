//! Operators by name over chunks: `apply`, for those of other crates and of plugins.

use std::sync::Arc;

use kvern_core::{OpRef, Result, Splits};

use super::Array;
use crate::expr::{Expr, Node, unify};
use crate::ops::expect::expected;
use kvern_kernels::dtype::Element;

impl<T: Element> Array<T> {
    /// Each chunk replaced by what an operator makes of it, of the same shape, with elements of type `U`. The operator is named, so the
    /// graph can be saved and sent; what the name means is looked up in the session's registry.
    ///
    /// The operator is given a value that holds a chunk (`kernels::AnyChunk`), and gives one. Parameters of operators of plugins are
    /// JSON: `kvern_plugin_host::op_ref` makes such a reference.
    ///
    /// ```
    /// use kvern_array::Array;
    /// use kvern_array::kernels::AnyChunk;
    /// use kvern_core::{OpRef, TaskContext, Value};
    ///
    /// let double = OpRef::local("double", |inputs: &mut [Value], _: &TaskContext<'_>| {
    ///     let chunk = inputs[0].downcast_ref::<AnyChunk>().and_then(|c| c.peek::<f64>()).unwrap();
    ///     Ok(Value::new(AnyChunk::from(chunk.mapv(|v| 2.0 * v))))
    /// });
    /// let x = Array::<f64>::arange(0.0, 3.0, 1.0, 2)?;
    /// assert_eq!(x.apply::<f64>(&double)?.reference()?, ndarray::array![0.0, 2.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the operator is not one that can be a step of a task. A chunk of another shape or element type than announced is an error when it is
    /// computed.
    pub fn apply<U: Element>(&self, op: &OpRef) -> Result<Array<U>> {
        let args = vec![self.expr().clone()];
        blocks(op, self.splits().to_vec(), args, None)
    }

    /// [`Array::apply`] of an operator of two arrays of one shape; they are cut alike before.
    ///
    /// ```
    /// use kvern_array::Array;
    /// use kvern_array::kernels::AnyChunk;
    /// use kvern_core::{OpRef, TaskContext, Value};
    ///
    /// let sum = OpRef::local("sum", |inputs: &mut [Value], _: &TaskContext<'_>| {
    ///     let chunk = |v: &Value| v.downcast_ref::<AnyChunk>().and_then(|c| c.peek::<f64>()).unwrap().to_owned();
    ///     Ok(Value::new(AnyChunk::from(chunk(&inputs[0]) + chunk(&inputs[1]))))
    /// });
    /// let x = Array::<f64>::arange(0.0, 3.0, 1.0, 2)?;
    /// assert_eq!(x.apply2::<f64, f64>(&x, &sum)?.reference()?, ndarray::array![0.0, 2.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::apply`], and if the shapes differ: operators do not broadcast.
    pub fn apply2<V: Element, U: Element>(&self, other: &Array<V>, op: &OpRef) -> Result<Array<U>> {
        if self.shape() != other.shape() {
            return Err(kvern_core::Error::bad_input(format!(
                "{}: shapes {:?} and {:?} differ; an operator takes equal ones (broadcast_to makes them so)",
                op.name(),
                self.shape(),
                other.shape()
            )));
        }
        let args = vec![self.expr().clone(), other.expr().clone()];
        let (chunks, args) = unify(self.shape(), args)?;
        blocks(op, chunks, args, None)
    }

    /// [`Array::apply`] of an operator that reduces one axis: it is given chunks that hold the whole of `axis` (the array is cut so before),
    /// and gives each without that axis, as NumPy's reductions do. A negative `axis` counts from the last.
    ///
    /// ```
    /// use kvern_array::Array;
    /// use kvern_array::kernels::AnyChunk;
    /// use kvern_core::{OpRef, TaskContext, Value};
    /// use ndarray::Axis;
    ///
    /// // The first along the last axis.
    /// let first = OpRef::local("first", |inputs: &mut [Value], _: &TaskContext<'_>| {
    ///     let chunk = inputs[0].downcast_ref::<AnyChunk>().and_then(|c| c.peek::<f64>()).unwrap();
    ///     let last = Axis(chunk.ndim() - 1);
    ///     Ok(Value::new(AnyChunk::from(chunk.index_axis(last, 0).to_owned())))
    /// });
    /// let x = Array::<f64>::arange(0.0, 6.0, 1.0, 2)?.reshape([3, 2])?;
    /// assert_eq!(x.apply_reduction::<f64>(&first, -1)?.reference()?, ndarray::array![0.0, 2.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::apply`], and if there is no such axis.
    pub fn apply_reduction<U: Element>(&self, op: &OpRef, axis: isize) -> Result<Array<U>> {
        let axis = crate::geometry::shape::axis("apply_reduction", axis, self.ndim())?;
        let mut chunks = self.splits().to_vec();
        chunks[axis] = Splits::from_lengths([self.shape()[axis] as u64]);
        let whole = self.expr().rechunk(chunks.clone())?;
        chunks[axis] = Splits::from_lengths([1]);
        let kept: Array<U> = blocks(op, chunks, vec![whole], Some(axis as u32))?;
        let axes = (0..self.ndim()).filter(|&a| a != axis).map(Some);
        Ok(Array::of(kept.expr().view(axes.collect())?))
    }
}

fn blocks<U: Element>(
    op: &OpRef,
    chunks: Vec<Splits>,
    args: Vec<Arc<Expr>>,
    reduced: Option<u32>,
) -> Result<Array<U>> {
    let op = expected(op.clone(), args.len() as u32, U::DTYPE, &chunks, reduced)?;
    let shape = chunks.iter().map(|s| s.total() as usize).collect();
    Ok(Array::of(Expr::new(
        U::DTYPE,
        shape,
        chunks,
        Node::Blocks(op),
        args,
    )))
}

//! Operators by name over chunks: `apply`, for those of other crates and of plugins.

use std::sync::Arc;

use kvern_core::{OpRef, Result};

use super::Array;
use crate::dtype::Element;
use crate::expr::{Expr, Node, unify};
use crate::ops::expect::expected;

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
        blocks(op, self.splits().to_vec(), args)
    }

    /// [`Array::apply`] of an operator of two arrays of one shape; they are cut alike before.
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
        blocks(op, chunks, args)
    }
}

fn blocks<U: Element>(
    op: &OpRef,
    chunks: Vec<kvern_core::Splits>,
    args: Vec<Arc<Expr>>,
) -> Result<Array<U>> {
    let op = expected(op.clone(), args.len() as u32, U::DTYPE, &chunks)?;
    let shape = chunks.iter().map(|s| s.total() as usize).collect();
    Ok(Array::of(Expr::new(
        U::DTYPE,
        shape,
        chunks,
        Node::Blocks(op),
        args,
    )))
}

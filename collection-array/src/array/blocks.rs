//! Functions of chunks: `map_blocks`, and arrays whose elements or chunks a function makes.

use std::ops::Range;
use std::sync::Arc;

use kvern_core::{Error, ErrorKind, OpRef, Result, Splits, TaskContext, Value};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::{Array, IntoShape};
use crate::Chunks;
use crate::dtype::Element;
use crate::expr::{Expr, Node, Source};
use crate::kernels::AnyChunk;
use crate::ops::{BY_BLOCK, block_ranges};
use crate::value::{chunk_of, to_value};

impl<T: Element> Array<T> {
    /// Each element is `f` of its position. The function stays in this process.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_fn([2, 3], 2, |i| (i[0] * 10 + i[1]) as u16)?;
    /// assert_eq!(x.reference()?, ndarray::array![[0, 1, 2], [10, 11, 12]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit the shape.
    pub fn from_fn<F>(shape: impl IntoShape, chunks: impl Into<Chunks>, f: F) -> Result<Self>
    where
        F: Fn(&[usize]) -> T + Send + Sync + 'static,
    {
        Self::from_block_fn(shape, chunks, move |block| {
            let lengths: Vec<usize> = block.iter().map(ExactSizeIterator::len).collect();
            let mut at = vec![0; block.len()];
            ArrayD::from_shape_fn(IxDyn(&lengths), |i| {
                for (axis, r) in block.iter().enumerate() {
                    at[axis] = r.start + i[axis];
                }
                f(&at)
            })
        })
    }

    /// Each chunk is made by `f`, which is told where the chunk lies: a range of positions an axis. The function stays in this
    /// process. Calls must not depend on each other: a chunk may be made again.
    ///
    /// # Errors
    /// If the chunks do not fit the shape. A chunk of another shape than its place is an error when it is computed.
    pub fn from_block_fn<F>(shape: impl IntoShape, chunks: impl Into<Chunks>, f: F) -> Result<Self>
    where
        F: Fn(&[Range<usize>]) -> ArrayD<T> + Send + Sync + 'static,
    {
        let shape = shape.into_shape();
        let splits = chunks.into().resolve(&shape, T::DTYPE)?;
        let cut = splits.clone();
        let captured = size_of::<F>();
        let kernel = move |_: &mut [Value], ctx: &TaskContext<'_>| {
            let place = place(&cut, ctx);
            let chunk = f(&place);
            check("the function of from_block_fn", &place, chunk.shape())?;
            Ok(to_value(AnyChunk::from(chunk)))
        };
        let op = OpRef::local_kernel("array.from_block_fn", BY_BLOCK, captured, Arc::new(kernel));
        Ok(Self::of(Expr::source(
            T::DTYPE,
            shape,
            splits,
            Source::new(op, "function"),
        )))
    }

    /// Each chunk replaced by what `f` makes of it, of the same shape. The function stays in this process and should be pure.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::arange(0.0, 5.0, 1.0, 2)?;
    /// // The largest element of each chunk, at each of its places.
    /// let y = x.map_blocks(|c| ndarray::ArrayD::from_elem(c.raw_dim(), c.fold(0.0, |m: f64, &v| m.max(v))));
    /// assert_eq!(y.reference()?, ndarray::array![1.0, 1.0, 3.0, 3.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn map_blocks<U: Element, F>(&self, f: F) -> Array<U>
    where
        F: Fn(ArrayViewD<'_, T>) -> ArrayD<U> + Send + Sync + 'static,
    {
        self.mapped(self.splits().to_vec(), move |chunk, _| f(chunk))
    }

    /// [`Array::map_blocks`] for functions that change the shape of a chunk: `chunks` are the new lengths along each axis, as
    /// many axes and chunks as before. `f` is also told where its result lies.
    ///
    /// # Errors
    /// If there are not as many chunks along each axis as before. A chunk of another shape is an error when it is computed.
    pub fn map_blocks_to<U: Element, F>(&self, chunks: Vec<Vec<usize>>, f: F) -> Result<Array<U>>
    where
        F: Fn(ArrayViewD<'_, T>, &[Range<usize>]) -> ArrayD<U> + Send + Sync + 'static,
    {
        let counts: Vec<usize> = chunks.iter().map(Vec::len).collect();
        if counts != self.numblocks() {
            return Err(Error::bad_input(format!(
                "map_blocks: {counts:?} chunks were given for an array of {:?} chunks; the numbers must be the same",
                self.numblocks()
            )));
        }
        let splits = chunks
            .into_iter()
            .map(|c| Splits::from_lengths(c.into_iter().map(|n| n as u64)));
        Ok(self.mapped(splits.collect(), f))
    }

    fn mapped<U: Element, F>(&self, splits: Vec<Splits>, f: F) -> Array<U>
    where
        F: Fn(ArrayViewD<'_, T>, &[Range<usize>]) -> ArrayD<U> + Send + Sync + 'static,
    {
        let cut = splits.clone();
        let captured = size_of::<F>();
        let kernel = move |inputs: &mut [Value], ctx: &TaskContext<'_>| {
            let [value] = inputs else {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "map_blocks takes one chunk",
                ));
            };
            let chunk = chunk_of(value)?;
            let Some(typed) = chunk.peek::<T>() else {
                return Err(Error::bad_input(format!(
                    "map_blocks: a chunk of {}, expected {}",
                    chunk.dtype(),
                    T::DTYPE
                )));
            };
            let place = place(&cut, ctx);
            let made = f(typed.view(), &place);
            check("the function of map_blocks", &place, made.shape())?;
            Ok(to_value(AnyChunk::from(made)))
        };
        let op = OpRef::local_kernel("array.map_blocks", BY_BLOCK, captured, Arc::new(kernel));
        let shape = splits.iter().map(|s| s.total() as usize).collect();
        Array::of(Expr::new(
            U::DTYPE,
            shape,
            splits,
            Node::Blocks(op),
            vec![self.expr().clone()],
        ))
    }
}

fn place(splits: &[Splits], ctx: &TaskContext<'_>) -> Vec<Range<usize>> {
    let ranges = block_ranges(splits, ctx.block()).into_iter();
    ranges
        .map(|(start, len)| start as usize..(start + len) as usize)
        .collect()
}

fn check(who: &str, place: &[Range<usize>], got: &[usize]) -> Result<()> {
    let wanted: Vec<usize> = place.iter().map(ExactSizeIterator::len).collect();
    if got == wanted {
        return Ok(());
    }
    Err(Error::bad_input(format!(
        "{who} made a chunk of shape {got:?} at {place:?}, where {wanted:?} is needed"
    )))
}

//! Functions of chunks: `map_blocks`, and arrays whose elements or chunks a function makes.

use std::ops::Range;

use kvern_core::{Error, Result, Splits};
use ndarray::{ArrayD, ArrayViewD};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Array, IntoShape};
use crate::chunks::Chunks;
use crate::expr::{Expr, Node, Source};
use crate::ops::function::{
    FromBlockFn, FromFn, MapBlocks, MapBlocksTo, MapBlocksWith, Way, as_sent, function_op,
};
use kvern_kernels::dtype::Element;

impl<T: Element> Array<T> {
    /// Each element is `f` of its position, and of nothing else: it should be pure.
    ///
    /// A function, or a closure that captures nothing, runs on any backend. One that captures runs on those of this process, and a backend with
    /// others refuses it. Each call makes an array of its own: two that one function makes are not taken for one. This holds of all methods
    /// that take a function.
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
        Self::made::<FromFn<T>, F>(shape, chunks, f)
    }

    /// Each chunk is made by `f`, which is told where the chunk lies: a range of positions an axis. Calls must not depend on each other: a chunk may be
    /// made again. Where it runs is said at [`Array::from_fn`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// let ends = |place: &[std::ops::Range<usize>]| {
    ///     ndarray::ArrayD::from_elem(vec![place[0].len()], place[0].end as u64)
    /// };
    /// let x = Array::from_block_fn(5, 2, ends)?; // would run on cluster://
    /// assert_eq!(x.reference()?, ndarray::array![2, 2, 4, 4, 5].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit the shape. A chunk of another shape than its place is an error when it is computed.
    pub fn from_block_fn<F>(shape: impl IntoShape, chunks: impl Into<Chunks>, f: F) -> Result<Self>
    where
        F: Fn(&[Range<usize>]) -> ArrayD<T> + Send + Sync + 'static,
    {
        Self::made::<FromBlockFn<T>, F>(shape, chunks, f)
    }

    fn made<W, F>(shape: impl IntoShape, chunks: impl Into<Chunks>, f: F) -> Result<Self>
    where
        W: Way<F, Params = ()>,
        F: Send + Sync + 'static,
    {
        let shape = shape.into_shape();
        let splits = chunks.into().resolve(&shape, T::DTYPE)?;
        let source = Source::new(function_op::<W, F>(&splits, (), f), "function");
        Ok(Self::of(Expr::source(T::DTYPE, shape, splits, source)))
    }

    /// Each chunk replaced by what `f` makes of it, of the same shape. It should be pure. Where it runs is said at
    /// [`Array::from_fn`]; [`Array::map_blocks_with`] takes along what it needs to know.
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
        self.mapped::<MapBlocks<T, U>, F>(self.splits().to_vec(), (), f)
    }

    /// [`Array::map_blocks`] by a function of some parameters and each chunk. The parameters are serialised, and reach every process that runs
    /// it: a function that has to travel captures nothing.
    ///
    /// ```
    /// use kvern_array::Array;
    /// use ndarray::ArrayViewD;
    /// let x = Array::<f64>::arange(0.0, 3.0, 1.0, 2)?;
    /// let y = x.map_blocks_with(&10.0, |k: &f64, c: ArrayViewD<'_, f64>| c.mapv(|v| k * v))?;
    /// assert_eq!(y.reference()?, ndarray::array![0.0, 10.0, 20.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the parameters cannot be serialised and read again.
    pub fn map_blocks_with<P, U, F>(&self, params: &P, f: F) -> Result<Array<U>>
    where
        P: Serialize + DeserializeOwned + Send + Sync + 'static,
        U: Element,
        F: Fn(&P, ArrayViewD<'_, T>) -> ArrayD<U> + Send + Sync + 'static,
    {
        let params = as_sent("map_blocks_with", params)?;
        Ok(self.mapped::<MapBlocksWith<P, T, U>, F>(self.splits().to_vec(), params, f))
    }

    /// [`Array::map_blocks`] for functions that change the shape of a chunk: `chunks` are the new lengths along each axis, as
    /// many axes and chunks as before. `f` is also told where its result lies.
    ///
    /// ```
    /// use kvern_array::Array;
    /// use ndarray::{ArrayD, ArrayViewD};
    /// let x = Array::<f64>::arange(0.0, 5.0, 1.0, 3)?; // chunks of 3 and 2
    /// let largest = |c: ArrayViewD<'_, f64>, _: &[std::ops::Range<usize>]| {
    ///     ArrayD::from_elem(vec![1], c.fold(f64::MIN, |m, &v| m.max(v)))
    /// };
    /// let y = x.map_blocks_to(vec![vec![1, 1]], largest)?;
    /// assert_eq!(y.reference()?, ndarray::array![2.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
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
                "map_blocks_to: {counts:?} chunks were given for an array of {:?} chunks; the numbers must be the same",
                self.numblocks()
            )));
        }
        let total = |c: &Vec<usize>| c.iter().try_fold(0usize, |all, &n| all.checked_add(n));
        let shape: Option<Vec<usize>> = chunks.iter().map(total).collect();
        match shape {
            Some(shape) => crate::geometry::shape::size(&shape)?,
            None => {
                return Err(Error::bad_input(format!(
                    "map_blocks_to: the chunks {chunks:?} along an axis sum to more than an address can count"
                )));
            }
        };
        let splits = chunks
            .into_iter()
            .map(|c| Splits::from_lengths(c.into_iter().map(|n| n as u64)));
        Ok(self.mapped::<MapBlocksTo<T, U>, F>(splits.collect(), (), f))
    }

    fn mapped<W, F>(&self, splits: Vec<Splits>, params: W::Params, f: F) -> Array<W::Out>
    where
        W: Way<F>,
        F: Send + Sync + 'static,
    {
        let op = function_op::<W, F>(&splits, params, f);
        let shape = splits.iter().map(|s| s.total() as usize).collect();
        Array::of(Expr::new(
            W::Out::DTYPE,
            shape,
            splits,
            Node::Blocks(op),
            vec![self.expr().clone()],
        ))
    }
}

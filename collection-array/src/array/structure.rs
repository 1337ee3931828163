//! Other shapes and other chunks: transpose, reshape, concatenate, stack, rechunk, broadcast, coarsen.

use std::borrow::Borrow;

use kvern_core::{Error, Result};

use super::{Array, IntoShape};
use crate::chunks::Chunks;
use crate::expr::Expr;
use crate::geometry::shape::{FromNumber, Given, IntoAxis};
use kvern_kernels::dtype::Element;

/// What [`Array::reshape`] takes: a shape of which one length may be -1, to be found from the others. A number, a tuple, an array, a
/// list or a slice of integers.
pub trait IntoNewShape {
    /// The lengths.
    fn into_new_shape(self) -> Vec<i128>;
}

macro_rules! new_shape {
    ($($t:ty),*) => { $(
        impl IntoNewShape for $t {
            fn into_new_shape(self) -> Vec<i128> { vec![Given::from_number(self)] }
        }
        impl<const N: usize> IntoNewShape for [$t; N] {
            fn into_new_shape(self) -> Vec<i128> { self.as_slice().into_new_shape() }
        }
        impl<const N: usize> IntoNewShape for &[$t; N] {
            fn into_new_shape(self) -> Vec<i128> { self.as_slice().into_new_shape() }
        }
        impl IntoNewShape for &[$t] {
            fn into_new_shape(self) -> Vec<i128> { self.iter().map(|&n| Given::from_number(n)).collect() }
        }
        impl IntoNewShape for Vec<$t> {
            fn into_new_shape(self) -> Vec<i128> { self.as_slice().into_new_shape() }
        }
        impl IntoNewShape for &Vec<$t> {
            fn into_new_shape(self) -> Vec<i128> { self.as_slice().into_new_shape() }
        }
    )* };
}
new_shape!(i32, i64, isize, u32, u64, usize);

impl IntoNewShape for () {
    fn into_new_shape(self) -> Vec<i128> {
        Vec::new()
    }
}

macro_rules! new_shape_tuple {
    ($($name:ident $n:tt),+) => {
        impl<$($name: IntoAxis),+> IntoNewShape for ($($name,)+) {
            fn into_new_shape(self) -> Vec<i128> { vec![$(self.$n.into_axis()),+] }
        }
    };
}
new_shape_tuple!(A 0);
new_shape_tuple!(A 0, B 1);
new_shape_tuple!(A 0, B 1, C 2);
new_shape_tuple!(A 0, B 1, C 2, D 3);
new_shape_tuple!(A 0, B 1, C 2, D 3, E 4);
new_shape_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);

impl<T: Element> Array<T> {
    /// The same array in other chunks. Each new chunk is put together from the pieces of the old ones that it overlaps, each
    /// copied once.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((100, 60), 10)?;
    /// assert_eq!(x.rechunk((50, -1))?.chunks(), [vec![50, 50], vec![60]]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the chunks do not fit the shape.
    pub fn rechunk(&self, chunks: impl Into<Chunks>) -> Result<Self> {
        let splits = chunks.into().resolve(self.shape(), T::DTYPE)?;
        Ok(Self::of(self.expr().rechunk(splits)?))
    }

    /// The axes in another order, each named once; negative ones count from the end. `()` is the reverse order.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((2, 3, 4), ())?;
    /// assert_eq!(x.permute_dims((2, 0, 1))?.shape(), [4, 2, 3]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis is missing, does not exist or is named twice.
    pub fn permute_dims(&self, axes: impl Into<super::Axes>) -> Result<Self> {
        let ndim = self.ndim();
        let axes = axes.into();
        let Some(list) = axes.in_order("transpose", ndim)? else {
            return Ok(self.transpose());
        };
        let mut sorted = list.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..ndim) {
            return Err(Error::bad_input(format!(
                "transpose: axes {list:?} of an array of {ndim} axes; each must be named once"
            )));
        }
        Ok(Self::of(
            self.expr().view(list.into_iter().map(Some).collect())?,
        ))
    }

    /// The axes in reverse order; rows and columns of a matrix exchanged.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1, 2, 3], [4, 5, 6]], (1, 2))?;
    /// assert_eq!(x.transpose().reference()?, ndarray::array![[1, 4], [2, 5], [3, 6]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn transpose(&self) -> Self {
        match self.expr().view((0..self.ndim()).rev().map(Some).collect()) {
            Ok(e) => Self::of(e),
            Err(e) => unreachable!("the reverse of all axes names each once: {e}"),
        }
    }

    /// The same as [`Array::transpose`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f64>::zeros((2, 3), ())?.t().shape(), [3, 2]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn t(&self) -> Self {
        self.transpose()
    }

    /// Two axes exchanged.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((2, 3, 4), ())?;
    /// assert_eq!(x.swapaxes(0, -1)?.shape(), [4, 3, 2]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If one does not exist.
    pub fn swapaxes(&self, a: impl IntoAxis, b: impl IntoAxis) -> Result<Self> {
        let (a, b) = (
            crate::geometry::shape::axis("swapaxes", a, self.ndim())?,
            crate::geometry::shape::axis("swapaxes", b, self.ndim())?,
        );
        let mut axes: Vec<Option<usize>> = (0..self.ndim()).map(Some).collect();
        axes.swap(a, b);
        Ok(Self::of(self.expr().view(axes)?))
    }

    /// Axis `from` put at place `to`, the others keeping their order.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((2, 3, 4), ())?;
    /// assert_eq!(x.moveaxis(0, -1)?.shape(), [3, 4, 2]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If one does not exist.
    pub fn moveaxis(&self, from: impl IntoAxis, to: impl IntoAxis) -> Result<Self> {
        let from = crate::geometry::shape::axis("moveaxis", from, self.ndim())?;
        let to = crate::geometry::shape::axis("moveaxis", to, self.ndim())?;
        let mut axes: Vec<Option<usize>> = (0..self.ndim()).map(Some).collect();
        let moved = axes.remove(from);
        axes.insert(to, moved);
        Ok(Self::of(self.expr().view(axes)?))
    }

    /// A new axis of length 1 at a place of the result; -1 is behind the last.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((2, 3, 4), ())?;
    /// assert_eq!(x.expand_dims(1)?.shape(), [2, 1, 3, 4]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such place.
    pub fn expand_dims(&self, axis: impl IntoAxis) -> Result<Self> {
        let axis = crate::geometry::shape::axis("expand_dims", axis, self.ndim() + 1)?;
        let mut axes: Vec<Option<usize>> = (0..self.ndim()).map(Some).collect();
        axes.insert(axis, None);
        Ok(Self::of(self.expr().view(axes)?))
    }

    /// Without axes of length 1: all of them with `()`, or those named.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((1, 3, 1), ())?;
    /// assert_eq!(x.squeeze(())?.shape(), [3]);
    /// assert_eq!(x.squeeze(0)?.shape(), [3, 1]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a named axis does not exist or is longer.
    pub fn squeeze(&self, axes: impl Into<super::Axes>) -> Result<Self> {
        let axes = axes.into();
        let all = axes == super::Axes::default();
        let list = axes.resolve("squeeze", self.ndim())?;
        if let Some(&a) = list.iter().find(|&&a| !all && self.shape()[a] != 1) {
            return Err(Error::bad_input(format!(
                "squeeze: axis {a} of shape {:?} has length {}; only axes of length 1 can be dropped",
                self.shape(),
                self.shape()[a]
            )));
        }
        let kept = (0..self.ndim()).filter(|a| !list.contains(a) || self.shape()[*a] != 1);
        Ok(Self::of(self.expr().view(kept.map(Some).collect())?))
    }

    /// The array as if it were repeated to a larger shape; nothing is copied before a chunk is needed.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let row = Array::from_ndarray([1, 2], ())?;
    /// assert_eq!(row.broadcast_to((2, 2), ())?.reference()?, ndarray::array![[1, 2], [1, 2]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis has neither that length nor 1; if the chunks do not fit.
    pub fn broadcast_to(&self, shape: impl IntoShape, chunks: impl Into<Chunks>) -> Result<Self> {
        let shape = shape.into_shape();
        let splits = chunks.into().resolve(&shape, T::DTYPE)?;
        Ok(Self::of(self.expr().broadcast_to(&shape, splits)?))
    }

    /// The elements in C order under another shape; one length may be -1. Chunks are recut where they must be, and never beyond
    /// about their size.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<u8>::arange(0, 6, 1, 4)?.reshape([2, -1])?;
    /// assert_eq!(x.reference()?, ndarray::array![[0, 1, 2], [3, 4, 5]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shape has another number of elements.
    pub fn reshape(&self, shape: impl IntoNewShape) -> Result<Self> {
        let asked = shape.into_new_shape();
        let bad = |why: &str| {
            Error::bad_input(format!(
                "reshape: an array of shape {:?} ({} elements) cannot take shape {asked:?}: {why}",
                self.shape(),
                self.size()
            ))
        };
        if asked.iter().filter(|&&n| n == -1).count() > 1 {
            return Err(bad("only one length can be -1"));
        }
        if asked.iter().any(|&n| n < -1) {
            return Err(bad("a length is 0 or more, or -1"));
        }
        let mut known = Vec::with_capacity(asked.len());
        for &n in asked.iter().filter(|&&n| n >= 0) {
            known.push(
                usize::try_from(n).map_err(|_| bad("a length is no larger than an address"))?,
            );
        }
        let known = crate::geometry::shape::size(&known)?;
        let missing = match known {
            0 => 0,
            n => self.size() / n,
        };
        let shape: Vec<usize> = asked
            .iter()
            .map(|&n| usize::try_from(n).unwrap_or(missing))
            .collect();
        if crate::geometry::shape::size(&shape)? != self.size()
            || (known == 0 && asked.contains(&-1))
        {
            return Err(bad("the numbers of elements differ"));
        }
        Ok(Self::of(self.expr().reshape(shape)?))
    }

    /// All elements along one axis, in C order.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((2, 3, 4), ())?;
    /// assert_eq!(x.ravel()?.shape(), [24]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are more chunks than can be counted.
    pub fn ravel(&self) -> Result<Self> {
        self.reshape(-1)
    }

    /// The same as [`Array::ravel`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::zeros((2, 3, 4), ())?;
    /// assert_eq!(x.flatten()?.shape(), [24]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::ravel`].
    pub fn flatten(&self) -> Result<Self> {
        self.ravel()
    }

    /// The array with each block of `factors` elements made one by a reduction, such as `Array::mean`.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 5.0, 7.0]], ())?;
    /// let y = x.coarsen([2, 2], |x, axes| x.mean(axes))?;
    /// assert_eq!(y.reference()?, ndarray::array![[2.0, 6.0]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not one factor an axis, a factor is 0 or does not divide the length of its axis; what the reduction says.
    pub fn coarsen<U: Element>(
        &self,
        factors: impl IntoShape,
        reduce: impl FnOnce(&Self, super::Axes) -> Result<Array<U>>,
    ) -> Result<Array<U>> {
        let factors = factors.into_shape();
        if factors.len() != self.ndim() {
            return Err(Error::bad_input(format!(
                "coarsen: {} factors for the {} axes of shape {:?}; one an axis is needed",
                factors.len(),
                self.ndim(),
                self.shape()
            )));
        }
        if let Some(axis) = (0..self.ndim())
            .find(|&a| factors[a] == 0 || !self.shape()[a].is_multiple_of(factors[a]))
        {
            return Err(Error::bad_input(format!(
                "coarsen: factor {} on axis {axis} of shape {:?}; it must divide the length (slice the rest off first)",
                factors[axis],
                self.shape()
            )));
        }
        let axes: Vec<usize> = (0..self.ndim()).map(|a| 2 * a + 1).collect();
        let apart = Self::of(self.expr().split_axes(&factors)?);
        reduce(&apart, axes.as_slice().into())
    }
}

/// Arrays one behind the other along an axis. Their chunks stay; along the other axes they are cut as the one with most chunks.
///
/// ```
/// use kvern_array::{Array, concatenate};
/// let x = Array::<i64>::arange(0, 3, 1, ())?;
/// assert_eq!(concatenate(&[&x, &x], 0)?.reference()?, ndarray::array![0, 1, 2, 0, 1, 2].into_dyn());
/// assert_eq!(concatenate(&[x.clone(), x], 0)?.shape(), [6]);
/// # Ok::<(), kvern_core::Error>(())
/// ```
///
/// # Errors
/// If there is none, the axis does not exist, or other axes differ in length.
pub fn concatenate<T: Element>(
    arrays: &[impl Borrow<Array<T>>],
    axis: impl IntoAxis,
) -> Result<Array<T>> {
    let ndim = arrays.first().map_or(1, |a| a.borrow().ndim());
    let axis = crate::geometry::shape::axis("concatenate", axis, ndim)?;
    let args = arrays.iter().map(|a| a.borrow().expr().clone()).collect();
    Ok(Array::of(Expr::concat("concatenate", args, axis)?))
}

/// Arrays of one shape side by side along a new axis of the result.
///
/// ```
/// use kvern_array::{Array, stack};
/// let x = Array::<i64>::arange(0, 2, 1, ())?;
/// assert_eq!(stack(&[&x, &x], -1)?.reference()?, ndarray::array![[0, 0], [1, 1]].into_dyn());
/// # Ok::<(), kvern_core::Error>(())
/// ```
///
/// # Errors
/// If there is none, the shapes differ, or there is no such place for the axis.
pub fn stack<T: Element>(
    arrays: &[impl Borrow<Array<T>>],
    axis: impl IntoAxis,
) -> Result<Array<T>> {
    let arrays: Vec<&Array<T>> = arrays.iter().map(Borrow::borrow).collect();
    if let Some(other) = arrays.iter().find(|a| a.shape() != arrays[0].shape()) {
        return Err(Error::bad_input(format!(
            "stack: shapes {:?} and {:?} differ; all must be equal",
            arrays[0].shape(),
            other.shape()
        )));
    }
    let ndim = arrays.first().map_or(1, |a| a.ndim() + 1);
    let at = crate::geometry::shape::axis("stack", axis, ndim)?;
    let args = arrays
        .iter()
        .map(|a| Ok(a.expand_dims(at)?.expr().clone()))
        .collect::<Result<_>>()?;
    Ok(Array::of(Expr::concat("stack", args, at)?))
}

//! [`Array`]: the lazy chunked array, and what can be done with it, by theme.

mod apply;
mod blocks;
mod bridge;
mod compute;
mod create;
mod elementwise;
mod explain;
mod file;
mod given;
mod index;
mod operand;
mod operators;
mod product;
mod reduce;
mod structure;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::expr::Expr;
use kvern_kernels::dtype::{DType, Element};

pub use elementwise::where_;
pub use given::{IntoElements, IntoShape};
pub use index::{IntoSlices, Slice};
pub use operand::{Choice, Operand};
pub use operators::Bits;
pub use reduce::{Axes, keepdims};
pub use structure::{IntoNewShape, concatenate, stack};

/// A lazy n-d array of `T`, cut into chunks. Cloning shares the expression; nothing is computed before
/// [`compute`](Array::compute).
///
/// Named methods that can fail, because shapes do not broadcast or an axis does not exist, return a `Result`; operators
/// (`&x + &y`, `2.0 * &x`, `!&mask`) panic then, as ndarray's do.
///
/// Functions of elements give what NumPy gives for zeros, infinities, NaN and arguments outside of their domain, and are else within 2
/// units in the last place of the true value, or within what their documentation says.
///
/// ```
/// use kvern_array::Array;
/// let x = Array::<f64>::arange(0.0, 12.0, 1.0, 4)?;
/// let y = (&x - x.mean(())?) / x.std(())?;
/// assert_eq!((y.shape(), y.numblocks()), ([12].as_slice(), vec![3]));
/// assert!(y.sum(())?.reference()?.first().unwrap().abs() < 1e-12);
/// # Ok::<(), kvern_core::Error>(())
/// ```
pub struct Array<T> {
    expr: Arc<Expr>,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self {
            expr: self.expr.clone(),
            element: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Array({}, {} chunks)",
            self.expr.describe(),
            self.expr.grid().len()
        )
    }
}

impl<T: Element> Array<T> {
    /// The array of an expression, whose dtype must be `T`'s.
    pub(crate) fn of(expr: Arc<Expr>) -> Self {
        debug_assert_eq!(expr.dtype, T::DTYPE, "an expression of another dtype");
        Self {
            expr,
            element: PhantomData,
        }
    }

    pub(crate) fn expr(&self) -> &Arc<Expr> {
        &self.expr
    }

    /// Length of each axis.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f64>::zeros((2, 3), ())?.shape(), [2, 3]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn shape(&self) -> &[usize] {
        &self.expr.shape
    }

    /// Number of axes.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f64>::zeros((2, 3), ())?.ndim(), 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn ndim(&self) -> usize {
        self.expr.ndim()
    }

    /// Number of elements.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f64>::zeros((2, 3), ())?.size(), 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn size(&self) -> usize {
        self.expr.size()
    }

    /// Length of the first axis; 1 for an array of no axes.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f64>::zeros((2, 3), ())?.len(), 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[allow(
        clippy::len_without_is_empty,
        reason = "is_empty is about the size, which is another question"
    )]
    pub fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(1)
    }

    /// The element type.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f32>::zeros(2, ())?.dtype().name(), "float32");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn dtype(&self) -> DType {
        self.expr.dtype
    }

    /// Bytes of one element.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f32>::zeros(2, ())?.itemsize(), 4);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn itemsize(&self) -> usize {
        self.expr.dtype.itemsize()
    }

    /// Bytes of all elements.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f32>::zeros((2, 3), ())?.nbytes(), 24);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn nbytes(&self) -> u64 {
        self.expr.nbytes()
    }

    /// Lengths of the chunks along each axis. An array of many chunks gives a long list; see [`Array::splits`].
    ///
    /// ```
    /// # use kvern_array::Array;
    /// let x = Array::<u8>::zeros([5, 4], (2, -1))?;
    /// assert_eq!(x.chunks(), [vec![2, 2, 1], vec![4]]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn chunks(&self) -> Vec<Vec<usize>> {
        let list = |s: &kvern_core::Splits| s.iter().map(|n| n as usize).collect();
        self.expr.chunks.iter().map(list).collect()
    }

    /// The chunks along each axis, run-length encoded: a million equal ones are one pair.
    pub fn splits(&self) -> &[kvern_core::Splits] {
        &self.expr.chunks
    }

    /// Length of the longest chunk along each axis.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f32>::zeros((10, 6), (4, -1))?.chunksize(), [4, 6]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn chunksize(&self) -> Vec<usize> {
        self.expr
            .chunks
            .iter()
            .map(|s| s.longest() as usize)
            .collect()
    }

    /// Number of chunks along each axis.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f32>::zeros((10, 6), (4, -1))?.numblocks(), [3, 1]);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn numblocks(&self) -> Vec<usize> {
        self.expr
            .chunks
            .iter()
            .map(kvern_core::Splits::len)
            .collect()
    }

    /// Number of chunks.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::<f32>::zeros((10, 6), (4, 3))?.npartitions(), 6);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn npartitions(&self) -> usize {
        self.expr.grid().len()
    }

    /// What the array is, by content: equal keys mean equal elements in equal chunks.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<f64>::arange(0.0, 3.0, 1.0, ())?;
    /// assert_eq!((&x + 1.0).key(), (&x + 1.0).key()); // the same work has the same key
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn key(&self) -> kvern_core::Key {
        self.expr.key
    }
}

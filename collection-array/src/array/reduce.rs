//! Reductions over axes.

use std::ops::RangeFull;

use kvern_core::{Error, Result};

use super::Array;
use crate::geometry::shape::{FromNumber, Given, IntoAxis};
use kvern_kernels::Reduce;
use kvern_kernels::dtype::{Averaged, Element, Ordered};

/// What a reduction goes over: `()` or `..` for all axes, `0`, `-1`, `[0, 2]`, `(0, 2)`, or a list; with [`keepdims`] the axes stay
/// with length 1.
///
/// ```
/// use kvern_array::{Array, keepdims};
/// let x = Array::<f64>::ones([4, 3], 2)?;
/// assert_eq!(x.sum(())?.shape(), [] as [usize; 0]);
/// assert_eq!(x.sum(-1)?.shape(), [4]);
/// assert_eq!(x.sum([0, 1])?.shape(), [] as [usize; 0]);
/// assert_eq!(x.sum(..)?.shape(), x.sum((0, 1))?.shape());
/// assert_eq!(x.sum(keepdims(0))?.shape(), [1, 3]);
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Axes {
    /// `None`: all.
    list: Option<Vec<Given>>,
    keep: bool,
}

/// The same axes, kept with length 1, so that the result broadcasts against what was reduced.
///
/// ```
/// use kvern_array::{Array, keepdims};
/// let x = Array::from_ndarray(ndarray::array![[1.0, 3.0], [2.0, 6.0]], ())?;
/// let share = &x / x.sum(keepdims(1))?; // of each row
/// assert_eq!(share.reference()?, ndarray::array![[0.25, 0.75], [0.25, 0.75]].into_dyn());
/// # Ok::<(), kvern_core::Error>(())
/// ```
pub fn keepdims(axes: impl Into<Axes>) -> Axes {
    Axes {
        keep: true,
        ..axes.into()
    }
}

impl Axes {
    /// As they were named, counted from the front; none for all.
    pub(super) fn in_order(&self, op: &str, ndim: usize) -> Result<Option<Vec<usize>>> {
        let count = |list: &Vec<Given>| {
            list.iter()
                .map(|&a| crate::geometry::shape::wide_axis(op, a, ndim))
                .collect()
        };
        self.list.as_ref().map(count).transpose()
    }

    /// Sorted and counted from the front.
    pub(super) fn resolve(&self, op: &str, ndim: usize) -> Result<Vec<usize>> {
        let Some(mut axes) = self.in_order(op, ndim)? else {
            return Ok((0..ndim).collect());
        };
        axes.sort_unstable();
        if let Some(w) = axes.windows(2).find(|w| w[0] == w[1]) {
            return Err(Error::bad_input(format!(
                "{op}: axis {} is named twice in {:?}",
                w[0],
                self.list.as_deref().unwrap_or_default()
            )));
        }
        Ok(axes)
    }
}

impl From<()> for Axes {
    fn from((): ()) -> Self {
        Self::default()
    }
}
impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Self {
        Self::default()
    }
}

macro_rules! from_numbers {
    ($($t:ty),*) => { $(
        impl From<$t> for Axes {
            fn from(axis: $t) -> Self {
                Self { list: Some(vec![Given::from_number(axis)]), keep: false }
            }
        }
        impl<const N: usize> From<[$t; N]> for Axes {
            fn from(axes: [$t; N]) -> Self {
                axes.as_slice().into()
            }
        }
        impl<const N: usize> From<&[$t; N]> for Axes {
            fn from(axes: &[$t; N]) -> Self {
                axes.as_slice().into()
            }
        }
        impl From<&[$t]> for Axes {
            fn from(axes: &[$t]) -> Self {
                Self { list: Some(axes.iter().map(|&a| Given::from_number(a)).collect()), keep: false }
            }
        }
        impl From<Vec<$t>> for Axes {
            fn from(axes: Vec<$t>) -> Self {
                axes.as_slice().into()
            }
        }
        impl From<&Vec<$t>> for Axes {
            fn from(axes: &Vec<$t>) -> Self {
                axes.as_slice().into()
            }
        }
    )* };
}
from_numbers!(i32, i64, isize, u32, u64, usize);

macro_rules! from_tuples {
    ($($name:ident $n:tt),+) => {
        impl<$($name: IntoAxis),+> From<($($name,)+)> for Axes {
            fn from(axes: ($($name,)+)) -> Self {
                Self { list: Some(vec![$(axes.$n.into_axis()),+]), keep: false }
            }
        }
    };
}
from_tuples!(A 0);
from_tuples!(A 0, B 1);
from_tuples!(A 0, B 1, C 2);
from_tuples!(A 0, B 1, C 2, D 3);
from_tuples!(A 0, B 1, C 2, D 3, E 4);
from_tuples!(A 0, B 1, C 2, D 3, E 4, F 5);

impl<T: Element> Array<T> {
    fn reduce<U: Element>(&self, reduce: Reduce, axes: impl Into<Axes>) -> Result<Array<U>> {
        let axes = axes.into();
        let list = axes.resolve(reduce.name(), self.ndim())?;
        if matches!(
            reduce,
            Reduce::Min | Reduce::Max | Reduce::ArgMin | Reduce::ArgMax
        ) {
            let over: usize = list.iter().map(|&a| self.shape()[a]).product();
            if over == 0
                && self
                    .shape()
                    .iter()
                    .enumerate()
                    .all(|(a, &n)| n > 0 || list.contains(&a))
            {
                return Err(Error::bad_input(format!(
                    "{} of no elements is not defined: shape {:?} over axes {list:?}",
                    reduce.name(),
                    self.shape()
                )));
            }
        }
        Ok(Array::of(self.expr().reduce(reduce, list, axes.keep)?))
    }

    /// Sum over axes, 0 of nothing: in 64-bit integers for integers and `bool`, which wrap; floats are summed in `f64` with the
    /// rounding errors kept, so the result does not depend on the chunks but in its last bits. (A sum whose parts leave the range of `f64` is
    /// not finite, as for NumPy.)
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1u8, 2], [3, 4]], 1)?;
    /// assert_eq!(x.sum(0)?.reference()?, ndarray::array![4u64, 6].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn sum(&self, axes: impl Into<Axes>) -> Result<Array<T::Sum>> {
        self.reduce(Reduce::Sum, axes)
    }

    /// Product over axes, 1 of nothing; types as [`Array::sum`], and integers wrap.
    ///
    /// Floats are multiplied with their exponents kept apart, so the product does not depend on the chunks but in its last bits: a zero among
    /// finite factors gives zero, and a product that fits a float is that float, where NumPy may overflow or lose digits on the way.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1e200, 1e200, 1e-200, 1e-200], 2)?;
    /// let product: f64 = x.prod(())?.reference()?[[]];
    /// assert!((product - 1.0).abs() < 1e-12);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn prod(&self, axes: impl Into<Axes>) -> Result<Array<T::Sum>> {
        self.reduce(Reduce::Prod, axes)
    }

    /// Mean over axes, NaN of nothing: `f32` of `f32`, else `f64`. (`K` is the [kind](crate::dtype::kind) of numbers, which the compiler finds.)
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1, 2], [3, 5]], ())?;
    /// assert_eq!(x.mean(())?.reference()?[[]], 2.75);
    /// assert_eq!(x.mean(0)?.reference()?, ndarray::array![2.0, 3.5].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.mean(0)?.reference()?, ndarray::array![2.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn mean<K>(&self, axes: impl Into<Axes>) -> Result<Array<<T as Averaged<K>>::Mean>>
    where
        T: Averaged<K>,
    {
        self.reduce(Reduce::Mean, axes)
    }

    /// Whether any element over the axes is not 0; `false` of nothing.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[0, 0], [0, 7]], ())?;
    /// assert_eq!(x.any(0)?.reference()?, ndarray::array![false, true].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn any(&self, axes: impl Into<Axes>) -> Result<Array<bool>> {
        self.reduce(Reduce::Any, axes)
    }

    /// Whether no element over the axes is 0; `true` of nothing.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[0, 1], [1, 7]], ())?;
    /// assert_eq!(x.all(0)?.reference()?, ndarray::array![false, true].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn all(&self, axes: impl Into<Axes>) -> Result<Array<bool>> {
        self.reduce(Reduce::All, axes)
    }

    /// How many elements over the axes are not 0.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[0, 1], [1, 7]], ())?;
    /// assert_eq!(x.count_nonzero(())?.reference()?[[]], 3);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn count_nonzero(&self, axes: impl Into<Axes>) -> Result<Array<i64>> {
        self.reduce(Reduce::CountNonzero, axes)
    }
}

impl<T: Element> Array<T> {
    /// Variance over axes, the divisor being the count: as [`Array::mean`] in types, so of `bool` that of zeros and ones. One pass, in moments that are merged by
    /// Chan's formula, so nothing cancels.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.var(0)?.reference()?, ndarray::array![1.0, 4.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn var<K>(&self, axes: impl Into<Axes>) -> Result<Array<<T as Averaged<K>>::Mean>>
    where
        T: Averaged<K>,
    {
        self.reduce(Reduce::Var { ddof: 0 }, axes)
    }

    /// [`Array::var`] with the divisor `count - ddof`: 1 for the unbiased estimate of a sample.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.var_ddof(0, 1)?.reference()?, ndarray::array![2.0, 8.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn var_ddof<K>(
        &self,
        axes: impl Into<Axes>,
        ddof: u32,
    ) -> Result<Array<<T as Averaged<K>>::Mean>>
    where
        T: Averaged<K>,
    {
        self.reduce(Reduce::Var { ddof }, axes)
    }

    /// Standard deviation: the root of [`Array::var`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.std(0)?.reference()?, ndarray::array![1.0, 2.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn std<K>(&self, axes: impl Into<Axes>) -> Result<Array<<T as Averaged<K>>::Mean>>
    where
        T: Averaged<K>,
    {
        self.reduce(Reduce::Std { ddof: 0 }, axes)
    }

    /// The root of [`Array::var_ddof`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.std_ddof(1, 1)?.reference()?, ndarray::array![0.5f64.sqrt(), 4.5f64.sqrt()].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`].
    pub fn std_ddof<K>(
        &self,
        axes: impl Into<Axes>,
        ddof: u32,
    ) -> Result<Array<<T as Averaged<K>>::Mean>>
    where
        T: Averaged<K>,
    {
        self.reduce(Reduce::Std { ddof }, axes)
    }
}

impl<T: Ordered> Array<T> {
    /// Least element over axes; NaN if there is one. Of zeros, -0 is the lesser.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.min(1)?.reference()?, ndarray::array![1.0, 3.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::sum`], and if there is nothing to choose from.
    pub fn min(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduce::Min, axes)
    }

    /// Greatest element over axes; NaN if there is one. Of zeros, 0 is the greater.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.max(1)?.reference()?, ndarray::array![2.0, 6.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::min`].
    pub fn max(&self, axes: impl Into<Axes>) -> Result<Self> {
        self.reduce(Reduce::Max, axes)
    }

    /// Position (for [`Array::slice`]) of the first least element along the axes (through all of them in C order), of the first NaN if there is one.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.argmin(())?.reference()?, ndarray::arr0(0).into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::min`].
    pub fn argmin(&self, axes: impl Into<Axes>) -> Result<Array<i64>> {
        self.reduce(Reduce::ArgMin, axes)
    }

    /// Position of the first greatest element, as [`Array::argmin`].
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 6.0]], ())?;
    /// assert_eq!(x.argmax(0)?.reference()?, ndarray::array![1, 1].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::min`].
    pub fn argmax(&self, axes: impl Into<Axes>) -> Result<Array<i64>> {
        self.reduce(Reduce::ArgMax, axes)
    }
}

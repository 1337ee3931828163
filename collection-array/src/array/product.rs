//! Matrix products.

use kvern_core::{Error, Result};

use super::Array;
use crate::expr::Expr;
use kvern_kernels::dtype::Number;

impl<T: Number> Array<T> {
    /// Matrix product over the last axis of this and the last but one of `other`, as NumPy's `@`: leading axes are broadcast, an
    /// array of one axis is a row on the left and a column on the right, whose axis is dropped again. Integers wrap.
    ///
    /// A transposed factor is read as it lies, and `x.t().matmul(&x)` does half the work.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1, 2], [3, 4], [5, 6]], (2, 1))?;
    /// assert_eq!(x.t().matmul(&x)?.reference()?, ndarray::array![[35, 44], [44, 56]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If one has no axes, the lengths of the summed axes differ, or leading axes do not broadcast.
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        if self.ndim() == 0 || other.ndim() == 0 {
            return Err(Error::bad_input(format!(
                "matmul: shapes {:?} and {:?}; both need one axis at least",
                self.shape(),
                other.shape()
            )));
        }
        let a = if self.ndim() == 1 {
            self.expand_dims(0)?
        } else {
            self.clone()
        };
        let b = if other.ndim() == 1 {
            other.expand_dims(1)?
        } else {
            other.clone()
        };
        let mut product = Self::of(Expr::product(a.expr(), b.expr())?);
        if other.ndim() == 1 {
            product = product.squeeze(-1)?;
        }
        if self.ndim() == 1 {
            product = product.squeeze(if other.ndim() == 1 { -1 } else { -2 })?;
        }
        Ok(product)
    }

    /// [`Array::matmul`] of arrays of one or two axes.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1, 2, 3], 2)?;
    /// assert_eq!(x.dot(&x)?.reference()?[[]], 14);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::matmul`], and for more axes: `dot` and `matmul` mean different things there.
    pub fn dot(&self, other: &Self) -> Result<Self> {
        if self.ndim() > 2 || other.ndim() > 2 {
            return Err(Error::bad_input(format!(
                "dot: shapes {:?} and {:?}; at most two axes each (use matmul for stacks of matrices)",
                self.shape(),
                other.shape()
            )));
        }
        self.matmul(other)
    }
}

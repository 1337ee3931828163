//! Elementwise functions, under NumPy's names. A chain of them, with casts, comparisons and `where`, is one pass over memory.
//!
//! Zeros, infinities, NaN and arguments outside of a domain give what NumPy gives; everything else is within 2 units in the last place
//! of the true value, where a function does not say otherwise.

use kvern_core::Result;

use super::Array;
use super::operand::{Choice, Operand};
use super::operators::{Bits, scalar};
use crate::dtype::{Element, Float, Integer, Number, Ordered, Scalar};
use crate::expr::Expr;
use crate::kernels::{BinaryOp, ProgramBuilder, UnaryOp};

impl<T: Element> Array<T> {
    /// An operation that the trait bounds of the caller make sure of.
    fn unary<U: Element>(&self, op: UnaryOp) -> Array<U> {
        match self.expr().unary(op) {
            Ok(e) => Array::of(e),
            // The kernels take every dtype that the bounds allow; a test goes through all of them.
            Err(e) => unreachable!("{op} of {}: {e}", T::DTYPE),
        }
    }

    fn binary<U: Element>(&self, op: BinaryOp, other: impl Operand<T>) -> Result<Array<U>> {
        Ok(Array::of(Expr::binary(
            op,
            self.expr(),
            &other.operand().0,
        )?))
    }

    /// The elements converted to another type, as Rust's `as` does: floats are cut off and held within the bounds of integers, a
    /// number becomes `true` when it is not 0.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![0.9, 300.0], ())?;
    /// assert_eq!(x.astype::<u8>().reference()?, ndarray::array![0u8, 255].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn astype<U: Element>(&self) -> Array<U> {
        match self.expr().cast(U::DTYPE) {
            Ok(e) => Array::of(e),
            Err(e) => unreachable!("{} to {}: {e}", T::DTYPE, U::DTYPE),
        }
    }

    /// `==` by element; NaN equals nothing.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn equal(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::Eq, other)
    }

    /// `!=` by element.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn not_equal(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::Ne, other)
    }

    /// Whether both are not 0.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn logical_and(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::LogicalAnd, other)
    }

    /// Whether one or both are not 0.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn logical_or(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::LogicalOr, other)
    }

    /// Whether just one is not 0.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn logical_xor(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::LogicalXor, other)
    }

    /// Whether the element is 0.
    #[must_use]
    pub fn logical_not(&self) -> Array<bool> {
        self.unary(UnaryOp::LogicalNot)
    }

    /// Whether the element is NaN.
    #[must_use]
    pub fn isnan(&self) -> Array<bool> {
        self.unary(UnaryOp::IsNan)
    }

    /// Whether the element is neither NaN nor infinite.
    #[must_use]
    pub fn isfinite(&self) -> Array<bool> {
        self.unary(UnaryOp::IsFinite)
    }

    /// Whether the element is infinite.
    #[must_use]
    pub fn isinf(&self) -> Array<bool> {
        self.unary(UnaryOp::IsInf)
    }
}

macro_rules! unary {
    ($bound:ident: $($(#[$doc:meta])* $name:ident $op:ident;)*) => {
        impl<T: $bound> Array<T> { $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> Self {
                self.unary(UnaryOp::$op)
            }
        )* }
    };
}

macro_rules! binary {
    ($bound:ident -> $out:ty: $($(#[$doc:meta])* $name:ident $op:ident;)*) => {
        impl<T: $bound> Array<T> { $(
            $(#[$doc])*
            ///
            /// # Errors
            /// If the shapes do not broadcast.
            pub fn $name(&self, other: impl Operand<T>) -> Result<$out> {
                self.binary(BinaryOp::$op, other)
            }
        )* }
    };
}

unary! { Ordered:
    /// Absolute value; the least integer stays as it is.
    abs Abs;
    /// The same as [`Array::abs`].
    absolute Abs;
    /// -1, 0 or 1; NaN stays.
    sign Sign;
    /// Largest integer not above.
    floor Floor;
    /// Smallest integer not below.
    ceil Ceil;
    /// Towards zero.
    trunc Trunc;
    /// Nearest integer, halves to the even one.
    rint Rint;
}

unary! { Number:
    /// `-x`; wraps on integers.
    negative Neg;
    /// `x * x`.
    square Square;
}

unary! { Float:
    /// Absolute value.
    fabs Abs;
    /// `1 / x`.
    reciprocal Reciprocal;
    /// Square root.
    sqrt Sqrt;
    /// Cube root.
    cbrt Cbrt;
    /// e to the power of x.
    exp Exp;
    /// 2 to the power of x.
    exp2 Exp2;
    /// `exp(x) - 1`, exact near 0.
    expm1 Expm1;
    /// Natural logarithm.
    log Log;
    /// Logarithm to base 2.
    log2 Log2;
    /// Logarithm to base 10.
    log10 Log10;
    /// `log(1 + x)`, exact near 0.
    log1p Log1p;
    /// Sine of radians.
    sin Sin;
    /// Cosine of radians.
    cos Cos;
    /// Tangent of radians, within 3 ulp.
    tan Tan;
    /// Inverse sine.
    arcsin Asin;
    /// Inverse cosine.
    arccos Acos;
    /// Inverse tangent.
    arctan Atan;
    /// Hyperbolic sine, within 3 ulp.
    sinh Sinh;
    /// Hyperbolic cosine.
    cosh Cosh;
    /// Hyperbolic tangent, within 3 ulp.
    tanh Tanh;
    /// Inverse hyperbolic sine.
    arcsinh Asinh;
    /// Inverse hyperbolic cosine.
    arccosh Acosh;
    /// Inverse hyperbolic tangent.
    arctanh Atanh;
    /// Degrees to radians.
    deg2rad Deg2Rad;
    /// The same as [`Array::deg2rad`].
    radians Deg2Rad;
    /// Radians to degrees.
    rad2deg Rad2Deg;
    /// The same as [`Array::rad2deg`].
    degrees Rad2Deg;
}

unary! { Bits:
    /// Every bit flipped; the opposite of a `bool`.
    invert BitNot;
    /// The same as [`Array::invert`].
    bitwise_not BitNot;
}

binary! { Number -> Self:
    /// Sum; wraps on integers.
    add Add;
    /// Difference; wraps on integers.
    subtract Sub;
    /// Product; wraps on integers.
    multiply Mul;
    /// Largest integer not above the quotient; 0 where an integer is divided by 0.
    floor_divide FloorDiv;
    /// What floor division leaves, with the sign of the divisor; 0 where an integer is divided by 0.
    remainder Rem;
    /// `self` to the power of `other`. Integers wrap, and a negative exponent gives the truncated reciprocal. A constant exponent of
    /// 2, -1 or 1/2 is, as for NumPy, the square, the reciprocal and the square root (which is NaN of negative infinity, where a power
    /// by an array of exponents is infinite).
    power Pow;
}

binary! { Float -> Self:
    /// Quotient.
    divide Div;
    /// Angle of the point (`other`, `self`).
    arctan2 Atan2;
    /// `sqrt(x*x + y*y)` without overflow.
    hypot Hypot;
}

binary! { Ordered -> Self:
    /// The larger; NaN where either is.
    maximum Max;
    /// The smaller; NaN where either is.
    minimum Min;
}

binary! { Ordered -> Array<bool>:
    /// `<` by element.
    less Lt;
    /// `<=` by element.
    less_equal Le;
    /// `>` by element.
    greater Gt;
    /// `>=` by element.
    greater_equal Ge;
}

binary! { Bits -> Self:
    /// Bits set in both.
    bitwise_and BitAnd;
    /// Bits set in either.
    bitwise_or BitOr;
    /// Bits set in just one.
    bitwise_xor BitXor;
}

binary! { Integer -> Self:
    /// Shift to the left; 0 where `other` is no less than the width.
    left_shift Shl;
    /// Shift to the right with the sign; 0 or -1 where `other` is no less than the width.
    right_shift Shr;
}

impl<T: Number> Array<T> {
    /// The remainder, under NumPy's other name.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[doc(alias = "mod")]
    pub fn modulo(&self, other: impl Operand<T>) -> Result<Self> {
        self.remainder(other)
    }

    /// The elements as they are.
    #[must_use]
    pub fn positive(&self) -> Self {
        self.clone()
    }
}

impl<T: Ordered> Array<T> {
    /// No less than `low` and no more than `high`, which wins where they cross.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<i32>::arange(0, 5, 1, ())?;
    /// assert_eq!(x.clip(1, 3)?.reference()?, ndarray::array![1, 1, 2, 3, 3].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn clip(&self, low: impl Operand<T>, high: impl Operand<T>) -> Result<Self> {
        self.maximum(low)?.minimum(high)
    }
}

impl<T: Float> Array<T> {
    /// Integer power, up to 8 by repeated multiplication: each rounds by half an ulp, and what overflows on the way stays so.
    /// [`Array::power`] by an array of exponents is within 2 ulp.
    #[must_use]
    pub fn powi(&self, n: i32) -> Self {
        self.unary(UnaryOp::PowI(n))
    }

    /// Nearest number with so many decimals, halves to the even one. Scales, rounds and scales back, as NumPy does.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![2.5, 0.125, -1.27], ())?;
    /// assert_eq!(x.round(0).reference()?, ndarray::array![2.0, 0.0, -1.0].into_dyn());
    /// assert_eq!(x.round(1).reference()?, ndarray::array![2.5, 0.1, -1.3].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn round(&self, decimals: i32) -> Self {
        if decimals == 0 {
            return self.rint();
        }
        let scale = Scalar::F64(10f64.powi(decimals.abs())).cast(T::DTYPE);
        let (there, back) = match decimals {
            1.. => (BinaryOp::Mul, BinaryOp::Div),
            _ => (BinaryOp::Div, BinaryOp::Mul),
        };
        let build = || {
            let mut b = ProgramBuilder::new();
            let x = b.input(T::DTYPE);
            let s = b.constant(scale);
            let up = b.binary(there, x, s)?;
            let r = b.unary(UnaryOp::Rint, up)?;
            let down = b.binary(back, r, s)?;
            Expr::map("round", b.finish(down)?, vec![self.expr().clone()])
        };
        match build() {
            Ok(e) => Self::of(e),
            Err(e) => unreachable!("round of {}: {e}", T::DTYPE),
        }
    }

    /// The elements with NaN replaced by `nan`.
    #[must_use]
    pub fn replace_nan(&self, nan: T) -> Self {
        let build = || {
            let mut b = ProgramBuilder::new();
            let x = b.input(T::DTYPE);
            let v = b.constant(nan);
            let y = b.replace_nan(x, v)?;
            Expr::map("replace_nan", b.finish(y)?, vec![self.expr().clone()])
        };
        match build() {
            Ok(e) => Self::of(e),
            Err(e) => unreachable!("replace_nan of {}: {e}", T::DTYPE),
        }
    }

    /// Whether the elements differ by at most `atol + rtol * |other|`; equal infinities are close, NaN to nothing.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn isclose(&self, other: impl Operand<T>, rtol: T, atol: T) -> Result<Array<bool>> {
        let other = Self::of(other.operand().0);
        let bound = other.abs().multiply(scalar(rtol))?.add(scalar(atol))?;
        let near = self.subtract(&other)?.abs().less_equal(&bound)?;
        // An infinite bound lets everything be near; a difference of infinities is NaN.
        let finite = near.logical_and(other.isfinite())?;
        finite.logical_or(&self.equal(&other)?)
    }
}

impl Array<bool> {
    /// Elements of `yes` where this is true, of `no` elsewhere; see [`where_`].
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn select<T: Element>(&self, yes: impl Choice<T>, no: impl Choice<T>) -> Result<Array<T>> {
        where_(self, yes, no)
    }
}

/// Elements of `yes` where `condition` is true, of `no` elsewhere, all broadcast together: NumPy's `where`.
///
/// ```
/// use kvern_array::{Array, where_};
/// let x = Array::<f64>::linspace(0.0, 1.0, 5, 2)?;
/// let y = where_(&x.greater(0.5)?, &x, 0.0)?;
/// assert_eq!(y.reference()?, ndarray::array![0.0, 0.0, 0.0, 0.75, 1.0].into_dyn());
/// # Ok::<(), kvern_core::Error>(())
/// ```
///
/// # Errors
/// If the shapes do not broadcast.
pub fn where_<T: Element>(
    condition: &Array<bool>,
    yes: impl Choice<T>,
    no: impl Choice<T>,
) -> Result<Array<T>> {
    Ok(Array::of(Expr::select(
        condition.expr(),
        &yes.operand().0,
        &no.operand().0,
    )?))
}

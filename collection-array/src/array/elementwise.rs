//! Elementwise functions, under NumPy's names. A chain of them, with casts, comparisons and `where`, is one pass over memory.
//!
//! Zeros, infinities, NaN and arguments outside of a domain give what NumPy gives; everything else is within 2 units in the last place
//! of the true value, where a function does not say otherwise.

use kvern_core::Result;

use super::Array;
use super::operand::{Choice, Operand};
use super::operators::{Bits, scalar};
use crate::error::refused;
use crate::expr::Expr;
use kvern_kernels::dtype::{Element, Float, Integer, Number, Ordered, Scalar};
use kvern_kernels::{BinaryOp, ProgramBuilder, UnaryOp};

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
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1.0, f64::NAN], ())?;
    /// assert_eq!(x.equal(1.0)?.reference()?, ndarray::array![true, false].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn equal(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::Eq, other)
    }

    /// `!=` by element.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1, 2], ())?;
    /// assert_eq!(x.not_equal(1)?.reference()?, ndarray::array![false, true].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn not_equal(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::Ne, other)
    }

    /// Whether both are not 0.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::<i64>::arange(0, 4, 1, ())?;
    /// let inside = x.greater(0)?.logical_and(x.less(3)?)?; // of `bool`s the same as `&`
    /// assert_eq!(inside.reference()?, ndarray::array![false, true, true, false].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn logical_and(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::LogicalAnd, other)
    }

    /// Whether one or both are not 0.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([0, 1], ())?;
    /// assert_eq!(x.logical_or(0)?.reference()?, ndarray::array![false, true].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn logical_or(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::LogicalOr, other)
    }

    /// Whether just one is not 0.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([false, true], ())?;
    /// assert_eq!(x.logical_xor(true)?.reference()?, ndarray::array![true, false].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn logical_xor(&self, other: impl Operand<T>) -> Result<Array<bool>> {
        self.binary(BinaryOp::LogicalXor, other)
    }

    /// Whether the element is 0.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1.0, f64::NAN], ())?;
    /// assert_eq!(x.isnan().logical_not().reference()?, ndarray::array![true, false].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn logical_not(&self) -> Array<bool> {
        self.unary(UnaryOp::LogicalNot)
    }

    /// Whether the element is NaN.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1.0, f64::NAN], ())?;
    /// assert_eq!(x.isnan().sum(())?.reference()?[[]], 1); // how many there are
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn isnan(&self) -> Array<bool> {
        self.unary(UnaryOp::IsNan)
    }

    /// Whether the element is neither NaN nor infinite.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1.0, f64::NAN, f64::INFINITY], ())?;
    /// assert_eq!(x.isfinite().reference()?, ndarray::array![true, false, false].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn isfinite(&self) -> Array<bool> {
        self.unary(UnaryOp::IsFinite)
    }

    /// Whether the element is infinite.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1.0, f64::NAN, f64::INFINITY], ())?;
    /// assert_eq!(x.isinf().reference()?, ndarray::array![false, false, true].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn isinf(&self) -> Array<bool> {
        self.unary(UnaryOp::IsInf)
    }
}

/// An example of a function: what it makes of the elements of an array.
macro_rules! example {
    ($call:expr, $x:expr, $y:expr) => {
        concat!(
            "```\nuse kvern_array::Array;\nlet x = Array::from_ndarray(",
            stringify!($x),
            ", ())?;\nassert_eq!(x.",
            $call,
            ".reference()?, ndarray::arr1(&",
            stringify!($y),
            ").into_dyn());\n# Ok::<(), kvern_core::Error>(())\n```"
        )
    };
}

macro_rules! unary {
    ($bound:ident: $($(#[$doc:meta])* $name:ident $op:ident $x:expr => $y:expr;)*) => {
        impl<T: $bound> Array<T> { $(
            $(#[$doc])*
            ///
            #[doc = example!(concat!(stringify!($name), "()"), $x, $y)]
            #[must_use]
            pub fn $name(&self) -> Self {
                self.unary(UnaryOp::$op)
            }
        )* }
    };
}

macro_rules! binary {
    ($bound:ident -> $out:ty: $($(#[$doc:meta])* $name:ident $op:ident $x:expr, $other:expr => $y:expr;)*) => {
        impl<T: $bound> Array<T> { $(
            $(#[$doc])*
            ///
            #[doc = example!(concat!(stringify!($name), "(", stringify!($other), ")?"), $x, $y)]
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
    abs Abs [-2.0, 3.0] => [2.0, 3.0];
    /// The same as [`Array::abs`].
    absolute Abs [-2, 3] => [2, 3];
    /// -1, 0 or 1; NaN stays.
    sign Sign [-2.5, 0.0, 7.0] => [-1.0, 0.0, 1.0];
    /// Largest integer not above.
    floor Floor [-1.5, 1.5] => [-2.0, 1.0];
    /// Smallest integer not below.
    ceil Ceil [-1.5, 1.5] => [-1.0, 2.0];
    /// Towards zero.
    trunc Trunc [-1.5, 1.5] => [-1.0, 1.0];
    /// Nearest integer, halves to the even one.
    rint Rint [0.5, 1.5, 2.6] => [0.0, 2.0, 3.0];
}

unary! { Number:
    /// `-x`; wraps on integers.
    negative Neg [1, -2] => [-1, 2];
    /// `x * x`.
    square Square [3, -4] => [9, 16];
}

unary! { Float:
    /// Absolute value.
    fabs Abs [-2.0, 3.0] => [2.0, 3.0];
    /// `1 / x`.
    reciprocal Reciprocal [2.0, -4.0] => [0.5, -0.25];
    /// Square root.
    sqrt Sqrt [4.0, 9.0] => [2.0, 3.0];
    /// Cube root.
    cbrt Cbrt [8.0, -27.0] => [2.0, -3.0];
    /// e to the power of x.
    exp Exp [0.0, f64::NEG_INFINITY] => [1.0, 0.0];
    /// 2 to the power of x.
    exp2 Exp2 [3.0, -1.0] => [8.0, 0.5];
    /// `exp(x) - 1`, exact near 0.
    expm1 Expm1 [0.0, 1e-300] => [0.0, 1e-300];
    /// Natural logarithm.
    log Log [1.0, 0.0] => [0.0, f64::NEG_INFINITY];
    /// Logarithm to base 2.
    log2 Log2 [8.0, 0.5] => [3.0, -1.0];
    /// Logarithm to base 10.
    log10 Log10 [1000.0, 0.1] => [3.0, -1.0];
    /// `log(1 + x)`, exact near 0.
    log1p Log1p [0.0, 1e-300] => [0.0, 1e-300];
    /// Sine of radians.
    sin Sin [0.0, 1e-300] => [0.0, 1e-300];
    /// Cosine of radians.
    cos Cos [0.0, std::f64::consts::PI] => [1.0, -1.0];
    /// Tangent of radians, within 3 ulp.
    tan Tan [0.0, 1e-300] => [0.0, 1e-300];
    /// Inverse sine.
    arcsin Asin [0.0, 1.0] => [0.0, std::f64::consts::FRAC_PI_2];
    /// Inverse cosine.
    arccos Acos [1.0, 0.0] => [0.0, std::f64::consts::FRAC_PI_2];
    /// Inverse tangent.
    arctan Atan [0.0, f64::INFINITY] => [0.0, std::f64::consts::FRAC_PI_2];
    /// Hyperbolic sine, within 3 ulp.
    sinh Sinh [0.0, 1e-300] => [0.0, 1e-300];
    /// Hyperbolic cosine.
    cosh Cosh [0.0, f64::INFINITY] => [1.0, f64::INFINITY];
    /// Hyperbolic tangent, within 3 ulp.
    tanh Tanh [0.0, f64::INFINITY] => [0.0, 1.0];
    /// Inverse hyperbolic sine.
    arcsinh Asinh [0.0, 1e-300] => [0.0, 1e-300];
    /// Inverse hyperbolic cosine.
    arccosh Acosh [1.0, f64::INFINITY] => [0.0, f64::INFINITY];
    /// Inverse hyperbolic tangent.
    arctanh Atanh [0.0, 1.0] => [0.0, f64::INFINITY];
    /// Degrees to radians.
    deg2rad Deg2Rad [180.0, 90.0] => [std::f64::consts::PI, std::f64::consts::FRAC_PI_2];
    /// The same as [`Array::deg2rad`].
    radians Deg2Rad [180.0, 90.0] => [std::f64::consts::PI, std::f64::consts::FRAC_PI_2];
    /// Radians to degrees.
    rad2deg Rad2Deg [std::f64::consts::PI] => [180.0];
    /// The same as [`Array::rad2deg`].
    degrees Rad2Deg [std::f64::consts::PI] => [180.0];
}

unary! { Bits:
    /// Every bit flipped; the opposite of a `bool`.
    invert BitNot [0b0011u8, 0xff] => [0b1111_1100u8, 0];
    /// The same as [`Array::invert`].
    bitwise_not BitNot [true, false] => [false, true];
}

binary! { Number -> Self:
    /// Sum; wraps on integers.
    add Add [1, 2], 10 => [11, 12];
    /// Difference; wraps on integers.
    subtract Sub [1, 2], 10 => [-9, -8];
    /// Product; wraps on integers.
    multiply Mul [1, 2], 10 => [10, 20];
    /// Largest integer not above the quotient; 0 where an integer is divided by 0.
    floor_divide FloorDiv [7, -7], 2 => [3, -4];
    /// What floor division leaves, with the sign of the divisor; 0 where an integer is divided by 0.
    remainder Rem [7, -7], 3 => [1, 2];
    /// `self` to the power of `other`. Integers wrap, and a negative exponent gives the truncated reciprocal. A constant exponent of
    /// 2, -1 or 1/2 is, as for NumPy, the square, the reciprocal and the square root (which is NaN of negative infinity, where a power
    /// by an array of exponents is infinite).
    power Pow [3.0, 4.0], 2 => [9.0, 16.0];
}

binary! { Float -> Self:
    /// Quotient.
    divide Div [1.0, 3.0], 2 => [0.5, 1.5];
    /// Angle of the point (`other`, `self`).
    arctan2 Atan2 [0.0, 1.0], 0.0 => [0.0, std::f64::consts::FRAC_PI_2];
    /// `sqrt(x*x + y*y)` without overflow.
    hypot Hypot [3.0, 8.0], 6.0 => [45.0f64.sqrt(), 10.0];
}

binary! { Ordered -> Self:
    /// The larger; NaN where either is.
    maximum Max [1, 5], 3 => [3, 5];
    /// The smaller; NaN where either is.
    minimum Min [1, 5], 3 => [1, 3];
}

binary! { Ordered -> Array<bool>:
    /// `<` by element.
    less Lt [1, 2, 3], 2 => [true, false, false];
    /// `<=` by element.
    less_equal Le [1, 2, 3], 2 => [true, true, false];
    /// `>` by element.
    greater Gt [1, 2, 3], 2 => [false, false, true];
    /// `>=` by element.
    greater_equal Ge [1, 2, 3], 2 => [false, true, true];
}

binary! { Bits -> Self:
    /// Bits set in both.
    bitwise_and BitAnd [0b0011u8, 0b0101], 0b0110 => [0b0010u8, 0b0100];
    /// Bits set in either.
    bitwise_or BitOr [0b0011u8, 0b0101], 0b0110 => [0b0111u8, 0b0111];
    /// Bits set in just one.
    bitwise_xor BitXor [0b0011u8, 0b0101], 0b0110 => [0b0101u8, 0b0011];
}

binary! { Integer -> Self:
    /// Shift to the left; 0 where `other` is no less than the width.
    left_shift Shl [1, 3], 2 => [4, 12];
    /// Shift to the right with the sign; 0 or -1 where `other` is no less than the width.
    right_shift Shr [8, -8], 2 => [2, -2];
}

impl<T: Number> Array<T> {
    /// The remainder, under NumPy's other name.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([7, -7], ())?;
    /// assert_eq!(x.modulo(3)?.reference()?, ndarray::array![1, 2].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[doc(alias = "mod")]
    pub fn modulo(&self, other: impl Operand<T>) -> Result<Self> {
        self.remainder(other)
    }

    /// The elements as they are.
    ///
    /// ```
    /// use kvern_array::Array;
    /// assert_eq!(Array::from_ndarray([-1, 2], ())?.positive().reference()?, ndarray::array![-1, 2].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
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
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([2.0, -3.0], ())?;
    /// assert_eq!(x.powi(3).reference()?, ndarray::array![8.0, -27.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
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
            let up = b.binary(there, x, s).map_err(refused)?;
            let r = b.unary(UnaryOp::Rint, up).map_err(refused)?;
            let down = b.binary(back, r, s).map_err(refused)?;
            Expr::map(
                "round",
                b.finish(down).map_err(refused)?,
                vec![self.expr().clone()],
            )
        };
        match build() {
            Ok(e) => Self::of(e),
            Err(e) => unreachable!("round of {}: {e}", T::DTYPE),
        }
    }

    /// The elements with NaN replaced by `nan`.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([1.0, f64::NAN], ())?;
    /// assert_eq!(x.replace_nan(0.0).reference()?, ndarray::array![1.0, 0.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn replace_nan(&self, nan: T) -> Self {
        let build = || {
            let mut b = ProgramBuilder::new();
            let x = b.input(T::DTYPE);
            let v = b.constant(nan);
            let y = b.replace_nan(x, v).map_err(refused)?;
            Expr::map(
                "replace_nan",
                b.finish(y).map_err(refused)?,
                vec![self.expr().clone()],
            )
        };
        match build() {
            Ok(e) => Self::of(e),
            Err(e) => unreachable!("replace_nan of {}: {e}", T::DTYPE),
        }
    }

    /// Whether the elements differ by at most `atol + rtol * |other|`; equal infinities are close, NaN to nothing.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([0.1 + 0.2, 0.4], ())?;
    /// assert_eq!(x.isclose(0.3, 1e-5, 1e-8)?.reference()?, ndarray::array![true, false].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
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
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray([-1.0, 4.0], ())?;
    /// let root = x.less(0.0)?.select(0.0, x.sqrt())?;
    /// assert_eq!(root.reference()?, ndarray::array![0.0, 2.0].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
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

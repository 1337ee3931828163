//! The elementwise operations of a [`Program`](super::Program), with NumPy's names and meaning.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// An operation on one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnaryOp {
    /// `-x`; wraps on integers.
    Neg,
    /// Absolute value; wraps on the least integer.
    Abs,
    /// -1, 0 or 1; NaN stays NaN.
    Sign,
    /// `x * x`.
    Square,
    /// `1 / x`, floats.
    Reciprocal,
    /// Square root, floats.
    Sqrt,
    /// Cube root, floats.
    Cbrt,
    /// e to the power of x, floats.
    Exp,
    /// 2 to the power of x, floats.
    Exp2,
    /// `exp(x) - 1` without cancellation near 0, floats.
    Expm1,
    /// Natural logarithm, floats.
    Log,
    /// Logarithm to base 2, floats.
    Log2,
    /// Logarithm to base 10, floats.
    Log10,
    /// `log(1 + x)` without cancellation near 0, floats.
    Log1p,
    /// Sine of radians, floats.
    Sin,
    /// Cosine of radians, floats.
    Cos,
    /// Tangent of radians, floats.
    Tan,
    /// Inverse sine, floats.
    Asin,
    /// Inverse cosine, floats.
    Acos,
    /// Inverse tangent, floats.
    Atan,
    /// Hyperbolic sine, floats.
    Sinh,
    /// Hyperbolic cosine, floats.
    Cosh,
    /// Hyperbolic tangent, floats.
    Tanh,
    /// Inverse hyperbolic sine, floats.
    Asinh,
    /// Inverse hyperbolic cosine, floats.
    Acosh,
    /// Inverse hyperbolic tangent, floats.
    Atanh,
    /// Largest integer not above; integers as they are.
    Floor,
    /// Smallest integer not below; integers as they are.
    Ceil,
    /// Towards zero; integers as they are.
    Trunc,
    /// Nearest integer, halves to even; integers as they are.
    Rint,
    /// Degrees to radians, floats.
    Deg2Rad,
    /// Radians to degrees, floats.
    Rad2Deg,
    /// NaN or not; `bool` comes out.
    IsNan,
    /// Neither NaN nor infinite; `bool` comes out.
    IsFinite,
    /// Infinite or not; `bool` comes out.
    IsInf,
    /// `x == 0`; `bool` comes out.
    LogicalNot,
    /// Every bit flipped, integers; the logical not of `bool`.
    BitNot,
    /// Integer power by repeated multiplication, floats.
    PowI(i32),
}

/// An operation on two operands of one dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BinaryOp {
    /// `a + b`; wraps on integers; `or` on `bool`.
    Add,
    /// `a - b`; wraps on integers; not on `bool`.
    Sub,
    /// `a * b`; wraps on integers; `and` on `bool`.
    Mul,
    /// `a / b`, floats.
    Div,
    /// Largest integer not above the quotient; 0 where an integer is divided by 0.
    FloorDiv,
    /// What floor division leaves, with the sign of the divisor; 0 where an integer is divided by 0.
    Rem,
    /// `a` to the power of `b`. Integers wrap; a negative integer exponent gives the truncated reciprocal.
    Pow,
    /// The smaller; NaN where either is.
    Min,
    /// The larger; NaN where either is.
    Max,
    /// Angle of the point (b, a), floats.
    Atan2,
    /// `sqrt(a*a + b*b)` without overflow, floats.
    Hypot,
    /// `a == b`; `bool` comes out.
    Eq,
    /// `a != b`; `bool` comes out.
    Ne,
    /// `a < b`; `bool` comes out.
    Lt,
    /// `a <= b`; `bool` comes out.
    Le,
    /// `a > b`; `bool` comes out.
    Gt,
    /// `a >= b`; `bool` comes out.
    Ge,
    /// Both not zero; `bool` comes out.
    LogicalAnd,
    /// Either not zero; `bool` comes out.
    LogicalOr,
    /// Just one not zero; `bool` comes out.
    LogicalXor,
    /// Bits set in both, integers and `bool`.
    BitAnd,
    /// Bits set in either, integers and `bool`.
    BitOr,
    /// Bits set in just one, integers and `bool`.
    BitXor,
    /// Shift to the left, integers; 0 where `b` is no less than the width.
    Shl,
    /// Shift to the right with the sign, integers; 0 or -1 where `b` is no less than the width.
    Shr,
}

macro_rules! names {
    ($T:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $T {
            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($name),)*
                    #[allow(unreachable_patterns, reason = "one of the enums has a variant with a number in it")]
                    _ => None,
                }
            }
        }
    };
}

impl Display for UnaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.name()) {
            (Self::PowI(n), _) => write!(f, "power of {n}"),
            (_, name) => f.pad(name.unwrap_or_default()),
        }
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name().unwrap_or_default())
    }
}

names!(UnaryOp {
    Neg = "negative", Abs = "absolute", Sign = "sign", Square = "square", Reciprocal = "reciprocal",
    Sqrt = "sqrt", Cbrt = "cbrt", Exp = "exp", Exp2 = "exp2", Expm1 = "expm1", Log = "log", Log2 = "log2",
    Log10 = "log10", Log1p = "log1p", Sin = "sin", Cos = "cos", Tan = "tan", Asin = "arcsin", Acos = "arccos",
    Atan = "arctan", Sinh = "sinh", Cosh = "cosh", Tanh = "tanh", Asinh = "arcsinh", Acosh = "arccosh",
    Atanh = "arctanh", Floor = "floor", Ceil = "ceil", Trunc = "trunc", Rint = "rint", Deg2Rad = "deg2rad",
    Rad2Deg = "rad2deg", IsNan = "isnan", IsFinite = "isfinite", IsInf = "isinf", LogicalNot = "logical_not",
    BitNot = "invert",
});

names!(BinaryOp {
    Add = "add", Sub = "subtract", Mul = "multiply", Div = "divide", FloorDiv = "floor_divide",
    Rem = "remainder", Pow = "power", Min = "minimum", Max = "maximum", Atan2 = "arctan2", Hypot = "hypot",
    Eq = "equal", Ne = "not_equal", Lt = "less", Le = "less_equal", Gt = "greater", Ge = "greater_equal",
    LogicalAnd = "logical_and", LogicalOr = "logical_or", LogicalXor = "logical_xor", BitAnd = "bitwise_and",
    BitOr = "bitwise_or", BitXor = "bitwise_xor", Shl = "left_shift", Shr = "right_shift",
});

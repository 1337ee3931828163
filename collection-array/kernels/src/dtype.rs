//! Element types of arrays: [`DType`] at run time, [`Element`] at compile time, [`Scalar`] for one value.
//!
//! Names and sizes are NumPy's. Conversions are Rust's `as` (saturating from float to integer, wrapping between
//! integers); a number becomes `true` when it is not zero.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use ndarray::{ArcArray, IxDyn};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use crate::any::Scalar;
use crate::any::{AnyChunk, AnyVec};

/// The element type of an array, known at run time.
///
/// ```
/// use kvern_kernels::dtype::DType;
///
/// assert_eq!("float64".parse::<DType>().unwrap(), DType::F64);
/// assert_eq!(DType::U16.to_string(), "uint16");
/// assert_eq!(DType::I32.itemsize(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DType {
    /// `bool`, one byte.
    Bool,
    /// `int8`.
    I8,
    /// `int16`.
    I16,
    /// `int32`.
    I32,
    /// `int64`.
    I64,
    /// `uint8`.
    U8,
    /// `uint16`.
    U16,
    /// `uint32`.
    U32,
    /// `uint64`.
    U64,
    /// `float32`.
    F32,
    /// `float64`.
    F64,
}

impl DType {
    /// Every element type there is, in the order of the enum.
    pub const ALL: [Self; 11] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F32,
        Self::F64,
    ];

    /// Bytes of one element.
    #[must_use]
    pub const fn itemsize(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// NumPy's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// True for `float32` and `float64`.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// True for the signed integers.
    #[must_use]
    pub const fn is_signed_int(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }

    /// True for the unsigned integers; `bool` is none.
    #[must_use]
    pub const fn is_unsigned_int(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::U64)
    }

    /// True for the integers of either sign; `bool` is none.
    #[must_use]
    pub const fn is_int(self) -> bool {
        self.is_signed_int() || self.is_unsigned_int()
    }

    /// The type that NumPy sums and multiplies up this type in: 64-bit integers for integers and `bool`, itself for floats.
    #[must_use]
    pub const fn sum_dtype(self) -> Self {
        match self {
            Self::Bool | Self::I8 | Self::I16 | Self::I32 | Self::I64 => Self::I64,
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Self::U64,
            Self::F32 => Self::F32,
            Self::F64 => Self::F64,
        }
    }

    /// The type of a mean, a variance or a standard deviation of this type.
    #[must_use]
    pub const fn mean_dtype(self) -> Self {
        match self {
            Self::F32 => Self::F32,
            _ => Self::F64,
        }
    }
}

impl Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no [`DType`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseDTypeError {
    name: String,
}

impl Display for ParseDTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown dtype {:?}; known are ", self.name)?;
        for (i, dtype) in DType::ALL.iter().enumerate() {
            let sep = if i == 0 { "" } else { ", " };
            write!(f, "{sep}{dtype}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseDTypeError {}

impl FromStr for DType {
    type Err = ParseDTypeError;

    fn from_str(s: &str) -> Result<Self, ParseDTypeError> {
        Self::ALL
            .into_iter()
            .find(|d| d.name() == s)
            .ok_or_else(|| ParseDTypeError { name: s.to_owned() })
    }
}

mod sealed {
    /// Keeps [`super::Element`] to the types that the kernels have code for.
    pub trait Sealed {}
}

/// What sums and products of a type come out as. Implemented for every [`Element`].
///
/// That of floats is one implementation, so that the type of a sum of literals is known while theirs is not: `array![1.0, 2.0]`.
pub trait Reduced {
    /// What sums and products of this type come out as.
    type Sum: Element;
}

impl<T: Float> Reduced for T {
    type Sum = T;
}

/// What means, variances and standard deviations of a type come out as. Implemented for every [`Element`], with its own
/// [`Kind`](Element::Kind), which the compiler finds.
///
/// There is one implementation a kind, and the kind is a parameter, so that the type of a mean is known while that of literals is not:
/// `array![1, 2]`.
pub trait Averaged<Kind> {
    /// What they come out as.
    type Mean: Element;
}

impl<T: Float> Averaged<kind::Floating> for T {
    type Mean = T;
}

impl<T: Exact> Averaged<kind::Whole> for T {
    type Mean = f64;
}

/// The kinds of element types.
pub mod kind {
    /// `f32` and `f64`.
    #[derive(Debug, Clone, Copy)]
    pub enum Floating {}
    /// Integers and `bool`.
    #[derive(Debug, Clone, Copy)]
    pub enum Whole {}
}

macro_rules! reduced {
    ($($t:ty => $sum:ty),*) => { $(
        impl Reduced for $t {
            type Sum = $sum;
        }
        impl Exact for $t {}
    )* };
}
reduced!(bool => i64, i8 => i64, i16 => i64, i32 => i64, i64 => i64, u8 => u64, u16 => u64, u32 => u64, u64 => u64);

/// A type that arrays can hold.
pub trait Element:
    sealed::Sealed
    + Reduced
    + Averaged<Self::Kind>
    + Copy
    + Default
    + PartialEq
    + Debug
    + Display
    + Send
    + Sync
    + Serialize
    + DeserializeOwned
    + 'static
{
    /// What kind of type it is: [`kind::Floating`] or [`kind::Whole`].
    type Kind;
    /// The run-time name of this type.
    const DTYPE: DType;
    /// 0, or `false`.
    const ZERO: Self;
    /// 1, or `true`.
    const ONE: Self;

    /// This value with its type attached at run time.
    fn to_scalar(self) -> Scalar;
    /// The value of `scalar`, converted to this type.
    fn from_scalar(scalar: Scalar) -> Self;
    /// Forgets the type of a chunk.
    fn erase(chunk: ArcArray<Self, IxDyn>) -> AnyChunk;
    /// The typed chunk inside, if it has this type.
    fn peek(chunk: &AnyChunk) -> Option<&ArcArray<Self, IxDyn>>;
    /// The typed chunk, or `chunk` itself back if it has another type.
    ///
    /// # Errors
    /// `chunk`, when its type is another one.
    fn downcast(chunk: AnyChunk) -> Result<ArcArray<Self, IxDyn>, AnyChunk>;
    /// Forgets the type of a vector.
    fn erase_vec(values: Vec<Self>) -> AnyVec;
    /// The typed values inside, if they have this type.
    fn peek_vec(values: &AnyVec) -> Option<&[Self]>;
}

/// Element types with an order: all but complex numbers.
pub trait Ordered: Element + PartialOrd {}
/// Element types with arithmetic: all but `bool`.
pub trait Number: Element {}
/// Element types without fractions: integers and `bool`.
pub trait Exact: Element<Kind = kind::Whole> {}
/// Integers.
pub trait Integer: Number + Ordered + Eq {}
/// Real floating-point numbers.
pub trait Float: Number + Ordered + Element<Kind = kind::Floating> {}

/// Conversion between two element types, as `as` does it.
pub(crate) trait CastTo<U> {
    fn cast_to(self) -> U;
}

macro_rules! cast_numbers {
    ($($from:ty),* => $to:tt) => { $(cast_numbers!(@one $from => $to);)* };
    (@one $from:ty => [$($to:ty),*]) => { $(
        impl CastTo<$to> for $from {
            #[inline(always)]
            fn cast_to(self) -> $to { self as $to }
        }
    )* };
}
cast_numbers!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64 => [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64]);

macro_rules! cast_bool {
    ($($t:ty : $one:expr, $zero:expr);* $(;)?) => { $(
        impl CastTo<bool> for $t {
            #[inline(always)]
            fn cast_to(self) -> bool { self != $zero }
        }
        impl CastTo<$t> for bool {
            #[inline(always)]
            fn cast_to(self) -> $t { self as u8 as $t }
        }
    )* };
}
cast_bool!(i8: 1, 0; i16: 1, 0; i32: 1, 0; i64: 1, 0; u8: 1, 0; u16: 1, 0; u32: 1, 0; u64: 1, 0; f32: 1.0, 0.0; f64: 1.0, 0.0);

impl CastTo<Self> for bool {
    #[inline(always)]
    fn cast_to(self) -> Self {
        self
    }
}

/// Runs `$body` with `$T` standing for the Rust type of the [`DType`] `$dtype`.
#[macro_export]
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::dtype::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::dtype::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::dtype::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::dtype::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::dtype::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::dtype::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::dtype::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::dtype::DType::U64 => {
                type $T = u64;
                $body
            }
            $crate::dtype::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}
pub use crate::with_dtype;

/// Runs `$body` with `$v` bound to the value inside the [`Scalar`], [`AnyChunk`] or [`AnyVec`] `$value`.
#[macro_export]
macro_rules! each_variant {
    ($Enum:ident, $value:expr, $v:ident => $body:expr) => {
        match $value {
            $Enum::Bool($v) => $body,
            $Enum::I8($v) => $body,
            $Enum::I16($v) => $body,
            $Enum::I32($v) => $body,
            $Enum::I64($v) => $body,
            $Enum::U8($v) => $body,
            $Enum::U16($v) => $body,
            $Enum::U32($v) => $body,
            $Enum::U64($v) => $body,
            $Enum::F32($v) => $body,
            $Enum::F64($v) => $body,
        }
    };
}
pub use crate::each_variant;

impl Scalar {
    /// The element type.
    #[must_use]
    pub fn dtype(self) -> DType {
        each_variant!(Self, self, v => dtype_of(v))
    }

    /// This value in another element type.
    #[must_use]
    pub fn cast(self, dtype: DType) -> Self {
        with_dtype!(dtype, T => T::from_scalar(self).to_scalar())
    }

    /// This value as a `T`.
    #[must_use]
    pub fn get<T: Element>(self) -> T {
        T::from_scalar(self)
    }

    /// The bits of the value, which tell `0.0` from `-0.0` and a NaN from another.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        match self {
            Self::F32(v) => u64::from(v.to_bits()),
            Self::F64(v) => v.to_bits(),
            _ => self.get::<i64>() as u64,
        }
    }
}

fn dtype_of<T: Element>(_: T) -> DType {
    T::DTYPE
}

/// Equal when type and bits are: `NaN` equals itself, `0.0` and `-0.0` differ.
impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.dtype() == other.dtype() && self.to_bits() == other.to_bits()
    }
}

impl Eq for Scalar {}

impl std::hash::Hash for Scalar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.dtype().hash(state);
        self.to_bits().hash(state);
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_variant!(Self, *self, v => Display::fmt(&v, f))
    }
}

impl<T: Element> From<T> for Scalar {
    fn from(value: T) -> Self {
        value.to_scalar()
    }
}

macro_rules! element {
    ($($t:ty, $variant:ident, $kind:ident, $zero:expr, $one:expr);* $(;)?) => { $(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            type Kind = kind::$kind;
            const DTYPE: DType = DType::$variant;
            const ZERO: Self = $zero;
            const ONE: Self = $one;

            fn to_scalar(self) -> Scalar { Scalar::$variant(self) }
            fn from_scalar(scalar: Scalar) -> Self {
                each_variant!(Scalar, scalar, v => CastTo::<$t>::cast_to(v))
            }
            fn erase(chunk: ArcArray<Self, IxDyn>) -> AnyChunk { AnyChunk::$variant(chunk) }
            fn peek(chunk: &AnyChunk) -> Option<&ArcArray<Self, IxDyn>> {
                match chunk { AnyChunk::$variant(a) => Some(a), _ => None }
            }
            fn downcast(chunk: AnyChunk) -> Result<ArcArray<Self, IxDyn>, AnyChunk> {
                match chunk { AnyChunk::$variant(a) => Ok(a), other => Err(other) }
            }
            fn erase_vec(values: Vec<Self>) -> AnyVec { AnyVec::$variant(values) }
            fn peek_vec(values: &AnyVec) -> Option<&[Self]> {
                match values { AnyVec::$variant(v) => Some(v), _ => None }
            }
        }
        impl Ordered for $t {}
    )* };
}

element! {
    bool, Bool, Whole, false, true;
    i8, I8, Whole, 0, 1;
    i16, I16, Whole, 0, 1;
    i32, I32, Whole, 0, 1;
    i64, I64, Whole, 0, 1;
    u8, U8, Whole, 0, 1;
    u16, U16, Whole, 0, 1;
    u32, U32, Whole, 0, 1;
    u64, U64, Whole, 0, 1;
    f32, F32, Floating, 0.0, 1.0;
    f64, F64, Floating, 0.0, 1.0;
}

macro_rules! mark {
    ($marker:ident: $($t:ty),*) => { $(impl $marker for $t {})* };
}
mark!(Number: i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);
mark!(Integer: i8, i16, i32, i64, u8, u16, u32, u64);
mark!(Float: f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for d in DType::ALL {
            assert_eq!(d.to_string().parse::<DType>(), Ok(d));
        }
        let e = "float16".parse::<DType>().unwrap_err().to_string();
        assert!(e.contains("\"float16\"") && e.contains("float32"), "{e}");
    }

    #[test]
    fn casts_are_rusts() {
        assert_eq!(Scalar::F64(300.7).cast(DType::U8), Scalar::U8(255));
        assert_eq!(Scalar::I32(-1).cast(DType::U64), Scalar::U64(u64::MAX));
        assert_eq!(Scalar::F32(f32::NAN).cast(DType::Bool), Scalar::Bool(true));
        assert_eq!(Scalar::Bool(true).cast(DType::F32), Scalar::F32(1.0));
        assert_ne!(Scalar::F64(0.0), Scalar::F64(-0.0));
        assert_eq!(Scalar::F64(f64::NAN), Scalar::F64(f64::NAN));
    }
}

//! Multiplication and addition as a matrix product needs them, for every element type.

use crate::dtype::Element;

/// A type whose matrices can be multiplied. Integers wrap; for `bool`, times is *and* and plus is *or*, as in NumPy.
pub(super) trait Arith: Element {
    fn plus(self, b: Self) -> Self;
    /// `self + a * b`, rounded once for floats where `FMA` says that this is one instruction.
    fn plus_product<const FMA: bool>(self, a: Self, b: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl Arith for $t {
            #[inline(always)]
            fn plus(self, b: Self) -> Self {
                self.wrapping_add(b)
            }
            #[inline(always)]
            fn plus_product<const FMA: bool>(self, a: Self, b: Self) -> Self {
                self.wrapping_add(a.wrapping_mul(b))
            }
        }
    )* };
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! floats {
    ($($t:ty),*) => { $(
        impl Arith for $t {
            #[inline(always)]
            fn plus(self, b: Self) -> Self {
                self + b
            }
            #[inline(always)]
            fn plus_product<const FMA: bool>(self, a: Self, b: Self) -> Self {
                if FMA { a.mul_add(b, self) } else { self + a * b }
            }
        }
    )* };
}
floats!(f32, f64);

impl Arith for bool {
    #[inline(always)]
    fn plus(self, b: Self) -> Self {
        self | b
    }
    #[inline(always)]
    fn plus_product<const FMA: bool>(self, a: Self, b: Self) -> Self {
        self | (a & b)
    }
}

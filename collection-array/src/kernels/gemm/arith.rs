//! Multiplication and addition as a matrix product needs them, for every element type.

use crate::dtype::Element;

/// A type whose matrices can be multiplied. Integers wrap; for `bool`, times is *and* and plus is *or*, as in NumPy.
pub(super) trait Arith: Element {
    fn plus(self, b: Self) -> Self;
    fn times(self, b: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl Arith for $t {
            #[inline(always)]
            fn plus(self, b: Self) -> Self {
                self.wrapping_add(b)
            }
            #[inline(always)]
            fn times(self, b: Self) -> Self {
                self.wrapping_mul(b)
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
            fn times(self, b: Self) -> Self {
                self * b
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
    fn times(self, b: Self) -> Self {
        self & b
    }
}

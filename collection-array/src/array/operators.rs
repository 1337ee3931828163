//! Operators: `&x + &y`, `x * 2.0`, `1.0 / &x`, `-x`, `!mask`, `&a & &b`.
//!
//! They panic on shapes that do not broadcast; the methods of the same meaning ([`Array::add`], [`Array::multiply`], …) return a
//! `Result` instead.

use std::ops;

use super::Array;
use super::operand::Operand;
use crate::dtype::{Element, Float, Integer, Number};

/// Element types of bits: `bool` and the integers.
pub trait Bits: Element {}
macro_rules! bits {
    ($($t:ty),*) => { $(impl Bits for $t {})* };
}
bits!(bool, i8, i16, i32, i64, u8, u16, u32, u64);

/// The result of an operator, whose operands must broadcast.
#[track_caller]
fn must<T>(result: kvern_core::Result<Array<T>>) -> Array<T> {
    match result {
        Ok(a) => a,
        Err(e) => panic!("{}", e.message()),
    }
}

macro_rules! binary_operator {
    ($Trait:ident, $op:ident, $method:ident, $Bound:ident, [$($t:ty),*]) => {
        /// # Panics
        /// If the shapes do not broadcast.
        impl<T: $Bound, R: Operand<T>> ops::$Trait<R> for &Array<T> {
            type Output = Array<T>;
            #[track_caller]
            fn $op(self, other: R) -> Array<T> {
                must(Array::$method(self, other))
            }
        }
        /// # Panics
        /// If the shapes do not broadcast.
        impl<T: $Bound, R: Operand<T>> ops::$Trait<R> for Array<T> {
            type Output = Self;
            #[track_caller]
            fn $op(self, other: R) -> Self {
                must(Array::$method(&self, other))
            }
        }
        $(
            impl ops::$Trait<&Array<$t>> for $t {
                type Output = Array<$t>;
                fn $op(self, other: &Array<$t>) -> Array<$t> {
                    must(Array::$method(&scalar(self), other))
                }
            }
            impl ops::$Trait<Array<$t>> for $t {
                type Output = Array<$t>;
                fn $op(self, other: Array<$t>) -> Array<$t> {
                    must(Array::$method(&scalar(self), other))
                }
            }
        )*
    };
}

pub(super) fn scalar<T: Element>(value: T) -> Array<T> {
    Array::of(crate::expr::Expr::scalar(value.to_scalar()))
}

binary_operator!(
    Add,
    add,
    add,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64]
);
binary_operator!(
    Sub,
    sub,
    subtract,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64]
);
binary_operator!(
    Mul,
    mul,
    multiply,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64]
);
binary_operator!(Div, div, divide, Float, [f32, f64]);
binary_operator!(
    Rem,
    rem,
    remainder,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64]
);
binary_operator!(
    BitAnd,
    bitand,
    bitwise_and,
    Bits,
    [bool, i8, i16, i32, i64, u8, u16, u32, u64]
);
binary_operator!(
    BitOr,
    bitor,
    bitwise_or,
    Bits,
    [bool, i8, i16, i32, i64, u8, u16, u32, u64]
);
binary_operator!(
    BitXor,
    bitxor,
    bitwise_xor,
    Bits,
    [bool, i8, i16, i32, i64, u8, u16, u32, u64]
);
binary_operator!(
    Shl,
    shl,
    left_shift,
    Integer,
    [i8, i16, i32, i64, u8, u16, u32, u64]
);
binary_operator!(
    Shr,
    shr,
    right_shift,
    Integer,
    [i8, i16, i32, i64, u8, u16, u32, u64]
);

macro_rules! unary_operator {
    ($Trait:ident, $op:ident, $method:ident, $Bound:ident) => {
        impl<T: $Bound> ops::$Trait for &Array<T> {
            type Output = Array<T>;
            fn $op(self) -> Array<T> {
                self.$method()
            }
        }
        impl<T: $Bound> ops::$Trait for Array<T> {
            type Output = Self;
            fn $op(self) -> Self {
                self.$method()
            }
        }
    };
}
unary_operator!(Neg, neg, negative, Number);
unary_operator!(Not, not, invert, Bits);

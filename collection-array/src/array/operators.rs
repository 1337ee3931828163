//! Operators: `&x + &y`, `x * 2.0`, `1.0 / &x`, `x += 1.0`, `-x`, `!mask`, `&a & &b`.
//!
//! They panic on shapes that do not broadcast; the methods of the same meaning ([`Array::add`], [`Array::multiply`], …) return a
//! `Result` instead.

use std::ops;

use super::Array;
use super::operand::Operand;
use kvern_kernels::dtype::{Element, Float, Integer, Number};

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

/// A single value on the left of an array.
macro_rules! left_operand {
    ($Trait:ident, $op:ident, $method:ident, $left:ty, $t:ty) => {
        impl ops::$Trait<&Array<$t>> for $left {
            type Output = Array<$t>;
            #[track_caller]
            fn $op(self, other: &Array<$t>) -> Array<$t> {
                must(Array::$method(&scalar(self as $t), other))
            }
        }
        impl ops::$Trait<Array<$t>> for $left {
            type Output = Array<$t>;
            #[track_caller]
            fn $op(self, other: Array<$t>) -> Array<$t> {
                must(Array::$method(&scalar(self as $t), other))
            }
        }
    };
}

macro_rules! binary_operator {
    ($Trait:ident, $op:ident, $Assign:ident, $assign:ident, $method:ident, $Bound:ident, [$($t:ty),*], [$($f:ty),*]) => {
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
        /// # Panics
        /// If the shapes do not broadcast.
        impl<T: $Bound, R: Operand<T>> ops::$Assign<R> for Array<T> {
            #[track_caller]
            fn $assign(&mut self, other: R) {
                *self = must(Array::$method(&*self, other));
            }
        }
        $(left_operand!($Trait, $op, $method, $t, $t);)*
        // A literal without a point beside floats; see `Operand`.
        $(left_operand!($Trait, $op, $method, i32, $f);)*
    };
}

pub(super) fn scalar<T: Element>(value: T) -> Array<T> {
    Array::of(crate::expr::Expr::scalar(value.to_scalar()))
}

binary_operator!(
    Add,
    add,
    AddAssign,
    add_assign,
    add,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64],
    [f32, f64]
);
binary_operator!(
    Sub,
    sub,
    SubAssign,
    sub_assign,
    subtract,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64],
    [f32, f64]
);
binary_operator!(
    Mul,
    mul,
    MulAssign,
    mul_assign,
    multiply,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64],
    [f32, f64]
);
binary_operator!(
    Div,
    div,
    DivAssign,
    div_assign,
    divide,
    Float,
    [f32, f64],
    [f32, f64]
);
binary_operator!(
    Rem,
    rem,
    RemAssign,
    rem_assign,
    remainder,
    Number,
    [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64],
    [f32, f64]
);
binary_operator!(
    BitAnd,
    bitand,
    BitAndAssign,
    bitand_assign,
    bitwise_and,
    Bits,
    [bool, i8, i16, i32, i64, u8, u16, u32, u64],
    []
);
binary_operator!(
    BitOr,
    bitor,
    BitOrAssign,
    bitor_assign,
    bitwise_or,
    Bits,
    [bool, i8, i16, i32, i64, u8, u16, u32, u64],
    []
);
binary_operator!(
    BitXor,
    bitxor,
    BitXorAssign,
    bitxor_assign,
    bitwise_xor,
    Bits,
    [bool, i8, i16, i32, i64, u8, u16, u32, u64],
    []
);
binary_operator!(
    Shl,
    shl,
    ShlAssign,
    shl_assign,
    left_shift,
    Integer,
    [i8, i16, i32, i64, u8, u16, u32, u64],
    []
);
binary_operator!(
    Shr,
    shr,
    ShrAssign,
    shr_assign,
    right_shift,
    Integer,
    [i8, i16, i32, i64, u8, u16, u32, u64],
    []
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

//! Loops of the simple operations: arithmetic, comparison, bits, rounding, selection, conversion.
//!
//! Each lane function is branch-free where the meaning allows it, so that the loop around it vectorises. Signed and
//! unsigned integers share a loop where two's complement makes them equal.

use std::marker::PhantomData;

use super::kernel::{Args, Elementwise, Fills, Kernel};
use super::level::{Body, Level};
use super::math;
use super::op::{BinaryOp, UnaryOp};
use crate::dtype::{CastTo, DType, Element, with_dtype};

/// A function of one lane.
pub(crate) trait Un {
    type I: Element;
    type O: Element;
    fn f<const FMA: bool>(a: Self::I) -> Self::O;
}

/// A function of two lanes.
pub(crate) trait Bin {
    type I: Element;
    type O: Element;
    fn f(a: Self::I, b: Self::I) -> Self::O;
}

pub(crate) struct UnLoop<K>(PhantomData<K>);
impl<K: Un> Body<Elementwise> for UnLoop<K> {
    #[inline(always)]
    fn run<const FMA: bool>(args: Args<'_>) {
        let (a, out) = (args.a.get::<K::I>(), args.out.get::<K::O>());
        assert_eq!(a.len(), out.len());
        for (o, &x) in out.iter_mut().zip(a) {
            o.write(K::f::<FMA>(x));
        }
    }
}

// SAFETY: the loop is over operand and result, of the same length.
unsafe impl<K: Un> Fills for UnLoop<K> {}

struct BinLoop<K>(PhantomData<K>);
impl<K: Bin> Body<Elementwise> for BinLoop<K> {
    #[inline(always)]
    fn run<const FMA: bool>(args: Args<'_>) {
        let (a, b) = (args.a.get::<K::I>(), args.b.get::<K::I>());
        let out = args.out.get::<K::O>();
        assert!(a.len() == out.len() && b.len() == out.len());
        for ((o, &x), &y) in out.iter_mut().zip(a).zip(b) {
            o.write(K::f(x, y));
        }
    }
}

// SAFETY: the loop is over operands and result, of the same length.
unsafe impl<K: Bin> Fills for BinLoop<K> {}

struct WhereLoop<T>(PhantomData<T>);
// Both values are loaded and mixed by a mask; a plain choice is compiled to a gather through chosen addresses.
macro_rules! where_loop {
    ($($t:ty: $C:ty, |$c:ident| $mask:expr;)*) => { $(
        impl Body<Elementwise> for WhereLoop<$t> {
            #[inline(always)]
            fn run<const FMA: bool>(args: Args<'_>) {
                let (c, a, b) = (args.a.get::<$C>(), args.b.get::<$t>(), args.c.get::<$t>());
                let out = args.out.get::<$t>();
                let n = out.len();
                assert!(c.len() == n && a.len() == n && b.len() == n);
                for (((o, &$c), &x), &y) in out.iter_mut().zip(c).zip(a).zip(b) {
                    let mask: $t = $mask;
                    o.write((x & mask) | (y & !mask));
                }
            }
        }

        // SAFETY: the loop is over operands and result, of the same length.
        unsafe impl Fills for WhereLoop<$t> {}
    )* };
}
// A truth value is the byte 0 or 1.
where_loop! {
    bool: bool, |c| c;
    u8: u8, |c| c.wrapping_neg();
    u16: u8, |c| u16::from(c).wrapping_neg();
    u32: u8, |c| u32::from(c).wrapping_neg();
    u64: u8, |c| u64::from(c).wrapping_neg();
}

struct CastLoop<A, B>(PhantomData<(A, B)>);
impl<A: CastTo<B> + Element, B: Element> Un for CastLoop<A, B> {
    type I = A;
    type O = B;
    #[inline(always)]
    fn f<const FMA: bool>(a: A) -> B {
        a.cast_to()
    }
}

/// Defines lane functions: a marker type generic over the element, and its meaning for a list of elements.
macro_rules! bin_ops {
    ($($name:ident [$($t:ty),*] -> $o:tt |$a:ident, $b:ident| $body:expr;)*) => { $(
        struct $name<T>(PhantomData<T>);
        $(impl Bin for $name<$t> {
            type I = $t;
            type O = bin_ops!(@out $o $t);
            #[inline(always)]
            fn f($a: $t, $b: $t) -> Self::O { $body }
        })*
    )* };
    (@out same $t:ty) => { $t };
    (@out bool $t:ty) => { bool };
}

macro_rules! un_ops {
    ($($name:ident [$($t:ty),*] -> $o:tt |$a:ident| $body:expr;)*) => { $(
        struct $name<T>(PhantomData<T>);
        $(impl Un for $name<$t> {
            type I = $t;
            type O = bin_ops!(@out $o $t);
            #[inline(always)]
            fn f<const FMA: bool>($a: $t) -> Self::O { $body }
        })*
    )* };
}

// Truncation to the sign of the dividend is what the machine gives; NumPy rounds the quotient down.
macro_rules! int_division {
    ($($s:ty),*; $($u:ty),*) => {
        struct FloorDiv<T>(PhantomData<T>);
        struct Rem<T>(PhantomData<T>);
        $(impl Bin for FloorDiv<$s> {
            type I = $s;
            type O = $s;
            #[inline(always)]
            fn f(a: $s, b: $s) -> $s {
                if b == 0 { return 0; }
                let q = a.wrapping_div(b);
                if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q }
            }
        }
        impl Bin for Rem<$s> {
            type I = $s;
            type O = $s;
            #[inline(always)]
            fn f(a: $s, b: $s) -> $s {
                if b == 0 { return 0; }
                let r = a.wrapping_rem(b);
                if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
            }
        })*
        $(impl Bin for FloorDiv<$u> {
            type I = $u;
            type O = $u;
            #[inline(always)]
            fn f(a: $u, b: $u) -> $u { a.checked_div(b).unwrap_or(0) }
        }
        impl Bin for Rem<$u> {
            type I = $u;
            type O = $u;
            #[inline(always)]
            fn f(a: $u, b: $u) -> $u { a.checked_rem(b).unwrap_or(0) }
        })*
    };
}
int_division!(i8, i16, i32, i64; u8, u16, u32, u64);

macro_rules! float_division {
    ($($t:ty),*) => { $(
        impl Bin for FloorDiv<$t> {
            type I = $t;
            type O = $t;
            #[inline(always)]
            fn f(a: $t, b: $t) -> $t {
                if b == 0.0 { return a / b; }
                let r = a % b;
                let mut q = (a - r) / b;
                if r != 0.0 && (b < 0.0) != (r < 0.0) { q -= 1.0; }
                if q == 0.0 { return (0.0 as $t).copysign(a / b); }
                let down = q.floor();
                if q - down > 0.5 { down + 1.0 } else { down }
            }
        }
        impl Bin for Rem<$t> {
            type I = $t;
            type O = $t;
            #[inline(always)]
            fn f(a: $t, b: $t) -> $t {
                let r = a % b;
                if r == 0.0 { (0.0 as $t).copysign(b) }
                else if (b < 0.0) != (r < 0.0) { r + b }
                else { r }
            }
        }
    )* };
}
float_division!(f32, f64);

macro_rules! int_power {
    ($($s:ty),*; $($u:ty),*) => {
        struct Pow<T>(PhantomData<T>);
        $(impl Bin for Pow<$s> {
            type I = $s;
            type O = $s;
            #[inline(always)]
            fn f(a: $s, b: $s) -> $s {
                if b >= 0 { return wrapping_power!(a, b); }
                match a {
                    1 => 1,
                    -1 => if b % 2 == 0 { 1 } else { -1 },
                    _ => 0,
                }
            }
        })*
        $(impl Bin for Pow<$u> {
            type I = $u;
            type O = $u;
            #[inline(always)]
            fn f(a: $u, b: $u) -> $u { wrapping_power!(a, b) }
        })*
    };
}
macro_rules! wrapping_power {
    ($a:expr, $b:expr) => {{
        let (mut base, mut left, mut out) = ($a, $b, 1);
        while left != 0 {
            if left & 1 != 0 {
                out = base.wrapping_mul(out);
            }
            base = base.wrapping_mul(base);
            left >>= 1;
        }
        out
    }};
}
int_power!(i8, i16, i32, i64; u8, u16, u32, u64);

macro_rules! shifts {
    ($($t:ty, $u:ty, $lost:expr);* $(;)?) => {
        struct Shl<T>(PhantomData<T>);
        struct Shr<T>(PhantomData<T>);
        $(impl Bin for Shl<$t> {
            type I = $t;
            type O = $t;
            #[inline(always)]
            fn f(a: $t, b: $t) -> $t {
                if (b as $u) < <$t>::BITS as $u { a.wrapping_shl(b as u32) } else { 0 }
            }
        }
        impl Bin for Shr<$t> {
            type I = $t;
            type O = $t;
            #[inline(always)]
            fn f(a: $t, b: $t) -> $t {
                let lost: fn($t) -> $t = $lost;
                if (b as $u) < <$t>::BITS as $u { a.wrapping_shr(b as u32) } else { lost(a) }
            }
        })*
    };
}
shifts! {
    i8, u8, |a| if a < 0 { -1 } else { 0 };
    i16, u16, |a| if a < 0 { -1 } else { 0 };
    i32, u32, |a| if a < 0 { -1 } else { 0 };
    i64, u64, |a| if a < 0 { -1 } else { 0 };
    u8, u8, |_| 0;
    u16, u16, |_| 0;
    u32, u32, |_| 0;
    u64, u64, |_| 0;
}

bin_ops! {
    AddI [u8, u16, u32, u64] -> same |a, b| a.wrapping_add(b);
    SubI [u8, u16, u32, u64] -> same |a, b| a.wrapping_sub(b);
    MulI [u8, u16, u32, u64] -> same |a, b| a.wrapping_mul(b);
    AddF [f32, f64] -> same |a, b| a + b;
    SubF [f32, f64] -> same |a, b| a - b;
    MulF [f32, f64] -> same |a, b| a * b;
    DivF [f32, f64] -> same |a, b| a / b;
    PowF [f32, f64] -> same |a, b| a.powf(b);
    Atan2 [f32, f64] -> same |a, b| a.atan2(b);
    Hypot [f32, f64] -> same |a, b| a.hypot(b);
    MinI [i8, i16, i32, i64, u8, u16, u32, u64] -> same |a, b| a.min(b);
    MaxI [i8, i16, i32, i64, u8, u16, u32, u64] -> same |a, b| a.max(b);
    // A NaN on the left is kept by the second test, one on the right because it is not greater.
    MinF [f32, f64] -> same |a, b| if a < b || a.is_nan() { a } else { b };
    MaxF [f32, f64] -> same |a, b| if a > b || a.is_nan() { a } else { b };
    Eq [u8, u16, u32, u64, f32, f64] -> bool |a, b| a == b;
    Ne [u8, u16, u32, u64, f32, f64] -> bool |a, b| a != b;
    Lt [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64] -> bool |a, b| a < b;
    Le [i8, i16, i32, i64, u8, u16, u32, u64, f32, f64] -> bool |a, b| a <= b;
    And [bool, u8, u16, u32, u64] -> same |a, b| a & b;
    Or [bool, u8, u16, u32, u64] -> same |a, b| a | b;
    Xor [bool, u8, u16, u32, u64] -> same |a, b| a ^ b;
}

un_ops! {
    NegI [u8, u16, u32, u64] -> same |a| a.wrapping_neg();
    NegF [f32, f64] -> same |a| -a;
    AbsI [i8, i16, i32, i64] -> same |a| a.wrapping_abs();
    AbsF [f32, f64] -> same |a| a.abs();
    SignI [i8, i16, i32, i64] -> same |a| a.signum();
    SignU [u8, u16, u32, u64] -> same |a| a.min(1);
    SignF [f32, f64] -> same |a| if a > 0.0 { 1.0 } else if a < 0.0 { -1.0 } else if a == 0.0 { 0.0 } else { a };
    SquareI [u8, u16, u32, u64] -> same |a| a.wrapping_mul(a);
    SquareF [f32, f64] -> same |a| a * a;
    Reciprocal [f32, f64] -> same |a| 1.0 / a;
    Sqrt [f32, f64] -> same |a| a.sqrt();
    Floor [f32, f64] -> same |a| a.floor();
    Ceil [f32, f64] -> same |a| a.ceil();
    Trunc [f32, f64] -> same |a| a.trunc();
    Rint [f32, f64] -> same |a| a.round_ties_even();
    Deg2Rad [f32, f64] -> same |a| a.to_radians();
    Rad2Deg [f32, f64] -> same |a| a.to_degrees();
    IsNan [f32, f64] -> bool |a| a.is_nan();
    IsFinite [f32, f64] -> bool |a| a.is_finite();
    IsInf [f32, f64] -> bool |a| a.is_infinite();
    NotBool [bool] -> same |a| !a;
    Not [u8, u16, u32, u64] -> same |a| !a;
}

macro_rules! floats {
    ($K:ident, $d:expr, $level:expr, $make:ident) => {
        match $d {
            DType::F32 => Some($make!($K, f32, $level)),
            DType::F64 => Some($make!($K, f64, $level)),
            _ => None,
        }
    };
}
macro_rules! signed {
    ($K:ident, $d:expr, $level:expr, $make:ident) => {
        match $d {
            DType::I8 => Some($make!($K, i8, $level)),
            DType::I16 => Some($make!($K, i16, $level)),
            DType::I32 => Some($make!($K, i32, $level)),
            DType::I64 => Some($make!($K, i64, $level)),
            _ => None,
        }
    };
}
macro_rules! unsigned {
    ($K:ident, $d:expr, $level:expr, $make:ident) => {
        match $d {
            DType::U8 => Some($make!($K, u8, $level)),
            DType::U16 => Some($make!($K, u16, $level)),
            DType::U32 => Some($make!($K, u32, $level)),
            DType::U64 => Some($make!($K, u64, $level)),
            _ => None,
        }
    };
}
macro_rules! bits {
    ($K:ident, $d:expr, $level:expr, $make:ident) => {
        match $d {
            DType::I8 | DType::U8 => Some($make!($K, u8, $level)),
            DType::I16 | DType::U16 => Some($make!($K, u16, $level)),
            DType::I32 | DType::U32 => Some($make!($K, u32, $level)),
            DType::I64 | DType::U64 => Some($make!($K, u64, $level)),
            _ => None,
        }
    };
}
macro_rules! ordered {
    ($K:ident, $d:expr, $level:expr, $make:ident) => {
        match $d {
            DType::Bool => Some($make!($K, u8, $level)),
            _ => signed!($K, $d, $level, $make)
                .or_else(|| unsigned!($K, $d, $level, $make))
                .or_else(|| floats!($K, $d, $level, $make)),
        }
    };
}
macro_rules! bin {
    ($K:ident, $t:ty, $level:expr) => {
        Kernel::of::<BinLoop<$K<$t>>>($level)
    };
}
macro_rules! bin_scalar {
    ($K:ident, $t:ty, $level:expr) => {
        Kernel::scalar_only::<BinLoop<$K<$t>>>()
    };
}
macro_rules! un {
    ($K:ident, $t:ty, $level:expr) => {
        Kernel::of::<UnLoop<$K<$t>>>($level)
    };
}
/// The loop of `op` on operands of `d`; none where the builder has no such step.
pub(crate) fn binary(op: BinaryOp, d: DType, level: Level) -> Option<Kernel> {
    use BinaryOp as B;
    match op {
        B::Add => bits!(AddI, d, level, bin).or_else(|| floats!(AddF, d, level, bin)),
        B::Sub => bits!(SubI, d, level, bin).or_else(|| floats!(SubF, d, level, bin)),
        B::Mul => bits!(MulI, d, level, bin).or_else(|| floats!(MulF, d, level, bin)),
        B::Div => floats!(DivF, d, level, bin),
        B::FloorDiv => signed!(FloorDiv, d, level, bin_scalar)
            .or_else(|| unsigned!(FloorDiv, d, level, bin_scalar))
            .or_else(|| floats!(FloorDiv, d, level, bin_scalar)),
        B::Rem => signed!(Rem, d, level, bin_scalar)
            .or_else(|| unsigned!(Rem, d, level, bin_scalar))
            .or_else(|| floats!(Rem, d, level, bin_scalar)),
        B::Pow => signed!(Pow, d, level, bin_scalar)
            .or_else(|| unsigned!(Pow, d, level, bin_scalar))
            .or_else(|| floats!(PowF, d, level, bin_scalar)),
        B::Min => signed!(MinI, d, level, bin)
            .or_else(|| unsigned!(MinI, d, level, bin))
            .or_else(|| floats!(MinF, d, level, bin)),
        B::Max => signed!(MaxI, d, level, bin)
            .or_else(|| unsigned!(MaxI, d, level, bin))
            .or_else(|| floats!(MaxF, d, level, bin)),
        B::Atan2 => floats!(Atan2, d, level, bin_scalar),
        B::Hypot => floats!(Hypot, d, level, bin_scalar),
        B::Eq if d == DType::Bool => Some(bin!(Eq, u8, level)),
        B::Ne if d == DType::Bool => Some(bin!(Ne, u8, level)),
        B::Eq => bits!(Eq, d, level, bin).or_else(|| floats!(Eq, d, level, bin)),
        B::Ne => bits!(Ne, d, level, bin).or_else(|| floats!(Ne, d, level, bin)),
        B::Lt => ordered!(Lt, d, level, bin),
        B::Le => ordered!(Le, d, level, bin),
        B::BitAnd if d == DType::Bool => Some(bin!(And, bool, level)),
        B::BitOr if d == DType::Bool => Some(bin!(Or, bool, level)),
        B::BitXor if d == DType::Bool => Some(bin!(Xor, bool, level)),
        B::BitAnd => bits!(And, d, level, bin),
        B::BitOr => bits!(Or, d, level, bin),
        B::BitXor => bits!(Xor, d, level, bin),
        B::Shl => signed!(Shl, d, level, bin).or_else(|| unsigned!(Shl, d, level, bin)),
        B::Shr => signed!(Shr, d, level, bin).or_else(|| unsigned!(Shr, d, level, bin)),
        // The builder writes these in terms of the others.
        B::Gt | B::Ge | B::LogicalAnd | B::LogicalOr | B::LogicalXor => None,
    }
}

/// The loop of `op` on an operand of `d`; none where the builder has no such step.
pub(crate) fn unary(op: UnaryOp, d: DType, level: Level) -> Option<Kernel> {
    use UnaryOp as U;
    if let Some(kernel) = math::vector(op, d, level) {
        return Some(kernel);
    }
    match op {
        U::Neg => bits!(NegI, d, level, un).or_else(|| floats!(NegF, d, level, un)),
        U::Abs => signed!(AbsI, d, level, un).or_else(|| floats!(AbsF, d, level, un)),
        U::Sign => signed!(SignI, d, level, un)
            .or_else(|| unsigned!(SignU, d, level, un))
            .or_else(|| floats!(SignF, d, level, un)),
        U::Square => bits!(SquareI, d, level, un).or_else(|| floats!(SquareF, d, level, un)),
        U::Reciprocal => floats!(Reciprocal, d, level, un),
        U::Sqrt => floats!(Sqrt, d, level, un),
        U::Floor => floats!(Floor, d, level, un),
        U::Ceil => floats!(Ceil, d, level, un),
        U::Trunc => floats!(Trunc, d, level, un),
        U::Rint => floats!(Rint, d, level, un),
        U::Deg2Rad => floats!(Deg2Rad, d, level, un),
        U::Rad2Deg => floats!(Rad2Deg, d, level, un),
        U::IsNan => floats!(IsNan, d, level, un),
        U::IsFinite => floats!(IsFinite, d, level, un),
        U::IsInf => floats!(IsInf, d, level, un),
        U::LogicalNot if d == DType::Bool => Some(Kernel::of::<UnLoop<NotBool<bool>>>(level)),
        U::BitNot if d != DType::Bool => bits!(Not, d, level, un),
        _ => None,
    }
}

/// The loop of `where` on values of `d`.
pub(crate) fn select(d: DType, level: Level) -> Kernel {
    match d.itemsize() {
        _ if d == DType::Bool => Kernel::of::<WhereLoop<bool>>(level),
        1 => Kernel::of::<WhereLoop<u8>>(level),
        2 => Kernel::of::<WhereLoop<u16>>(level),
        4 => Kernel::of::<WhereLoop<u32>>(level),
        _ => Kernel::of::<WhereLoop<u64>>(level),
    }
}

/// The loop that converts `from` to `to`.
pub(crate) fn cast(from: DType, to: DType, level: Level) -> Kernel {
    with_dtype!(from, A => with_dtype!(to, B => Kernel::of::<UnLoop<CastLoop<A, B>>>(level)))
}

//! Vector mathematics: branch-free elementary functions over slices.
//!
//! Each function is a lane function that is right on the usual range of arguments and compiles to straight vector code,
//! and a range outside of which (infinities and NaN included) the standard library is asked instead, lane by lane, after
//! the vector loop has gone over the tile. `f32` is computed in `f64` and rounded once.
//!
//! Arguments are reduced as Cody and Waite (1980) do; polynomials and the ways to evaluate them are those of Sun's fdlibm
//! (1993, freely usable), but for the exponential, which is its Taylor series, and the inverse hyperbolic functions. Results are
//! within 2 ulp of the true value, within 3 for `tan`, `sinh` and `tanh`; `tests/scalar_functions.rs` holds them to it.

mod exp;
mod inverse;
mod log;
mod root;
mod trig;

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::kernel::{Args, Elementwise, Fills, Kernel};
use super::level::{Body, Level};
use super::op::UnaryOp;
use crate::dtype::DType;

/// A function of `f64` lanes.
pub(super) trait Lanes {
    /// Whether [`fast`](Self::fast) is right for `x`.
    fn fits<const FMA: bool>(x: f64) -> bool;
    /// The function by straight code; anything outside the range.
    fn fast<const FMA: bool>(x: f64) -> f64;
    /// The function by the standard library.
    fn slow(x: f64) -> f64;
}

/// `a * b + c`, in one rounding where that is one instruction.
#[inline(always)]
pub(super) fn fma<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// A polynomial with the given coefficients, the constant one first, by Horner's rule.
#[inline(always)]
pub(super) fn poly<const FMA: bool, const N: usize>(x: f64, c: [f64; N]) -> f64 {
    let mut out = c[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        out = fma::<FMA>(out, x, c[i]);
    }
    out
}

/// Adding it to a number of less than 2^51 leaves the nearest integer in the low bits.
pub(super) const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The functions on elements of `f64` or `f32`.
struct MathLoop<K, T>(PhantomData<(K, T)>);

macro_rules! math_loop {
    ($t:ty) => {
        impl<K: Lanes> Body<Elementwise> for MathLoop<K, $t> {
            #[inline(always)]
            fn run<const FMA: bool>(args: Args<'_>) {
                let (x, out) = (args.a.get::<$t>(), args.out.get::<$t>());
                assert_eq!(x.len(), out.len());
                let mut outside = false;
                for (o, &x) in out.iter_mut().zip(x) {
                    let x = f64::from(x);
                    o.write(K::fast::<FMA>(x) as $t);
                    outside |= !K::fits::<FMA>(x);
                }
                if outside {
                    mend::<K, $t>(x, out, K::fits::<FMA>, |v| K::slow(f64::from(v)) as $t);
                }
            }
        }

        // SAFETY: the loop is over operand and result, of the same length.
        unsafe impl<K: Lanes> Fills for MathLoop<K, $t> {}
    };
}
math_loop!(f64);
math_loop!(f32);

/// Computes the lanes that do not fit by the standard library.
#[inline(never)]
fn mend<K: Lanes, T: Copy + Into<f64>>(
    x: &[T],
    out: &mut [MaybeUninit<T>],
    fits: impl Fn(f64) -> bool,
    slow: impl Fn(T) -> T,
) {
    for (o, &x) in out.iter_mut().zip(x) {
        if !fits(x.into()) {
            o.write(slow(x));
        }
    }
}

fn pick<K: Lanes>(d: DType, level: Level) -> Option<Kernel> {
    match d {
        DType::F32 => Some(Kernel::of::<MathLoop<K, f32>>(level)),
        DType::F64 => Some(Kernel::of::<MathLoop<K, f64>>(level)),
        _ => None,
    }
}

/// The vector loop of `op`, where there is one.
pub(crate) fn vector(op: UnaryOp, d: DType, level: Level) -> Option<Kernel> {
    use UnaryOp as U;
    match op {
        U::Sin => pick::<trig::Sin>(d, level),
        U::Cos => pick::<trig::Cos>(d, level),
        U::Tan => pick::<trig::Tan>(d, level),
        U::Asin => pick::<trig::Asin>(d, level),
        U::Acos => pick::<trig::Acos>(d, level),
        U::Atan => pick::<trig::Atan>(d, level),
        U::Exp => pick::<exp::Exp>(d, level),
        U::Exp2 => pick::<exp::Exp2>(d, level),
        U::Expm1 => pick::<exp::Expm1>(d, level),
        U::Sinh => pick::<exp::Sinh>(d, level),
        U::Cosh => pick::<exp::Cosh>(d, level),
        U::Tanh => pick::<exp::Tanh>(d, level),
        U::Log => pick::<log::Log>(d, level),
        U::Log2 => pick::<log::Log2>(d, level),
        U::Log10 => pick::<log::Log10>(d, level),
        U::Log1p => pick::<log::Log1p>(d, level),
        U::Asinh => pick::<inverse::Asinh>(d, level),
        U::Acosh => pick::<inverse::Acosh>(d, level),
        U::Atanh => pick::<inverse::Atanh>(d, level),
        U::Cbrt => pick::<root::Cbrt>(d, level),
        _ => None,
    }
}

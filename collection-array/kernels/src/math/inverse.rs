//! Inverse hyperbolic functions.
//!
//! Each is `log(1 + y)` of a `y` that is computed with what it loses by rounding beside it (Dekker 1971), so that nothing
//! cancels near 0 and 1, and the error is that of the logarithm. Beyond 2^54 the logarithm of the double is all there is.

#![allow(
    clippy::manual_range_contains,
    reason = "both comparisons are made, so that there is no branch"
)]

use std::f64::consts::LN_2;

use super::log::log1p;
use super::{Lanes, fma};

/// From here on a square has no place for 1 beside it.
const LARGE: f64 = 18_014_398_509_481_984.0;

/// `a + b` and what rounding has left of it; `a` is no smaller than `b`, or both are positive.
#[inline(always)]
fn sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// `a * b` and what rounding has left of it.
#[inline(always)]
fn product<const FMA: bool>(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    if FMA {
        return (p, a.mul_add(b, -p));
    }
    let halves = |v: f64| {
        let hi = f64::from_bits(v.to_bits() & 0xffff_ffff_f800_0000);
        (hi, v - hi)
    };
    let ((ah, al), (bh, bl)) = (halves(a), halves(b));
    (p, ((ah * bh - p) + ah * bl + al * bh) + al * bl)
}

/// The square root of `high + low`, and what rounding has left of it.
#[inline(always)]
fn root<const FMA: bool>(high: f64, low: f64) -> (f64, f64) {
    let r = high.sqrt();
    let (square, rest) = product::<FMA>(r, r);
    let left = ((high - square) - rest + low) / (2.0 * r);
    (r, if r == 0.0 { 0.0 } else { left })
}

/// `log(2 x)` of a large number: 2^-54 and less of it is what `log1p` adds to the logarithm.
#[inline(always)]
fn log_double<const FMA: bool>(x: f64) -> f64 {
    log1p::<FMA>(x, 0.0) + LN_2
}

pub(super) struct Asinh;
impl Lanes for Asinh {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        x.abs() < f64::INFINITY
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let a = x.abs();
        // y = a + a^2 / (1 + sqrt(1 + a^2))
        let (square, square_low) = product::<FMA>(a, a);
        let (w, w_low) = sum(1.0, square);
        let (r, r_low) = root::<FMA>(w, w_low + square_low);
        let (d, d_low) = sum(1.0, r);
        let q = square / d;
        let (back, back_low) = product::<FMA>(q, d);
        let q_low = ((square - back) - back_low + square_low - q * (d_low + r_low)) / d;
        let (y, y_low) = sum(a, q);
        let near = log1p::<FMA>(y, y_low + q_low);
        (if a < LARGE {
            near
        } else {
            log_double::<FMA>(a)
        })
        .copysign(x)
    }
    fn slow(x: f64) -> f64 {
        // Infinities and NaN.
        x
    }
}

pub(super) struct Acosh;
impl Lanes for Acosh {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        (x >= 1.0) & (x < f64::INFINITY)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        // y = t + sqrt(t (t + 2)), t = x - 1 without an error
        let t = x - 1.0;
        let (u, u_low) = sum(x, 1.0);
        let (p, p_low) = product::<FMA>(t, u);
        let (r, r_low) = root::<FMA>(p, fma::<FMA>(t, u_low, p_low));
        let (y, y_low) = sum(t, r);
        let near = log1p::<FMA>(y, y_low + r_low);
        if x < LARGE {
            near
        } else {
            log_double::<FMA>(x)
        }
    }
    fn slow(x: f64) -> f64 {
        if x == f64::INFINITY { x } else { f64::NAN }
    }
}

pub(super) struct Atanh;
impl Lanes for Atanh {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        x.abs() < 1.0
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let a = x.abs();
        // y = 2 a / (1 - a)
        let (d, d_low) = sum(1.0, -a);
        let q = 2.0 * a / d;
        let (back, back_low) = product::<FMA>(q, d);
        let q_low = ((2.0 * a - back) - back_low - q * d_low) / d;
        (0.5 * log1p::<FMA>(q, q_low)).copysign(x)
    }
    fn slow(x: f64) -> f64 {
        if x.abs() == 1.0 {
            f64::INFINITY.copysign(x)
        } else {
            f64::NAN
        }
    }
}

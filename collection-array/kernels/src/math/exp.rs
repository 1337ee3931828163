//! Exponentials and hyperbolic functions.
//!
//! `x = k log 2 + r` with `|r| <= log 2 / 2` (Cody and Waite 1980); `exp(r) - 1` is its Taylor series to the 13th power,
//! whose remainder is below 2^-57; `2^k` goes into the exponent. The hyperbolic functions are made of `expm1` as in fdlibm.

#![allow(
    clippy::manual_range_contains,
    reason = "both comparisons are made, so that there is no branch"
)]
#![allow(
    clippy::excessive_precision,
    reason = "constants are written as fdlibm prints them"
)]

use std::f64::consts::{LN_2, LOG2_E};

use super::{Lanes, ROUNDER, fma, poly};

/// Its low 32 bits are 0, so that a multiple by a small integer is exact.
const LN2_HI: f64 = 6.93147180369123816490e-01;
const LN2_LO: f64 = 1.90821492927058770002e-10;

/// `k`, the bits that hold it, and `r`.
#[inline(always)]
fn reduce<const FMA: bool>(x: f64) -> (u64, f64) {
    let t = fma::<FMA>(x, LOG2_E, ROUNDER);
    let k = t - ROUNDER;
    let r = fma::<FMA>(-k, LN2_HI, x);
    (t.to_bits(), fma::<FMA>(-k, LN2_LO, r))
}

/// `(exp(r) - 1 - r) / r^2`.
#[inline(always)]
fn tail<const FMA: bool>(r: f64) -> f64 {
    poly::<FMA, 12>(
        r,
        [
            1.0 / 2.0,
            1.0 / 6.0,
            1.0 / 24.0,
            1.0 / 120.0,
            1.0 / 720.0,
            1.0 / 5_040.0,
            1.0 / 40_320.0,
            1.0 / 362_880.0,
            1.0 / 3_628_800.0,
            1.0 / 39_916_800.0,
            1.0 / 479_001_600.0,
            1.0 / 6_227_020_800.0,
        ],
    )
}

/// `v * 2^k` for a normal result.
#[inline(always)]
fn scale(v: f64, k: u64) -> f64 {
    f64::from_bits(v.to_bits().wrapping_add(k << 52))
}

#[inline(always)]
fn exp<const FMA: bool>(x: f64) -> f64 {
    let (k, r) = reduce::<FMA>(x);
    let p = 1.0 + fma::<FMA>(r * r, tail::<FMA>(r), r);
    scale(p, k)
}

#[inline(always)]
fn expm1<const FMA: bool>(x: f64) -> f64 {
    let (k, r) = reduce::<FMA>(x);
    let p = fma::<FMA>(r * r, tail::<FMA>(r), r);
    let two_k = scale(1.0, k);
    let v = fma::<FMA>(two_k, p, two_k - 1.0);
    // Keeps the sign of zero.
    if x == 0.0 { x } else { v }
}

pub(super) struct Exp;
impl Lanes for Exp {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        (x >= -708.0) & (x <= 709.78)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        exp::<FMA>(x)
    }
    fn slow(x: f64) -> f64 {
        x.exp()
    }
}

pub(super) struct Exp2;
impl Lanes for Exp2 {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        (x >= -1021.0) & (x < 1023.5)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let t = x + ROUNDER;
        let r = (x - (t - ROUNDER)) * LN_2;
        scale(1.0 + fma::<FMA>(r * r, tail::<FMA>(r), r), t.to_bits())
    }
    fn slow(x: f64) -> f64 {
        x.exp2()
    }
}

pub(super) struct Expm1;
impl Lanes for Expm1 {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        (x >= -40.0) & (x <= 709.0)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        expm1::<FMA>(x)
    }
    fn slow(x: f64) -> f64 {
        x.exp_m1()
    }
}

pub(super) struct Sinh;
impl Lanes for Sinh {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        x.abs() <= 709.0
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let t = expm1::<FMA>(x.abs());
        (0.5 * (t + t / (t + 1.0))).copysign(x)
    }
    fn slow(x: f64) -> f64 {
        x.sinh()
    }
}

pub(super) struct Cosh;
impl Lanes for Cosh {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        x.abs() <= 709.0
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let e = exp::<FMA>(x.abs());
        0.5 * e + 0.5 / e
    }
    fn slow(x: f64) -> f64 {
        x.cosh()
    }
}

pub(super) struct Tanh;
impl Lanes for Tanh {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        x.abs() <= 350.0
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let a = x.abs();
        let t = expm1::<FMA>(2.0 * a);
        // t / (t + 2) is 1 - 2 / (t + 2); each is the better one on its side.
        let small = a < 0.55;
        let q = (if small { t } else { -2.0 }) / (t + 2.0);
        (if small { q } else { 1.0 + q }).copysign(x)
    }
    fn slow(x: f64) -> f64 {
        x.tanh()
    }
}

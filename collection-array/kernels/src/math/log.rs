//! Logarithms, after fdlibm's `e_log.c`, `s_log1p.c` and FreeBSD's `e_log2.c` and `e_log10.c`.
//!
//! `x = 2^k (1 + f)` with `sqrt(1/2) <= 1 + f < sqrt(2)`; with `s = f / (2 + f)`, `log(1 + f)` is an odd polynomial in `s`.

#![allow(
    clippy::manual_range_contains,
    reason = "both comparisons are made, so that there is no branch"
)]
#![allow(
    clippy::excessive_precision,
    reason = "coefficients are written as fdlibm prints them"
)]

use super::{Lanes, ROUNDER, fma, poly};

const LN2_HI: f64 = 6.93147180369123816490e-01;
const LN2_LO: f64 = 1.90821492927058770002e-10;

/// `k` and `1 + f` of a normal positive number.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let above = x.to_bits().wrapping_sub(ROOT_HALF);
    let k = (above as i64 >> 52) as u64;
    let m = x.to_bits().wrapping_sub(above & (0xfff << 52));
    // The integer as a float, by way of the low bits of a large one.
    let k = f64::from_bits(ROUNDER.to_bits().wrapping_add(k)) - ROUNDER;
    (k, f64::from_bits(m))
}

/// `f * f / 2`, and what is added to it: `log(1 + f) = f - (half - rest)`.
#[inline(always)]
fn series<const FMA: bool>(f: f64) -> (f64, f64) {
    let s = f / (2.0 + f);
    let z = s * s;
    let r = z * poly::<FMA, 7>(
        z,
        [
            6.666666666666735130e-01,
            3.999999999940941908e-01,
            2.857142874366239149e-01,
            2.222219843214978396e-01,
            1.818357216161805012e-01,
            1.531383769920937332e-01,
            1.479819860511658591e-01,
        ],
    );
    let half = 0.5 * f * f;
    (half, s * (half + r))
}

#[inline(always)]
fn is_normal_positive(x: f64) -> bool {
    (x >= f64::MIN_POSITIVE) & (x < f64::INFINITY)
}

pub(super) struct Log;
impl Lanes for Log {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        is_normal_positive(x)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let (k, m) = split(x);
        let f = m - 1.0;
        let (half, rest) = series::<FMA>(f);
        k * LN2_HI - ((half - fma::<FMA>(k, LN2_LO, rest)) - f)
    }
    fn slow(x: f64) -> f64 {
        x.ln()
    }
}

/// `log(m)` in two parts, the first with 21 bits, for a product with a constant in two parts.
#[inline(always)]
fn log_parts<const FMA: bool>(m: f64) -> (f64, f64) {
    let f = m - 1.0;
    let (half, rest) = series::<FMA>(f);
    let hi = f64::from_bits((f - half).to_bits() & 0xffff_ffff_0000_0000);
    (hi, ((f - hi) - half) + rest)
}

pub(super) struct Log2;
impl Lanes for Log2 {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        is_normal_positive(x)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        const HI: f64 = 1.44269504072144627571e+00;
        const LO: f64 = 1.67517131648865118353e-10;
        let (k, m) = split(x);
        let (hi, lo) = log_parts::<FMA>(m);
        let high = hi * HI;
        let low = (lo + hi) * LO + lo * HI;
        let w = k + high;
        low + ((k - w) + high) + w
    }
    fn slow(x: f64) -> f64 {
        x.log2()
    }
}

pub(super) struct Log10;
impl Lanes for Log10 {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        is_normal_positive(x)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        const HI: f64 = 4.34294481878168880939e-01;
        const LO: f64 = 2.50829467116452752298e-11;
        const LOG10_2_HI: f64 = 3.01029995663611771306e-01;
        const LOG10_2_LO: f64 = 3.69423907715893078616e-13;
        let (k, m) = split(x);
        let (hi, lo) = log_parts::<FMA>(m);
        let high = hi * HI;
        let whole = k * LOG10_2_HI;
        let low = k * LOG10_2_LO + (lo + hi) * LO + lo * HI;
        let w = whole + high;
        low + ((whole - w) + high) + w
    }
    fn slow(x: f64) -> f64 {
        x.log10()
    }
}

/// `log(1 + x + low)` for `x` above -1 and below infinity, `low` being what `x` has lost by rounding.
#[inline(always)]
pub(super) fn log1p<const FMA: bool>(x: f64, low: f64) -> f64 {
    let u = 1.0 + x;
    let (k, m) = split(u);
    let whole = k == 0.0;
    // What rounding has left of x in the sum, over u; not needed where f is x itself.
    let left = if k >= 2.0 {
        1.0 - (u - x)
    } else {
        x - (u - 1.0)
    };
    let left = ((if whole { 0.0 } else { left }) + low) / u;
    let f = if whole { x } else { m - 1.0 };
    let (half, rest) = series::<FMA>(f);
    k * LN2_HI - ((half - (rest + fma::<FMA>(k, LN2_LO, left))) - f)
}

pub(super) struct Log1p;
impl Lanes for Log1p {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        (x > -1.0) & (x < f64::INFINITY)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        // Keeps the sign of zero.
        if x == 0.0 { x } else { log1p::<FMA>(x, 0.0) }
    }
    fn slow(x: f64) -> f64 {
        x.ln_1p()
    }
}

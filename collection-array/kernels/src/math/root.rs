//! The cube root, after FreeBSD's `s_cbrt.c`: a guess from the exponent, a polynomial, and a step of Newton's method.

#![allow(
    clippy::manual_range_contains,
    reason = "both comparisons are made, so that there is no branch"
)]
#![allow(
    clippy::excessive_precision,
    reason = "coefficients are written as fdlibm prints them"
)]

use super::Lanes;

/// The root of a normal number, with its sign.
#[inline(always)]
fn root(x: f64) -> f64 {
    const GUESS: u64 = 715_094_163;
    let a = x.abs();
    let third = ((a.to_bits() >> 32) * 0xaaaa_aaab) >> 33;
    let t = f64::from_bits((third + GUESS) << 32);
    // 23 bits from 5.
    let r = (t * t) * (t / a);
    let high = (r * r * r) * (-0.758397934778766047437 + r * 0.145996192886612446982);
    let low = 1.87595182427177009643 + r * (-1.88497979543377169875 + r * 1.621429720105354466140);
    let t = t * (low + high);
    // Rounded to 23 bits, so that the square below has no error.
    let t = f64::from_bits(t.to_bits().wrapping_add(0x8000_0000) & 0xffff_ffff_c000_0000);
    let s = t * t;
    let r = a / s;
    let w = t + t;
    (t + t * ((r - t) / (w + r))).copysign(x)
}

pub(super) struct Cbrt;
impl Lanes for Cbrt {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        let a = x.abs();
        (a >= f64::MIN_POSITIVE) & (a < f64::INFINITY)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        root(x)
    }
    fn slow(x: f64) -> f64 {
        const UP: f64 = 18_014_398_509_481_984.0;
        if x == 0.0 || !x.is_finite() {
            return x;
        }
        // A subnormal number: 2^54 has a whole root.
        root(x * UP) / 262_144.0
    }
}

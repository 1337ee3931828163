//! Sine, cosine, tangent and their inverses.
//!
//! Arguments are brought to [-pi/4, pi/4] by taking off a multiple of pi/2 that is held in parts (Cody and Waite 1980); the
//! kernels on that interval, and the intervals and polynomials of the inverses, are fdlibm's `k_sin.c`, `k_cos.c`,
//! `s_atan.c`, `e_asin.c` and `e_acos.c`.

#![allow(
    clippy::excessive_precision,
    reason = "coefficients are written as fdlibm prints them"
)]

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4};

use super::{Lanes, ROUNDER, fma, poly};

/// With fused products the three parts of pi/2 carry 160 bits, and the quotient is exact far beyond this.
const LIMIT_FMA: f64 = 1e9;
/// Without, each part has 33 bits, so that its product with a quotient of 20 bits is exact.
const LIMIT: f64 = 823_549.0;

/// `x` less the nearest multiple of pi/2, and which multiple that is, modulo 4 in the low bits.
#[inline(always)]
fn reduce<const FMA: bool>(x: f64) -> (f64, u64) {
    let t = fma::<FMA>(x, FRAC_2_PI, ROUNDER);
    let k = t - ROUNDER;
    let r = if FMA {
        let r = (-k).mul_add(FRAC_PI_2, x);
        let r = (-k).mul_add(6.123_233_995_736_766e-17, r);
        (-k).mul_add(-1.497_384_904_859_183_3e-33, r)
    } else {
        let first = x - k * 1.57079632673412561417e+00;
        let part = k * 6.07710050630396597660e-11;
        let r = first - part;
        let lost = (first - r) - part;
        r - (k * 2.02226624879595063154e-21 - lost)
    };
    (r, t.to_bits())
}

#[inline(always)]
fn fits<const FMA: bool>(x: f64) -> bool {
    x.abs() <= if FMA { LIMIT_FMA } else { LIMIT }
}

/// Sine on [-pi/4, pi/4].
#[inline(always)]
fn sin_kernel<const FMA: bool>(r: f64) -> f64 {
    let z = r * r;
    let p = poly::<FMA, 6>(
        z,
        [
            -1.66666666666666324348e-01,
            8.33333333332248946124e-03,
            -1.98412698298579493134e-04,
            2.75573137070700676789e-06,
            -2.50507602534068634195e-08,
            1.58969099521155010221e-10,
        ],
    );
    fma::<FMA>(z * r, p, r)
}

/// Cosine on [-pi/4, pi/4].
#[inline(always)]
fn cos_kernel<const FMA: bool>(r: f64) -> f64 {
    let z = r * r;
    let p = poly::<FMA, 6>(
        z,
        [
            4.16666666666666019037e-02,
            -1.38888888888741095749e-03,
            2.48015872894767294178e-05,
            -2.75573143513906633035e-07,
            2.08757232129817482790e-09,
            -1.13596475577881948265e-11,
        ],
    );
    let half = 0.5 * z;
    let w = 1.0 - half;
    w + fma::<FMA>(z * z, p, (1.0 - w) - half)
}

/// The kernel that quadrant `q` of the sine asks for, with its sign.
#[inline(always)]
fn quadrant<const FMA: bool>(r: f64, q: u64) -> f64 {
    let (s, c) = (sin_kernel::<FMA>(r), cos_kernel::<FMA>(r));
    let v = if q & 1 == 0 { s } else { c };
    f64::from_bits(v.to_bits() ^ ((q & 2) << 62))
}

/// The sign of a zero, which the reduction loses.
#[inline(always)]
fn keep_zero(x: f64, v: f64) -> f64 {
    if x == 0.0 { x } else { v }
}

pub(super) struct Sin;
impl Lanes for Sin {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        fits::<FMA>(x)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let (r, q) = reduce::<FMA>(x);
        keep_zero(x, quadrant::<FMA>(r, q))
    }
    fn slow(x: f64) -> f64 {
        x.sin()
    }
}

pub(super) struct Cos;
impl Lanes for Cos {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        fits::<FMA>(x)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let (r, q) = reduce::<FMA>(x);
        quadrant::<FMA>(r, q.wrapping_add(1))
    }
    fn slow(x: f64) -> f64 {
        x.cos()
    }
}

pub(super) struct Tan;
impl Lanes for Tan {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        fits::<FMA>(x)
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let (r, q) = reduce::<FMA>(x);
        let (s, c) = (sin_kernel::<FMA>(r), cos_kernel::<FMA>(r));
        let odd = q & 1 != 0;
        keep_zero(x, (if odd { -c } else { s }) / (if odd { s } else { c }))
    }
    fn slow(x: f64) -> f64 {
        x.tan()
    }
}

pub(super) struct Atan;
impl Lanes for Atan {
    #[inline(always)]
    fn fits<const FMA: bool>(_x: f64) -> bool {
        // Infinity becomes 0 below, and NaN stays.
        true
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let a = x.abs();
        // atan(a) = atan(b) + atan((a - b) / (1 + a b)) for the nearest b of 0, 1/2, 1, 3/2 and infinity.
        let (mut top, mut bottom, mut hi, mut lo) = (a, 1.0, 0.0, 0.0);
        let near = |from: f64| a >= from;
        if near(0.4375) {
            (top, bottom) = (2.0 * a - 1.0, 2.0 + a);
            (hi, lo) = (4.63647609000806093515e-01, 2.26987774529616870924e-17);
        }
        if near(0.6875) {
            (top, bottom) = (a - 1.0, a + 1.0);
            (hi, lo) = (FRAC_PI_4, 3.06161699786838301793e-17);
        }
        if near(1.1875) {
            (top, bottom) = (a - 1.5, 1.0 + 1.5 * a);
            (hi, lo) = (9.82793723247329054082e-01, 1.39033110312309984516e-17);
        }
        if near(2.4375) {
            (top, bottom) = (-1.0, a);
            (hi, lo) = (FRAC_PI_2, 6.12323399573676603587e-17);
        }
        let t = top / bottom;
        let z = t * t;
        let w = z * z;
        let even = poly::<FMA, 6>(
            w,
            [
                3.33333333333329318027e-01,
                1.42857142725034663711e-01,
                9.09088713343650656196e-02,
                6.66107313738753120669e-02,
                4.97687799461593236017e-02,
                1.62858201153657823623e-02,
            ],
        );
        let odd = poly::<FMA, 5>(
            w,
            [
                -1.99999999998764832476e-01,
                -1.11111104054623557880e-01,
                -7.69187620504482999495e-02,
                -5.83357013379057348645e-02,
                -3.65315727442169155270e-02,
            ],
        );
        let s = z * even + w * odd;
        (hi - ((t * s - lo) - t)).copysign(x)
    }
    fn slow(x: f64) -> f64 {
        x.atan()
    }
}

/// `(asin(sqrt(z)) - sqrt(z)) / sqrt(z)` for z up to 1/4.
#[inline(always)]
fn asin_kernel<const FMA: bool>(z: f64) -> f64 {
    let p = poly::<FMA, 6>(
        z,
        [
            1.66666666666666657415e-01,
            -3.25565818622400915405e-01,
            2.01212532134862925881e-01,
            -4.00555345006794114027e-02,
            7.91534994289814532176e-04,
            3.47933107596021167570e-05,
        ],
    );
    let q = poly::<FMA, 5>(
        z,
        [
            1.0,
            -2.40339491173441421878e+00,
            2.02094576023350569471e+00,
            -6.88283971605453293030e-01,
            7.70381505559019352791e-02,
        ],
    );
    z * p / q
}

const FRAC_PI_2_LO: f64 = 6.12323399573676603587e-17;

pub(super) struct Asin;
impl Lanes for Asin {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        x.abs() <= 1.0
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let a = x.abs();
        let small = a < 0.5;
        let z = if small { a * a } else { 0.5 * (1.0 - a) };
        let root = z.sqrt();
        let r = asin_kernel::<FMA>(z);
        let near = a + a * r;
        let half = root + fma::<FMA>(root, r, root_rest::<FMA>(root, z));
        let far = FRAC_PI_2 - (2.0 * half - FRAC_PI_2_LO);
        (if small { near } else { far }).copysign(x)
    }
    fn slow(x: f64) -> f64 {
        x.asin()
    }
}

pub(super) struct Acos;
impl Lanes for Acos {
    #[inline(always)]
    fn fits<const FMA: bool>(x: f64) -> bool {
        x.abs() <= 1.0
    }
    #[inline(always)]
    fn fast<const FMA: bool>(x: f64) -> f64 {
        let a = x.abs();
        let small = a < 0.5;
        let z = if small { a * a } else { 0.5 * (1.0 - a) };
        let root = z.sqrt();
        let r = asin_kernel::<FMA>(z);
        let near = FRAC_PI_2 - (x - (FRAC_PI_2_LO - x * r));
        // Near 1 the root is the whole result.
        let above = 2.0 * (root + fma::<FMA>(root, r, root_rest::<FMA>(root, z)));
        let below = 2.0 * (FRAC_PI_2 - (root + (root * r - FRAC_PI_2_LO)));
        let far = if x < 0.0 { below } else { above };
        if small { near } else { far }
    }
    fn slow(x: f64) -> f64 {
        x.acos()
    }
}

/// What the square root of `z` has rounded off.
#[inline(always)]
fn root_rest<const FMA: bool>(root: f64, z: f64) -> f64 {
    let rest = if FMA {
        (-root).mul_add(root, z)
    } else {
        split_rest(root, z)
    };
    if root == 0.0 {
        0.0
    } else {
        rest / (2.0 * root)
    }
}

/// `z - root * root` by halves of the digits (Dekker 1971).
#[inline(always)]
fn split_rest(root: f64, z: f64) -> f64 {
    let hi = f64::from_bits(root.to_bits() & 0xffff_ffff_f800_0000);
    let lo = root - hi;
    ((z - hi * hi) - 2.0 * hi * lo) - lo * lo
}

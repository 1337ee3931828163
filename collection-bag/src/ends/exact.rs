//! Sums of floats without rounding: a fixed-point number that is wide enough for every float, so that the sum of the same numbers is
//! the same in any order and in any partitions. It is rounded once, when somebody wants to see it.
//!
//! This is the idea of Kulisch's long accumulator, with limbs that leave room for carries as in Neal (2015, "Fast exact summation using small and
//! large superaccumulators").

use kvern_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The power of two that the lowest bit of a sum of floats stands for: that of the least subnormal.
pub(crate) const LEAST: i32 = -1074;

/// Limbs of a sum of floats or 64-bit integers: from 2^-1074 to 2^1024, times 2^64 of them.
const SUM: usize = 68;

/// Limbs of a sum of their squares.
const SQUARES: usize = 136;

/// So many numbers are added before carries are carried on. Each adds less than 2^32 to a limb of 63 bits.
const MOST: u32 = 1 << 30;

/// A signed fixed-point number: 32 bits a limb, the lowest first, with room for carries above them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exact {
    limbs: Vec<i64>,
    /// Numbers added since carries were carried on.
    added: u32,
}

impl Exact {
    /// Of numbers in units of 2^[`LEAST`].
    pub(crate) fn of_numbers() -> Self {
        Self {
            limbs: vec![0; SUM],
            added: 0,
        }
    }

    /// Of squares, in units of 2^(2 [`LEAST`]).
    pub(crate) fn of_squares() -> Self {
        Self {
            limbs: vec![0; SQUARES],
            added: 0,
        }
    }

    /// Adds `m` times 2^`shift` units, or takes it away.
    #[inline]
    pub(crate) fn add(&mut self, negative: bool, m: u64, shift: usize) {
        let wide = u128::from(m) << (shift & 31);
        let sign = i64::from(negative).wrapping_neg();
        let signed = |part: i64| (part ^ sign).wrapping_sub(sign);
        let at = shift >> 5;
        // Cannot be out of range for the exponents that there are; a forged number adds nothing.
        if let Some([a, b, c]) = self.limbs.get_mut(at..at + 3) {
            *a = a.wrapping_add(signed((wide & 0xffff_ffff) as i64));
            *b = b.wrapping_add(signed((wide >> 32 & 0xffff_ffff) as i64));
            *c = c.wrapping_add(signed((wide >> 64) as i64));
        }
        self.added += 1;
        if self.added >= MOST {
            self.carry();
        }
    }

    /// Adds the square of `m` times 2^`shift`.
    #[inline]
    pub(crate) fn add_square(&mut self, m: u64, shift: usize) {
        let square = u128::from(m) * u128::from(m);
        self.add(false, square as u64, 2 * shift);
        let high = (square >> 64) as u64;
        if high != 0 {
            self.add(false, high, 2 * shift + 64);
        }
    }

    /// All limbs but the highest between 0 and 2^32.
    fn carry(&mut self) {
        let mut over = 0i64;
        let last = self.limbs.len() - 1;
        for limb in &mut self.limbs[..last] {
            let sum = limb.wrapping_add(over);
            over = sum >> 32;
            *limb = sum & 0xffff_ffff;
        }
        self.limbs[last] = self.limbs[last].wrapping_add(over);
        self.added = 0;
    }

    /// Adds another sum.
    ///
    /// # Errors
    /// If it is of another kind: forged bytes.
    pub(crate) fn merge(&mut self, mut other: Self) -> Result<()> {
        if self.limbs.len() != other.limbs.len() || other.limbs.is_empty() {
            let words = "partial sums of different kinds";
            return Err(Error::new(ErrorKind::Decode, words));
        }
        self.carry();
        other.carry();
        for (a, b) in self.limbs.iter_mut().zip(other.limbs) {
            *a = a.wrapping_add(b);
        }
        self.added = 1;
        Ok(())
    }

    /// The sign (whether it is negative) and the digits of the absolute value.
    pub(crate) fn digits(mut self) -> (bool, Digits) {
        if self.limbs.is_empty() {
            return (false, Digits(Vec::new()));
        }
        self.carry();
        let negative = self.limbs.last().is_some_and(|&top| top < 0);
        if negative {
            self.limbs.iter_mut().for_each(|l| *l = l.wrapping_neg());
            self.carry();
        }
        let last = self.limbs.len() - 1;
        let mut digits: Vec<u32> = self.limbs[..last].iter().map(|&l| l as u32).collect();
        let top = self.limbs[last] as u64;
        digits.extend([top as u32, (top >> 32) as u32]);
        (negative, Digits(digits).trimmed())
    }
}

/// A whole number: digits of 32 bits, the lowest first, without zeros at the top.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Digits(Vec<u32>);

impl Digits {
    fn trimmed(mut self) -> Self {
        let used = self.0.iter().rposition(|&d| d != 0).map_or(0, |i| i + 1);
        self.0.truncate(used);
        self
    }

    /// The number times another.
    pub(crate) fn times(&self, other: &Self) -> Self {
        let mut product = vec![0u32; self.0.len() + other.0.len()];
        for (i, &a) in self.0.iter().enumerate() {
            let mut over = 0u64;
            for (j, &b) in other.0.iter().enumerate() {
                let sum = u64::from(product[i + j]) + u64::from(a) * u64::from(b) + over;
                product[i + j] = sum as u32;
                over = sum >> 32;
            }
            product[i + other.0.len()] = over as u32;
        }
        Self(product).trimmed()
    }

    /// The number as digits.
    pub(crate) fn of(n: u64) -> Self {
        Self(vec![n as u32, (n >> 32) as u32]).trimmed()
    }

    /// What is left when a number that is not larger is taken away.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut rest = self.0.clone();
        let mut borrow = 0i64;
        for (i, digit) in rest.iter_mut().enumerate() {
            let d = i64::from(*digit) - i64::from(other.0.get(i).copied().unwrap_or(0)) - borrow;
            borrow = i64::from(d < 0);
            *digit = d as u32;
        }
        Self(rest).trimmed()
    }

    /// The number times 2^-`down`, divided by the divisors one after another (none is 0).
    pub(crate) fn over(&self, divisors: &[u64], power: i32) -> Scaled {
        // So many more bits below that the quotient has 64 of them, whatever the divisors.
        let room = 2 + 2 * divisors.len();
        let mut digits = vec![0u32; room];
        digits.extend(&self.0);
        let power = power - 32 * room as i32;
        let mut left = false;
        for &by in divisors {
            let mut rest = 0u128;
            for digit in digits.iter_mut().rev() {
                let have = rest << 32 | u128::from(*digit);
                *digit = (have / u128::from(by)) as u32;
                rest = have % u128::from(by);
            }
            left |= rest != 0;
        }
        Self(digits).trimmed().scaled(power, left)
    }

    /// The number times 2^`power`. `left`: a little more than that.
    fn scaled(&self, power: i32, left: bool) -> Scaled {
        let Some(&top) = self.0.last() else {
            return Scaled {
                bits: 0,
                power: 0,
                left,
            };
        };
        let digit = |back: usize| {
            let at = self.0.len().checked_sub(back);
            at.map_or(0, |i| self.0[i])
        };
        let shift = top.leading_zeros();
        let three = u128::from(top) << 64 | u128::from(digit(2)) << 32 | u128::from(digit(3));
        // 96 bits of which the highest `shift` are 0: the first 64 after them.
        let bits = (three << shift >> 32) as u64;
        let below = three << shift & 0xffff_ffff != 0;
        let rest = self.0.len().saturating_sub(3);
        let left = left || below || self.0[..rest].iter().any(|&d| d != 0);
        Scaled {
            bits,
            power: power + 32 * self.0.len() as i32 - 64 - shift as i32,
            left,
        }
    }
}

/// `bits` times 2^`power`, and a little more if `left` says so. The highest bit is set unless it is 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scaled {
    bits: u64,
    power: i32,
    left: bool,
}

impl Scaled {
    /// The nearest float, of two equally near the even one.
    pub(crate) fn to_f64(self) -> f64 {
        if self.bits == 0 {
            return 0.0;
        }
        // The value is at least 2^top, and less than twice that.
        let top = self.power + 63;
        if top > 1023 {
            return f64::INFINITY;
        }
        // Bits that a float has no room for; more of them below the least normal one.
        let drop = 11 + (-1022 - top).max(0) as u32;
        let (kept, beyond) = match drop {
            0..64 => (self.bits >> drop, self.bits << (64 - drop)),
            64 => (0, self.bits),
            _ => (0, 1),
        };
        let half = 1u64 << 63;
        let up = match beyond.cmp(&half) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => self.left || kept & 1 == 1,
            std::cmp::Ordering::Less => false,
        };
        // A carry out of the fraction goes into the exponent, as it should.
        let fraction = kept + u64::from(up);
        let exponent = (top + 1022).max(0) as u64;
        f64::from_bits((exponent << 52) + fraction)
    }

    /// The square root, rounded, also of what is beyond all floats.
    pub(crate) fn sqrt(self) -> f64 {
        // An even power, and a number that is about 2^63.
        let (bits, power) = match self.power.rem_euclid(2) {
            0 => (self.bits as f64, self.power),
            _ => (self.bits as f64 * 2.0, self.power - 1),
        };
        let root = bits.sqrt();
        // Between 2^31 and 2^33, times 2^(power / 2), which may have to be applied in two steps.
        let half = power / 2;
        let part = |p: i32| f64::from_bits(((p + 1023).clamp(0, 2046) as u64) << 52);
        let first = half.clamp(-1000, 900);
        root * part(first) * part((half - first).clamp(-1000, 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(x: f64) -> (bool, u64, usize) {
        let bits = x.to_bits();
        let (e, m) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
        let m = if e == 0 { m } else { m | 1 << 52 };
        (x.is_sign_negative(), m, e.max(1) as usize - 1)
    }

    fn sum(xs: &[f64]) -> f64 {
        let mut all = Exact::of_numbers();
        for &x in xs {
            let (negative, m, shift) = parts(x);
            all.add(negative, m, shift);
        }
        let (negative, digits) = all.digits();
        let value = digits.over(&[], LEAST).to_f64();
        if negative { -value } else { value }
    }

    fn random(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    #[test]
    fn every_float_is_itself() {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..200_000 {
            let x = f64::from_bits(random(&mut seed));
            if x.is_finite() {
                assert_eq!(sum(&[x]).to_bits(), (x + 0.0).to_bits(), "{x:e}");
                // Two floats: the hardware rounds their exact sum.
                let y = f64::from_bits(random(&mut seed));
                if y.is_finite() {
                    let want = x + y;
                    assert_eq!(sum(&[x, y]).to_bits(), want.to_bits(), "{x:e} + {y:e}");
                }
                // Near each other, where it rounds.
                let near = x * (1.0 + (random(&mut seed) >> 40) as f64 / 1e3);
                if near.is_finite() {
                    assert_eq!(sum(&[x, near]), x + near, "{x:e} + {near:e}");
                    assert_eq!(sum(&[x, -near]), x - near, "{x:e} - {near:e}");
                }
            }
        }
    }

    #[test]
    fn cancelling_leaves_what_is_left() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[1e308, 1e308, -1e308]), 1e308);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[5e-324, f64::MAX, -f64::MAX]), 5e-324);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[-0.1; 10]), -1.0);
    }

    #[test]
    fn quotients_are_those_of_the_hardware() {
        let mut seed = 77;
        for _ in 0..100_000 {
            let x = f64::from_bits(random(&mut seed) & !(1 << 63));
            let by = (random(&mut seed) >> 20).max(1);
            if x.is_finite() {
                let mut all = Exact::of_numbers();
                let (_, m, shift) = parts(x);
                all.add(false, m, shift);
                let got = all.digits().1.over(&[by], LEAST).to_f64();
                // Integers below 2^53 are floats: the hardware's quotient is the rounded one.
                assert_eq!(got.to_bits(), (x / by as f64).to_bits(), "{x:e} / {by}");
            }
        }
    }

    #[test]
    fn squares_and_roots() {
        let mut seed = 5;
        for _ in 0..50_000 {
            let x = f64::from_bits(random(&mut seed) & !(1 << 63));
            if x.is_finite() {
                let mut all = Exact::of_squares();
                let (_, m, shift) = parts(x);
                all.add_square(m, shift);
                let scaled = all.digits().1.over(&[], 2 * LEAST);
                assert_eq!(scaled.to_f64().to_bits(), (x * x).to_bits(), "{x:e}");
                // The root of the square, though the square be no float.
                let root = scaled.sqrt();
                assert!((root - x).abs() <= x * 1e-15 + 5e-324, "{x:e}: {root:e}");
            }
        }
    }

    #[test]
    fn digits_are_a_number() {
        let (a, b) = (u64::MAX, 0x1234_5678_9abc_def1);
        let product = Digits::of(a).times(&Digits::of(b));
        let want = u128::from(a) * u128::from(b);
        let mut digits: Vec<u32> = (0..4).map(|i| (want >> (32 * i)) as u32).collect();
        digits.retain(|&d| d != 0);
        assert_eq!(product.0, digits);
        assert_eq!(product.minus(&product), Digits(Vec::new()));
        assert_eq!(Digits::of(a).minus(&Digits::of(b)), Digits::of(a - b));
    }

    #[test]
    fn carries_are_carried_on() {
        let mut all = Exact::of_numbers();
        let (_, m, shift) = parts(f64::MAX);
        for _ in 0..1000 {
            all.add(false, m, shift);
            all.added = MOST - 1;
        }
        let mut less = Exact::of_numbers();
        for _ in 0..1000 {
            less.add(true, m, shift);
        }
        less.add(false, 3, 1074);
        all.merge(less).unwrap();
        assert_eq!(all.digits().1.over(&[], LEAST).to_f64(), 3.0);
        assert!(Exact::of_numbers().merge(Exact::of_squares()).is_err());
    }
}

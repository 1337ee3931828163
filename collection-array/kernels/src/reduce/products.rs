//! Products of floats, mantissa and exponent apart: nothing overflows or underflows on the way, so a product is the same in whatever
//! groups its factors are multiplied, but for its last bits, and a zero among finite factors gives zero.

use std::any::Any;

use kvern_pages::filled;

use super::super::any_slice::AnySlice;
use super::super::level::{Body, Level, Loop};
use super::accumulate::{Accumulate, Finished, GROUP, ShortRows};
use super::rows::{RowArgs, Rows, Segment, call_rows};

/// A product: `mantissa * 2^exponent`. The mantissa is of `[1, 2)` with a sign; or it is 0, infinite or NaN, and the exponent means
/// nothing.
pub(super) type Product = (f64, i64);

const EXPONENT: u64 = 0x7ff << 52;
const ONE: u64 = 1023 << 52;
const LANES: usize = 32;
/// So many factors below 2 can be multiplied before the mantissas of the lanes are brought back.
const RUN: usize = 512;

/// The exponent field.
#[inline(always)]
fn field(bits: u64) -> u64 {
    (bits & EXPONENT) >> 52
}

/// Zero, subnormal, infinite or NaN: a number whose bits are not mantissa and exponent.
#[inline(always)]
fn is_special(bits: u64) -> bool {
    field(bits).wrapping_sub(1) >= 0x7fe
}

/// The mantissa of a number that is not special, with its sign.
#[inline(always)]
fn mantissa(bits: u64) -> f64 {
    f64::from_bits((bits & !EXPONENT) | ONE)
}

/// A number with its exponent apart.
fn apart(v: f64) -> Product {
    const UP: f64 = 18_014_398_509_481_984.0;
    let bits = v.to_bits();
    if !is_special(bits) {
        return (mantissa(bits), field(bits) as i64 - 1023);
    }
    if v == 0.0 || !v.is_finite() {
        return (v, 0);
    }
    // A subnormal number: 2^54 times it is none.
    let bits = (v * UP).to_bits();
    (mantissa(bits), field(bits) as i64 - 1023 - 54)
}

/// Two products as one.
pub(super) fn times(a: Product, b: Product) -> Product {
    let (m, e) = apart(a.0 * b.0);
    (m, a.1.wrapping_add(b.1).wrapping_add(e))
}

/// The number that a product is, rounded once where it is subnormal.
pub(super) fn together((m, e): Product) -> f64 {
    let power = |k: i64| f64::from_bits(((k + 1023) as u64) << 52);
    if m == 0.0 || !m.is_finite() {
        return m;
    }
    match e {
        1024.. => f64::INFINITY.copysign(m),
        -1022.. => m * power(e),
        _ => m * power(-1022) * power(e.max(-1082) + 1022),
    }
}

/// The product of factors of which some are special.
#[inline(never)]
fn slow_product(x: &[f64]) -> Product {
    x.iter().fold((1.0, 0), |all, &v| times(all, apart(v)))
}

struct WholeRun;
impl Body<Segment<f64, Product>> for WholeRun {
    #[inline(always)]
    fn run<const FMA: bool>(x: &[f64]) -> Product {
        let mut all: Product = (1.0, 0);
        let mut special = false;
        for run in x.chunks(LANES * RUN) {
            let mut m = [1.0_f64; LANES];
            let mut e = [0_u64; LANES];
            let mut odd = [false; LANES];
            let (whole, rest) = run.as_chunks::<LANES>();
            for chunk in whole {
                for i in 0..LANES {
                    let bits = chunk[i].to_bits();
                    m[i] *= mantissa(bits);
                    e[i] += field(bits);
                    odd[i] |= is_special(bits);
                }
            }
            special |= odd.iter().any(|&o| o);
            let (mut left, mut exponents) = ((1.0, 0), 0);
            for (&m, &e) in m.iter().zip(&e) {
                exponents += e as i64;
                left = times(left, apart(m));
            }
            left.1 += exponents - 1023 * (whole.len() * LANES) as i64;
            for &v in rest {
                special |= is_special(v.to_bits());
                left = times(left, apart(v));
            }
            all = times(all, left);
        }
        if special {
            all = slow_product(x);
        }
        all
    }
}

/// Rows into mantissas (`acc`) and exponents (`aux`).
struct MultiplyRows<const K: usize>;
impl<const K: usize> Body<Rows<f64, f64, i64>> for MultiplyRows<K> {
    #[inline(always)]
    fn run<const FMA: bool>(args: RowArgs<'_, f64, f64, i64>) {
        let acc = args.acc;
        let n = acc.len();
        let aux = &mut args.aux[..n];
        let rows = args.rows.map(|row| &row[..n]);
        for row in &rows[..K] {
            let mut special = false;
            for j in 0..n {
                let bits = row[j].to_bits();
                let odd = is_special(bits);
                let (factor, exponent) = if odd {
                    (1.0, 1023)
                } else {
                    (mantissa(bits), field(bits))
                };
                let p = acc[j] * factor;
                // What is 0, infinite or NaN stays so, whatever its exponent says.
                let keep = is_special(p.to_bits());
                acc[j] = if keep { p } else { mantissa(p.to_bits()) };
                aux[j] += (exponent + field(p.to_bits())) as i64 - 2046;
                special |= odd;
            }
            if special {
                mend_row(row, acc, aux);
            }
        }
    }
}

/// Multiplies by the special factors of a row, which the loop over it has left out.
#[inline(never)]
fn mend_row(row: &[f64], acc: &mut [f64], aux: &mut [i64]) {
    for ((&v, m), e) in row.iter().zip(acc).zip(aux) {
        if is_special(v.to_bits()) {
            (*m, *e) = times((*m, *e), apart(v));
        }
    }
}

/// Products of `f64` elements.
pub(super) struct Products {
    mantissa: Vec<f64>,
    exponent: Vec<i64>,
    segment: Loop<Segment<f64, Product>>,
    rows: Loop<Rows<f64, f64, i64>>,
    row: Loop<Rows<f64, f64, i64>>,
    level: Level,
}

impl Products {
    pub(super) fn new(outputs: usize, level: Level) -> Self {
        Self {
            mantissa: filled(1.0, outputs),
            exponent: filled(0, outputs),
            segment: Loop::of::<WholeRun>(level),
            rows: Loop::of::<MultiplyRows<GROUP>>(level),
            row: Loop::of::<MultiplyRows<1>>(level),
            level,
        }
    }

    fn multiply(&mut self, at: usize, by: Product) {
        let all = times((self.mantissa[at], self.exponent[at]), by);
        (self.mantissa[at], self.exponent[at]) = all;
    }
}

/// The product of a row too short for vectors: four lanes hide the latency of a multiplication.
#[inline(always)]
fn short_product(row: &[f64]) -> Product {
    let mut m = [1.0; 4];
    let (mut exponents, mut special) = (0, false);
    for chunk in row.chunks(4) {
        for (m, v) in m.iter_mut().zip(chunk) {
            let bits = v.to_bits();
            *m *= mantissa(bits);
            exponents += field(bits);
            special |= is_special(bits);
        }
    }
    if special || row.len() > RUN {
        return slow_product(row);
    }
    let (m, e) = apart((m[0] * m[2]) * (m[1] * m[3]));
    (m, e + exponents as i64 - 1023 * row.len() as i64)
}

impl Accumulate for Products {
    fn segment(&mut self, at: usize, x: AnySlice<'_>, _index: u64) {
        let value = self.segment.call(x.get());
        self.multiply(at, value);
    }

    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], _index: u64, _step: u64) {
        let outputs = at..at + rows[0].len();
        call_rows(
            self.rows,
            self.row,
            rows,
            &mut self.mantissa[outputs.clone()],
            &mut self.exponent[outputs],
        );
    }

    fn short_rows(&mut self, run: ShortRows<'_>) {
        for (at, row) in run.each::<f64>() {
            self.multiply(at, short_product(row));
        }
    }

    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate> {
        Box::new(Self::new(outputs, self.level))
    }

    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, _index: u64) {
        if let Some(o) = other.as_any().downcast_ref::<Self>() {
            for j in 0..n {
                self.multiply(at + j, (o.mantissa[from + j], o.exponent[from + j]));
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn finish(self: Box<Self>) -> Finished {
        Finished::Products {
            mantissa: self.mantissa,
            exponent: self.exponent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_apart_is_itself_together() {
        for v in [
            1.0,
            -0.75,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            -3e-310,
            0.0,
            -0.0,
            f64::INFINITY,
        ] {
            assert_eq!(together(apart(v)).to_bits(), v.to_bits(), "{v:e}");
        }
        assert!(together(apart(f64::NAN)).is_nan());
        assert_eq!(together((1.5, 1024)), f64::INFINITY);
        assert_eq!(together((-1.5, i64::MAX)), f64::NEG_INFINITY);
        assert_eq!(together((1.5, -1075)), 5e-324);
        assert_eq!(together((1.0, -1075)), 0.0);
        assert_eq!(together((-1.0, i64::MIN)).to_bits(), (-0.0_f64).to_bits());
    }
}

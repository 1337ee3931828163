//! Mean and sum of squared distances from it, the ground of variance and standard deviation.
//!
//! A run that goes to one output is taken twice while it is in cache (mean, then squares) and merged by the formula of
//! Chan, Golub and LeVeque (1979). Rows that go to many outputs update them one by one (Welford 1962). Both work on the
//! distance from the first element of each output, so that a mean that is large beside the scatter costs no digits.

use std::any::Any;

use kvern_pages::filled;

use super::super::any_slice::AnySlice;
use super::super::level::{Body, Call, Level, Loop};
use super::accumulate::{Accumulate, Finished, GROUP};

const LANES: usize = 32;

/// Mean and sum of squared distances of two groups together, from those of each.
pub(crate) fn merge(na: f64, a: (f64, f64), nb: f64, b: (f64, f64)) -> (f64, f64) {
    if na == 0.0 {
        return b;
    }
    if nb == 0.0 {
        return a;
    }
    let n = na + nb;
    let d = b.0 - a.0;
    (a.0 + d * (nb / n), a.1 + b.1 + d * d * (na * nb / n))
}

/// A run of elements of one output, and what the mean is told relative to. Out come mean and sum of squared distances.
struct Segment;
impl Call for Segment {
    type Args<'a> = (&'a [f64], f64);
    type Out = (f64, f64);
}

struct WholeRun;
impl Body<Segment> for WholeRun {
    #[inline(always)]
    fn run<const FMA: bool>((x, shift): (&[f64], f64)) -> (f64, f64) {
        let n = x.len() as f64;
        let mean = lanes_sum(x, |v| v) / n;
        // The second sum is what rounding has left in the first.
        let left = lanes_sum(x, |v| v - mean);
        let squares = lanes_sum(x, |v| (v - mean) * (v - mean));
        // Where the squares are too large for a float, both may be infinite, and the variance is so.
        let less = left * (left / n);
        let squares = if less < squares {
            squares - less
        } else {
            squares
        };
        ((mean - shift) + left / n, squares)
    }
}

#[inline(always)]
fn lanes_sum(x: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            lanes[i] += f(chunk[i]);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    rest.iter().fold(lanes[0], |s, &v| s + f(v))
}

struct RowArgs<'a> {
    rows: [&'a [f64]; GROUP],
    shift: &'a [f64],
    mean: &'a mut [f64],
    m2: &'a mut [f64],
    /// One over the number of rows with each one.
    inverse: [f64; GROUP],
}

struct Rows;
impl Call for Rows {
    type Args<'a> = RowArgs<'a>;
    type Out = ();
}

struct UpdateRows<const K: usize>;
impl<const K: usize> Body<Rows> for UpdateRows<K> {
    #[inline(always)]
    fn run<const FMA: bool>(args: RowArgs<'_>) {
        let mean = args.mean;
        let n = mean.len();
        let (shift, m2) = (&args.shift[..n], &mut args.m2[..n]);
        let [r0, r1, r2, r3] = args.rows.map(|row| &row[..n]);
        for j in 0..n {
            let (mut m, mut s) = (mean[j], m2[j]);
            let mut eat = |x: f64, inverse: f64| {
                let y = x - shift[j];
                let d = y - m;
                m += d * inverse;
                s += d * (y - m);
            };
            eat(r0[j], args.inverse[0]);
            if K == GROUP {
                eat(r1[j], args.inverse[1]);
                eat(r2[j], args.inverse[2]);
                eat(r3[j], args.inverse[3]);
            }
            (mean[j], m2[j]) = (m, s);
        }
    }
}

/// Moments of `f64` elements.
pub(crate) struct Moments {
    /// Elements so far: differs between outputs only while a chunk is being eaten.
    count: Vec<u64>,
    /// The first element; means are relative to it.
    shift: Vec<f64>,
    mean: Vec<f64>,
    m2: Vec<f64>,
    segment: Loop<Segment>,
    rows: Loop<Rows>,
    row: Loop<Rows>,
    level: Level,
}

impl Moments {
    pub(crate) fn new(outputs: usize, level: Level) -> Self {
        Self {
            count: filled(0, outputs),
            shift: filled(0.0, outputs),
            mean: filled(0.0, outputs),
            m2: filled(0.0, outputs),
            segment: Loop::of::<WholeRun>(level),
            rows: Loop::of::<UpdateRows<GROUP>>(level),
            row: Loop::of::<UpdateRows<1>>(level),
            level,
        }
    }

    fn add(&mut self, at: usize, n: u64, moments: (f64, f64)) {
        let before = (self.mean[at], self.m2[at]);
        (self.mean[at], self.m2[at]) = merge(self.count[at] as f64, before, n as f64, moments);
        self.count[at] += n;
    }
}

impl Accumulate for Moments {
    fn segment(&mut self, at: usize, x: AnySlice<'_>, _index: u64) {
        let x = x.get::<f64>();
        if self.count[at] == 0 {
            self.shift[at] = x[0];
        }
        let moments = self.segment.call((x, self.shift[at]));
        self.add(at, x.len() as u64, moments);
    }

    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], _index: u64, _step: u64) {
        let outputs = at..at + rows[0].len();
        // All outputs of a row have had equally many elements.
        let before = self.count[at];
        if before == 0 {
            self.shift[outputs.clone()].copy_from_slice(rows[0].get());
        }
        let shift = &self.shift[outputs.clone()];
        let mean = &mut self.mean[outputs.clone()];
        let m2 = &mut self.m2[outputs.clone()];
        let inverse = std::array::from_fn(|i| 1.0 / (before + 1 + i as u64) as f64);
        if let Ok(group) = <[AnySlice<'_>; GROUP]>::try_from(rows) {
            self.rows.call(RowArgs {
                rows: group.map(AnySlice::get),
                shift,
                mean,
                m2,
                inverse,
            });
        } else {
            for (row, inverse) in rows.iter().zip(inverse) {
                self.row.call(RowArgs {
                    rows: [row.get(); GROUP],
                    shift,
                    mean,
                    m2,
                    inverse: [inverse; GROUP],
                });
            }
        }
        self.count[outputs].fill(before + rows.len() as u64);
    }

    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate> {
        Box::new(Self::new(outputs, self.level))
    }

    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, _index: u64) {
        if let Some(o) = other.as_any().downcast_ref::<Self>() {
            for j in 0..n {
                let (i, at) = (from + j, at + j);
                if o.count[i] == 0 {
                    continue;
                }
                if self.count[at] == 0 {
                    self.shift[at] = o.shift[i];
                }
                let mean = o.mean[i] + (o.shift[i] - self.shift[at]);
                self.add(at, o.count[i], (mean, o.m2[i]));
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn finish(self: Box<Self>) -> Finished {
        let mean = self
            .mean
            .iter()
            .zip(&self.shift)
            .map(|(m, s)| m + s)
            .collect();
        Finished::Moments { mean, m2: self.m2 }
    }
}

//! Mean and sum of squared distances from it, the ground of variance and standard deviation.
//!
//! A run that goes to one output is taken twice while it is in cache (mean, then squares) and merged by the formula of
//! Chan, Golub and LeVeque (1979). Rows that go to many outputs update them one by one (Welford 1962). Both work on the
//! distance from the first element of each output, so that a mean that is large beside the scatter costs no digits.

use std::any::Any;

use kvern_pages::filled;

use super::super::level::{Body, Level, clone_for};
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

#[derive(Clone, Copy)]
struct SegmentArgs {
    x: *const f64,
    n: usize,
    /// What the mean is told relative to.
    shift: f64,
    /// Mean and sum of squared distances that the loop writes.
    out: *mut (f64, f64),
}

struct Segment;
impl Body for Segment {
    type Args = SegmentArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: SegmentArgs) {
        // SAFETY: the caller promises n elements at x.
        let x = unsafe { std::slice::from_raw_parts(args.x, args.n) };
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
        // SAFETY: the caller promises room for the pair.
        unsafe {
            args.out.write(((mean - args.shift) + left / n, squares));
        };
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

#[derive(Clone, Copy)]
struct RowArgs {
    x: [*const f64; GROUP],
    n: usize,
    shift: *const f64,
    mean: *mut f64,
    m2: *mut f64,
    /// One over the number of rows with each one.
    inverse: [f64; GROUP],
}

struct Rows<const K: usize>;
impl<const K: usize> Body for Rows<K> {
    type Args = RowArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: RowArgs) {
        let n = args.n;
        // SAFETY: the caller promises K rows and three arrays of n elements, which do not overlap.
        let (rows, shift, mean, m2) = unsafe {
            (
                args.x.map(|p| std::slice::from_raw_parts(p, n)),
                std::slice::from_raw_parts(args.shift, n),
                std::slice::from_raw_parts_mut(args.mean, n),
                std::slice::from_raw_parts_mut(args.m2, n),
            )
        };
        let [r0, r1, r2, r3] = rows;
        let (r0, r1, r2, r3) = (&r0[..n], &r1[..n], &r2[..n], &r3[..n]);
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
    segment: unsafe fn(SegmentArgs),
    rows: unsafe fn(RowArgs),
    row: unsafe fn(RowArgs),
    level: Level,
}

impl Moments {
    pub(crate) fn new(outputs: usize, level: Level) -> Self {
        Self {
            count: filled(0, outputs),
            shift: filled(0.0, outputs),
            mean: filled(0.0, outputs),
            m2: filled(0.0, outputs),
            segment: clone_for::<Segment>(level),
            rows: clone_for::<Rows<GROUP>>(level),
            row: clone_for::<Rows<1>>(level),
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
    unsafe fn segment(&mut self, at: usize, x: *const u8, n: usize, _index: u64) {
        let mut moments = (0.0, 0.0);
        // SAFETY: the caller promises n elements of f64, and a run has at least one.
        unsafe {
            if self.count[at] == 0 {
                self.shift[at] = *x.cast::<f64>();
            }
            let (shift, out) = (self.shift[at], &raw mut moments);
            (self.segment)(SegmentArgs {
                x: x.cast(),
                n,
                shift,
                out,
            });
        }
        self.add(at, n as u64, moments);
    }

    unsafe fn rows(&mut self, at: usize, rows: &[*const u8], n: usize, _index: u64, _step: u64) {
        // All outputs of a row have had equally many elements.
        let before = self.count[at];
        if before == 0 {
            // SAFETY: the caller promises n elements of f64 in every row.
            let first = unsafe { std::slice::from_raw_parts(rows[0].cast::<f64>(), n) };
            self.shift[at..at + n].copy_from_slice(first);
        }
        let mut args = RowArgs {
            x: [rows[0].cast(); GROUP],
            n,
            shift: self.shift[at..at + n].as_ptr(),
            mean: self.mean[at..at + n].as_mut_ptr(),
            m2: self.m2[at..at + n].as_mut_ptr(),
            inverse: std::array::from_fn(|i| 1.0 / (before + 1 + i as u64) as f64),
        };
        // SAFETY: the caller promises the rows; the accumulators have been sliced to n elements.
        unsafe {
            if let Ok(x) = <[*const u8; GROUP]>::try_from(rows) {
                args.x = x.map(<*const u8>::cast);
                (self.rows)(args);
            } else {
                for (&x, inverse) in rows.iter().zip(args.inverse) {
                    (args.x, args.inverse) = ([x.cast(); GROUP], [inverse; GROUP]);
                    (self.row)(args);
                }
            }
        }
        self.count[at..at + n].fill(before + rows.len() as u64);
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

//! Sums, products of integers, and counts.
//!
//! A float tile is added up in 32 lanes that are joined pairwise; tiles, and groups of rows, are then added with the
//! rounding error of each addition kept aside (Knuth's TwoSum; Ogita, Rump and Oishi 2005), so the error of a long sum does
//! not grow with its length.

use std::any::Any;
use std::marker::PhantomData;

use kvern_pages::filled;

use super::super::any_slice::AnySlice;
use super::super::level::{Body, Level, Loop};
use super::accumulate::{Accumulate, Finished, GROUP, ShortRows};
use super::products::Products;
use super::rows::{RowArgs, Rows, Segment, call_rows};
use crate::dtype::{DType, Element};

const LANES: usize = 32;

/// Joins lanes pairwise.
#[inline(always)]
fn join<T: Copy>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// `a + b` and its rounding error.
#[inline(always)]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// An operation that a reduction folds with: wrapping for integers.
trait Fold<T> {
    const START: T;
    fn f(a: T, b: T) -> T;
}

struct Add;
struct Mul;
impl Fold<f64> for Add {
    const START: f64 = 0.0;
    #[inline(always)]
    fn f(a: f64, b: f64) -> f64 {
        a + b
    }
}
impl Fold<u64> for Add {
    const START: u64 = 0;
    #[inline(always)]
    fn f(a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }
}
impl Fold<u64> for Mul {
    const START: u64 = 1;
    #[inline(always)]
    fn f(a: u64, b: u64) -> u64 {
        a.wrapping_mul(b)
    }
}

struct FoldSegment<F>(PhantomData<F>);
impl<T: Copy + 'static, F: Fold<T>> Body<Segment<T, T>> for FoldSegment<F> {
    #[inline(always)]
    fn run<const FMA: bool>(x: &[T]) -> T {
        let mut lanes = [F::START; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        for chunk in whole {
            for i in 0..LANES {
                lanes[i] = F::f(lanes[i], chunk[i]);
            }
        }
        let mut tail = F::START;
        for &v in rest {
            tail = F::f(tail, v);
        }
        F::f(join(lanes, F::f), tail)
    }
}

/// Rows of f64 into sums (`acc`) and their rounding errors (`aux`).
struct AddRowsF64<const K: usize>;
impl<const K: usize> Body<Rows<f64, f64, f64>> for AddRowsF64<K> {
    #[inline(always)]
    fn run<const FMA: bool>(args: RowArgs<'_, f64, f64, f64>) {
        let acc = args.acc;
        let n = acc.len();
        let aux = &mut args.aux[..n];
        let [r0, r1, r2, r3] = args.rows.map(|row| &row[..n]);
        for j in 0..n {
            let s = if K == 1 {
                r0[j]
            } else {
                (r0[j] + r1[j]) + (r2[j] + r3[j])
            };
            let (sum, error) = two_sum(acc[j], s);
            acc[j] = sum;
            aux[j] += error;
        }
    }
}

/// Rows into accumulators without error terms.
struct FoldRows<F, const K: usize>(PhantomData<F>);
impl<T: Copy + 'static, F: Fold<T>, const K: usize> Body<Rows<T, T>> for FoldRows<F, K> {
    #[inline(always)]
    fn run<const FMA: bool>(args: RowArgs<'_, T, T, ()>) {
        let acc = args.acc;
        let n = acc.len();
        let [r0, r1, r2, r3] = args.rows.map(|row| &row[..n]);
        for j in 0..n {
            let s = if K == 1 {
                r0[j]
            } else {
                F::f(F::f(r0[j], r1[j]), F::f(r2[j], r3[j]))
            };
            acc[j] = F::f(acc[j], s);
        }
    }
}

/// A row too short for vectors that are set up and joined: four lanes hide the latency of an addition.
#[inline(always)]
fn fold_short<T: Copy, F: Fold<T>>(row: &[T]) -> T {
    let mut lanes = [F::START; 4];
    let (whole, rest) = row.as_chunks::<4>();
    for chunk in whole {
        for i in 0..4 {
            lanes[i] = F::f(lanes[i], chunk[i]);
        }
    }
    let tail = rest.iter().fold(F::START, |s, &v| F::f(s, v));
    F::f(
        F::f(F::f(lanes[0], lanes[2]), F::f(lanes[1], lanes[3])),
        tail,
    )
}

/// Sums in f64 with their rounding errors.
struct SumF64 {
    sum: Vec<f64>,
    error: Vec<f64>,
    segment: Loop<Segment<f64, f64>>,
    rows: Loop<Rows<f64, f64, f64>>,
    row: Loop<Rows<f64, f64, f64>>,
    level: Level,
}

impl SumF64 {
    fn new(outputs: usize, level: Level) -> Self {
        Self {
            sum: filled(0.0, outputs),
            error: filled(0.0, outputs),
            segment: Loop::of::<FoldSegment<Add>>(level),
            rows: Loop::of::<AddRowsF64<GROUP>>(level),
            row: Loop::of::<AddRowsF64<1>>(level),
            level,
        }
    }

    fn add(&mut self, at: usize, value: f64) {
        let (sum, error) = two_sum(self.sum[at], value);
        self.sum[at] = sum;
        self.error[at] += error;
    }
}

impl Accumulate for SumF64 {
    fn segment(&mut self, at: usize, x: AnySlice<'_>, _index: u64) {
        let value = self.segment.call(x.get());
        self.add(at, value);
    }

    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], _index: u64, _step: u64) {
        let outputs = at..at + rows[0].len();
        call_rows(
            self.rows,
            self.row,
            rows,
            &mut self.sum[outputs.clone()],
            &mut self.error[outputs],
        );
    }

    fn short_rows(&mut self, run: ShortRows<'_>) {
        for (at, row) in run.each::<f64>() {
            self.add(at, fold_short::<f64, Add>(row));
        }
    }

    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate> {
        Box::new(Self::new(outputs, self.level))
    }

    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, _index: u64) {
        if let Some(o) = other.as_any().downcast_ref::<Self>() {
            for j in 0..n {
                self.add(at + j, o.sum[from + j]);
                self.error[at + j] += o.error[from + j];
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn finish(self: Box<Self>) -> Finished {
        let mut out = self.sum;
        for (s, e) in out.iter_mut().zip(self.error) {
            // The error term of an infinite sum is NaN.
            if e.is_finite() {
                *s += e;
            }
        }
        Finished::Plain(f64::erase_vec(out))
    }
}

/// Sums and products without error terms. Signed integers are handled as unsigned ones.
struct Folded<T: Element, F> {
    acc: Vec<T>,
    signed: bool,
    segment: Loop<Segment<T, T>>,
    rows: Loop<Rows<T, T>>,
    row: Loop<Rows<T, T>>,
    level: Level,
    op: PhantomData<F>,
}

impl<T: Element, F: Fold<T> + 'static> Folded<T, F> {
    fn new(outputs: usize, signed: bool, level: Level) -> Self {
        Self {
            acc: filled(F::START, outputs),
            signed,
            segment: Loop::of::<FoldSegment<F>>(level),
            rows: Loop::of::<FoldRows<F, GROUP>>(level),
            row: Loop::of::<FoldRows<F, 1>>(level),
            level,
            op: PhantomData,
        }
    }
}

impl<T: Element, F: Fold<T> + 'static> Accumulate for Folded<T, F> {
    fn segment(&mut self, at: usize, x: AnySlice<'_>, _index: u64) {
        self.acc[at] = F::f(self.acc[at], self.segment.call(x.get()));
    }

    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], _index: u64, _step: u64) {
        let acc = &mut self.acc[at..at + rows[0].len()];
        call_rows(self.rows, self.row, rows, acc, &mut []);
    }

    fn short_rows(&mut self, run: ShortRows<'_>) {
        for (at, row) in run.each::<T>() {
            self.acc[at] = F::f(self.acc[at], fold_short::<T, F>(row));
        }
    }

    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate> {
        Box::new(Self::new(outputs, self.signed, self.level))
    }

    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, _index: u64) {
        if let Some(o) = other.as_any().downcast_ref::<Self>() {
            for j in 0..n {
                self.acc[at + j] = F::f(self.acc[at + j], o.acc[from + j]);
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn finish(self: Box<Self>) -> Finished {
        let values = if self.signed {
            i64::erase_vec(
                self.acc
                    .into_iter()
                    .map(|v| v.to_scalar().get::<i64>())
                    .collect(),
            )
        } else {
            T::erase_vec(self.acc)
        };
        Finished::Plain(values)
    }
}

/// Sums of a working dtype: `f64`, `i64` or `u64`; `few` when rounding errors need not be kept aside.
pub(crate) fn sum(d: DType, outputs: usize, few: bool, level: Level) -> Box<dyn Accumulate> {
    match d {
        DType::F64 if few => Box::new(Folded::<f64, Add>::new(outputs, false, level)),
        DType::I64 => Box::new(Folded::<u64, Add>::new(outputs, true, level)),
        DType::U64 => Box::new(Folded::<u64, Add>::new(outputs, false, level)),
        _ => Box::new(SumF64::new(outputs, level)),
    }
}

/// Products of a working dtype: `f64`, `i64` or `u64`.
pub(crate) fn product(d: DType, outputs: usize, level: Level) -> Box<dyn Accumulate> {
    match d {
        DType::I64 => Box::new(Folded::<u64, Mul>::new(outputs, true, level)),
        DType::U64 => Box::new(Folded::<u64, Mul>::new(outputs, false, level)),
        _ => Box::new(Products::new(outputs, level)),
    }
}

/// Bytes that are 0 or 1, counted in byte lanes that are emptied before they can overflow.
struct CountSegment;
impl Body<Segment<u8, u64>> for CountSegment {
    #[inline(always)]
    fn run<const FMA: bool>(x: &[u8]) -> u64 {
        const WIDE: usize = 64;
        let mut total = 0_u64;
        for part in x.chunks(WIDE * 255) {
            let mut lanes = [0_u8; WIDE];
            let (whole, rest) = part.as_chunks::<WIDE>();
            for chunk in whole {
                for i in 0..WIDE {
                    lanes[i] += chunk[i];
                }
            }
            total += lanes.iter().chain(rest).map(|&v| u64::from(v)).sum::<u64>();
        }
        total
    }
}

struct CountRow;
impl Body<Rows<u8, i64>> for CountRow {
    #[inline(always)]
    fn run<const FMA: bool>(args: RowArgs<'_, u8, i64, ()>) {
        for (a, &v) in args.acc.iter_mut().zip(args.rows[0]) {
            *a += i64::from(v);
        }
    }
}

/// How many elements of `bool` are true.
pub(crate) struct Count {
    acc: Vec<i64>,
    segment: Loop<Segment<u8, u64>>,
    row: Loop<Rows<u8, i64>>,
    level: Level,
}

impl Count {
    pub(crate) fn new(outputs: usize, level: Level) -> Self {
        Self {
            acc: filled(0, outputs),
            segment: Loop::of::<CountSegment>(level),
            row: Loop::of::<CountRow>(level),
            level,
        }
    }
}

impl Accumulate for Count {
    fn segment(&mut self, at: usize, x: AnySlice<'_>, _index: u64) {
        self.acc[at] += self.segment.call(x.get()) as i64;
    }

    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], _index: u64, _step: u64) {
        let acc = &mut self.acc[at..at + rows[0].len()];
        for row in rows {
            let rows = [row.get(); GROUP];
            let (acc, aux) = (&mut *acc, &mut [][..]);
            self.row.call(RowArgs { rows, acc, aux });
        }
    }

    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate> {
        Box::new(Self::new(outputs, self.level))
    }

    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, _index: u64) {
        if let Some(o) = other.as_any().downcast_ref::<Self>() {
            for j in 0..n {
                self.acc[at + j] += o.acc[from + j];
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn finish(self: Box<Self>) -> Finished {
        Finished::Plain(i64::erase_vec(self.acc))
    }
}

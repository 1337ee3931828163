//! Sums, products of integers, and counts.
//!
//! A float tile is added up in 32 lanes that are joined pairwise; tiles, and groups of rows, are then added with the
//! rounding error of each addition kept aside (Knuth's TwoSum; Ogita, Rump and Oishi 2005), so the error of a long sum does
//! not grow with its length.

use std::any::Any;
use std::marker::PhantomData;

use kvern_pages::filled;

use super::super::level::{Body, Level, clone_for};
use super::accumulate::{Accumulate, Finished, GROUP, ShortRows};
use super::products::Products;
use crate::dtype::{DType, Element};

/// Elements of one output.
#[derive(Clone, Copy)]
pub(crate) struct SegmentArgs {
    pub(crate) x: *const u8,
    pub(crate) n: usize,
    /// One value that the loop writes.
    pub(crate) out: *mut u8,
}

/// A group of rows, to be added to accumulators element by element.
#[derive(Clone, Copy)]
pub(crate) struct RowArgs {
    pub(crate) x: [*const u8; GROUP],
    pub(crate) n: usize,
    pub(crate) acc: *mut u8,
    /// A second accumulator array, where the reduction has one.
    pub(crate) aux: *mut u8,
}

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

struct FoldSegment<T, F>(PhantomData<(T, F)>);
impl<T: Copy, F: Fold<T>> Body for FoldSegment<T, F> {
    type Args = SegmentArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: SegmentArgs) {
        // SAFETY: the caller promises n elements of T at x.
        let x = unsafe { std::slice::from_raw_parts(args.x.cast::<T>(), args.n) };
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
        // SAFETY: the caller promises room for one value of T.
        unsafe { args.out.cast::<T>().write(F::f(join(lanes, F::f), tail)) };
    }
}

/// Rows of f64 into sums (`acc`) and their rounding errors (`aux`).
struct AddRowsF64<const K: usize>;
impl<const K: usize> Body for AddRowsF64<K> {
    type Args = RowArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: RowArgs) {
        let n = args.n;
        // SAFETY: the caller promises K rows and two accumulator arrays of n elements, which do not overlap.
        let (rows, acc, aux) = unsafe {
            (
                args.x
                    .map(|p| std::slice::from_raw_parts(p.cast::<f64>(), n)),
                std::slice::from_raw_parts_mut(args.acc.cast::<f64>(), n),
                std::slice::from_raw_parts_mut(args.aux.cast::<f64>(), n),
            )
        };
        let [r0, r1, r2, r3] = rows;
        let (r0, r1, r2, r3) = (&r0[..n], &r1[..n], &r2[..n], &r3[..n]);
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
struct FoldRows<T, F, const K: usize>(PhantomData<(T, F)>);
impl<T: Copy, F: Fold<T>, const K: usize> Body for FoldRows<T, F, K> {
    type Args = RowArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: RowArgs) {
        let n = args.n;
        // SAFETY: the caller promises K rows and an accumulator array of n elements, which do not overlap.
        let (rows, acc) = unsafe {
            (
                args.x.map(|p| std::slice::from_raw_parts(p.cast::<T>(), n)),
                std::slice::from_raw_parts_mut(args.acc.cast::<T>(), n),
            )
        };
        let [r0, r1, r2, r3] = rows;
        let (r0, r1, r2, r3) = (&r0[..n], &r1[..n], &r2[..n], &r3[..n]);
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

type SegmentLoop = unsafe fn(SegmentArgs);
type RowLoop = unsafe fn(RowArgs);

/// Sums in f64 with their rounding errors.
struct SumF64 {
    sum: Vec<f64>,
    error: Vec<f64>,
    segment: SegmentLoop,
    rows: RowLoop,
    row: RowLoop,
    level: Level,
}

impl SumF64 {
    fn new(outputs: usize, level: Level) -> Self {
        Self {
            sum: filled(0.0, outputs),
            error: filled(0.0, outputs),
            segment: clone_for::<FoldSegment<f64, Add>>(level),
            rows: clone_for::<AddRowsF64<GROUP>>(level),
            row: clone_for::<AddRowsF64<1>>(level),
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
    unsafe fn segment(&mut self, at: usize, x: *const u8, n: usize, _index: u64) {
        let mut value = 0.0_f64;
        // SAFETY: the caller promises the elements; the level was chosen for this machine.
        unsafe {
            (self.segment)(SegmentArgs {
                x,
                n,
                out: (&raw mut value).cast(),
            });
        };
        self.add(at, value);
    }

    unsafe fn rows(&mut self, at: usize, rows: &[*const u8], n: usize, _index: u64, _step: u64) {
        let acc: *mut u8 = self.sum[at..at + n].as_mut_ptr().cast();
        let aux: *mut u8 = self.error[at..at + n].as_mut_ptr().cast();
        // SAFETY: the caller promises the rows; the accumulators have been sliced to n elements.
        unsafe {
            call_rows(
                self.rows,
                self.row,
                rows,
                RowArgs {
                    x: [rows[0]; GROUP],
                    n,
                    acc,
                    aux,
                },
            );
        };
    }

    unsafe fn short_rows(&mut self, run: ShortRows) {
        // SAFETY: the caller promises the rows.
        for (at, row) in unsafe { run.each::<f64>() } {
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

/// Calls the loop for a full group, or that for one row as often as there are rows.
///
/// # Safety
/// Every row is valid for `args.n` elements, and the accumulators are what both loops need.
pub(crate) unsafe fn call_rows(
    group: RowLoop,
    single: RowLoop,
    rows: &[*const u8],
    mut args: RowArgs,
) {
    if let Ok(x) = <[*const u8; GROUP]>::try_from(rows) {
        args.x = x;
        // SAFETY: the caller's promise.
        unsafe { group(args) };
    } else {
        for &x in rows {
            args.x = [x; GROUP];
            // SAFETY: the caller's promise.
            unsafe { single(args) };
        }
    }
}

/// Sums and products without error terms. Signed integers are handled as unsigned ones.
struct Folded<T, F> {
    acc: Vec<T>,
    signed: bool,
    segment: SegmentLoop,
    rows: RowLoop,
    row: RowLoop,
    level: Level,
    op: PhantomData<F>,
}

impl<T: Element, F: Fold<T> + 'static> Folded<T, F> {
    fn new(outputs: usize, signed: bool, level: Level) -> Self {
        Self {
            acc: filled(F::START, outputs),
            signed,
            segment: clone_for::<FoldSegment<T, F>>(level),
            rows: clone_for::<FoldRows<T, F, GROUP>>(level),
            row: clone_for::<FoldRows<T, F, 1>>(level),
            level,
            op: PhantomData,
        }
    }
}

impl<T: Element, F: Fold<T> + 'static> Accumulate for Folded<T, F> {
    unsafe fn segment(&mut self, at: usize, x: *const u8, n: usize, _index: u64) {
        let mut value = F::START;
        // SAFETY: the caller promises the elements; the level was chosen for this machine.
        unsafe {
            (self.segment)(SegmentArgs {
                x,
                n,
                out: (&raw mut value).cast(),
            });
        };
        self.acc[at] = F::f(self.acc[at], value);
    }

    unsafe fn rows(&mut self, at: usize, rows: &[*const u8], n: usize, _index: u64, _step: u64) {
        let acc: *mut u8 = self.acc[at..at + n].as_mut_ptr().cast();
        // SAFETY: the caller promises the rows; the accumulators have been sliced to n elements.
        unsafe {
            call_rows(
                self.rows,
                self.row,
                rows,
                RowArgs {
                    x: [rows[0]; GROUP],
                    n,
                    acc,
                    aux: acc,
                },
            );
        };
    }

    unsafe fn short_rows(&mut self, run: ShortRows) {
        // SAFETY: the caller promises the rows.
        for (at, row) in unsafe { run.each::<T>() } {
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
impl Body for CountSegment {
    type Args = SegmentArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: SegmentArgs) {
        const WIDE: usize = 64;
        // SAFETY: the caller promises n bytes at x.
        let x = unsafe { std::slice::from_raw_parts(args.x, args.n) };
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
        // SAFETY: the caller promises room for one u64.
        unsafe { args.out.cast::<u64>().write(total) };
    }
}

struct CountRow;
impl Body for CountRow {
    type Args = RowArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: RowArgs) {
        // SAFETY: the caller promises a row of n bytes and n accumulators, which do not overlap.
        let (x, acc) = unsafe {
            (
                std::slice::from_raw_parts(args.x[0], args.n),
                std::slice::from_raw_parts_mut(args.acc.cast::<i64>(), args.n),
            )
        };
        for (a, &v) in acc.iter_mut().zip(x) {
            *a += i64::from(v);
        }
    }
}

/// How many elements of `bool` are true.
pub(crate) struct Count {
    acc: Vec<i64>,
    segment: SegmentLoop,
    row: RowLoop,
    level: Level,
}

impl Count {
    pub(crate) fn new(outputs: usize, level: Level) -> Self {
        Self {
            acc: filled(0, outputs),
            segment: clone_for::<CountSegment>(level),
            row: clone_for::<CountRow>(level),
            level,
        }
    }
}

impl Accumulate for Count {
    unsafe fn segment(&mut self, at: usize, x: *const u8, n: usize, _index: u64) {
        let mut value = 0_u64;
        // SAFETY: the caller promises n elements of bool, which are the bytes 0 and 1.
        unsafe {
            (self.segment)(SegmentArgs {
                x,
                n,
                out: (&raw mut value).cast(),
            });
        };
        self.acc[at] += value as i64;
    }

    unsafe fn rows(&mut self, at: usize, rows: &[*const u8], n: usize, _index: u64, _step: u64) {
        let acc: *mut u8 = self.acc[at..at + n].as_mut_ptr().cast();
        for &x in rows {
            // SAFETY: the caller promises the row; the accumulators have been sliced to n elements.
            unsafe {
                (self.row)(RowArgs {
                    x: [x; GROUP],
                    n,
                    acc,
                    aux: acc,
                });
            };
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

//! Least and greatest elements, and their positions. `any` and `all` are the greatest and the least of `bool`.

use std::any::Any;
use std::marker::PhantomData;

use super::super::chunk::AnyVec;
use super::super::level::{Body, Level, clone_for};
use super::accumulate::{Accumulate, Finished, GROUP};
use super::sums::{RowArgs, SegmentArgs};
use crate::dtype::{DType, Element, with_dtype};

/// Elements with an order; `bool` is handled as the byte that it is.
trait Lane: Element {
    /// Nothing is above it.
    const TOP: Self;
    /// Nothing is below it.
    const BOTTOM: Self;
    /// As the kernels order it.
    fn below(self, other: Self) -> bool;
    fn is_nan(self) -> bool;
}

macro_rules! lanes {
    ($($t:ty: $bottom:expr, $top:expr, |$v:ident| $nan:expr, $below:expr;)*) => { $(
        impl Lane for $t {
            const TOP: Self = $top;
            const BOTTOM: Self = $bottom;
            #[inline(always)]
            fn below(self, other: Self) -> bool { let f: fn($t, $t) -> bool = $below; f(self, other) }
            #[inline(always)]
            fn is_nan(self) -> bool { let $v = self; $nan }
        }
    )* };
}
lanes! {
    bool: false, true, |_v| false, |a, b| !a & b;
    i8: i8::MIN, i8::MAX, |_v| false, |a, b| a < b;
    i16: i16::MIN, i16::MAX, |_v| false, |a, b| a < b;
    i32: i32::MIN, i32::MAX, |_v| false, |a, b| a < b;
    i64: i64::MIN, i64::MAX, |_v| false, |a, b| a < b;
    u8: 0, u8::MAX, |_v| false, |a, b| a < b;
    u16: 0, u16::MAX, |_v| false, |a, b| a < b;
    u32: 0, u32::MAX, |_v| false, |a, b| a < b;
    u64: 0, u64::MAX, |_v| false, |a, b| a < b;
    f32: f32::NEG_INFINITY, f32::INFINITY, |v| v.is_nan(), |a, b| a < b;
    f64: f64::NEG_INFINITY, f64::INFINITY, |v| v.is_nan(), |a, b| a < b;
}

/// Least (`MIN`) or greatest.
#[inline(always)]
fn beats<T: Lane, const MIN: bool>(a: T, b: T) -> bool {
    if MIN { a.below(b) } else { b.below(a) }
}

fn start<T: Lane, const MIN: bool>() -> T {
    if MIN { T::TOP } else { T::BOTTOM }
}

/// The better of `a` and `b`, or the NaN among them.
fn better<T: Lane, const MIN: bool>(a: T, b: T) -> T {
    if !a.is_nan() && (b.is_nan() || beats::<T, MIN>(b, a)) {
        b
    } else {
        a
    }
}

struct ExtremeSegment<T, const MIN: bool>(PhantomData<T>);
impl<T: Lane, const MIN: bool> Body for ExtremeSegment<T, MIN> {
    type Args = SegmentArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: SegmentArgs) {
        // As many lanes as fill four vectors of 64 bytes hide the latency of a comparison.
        const LANES: usize = 64;
        // SAFETY: the caller promises n elements at x, and room for one value.
        let x = unsafe { std::slice::from_raw_parts(args.x.cast::<T>(), args.n) };
        let mut lanes = [start::<T, MIN>(); LANES];
        let mut nan = [false; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        for chunk in whole {
            for i in 0..LANES {
                let v = chunk[i];
                lanes[i] = if beats::<T, MIN>(v, lanes[i]) {
                    v
                } else {
                    lanes[i]
                };
                nan[i] |= v.is_nan();
            }
        }
        let mut best = start::<T, MIN>();
        let mut any_nan = nan.contains(&true);
        for &v in lanes.iter().chain(rest) {
            best = if beats::<T, MIN>(v, best) { v } else { best };
            any_nan |= v.is_nan();
        }
        if any_nan {
            best = x.iter().copied().find(|v| v.is_nan()).unwrap_or(best);
        }
        // SAFETY: as above.
        unsafe { args.out.cast::<T>().write(best) };
    }
}

struct ExtremeRow<T, const MIN: bool>(PhantomData<T>);
impl<T: Lane, const MIN: bool> Body for ExtremeRow<T, MIN> {
    type Args = RowArgs;

    #[inline(always)]
    unsafe fn run<const FMA: bool>(args: RowArgs) {
        // SAFETY: the caller promises a row and accumulators of n elements, which do not overlap.
        let (x, acc) = unsafe {
            (
                std::slice::from_raw_parts(args.x[0].cast::<T>(), args.n),
                std::slice::from_raw_parts_mut(args.acc.cast::<T>(), args.n),
            )
        };
        for (a, &v) in acc.iter_mut().zip(x) {
            // A NaN that is held is beaten by nothing but another one.
            *a = if beats::<T, MIN>(v, *a) | v.is_nan() {
                v
            } else {
                *a
            };
        }
    }
}

struct Extreme<T, const MIN: bool> {
    acc: Vec<T>,
    segment: unsafe fn(SegmentArgs),
    row: unsafe fn(RowArgs),
    level: Level,
}

impl<T: Lane, const MIN: bool> Extreme<T, MIN> {
    fn new(outputs: usize, level: Level) -> Self {
        Self {
            acc: vec![start::<T, MIN>(); outputs],
            segment: clone_for::<ExtremeSegment<T, MIN>>(level),
            row: clone_for::<ExtremeRow<T, MIN>>(level),
            level,
        }
    }
}

impl<T: Lane, const MIN: bool> Accumulate for Extreme<T, MIN> {
    unsafe fn segment(&mut self, at: usize, x: *const u8, n: usize, _index: u64) {
        let mut value = start::<T, MIN>();
        // SAFETY: the caller promises n elements of T.
        unsafe {
            (self.segment)(SegmentArgs {
                x,
                n,
                out: (&raw mut value).cast(),
            })
        };
        self.acc[at] = better::<T, MIN>(self.acc[at], value);
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
                })
            };
        }
    }

    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate> {
        Box::new(Self::new(outputs, self.level))
    }

    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, _index: u64) {
        if let Some(o) = other.as_any().downcast_ref::<Self>() {
            for j in 0..n {
                self.acc[at + j] = better::<T, MIN>(self.acc[at + j], o.acc[from + j]);
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn finish(self: Box<Self>) -> Finished {
        Finished::Plain(T::erase_vec(self.acc))
    }
}

/// Least or greatest elements of `d`.
pub(crate) fn extreme(d: DType, outputs: usize, level: Level, min: bool) -> Box<dyn Accumulate> {
    with_dtype!(d, T => if min {
        Box::new(Extreme::<T, true>::new(outputs, level))
    } else {
        Box::new(Extreme::<T, false>::new(outputs, level))
    })
}

struct Position<T, const MIN: bool> {
    best: Vec<T>,
    index: Vec<i64>,
    segment: unsafe fn(SegmentArgs),
    level: Level,
}

impl<T: Lane, const MIN: bool> Position<T, MIN> {
    fn new(outputs: usize, level: Level) -> Self {
        Self {
            best: vec![start::<T, MIN>(); outputs],
            index: vec![0; outputs],
            segment: clone_for::<ExtremeSegment<T, MIN>>(level),
            level,
        }
    }

    fn offer(&mut self, at: usize, value: T, index: i64) {
        let (held, held_index) = (self.best[at], self.index[at]);
        if wins::<T, MIN>(value, index, held, held_index) {
            self.best[at] = value;
            self.index[at] = index;
        }
    }
}

/// Whether `a` at `ia` is the answer rather than `b` at `ib`: a NaN first, then the better, then the earlier.
fn wins<T: Lane, const MIN: bool>(a: T, ia: i64, b: T, ib: i64) -> bool {
    match (a.is_nan(), b.is_nan()) {
        (true, false) => true,
        (false, true) => false,
        (true, true) => ia < ib,
        (false, false) => beats::<T, MIN>(a, b) || (a == b && ia < ib),
    }
}

impl<T: Lane, const MIN: bool> Accumulate for Position<T, MIN> {
    unsafe fn segment(&mut self, at: usize, x: *const u8, n: usize, index: u64) {
        let mut value = start::<T, MIN>();
        // SAFETY: the caller promises n elements of T.
        unsafe {
            (self.segment)(SegmentArgs {
                x,
                n,
                out: (&raw mut value).cast(),
            })
        };
        // Only a run that beats what is held is searched for the place.
        if !wins::<T, MIN>(value, index as i64, self.best[at], self.index[at]) {
            return;
        }
        // SAFETY: as above.
        let x = unsafe { std::slice::from_raw_parts(x.cast::<T>(), n) };
        let place = x
            .iter()
            .position(|&v| v == value || (v.is_nan() && value.is_nan()));
        self.offer(at, value, index as i64 + place.unwrap_or(0) as i64);
    }

    unsafe fn rows(&mut self, at: usize, rows: &[*const u8], n: usize, index: u64, step: u64) {
        for (i, &x) in rows.iter().enumerate() {
            // SAFETY: the caller promises n elements of T in every row.
            let x = unsafe { std::slice::from_raw_parts(x.cast::<T>(), n) };
            let index = (index + i as u64 * step) as i64;
            for (j, &v) in x.iter().enumerate() {
                self.offer(at + j, v, index);
            }
        }
    }

    fn fresh(&self, outputs: usize) -> Box<dyn Accumulate> {
        Box::new(Self::new(outputs, self.level))
    }

    fn fold(&mut self, at: usize, other: &dyn Accumulate, from: usize, n: usize, index: u64) {
        if let Some(o) = other.as_any().downcast_ref::<Self>() {
            for j in 0..n {
                self.offer(at + j, o.best[from + j], o.index[from + j] + index as i64);
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn finish(self: Box<Self>) -> Finished {
        Finished::Arg {
            values: T::erase_vec(self.best),
            index: self.index,
        }
    }
}

/// Positions of the least or greatest elements of `d`.
pub(crate) fn position(d: DType, outputs: usize, level: Level, min: bool) -> Box<dyn Accumulate> {
    with_dtype!(d, T => if min {
        Box::new(Position::<T, true>::new(outputs, level))
    } else {
        Box::new(Position::<T, false>::new(outputs, level))
    })
}

/// The better of each pair.
pub(crate) fn combine_values(d: DType, a: &AnyVec, b: &AnyVec, min: bool) -> Option<AnyVec> {
    with_dtype!(d, T => {
        let pairs = T::peek_vec(a)?.iter().zip(T::peek_vec(b)?);
        let pick = |(&a, &b): (&T, &T)| if min { better::<T, true>(a, b) } else { better::<T, false>(a, b) };
        Some(T::erase_vec(pairs.map(pick).collect()))
    })
}

/// The winner of each pair, with its position.
pub(crate) fn combine_positions(
    d: DType,
    a: (&AnyVec, &[i64]),
    b: (&AnyVec, &[i64]),
    min: bool,
) -> Option<(AnyVec, Vec<i64>)> {
    with_dtype!(d, T => {
        let (av, bv) = (T::peek_vec(a.0)?, T::peek_vec(b.0)?);
        let (mut values, mut index) = (av.to_vec(), a.1.to_vec());
        for i in 0..values.len().min(bv.len()) {
            let (v, at) = (bv[i], b.1[i]);
            let won = if min {
                wins::<T, true>(v, at, values[i], index[i])
            } else {
                wins::<T, false>(v, at, values[i], index[i])
            };
            if won {
                (values[i], index[i]) = (v, at);
            }
        }
        Some((T::erase_vec(values), index))
    })
}

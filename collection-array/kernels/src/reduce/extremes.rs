//! Least and greatest elements, and their positions. `any` and `all` are the greatest and the least of `bool`.

use std::any::Any;
use std::marker::PhantomData;

use kvern_pages::filled;

use super::super::any::AnyVec;
use super::super::any_slice::AnySlice;
use super::super::level::{Body, Call, Level, Loop};
use super::accumulate::{Accumulate, Finished, GROUP};
use super::rows::{RowArgs, Rows, Segment, call_rows};
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
    /// The better one, or a NaN if there is one, without a branch: what the vector loops are made of. Of zeros either.
    fn lane<const MIN: bool>(held: Self, v: Self) -> Self;
    /// The better of two equal ones: of zeros, -0 is below 0, so that it does not matter which comes first.
    fn tie<const MIN: bool>(held: Self, v: Self) -> Self;
    /// Whether equal ones may differ, so that [`tie`](Self::tie) has to be asked.
    fn is_zero(self) -> bool;
}

macro_rules! lanes {
    ($($t:tt: $bottom:expr, $top:expr, |$v:ident| $nan:expr, $below:expr;)*) => { $(
        impl Lane for $t {
            const TOP: Self = $top;
            const BOTTOM: Self = $bottom;
            #[inline(always)]
            fn below(self, other: Self) -> bool { let f: fn($t, $t) -> bool = $below; f(self, other) }
            #[inline(always)]
            fn is_nan(self) -> bool { let $v = self; $nan }
            #[inline(always)]
            fn lane<const MIN: bool>(held: Self, v: Self) -> Self { lanes!(@lane $t, held, v) }
            #[inline(always)]
            fn tie<const MIN: bool>(held: Self, v: Self) -> Self { lanes!(@tie $t, held, v) }
            #[inline(always)]
            fn is_zero(self) -> bool { lanes!(@zero $t, self) }
        }
    )* };
    (@zero f32, $v:ident) => { $v == 0.0 };
    (@zero f64, $v:ident) => { $v == 0.0 };
    (@zero $t:ty, $v:ident) => { false };
    (@tie f32, $held:ident, $v:ident) => { lanes!(@zeros f32, $held, $v) };
    (@tie f64, $held:ident, $v:ident) => { lanes!(@zeros f64, $held, $v) };
    (@tie $t:ty, $held:ident, $v:ident) => {{ let _ = $v; $held }};
    // Equal floats have the same bits, but for the sign of a zero.
    (@zeros $t:ty, $held:ident, $v:ident) => {
        <$t>::from_bits(if MIN { $held.to_bits() | $v.to_bits() } else { $held.to_bits() & $v.to_bits() })
    };
    (@lane bool, $held:ident, $v:ident) => { if MIN { $held & $v } else { $held | $v } };
    // A NaN that is held is beaten by nothing but another one.
    (@lane $t:ty, $held:ident, $v:ident) => {
        if beats::<$t, MIN>($v, $held) | $v.is_nan() { $v } else { $held }
    };
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
    if a == b {
        T::tie::<MIN>(a, b)
    } else if !a.is_nan() && (b.is_nan() || beats::<T, MIN>(b, a)) {
        b
    } else {
        a
    }
}

/// The best of `x`, or the first NaN in it.
#[inline(always)]
fn best_of<T: Lane, const MIN: bool, const LANES: usize>(x: &[T]) -> T {
    let mut lanes = [start::<T, MIN>(); LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            lanes[i] = T::lane::<MIN>(lanes[i], chunk[i]);
        }
    }
    let best = lanes
        .iter()
        .chain(rest)
        .fold(start::<T, MIN>(), |best, &v| T::lane::<MIN>(best, v));
    if best.is_nan() {
        return x.iter().copied().find(|v| v.is_nan()).unwrap_or(best);
    }
    if best.is_zero() {
        return x
            .iter()
            .fold(best, |best, &v| sign_of_zero::<T, MIN>(best, v));
    }
    best
}

/// A zero, or that of two zeros which is better.
#[inline(always)]
fn sign_of_zero<T: Lane, const MIN: bool>(best: T, v: T) -> T {
    if v.is_zero() {
        T::tie::<MIN>(best, v)
    } else {
        best
    }
}

struct ExtremeSegment<const MIN: bool>;
impl<T: Lane, const MIN: bool> Body<Segment<T, T>> for ExtremeSegment<MIN> {
    #[inline(always)]
    fn run<const FMA: bool>(x: &[T]) -> T {
        // Four vectors of 64 bytes hide the latency of a comparison.
        const VECTORS: usize = 256;
        match VECTORS / size_of::<T>() {
            256 => best_of::<T, MIN, 256>(x),
            128 => best_of::<T, MIN, 128>(x),
            64 => best_of::<T, MIN, 64>(x),
            _ => best_of::<T, MIN, 32>(x),
        }
    }
}

struct ExtremeRows<const MIN: bool, const K: usize>;
impl<T: Lane, const MIN: bool, const K: usize> Body<Rows<T, T>> for ExtremeRows<MIN, K> {
    #[inline(always)]
    fn run<const FMA: bool>(args: RowArgs<'_, T, T, ()>) {
        let acc = args.acc;
        let n = acc.len();
        let rows = args.rows.map(|row| &row[..n]);
        let [r0, r1, r2, r3] = rows;
        let mut zeros = false;
        for j in 0..n {
            let mut v = T::lane::<MIN>(acc[j], r0[j]);
            if K == GROUP {
                v = T::lane::<MIN>(v, r1[j]);
                v = T::lane::<MIN>(v, r2[j]);
                v = T::lane::<MIN>(v, r3[j]);
            }
            acc[j] = v;
            zeros |= v.is_zero();
        }
        // A zero that was held is still there, or one of a row.
        if zeros {
            for row in &rows[..K] {
                for (best, &v) in acc.iter_mut().zip(*row) {
                    if best.is_zero() {
                        *best = sign_of_zero::<T, MIN>(*best, v);
                    }
                }
            }
        }
    }
}

struct Extreme<T: Lane, const MIN: bool> {
    acc: Vec<T>,
    segment: Loop<Segment<T, T>>,
    rows: Loop<Rows<T, T>>,
    row: Loop<Rows<T, T>>,
    level: Level,
}

impl<T: Lane, const MIN: bool> Extreme<T, MIN> {
    fn new(outputs: usize, level: Level) -> Self {
        Self {
            acc: filled(start::<T, MIN>(), outputs),
            segment: Loop::of::<ExtremeSegment<MIN>>(level),
            rows: Loop::of::<ExtremeRows<MIN, GROUP>>(level),
            row: Loop::of::<ExtremeRows<MIN, 1>>(level),
            level,
        }
    }
}

impl<T: Lane, const MIN: bool> Accumulate for Extreme<T, MIN> {
    fn segment(&mut self, at: usize, x: AnySlice<'_>, _index: u64) {
        self.acc[at] = better::<T, MIN>(self.acc[at], self.segment.call(x.get()));
    }

    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], _index: u64, _step: u64) {
        let acc = &mut self.acc[at..at + rows[0].len()];
        call_rows(self.rows, self.row, rows, acc, &mut []);
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

/// A row that stands behind all that has been seen, to be compared with what is held.
struct PositionArgs<'a, T> {
    x: &'a [T],
    best: &'a mut [T],
    index: &'a mut [i64],
    /// The position of the row.
    at: i64,
}

struct Behind<T>(PhantomData<T>);
impl<T: 'static> Call for Behind<T> {
    type Args<'a> = PositionArgs<'a, T>;
    type Out = ();
}

struct PositionRow<const MIN: bool>;
impl<T: Lane, const MIN: bool> Body<Behind<T>> for PositionRow<MIN> {
    #[inline(always)]
    fn run<const FMA: bool>(args: PositionArgs<'_, T>) {
        let best = args.best;
        let n = best.len();
        let (x, index) = (&args.x[..n], &mut args.index[..n]);
        for j in 0..n {
            let (v, held) = (x[j], best[j]);
            // Equal elements leave the earlier position; only the first NaN takes the place.
            let wins = (beats::<T, MIN>(v, held) | v.is_nan()) & !held.is_nan();
            best[j] = if wins { v } else { held };
            index[j] = if wins { args.at } else { index[j] };
        }
    }
}

struct Position<T: Lane, const MIN: bool> {
    best: Vec<T>,
    index: Vec<i64>,
    segment: Loop<Segment<T, T>>,
    row: Loop<Behind<T>>,
    level: Level,
}

impl<T: Lane, const MIN: bool> Position<T, MIN> {
    fn new(outputs: usize, level: Level) -> Self {
        Self {
            best: filled(start::<T, MIN>(), outputs),
            index: filled(0, outputs),
            segment: Loop::of::<ExtremeSegment<MIN>>(level),
            row: Loop::of::<PositionRow<MIN>>(level),
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
    fn segment(&mut self, at: usize, x: AnySlice<'_>, index: u64) {
        let x = x.get::<T>();
        let value = self.segment.call(x);
        // Only a run that beats what is held is searched for the place.
        if !wins::<T, MIN>(value, index as i64, self.best[at], self.index[at]) {
            return;
        }
        let place = x
            .iter()
            .position(|&v| v == value || (v.is_nan() && value.is_nan()));
        self.offer(at, value, index as i64 + place.unwrap_or(0) as i64);
    }

    fn rows(&mut self, at: usize, rows: &[AnySlice<'_>], index: u64, step: u64) {
        let outputs = at..at + rows[0].len();
        for (i, row) in rows.iter().enumerate() {
            self.row.call(PositionArgs {
                x: row.get(),
                best: &mut self.best[outputs.clone()],
                index: &mut self.index[outputs.clone()],
                at: (index + i as u64 * step) as i64,
            });
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

//! Slicing: which part of an array, said as NumPy or as ndarray says it.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use kvern_core::{Error, Result};
use ndarray::{Dimension, SliceInfo, SliceInfoElem};

use super::Array;
use crate::geometry::pick::Pick;
use crate::geometry::shape::Given;
use kvern_kernels::dtype::Element;

/// What to take of one axis.
///
/// Ranges and negative positions mean what they mean to NumPy: -1 is the last element, a range beyond the end is cut off, an
/// index beyond the end is an error. `Slice::new(None, None, -1)` turns an axis round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// One element; the axis is dropped.
    At(isize),
    /// One element at a position that no axis reaches: an error that names it.
    Beyond(u64),
    /// NumPy's `start:stop:step`.
    Range {
        /// The first position; by default the first element, or the last if `step` is negative.
        start: Option<isize>,
        /// The position before which it ends; by default after the last element (before the first).
        stop: Option<isize>,
        /// From each element to the next; not 0.
        step: isize,
    },
    /// ndarray's `start..end;step`, which cuts first and then steps through the cut, from its end if `step` is negative.
    Cut {
        /// Where the cut begins.
        start: isize,
        /// Where it ends; by default after the last element.
        end: Option<isize>,
        /// From each element to the next; not 0.
        step: isize,
    },
    /// A new axis of length 1.
    NewAxis,
    /// All axes that are not said otherwise: NumPy's `...`.
    Rest,
}

impl Slice {
    /// NumPy's `start:stop:step`.
    ///
    /// ```
    /// use kvern_array::{Array, Slice};
    /// let x = Array::<i64>::arange(0, 6, 1, ())?;
    /// assert_eq!(x.slice(Slice::new(1, None, 2))?.reference()?, ndarray::array![1, 3, 5].into_dyn()); // x[1::2]
    /// assert_eq!(x.slice(Slice::new(None, 3, -1))?.reference()?, ndarray::array![5, 4].into_dyn()); // x[:3:-1]
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn new(
        start: impl Into<Option<isize>>,
        stop: impl Into<Option<isize>>,
        step: isize,
    ) -> Self {
        Self::Range {
            start: start.into(),
            stop: stop.into(),
            step,
        }
    }

    /// The whole axis.
    pub const ALL: Self = Self::Range {
        start: None,
        stop: None,
        step: 1,
    };
}

macro_rules! one {
    ($($t:ty),*) => { $(
        impl IntoSlices for $t {
            fn into_slices(self) -> Vec<Slice> { vec![self.into()] }
        }
    )* };
}
macro_rules! from_integers {
    ($($t:ty),*) => { $(
        impl From<$t> for Slice {
            fn from(i: $t) -> Self {
                // What does not fit is larger than any axis, or an unsigned number, never a negative one.
                isize::try_from(i).map_or(Self::Beyond(i as u64), Self::At)
            }
        }
        impl From<Range<$t>> for Slice {
            fn from(r: Range<$t>) -> Self { Self::new(end(r.start), end(r.end), 1) }
        }
        impl From<RangeFrom<$t>> for Slice {
            fn from(r: RangeFrom<$t>) -> Self { Self::new(end(r.start), None, 1) }
        }
        impl From<RangeTo<$t>> for Slice {
            fn from(r: RangeTo<$t>) -> Self { Self::new(None, end(r.end), 1) }
        }
        impl From<RangeInclusive<$t>> for Slice {
            fn from(r: RangeInclusive<$t>) -> Self { Self::new(end(*r.start()), after(end(*r.end())), 1) }
        }
        impl From<RangeToInclusive<$t>> for Slice {
            fn from(r: RangeToInclusive<$t>) -> Self { Self::new(None, after(end(r.end)), 1) }
        }
        one!($t, Range<$t>, RangeFrom<$t>, RangeTo<$t>, RangeInclusive<$t>, RangeToInclusive<$t>);
    )* };
}

/// An end of a range: one beyond all addresses is beyond all axes, and cut off like any other.
fn end(i: impl TryInto<isize>) -> isize {
    i.try_into().unwrap_or(isize::MAX)
}

/// The position after `i`; after the last element there is none to be said from the end.
fn after(i: isize) -> Option<isize> {
    (i != -1).then_some(i.saturating_add(1))
}

impl From<RangeFull> for Slice {
    fn from(_: RangeFull) -> Self {
        Self::ALL
    }
}

impl From<SliceInfoElem> for Slice {
    fn from(e: SliceInfoElem) -> Self {
        match e {
            SliceInfoElem::Index(i) => Self::At(i),
            SliceInfoElem::Slice { start, end, step } => Self::Cut { start, end, step },
            SliceInfoElem::NewAxis => Self::NewAxis,
        }
    }
}

/// What [`Array::slice`] takes: one [`Slice`] or what turns into one (a position or a range of any integers), a tuple, an array, a
/// list or a slice of them, or ndarray's `s![…]`.
pub trait IntoSlices {
    /// One for each axis, as far as they go.
    fn into_slices(self) -> Vec<Slice>;
}

one!(Slice, RangeFull);
from_integers!(i32, i64, isize, u32, u64, usize);

macro_rules! tuple {
    ($($name:ident $n:tt),+) => {
        impl<$($name: Into<Slice>),+> IntoSlices for ($($name,)+) {
            fn into_slices(self) -> Vec<Slice> { vec![$(self.$n.into()),+] }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);

impl<S: Into<Slice>> IntoSlices for Vec<S> {
    fn into_slices(self) -> Vec<Slice> {
        self.into_iter().map(Into::into).collect()
    }
}
impl<S: Into<Slice> + Clone> IntoSlices for &[S] {
    fn into_slices(self) -> Vec<Slice> {
        self.iter().cloned().map(Into::into).collect()
    }
}
impl<S: Into<Slice> + Clone> IntoSlices for &Vec<S> {
    fn into_slices(self) -> Vec<Slice> {
        self.as_slice().into_slices()
    }
}
impl<S: Into<Slice>, const N: usize> IntoSlices for [S; N] {
    fn into_slices(self) -> Vec<Slice> {
        self.into_iter().map(Into::into).collect()
    }
}
impl<S: Into<Slice> + Clone, const N: usize> IntoSlices for &[S; N] {
    fn into_slices(self) -> Vec<Slice> {
        self.as_slice().into_slices()
    }
}
impl<I: AsRef<[SliceInfoElem]>, Din: Dimension, Dout: Dimension> IntoSlices
    for SliceInfo<I, Din, Dout>
{
    fn into_slices(self) -> Vec<Slice> {
        let elements: &[SliceInfoElem] = self.as_ref();
        elements.iter().map(|&e| e.into()).collect()
    }
}

impl<T: Element> Array<T> {
    /// A part of the array: ranges, steps, single positions (which drop their axis), new axes. Axes that are not named are whole.
    /// The part is cut where the array is cut, and only the chunks that it touches are computed.
    ///
    /// ```
    /// use kvern_array::{Array, Slice};
    /// use ndarray::s;
    /// let x = Array::<i32>::arange(0, 12, 1, ())?.reshape([3, 4])?.rechunk(2)?;
    /// assert_eq!(x.slice((1.., -1))?.reference()?, ndarray::array![7, 11].into_dyn());
    /// assert_eq!(x.slice((0, Slice::new(None, None, -2)))?.reference()?, ndarray::array![3, 1].into_dyn());
    /// assert_eq!(x.slice(s![2, ..;2])?.reference()?, ndarray::array![8, 10].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are more slices than axes, a single position lies outside its axis, or a step is 0.
    pub fn slice(&self, slices: impl IntoSlices) -> Result<Self> {
        let slices = slices.into_slices();
        let named = slices
            .iter()
            .filter(|s| !matches!(s, Slice::NewAxis | Slice::Rest))
            .count();
        let rests = slices.iter().filter(|s| matches!(s, Slice::Rest)).count();
        if named > self.ndim() || rests > 1 {
            return Err(Error::bad_input(format!(
                "slice: {named} axes and {rests} rests are named, the array of shape {:?} has {} axes (allowed: at most as many, and one rest)",
                self.shape(),
                self.ndim()
            )));
        }
        // What is taken of the axes, what is left of them, and where new ones come between.
        let (mut picks, mut shape, mut view) = (Vec::new(), Vec::new(), Vec::new());
        let implied = (rests == 0).then_some(Slice::Rest);
        for s in slices.iter().chain(&implied) {
            let axes = match s {
                Slice::NewAxis => {
                    view.push(None);
                    continue;
                }
                Slice::Rest => self.ndim() - named,
                _ => 1,
            };
            for _ in 0..axes {
                let (pick, n) = resolve(s, picks.len(), self.shape())?;
                if let Pick::Step { .. } = pick {
                    view.push(Some(shape.len()));
                    shape.push(n);
                }
                picks.push(pick);
            }
        }
        Ok(Self::of(self.expr().part(picks, shape)?.view(view)?))
    }

    /// The elements in reverse order along the axes.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let x = Array::from_ndarray(ndarray::array![[1, 2], [3, 4]], ())?;
    /// assert_eq!(x.flip(0)?.reference()?, ndarray::array![[3, 4], [1, 2]].into_dyn());
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    pub fn flip(&self, axes: impl Into<super::Axes>) -> Result<Self> {
        let mut slices = vec![Slice::ALL; self.ndim()];
        for axis in axes.into().resolve("flip", self.ndim())? {
            slices[axis] = Slice::new(None, None, -1);
        }
        self.slice(slices)
    }
}

/// What a slice takes of an axis, and how many elements that leaves.
fn resolve(slice: &Slice, axis: usize, shape: &[usize]) -> Result<(Pick, usize)> {
    let len = shape[axis] as isize;
    let no_step = || {
        Error::bad_input(format!(
            "slice: a step of 0 on axis {axis} of shape {shape:?}; any other number is allowed"
        ))
    };
    // Positions from the end become positions from the start; beyond the bounds they are brought back to `low..=high`.
    let held = |i: isize, low: isize, high: isize| {
        (if i < 0 { i.saturating_add(len) } else { i }).clamp(low, high)
    };
    let outside = |i: Given| {
        let allowed = match len {
            0 => "the axis is empty".to_owned(),
            _ => format!("allowed: {}..={}", -len, len - 1),
        };
        Error::bad_input(format!(
            "slice: index {i} is outside axis {axis} of shape {shape:?} ({allowed})"
        ))
    };
    let (first, count, step) = match *slice {
        Slice::Beyond(i) => return Err(outside(i.into())),
        Slice::At(i) => {
            if i < -len || i >= len {
                return Err(outside(i as Given));
            }
            let at = if i < 0 { i + len } else { i };
            return Ok((Pick::At(at as u64), 1));
        }
        Slice::Range { step: 0, .. } | Slice::Cut { step: 0, .. } => return Err(no_step()),
        Slice::Range { start, stop, step } if step > 0 => {
            let a = start.map_or(0, |i| held(i, 0, len));
            let b = stop.map_or(len, |i| held(i, 0, len));
            (a, count(b - a, step), step)
        }
        Slice::Range { start, stop, step } => {
            let a = start.map_or(len - 1, |i| held(i, -1, len - 1));
            let b = stop.map_or(-1, |i| held(i, -1, len - 1));
            (a, count(a - b, step), step)
        }
        Slice::Cut { start, end, step } => {
            let a = held(start, 0, len);
            let b = end.map_or(len, |i| held(i, 0, len));
            (if step > 0 { a } else { b - 1 }, count(b - a, step), step)
        }
        Slice::NewAxis | Slice::Rest => (0, shape[axis], 1),
    };
    // One element has no step, none has no place.
    let pick = match count {
        0 => Pick::WHOLE,
        1 => Pick::Step {
            start: first as u64,
            step: 1,
        },
        _ => Pick::Step {
            start: first as u64,
            step: step as i64,
        },
    };
    Ok((pick, count))
}

/// Elements of a stretch of `span` in steps of that size.
fn count(span: isize, step: isize) -> usize {
    span.max(0).unsigned_abs().div_ceil(step.unsigned_abs())
}

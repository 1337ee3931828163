//! Shapes: broadcasting, axes counted from either end, and the words for what does not fit.

use kvern_core::{Error, Result};

/// The shape of two operands together, by NumPy's rule: aligned at the last axis, a length of 1 fits any.
pub(crate) fn broadcast(op: &str, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let ndim = a.len().max(b.len());
    let at = |s: &[usize], axis: usize| match (axis + s.len()).checked_sub(ndim) {
        Some(i) => s[i],
        None => 1,
    };
    (0..ndim)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            (x, y) => Err(Error::bad_input(format!(
                "{op}: shapes {a:?} and {b:?} do not broadcast: {x} and {y} on axis {axis} are neither equal nor 1"
            ))),
        })
        .collect()
}

/// A number that a program gives where a length, a position or an axis is meant: wide enough for every type of integer, so that
/// one without a sign is never taken for a negative one.
pub(crate) type Given = i128;

/// An axis: its number, counted from the end if it is negative. What methods that take one axis take.
pub trait IntoAxis {
    /// The number.
    fn into_axis(self) -> i128;
}
macro_rules! into_axis {
    ($($t:ty),*) => { $(
        impl IntoAxis for $t {
            fn into_axis(self) -> i128 { Given::from_number(self) }
        }
    )* };
}

/// Integers as [`Given`] ones; `usize` and `isize` have no `Into<i128>`.
pub(crate) trait FromNumber<T> {
    fn from_number(n: T) -> Self;
}
macro_rules! from_number {
    ($($t:ty),*) => { $(
        impl FromNumber<$t> for Given {
            fn from_number(n: $t) -> Self { n as Self }
        }
    )* };
}
from_number!(i32, i64, isize, u32, u64, usize);
into_axis!(i32, i64, isize, u32, u64, usize);

/// An axis of an array of `ndim` axes, -1 being the last.
pub(crate) fn axis(op: &str, axis: impl IntoAxis, ndim: usize) -> Result<usize> {
    wide_axis(op, axis.into_axis(), ndim)
}

/// [`axis`] of a number that has been widened.
pub(crate) fn wide_axis(op: &str, axis: Given, ndim: usize) -> Result<usize> {
    let n = ndim as Given;
    if -n <= axis && axis < n {
        return Ok(axis.rem_euclid(n.max(1)) as usize);
    }
    let allowed = match n {
        0 => "it has none".to_owned(),
        _ => format!("allowed: {}..={}", -n, n - 1),
    };
    Err(Error::bad_input(format!(
        "{op}: axis {axis} does not exist: the array has {ndim} axes ({allowed})"
    )))
}

/// Elements of a shape.
///
/// # Errors
/// If there are more than an address can count.
pub(crate) fn size(shape: &[usize]) -> Result<usize> {
    // Beside an axis without elements, too, the others must be lengths that can be counted with a sign.
    let known = shape.iter().all(|&n| isize::try_from(n).is_ok());
    let all = match shape.contains(&0) {
        true => Some(0),
        false => shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n)),
    };
    all.filter(|&n| known && isize::try_from(n).is_ok())
        .ok_or_else(|| {
            Error::bad_input(format!(
                "shape {shape:?} has more than {} elements",
                isize::MAX
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_broadcast_as_numpy_says() {
        assert_eq!(broadcast("add", &[3, 1], &[4]).unwrap(), [3, 4]);
        assert_eq!(broadcast("add", &[], &[2, 0]).unwrap(), [2, 0]);
        assert_eq!(broadcast("add", &[1], &[0]).unwrap(), [0]);
        let e = broadcast("add", &[2, 3], &[2, 4]).unwrap_err().to_string();
        assert!(
            e.contains("[2, 3]") && e.contains("[2, 4]") && e.contains("axis 1"),
            "{e}"
        );
    }

    #[test]
    fn axes_count_from_both_ends() {
        assert_eq!(
            (axis("x", -1, 3).unwrap(), axis("x", 0, 3).unwrap()),
            (2, 0)
        );
        let e = axis("sum", 2, 2).unwrap_err().to_string();
        assert!(
            e.contains("sum: axis 2") && e.contains("allowed: -2..=1"),
            "{e}"
        );
        assert!(axis("sum", 0, 0).is_err());
        // The largest numbers are not -1.
        for e in [axis("sum", usize::MAX, 2), axis("sum", u64::MAX, 2)] {
            let e = e.unwrap_err().to_string();
            assert!(e.contains("axis 18446744073709551615"), "{e}");
        }
        assert!(axis("sum", u32::MAX, 2).is_err() && axis("sum", i64::MIN, 2).is_err());
    }

    #[test]
    fn lengths_beyond_an_address_are_refused_beside_an_empty_axis() {
        assert_eq!(size(&[0, 5]).unwrap(), 0);
        assert!(size(&[0, usize::MAX]).is_err());
        assert!(size(&[usize::MAX, 0]).is_err());
        assert!(size(&[1 << 40, 1 << 40]).is_err());
    }
}

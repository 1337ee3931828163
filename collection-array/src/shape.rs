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

/// An axis of an array of `ndim` axes, -1 being the last.
pub(crate) fn axis(op: &str, axis: isize, ndim: usize) -> Result<usize> {
    let n = ndim as isize;
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
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1usize, |all, &n| all.checked_mul(n))
        .filter(|&n| isize::try_from(n).is_ok())
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
    }
}

//! Which bytes a block of an array has: as few and as long contiguous runs as the file's order allows.

use std::ops::Range;

/// The runs of a block, in ascending order and not touching each other: `(first byte, bytes)`, from the
/// first element of the array.
///
/// Axes that are taken whole are merged with the one around them, so whole rows are one run.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    next: u64,
    run_bytes: usize,
    left: usize,
    /// Axes around the run, innermost first: steps done, steps in all, bytes a step.
    outer: Vec<(usize, usize, u64)>,
}

impl Runs {
    /// Plans `ranges`, one an axis and inside `shape`; the array's bytes must be addressable.
    pub(super) fn new(
        shape: &[usize],
        ranges: &[Range<usize>],
        fortran_order: bool,
        item_size: usize,
    ) -> Self {
        // Axes from the fastest to the slowest.
        let axis = |i: usize| {
            if fortran_order {
                i
            } else {
                shape.len() - 1 - i
            }
        };
        let mut run_bytes = item_size;
        let mut stride = item_size as u64;
        let mut next = 0;
        let mut left = 1;
        let mut outer = Vec::new();
        let mut whole_so_far = true;
        for i in 0..shape.len() {
            let (len, range) = (shape[axis(i)], &ranges[axis(i)]);
            let count = range.len();
            next += range.start as u64 * stride;
            if whole_so_far {
                run_bytes *= count;
            } else {
                outer.push((0, count, stride));
                left *= count;
            }
            whole_so_far &= count == len;
            stride *= len.max(1) as u64;
        }
        if run_bytes == 0 {
            left = 0;
        }
        Self {
            next,
            run_bytes,
            left,
            outer,
        }
    }

    /// A single run.
    pub(super) fn single(first: u64, bytes: usize) -> Self {
        Self {
            next: first,
            run_bytes: bytes,
            left: usize::from(bytes > 0),
            outer: Vec::new(),
        }
    }
}

impl Iterator for Runs {
    type Item = (u64, usize);

    fn next(&mut self) -> Option<(u64, usize)> {
        if self.left == 0 {
            return None;
        }
        let run = (self.next, self.run_bytes);
        self.left -= 1;
        for (done, count, stride) in &mut self.outer {
            *done += 1;
            self.next += *stride;
            if *done < *count {
                break;
            }
            *done = 0;
            self.next -= *stride * *count as u64;
        }
        Some(run)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(ranges: &[Range<usize>], fortran_order: bool) -> Vec<(u64, usize)> {
        Runs::new(&[4, 5, 6], ranges, fortran_order, 8).collect()
    }

    #[test]
    fn whole_axes_are_merged() {
        assert_eq!(runs(&[1..3, 0..5, 0..6], false), [(240, 480)]);
        assert_eq!(runs(&[1..3, 2..4, 0..6], false), [(336, 96), (576, 96)]);
        assert_eq!(runs(&[3..4, 0..2, 5..6], false), [(760, 8), (808, 8)]);
        assert_eq!(runs(&[0..4, 0..5, 2..4], true), [(320, 320)]);
        assert_eq!(runs(&[0..4, 1..3, 2..4], true), [(352, 64), (512, 64)]);
        assert_eq!(runs(&[0..4, 2..2, 0..6], false), []);
        assert_eq!(Runs::new(&[], &[], false, 8).collect::<Vec<_>>(), [(0, 8)]);
    }
}

//! Which elements of an axis a slice takes, and from which blocks they come: the arithmetic of gathers.

use kvern_core::Splits;
use kvern_core::key::KeyBuilder;
use serde::{Deserialize, Serialize};

/// What is taken of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Pick {
    /// One element; the axis is dropped.
    At(u64),
    /// Every `step`-th (not 0) from `start` on; how many, the result's length says.
    Step { start: u64, step: i64 },
}

/// What one input block gives to one output block, along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The input block.
    pub(crate) block: u32,
    /// Where in the output block it goes.
    pub(crate) to: usize,
    /// How many elements.
    pub(crate) len: usize,
    /// Where in the input block the first of them is.
    pub(crate) from: usize,
}

impl Pick {
    /// The axis as it is.
    pub(crate) const WHOLE: Self = Self::Step { start: 0, step: 1 };

    /// Whether the axis stays as it is, if the length does.
    pub(crate) fn is_whole(&self) -> bool {
        *self == Self::WHOLE
    }

    /// This pick of what `inner` left.
    pub(crate) fn after(self, inner: &Self) -> Self {
        let Self::Step { start, step } = *inner else {
            return *inner;
        };
        let at = |i: u64| (start as i64 + step * i as i64) as u64;
        match self {
            Self::At(i) => Self::At(at(i)),
            Self::Step { start: s, step: t } => Self::Step {
                start: at(s),
                step: step * t,
            },
        }
    }

    /// Adds the pick to a key.
    pub(crate) fn token(&self, k: KeyBuilder) -> KeyBuilder {
        match *self {
            Self::At(i) => k.u64(0).u64(i),
            Self::Step { start, step } => k.u64(1).u64(start).u64(step as u64),
        }
    }

    /// The last element taken, of `len`.
    fn end(start: u64, step: i64, len: u64) -> u64 {
        (start as i64 + step * (len as i64 - 1)) as u64
    }

    /// Whether `len` elements lie within an axis of length `total`.
    pub(crate) fn fits(&self, len: u64, total: u64) -> bool {
        let inside = |i: i128| 0 <= i && i < i128::from(total);
        match *self {
            Self::At(i) => inside(i128::from(i)),
            Self::Step { step, .. } if step == 0 || step.unsigned_abs() > 1 << 62 => false,
            Self::Step { .. } if len == 0 => true,
            Self::Step { start, step } => {
                let end = i128::from(start) + i128::from(step) * (i128::from(len) - 1);
                inside(i128::from(start)) && inside(end)
            }
        }
    }

    /// The pieces of the result, cut where the axis is cut; `len` elements are taken.
    pub(crate) fn cut(&self, splits: &Splits, len: u64) -> Splits {
        let Self::Step { step, .. } = *self else {
            return Splits::regular(1, 1);
        };
        if len == 0 || (self.is_whole() && len == splits.total()) {
            return if len == 0 {
                Splits::regular(0, 1)
            } else {
                splits.clone()
            };
        }
        let mut lengths: Vec<u64> = Vec::new();
        self.each(splits, 0, len, |p| lengths.push(p.len as u64));
        if step < 0 {
            lengths.reverse();
        }
        Splits::from_lengths(lengths)
    }

    /// What the output elements `at..at + len` are made of, by rising input block; blocks that give nothing are left out.
    pub(crate) fn pieces(&self, splits: &Splits, at: u64, len: u64) -> Vec<Piece> {
        let mut out = Vec::new();
        self.each(splits, at, len, |p| out.push(p));
        out
    }

    fn each(&self, splits: &Splits, at: u64, len: u64, mut found: impl FnMut(Piece)) {
        let (start, step) = match *self {
            Self::At(i) => {
                let block = splits.find(i);
                let from = (i - splits.block(block).0) as usize;
                return found(Piece {
                    block: block as u32,
                    to: 0,
                    len: 1,
                    from,
                });
            }
            Self::Step { start, step } => (start, step),
        };
        if len == 0 {
            return;
        }
        let first = Self::end(start, step, at + 1);
        let last = Self::end(start, step, at + len);
        let blocks = splits.find(first.min(last))..=splits.find(first.max(last));
        for block in blocks {
            let (begin, n) = splits.block(block);
            // Output positions i with begin <= first + step * i < begin + n.
            let (low, high) = if step > 0 {
                let up = |x: i64| {
                    if x <= 0 {
                        0
                    } else {
                        (x as u64).div_ceil(step as u64)
                    }
                };
                (
                    up(begin as i64 - first as i64),
                    up((begin + n) as i64 - first as i64),
                )
            } else {
                let down = |x: i64| x.div_euclid(-step);
                let low = down(first as i64 - (begin + n) as i64) + 1;
                (
                    low.max(0) as u64,
                    (down(first as i64 - begin as i64) + 1).max(0) as u64,
                )
            };
            let high = high.min(len);
            if low < high {
                let from = (first as i64 + step * low as i64 - begin as i64) as usize;
                found(Piece {
                    block: block as u32,
                    to: low as usize,
                    len: (high - low) as usize,
                    from,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_what_a_plain_list_gives(
            lengths in prop::collection::vec(1u64..6, 1..8),
            (start, step, n) in (0u64..40, prop_oneof![-7i64..0, 1i64..8], 0u64..40),
            (at, some) in (0u64..40, 0u64..40),
        ) {
            let splits = Splits::from_lengths(lengths.iter().copied());
            let start = start % splits.total();
            let pick = Pick::Step { start, step };
            let mut n = n;
            while !pick.fits(n, splits.total()) {
                n -= 1;
            }
            let (at, some) = if n == 0 { (0, 0) } else { (at % n, some % (n - at % n + 1)) };
            let mut got = vec![u64::MAX; some as usize];
            for p in pick.pieces(&splits, at, some) {
                prop_assert!(p.len > 0);
                for i in 0..p.len {
                    let local = (p.from as i64 + step * i as i64) as u64;
                    let (begin, len) = splits.block(p.block as usize);
                    prop_assert!(local < len);
                    got[p.to + i] = begin + local;
                }
            }
            let plain: Vec<u64> = (at..at + some).map(|i| (start as i64 + step * i as i64) as u64).collect();
            prop_assert_eq!(got, plain);
            let cut = pick.cut(&splits, n);
            prop_assert_eq!(cut.total(), n);
            prop_assert!(n == 0 || cut.iter().all(|l| l > 0));
        }
    }
}

//! Grids of blocks: how many there are along each axis, how a block number maps from one grid to another, and how long each is.

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::key::KeyBuilder;

/// Number of blocks along each axis; blocks are counted row-major (last axis fastest).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Grid(Vec<u32>);

impl Grid {
    /// A grid of those block counts. No axis: one block.
    pub fn new(counts: impl Into<Vec<u32>>) -> Self {
        Self(counts.into())
    }

    /// Blocks along each axis.
    pub fn counts(&self) -> &[u32] {
        &self.0
    }

    /// All blocks. Saturates: a grid read from hostile bytes may claim more than there are numbers.
    pub fn len(&self) -> usize {
        if self.0.contains(&0) {
            return 0;
        }
        self.0
            .iter()
            .fold(1usize, |n, &c| n.saturating_mul(c as usize))
    }

    /// Whether there is no block at all (an axis of zero).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Coordinates of a block number, written to `out`.
    pub fn coords(&self, mut block: u64, out: &mut Vec<u32>) {
        out.clear();
        out.resize(self.0.len(), 0);
        for (c, &n) in out.iter_mut().zip(&self.0).rev() {
            let n = u64::from(n.max(1));
            *c = (block % n) as u32;
            block /= n;
        }
    }

    /// The block number of coordinates.
    pub fn index(&self, coords: &[u32]) -> u64 {
        self.0
            .iter()
            .zip(coords)
            .fold(0, |acc, (&n, &c)| acc * u64::from(n) + u64::from(c))
    }

    /// Adds the grid to a key.
    pub fn token(&self, k: KeyBuilder) -> KeyBuilder {
        self.0
            .iter()
            .fold(k.u64(self.0.len() as u64), |k, &n| k.u64(u64::from(n)))
    }
}

/// Where the coordinate of one axis of the *read* grid comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AxisMap {
    /// The coordinate of that axis of the reading block.
    Out(u32),
    /// Always this block (broadcasting: block 0).
    Fixed(u32),
    /// Every block along the axis (a contraction), in order.
    All,
}

/// How a block number of one grid picks a block number of another: one [`AxisMap`] per axis of the other grid, none of them `All`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridMap {
    /// The grid that is mapped from.
    pub from: Grid,
    /// The grid that is mapped to.
    pub to: Grid,
    /// One entry an axis of `to`.
    pub axes: Vec<AxisMap>,
}

impl GridMap {
    /// What is wrong with it, if anything: every block of `from` must pick a block of `to`.
    pub(crate) fn check(&self) -> Result<(), String> {
        for grid in [&self.from, &self.to] {
            if u32::try_from(grid.len()).is_err() {
                return Err(format!("{} blocks are more than 2^32", grid.len()));
            }
        }
        if self.axes.contains(&AxisMap::All) {
            return Err("a map of block numbers picks one block, not all along an axis".into());
        }
        check_axes(&self.axes, &self.to, &self.from)
    }

    /// This map after another one, whose `to` is this one's `from`.
    pub(crate) fn after(&self, first: &Self) -> Self {
        Self {
            from: first.from.clone(),
            to: self.to.clone(),
            axes: compose(&self.axes, &first.axes),
        }
    }

    /// The block of `to` for a block of `from`.
    pub fn apply(&self, block: u64) -> u64 {
        let mut coords = Vec::with_capacity(self.from.counts().len());
        self.from.coords(block, &mut coords);
        self.to
            .counts()
            .iter()
            .zip(&self.axes)
            .fold(0, |acc, (&n, m)| {
                let c = match m {
                    AxisMap::Out(d) => coords.get(*d as usize).copied().unwrap_or(0),
                    AxisMap::Fixed(c) => *c,
                    AxisMap::All => 0,
                };
                acc * u64::from(n) + u64::from(c)
            })
    }

    pub(crate) fn token(&self, k: KeyBuilder) -> KeyBuilder {
        token_axes(&self.axes, self.to.token(self.from.token(k)))
    }
}

/// Axes that refer to a grid, made to refer to the grid that `map` reads that one from.
pub(crate) fn compose(axes: &[AxisMap], map: &[AxisMap]) -> Vec<AxisMap> {
    axes.iter()
        .map(|a| match a {
            AxisMap::Out(d) => map.get(*d as usize).copied().unwrap_or(AxisMap::Fixed(0)),
            other => *other,
        })
        .collect()
}

/// What keeps `axes` from picking blocks of `read` for every block of `out`, if anything.
pub(crate) fn check_axes(axes: &[AxisMap], read: &Grid, out: &Grid) -> Result<(), String> {
    if axes.len() != read.counts().len() {
        return Err(format!(
            "{} axis maps for a grid of {} axes",
            axes.len(),
            read.counts().len()
        ));
    }
    for (a, &n) in axes.iter().zip(read.counts()) {
        match a {
            AxisMap::Out(d) => match out.counts().get(*d as usize) {
                Some(&m) if m <= n => {}
                Some(&m) => {
                    return Err(format!(
                        "output axis {d} has {m} blocks, but the input only {n}"
                    ));
                }
                None => {
                    return Err(format!(
                        "output axis {d} does not exist (the output has {})",
                        out.counts().len()
                    ));
                }
            },
            AxisMap::Fixed(c) if *c >= n => {
                return Err(format!("block {c} of an axis of {n} blocks"));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn token_axes(axes: &[AxisMap], k: KeyBuilder) -> KeyBuilder {
    axes.iter().fold(k.u64(axes.len() as u64), |k, a| match a {
        AxisMap::Out(d) => k.u64(0).u64(u64::from(*d)),
        AxisMap::Fixed(c) => k.u64(1).u64(u64::from(*c)),
        AxisMap::All => k.u64(2),
    })
}

/// The lengths of the blocks along one axis, run-length encoded: a million equal chunks are one pair.
///
/// ```
/// use kvern_core::Splits;
/// let s = Splits::regular(10, 4); // 4, 4, 2
/// assert_eq!((s.len(), s.total(), s.block(2)), (3, 10, (8, 2)));
/// assert_eq!(s.find(7), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(try_from = "SplitsWire")]
pub struct Splits {
    /// `(block length, how many of them)`, neighbours differ, no zero count.
    runs: Vec<(u64, u32)>,
}

/// [`Splits`] as they are read, before they are known to be in order.
#[derive(Deserialize)]
#[serde(rename = "Splits")]
struct SplitsWire {
    runs: Vec<(u64, u32)>,
}

impl TryFrom<SplitsWire> for Splits {
    type Error = String;

    fn try_from(wire: SplitsWire) -> Result<Self, String> {
        let runs = wire.runs;
        if let Some(i) = runs.iter().position(|r| r.1 == 0) {
            return Err(format!("run {i} of the chunk lengths has no chunk"));
        }
        if let Some(i) = runs.windows(2).position(|w| w[0].0 == w[1].0) {
            return Err(format!(
                "runs {i} and {} of the chunk lengths have one length",
                i + 1
            ));
        }
        let total = runs.iter().try_fold(0u64, |sum, r| {
            sum.checked_add(r.0.checked_mul(u64::from(r.1))?)
        });
        match total {
            Some(_) => Ok(Self { runs }),
            None => Err("the chunk lengths sum to more than 2^64".into()),
        }
    }
}

impl Splits {
    /// Blocks of `size`, the last one shorter if it does not divide. A total of 0 is one block of length 0; a size of 0 counts
    /// as 1. Of more blocks than fit 32 bits (no graph can have them) only the first 2^32 - 1 whole ones stay, so that
    /// [`Splits::len`] shows that they are too many.
    pub fn regular(total: u64, size: u64) -> Self {
        let size = size.max(1);
        if total == 0 {
            return Self { runs: vec![(0, 1)] };
        }
        let mut s = Self::default();
        s.push_run(size, u32::try_from(total / size).unwrap_or(u32::MAX));
        s.push_run(total % size, u32::from(!total.is_multiple_of(size)));
        s
    }

    /// From the length of each block.
    pub fn from_lengths(lengths: impl IntoIterator<Item = u64>) -> Self {
        let mut s = Self::default();
        for n in lengths {
            s.push_run(n, 1);
        }
        s
    }

    /// Adds the blocks of `other` behind these.
    pub fn append(&mut self, other: &Self) {
        for &(len, count) in &other.runs {
            self.push_run(len, count);
        }
    }

    /// Of more blocks than fit 32 bits, [`Splits::len`] still shows that they are too many: a run that is full is followed by another.
    fn push_run(&mut self, len: u64, count: u32) {
        if count == 0 {
            return;
        }
        match self.runs.last_mut() {
            Some((l, c)) if *l == len && c.checked_add(count).is_some() => *c += count,
            _ => self.runs.push((len, count)),
        }
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.runs.iter().map(|r| r.1 as usize).sum()
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Sum of the lengths.
    pub fn total(&self) -> u64 {
        self.runs.iter().map(|r| r.0 * u64::from(r.1)).sum()
    }

    /// Length of the longest block; 0 without blocks.
    pub fn longest(&self) -> u64 {
        self.runs.iter().map(|r| r.0).max().unwrap_or(0)
    }

    /// `(start, length)` of a block. Past the end: `(total, 0)`.
    pub fn block(&self, index: usize) -> (u64, u64) {
        let mut left = index as u64;
        let mut start = 0;
        for &(len, count) in &self.runs {
            let count = u64::from(count);
            if left < count {
                return (start + left * len, len);
            }
            left -= count;
            start += len * count;
        }
        (start, 0)
    }

    /// The block that holds element `at`; the last block for anything past the end. Empty blocks hold nothing.
    pub fn find(&self, at: u64) -> usize {
        let (mut start, mut first) = (0, 0usize);
        for &(len, count) in &self.runs {
            let end = start + len * u64::from(count);
            if at < end {
                return first + ((at - start) / len) as usize;
            }
            start = end;
            first += count as usize;
        }
        first.saturating_sub(1)
    }

    /// The lengths one by one.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs
            .iter()
            .flat_map(|&(len, count)| std::iter::repeat_n(len, count as usize))
    }

    /// The runs `(length, count)`.
    pub fn runs(&self) -> &[(u64, u32)] {
        &self.runs
    }

    /// An error unless the blocks cover `total`.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) naming both sums.
    pub fn check_total(&self, axis: usize, total: u64) -> Result<()> {
        if self.total() == total {
            return Ok(());
        }
        Err(Error::bad_input(format!(
            "the chunks of axis {axis} sum to {}, but the axis has length {total}",
            self.total()
        )))
    }

    /// Adds the splits to a key.
    pub fn token(&self, k: KeyBuilder) -> KeyBuilder {
        self.runs
            .iter()
            .fold(k.u64(self.runs.len() as u64), |k, r| {
                k.u64(r.0).u64(u64::from(r.1))
            })
    }
}

/// Projected bytes of the blocks of a grid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockBytes {
    /// The same for each.
    Each(u64),
    /// `item` bytes times the product of the block's lengths.
    Dense {
        /// Bytes an element.
        item: u64,
        /// Lengths along each axis.
        axes: Vec<Splits>,
    },
}

impl BlockBytes {
    /// Bytes of one block, saturating.
    pub fn of(&self, grid: &Grid, block: u64) -> u64 {
        match self {
            Self::Each(b) => *b,
            Self::Dense { item, axes } => {
                let mut rest = block;
                let mut bytes = *item;
                for (s, &n) in axes.iter().zip(grid.counts()).rev() {
                    let n = u64::from(n.max(1));
                    bytes = bytes.saturating_mul(s.block((rest % n) as usize).1);
                    rest /= n;
                }
                bytes
            }
        }
    }

    /// Bytes of all blocks, saturating.
    pub fn total(&self, grid: &Grid) -> u64 {
        match self {
            Self::Each(b) => b.saturating_mul(grid.len() as u64),
            Self::Dense { item, axes } => axes
                .iter()
                .fold(*item, |acc, s| acc.saturating_mul(s.total())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_million_chunks_are_one_run() {
        let s = Splits::regular(4_000_000, 4);
        assert_eq!(
            (s.len(), s.runs().len(), s.block(999_999)),
            (1_000_000, 1, (3_999_996, 4))
        );
    }

    proptest! {
        #[test]
        fn splits_agree_with_a_plain_list(lengths in prop::collection::vec(0u64..5, 1..20)) {
            let s = Splits::from_lengths(lengths.iter().copied());
            prop_assert_eq!(s.iter().collect::<Vec<_>>(), lengths.clone());
            let mut start = 0;
            for (i, &n) in lengths.iter().enumerate() {
                prop_assert_eq!(s.block(i), (start, n));
                for at in start..start + n {
                    prop_assert_eq!(s.find(at), i);
                }
                start += n;
            }
            prop_assert_eq!(s.total(), start);
        }

        #[test]
        fn coordinates_round_trip(counts in prop::collection::vec(1u32..5, 0..4), pick in 0u64..1000) {
            let g = Grid::new(counts);
            let block = pick % g.len() as u64;
            let mut c = Vec::new();
            g.coords(block, &mut c);
            prop_assert_eq!(g.index(&c), block);
        }
    }
}

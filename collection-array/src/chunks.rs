//! How an array is cut: what a program asks for ([`Chunks`]) and what comes of it for a shape.

use std::sync::OnceLock;

use kvern_core::config::Config;
use kvern_core::{Error, ErrorKind, Registry, Result, Splits};

use kvern_kernels::dtype::DType;

/// Chunks smaller than this are not made only to keep all threads busy.
const SMALL: u64 = 1 << 20;

/// How to cut an array into chunks: an argument of everything that makes one.
///
/// | written as | cuts |
/// | --- | --- |
/// | `()` or [`Chunks::Auto`] | by itself: leading axes first, about `array.chunk-size` bytes a chunk |
/// | `1000` | every axis into pieces of 1000 |
/// | `-1` | nowhere |
/// | `[1000, -1]`, `vec![1000, -1]` | the first axis into pieces of 1000, the second not at all |
/// | `(1000, ())`, `(vec![3, 4], -1)` | each axis in its own way: a number, `()` for automatic, a list of lengths |
/// | `vec![vec![3, 4], vec![5]]` | at given lengths |
///
/// ```
/// use kvern_array::Array;
/// let x = Array::<f64>::zeros([10, 6], (4, -1))?;
/// assert_eq!(x.chunks(), [vec![4, 4, 2], vec![6]]);
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Chunks {
    /// About `array.chunk-size` bytes each, cut along leading axes first so that a chunk is one stretch of memory.
    #[default]
    Auto,
    /// About so many bytes each, else as [`Chunks::Auto`].
    Bytes(u64),
    /// Every axis in the same way.
    Each(AxisChunks),
    /// Each axis in its own way.
    Axes(Vec<AxisChunks>),
}

/// How to cut one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AxisChunks {
    /// As the size of the other axes leaves room for.
    Auto,
    /// Not at all.
    Whole,
    /// Into pieces of this length, the last one shorter.
    Size(u64),
    /// Into pieces of these lengths.
    Lengths(Vec<u64>),
    /// A number that is no length: an error that names it.
    Invalid(i64),
}

impl Chunks {
    /// Bytes of an automatic chunk.
    pub(crate) fn auto_bytes(shape: &[usize], dtype: DType) -> Result<u64> {
        target(None, shape, dtype)
    }

    /// The pieces along each axis of an array of this shape and element type.
    pub(crate) fn resolve(&self, shape: &[usize], dtype: DType) -> Result<Vec<Splits>> {
        let auto = vec![AxisChunks::Auto; shape.len()];
        match self {
            Self::Auto => fill(&auto, shape, dtype, None),
            Self::Bytes(n) => fill(&auto, shape, dtype, Some(*n)),
            Self::Each(c) => fill(&vec![c.clone(); shape.len()], shape, dtype, None),
            Self::Axes(list) if list.len() == shape.len() => fill(list, shape, dtype, None),
            Self::Axes(list) => Err(Error::bad_input(format!(
                "chunks for {} axes were given for an array of shape {shape:?}, which has {}",
                list.len(),
                shape.len()
            ))),
        }
    }
}

fn fill(
    list: &[AxisChunks],
    shape: &[usize],
    dtype: DType,
    bytes: Option<u64>,
) -> Result<Vec<Splits>> {
    crate::geometry::shape::size(shape)?;
    let mut out: Vec<Option<Splits>> = Vec::with_capacity(shape.len());
    for (axis, (c, &n)) in list.iter().zip(shape).enumerate() {
        let n = n as u64;
        out.push(match c {
            AxisChunks::Auto => None,
            AxisChunks::Whole => Some(Splits::regular(n, n)),
            AxisChunks::Size(0) => {
                return Err(Error::bad_input(format!(
                    "chunks of length 0 on axis {axis} of shape {shape:?}; allowed are 1 or more, or -1 for the whole axis"
                )));
            }
            AxisChunks::Invalid(bad) => {
                return Err(Error::bad_input(format!(
                    "chunks of length {bad} on axis {axis} of shape {shape:?}; allowed are 1 or more, or -1 for the whole axis"
                )));
            }
            AxisChunks::Size(size) => Some(Splits::regular(n, *size)),
            AxisChunks::Lengths(lengths) => {
                if let Some(bad) = lengths.iter().find(|&&l| l > n) {
                    return Err(Error::bad_input(format!(
                        "a chunk of length {bad} on axis {axis} of shape {shape:?}; allowed are 0 to {n}"
                    )));
                }
                // A chunk of no elements would only be a task more.
                let kept = lengths.iter().copied().filter(|&l| l > 0 || n == 0);
                let s = Splits::from_lengths(kept.take(if n == 0 { 1 } else { usize::MAX }));
                if s.is_empty() {
                    return Err(Error::bad_input(format!(
                        "an empty list of chunks on axis {axis} of shape {shape:?}; an axis has one chunk at least"
                    )));
                }
                s.check_total(axis, n)?;
                Some(s)
            }
        });
    }
    if out.contains(&None) {
        let mut room = target(bytes, shape, dtype)? / dtype.itemsize() as u64;
        for s in out.iter().flatten() {
            room /= s.longest().max(1);
        }
        // From the last axis on: whole ones while there is room, then one cut, then pieces of one.
        for axis in (0..shape.len()).rev() {
            if out[axis].is_none() {
                let n = shape[axis] as u64;
                let piece = even(n, room.clamp(1, n.max(1)));
                out[axis] = Some(Splits::regular(n, piece));
                room /= piece;
            }
        }
    }
    let out: Vec<Splits> = out.into_iter().flatten().collect();
    check_blocks("", shape, &out)?;
    Ok(out)
}

/// Refuses more chunks than can be numbered.
pub(crate) fn check_blocks(op: &str, shape: &[usize], splits: &[Splits]) -> Result<()> {
    let blocks = splits
        .iter()
        .try_fold(1u64, |n, s| n.checked_mul(s.len() as u64));
    if blocks.is_some_and(|n| n < u64::from(u32::MAX)) {
        return Ok(());
    }
    let what = if op.is_empty() { "" } else { ": " };
    Err(Error::bad_input(format!(
        "{op}{what}shape {shape:?} would be cut into more than {} chunks; use larger ones",
        u32::MAX - 1
    )))
}

/// The longest piece up to `most` that cuts `n` into pieces of nearly one length.
fn even(n: u64, most: u64) -> u64 {
    match n {
        0 => 1,
        _ => n.div_ceil(n.div_ceil(most)),
    }
}

/// Bytes a chunk should have: the configured size, less where that would leave threads without work.
fn target(bytes: Option<u64>, shape: &[usize], dtype: DType) -> Result<u64> {
    if let Some(n) = bytes {
        return Ok(n.max(1));
    }
    let configured = chunk_size()?;
    let total =
        (crate::geometry::shape::size(shape)? as u64).saturating_mul(dtype.itemsize() as u64);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    Ok(configured.min((total / (4 * threads)).max(SMALL)))
}

/// `array.chunk-size`, read once.
fn chunk_size() -> Result<u64> {
    static SIZE: OnceLock<Result<u64>> = OnceLock::new();
    SIZE.get_or_init(|| {
        let size =
            Config::load(&Registry::linked()?).and_then(|c| c.get::<u64>("array.chunk-size"));
        size.map_err(|e| Error::with_source(ErrorKind::Config, e.to_string(), e))
    })
    .clone()
}

impl From<()> for Chunks {
    fn from((): ()) -> Self {
        Self::Auto
    }
}

impl From<()> for AxisChunks {
    fn from((): ()) -> Self {
        Self::Auto
    }
}

macro_rules! from_numbers {
    ($($t:ty),*) => { $(
        impl From<$t> for AxisChunks {
            fn from(n: $t) -> Self {
                match u64::try_from(n) {
                    Ok(size) => Self::Size(size),
                    Err(_) if n as i64 == -1 => Self::Whole,
                    Err(_) => Self::Invalid(n as i64),
                }
            }
        }
        impl From<$t> for Chunks {
            fn from(n: $t) -> Self { Self::Each(n.into()) }
        }
        impl From<Vec<$t>> for AxisChunks {
            fn from(lengths: Vec<$t>) -> Self {
                let bad = lengths.iter().copied().find(|&n| u64::try_from(n).is_err());
                match bad {
                    Some(n) => Self::Invalid(n as i64),
                    None => Self::Lengths(lengths.into_iter().map(|n| n as u64).collect()),
                }
            }
        }
        impl From<Vec<Vec<$t>>> for Chunks {
            fn from(axes: Vec<Vec<$t>>) -> Self {
                Self::Axes(axes.into_iter().map(AxisChunks::from).collect())
            }
        }
        impl<const N: usize> From<[$t; N]> for Chunks {
            fn from(axes: [$t; N]) -> Self {
                Self::Axes(axes.into_iter().map(AxisChunks::from).collect())
            }
        }
        impl From<&[$t]> for Chunks {
            fn from(axes: &[$t]) -> Self {
                Self::Axes(axes.iter().map(|&n| n.into()).collect())
            }
        }
        impl<const N: usize> From<&[$t; N]> for Chunks {
            fn from(axes: &[$t; N]) -> Self {
                axes.as_slice().into()
            }
        }
        impl From<Vec<$t>> for Chunks {
            fn from(axes: Vec<$t>) -> Self {
                axes.as_slice().into()
            }
        }
        impl From<&Vec<$t>> for Chunks {
            fn from(axes: &Vec<$t>) -> Self {
                axes.as_slice().into()
            }
        }
    )* };
}
from_numbers!(i32, i64, isize, u32, u64, usize);

impl From<AxisChunks> for Chunks {
    fn from(c: AxisChunks) -> Self {
        Self::Each(c)
    }
}

impl From<Vec<AxisChunks>> for Chunks {
    fn from(axes: Vec<AxisChunks>) -> Self {
        Self::Axes(axes)
    }
}

/// As another array is cut.
impl From<&[Splits]> for Chunks {
    fn from(splits: &[Splits]) -> Self {
        Self::Axes(
            splits
                .iter()
                .map(|s| AxisChunks::Lengths(s.iter().collect()))
                .collect(),
        )
    }
}

macro_rules! from_tuples {
    ($($name:ident $n:tt),+) => {
        impl<$($name: Into<AxisChunks>),+> From<($($name,)+)> for Chunks {
            fn from(axes: ($($name,)+)) -> Self { Self::Axes(vec![$(axes.$n.into()),+]) }
        }
    };
}
from_tuples!(A 0);
from_tuples!(A 0, B 1);
from_tuples!(A 0, B 1, C 2);
from_tuples!(A 0, B 1, C 2, D 3);
from_tuples!(A 0, B 1, C 2, D 3, E 4);
from_tuples!(A 0, B 1, C 2, D 3, E 4, F 5);

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(c: impl Into<Chunks>, shape: &[usize]) -> Vec<Vec<u64>> {
        let splits = c.into().resolve(shape, DType::F64).unwrap();
        splits.iter().map(|s| s.iter().collect()).collect()
    }

    #[test]
    fn every_way_to_say_it() {
        assert_eq!(lengths(4, &[10, 3]), [vec![4, 4, 2], vec![3]]);
        assert_eq!(lengths(-1, &[10, 3]), [vec![10], vec![3]]);
        assert_eq!(lengths([5, -1], &[10, 3]), [vec![5, 5], vec![3]]);
        assert_eq!(lengths((vec![9, 1], ()), &[10, 3]), [vec![9, 1], vec![3]]);
        assert_eq!(
            lengths(vec![vec![3, 7], vec![3]], &[10, 3]),
            [vec![3, 7], vec![3]]
        );
        assert_eq!(lengths(4, &[]), Vec::<Vec<u64>>::new());
        assert_eq!(lengths(4, &[0]), [vec![0]]);
    }

    #[test]
    fn automatic_chunks_cut_leading_axes_into_even_pieces() {
        assert_eq!(
            lengths(Chunks::Bytes(800), &[7, 100]),
            [vec![1; 7], vec![100]]
        );
        assert_eq!(
            lengths(Chunks::Bytes(8 * 350), &[7, 100]),
            [vec![3, 3, 1], vec![100]]
        );
        assert_eq!(
            lengths(Chunks::Bytes(8 * 60), &[2, 100]),
            [vec![1, 1], vec![50, 50]]
        );
    }

    #[test]
    fn more_chunks_than_can_be_numbered_are_refused() {
        let many = 1usize << 32;
        for (chunks, shape) in [
            (Chunks::from(1), vec![many + 5]),
            (Chunks::from(1), vec![many]),
            (Chunks::from(1), vec![1 << 16, (1 << 16) + 1]),
            (Chunks::from(()), vec![1 << 40, 1 << 20]),
        ] {
            let e = chunks.resolve(&shape, DType::F64).unwrap_err();
            assert!(e.to_string().contains("more than 4294967294 chunks"), "{e}");
        }
    }

    #[test]
    fn errors_name_the_axis_and_what_is_allowed() {
        let e = |c: Chunks| c.resolve(&[10, 3], DType::F64).unwrap_err().to_string();
        assert!(
            e(0.into()).contains("axis 0") && e(0.into()).contains("-1"),
            "{}",
            e(0.into())
        );
        assert!(e([5].into()).contains("1 axes"), "{}", e([5].into()));
        assert!(e((vec![5, 6], -1).into()).contains("sum to 11"));
        assert!(e((Vec::<i32>::new(), -1).into()).contains("empty list"));
        // Only -1 is the whole axis, and no number without a sign is -1.
        assert!(e((-5).into()).contains("length -5 on axis 0"));
        assert!(e((vec![11, -1], -1).into()).contains("length -1 on axis 0"));
        assert!(e((vec![usize::MAX, 11], -1).into()).contains("length 18446744073709551615"));
        assert_eq!(lengths(usize::MAX, &[10, 3]), [vec![10], vec![3]]);
        assert_eq!(lengths(vec![5, -1], &[10, 3]), [vec![5, 5], vec![3]]);
        assert_eq!(lengths([5usize, 3], &[10, 3]), [vec![5, 5], vec![3]]);
    }
}

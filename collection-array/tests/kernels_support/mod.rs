//! Random chunks of every layout, and walking them one element at a time.

#![allow(dead_code, reason = "every suite uses a part of it")]

use kvern_array::dtype::{Element, Scalar};
use kvern_array::kernels::AnyChunk;
use ndarray::{ArrayD, Axis, IxDyn, Slice};

/// A small generator (SplitMix64), so that a failing case is told by one number.
#[derive(Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Types that random elements can be made of, specials included.
pub(crate) trait Sample: Element {
    fn sample(rng: &mut Rng) -> Self;
}

macro_rules! sample_int {
    ($($t:ty),*) => { $(impl Sample for $t {
        fn sample(rng: &mut Rng) -> Self {
            match rng.below(12) {
                0 => <$t>::MIN,
                1 => <$t>::MAX,
                2 => 0,
                3..7 => (rng.below(17) as i64 - 8) as Self,
                _ => rng.next() as Self,
            }
        }
    })* };
}
sample_int!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! sample_float {
    ($($t:ty),*) => { $(impl Sample for $t {
        fn sample(rng: &mut Rng) -> Self {
            match rng.below(40) {
                0 => Self::NAN,
                1 => Self::INFINITY,
                2 => Self::NEG_INFINITY,
                3 => 0.0,
                4 => -0.0,
                5 => Self::MIN_POSITIVE / 8.0,
                6..16 => rng.below(9) as Self - 4.0,
                _ => ((rng.unit() - 0.5) * 20.0) as Self,
            }
        }
    })* };
}
sample_float!(f32, f64);

impl Sample for bool {
    fn sample(rng: &mut Rng) -> Self {
        rng.below(2) == 1
    }
}

/// A chunk of `shape` whose memory is permuted, strided, reversed or contiguous, as `rng` has it.
pub(crate) fn chunk_with<T: Element>(
    rng: &mut Rng,
    shape: &[usize],
    mut f: impl FnMut(&mut Rng) -> T,
) -> AnyChunk {
    let nd = shape.len();
    let mut perm: Vec<usize> = (0..nd).collect();
    let style = rng.below(4);
    if style >= 2 {
        for i in (1..nd).rev() {
            perm.swap(i, rng.below(i + 1));
        }
    }
    let steps: Vec<isize> = (0..nd)
        .map(|_| {
            if style % 2 == 1 {
                [1, 1, 2, 3, -1, -2][rng.below(6)]
            } else {
                1
            }
        })
        .collect();
    let big: Vec<usize> = perm
        .iter()
        .map(|&a| shape[a] * steps[a].unsigned_abs())
        .collect();
    let mut base = ArrayD::from_shape_simple_fn(IxDyn(&big), || f(rng));
    for (i, &a) in perm.iter().enumerate() {
        base.slice_axis_inplace(Axis(i), Slice::new(0, None, steps[a]));
    }
    let mut back = vec![0; nd];
    for (i, &a) in perm.iter().enumerate() {
        back[a] = i;
    }
    let out = base.permuted_axes(IxDyn(&back)).into_shared();
    assert_eq!(out.shape(), shape);
    T::erase(out)
}

pub(crate) fn chunk<T: Sample>(rng: &mut Rng, shape: &[usize]) -> AnyChunk {
    chunk_with(rng, shape, T::sample)
}

/// A shape of up to four axes; sometimes empty, sometimes longer than a tile.
pub(crate) fn shape(rng: &mut Rng) -> Vec<usize> {
    match rng.below(10) {
        0 => vec![],
        1 => vec![rng.below(5000)],
        2 => vec![rng.below(4), 1 + rng.below(2500)],
        3 => vec![1 + rng.below(2500), rng.below(5)],
        4 => vec![1 + rng.below(6), 1 + rng.below(300), 1 + rng.below(6)],
        5 => vec![1 + rng.below(40), 1 + rng.below(4), 1 + rng.below(40)],
        _ => (0..1 + rng.below(4))
            .map(|_| {
                if rng.below(12) == 0 {
                    0
                } else {
                    1 + rng.below(9)
                }
            })
            .collect(),
    }
}

/// A shape that broadcasts to `to`.
pub(crate) fn narrower(rng: &mut Rng, to: &[usize]) -> Vec<usize> {
    let keep = match rng.below(3) {
        0 => to.len(),
        _ => rng.below(to.len() + 1),
    };
    to[to.len() - keep..]
        .iter()
        .map(|&n| if rng.below(3) == 0 { 1 } else { n })
        .collect()
}

/// Every index of `shape` in C order.
pub(crate) fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let len: usize = shape.iter().product();
    (0..len)
        .map(|mut i| {
            let mut at = vec![0; shape.len()];
            for (a, &n) in at.iter_mut().zip(shape).rev() {
                *a = i % n;
                i /= n;
            }
            at
        })
        .collect()
}

/// The element of `chunk` at `index` of a shape that it is broadcast to.
pub(crate) fn at<T: Element>(chunk: &AnyChunk, index: &[usize]) -> T {
    let a = chunk.peek::<T>().expect("dtype");
    let lead = index.len() - a.ndim();
    let own: Vec<usize> = index[lead..]
        .iter()
        .zip(a.shape())
        .map(|(&i, &n)| if n == 1 { 0 } else { i })
        .collect();
    a[IxDyn(&own)]
}

/// Equal in bits, all NaN being one.
pub(crate) fn same(a: Scalar, b: Scalar) -> bool {
    let nan = |s: Scalar| s.dtype().is_float() && s.get::<f64>().is_nan();
    a.dtype() == b.dtype() && ((nan(a) && nan(b)) || a == b)
}

/// The elements in C order.
pub(crate) fn values<T: Element>(chunk: &AnyChunk) -> Vec<T> {
    chunk.peek::<T>().expect("dtype").iter().copied().collect()
}

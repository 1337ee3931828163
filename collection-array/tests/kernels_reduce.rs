//! Reductions against one element at a time, over layouts, axes, chunkings and dtypes.

mod kernels_support;

use kernels_support::{Rng, Sample, at, chunk, chunk_with, indices, narrower, same, shape, values};
use kvern_array::dtype::{DType, Element, Ordered, Scalar};
use kvern_array::kernels::{
    AnyChunk, BinaryOp, Level, Origin, Partial, Program, Reduce, binary_program, combine, eval,
    reduce, reduce_chunk, reduce_chunk_at,
};
use ndarray::{SliceInfoElem, arr1, arr2};
use proptest::prelude::*;

const ALL: [Reduce; 12] = [
    Reduce::Sum,
    Reduce::Prod,
    Reduce::Mean,
    Reduce::Var { ddof: 0 },
    Reduce::Std { ddof: 1 },
    Reduce::Min,
    Reduce::Max,
    Reduce::Any,
    Reduce::All,
    Reduce::ArgMin,
    Reduce::ArgMax,
    Reduce::CountNonzero,
];

/// The elements that go to each output, in C order of the reduced axes.
fn groups<T: Element>(x: &AnyChunk, to: &[usize], axes: &[usize]) -> Vec<Vec<T>> {
    let kept: Vec<usize> = (0..to.len()).filter(|a| !axes.contains(a)).collect();
    let outer: Vec<usize> = kept.iter().map(|&a| to[a]).collect();
    let inner: Vec<usize> = (0..to.len()).filter(|a| axes.contains(a)).collect();
    let lens: Vec<usize> = inner.iter().map(|&a| to[a]).collect();
    indices(&outer)
        .iter()
        .map(|o| {
            let pick = |i: &Vec<usize>| {
                let mut index = vec![0; to.len()];
                kept.iter().zip(o).for_each(|(&a, &v)| index[a] = v);
                inner.iter().zip(i).for_each(|(&a, &v)| index[a] = v);
                at::<T>(x, &index)
            };
            indices(&lens).iter().map(pick).collect()
        })
        .collect()
}

fn extreme<T: Ordered>(g: &[T], min: bool) -> Option<(usize, T)> {
    let mut best: Option<(usize, T)> = None;
    for (i, &v) in g.iter().enumerate() {
        let is_nan = v.partial_cmp(&v).is_none();
        best = match best {
            None => Some((i, v)),
            Some((_, b)) if b.partial_cmp(&b).is_none() => best,
            Some((_, b)) if is_nan || (if min { v < b } else { v > b }) => Some((i, v)),
            _ => best,
        };
    }
    best
}

/// A product that does not overflow on the way: zeros, infinities and NaN first, the others brought back between factors.
fn product(f: &[f64]) -> f64 {
    let special: f64 = f.iter().filter(|v| **v == 0.0 || !v.is_finite()).product();
    let sign: f64 = f.iter().map(|v| v.signum()).product();
    if special.is_nan() {
        return special;
    }
    if f.iter().any(|v| *v == 0.0 || !v.is_finite()) {
        return special.abs() * sign;
    }
    let (up, down) = (2_f64.powi(300), 2_f64.powi(-300));
    let (mut p, mut e) = (1.0, 0);
    for &v in f {
        // Each factor is brought near 1 before, so that no product leaves the range.
        let mut v = v;
        while v.abs() > up {
            (v, e) = (v * down, e + 1);
        }
        while v.abs() < down {
            (v, e) = (v * up, e - 1);
        }
        p *= v;
        while p.abs() > up {
            (p, e) = (p * down, e + 1);
        }
        while p.abs() < down {
            (p, e) = (p * up, e - 1);
        }
    }
    (0..e).for_each(|_| p *= up);
    (e..0).for_each(|_| p *= down);
    p
}

/// What the reduction of one group is, and how far a rounded one may be off.
fn expected<T: Ordered>(r: Reduce, g: &[T]) -> Option<(Scalar, f64)> {
    let f: Vec<f64> = g.iter().map(|v| v.to_scalar().get()).collect();
    let n = f.len() as f64;
    let float = T::DTYPE.is_float();
    let total: f64 = f.iter().map(|v| v.abs()).sum();
    // Neumaier's sum, as a sum in twice the precision would be.
    let sum = |f: &[f64]| {
        let (mut s, mut c) = (0.0_f64, 0.0);
        for &v in f {
            let t = s + v;
            c += if s.abs() >= v.abs() {
                (s - t) + v
            } else {
                (v - t) + s
            };
            s = t;
        }
        if s.is_finite() { s + c } else { f.iter().sum() }
    };
    let unit = if T::DTYPE == DType::F32 {
        6e-8
    } else {
        2.3e-16
    };
    let mean_of = |v: f64| Scalar::F64(v).cast(T::DTYPE.mean_dtype());
    Some(match r {
        Reduce::Sum if float => (Scalar::F64(sum(&f)).cast(T::DTYPE), total * unit * 8.0),
        Reduce::Sum if T::DTYPE.is_unsigned_int() => (
            g.iter()
                .fold(0_u64, |s, v| s.wrapping_add(v.to_scalar().get()))
                .to_scalar(),
            0.0,
        ),
        Reduce::Sum => (
            g.iter()
                .fold(0_i64, |s, v| s.wrapping_add(v.to_scalar().get()))
                .to_scalar(),
            0.0,
        ),
        Reduce::Prod if float => {
            let p = product(&f);
            (Scalar::F64(p).cast(T::DTYPE), p.abs() * (n + 4.0) * unit)
        }
        Reduce::Prod if T::DTYPE.is_unsigned_int() => (
            g.iter()
                .fold(1_u64, |s, v| s.wrapping_mul(v.to_scalar().get()))
                .to_scalar(),
            0.0,
        ),
        Reduce::Prod => (
            g.iter()
                .fold(1_i64, |s, v| s.wrapping_mul(v.to_scalar().get()))
                .to_scalar(),
            0.0,
        ),
        Reduce::Mean => (mean_of(sum(&f) / n), total / n * unit * 8.0),
        Reduce::Var { ddof } | Reduce::Std { ddof } => {
            let mean = sum(&f) / n;
            let squares = sum(&f
                .iter()
                .map(|v| (v - mean) * (v - mean))
                .collect::<Vec<_>>());
            let var = squares / (n - f64::from(ddof)).max(0.0);
            let worst = f.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
            let off = unit * (64.0 + 4.0 * n.sqrt()) * (var + worst * worst * unit * n);
            match r {
                Reduce::Var { .. } => (mean_of(var), off),
                _ => (
                    mean_of(var.sqrt()),
                    if var == 0.0 {
                        off.sqrt()
                    } else {
                        off / var.sqrt()
                    },
                ),
            }
        }
        Reduce::Min => (extreme(g, true)?.1.to_scalar(), 0.0),
        Reduce::Max => (extreme(g, false)?.1.to_scalar(), 0.0),
        Reduce::ArgMin => ((extreme(g, true)?.0 as i64).to_scalar(), 0.0),
        Reduce::ArgMax => ((extreme(g, false)?.0 as i64).to_scalar(), 0.0),
        Reduce::Any => (g.iter().any(|v| *v != T::ZERO).to_scalar(), 0.0),
        Reduce::All => (g.iter().all(|v| *v != T::ZERO).to_scalar(), 0.0),
        Reduce::CountNonzero => (
            (g.iter().filter(|v| **v != T::ZERO).count() as i64).to_scalar(),
            0.0,
        ),
    })
}

fn element(c: &AnyChunk, i: &[usize]) -> Scalar {
    macro_rules! go { ($($d:ident $t:ty),*) => { match c.dtype() { $(DType::$d => at::<$t>(c, i).to_scalar(),)* } } }
    go!(Bool bool, I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64)
}

fn compare<T: Ordered>(r: Reduce, got: &AnyChunk, x: &AnyChunk, to: &[usize], axes: &[usize]) {
    let out: Vec<usize> = (0..to.len())
        .filter(|a| !axes.contains(a))
        .map(|a| to[a])
        .collect();
    assert_eq!(got.shape(), out, "{r:?}");
    assert_eq!(got.dtype(), r.result_dtype(T::DTYPE));
    for (i, g) in indices(&out).iter().zip(groups::<T>(x, to, axes)) {
        let (e, off) = expected(r, &g).expect("there are elements");
        let v = element(got, i);
        let (a, b) = (v.get::<f64>(), e.get::<f64>());
        // A product that may underflow or overflow on the way depends on the order of its factors.
        let binades = |v: &T| v.to_scalar().get::<f64>().abs().log2().abs();
        if r == Reduce::Prod && T::DTYPE.is_float() && g.iter().map(binades).sum::<f64>() > 900.0 {
            continue;
        }
        let zeros = a == 0.0 && b == 0.0 && v.dtype() == e.dtype();
        let close = v.dtype().is_float() && (a - b).abs() <= off;
        assert!(
            same(v, e) || zeros || close,
            "{r:?} over {axes:?} of {to:?} at {i:?}: {v} for {e} (+-{off:e})"
        );
    }
}

fn some_axes(rng: &mut Rng, nd: usize) -> Vec<usize> {
    match rng.below(4) {
        0 => (0..nd).collect(),
        _ => (0..nd).filter(|_| rng.below(2) == 0).collect(),
    }
}

/// Elements that sums, products and moments stay finite with, most of the time.
fn tame<T: Sample>(rng: &mut Rng, to: &[usize]) -> AnyChunk {
    if rng.below(4) == 0 {
        return chunk::<T>(rng, to);
    }
    chunk_with(rng, to, |rng| match rng.below(10) {
        0 => T::sample(rng),
        _ => Scalar::F64(rng.unit() * 5.0 - 2.0).get::<T>(),
    })
}

/// Cuts every axis at random and reduces the pieces, combining them in groups.
fn in_pieces(rng: &mut Rng, r: Reduce, x: &AnyChunk, axes: &[usize]) -> AnyChunk {
    let to = x.shape().to_vec();
    let p = Program::identity(x.dtype());
    // Kept axes stay whole so that one output comes of it.
    let cuts: Vec<Vec<usize>> = (0..to.len())
        .map(|a| {
            let mut c = vec![0, to[a]];
            if axes.contains(&a) {
                c.extend((0..rng.below(3)).map(|_| rng.below(to[a] + 1)));
            }
            c.sort_unstable();
            c
        })
        .collect();
    let counts: Vec<usize> = cuts.iter().map(|c| c.len() - 1).collect();
    let mut parts: Vec<Partial> = Vec::new();
    for g in indices(&counts) {
        let lo: Vec<usize> = (0..to.len()).map(|a| cuts[a][g[a]]).collect();
        let info: Vec<SliceInfoElem> = (0..to.len())
            .map(|a| SliceInfoElem::Slice {
                start: lo[a] as isize,
                end: Some(cuts[a][g[a] + 1] as isize),
                step: 1,
            })
            .collect();
        let piece = x.slice(&info);
        let origin = Origin {
            offset: lo,
            shape: to.clone(),
        };
        let shape = piece.shape().to_vec();
        parts.push(reduce_chunk(r, &p, &[piece], &shape, axes, Some(&origin)).unwrap());
    }
    // It travels as bytes on the way.
    let bytes = postcard::to_allocvec(&parts).unwrap();
    let parts: Vec<Partial> = postcard::from_bytes(&bytes).unwrap();
    let pairs = parts
        .chunks(2)
        .map(|p| combine(p.to_vec()).unwrap())
        .collect();
    combine(pairs).unwrap().finish(false).unwrap()
}

fn check<T: Sample + Ordered>(seed: u64) {
    let mut rng = Rng(seed);
    let mut to = shape(&mut rng);
    let axes = some_axes(&mut rng, to.len());
    for (a, n) in to.iter_mut().enumerate() {
        if axes.contains(&a) {
            *n = (*n).max(1);
        }
    }
    let x = tame::<T>(&mut rng, &to);
    for r in ALL {
        let p = Program::identity(T::DTYPE);
        for level in Level::available() {
            let part =
                reduce_chunk_at(level, r, &p, std::slice::from_ref(&x), &to, &axes, None).unwrap();
            compare::<T>(r, &part.finish(false).unwrap(), &x, &to, &axes);
        }
        compare::<T>(r, &in_pieces(&mut rng, r, &x, &axes), &x, &to, &axes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn reductions_are_naive_f64(seed: u64) { check::<f64>(seed); }

    #[test]
    fn reductions_are_naive_f32(seed: u64) { check::<f32>(seed); }

    #[test]
    fn reductions_are_naive_ints(seed: u64) {
        match Rng(seed).below(8) {
            0 => check::<i8>(seed),
            1 => check::<i16>(seed),
            2 => check::<i32>(seed),
            3 => check::<i64>(seed),
            4 => check::<u8>(seed),
            5 => check::<u16>(seed),
            6 => check::<u32>(seed),
            _ => check::<u64>(seed),
        }
    }

    #[test]
    fn reductions_are_naive_bool(seed: u64) { check::<bool>(seed); }

    #[test]
    fn fused_is_stepwise(seed: u64) {
        let mut rng = Rng(seed);
        let to = shape(&mut rng);
        let s = narrower(&mut rng, &to);
        let (x, y) = (tame::<f64>(&mut rng, &to), tame::<f64>(&mut rng, &s));
        let p = binary_program::<f64>(BinaryOp::Mul).unwrap();
        let product = eval(&p, &[x.clone(), y.clone()], &to).unwrap();
        let axes = some_axes(&mut rng, to.len());
        if axes.iter().any(|&a| to[a] == 0) {
            return Ok(());
        }
        for r in ALL {
            let got = reduce(r, &p, &[x.clone(), y.clone()], &to, &axes, false).unwrap();
            compare::<f64>(r, &got, &product, &to, &axes);
        }
    }
}

#[test]
fn nothing_is_reduced() {
    let x = AnyChunk::from(ndarray::Array2::<f64>::zeros((3, 0)).into_dyn());
    let p = Program::identity(DType::F64);
    let go = |r, axes: &[usize]| reduce(r, &p, std::slice::from_ref(&x), &[3, 0], axes, false);
    assert_eq!(values::<f64>(&go(Reduce::Sum, &[1]).unwrap()), [0.0; 3]);
    assert_eq!(values::<f64>(&go(Reduce::Prod, &[1]).unwrap()), [1.0; 3]);
    assert!(
        values::<f64>(&go(Reduce::Mean, &[1]).unwrap())
            .iter()
            .all(|v| v.is_nan())
    );
    assert_eq!(values::<bool>(&go(Reduce::All, &[1]).unwrap()), [true; 3]);
    assert_eq!(values::<bool>(&go(Reduce::Any, &[1]).unwrap()), [false; 3]);
    assert_eq!(go(Reduce::Max, &[0]).unwrap().shape(), [0]);
    let e = go(Reduce::Min, &[1]).unwrap_err().to_string();
    assert_eq!(
        e,
        "min of no elements is not defined: shape [3, 0] over axes [1]"
    );
    let e = go(Reduce::ArgMax, &[0, 1]).unwrap_err().to_string();
    assert_eq!(
        e,
        "argmax of no elements is not defined: shape [3, 0] over axes [0, 1]"
    );
    let e = go(Reduce::Sum, &[2]).unwrap_err().to_string();
    assert_eq!(
        e,
        "axis 2 is out of range or named twice; the array has 2 dimensions"
    );
}

#[test]
fn empty_chunks_do_not_count() {
    let p = Program::identity(DType::I32);
    let part = |v: &[i32], at: usize| {
        let origin = Origin {
            offset: vec![at],
            shape: vec![3],
        };
        let c = AnyChunk::from(arr1(v).into_dyn());
        reduce_chunk(Reduce::ArgMin, &p, &[c], &[v.len()], &[0], Some(&origin)).unwrap()
    };
    let all = combine(vec![
        part(&[], 0),
        part(&[7, 5], 0),
        part(&[], 2),
        part(&[5], 2),
    ])
    .unwrap();
    assert_eq!(values::<i64>(&all.finish(false).unwrap()), [1]);
}

#[test]
fn keepdims_keeps_them() {
    let x = AnyChunk::from(arr2(&[[1_i32, 2], [3, 4]]).into_dyn());
    let out = reduce(
        Reduce::Sum,
        &Program::identity(DType::I32),
        &[x],
        &[2, 2],
        &[0],
        true,
    )
    .unwrap();
    assert_eq!(out.shape(), [1, 2]);
    assert_eq!(values::<i64>(&out), [4, 6]);
}

#[test]
fn partials_must_belong_together() {
    let x = AnyChunk::from(arr1(&[1.0, 2.0]).into_dyn());
    let p = Program::identity(DType::F64);
    let part = |r| reduce_chunk(r, &p, std::slice::from_ref(&x), &[2], &[0], None).unwrap();
    let e = combine(vec![part(Reduce::Sum), part(Reduce::Max)])
        .unwrap_err()
        .to_string();
    assert_eq!(
        e,
        "partial results do not fit together: sum of float64 and max of float64"
    );
    assert!(combine(vec![]).is_err());
}

/// 0.1 two million times: adding up in order is off by 1e-5, and by the same when rows of two are added to each other.
#[test]
fn long_sums_keep_their_digits() {
    let n = 2_000_000;
    let x = AnyChunk::full(&[n], Scalar::F64(0.1));
    let p = Program::identity(DType::F64);
    let sum = reduce(Reduce::Sum, &p, std::slice::from_ref(&x), &[n], &[0], false).unwrap();
    assert!(
        (values::<f64>(&sum)[0] - 200_000.0).abs() < 1e-9,
        "{:?}",
        values::<f64>(&sum)
    );
    let tall = x.reshaped(&[n / 2, 2]).unwrap();
    let sums = reduce(Reduce::Sum, &p, &[tall], &[n / 2, 2], &[0], false).unwrap();
    assert!(
        values::<f64>(&sums)
            .iter()
            .all(|v| (v - 100_000.0).abs() < 1e-9),
        "{:?}",
        values::<f64>(&sums)
    );
    // Small scatter on a large mean, where the difference of squares would be all rounding.
    let mut rng = Rng(1);
    let noisy: Vec<f64> = (0..200_000).map(|_| 1e9 + rng.unit()).collect();
    let y = AnyChunk::from(arr1(&noisy).into_dyn());
    for shape in [vec![200_000], vec![100_000, 2], vec![200, 1000]] {
        let y = y.reshaped(&shape).unwrap();
        let var = reduce(Reduce::Var { ddof: 0 }, &p, &[y], &shape, &[0], false).unwrap();
        let tolerance = if shape == [200, 1000] { 0.03 } else { 1e-3 };
        for v in values::<f64>(&var) {
            assert!((v - 1.0 / 12.0).abs() < tolerance, "{shape:?} {v}");
        }
    }
}

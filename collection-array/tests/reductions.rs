//! Reductions over zeros of both signs, infinities, NaN and numbers at the ends of their range: the right answer (recorded by
//! data/make_reductions.py) from every way to cut, lay out and combine.

mod kernels_support;

use kernels_support::{Rng, at, same};
use kvern_array::dtype::{DType, Element, Scalar};
use kvern_array::kernels::{
    AnyChunk, Level, Origin, Partial, Program, Reduce, combine, reduce_chunk_at,
};
use ndarray::{ArcArray, Array2, Axis, IxDyn, s};

const ALL: [Reduce; 12] = [
    Reduce::Sum,
    Reduce::Prod,
    Reduce::Mean,
    Reduce::Var { ddof: 0 },
    Reduce::Std { ddof: 0 },
    Reduce::Min,
    Reduce::Max,
    Reduce::Any,
    Reduce::All,
    Reduce::ArgMin,
    Reduce::ArgMax,
    Reduce::CountNonzero,
];

fn number(d: DType, text: &str) -> Scalar {
    match d {
        DType::Bool => Scalar::Bool(text == "1"),
        DType::I64 => Scalar::I64(text.parse().unwrap()),
        _ if text == "n" => Scalar::F64(f64::NAN).cast(d),
        DType::F32 => {
            let bits = u32::from_str_radix(&format!("{text:0<8}"), 16).unwrap();
            Scalar::F32(f32::from_bits(bits))
        }
        _ => {
            let bits = u64::from_str_radix(&format!("{text:0<16}"), 16).unwrap();
            Scalar::F64(f64::from_bits(bits))
        }
    }
}

/// Elements, and the answers as the file writes them.
struct Case {
    dtype: DType,
    x: Vec<Scalar>,
    answers: Vec<(String, String)>,
}

fn cases() -> Vec<Case> {
    let mut out: Vec<Case> = Vec::new();
    for line in include_str!("data/reductions.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let (name, rest) = line.split_once(' ').unwrap();
        if name == "x" {
            let (dtype, values) = rest.split_once(' ').unwrap();
            let dtype: DType = dtype.parse().unwrap();
            let x = values.split(' ').map(|v| number(dtype, v)).collect();
            out.push(Case {
                dtype,
                x,
                answers: Vec::new(),
            });
        } else if let Some(case) = out.last_mut() {
            case.answers.push((name.to_owned(), rest.to_owned()));
        }
    }
    out
}

/// The elements in some layout, with the axis along which they lie; all outputs are alike.
fn layouts<T: Element>(x: &[T]) -> Vec<(ArcArray<T, IxDyn>, usize)> {
    let n = x.len();
    let line = ndarray::Array1::from_vec(x.to_vec());
    let wide = line.broadcast((3, n)).unwrap().to_owned();
    let tall = |m: usize| Array2::from_shape_fn((n, m), |(i, _)| x[i]);
    let turned = ndarray::Array1::from_iter(x.iter().rev().copied()).slice_move(s![..;-1]);
    let mut out = vec![
        (line.into_dyn(), 0),
        (turned.into_dyn(), 0),
        (wide.into_dyn(), 1),
        (tall(2).into_dyn(), 0),
        (tall(19).into_dyn(), 0),
        (tall(5).reversed_axes().into_dyn(), 1),
    ];
    // Rows that are taken one by one, being longer than half a tile.
    if n <= 12 {
        out.push((tall(700).into_dyn(), 0));
    }
    out.into_iter()
        .map(|(a, axis)| (a.into_shared(), axis))
        .collect()
}

/// Partials of the chunks that `cuts` make along `axis`.
fn partials<T: Element>(
    level: Level,
    r: Reduce,
    a: &ArcArray<T, IxDyn>,
    axis: usize,
    cuts: &[usize],
) -> Vec<Partial> {
    cuts.windows(2)
        .map(|w| {
            let mut shape = a.shape().to_vec();
            shape[axis] = w[1] - w[0];
            let mut offset = vec![0; shape.len()];
            offset[axis] = w[0];
            let origin = Origin {
                offset,
                shape: a.shape().to_vec(),
            };
            // As a view of the whole, with its strides.
            let mut whole = a.clone();
            whole.slice_axis_inplace(Axis(axis), (w[0]..w[1]).into());
            let chunk: AnyChunk = T::erase(whole);
            let p = Program::identity(T::DTYPE);
            reduce_chunk_at(level, r, &p, &[chunk], &shape, &[axis], Some(&origin)).unwrap()
        })
        .collect()
}

/// In pairs, pairs of pairs and so on.
fn tree(mut list: Vec<Partial>) -> Partial {
    while list.len() > 1 {
        let mut rest = list.into_iter();
        list = Vec::new();
        while let Some(a) = rest.next() {
            list.push(match rest.next() {
                Some(b) => combine(vec![a, b]).unwrap(),
                None => a,
            });
        }
    }
    list.pop().unwrap()
}

/// How far a rounded answer may be off.
fn slack(r: Reduce, case: &Case, want: f64) -> f64 {
    let unit = if case.dtype == DType::F32 {
        1.2e-7
    } else {
        2.3e-16
    };
    let n = case.x.len() as f64;
    let size: f64 = case.x.iter().map(|v| v.get::<f64>().abs()).sum();
    match r {
        // Kept in f64 and rounded once at the end; those of f64 have a rounding for each factor.
        Reduce::Prod if case.dtype == DType::F32 => 1.01 * unit * want.abs() + 1.5e-45,
        Reduce::Prod => n * unit * want.abs() + 5e-324,
        Reduce::Sum => 4.0 * unit * size,
        Reduce::Mean => 4.0 * unit * size / n,
        Reduce::Var { .. } | Reduce::Std { .. } => 64.0 * unit * want.abs() + 1e-300,
        _ => 0.0,
    }
}

fn check<T: Element>(case: &Case, rng: &mut Rng) {
    let x: Vec<T> = case.x.iter().map(|v| v.get()).collect();
    let n = x.len();
    let step = |k: usize| -> Vec<usize> { (0..n).step_by(k).chain([n]).collect() };
    let mut ways = vec![vec![0, n], step(3.min(n)), step(n.div_ceil(2))];
    if n <= 100 {
        ways.push(step(if n <= 20 { 1 } else { 7 }));
        let mut random: Vec<usize> = (0..3).map(|_| rng.below(n + 1)).chain([0, n]).collect();
        random.sort_unstable();
        ways.push(random);
    }
    let layouts = layouts(&x);
    let large = case.x.iter().any(|v| v.get::<f64>().abs() > 1e150);
    for r in ALL {
        let out = r.result_dtype(T::DTYPE);
        let text = &case.answers.iter().find(|a| a.0 == r.name()).unwrap().1;
        let want = number(out, text);
        let allowed = slack(r, case, want.get());
        for level in Level::available() {
            for (a, axis) in &layouts {
                for cuts in &ways {
                    let list = partials(level, r, a, *axis, cuts);
                    for all in [combine(list.clone()).unwrap(), tree(list)] {
                        let got = all.finish(false).unwrap();
                        assert_eq!(got.dtype(), out);
                        for i in 0..got.len().min(20) {
                            let index: Vec<usize> = if got.ndim() == 0 { vec![] } else { vec![i] };
                            macro_rules! value { ($($d:ident $t:ty),*) => { match out {
                                $(DType::$d => at::<$t>(&got, &index).to_scalar(),)* _ => unreachable!() } } }
                            let g = value!(Bool bool, I64 i64, F32 f32, F64 f64);
                            let (gf, wf): (f64, f64) = (g.get(), want.get());
                            let near = wf.is_finite() && wf != 0.0 && (gf - wf).abs() <= allowed;
                            // A sum that cancels may leave what rounding has lost.
                            let zero = wf == 0.0
                                && allowed > 0.0
                                && gf.abs() <= allowed
                                && r != Reduce::Prod;
                            // What rounding leaves of a mean of numbers like 1e200 has a square beyond all floats.
                            let square = matches!(r, Reduce::Var { .. } | Reduce::Std { .. });
                            let beyond = square && gf == f64::INFINITY && large;
                            assert!(
                                same(g, want) || near || zero || beyond,
                                "{} of {:?} of {:?} over axis {axis} in chunks at {cuts:?} ({level:?}): {gf:e}, right is {wf:e}",
                                r.name(),
                                a.shape(),
                                &x[..n.min(8)]
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn special_values_are_right_however_they_are_cut() {
    let mut rng = Rng(11);
    for case in cases() {
        match case.dtype {
            DType::F32 => check::<f32>(&case, &mut rng),
            _ => check::<f64>(&case, &mut rng),
        }
    }
}

#[test]
fn products_of_integers_wrap_as_numpys_do() {
    // int(np.prod(np.full(50, 3)))
    const POWER: i64 = 6048575297968530377;
    // np.prod of the same, whatever the chunks: a product modulo 2^64.
    let signed: [(&[i64], i64); 4] = [
        (&[i64::MAX, 2, -3], 6),
        (&[i64::MIN, -1], i64::MIN),
        (&[3; 50], POWER),
        (&[0, i64::MIN, 7], 0),
    ];
    for (x, want) in signed {
        for (a, axis) in layouts(x) {
            for k in [1, 2, x.len()] {
                let cuts: Vec<usize> = (0..x.len()).step_by(k).chain([x.len()]).collect();
                for level in Level::available() {
                    let p = combine(partials(level, Reduce::Prod, &a, axis, &cuts)).unwrap();
                    let got = p.finish(false).unwrap();
                    let got = got.peek::<i64>().unwrap();
                    assert!(got.iter().all(|&g| g == want), "{x:?}: {got}, not {want}");
                }
            }
        }
    }
}

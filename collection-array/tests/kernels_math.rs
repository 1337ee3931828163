//! Errors of the vector functions against the standard library, in units in the last place.

mod kernels_support;

use kernels_support::{Rng, same, values};
use kvern_array::dtype::{DType, Element};
use kvern_array::kernels::{AnyChunk, Level, UnaryOp, eval_at, unary_program};
use ndarray::Array1;

/// An operation, the same by the standard library, the range where most arguments lie, and the ulp allowed.
type Case = (UnaryOp, fn(f64) -> f64, (f64, f64), f64);

const CASES: [Case; 16] = [
    (UnaryOp::Sin, f64::sin, (-30.0, 30.0), 1.5),
    (UnaryOp::Cos, f64::cos, (-30.0, 30.0), 1.5),
    (UnaryOp::Tan, f64::tan, (-30.0, 30.0), 3.0),
    (UnaryOp::Asin, f64::asin, (-1.0, 1.0), 2.0),
    (UnaryOp::Acos, f64::acos, (-1.0, 1.0), 2.0),
    (UnaryOp::Atan, f64::atan, (-5.0, 5.0), 1.5),
    (UnaryOp::Sinh, f64::sinh, (-20.0, 20.0), 3.0),
    (UnaryOp::Cosh, f64::cosh, (-20.0, 20.0), 2.0),
    (UnaryOp::Tanh, f64::tanh, (-5.0, 5.0), 3.0),
    (UnaryOp::Exp, f64::exp, (-30.0, 30.0), 1.5),
    (UnaryOp::Exp2, f64::exp2, (-30.0, 30.0), 1.5),
    (UnaryOp::Expm1, f64::exp_m1, (-2.0, 2.0), 2.0),
    (UnaryOp::Log, f64::ln, (0.0, 10.0), 1.5),
    (UnaryOp::Log2, f64::log2, (0.0, 10.0), 1.5),
    (UnaryOp::Log10, f64::log10, (0.0, 10.0), 2.0),
    (UnaryOp::Log1p, f64::ln_1p, (-0.9, 3.0), 1.5),
];

/// Arguments of every size and sign, most of them in `range`, with the special ones and the borders of reductions.
fn arguments(range: (f64, f64), n: usize) -> Vec<f64> {
    let mut rng = Rng(7);
    let mut x = vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        f64::MAX,
        f64::MIN,
        1e22,
        -1e300,
        709.7,
        709.79,
        -708.5,
        -745.0,
        -746.0,
        1023.4,
        1024.0,
        -1074.0,
        -1075.0,
        1000.0,
        8.0,
        1e9,
        1e9 + 0.5,
        823_549.0,
        823_550.0,
        350.5,
        -40.5,
        0.999_999_999_999_999_9,
        -0.999_999_999_999_999_9,
    ];
    for k in 1..200 {
        let quarter = f64::from(k) * std::f64::consts::FRAC_PI_4;
        x.extend([
            quarter,
            quarter.next_up(),
            -quarter.next_down(),
            f64::from(k) * std::f64::consts::LN_2 * 0.5,
        ]);
    }
    while x.len() < n {
        let u = rng.unit();
        x.push(match rng.below(8) {
            // Any bits: every magnitude alike.
            0 => f64::from_bits(rng.next()),
            1 => (u - 0.5) * 1e-3,
            2 => 1.0 + (u - 0.5) * 1e-3,
            3 => (u - 0.5) * 2000.0,
            4 => (u - 0.5) * 1e6,
            _ => range.0 + u * (range.1 - range.0),
        });
    }
    x
}

/// Distance in units in the last place of `right`.
fn ulps(got: f64, right: f64) -> f64 {
    let a = right.abs().max(f64::MIN_POSITIVE);
    (got - right).abs() / (a.next_up() - a).min(a - a.next_down()).max(5e-324)
}

#[test]
fn errors_are_small() {
    let n = 60_000;
    for (op, right, range, allowed) in CASES {
        let x = arguments(range, n);
        let chunk = AnyChunk::from(Array1::from(x.clone()).into_dyn());
        for level in Level::available() {
            let out = eval_at(
                level,
                &unary_program::<f64>(op).unwrap(),
                std::slice::from_ref(&chunk),
                &[x.len()],
            )
            .unwrap();
            let (mut worst, mut at) = (0.0, 0.0);
            for (&x, got) in x.iter().zip(values::<f64>(&out)) {
                let right = right(x);
                let exact = same(got.to_scalar(), right.to_scalar());
                if !right.is_finite() || right == 0.0 {
                    assert!(exact, "{op}({x:e}) ({level:?}): {got} for {right}");
                } else if !exact {
                    let off = ulps(got, right);
                    assert!(
                        off <= allowed,
                        "{op}({x:e}) ({level:?}): {got:e} for {right:e}, {off} ulp"
                    );
                    if off > worst {
                        (worst, at) = (off, x);
                    }
                }
            }
            println!("{op:8} {level:?}: {worst:.2} ulp at {at:e}");
        }
    }
}

#[test]
fn f32_is_rounded_once() {
    for (op, right, range, _) in CASES {
        let x: Vec<f32> = arguments(range, 20_000)
            .into_iter()
            .map(|v| v as f32)
            .collect();
        let chunk = AnyChunk::from(Array1::from(x.clone()).into_dyn());
        for level in Level::available() {
            let out = eval_at(
                level,
                &unary_program::<f32>(op).unwrap(),
                std::slice::from_ref(&chunk),
                &[x.len()],
            )
            .unwrap();
            assert_eq!(out.dtype(), DType::F32);
            for (&x, got) in x.iter().zip(values::<f32>(&out)) {
                let right = right(f64::from(x)) as f32;
                let near = got.next_up() == right || got.next_down() == right;
                assert!(
                    near || same(got.to_scalar(), right.to_scalar()),
                    "{op}({x:e}) ({level:?}): {got} for {right}"
                );
            }
        }
    }
}

#[test]
fn powers_of_ten_and_two_are_whole() {
    let x: Vec<f64> = (0..22).map(|k| 10_f64.powi(k)).collect();
    let chunk = AnyChunk::from(Array1::from(x).into_dyn());
    for level in Level::available() {
        let out = eval_at(
            level,
            &unary_program::<f64>(UnaryOp::Log10).unwrap(),
            std::slice::from_ref(&chunk),
            &[22],
        )
        .unwrap();
        assert_eq!(
            values::<f64>(&out),
            (0..22).map(f64::from).collect::<Vec<_>>()
        );
    }
    let x: Vec<f64> = (-1000..1000).map(|k| 2_f64.powi(k)).collect();
    let chunk = AnyChunk::from(Array1::from(x).into_dyn());
    let out = eval_at(
        Level::best(),
        &unary_program::<f64>(UnaryOp::Log2).unwrap(),
        &[chunk],
        &[2000],
    )
    .unwrap();
    assert_eq!(
        values::<f64>(&out),
        (-1000..1000).map(f64::from).collect::<Vec<_>>()
    );
}

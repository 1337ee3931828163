//! Programs against one element at a time, over layouts, broadcasting and every dtype.

mod kernels_support;

use kernels_support::{Rng, Sample, at, chunk, indices, narrower, same, shape, values};
use kvern_array::dtype::{DType, Element, Scalar};
use kvern_array::kernels::{
    AnyChunk, BinaryOp, KernelError, Level, Program, ProgramBuilder, UnaryOp, binary_program, eval,
    eval_at, eval_reusing, unary_program,
};
use ndarray::arr1;
use proptest::prelude::*;

/// What NumPy gives for integers, in i128 so that wrapping is plain.
fn int_binary(op: BinaryOp, a: i128, b: i128, bits: u32, signed: bool) -> Option<i128> {
    use BinaryOp as B;
    let wrap = |v: i128| {
        let m = v & ((1 << bits) - 1);
        if signed && m >> (bits - 1) & 1 == 1 {
            m - (1 << bits)
        } else {
            m
        }
    };
    let exact = match op {
        B::Add => a + b,
        B::Sub => a - b,
        B::Mul => a.wrapping_mul(b),
        B::FloorDiv if b == 0 => 0,
        B::FloorDiv => a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0),
        B::Rem if b == 0 => 0,
        B::Rem => a - b * (a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0)),
        B::Min => a.min(b),
        B::Max => a.max(b),
        B::BitAnd => a & b,
        B::BitOr => a | b,
        B::BitXor => a ^ b,
        B::Shl => {
            if (0..i128::from(bits)).contains(&b) {
                a << b
            } else {
                0
            }
        }
        B::Shr => {
            if (0..i128::from(bits)).contains(&b) {
                a >> b
            } else if a < 0 {
                -1
            } else {
                0
            }
        }
        B::Pow => {
            if !(0..64).contains(&b) {
                return None;
            }
            (0..b).fold(1_i128, |p, _| wrap(p.wrapping_mul(a)))
        }
        _ => return None,
    };
    Some(wrap(exact))
}

trait Naive: Sample {
    fn binary(op: BinaryOp, a: Self, b: Self) -> Option<Scalar>;
    fn compare(op: BinaryOp, a: Self, b: Self) -> Option<bool>;
}

macro_rules! compare {
    () => {
        fn compare(op: BinaryOp, a: Self, b: Self) -> Option<bool> {
            Some(match op {
                BinaryOp::Eq => a == b,
                BinaryOp::Ne => a != b,
                BinaryOp::Lt => a < b,
                BinaryOp::Le => a <= b,
                BinaryOp::Gt => a > b,
                BinaryOp::Ge => a >= b,
                BinaryOp::LogicalAnd => a != Self::ZERO && b != Self::ZERO,
                BinaryOp::LogicalOr => a != Self::ZERO || b != Self::ZERO,
                BinaryOp::LogicalXor => (a != Self::ZERO) != (b != Self::ZERO),
                _ => return None,
            })
        }
    };
}
macro_rules! naive_int {
    ($($t:ty),*) => { $(impl Naive for $t {
        fn binary(op: BinaryOp, a: Self, b: Self) -> Option<Scalar> {
            int_binary(op, a as i128, b as i128, <$t>::BITS, <$t>::MIN != 0).map(|v| (v as $t).to_scalar())
        }
        compare!();
    })* };
}
naive_int!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! naive_float {
    ($($t:ty),*) => { $(impl Naive for $t {
        fn binary(op: BinaryOp, a: Self, b: Self) -> Option<Scalar> {
            use BinaryOp as B;
            // NumPy's npy_divmod.
            let divmod = || {
                let r = a % b;
                if b == 0.0 { return (a / b, Self::NAN); }
                let mut q = (a - r) / b;
                let mut m = r;
                if m != 0.0 { if (b < 0.0) != (m < 0.0) { m += b; q -= 1.0; } } else { m = (0.0 as Self).copysign(b); }
                let f = if q != 0.0 { let f = q.floor(); if q - f > 0.5 { f + 1.0 } else { f } }
                    else { (0.0 as Self).copysign(a / b) };
                (f, m)
            };
            Some(Scalar::from(match op {
                B::Add => a + b,
                B::Sub => a - b,
                B::Mul => a * b,
                B::Div => a / b,
                B::FloorDiv => divmod().0,
                B::Rem => divmod().1,
                B::Min => if a.is_nan() || b.is_nan() { Self::NAN } else if a < b { a } else { b },
                B::Max => if a.is_nan() || b.is_nan() { Self::NAN } else if a > b { a } else { b },
                B::Pow => a.powf(b),
                B::Atan2 => a.atan2(b),
                B::Hypot => a.hypot(b),
                _ => return None,
            }))
        }
        compare!();
    })* };
}
naive_float!(f32, f64);

impl Naive for bool {
    fn binary(op: BinaryOp, a: Self, b: Self) -> Option<Scalar> {
        Some(Scalar::from(match op {
            BinaryOp::Add | BinaryOp::Max | BinaryOp::BitOr => a | b,
            BinaryOp::Mul | BinaryOp::Min | BinaryOp::BitAnd => a & b,
            BinaryOp::BitXor => a ^ b,
            _ => return None,
        }))
    }
    compare!();
}

const BINARY: [BinaryOp; 25] = {
    use BinaryOp as B;
    [
        B::Add,
        B::Sub,
        B::Mul,
        B::Div,
        B::FloorDiv,
        B::Rem,
        B::Pow,
        B::Min,
        B::Max,
        B::Atan2,
        B::Hypot,
        B::Eq,
        B::Ne,
        B::Lt,
        B::Le,
        B::Gt,
        B::Ge,
        B::LogicalAnd,
        B::LogicalOr,
        B::LogicalXor,
        B::BitAnd,
        B::BitOr,
        B::BitXor,
        B::Shl,
        B::Shr,
    ]
};

fn check_binary<T: Naive>(seed: u64) {
    let mut rng = Rng(seed);
    let to = shape(&mut rng);
    let shapes = [to.clone(), narrower(&mut rng, &to)];
    let (sa, sb) = if rng.below(2) == 0 {
        (&shapes[0], &shapes[1])
    } else {
        (&shapes[1], &shapes[0])
    };
    let (a, b) = (chunk::<T>(&mut rng, sa), chunk::<T>(&mut rng, sb));
    for op in BINARY {
        let Ok(program) = binary_program::<T>(op) else {
            continue;
        };
        for level in Level::available() {
            let out = eval_at(level, &program, &[a.clone(), b.clone()], &to).unwrap();
            assert_eq!(out.shape(), to);
            for i in indices(&to) {
                let (x, y) = (at::<T>(&a, &i), at::<T>(&b, &i));
                let expected = match (T::compare(op, x, y), T::binary(op, x, y)) {
                    (Some(v), _) => Scalar::Bool(v),
                    (_, Some(v)) => v,
                    _ => continue,
                };
                let got = match out.dtype() {
                    DType::Bool => at::<bool>(&out, &i).to_scalar(),
                    _ => at::<T>(&out, &i).to_scalar(),
                };
                // The same library function on both sides, but for powers that become square roots or squares.
                let close = op == BinaryOp::Pow && ulps(got, expected) <= 1.0;
                assert!(
                    same(got, expected) || close,
                    "{op} {x} {y} at {i:?} ({level:?}): {got} for {expected}"
                );
            }
        }
    }
}

fn ulps(a: Scalar, b: Scalar) -> f64 {
    let (x, y) = (a.get::<f64>(), b.get::<f64>());
    let unit = if a.dtype() == DType::F32 {
        f64::from(f32::EPSILON)
    } else {
        f64::EPSILON
    };
    (x - y).abs() / (y.abs() * unit).max(f64::MIN_POSITIVE)
}

macro_rules! each_type {
    ($f:ident, $($arg:expr),*) => {
        $f::<bool>($($arg),*); $f::<i8>($($arg),*); $f::<i16>($($arg),*); $f::<i32>($($arg),*); $f::<i64>($($arg),*);
        $f::<u8>($($arg),*); $f::<u16>($($arg),*); $f::<u32>($($arg),*); $f::<u64>($($arg),*); $f::<f32>($($arg),*);
        $f::<f64>($($arg),*);
    };
}

fn check_casts<A: Sample>(seed: u64) {
    fn one<A: Sample, B: Sample>(a: &AnyChunk, to: &[usize]) {
        for level in Level::available() {
            let out = eval_at(
                level,
                &Program::identity(A::DTYPE).cast(B::DTYPE),
                std::slice::from_ref(a),
                to,
            )
            .unwrap();
            for i in indices(to) {
                let (x, y) = (at::<A>(a, &i), at::<B>(&out, &i));
                assert!(
                    same(y.to_scalar(), x.to_scalar().cast(B::DTYPE)),
                    "{x} to {}: {y}",
                    B::DTYPE
                );
            }
        }
    }
    fn all<A: Sample>(a: &AnyChunk, to: &[usize]) {
        macro_rules! each { ($($b:ty),*) => { $(one::<A, $b>(a, to);)* } }
        each!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);
    }
    let mut rng = Rng(seed);
    let to = shape(&mut rng);
    all::<A>(&chunk::<A>(&mut rng, &to), &to);
}

fn check_unary_ints(seed: u64) {
    let mut rng = Rng(seed);
    let to = shape(&mut rng);
    let a = chunk::<i16>(&mut rng, &to);
    let run = |op| {
        values::<i16>(
            &eval(
                &unary_program::<i16>(op).unwrap(),
                std::slice::from_ref(&a),
                &to,
            )
            .unwrap(),
        )
    };
    let x = values::<i16>(&a);
    let map = |f: fn(i16) -> i16| x.iter().map(|&v| f(v)).collect::<Vec<_>>();
    assert_eq!(run(UnaryOp::Neg), map(i16::wrapping_neg));
    assert_eq!(run(UnaryOp::Abs), map(i16::wrapping_abs));
    assert_eq!(run(UnaryOp::Sign), map(i16::signum));
    assert_eq!(run(UnaryOp::Square), map(|v| v.wrapping_mul(v)));
    assert_eq!(run(UnaryOp::BitNot), map(|v| !v));
    assert_eq!(run(UnaryOp::Floor), x);
    let zero = eval(
        &unary_program::<i16>(UnaryOp::LogicalNot).unwrap(),
        std::slice::from_ref(&a),
        &to,
    )
    .unwrap();
    assert_eq!(
        values::<bool>(&zero),
        x.iter().map(|&v| v == 0).collect::<Vec<_>>()
    );
}

/// An operation and what it does.
type Function = (UnaryOp, fn(f64) -> f64);

fn check_unary_floats<T: Sample>(seed: u64, functions: &[Function]) {
    let mut rng = Rng(seed);
    let to = shape(&mut rng);
    let a = chunk::<T>(&mut rng, &to);
    for &(op, f) in functions {
        for level in Level::available() {
            let out = eval_at(
                level,
                &unary_program::<T>(op).unwrap(),
                std::slice::from_ref(&a),
                &to,
            )
            .unwrap();
            for i in indices(&to) {
                let x = at::<T>(&a, &i).to_scalar();
                let got = at::<T>(&out, &i).to_scalar();
                let expected = Scalar::F64(f(x.get())).cast(T::DTYPE);
                assert!(
                    same(got, expected),
                    "{op} of {x} ({level:?}): {got} for {expected}"
                );
            }
        }
    }
}

/// Functions that are exact, or rounded once.
const EXACT: [Function; 10] = [
    (UnaryOp::Neg, |v| -v),
    (UnaryOp::Abs, f64::abs),
    (UnaryOp::Sign, |v| {
        if v > 0.0 {
            1.0
        } else if v < 0.0 {
            -1.0
        } else {
            v.abs()
        }
    }),
    (UnaryOp::Square, |v| v * v),
    (UnaryOp::Reciprocal, |v| 1.0 / v),
    (UnaryOp::Sqrt, f64::sqrt),
    (UnaryOp::Floor, f64::floor),
    (UnaryOp::Ceil, f64::ceil),
    (UnaryOp::Trunc, f64::trunc),
    (UnaryOp::Rint, f64::round_ties_even),
];

/// A random program over `inputs`, and the same computed by one program a step.
fn random_program(rng: &mut Rng, inputs: &[AnyChunk], to: &[usize]) -> (Program, AnyChunk) {
    let mut b = ProgramBuilder::new();
    let mut regs: Vec<_> = inputs
        .iter()
        .map(|c| (b.input(c.dtype()), c.clone()))
        .collect();
    for _ in 0..1 + rng.below(12) {
        let pick = |rng: &mut Rng, d: DType, regs: &[(_, AnyChunk)]| {
            let of: Vec<usize> = (0..regs.len())
                .filter(|&i| regs[i].1.dtype() == d)
                .collect();
            (!of.is_empty()).then(|| of[rng.below(of.len())])
        };
        let i = rng.below(regs.len());
        let d = regs[i].1.dtype();
        let made = match rng.below(6) {
            0 => {
                let op =
                    [UnaryOp::Abs, UnaryOp::Sign, UnaryOp::Floor, UnaryOp::IsNan][rng.below(4)];
                let mut one = ProgramBuilder::new();
                let x = one.input(d);
                let y = one.unary(op, x).unwrap();
                let chunk = eval(&one.finish(y).unwrap(), &[regs[i].1.clone()], to).unwrap();
                (b.unary(op, regs[i].0).unwrap(), chunk)
            }
            1 => {
                let t = [DType::Bool, DType::F64, DType::I32, DType::U8][rng.below(4)];
                let chunk = eval(&Program::identity(d).cast(t), &[regs[i].1.clone()], to).unwrap();
                (b.cast(regs[i].0, t).unwrap(), chunk)
            }
            2 => {
                let value = Scalar::I32(rng.below(7) as i32 - 3).cast(d);
                (b.constant(value), AnyChunk::full(to, value))
            }
            3 => {
                let Some(c) = pick(rng, DType::Bool, &regs) else {
                    continue;
                };
                let Some(j) = pick(rng, d, &regs) else {
                    continue;
                };
                let mut one = ProgramBuilder::new();
                let (x, y, z) = (one.input(DType::Bool), one.input(d), one.input(d));
                let w = one.select(x, y, z).unwrap();
                let list = [regs[c].1.clone(), regs[i].1.clone(), regs[j].1.clone()];
                let chunk = eval(&one.finish(w).unwrap(), &list, to).unwrap();
                (b.select(regs[c].0, regs[i].0, regs[j].0).unwrap(), chunk)
            }
            _ => {
                let Some(j) = pick(rng, d, &regs) else {
                    continue;
                };
                let op = [
                    BinaryOp::Add,
                    BinaryOp::Mul,
                    BinaryOp::Min,
                    BinaryOp::Lt,
                    BinaryOp::Ge,
                    BinaryOp::LogicalXor,
                ][rng.below(6)];
                let mut one = ProgramBuilder::new();
                let (x, y) = (one.input(d), one.input(d));
                let z = one.binary(op, x, y).unwrap();
                let chunk = eval(
                    &one.finish(z).unwrap(),
                    &[regs[i].1.clone(), regs[j].1.clone()],
                    to,
                )
                .unwrap();
                (b.binary(op, regs[i].0, regs[j].0).unwrap(), chunk)
            }
        };
        regs.push(made);
    }
    let (out, chunk) = regs[regs.len() - 1 - rng.below(regs.len().min(3))].clone();
    (b.finish(out).unwrap(), chunk)
}

fn assert_same(a: &AnyChunk, b: &AnyChunk, to: &[usize]) {
    assert_eq!(a.dtype(), b.dtype());
    for i in indices(to) {
        macro_rules! go { ($($d:ident $t:ty),*) => { match a.dtype() { $(DType::$d =>
            (at::<$t>(a, &i).to_scalar(), at::<$t>(b, &i).to_scalar()),)* } } }
        let (x, y) = go!(Bool bool, I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64);
        assert!(same(x, y), "{x} and {y} at {i:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn binary_is_naive(seed: u64) {
        each_type!(check_binary, seed);
    }

    #[test]
    fn casts_are_rusts(seed: u64) {
        let t = Rng(seed).below(4);
        match t {
            0 => check_casts::<f64>(seed),
            1 => check_casts::<i32>(seed),
            2 => { check_casts::<u8>(seed); check_casts::<bool>(seed); }
            _ => { check_casts::<f32>(seed); check_casts::<u64>(seed); }
        }
    }

    #[test]
    fn exact_unary_is_naive(seed: u64) {
        check_unary_ints(seed);
        check_unary_floats::<f64>(seed, &EXACT);
        check_unary_floats::<f32>(seed, &EXACT);
    }

    #[test]
    fn fused_is_stepwise(seed: u64) {
        let mut rng = Rng(seed);
        let to = shape(&mut rng);
        let mut inputs = Vec::new();
        for _ in 0..1 + rng.below(4) {
            let s = narrower(&mut rng, &to);
            inputs.push(match rng.below(4) {
                0 => chunk::<f64>(&mut rng, &s),
                1 => chunk::<i32>(&mut rng, &s),
                2 => chunk::<u8>(&mut rng, &s),
                _ => chunk::<bool>(&mut rng, &to),
            });
        }
        let (program, expected) = random_program(&mut rng, &inputs, &to);
        program.validate().unwrap();
        for level in Level::available() {
            assert_same(&eval_at(level, &program, &inputs, &to).unwrap(), &expected, &to);
        }
        let copies: Vec<AnyChunk> = inputs.iter().map(|c| c.permuted(&(0..c.ndim()).collect::<Vec<_>>())).collect();
        let fresh = copies.iter().map(|c| { let c = c.clone(); c.compact() }).collect::<Vec<_>>();
        assert_same(&eval_reusing(&program, fresh, &to).unwrap(), &expected, &to);
    }
}

#[test]
fn chains_become_one_program() {
    // a + (b * c), built from two programs; b * c and c * ... share the load of c.
    let add = binary_program::<f64>(BinaryOp::Add).unwrap();
    let mul = binary_program::<f64>(BinaryOp::Mul).unwrap();
    let fused = add.substitute(1, &mul).unwrap();
    assert_eq!(fused.inputs().len(), 3);
    assert_eq!(fused.n_ops(), 2);
    let c = |v: &[f64]| AnyChunk::from(arr1(v).into_dyn());
    let out = eval(
        &fused,
        &[c(&[1.0, 2.0]), c(&[3.0, 4.0]), c(&[10.0, 100.0])],
        &[2],
    )
    .unwrap();
    assert_eq!(values::<f64>(&out), [31.0, 402.0]);
    // x * x + x * x is one product and one sum.
    let twice = add
        .substitute(0, &mul)
        .unwrap()
        .substitute(0, &mul)
        .unwrap();
    let shared = twice.with_inputs(&[DType::F64], &[0, 0, 0, 0]).unwrap();
    assert!(shared.n_ops() <= 3, "{shared}");
    let sum = add
        .substitute(0, &mul)
        .unwrap()
        .substitute(0, &mul)
        .unwrap();
    assert_eq!(sum.inputs().len(), 4);
}

#[test]
fn powers_become_products() {
    let p = unary_program::<f64>(UnaryOp::PowI(5)).unwrap();
    let x = AnyChunk::from(arr1(&[2.0, -3.0]).into_dyn());
    assert_eq!(
        values::<f64>(&eval(&p, &[x], &[2]).unwrap()),
        [32.0, -243.0]
    );
}

#[test]
fn a_held_buffer_is_not_written() {
    let program = unary_program::<f64>(UnaryOp::Neg).unwrap();
    let x = AnyChunk::from(ndarray::Array1::from_elem(5000, 1.0).into_dyn());
    let held = x.clone();
    let out = eval_reusing(&program, vec![x], &[5000]).unwrap();
    assert_eq!(values::<f64>(&held), vec![1.0; 5000]);
    let buffer = out.peek::<f64>().unwrap().as_ptr();
    let again = eval_reusing(&program, vec![out], &[5000]).unwrap();
    assert_eq!(again.peek::<f64>().unwrap().as_ptr(), buffer);
    assert_eq!(values::<f64>(&again), vec![1.0; 5000]);
}

#[test]
fn errors_name_what_was_allowed() {
    let e = unary_program::<i32>(UnaryOp::Sin).unwrap_err().to_string();
    assert_eq!(e, "sin is not defined for int32; it takes float32, float64");
    let mut b = ProgramBuilder::new();
    let (x, y) = (b.input(DType::I32), b.input(DType::F64));
    let e = b.binary(BinaryOp::Add, x, y).unwrap_err().to_string();
    assert_eq!(
        e,
        "add needs operands of one dtype, got int32 and float64; cast one of them first"
    );
    let e = b.select(x, y, y).unwrap_err().to_string();
    assert_eq!(
        e,
        "the condition of where is not defined for int32; it takes bool"
    );
    let p = binary_program::<f64>(BinaryOp::Add).unwrap();
    let c = |n: usize| AnyChunk::from(ndarray::Array1::from_elem(n, 1.0).into_dyn());
    let e = eval(&p, &[c(3), c(2)], &[3]).unwrap_err().to_string();
    assert_eq!(e, "input 1 of shape [2] cannot be broadcast to [3]");
    assert!(matches!(
        eval(&p, &[c(3)], &[3]),
        Err(KernelError::InputCount {
            got: 1,
            expected: 2
        })
    ));
    let wrong = AnyChunk::from(arr1(&[1_i32]).into_dyn());
    let e = eval(&p, &[c(1), wrong], &[1]).unwrap_err().to_string();
    assert_eq!(e, "input 1 of the program is float64, got a chunk of int32");
}

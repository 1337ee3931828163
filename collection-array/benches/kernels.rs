//! Time of the chunk kernels on one thread: `cargo bench -p kvern-array --bench kernels [WORD ...]`.
//!
//! Prints the best of several runs as nanoseconds an element and gigabytes of operands a second.

use std::hint::black_box;
use std::time::Instant;

use kvern_array::dtype::{DType, Scalar};
use kvern_array::kernels::{
    AnyChunk, BinaryOp, Program, ProgramBuilder, Reduce, UnaryOp, binary_program, copy_into, eval,
    eval_reusing, reduce, unary_program,
};
use ndarray::{ArrayD, IxDyn};

fn numbers(shape: &[usize]) -> AnyChunk {
    let mut x = 1_u64;
    AnyChunk::from(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (x >> 11) as f64 / (1_u64 << 53) as f64
    }))
}

/// Runs `f` until half a second has gone, at least three times.
fn time(name: &str, elements: usize, bytes: usize, mut f: impl FnMut()) {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    if !words.is_empty() && !words.iter().any(|w| name.contains(w.as_str())) {
        return;
    }
    f();
    let (begin, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || begin.elapsed().as_secs_f64() < 0.5 {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    let (ns, rate) = (best * 1e9 / elements as f64, bytes as f64 / best / 1e9);
    println!(
        "{name:44} {:10.1} us {ns:8.3} ns/element {rate:7.1} GB/s",
        best * 1e6
    );
}

/// `sin(x)^2 + cos(y)^2`.
fn trig() -> Program {
    let mut b = ProgramBuilder::new();
    let (x, y) = (b.input(DType::F64), b.input(DType::F64));
    let run = |b: &mut ProgramBuilder| {
        let s = b.unary(UnaryOp::Sin, x)?;
        let c = b.unary(UnaryOp::Cos, y)?;
        let (s, c) = (b.unary(UnaryOp::Square, s)?, b.unary(UnaryOp::Square, c)?);
        b.binary(BinaryOp::Add, s, c)
    };
    let out = run(&mut b).expect("floats");
    b.finish(out).expect("a register")
}

/// `(x - m) / s`.
fn standardize() -> Program {
    let sub = binary_program::<f64>(BinaryOp::Sub).expect("floats");
    let div = binary_program::<f64>(BinaryOp::Div).expect("floats");
    div.substitute(0, &sub)
        .expect("one dtype")
        .with_inputs(&[DType::F64; 3], &[2, 0, 1])
        .expect("three")
}

/// `where(x > 0.5, x, 0)`.
fn masked() -> Program {
    let mut b = ProgramBuilder::new();
    let x = b.input(DType::F64);
    let (half, zero) = (b.constant(0.5), b.constant(0.0));
    let mask = b.binary(BinaryOp::Gt, x, half).expect("floats");
    let out = b.select(mask, x, zero).expect("floats");
    b.finish(out).expect("a register")
}

fn main() {
    let n = 16_000_000;
    let x = numbers(&[n]);
    let y = numbers(&[n]);
    let p = Program::identity(DType::F64);
    let one = std::slice::from_ref(&x);
    let go = |r, p: &Program, c: &[AnyChunk], axes: &[usize], shape: &[usize]| {
        black_box(reduce(r, p, c, shape, axes, false).expect("fits"));
    };

    time("memory: plain read of 128 MB", n, n * 8, || {
        let s = x.peek::<f64>().and_then(|a| a.as_slice()).expect("flat");
        let mut acc = [0_u64; 64];
        for c in s.chunks_exact(64) {
            for (a, v) in acc.iter_mut().zip(c) {
                *a ^= v.to_bits();
            }
        }
        black_box(acc);
    });
    time("sum", n, n * 8, || go(Reduce::Sum, &p, one, &[0], &[n]));
    for (rows, cols) in [
        (4000, 4000),
        (1_000_000, 16),
        (5_333_333, 3),
        (16, 1_000_000),
    ] {
        let n = rows * cols;
        let x = numbers(&[rows, cols]);
        for axis in 0..2 {
            time(
                &format!("sum axis {axis} of {rows} x {cols}"),
                n,
                n * 8,
                || {
                    go(
                        Reduce::Sum,
                        &p,
                        std::slice::from_ref(&x),
                        &[axis],
                        &[rows, cols],
                    );
                },
            );
        }
        time(&format!("var axis 0 of {rows} x {cols}"), n, n * 8, || {
            go(
                Reduce::Var { ddof: 0 },
                &p,
                std::slice::from_ref(&x),
                &[0],
                &[rows, cols],
            );
        });
        time(&format!("max axis 0 of {rows} x {cols}"), n, n * 8, || {
            go(
                Reduce::Max,
                &p,
                std::slice::from_ref(&x),
                &[0],
                &[rows, cols],
            );
        });
        time(
            &format!("argmax axis 0 of {rows} x {cols}"),
            n,
            n * 8,
            || {
                go(
                    Reduce::ArgMax,
                    &p,
                    std::slice::from_ref(&x),
                    &[0],
                    &[rows, cols],
                );
            },
        );
    }
    let square = numbers(&[4000, 4000]);
    let strided = square.slice(&[
        ndarray::SliceInfoElem::Slice {
            start: 0,
            end: None,
            step: 2,
        },
        ndarray::SliceInfoElem::Slice {
            start: 1,
            end: Some(3999),
            step: 1,
        },
    ]);
    let shape = strided.shape().to_vec();
    time(
        "sum of a strided view 2000 x 3998",
        strided.len(),
        strided.nbytes(),
        || {
            go(
                Reduce::Sum,
                &p,
                std::slice::from_ref(&strided),
                &[0, 1],
                &shape,
            );
        },
    );
    let flipped = square.permuted(&[1, 0]);
    time("sum axis 0 of a transposed view", n, n * 8, || {
        go(
            Reduce::Sum,
            &p,
            std::slice::from_ref(&flipped),
            &[0],
            &[4000, 4000],
        );
    });
    for r in [
        Reduce::Mean,
        Reduce::Var { ddof: 0 },
        Reduce::Max,
        Reduce::ArgMax,
        Reduce::Any,
        Reduce::Prod,
    ] {
        time(r.name(), n, n * 8, || go(r, &p, one, &[0], &[n]));
    }
    let f32s = eval(&p.cast(DType::F32), one, &[n]).expect("cast");
    let (i32s, bools) = (
        AnyChunk::full(&[n], Scalar::I32(3)),
        AnyChunk::full(&[n], Scalar::Bool(true)),
    );
    for (name, c) in [
        ("sum of f32", &f32s),
        ("sum of i32", &i32s),
        ("sum of bool", &bools),
    ] {
        time(name, n, c.nbytes(), || {
            go(
                Reduce::Sum,
                &Program::identity(c.dtype()),
                std::slice::from_ref(c),
                &[0],
                &[n],
            );
        });
    }

    time("b1: sum(sin(x)^2 + cos(y)^2)", n, n * 16, || {
        go(Reduce::Sum, &trig(), &[x.clone(), y.clone()], &[0], &[n]);
    });
    let (mean, std) = (numbers(&[4000]), numbers(&[4000]));
    time("b2: ((x - mean) / std).sum()", n, n * 8, || {
        go(
            Reduce::Sum,
            &standardize(),
            &[square.clone(), mean.clone(), std.clone()],
            &[0, 1],
            &[4000, 4000],
        );
    });
    let (narrow, m100, s100) = (numbers(&[160_000, 100]), numbers(&[100]), numbers(&[100]));
    time("b2 with rows of 100", n, n * 8, || {
        go(
            Reduce::Sum,
            &standardize(),
            &[narrow.clone(), m100.clone(), s100.clone()],
            &[0, 1],
            &[160_000, 100],
        );
    });
    time("b10: where(x > 0.5, x, 0).sum()", n, n * 8, || {
        go(Reduce::Sum, &masked(), one, &[0], &[n]);
    });

    let small = numbers(&[10_000]);
    let (rows, line) = (numbers(&[20, 500]), numbers(&[500]));
    time("b1 in cache", 10_000, 160_000, || {
        go(
            Reduce::Sum,
            &trig(),
            &[small.clone(), small.clone()],
            &[0],
            &[10_000],
        );
    });
    time("b2 in cache", 10_000, 80_000, || {
        go(
            Reduce::Sum,
            &standardize(),
            &[rows.clone(), line.clone(), line.clone()],
            &[0, 1],
            &[20, 500],
        );
    });
    time("b10 in cache", 10_000, 80_000, || {
        go(
            Reduce::Sum,
            &masked(),
            std::slice::from_ref(&small),
            &[0],
            &[10_000],
        );
    });
    time("max in cache", 10_000, 80_000, || {
        go(
            Reduce::Max,
            &p,
            std::slice::from_ref(&small),
            &[0],
            &[10_000],
        );
    });
    time("sum in cache", 10_000, 80_000, || {
        go(
            Reduce::Sum,
            &p,
            std::slice::from_ref(&small),
            &[0],
            &[10_000],
        );
    });
    let add = {
        let mut b = ProgramBuilder::new();
        let (x, one) = (b.input(DType::F64), b.constant(1.0));
        let out = b.binary(BinaryOp::Add, x, one).expect("floats");
        b.finish(out).expect("a register")
    };
    time("b11: (x + 1) of 80 KB", 10_000, 160_000, || {
        black_box(eval(&add, std::slice::from_ref(&small), &[10_000]).expect("fits"));
    });
    time("b11: (x + 1).sum() of 80 KB", 10_000, 80_000, || {
        go(
            Reduce::Sum,
            &add,
            std::slice::from_ref(&small),
            &[0],
            &[10_000],
        );
    });
    let tiny = numbers(&[1]);
    time("(x + 1) of one element", 1, 16, || {
        black_box(eval(&add, std::slice::from_ref(&tiny), &[1]).expect("fits"));
    });
    time("(x + 1).sum() of one element", 1, 16, || {
        go(Reduce::Sum, &add, std::slice::from_ref(&tiny), &[0], &[1]);
    });
    time("x + y of 128 MB each", n, n * 24, || {
        let add = binary_program::<f64>(BinaryOp::Add).expect("floats");
        black_box(eval(&add, &[x.clone(), y.clone()], &[n]).expect("fits"));
    });
    let mut held = Some(numbers(&[n]));
    time("x + 1 over its own buffer", n, n * 16, || {
        held = Some(eval_reusing(&add, vec![held.take().expect("there")], &[n]).expect("fits"));
    });

    let l2 = numbers(&[20_000]);
    for op in [
        UnaryOp::Sqrt,
        UnaryOp::Sin,
        UnaryOp::Cos,
        UnaryOp::Tan,
        UnaryOp::Exp,
        UnaryOp::Exp2,
        UnaryOp::Expm1,
        UnaryOp::Log,
        UnaryOp::Log2,
        UnaryOp::Log10,
        UnaryOp::Log1p,
        UnaryOp::Tanh,
        UnaryOp::Atan,
        UnaryOp::Asin,
        UnaryOp::Sinh,
        UnaryOp::Cbrt,
    ] {
        let f = unary_program::<f64>(op).expect("floats");
        time(&format!("{op} of f64 in cache"), 20_000, 320_000, || {
            black_box(eval(&f, std::slice::from_ref(&l2), &[20_000]).expect("fits"));
        });
    }
    let l2f = eval(&p.cast(DType::F32), std::slice::from_ref(&l2), &[20_000]).expect("cast");
    for op in [UnaryOp::Sin, UnaryOp::Exp, UnaryOp::Log, UnaryOp::Tanh] {
        let f = unary_program::<f32>(op).expect("floats");
        time(&format!("{op} of f32 in cache"), 20_000, 160_000, || {
            black_box(eval(&f, std::slice::from_ref(&l2f), &[20_000]).expect("fits"));
        });
    }

    let mut to = ArrayD::<f64>::zeros(IxDyn(&[4000, 4000]));
    let from = square.peek::<f64>().expect("f64").clone();
    time("copy 4000 x 4000", n, n * 16, || {
        copy_into(to.view_mut(), from.view()).expect("shape");
    });
    time("copy transposed 4000 x 4000", n, n * 16, || {
        copy_into(to.view_mut(), from.t()).expect("shape");
    });
    let little = numbers(&[200, 200]);
    let little = little.peek::<f64>().expect("f64").clone();
    let mut to_little = ArrayD::<f64>::zeros(IxDyn(&[200, 200]));
    time("copy transposed 200 x 200", 40_000, 640_000, || {
        copy_into(to_little.view_mut(), little.t()).expect("shape");
    });
    let pow2 = numbers(&[4096, 4096]);
    let pow2 = pow2.peek::<f64>().expect("f64").clone();
    let mut to2 = ArrayD::<f64>::zeros(IxDyn(&[4096, 4096]));
    time(
        "copy transposed 4096 x 4096",
        4096 * 4096,
        4096 * 4096 * 16,
        || {
            copy_into(to2.view_mut(), pow2.t()).expect("shape");
        },
    );
    let bytes = ArrayD::<u8>::from_elem(IxDyn(&[4000, 4000]), 1);
    let mut to8 = ArrayD::<u8>::zeros(IxDyn(&[4000, 4000]));
    time("copy transposed bytes 4000 x 4000", n, n * 2, || {
        copy_into(to8.view_mut(), bytes.t()).expect("shape");
    });
    let cube = numbers(&[250, 253, 256]);
    let cube = cube.peek::<f64>().expect("f64").clone();
    let mut back = ArrayD::<f64>::zeros(IxDyn(&[256, 253, 250]));
    time(
        "copy reversed axes 250 x 253 x 256",
        cube.len(),
        cube.len() * 16,
        || {
            copy_into(
                back.view_mut(),
                cube.view().permuted_axes(IxDyn(&[2, 1, 0])),
            )
            .expect("shape");
        },
    );
    time("x + y.T 4000 x 4000", n, n * 24, || {
        let add = binary_program::<f64>(BinaryOp::Add).expect("floats");
        black_box(eval(&add, &[square.clone(), flipped.clone()], &[4000, 4000]).expect("fits"));
    });
}

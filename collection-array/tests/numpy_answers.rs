//! What NumPy answers (recorded by data/make_numpy_answers.py), from chunked arrays.

use kvern_array::{Array, Axes, DType, Element, Slice, dtype, keepdims, where_};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

/// The inputs of the recorded cases, by the script's formula.
fn numbers<T: Element>(shape: &[usize], salt: i64, special: bool) -> ArrayD<T> {
    let n: usize = shape.iter().product();
    let d = T::DTYPE;
    let value = |i: usize| {
        let v = (i as i64 * 7919 + salt).rem_euclid(97) - 48;
        if d == DType::Bool {
            return T::from_scalar((v.rem_euclid(3) == 0).into());
        }
        if d.is_float() {
            let odd = [
                (1, f64::NAN),
                (5, f64::INFINITY),
                (7, f64::NEG_INFINITY),
                (8, -0.0),
            ];
            let f = odd
                .iter()
                .find(|o| special && o.0 == i)
                .map_or(v as f64 / 8.0, |o| o.1);
            return T::from_scalar(f.into());
        }
        T::from_scalar((if d.is_unsigned_int() { v + 48 } else { v }).into())
    };
    ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(value).collect()).unwrap()
}

struct Case(Json);

impl Case {
    fn usizes(&self, name: &str) -> Vec<usize> {
        self.0[name]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as usize)
            .collect()
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn input<T: Element>(&self) -> Array<T> {
        let shape = self.usizes("shape");
        let special = self.0["special"].as_bool().unwrap_or(false);
        Array::from_ndarray(numbers(&shape, 0, special), 2).unwrap()
    }

    fn other<T: Element>(&self) -> Array<T> {
        Array::from_ndarray(
            numbers(
                &self.usizes("other"),
                self.0["salt"].as_i64().unwrap(),
                false,
            ),
            3,
        )
        .unwrap()
    }

    fn axes(&self) -> Axes {
        let axes: Axes = match self.0["axes"].as_array() {
            None => ().into(),
            Some(list) => list
                .iter()
                .map(|v| v.as_i64().unwrap() as isize)
                .collect::<Vec<_>>()
                .as_slice()
                .into(),
        };
        if self.0["keepdims"] == Json::Bool(true) {
            keepdims(axes)
        } else {
            axes
        }
    }

    /// Compares with what was recorded: exactly, but for floats within a few units of the last place.
    fn check<T: Element>(&self, got: Array<T>) {
        let case = &self.0;
        assert_eq!(got.dtype().to_string(), self.text("out"), "{case}");
        assert_eq!(got.shape(), self.usizes("out_shape"), "{case}");
        let got = got.reference().unwrap();
        let want = case["values"].as_array().unwrap();
        let tolerance = if T::DTYPE == DType::F32 { 2e-6 } else { 1e-14 };
        for (g, w) in got.iter().zip(want) {
            let g = g.to_scalar();
            let same = match w {
                Json::Bool(b) => g.get::<bool>() == *b,
                Json::Number(n) if T::DTYPE == DType::U64 => g.get::<u64>() == n.as_u64().unwrap(),
                Json::Number(n) if T::DTYPE.is_int() => g.get::<i64>() == n.as_i64().unwrap(),
                Json::Number(n) => {
                    let (g, w) = (g.get::<f64>(), n.as_f64().unwrap());
                    (g - w).abs() <= tolerance * w.abs().max(1e-300)
                        && (w != 0.0 || g.is_sign_negative() == w.is_sign_negative())
                }
                Json::String(s) => {
                    let (g, w): (f64, f64) = (g.get(), s.parse().unwrap());
                    g == w || (g.is_nan() && w.is_nan())
                }
                other => panic!("{other}"),
            };
            assert!(same, "{g}, NumPy has {w}: {case}");
        }
    }
}

macro_rules! methods {
    ($case:ident, $x:ident, $T:ty; unary $($u:ident)*; binary $($b:ident)*; reduce $($r:ident)*) => {
        match $case.text("op") {
            $(stringify!($u) => { $case.check($x.$u()); true })*
            $(stringify!($b) => { $case.check($x.$b(&$case.other::<$T>()).unwrap()); true })*
            $(stringify!($r) => { $case.check($x.$r($case.axes()).unwrap()); true })*
            _ => false,
        }
    };
}

fn any<T: Element>(case: &Case) -> bool {
    let x = case.input::<T>();
    if case.text("op") == "astype" {
        match case.text("to").parse::<DType>().unwrap() {
            DType::Bool => case.check(x.astype::<bool>()),
            DType::I8 => case.check(x.astype::<i8>()),
            DType::I16 => case.check(x.astype::<i16>()),
            DType::I32 => case.check(x.astype::<i32>()),
            DType::I64 => case.check(x.astype::<i64>()),
            DType::U8 => case.check(x.astype::<u8>()),
            DType::U16 => case.check(x.astype::<u16>()),
            DType::U32 => case.check(x.astype::<u32>()),
            DType::U64 => case.check(x.astype::<u64>()),
            DType::F32 => case.check(x.astype::<f32>()),
            DType::F64 => case.check(x.astype::<f64>()),
        }
        return true;
    }
    methods!(case, x, T; unary logical_not isnan isfinite isinf; binary equal not_equal logical_and logical_or logical_xor;
        reduce sum prod mean any all count_nonzero)
}

fn ordered<T: dtype::Ordered>(case: &Case) -> bool {
    let x = case.input::<T>();
    methods!(case, x, T; unary absolute sign floor ceil trunc rint; binary maximum minimum less less_equal greater greater_equal;
        reduce min max argmin argmax)
}

fn number<T: dtype::Number>(case: &Case) -> bool {
    let x = case.input::<T>();
    methods!(case, x, T; unary negative square; binary add subtract multiply floor_divide remainder power; reduce var std)
}

fn bits<T: kvern_array::Bits>(case: &Case) -> bool {
    let x = case.input::<T>();
    methods!(case, x, T; unary invert; binary bitwise_and bitwise_or bitwise_xor; reduce)
}

fn float<T: dtype::Float>(case: &Case) -> bool {
    let x = case.input::<T>();
    methods!(case, x, T; unary sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh
        arccosh arctanh deg2rad rad2deg reciprocal; binary divide arctan2 hypot; reduce)
}

fn special(case: &Case) -> bool {
    match case.text("op") {
        "slice" => {
            let part = |s: &str| match s {
                "..." => Slice::Rest,
                "None" => Slice::NewAxis,
                s if !s.contains(':') => Slice::At(s.parse().unwrap()),
                s => {
                    let p: Vec<Option<isize>> = s.split(':').map(|p| p.parse().ok()).collect();
                    Slice::new(p[0], p[1], p.get(2).copied().flatten().unwrap_or(1))
                }
            };
            let slices: Vec<Slice> = case.text("slice").split(',').map(part).collect();
            case.check(case.input::<i64>().slice(slices).unwrap());
        }
        "where" => {
            let x = case.input::<f64>();
            case.check(where_(&x.greater(0.5).unwrap(), &x, case.other::<f64>()).unwrap());
        }
        "clip" => case.check(case.input::<f64>().clip(-1.5, 2.0).unwrap()),
        "round" => case
            .check((case.input::<f64>() * 3.1).round(case.0["decimals"].as_i64().unwrap() as i32)),
        "arange_f" => case.check(Array::<f64>::arange(0.5, 3.0, 0.3, 2).unwrap()),
        "arange_i" => case.check(Array::<i64>::arange(7, -4, -2, 4).unwrap()),
        "linspace" => case.check(Array::<f64>::linspace(-1.0, 2.0, 7, 3).unwrap()),
        "linspace_i" => case.check(Array::<i64>::linspace(-5.0, 1.0, 6, 4).unwrap()),
        "eye" => case.check(Array::<f64>::eye(3, 4, -1, 2).unwrap()),
        "matmul" => case.check(case.input::<f64>().matmul(&case.other::<f64>()).unwrap()),
        "isclose" => {
            let x = case.input::<f64>();
            case.check(x.isclose(&x + 1e-7, 1e-5, 1e-8).unwrap());
        }
        _ => return false,
    }
    true
}

#[test]
fn chunked_arrays_answer_as_numpy_does() {
    let lines = include_str!("data/numpy_answers.jsonl");
    let mut cases = 0;
    for line in lines.lines() {
        let case = Case(serde_json::from_str(line).unwrap());
        macro_rules! all {
            ($d:expr; $($f:ident)*) => { match $d {
                DType::I8 => $($f::<i8>(&case))||*, DType::I16 => $($f::<i16>(&case))||*, DType::I32 => $($f::<i32>(&case))||*,
                DType::I64 => $($f::<i64>(&case))||*, DType::U8 => $($f::<u8>(&case))||*, DType::U16 => $($f::<u16>(&case))||*,
                DType::U32 => $($f::<u32>(&case))||*, DType::U64 => $($f::<u64>(&case))||*,
                DType::Bool => any::<bool>(&case) || ordered::<bool>(&case) || bits::<bool>(&case),
                DType::F32 => any::<f32>(&case) || ordered::<f32>(&case) || number::<f32>(&case) || float::<f32>(&case),
                DType::F64 => any::<f64>(&case) || ordered::<f64>(&case) || number::<f64>(&case) || float::<f64>(&case),
            } };
        }
        let d: DType = case.text("dtype").parse().unwrap();
        let done = special(&case) || all!(d; any ordered number bits);
        assert!(done, "nothing knows {line}");
        cases += 1;
    }
    assert!(cases > 1000, "{cases} cases");
}

/// A tolerance would hide it: what NumPy wrote must be read as it was, in all its digits.
#[test]
fn recorded_numbers_are_read_to_the_bit() {
    let text = include_str!("data/numpy_answers.jsonl");
    let is_digit = |c: char| c.is_ascii_digit() || "+-.e".contains(c);
    let mut numbers = 0;
    for word in text.split(|c| !is_digit(c)) {
        if let (Ok(read), Ok(want)) = (serde_json::from_str::<f64>(word), word.parse::<f64>()) {
            assert_eq!(read.to_bits(), want.to_bits(), "{word}");
            numbers += 1;
        }
    }
    assert!(numbers > 10_000, "{numbers} numbers");
    assert_eq!(
        serde_json::from_str::<f64>("0.9999999999999999").unwrap(),
        0.9999999999999999
    );
}

//! Scalar functions over their whole domain and beyond, against values that were rounded once from hundreds of bits, and
//! against NumPy's answers for what is special (recorded by data/make_scalar_functions.py, which says what a line means).

mod kernels_support;

use std::collections::HashMap;
use std::fmt::Write;

use kernels_support::{same, values};
use kvern_array::dtype::{DType, Element, Scalar};
use kvern_array::kernels::{
    AnyChunk, BinaryOp, Level, Program, ProgramBuilder, UnaryOp, binary_program, eval_at,
    unary_program,
};
use ndarray::Array1;

const RECORDED: &str = include_str!("data/scalar_functions.txt");

/// What a function may be off by, in units in the last place: 2, or what its documentation says.
fn allowed(name: &str) -> f64 {
    match name {
        "negative" | "absolute" | "sign" | "square" | "reciprocal" | "sqrt" | "floor" | "ceil"
        | "trunc" | "rint" | "add" | "subtract" | "multiply" | "divide" | "floor_divide"
        | "remainder" | "maximum" | "minimum" => 0.0,
        "tan" | "sinh" | "tanh" => 3.0,
        _ => 2.0,
    }
}

const UNARY: [UnaryOp; 37] = {
    use UnaryOp as U;
    [
        U::Neg,
        U::Abs,
        U::Sign,
        U::Square,
        U::Reciprocal,
        U::Sqrt,
        U::Cbrt,
        U::Exp,
        U::Exp2,
        U::Expm1,
        U::Log,
        U::Log2,
        U::Log10,
        U::Log1p,
        U::Sin,
        U::Cos,
        U::Tan,
        U::Asin,
        U::Acos,
        U::Atan,
        U::Sinh,
        U::Cosh,
        U::Tanh,
        U::Asinh,
        U::Acosh,
        U::Atanh,
        U::Floor,
        U::Ceil,
        U::Trunc,
        U::Rint,
        U::Deg2Rad,
        U::Rad2Deg,
        U::IsNan,
        U::IsFinite,
        U::IsInf,
        U::LogicalNot,
        U::BitNot,
    ]
};

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

/// A number as the file writes it.
fn read(d: DType, text: &str) -> Scalar {
    let bits =
        |digits: usize| u64::from_str_radix(&format!("{text:0<digits$}"), 16).expect("hexadecimal");
    match d {
        DType::F64 if text == "n" => Scalar::F64(f64::NAN),
        DType::F32 if text == "n" => Scalar::F32(f32::NAN),
        DType::F64 => Scalar::F64(f64::from_bits(bits(16))),
        DType::F32 => Scalar::F32(f32::from_bits(bits(8) as u32)),
        DType::Bool => Scalar::Bool(text == "1"),
        _ => {
            let whole: i128 = text.parse().expect("an integer");
            match d {
                DType::U64 => Scalar::U64(whole as u64),
                _ => Scalar::I64(whole as i64).cast(d),
            }
        }
    }
}

/// One function over a list of arguments, with the right values.
struct Record {
    name: String,
    dtype: DType,
    /// The arguments of each operand.
    args: Vec<Vec<Scalar>>,
    want: Vec<String>,
}

fn records() -> Vec<Record> {
    let mut shared: HashMap<(usize, DType), Vec<Vec<Scalar>>> = HashMap::new();
    let mut out = Vec::new();
    for line in RECORDED.lines().filter(|l| !l.starts_with('#')) {
        let mut words = line.split(' ');
        let kind = words.next().expect("a kind");
        let operands = if matches!(kind, "grid" | "f" | "at") {
            1
        } else {
            2
        };
        let name = match kind {
            "grid" | "pairs" => String::new(),
            _ => words.next().expect("a name").to_owned(),
        };
        let dtype: DType = words.next().expect("a dtype").parse().expect("a dtype");
        let rest: Vec<&str> = words.collect();
        // Column `i` of a table of `width` columns.
        let column = |i: usize, width: usize| rest.iter().copied().skip(i).step_by(width);
        let numbers = |i: usize, width: usize| -> Vec<Scalar> {
            column(i, width).map(|t| read(dtype, t)).collect()
        };
        match kind {
            "grid" | "pairs" => {
                let args = (0..operands).map(|i| numbers(i, operands)).collect();
                shared.insert((operands, dtype), args);
            }
            "f" | "g" => out.push(Record {
                name,
                dtype,
                args: shared[&(operands, dtype)].clone(),
                want: column(0, 1).map(str::to_owned).collect(),
            }),
            _ => out.push(Record {
                name,
                dtype,
                args: (0..operands).map(|i| numbers(i, operands + 1)).collect(),
                want: column(operands, operands + 1).map(str::to_owned).collect(),
            }),
        }
    }
    out
}

fn program<T: Element>(name: &str) -> Option<Program> {
    let unary = UNARY.iter().find(|op| op.to_string() == name);
    let binary = BINARY.iter().find(|op| op.to_string() == name);
    match (unary, binary) {
        (Some(&op), _) => unary_program::<T>(op).ok(),
        (_, Some(&op)) => binary_program::<T>(op).ok(),
        _ => None,
    }
}

fn chunk<T: Element>(values: &[Scalar]) -> AnyChunk {
    T::erase(
        Array1::from_iter(values.iter().map(|v| v.get::<T>()))
            .into_dyn()
            .into_shared(),
    )
}

fn scalars(chunk: &AnyChunk) -> Vec<Scalar> {
    macro_rules! go { ($($d:ident $t:ty),*) => { match chunk.dtype() {
        $(DType::$d => values::<$t>(chunk).into_iter().map(Element::to_scalar).collect(),)* } } }
    go!(Bool bool, I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64)
}

/// Distance in units in the last place of `want`; infinite where one is infinite, NaN or zero and the other is not.
fn ulps(got: Scalar, want: Scalar) -> f64 {
    let (g, w): (f64, f64) = (got.get(), want.get());
    if same(got, want) {
        return 0.0;
    }
    let unit = match want {
        Scalar::F32(v) if v.is_finite() => {
            let a = v.abs();
            f64::from(a.next_up() - a).min(f64::from(f32::MAX) * f64::from(f32::EPSILON) / 2.0)
        }
        Scalar::F64(v) if v.is_finite() => {
            let a = v.abs();
            (a.next_up() - a).min(f64::MAX * f64::EPSILON / 2.0)
        }
        _ => return f64::INFINITY,
    };
    if !g.is_finite() || (w == 0.0 && g == 0.0) {
        // Overflow where the right value is finite; the other sign of a zero.
        return f64::INFINITY;
    }
    ((g - w) / unit).abs()
}

/// What is wrong with one function: for each way to run it, the worst of all arguments.
fn check<T: Element>(record: &Record, wrong: &mut String, worst: &mut HashMap<String, f64>) {
    let Record {
        name,
        dtype,
        args,
        want,
    } = record;
    let Some(program) = program::<T>(name) else {
        panic!("no program for {name} of {dtype}");
    };
    let whole: Vec<AnyChunk> = args.iter().map(|a| chunk::<T>(a)).collect();
    let n = want.len();
    for level in Level::available() {
        let long = scalars(&eval_at(level, &program, &whole, &[n]).unwrap());
        // One element at a time: what is left over when vectors have been filled.
        let single: Vec<Scalar> = (0..n)
            .map(|i| {
                let one: Vec<AnyChunk> = args.iter().map(|a| chunk::<T>(&a[i..=i])).collect();
                scalars(&eval_at(level, &program, &one, &[1]).unwrap())[0]
            })
            .collect();
        for (way, got) in [("in a long chunk", long), ("alone", single)] {
            let mut bad = (0, 0.0, String::new());
            for (i, (&g, text)) in got.iter().zip(want).enumerate() {
                let w = read(g.dtype(), text);
                let off = ulps(g, w);
                let key = format!("{name} {dtype}");
                if off.is_finite() {
                    let held = worst.entry(key).or_insert(0.0);
                    *held = held.max(off);
                }
                if off > allowed(name) {
                    bad.0 += 1;
                    if off > bad.1 {
                        let of: Vec<String> =
                            args.iter().map(|a| format!("{:e}", Show(a[i]))).collect();
                        let of = of.join(", ");
                        bad.1 = off;
                        bad.2 = format!(
                            "{name}({of}) is {:e} and should be {:e}: {off:.2} ulp",
                            Show(g),
                            Show(w)
                        );
                    }
                }
            }
            if bad.0 > 0 {
                let (many, _, text) = bad;
                writeln!(
                    wrong,
                    "{name} {dtype} {level:?} {way}: {many} of {n} wrong, as {text}"
                )
                .unwrap();
            }
        }
    }
}

struct Show(Scalar);
impl std::fmt::LowerExp for Show {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Scalar::F64(v) => std::fmt::LowerExp::fmt(&v, f),
            Scalar::F32(v) => std::fmt::LowerExp::fmt(&v, f),
            v => write!(f, "{v}"),
        }
    }
}

#[test]
fn every_function_is_right_everywhere() {
    let (mut wrong, mut worst) = (String::new(), HashMap::new());
    let records = records();
    for record in &records {
        macro_rules! go { ($($d:ident $t:ty),*) => { match record.dtype {
            $(DType::$d => check::<$t>(record, &mut wrong, &mut worst),)* } } }
        go!(Bool bool, I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64, F32 f32, F64 f64);
    }
    let mut worst: Vec<_> = worst.into_iter().filter(|w| w.1 > 0.0).collect();
    worst.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (name, off) in worst {
        println!("{name}: {off:.2} ulp");
    }
    assert!(wrong.is_empty(), "{wrong}");
    // Each operation there is has been looked at.
    for op in UNARY
        .iter()
        .map(ToString::to_string)
        .chain(BINARY.iter().map(ToString::to_string))
    {
        assert!(
            records.iter().any(|r| r.name == op),
            "nothing is recorded of {op}"
        );
    }
}

#[test]
fn an_operation_gives_the_same_wherever_its_operands_come_from() {
    // One operand a constant, or broadcast from one element.
    let records = records();
    for record in records
        .iter()
        .filter(|r| r.args.len() == 2 && r.dtype == DType::F64)
    {
        let Some(&op) = BINARY.iter().find(|op| op.to_string() == record.name) else {
            continue;
        };
        let whole = binary_program::<f64>(op).unwrap();
        for i in (0..record.want.len()).step_by(7) {
            let (a, b) = (record.args[0][i], record.args[1][i]);
            let mut p = ProgramBuilder::new();
            let x = p.input(DType::F64);
            let y = p.constant(b);
            let z = p.binary(op, x, y).unwrap();
            let p = p.finish(z).unwrap();
            let (ca, cb) = (chunk::<f64>(&[a; 9]), chunk::<f64>(&[b]));
            let known =
                scalars(&eval_at(Level::best(), &p, std::slice::from_ref(&ca), &[9]).unwrap());
            let wide = scalars(&eval_at(Level::best(), &whole, &[ca, cb], &[9]).unwrap());
            for (k, w) in known.into_iter().zip(wide) {
                // As NumPy has it, a power of the constant 1/2 is a square root, and those of -inf and -0 differ.
                let root = op == BinaryOp::Pow && b.get::<f64>() == 0.5;
                let close = op == BinaryOp::Pow && ulps(k, w) <= 1.0;
                assert!(
                    same(k, w) || close || (root && a.get::<f64>() <= 0.0),
                    "{op}({a}, {b}): {k} for a constant, {w} for an array"
                );
            }
        }
    }
}

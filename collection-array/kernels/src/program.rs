//! Elementwise programs: what to compute for every element, as a list of typed single-assignment steps.
//!
//! A chain of array operations becomes one program, so that [`eval`](super::eval) runs it in one pass over memory.
//! Register `i` holds the result of step `i`. Equal steps meet when a program is built (value numbering by hashing), and
//! steps that nothing reads are left out.

use std::collections::HashMap;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::error::KernelError;
use super::op::{BinaryOp, UnaryOp};
use super::rules::{binary_dtype, unary_dtype, where_dtype};
use crate::dtype::{DType, Element, Scalar};

/// A value inside a [`ProgramBuilder`] or [`Program`]: the result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reg(pub(crate) u32);

impl Reg {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What one step computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepKind {
    /// The element of an input chunk.
    Load(u32),
    /// The same value everywhere.
    Const(Scalar),
    /// An operation on one register.
    Unary(UnaryOp, Reg),
    /// An operation on two registers of one dtype.
    Binary(BinaryOp, Reg, Reg),
    /// The second register where the first (`bool`) is true, else the third.
    Where(Reg, Reg, Reg),
    /// Conversion of a register to the dtype of the step.
    Cast(Reg),
}

impl StepKind {
    /// The registers that the step reads.
    pub(crate) fn operands(self) -> impl Iterator<Item = Reg> {
        let list = match self {
            Self::Load(_) | Self::Const(_) => [None, None, None],
            Self::Unary(_, a) | Self::Cast(a) => [Some(a), None, None],
            Self::Binary(_, a, b) => [Some(a), Some(b), None],
            Self::Where(a, b, c) => [Some(a), Some(b), Some(c)],
        };
        list.into_iter().flatten()
    }

    fn map(self, f: impl Fn(Reg) -> Reg) -> Self {
        match self {
            Self::Load(_) | Self::Const(_) => self,
            Self::Unary(op, a) => Self::Unary(op, f(a)),
            Self::Cast(a) => Self::Cast(f(a)),
            Self::Binary(op, a, b) => Self::Binary(op, f(a), f(b)),
            Self::Where(a, b, c) => Self::Where(f(a), f(b), f(c)),
        }
    }
}

/// One step of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// What it computes.
    pub kind: StepKind,
    /// The dtype of its result.
    pub dtype: DType,
}

/// An elementwise computation over any number of inputs that are broadcast together.
///
/// ```
/// use kvern_kernels::dtype::DType;
/// use kvern_kernels::{AnyChunk, BinaryOp, Program, ProgramBuilder, UnaryOp, eval};
/// use ndarray::arr1;
///
/// // sqrt(a * a + b)
/// let mut p = ProgramBuilder::new();
/// let a = p.input(DType::F64);
/// let b = p.input(DType::F64);
/// let aa = p.binary(BinaryOp::Mul, a, a).unwrap();
/// let sum = p.binary(BinaryOp::Add, aa, b).unwrap();
/// let root = p.unary(UnaryOp::Sqrt, sum).unwrap();
/// let program: Program = p.finish(root).unwrap();
///
/// let a = AnyChunk::from(arr1(&[3.0, 0.0]).into_dyn());
/// let b = AnyChunk::from(arr1(&[16.0]).into_dyn());
/// let out = eval(&program, &[a, b], &[2]).unwrap();
/// assert_eq!(out.peek::<f64>().unwrap().as_slice().unwrap(), [5.0, 4.0]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Program {
    inputs: Vec<DType>,
    steps: Vec<Step>,
    output: Reg,
}

impl Program {
    /// The program that gives back its only input.
    #[must_use]
    pub fn identity(dtype: DType) -> Self {
        let step = Step {
            kind: StepKind::Load(0),
            dtype,
        };
        Self {
            inputs: vec![dtype],
            steps: vec![step],
            output: Reg(0),
        }
    }

    /// The dtype of each input.
    #[must_use]
    pub fn inputs(&self) -> &[DType] {
        &self.inputs
    }

    /// The steps, each reading earlier ones only.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The register that is the result.
    #[must_use]
    pub fn output(&self) -> Reg {
        self.output
    }

    /// The dtype of the result.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.steps[self.output.index()].dtype
    }

    /// True when the result is input 0 as it is.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.inputs.len() == 1 && self.steps[self.output.index()].kind == StepKind::Load(0)
    }

    /// Number of steps that compute something (neither a load nor a constant).
    #[must_use]
    pub fn n_ops(&self) -> usize {
        self.steps
            .iter()
            .filter(|s| !matches!(s.kind, StepKind::Load(_) | StepKind::Const(_)))
            .count()
    }

    /// This program with input `k` computed by `q`: its inputs are this one's without `k`, then those of `q`.
    ///
    /// # Errors
    /// When there is no input `k`, or `q` yields another dtype.
    pub fn substitute(&self, k: usize, q: &Self) -> Result<Self, KernelError> {
        if k >= self.inputs.len() {
            return Err(KernelError::Register {
                got: k,
                len: self.inputs.len(),
            });
        }
        let mut b = ProgramBuilder::new();
        let mut args: Vec<Reg> = Vec::with_capacity(self.inputs.len());
        for (i, &dtype) in self.inputs.iter().enumerate() {
            args.push(if i == k {
                Reg(u32::MAX)
            } else {
                b.input(dtype)
            });
        }
        let inner: Vec<Reg> = q.inputs.iter().map(|&d| b.input(d)).collect();
        args[k] = b.inline(q, &inner)?;
        let out = b.inline(self, &args)?;
        b.finish(out)
    }

    /// This program over `dtypes`, its input `i` being the new input `map[i]`; inputs that are the same chunk become one.
    ///
    /// # Errors
    /// When `map` has another length than the inputs, or maps one to an input of another dtype.
    pub fn with_inputs(&self, dtypes: &[DType], map: &[usize]) -> Result<Self, KernelError> {
        let mut b = ProgramBuilder::new();
        let regs: Vec<Reg> = dtypes.iter().map(|&d| b.input(d)).collect();
        let args = map
            .iter()
            .map(|&m| {
                regs.get(m).copied().ok_or(KernelError::Register {
                    got: m,
                    len: regs.len(),
                })
            })
            .collect::<Result<Vec<Reg>, _>>()?;
        let out = b.inline(self, &args)?;
        b.finish(out)
    }

    /// This program with its result converted to `dtype`.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Self {
        if self.dtype() == dtype {
            return self.clone();
        }
        let mut out = self.clone();
        out.steps.push(Step {
            kind: StepKind::Cast(out.output),
            dtype,
        });
        out.output = Reg(out.steps.len() as u32 - 1);
        out
    }

    /// Checks a program that came from outside: every step reads earlier ones of the right dtypes.
    ///
    /// # Errors
    /// Naming the first thing that is wrong.
    pub fn validate(&self) -> Result<(), KernelError> {
        let bad = |why: String| Err(KernelError::Program { why });
        for (i, step) in self.steps.iter().enumerate() {
            if let Some(r) = step.kind.operands().find(|r| r.index() >= i) {
                return bad(format!("step {i} reads register {}", r.0));
            }
            let dtype = |r: Reg| self.steps[r.index()].dtype;
            let made = match step.kind {
                StepKind::Load(k) => match self.inputs.get(k as usize) {
                    Some(&d) => d,
                    None => {
                        return bad(format!("step {i} loads input {k} of {}", self.inputs.len()));
                    }
                },
                StepKind::Const(s) => s.dtype(),
                StepKind::Cast(_) => step.dtype,
                StepKind::Unary(op, a) => unary_dtype(op, dtype(a))?,
                StepKind::Binary(op, a, b) => binary_dtype(op, dtype(a), dtype(b))?,
                StepKind::Where(c, a, b) => where_dtype(dtype(c), dtype(a), dtype(b))?,
            };
            if made != step.dtype {
                return bad(format!("step {i} makes {made} but says {}", step.dtype));
            }
        }
        if self.output.index() >= self.steps.len() {
            return bad(format!(
                "output register {} of {}",
                self.output.0,
                self.steps.len()
            ));
        }
        Ok(())
    }
}

/// One line a step: `r2:float64 = multiply r0 r1`.
impl Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, s) in self.steps.iter().enumerate() {
            write!(f, "r{i}:{} = ", s.dtype)?;
            match s.kind {
                StepKind::Load(k) => write!(f, "in{k}")?,
                StepKind::Const(c) => write!(f, "{c}")?,
                StepKind::Unary(op, a) => write!(f, "{op} r{}", a.0)?,
                StepKind::Cast(a) => write!(f, "cast r{}", a.0)?,
                StepKind::Binary(op, a, b) => write!(f, "{op} r{} r{}", a.0, b.0)?,
                StepKind::Where(c, a, b) => write!(f, "where r{} r{} r{}", c.0, a.0, b.0)?,
            }
            writeln!(f)?;
        }
        write!(f, "-> r{}", self.output.0)
    }
}

/// Builds a [`Program`], checking dtypes as it goes; equal steps get one register.
#[derive(Clone, Debug, Default)]
pub struct ProgramBuilder {
    inputs: Vec<DType>,
    steps: Vec<Step>,
    known: HashMap<Step, Reg>,
}

impl ProgramBuilder {
    /// An empty program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new input.
    pub fn input(&mut self, dtype: DType) -> Reg {
        let k = self.inputs.len() as u32;
        self.inputs.push(dtype);
        self.emit(StepKind::Load(k), dtype)
    }

    /// A constant.
    pub fn constant(&mut self, value: impl Into<Scalar>) -> Reg {
        let value = value.into();
        self.emit(StepKind::Const(value), value.dtype())
    }

    /// The dtype of a register.
    ///
    /// # Errors
    /// When the register does not exist.
    pub fn dtype(&self, reg: Reg) -> Result<DType, KernelError> {
        let missing = KernelError::Register {
            got: reg.index(),
            len: self.steps.len(),
        };
        self.steps.get(reg.index()).map(|s| s.dtype).ok_or(missing)
    }

    /// An operation on one register.
    ///
    /// # Errors
    /// When the operation is not defined for its dtype.
    pub fn unary(&mut self, op: UnaryOp, a: Reg) -> Result<Reg, KernelError> {
        let d = self.dtype(a)?;
        let out = unary_dtype(op, d)?;
        Ok(match op {
            UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Trunc | UnaryOp::Rint if !d.is_float() => a,
            UnaryOp::Abs | UnaryOp::Sign if d == DType::Bool => a,
            UnaryOp::Abs if d.is_unsigned_int() => a,
            UnaryOp::IsNan | UnaryOp::IsInf if !d.is_float() => self.constant(false),
            UnaryOp::IsFinite if !d.is_float() => self.constant(true),
            UnaryOp::BitNot if d == DType::Bool => {
                self.emit(StepKind::Unary(UnaryOp::LogicalNot, a), out)
            }
            UnaryOp::LogicalNot if d != DType::Bool => {
                let zero = self.constant(Scalar::Bool(false).cast(d));
                self.emit(StepKind::Binary(BinaryOp::Eq, a, zero), out)
            }
            UnaryOp::PowI(n) if n.unsigned_abs() <= MAX_POWI => self.power(a, n)?,
            UnaryOp::PowI(n) => {
                let exponent = self.constant(Scalar::I32(n).cast(d));
                self.emit(StepKind::Binary(BinaryOp::Pow, a, exponent), out)
            }
            _ => self.emit(StepKind::Unary(op, a), out),
        })
    }

    /// An operation on two registers of one dtype.
    ///
    /// # Errors
    /// When the dtypes differ, or the operation is not defined for them.
    pub fn binary(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Result<Reg, KernelError> {
        use BinaryOp as B;
        let (da, db) = (self.dtype(a)?, self.dtype(b)?);
        let out = binary_dtype(op, da, db)?;
        let is_bool = da == DType::Bool;
        let (op, a, b) = match op {
            B::Gt => (B::Lt, b, a),
            B::Ge => (B::Le, b, a),
            B::Add | B::Max if is_bool => (B::BitOr, a, b),
            B::Mul | B::Min if is_bool => (B::BitAnd, a, b),
            B::LogicalAnd | B::LogicalOr | B::LogicalXor => {
                let a = self.cast(a, DType::Bool)?;
                let b = self.cast(b, DType::Bool)?;
                let op = match op {
                    B::LogicalAnd => B::BitAnd,
                    B::LogicalOr => B::BitOr,
                    _ => B::BitXor,
                };
                (op, a, b)
            }
            B::Pow if da.is_float() => match self.constant_value(b).map(Scalar::get::<f64>) {
                Some(2.0) => return self.unary(UnaryOp::Square, a),
                Some(1.0) => return Ok(a),
                Some(0.5) => return self.unary(UnaryOp::Sqrt, a),
                Some(-1.0) => return self.unary(UnaryOp::Reciprocal, a),
                _ => (op, a, b),
            },
            _ => (op, a, b),
        };
        Ok(self.emit(StepKind::Binary(op, a, b), out))
    }

    /// Squares and products, whose rounding errors stay within half an ulp for each factor.
    fn power(&mut self, a: Reg, n: i32) -> Result<Reg, KernelError> {
        let mut left = n.unsigned_abs();
        let (mut base, mut out) = (a, None);
        while left != 0 {
            if left & 1 != 0 {
                out = Some(match out {
                    None => base,
                    Some(o) => self.binary(BinaryOp::Mul, o, base)?,
                });
            }
            left >>= 1;
            if left != 0 {
                base = self.unary(UnaryOp::Square, base)?;
            }
        }
        let dtype = self.dtype(a)?;
        let power = out.unwrap_or_else(|| self.constant(Scalar::Bool(true).cast(dtype)));
        if n < 0 {
            self.unary(UnaryOp::Reciprocal, power)
        } else {
            Ok(power)
        }
    }

    fn constant_value(&self, r: Reg) -> Option<Scalar> {
        match self.steps[r.index()].kind {
            StepKind::Const(s) => Some(s),
            _ => None,
        }
    }

    /// `a` where `condition` holds, else `b`.
    ///
    /// # Errors
    /// When `condition` is not `bool`, or the dtypes of `a` and `b` differ.
    pub fn select(&mut self, condition: Reg, a: Reg, b: Reg) -> Result<Reg, KernelError> {
        let out = where_dtype(self.dtype(condition)?, self.dtype(a)?, self.dtype(b)?)?;
        Ok(self.emit(StepKind::Where(condition, a, b), out))
    }

    /// `a` no less than `low` and no more than `high` (which wins where they cross), as `minimum(maximum(a, low), high)`.
    ///
    /// # Errors
    /// When the dtypes differ.
    pub fn clip(&mut self, a: Reg, low: Reg, high: Reg) -> Result<Reg, KernelError> {
        let above = self.binary(BinaryOp::Max, a, low)?;
        self.binary(BinaryOp::Min, above, high)
    }

    /// `a` with NaN replaced by `nan` (of its dtype).
    ///
    /// # Errors
    /// When the dtypes differ.
    pub fn replace_nan(&mut self, a: Reg, nan: Reg) -> Result<Reg, KernelError> {
        let is_nan = self.unary(UnaryOp::IsNan, a)?;
        self.select(is_nan, nan, a)
    }

    /// `a` in another dtype; `a` itself where it has that dtype.
    ///
    /// # Errors
    /// When the register does not exist.
    pub fn cast(&mut self, a: Reg, dtype: DType) -> Result<Reg, KernelError> {
        if self.dtype(a)? == dtype {
            return Ok(a);
        }
        if let Some(s) = self.constant_value(a) {
            return Ok(self.constant(s.cast(dtype)));
        }
        Ok(self.emit(StepKind::Cast(a), dtype))
    }

    /// Adds all of `program`, with its inputs being `args`, and returns its result.
    ///
    /// # Errors
    /// When number or dtypes of `args` are not those of its inputs.
    pub fn inline(&mut self, program: &Program, args: &[Reg]) -> Result<Reg, KernelError> {
        if args.len() != program.inputs.len() {
            return Err(KernelError::InputCount {
                got: args.len(),
                expected: program.inputs.len(),
            });
        }
        for (input, (&r, &expected)) in args.iter().zip(&program.inputs).enumerate() {
            let got = self.dtype(r)?;
            if got != expected {
                return Err(KernelError::InputDType {
                    input,
                    got,
                    expected,
                });
            }
        }
        let mut at: Vec<Reg> = Vec::with_capacity(program.steps.len());
        for step in &program.steps {
            let reg = match step.kind {
                StepKind::Load(k) => args[k as usize],
                kind => self.emit(kind.map(|r| at[r.index()]), step.dtype),
            };
            at.push(reg);
        }
        Ok(at[program.output.index()])
    }

    /// The program that computes `output`, without the steps that it does not need. All inputs stay.
    ///
    /// # Errors
    /// When the register does not exist.
    pub fn finish(self, output: Reg) -> Result<Program, KernelError> {
        self.dtype(output)?;
        let mut live = vec![false; self.steps.len()];
        live[output.index()] = true;
        for i in (0..self.steps.len()).rev() {
            if live[i] {
                for r in self.steps[i].kind.operands() {
                    live[r.index()] = true;
                }
            }
        }
        let mut renumbered = vec![Reg(0); self.steps.len()];
        let mut steps = Vec::new();
        for (i, step) in self.steps.iter().enumerate() {
            if live[i] {
                renumbered[i] = Reg(steps.len() as u32);
                let kind = step.kind.map(|r| renumbered[r.index()]);
                steps.push(Step {
                    kind,
                    dtype: step.dtype,
                });
            }
        }
        Ok(Program {
            inputs: self.inputs,
            steps,
            output: renumbered[output.index()],
        })
    }

    fn emit(&mut self, kind: StepKind, dtype: DType) -> Reg {
        let step = Step { kind, dtype };
        if let Some(&reg) = self.known.get(&step) {
            return reg;
        }
        let reg = Reg(self.steps.len() as u32);
        self.steps.push(step);
        self.known.insert(step, reg);
        reg
    }
}

/// Above this exponent the error of repeated multiplication exceeds that of `pow`.
const MAX_POWI: u32 = 8;

/// The program of one operation on one input.
///
/// # Errors
/// When the operation is not defined for `T`.
pub fn unary_program<T: Element>(op: UnaryOp) -> Result<Program, KernelError> {
    let mut b = ProgramBuilder::new();
    let a = b.input(T::DTYPE);
    let out = b.unary(op, a)?;
    b.finish(out)
}

/// The program of one operation on two inputs of type `T`.
///
/// # Errors
/// When the operation is not defined for `T`.
pub fn binary_program<T: Element>(op: BinaryOp) -> Result<Program, KernelError> {
    let mut b = ProgramBuilder::new();
    let x = b.input(T::DTYPE);
    let y = b.input(T::DTYPE);
    let out = b.binary(op, x, y)?;
    b.finish(out)
}

//! Building elementwise nodes: broadcasting, and one set of chunks for all operands.

use std::sync::Arc;

use kvern_core::{Result, Splits};

use super::{Expr, Node};
use crate::error::refused;
use crate::geometry::shape::broadcast;
use kvern_kernels::dtype::{DType, Scalar};
use kvern_kernels::{BinaryOp, Program, ProgramBuilder, UnaryOp};

impl Expr {
    /// An array of no axes that stands for a scalar.
    pub(crate) fn scalar(value: Scalar) -> Arc<Self> {
        Self::full(Vec::new(), Vec::new(), value)
    }

    pub(crate) fn unary(self: &Arc<Self>, op: UnaryOp) -> Result<Arc<Self>> {
        let mut b = ProgramBuilder::new();
        let x = b.input(self.dtype);
        let y = b.unary(op, x).map_err(refused)?;
        Self::map(
            &op.to_string(),
            b.finish(y).map_err(refused)?,
            vec![self.clone()],
        )
    }

    pub(crate) fn binary(op: BinaryOp, a: &Arc<Self>, b: &Arc<Self>) -> Result<Arc<Self>> {
        let mut p = ProgramBuilder::new();
        let x = p.input(a.dtype);
        let y = p.input(b.dtype);
        // A scalar is written into the program at once, so that `x ** 2.0` is known to be a square.
        let x = constant(a).map_or(x, |v| p.constant(v));
        let y = constant(b).map_or(y, |v| p.constant(v));
        let z = p.binary(op, x, y).map_err(refused)?;
        Self::map(
            &op.to_string(),
            p.finish(z).map_err(refused)?,
            vec![a.clone(), b.clone()],
        )
    }

    pub(crate) fn select(cond: &Arc<Self>, a: &Arc<Self>, b: &Arc<Self>) -> Result<Arc<Self>> {
        let mut p = ProgramBuilder::new();
        let (c, x, y) = (p.input(cond.dtype), p.input(a.dtype), p.input(b.dtype));
        let z = p.select(c, x, y).map_err(refused)?;
        Self::map(
            "where",
            p.finish(z).map_err(refused)?,
            vec![cond.clone(), a.clone(), b.clone()],
        )
    }

    pub(crate) fn cast(self: &Arc<Self>, dtype: DType) -> Result<Arc<Self>> {
        if self.dtype == dtype {
            return Ok(self.clone());
        }
        let program = Program::identity(self.dtype).cast(dtype);
        Self::map("astype", program, vec![self.clone()])
    }

    /// A program over any arguments: broadcast, and cut alike.
    pub(crate) fn map(name: &str, program: Program, args: Vec<Arc<Self>>) -> Result<Arc<Self>> {
        let mut shape = Vec::new();
        for a in &args {
            shape = broadcast(name, &shape, &a.shape)?;
        }
        crate::geometry::shape::size(&shape)?;
        let (chunks, args) = unify(&shape, args)?;
        Ok(Self::new(
            program.dtype(),
            shape,
            chunks,
            Node::Map(program),
            args,
        ))
    }

    pub(crate) fn broadcast_to(
        self: &Arc<Self>,
        shape: &[usize],
        chunks: Vec<Splits>,
    ) -> Result<Arc<Self>> {
        if shape == self.shape {
            return self.rechunk(chunks);
        }
        if broadcast("broadcast_to", &self.shape, shape)? != shape {
            return Err(kvern_core::Error::bad_input(format!(
                "broadcast_to: {} cannot be broadcast to {shape:?}: each axis must have that length or 1",
                self.describe()
            )));
        }
        let arg = fit(self, shape, &chunks)?;
        let program = Program::identity(self.dtype);
        Ok(Self::new(
            self.dtype,
            shape.to_vec(),
            chunks,
            Node::Map(program),
            vec![arg],
        ))
    }
}

/// The value of an array that is one constant of no axes.
fn constant(e: &Expr) -> Option<Scalar> {
    match e.node {
        Node::Full(v) if e.shape.is_empty() => Some(v),
        _ => None,
    }
}

/// The chunks of a result and the operands cut to match: along each axis as the operand that has most chunks there (the
/// first of them), which adds no tasks beyond those and makes no pieces smaller than some operand's.
pub(crate) fn unify(
    shape: &[usize],
    args: Vec<Arc<Expr>>,
) -> Result<(Vec<Splits>, Vec<Arc<Expr>>)> {
    let mut chunks: Vec<Option<&Splits>> = vec![None; shape.len()];
    for a in &args {
        // A constant has no chunks of its own to insist on.
        if matches!(a.node, Node::Full(_)) && a.shape.len() < shape.len() {
            continue;
        }
        let lead = shape.len() - a.ndim();
        for (axis, s) in a.chunks.iter().enumerate() {
            let fits = a.shape[axis] == shape[lead + axis];
            let held = &mut chunks[lead + axis];
            if fits && held.is_none_or(|h| h.len() < s.len()) {
                *held = Some(s);
            }
        }
    }
    let chunks: Vec<Splits> = chunks
        .into_iter()
        .zip(shape)
        .map(|(s, &n)| {
            s.cloned()
                .unwrap_or_else(|| Splits::regular(n as u64, n as u64))
        })
        .collect();
    let args = args
        .iter()
        .map(|a| fit(a, shape, &chunks))
        .collect::<Result<_>>()?;
    Ok((chunks, args))
}

/// An operand cut as `chunks` of `shape`, to which it is broadcast.
fn fit(a: &Arc<Expr>, shape: &[usize], chunks: &[Splits]) -> Result<Arc<Expr>> {
    let lead = shape.len() - a.ndim();
    let wanted = (0..a.ndim())
        .map(|axis| match a.shape[axis] == shape[lead + axis] {
            true => chunks[lead + axis].clone(),
            false => Splits::regular(1, 1),
        })
        .collect();
    a.rechunk(wanted)
}

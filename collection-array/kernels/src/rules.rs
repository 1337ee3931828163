//! Which operations are defined for which dtypes, and what they make of them.

use std::fmt::Display;

use super::error::KernelError;
use super::op::{BinaryOp, UnaryOp};
use crate::dtype::DType;

const FLOATS: &str = "float32, float64";
const INTS: &str = "integers";
const INTS_AND_BOOL: &str = "integers, bool";
const NUMBERS: &str = "integers, floats";

fn require(
    ok: bool,
    op: impl Display,
    got: DType,
    allowed: &'static str,
) -> Result<(), KernelError> {
    if ok {
        Ok(())
    } else {
        Err(KernelError::DType {
            op: op.to_string(),
            got,
            allowed,
        })
    }
}

/// The dtype that `op` makes of `d`.
///
/// # Errors
/// When it is not defined for `d`.
pub fn unary_dtype(op: UnaryOp, d: DType) -> Result<DType, KernelError> {
    use UnaryOp as U;
    match op {
        U::IsNan | U::IsFinite | U::IsInf | U::LogicalNot => Ok(DType::Bool),
        U::Abs | U::Sign | U::Floor | U::Ceil | U::Trunc | U::Rint => Ok(d),
        U::BitNot => require(!d.is_float(), op, d, INTS_AND_BOOL).map(|()| d),
        U::Neg | U::Square => require(d != DType::Bool, op, d, NUMBERS).map(|()| d),
        _ => require(d.is_float(), op, d, FLOATS).map(|()| d),
    }
}

/// The dtype that `op` makes of `a` and `b`.
///
/// # Errors
/// When they differ, or it is not defined for them.
pub fn binary_dtype(op: BinaryOp, a: DType, b: DType) -> Result<DType, KernelError> {
    use BinaryOp as B;
    if matches!(op, B::LogicalAnd | B::LogicalOr | B::LogicalXor) {
        return Ok(DType::Bool);
    }
    if a != b {
        return Err(KernelError::Mixed {
            op: op.to_string(),
            got: (a, b),
        });
    }
    match op {
        B::Eq | B::Ne | B::Lt | B::Le | B::Gt | B::Ge => Ok(DType::Bool),
        B::Add | B::Mul | B::Min | B::Max => Ok(a),
        B::Sub | B::FloorDiv | B::Rem | B::Pow => {
            require(a != DType::Bool, op, a, NUMBERS).map(|()| a)
        }
        B::BitAnd | B::BitOr | B::BitXor => {
            require(!a.is_float(), op, a, INTS_AND_BOOL).map(|()| a)
        }
        B::Shl | B::Shr => require(a.is_int(), op, a, INTS).map(|()| a),
        _ => require(a.is_float(), op, a, FLOATS).map(|()| a),
    }
}

pub(super) fn where_dtype(condition: DType, a: DType, b: DType) -> Result<DType, KernelError> {
    require(
        condition == DType::Bool,
        "the condition of where",
        condition,
        "bool",
    )?;
    if a != b {
        return Err(KernelError::Mixed {
            op: "where".to_owned(),
            got: (a, b),
        });
    }
    Ok(a)
}

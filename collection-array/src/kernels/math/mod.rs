//! Vector mathematics: branch-free elementary functions over slices.

use super::level::{Kernel, Level};
use super::op::UnaryOp;
use crate::dtype::DType;

/// `log(x + sqrt(x*x - 1))` without cancellation near 1 and without overflow.
pub(crate) fn acosh(x: f64) -> f64 {
    if x > 1e9 {
        return x.ln() + std::f64::consts::LN_2;
    }
    let t = x - 1.0;
    (t + (2.0 * t + t * t).sqrt()).ln_1p()
}

/// The vector loop of `op`, where there is one.
pub(crate) fn vector(_op: UnaryOp, _d: DType, _level: Level) -> Option<Kernel> {
    None
}

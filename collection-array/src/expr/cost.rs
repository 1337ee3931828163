//! What elementwise work costs, for those who decide whether to do it twice.

use kvern_kernels::{BinaryOp, Program, StepKind, UnaryOp};

/// An elementwise node whose steps, with those below it, cost at most this is computed again by each reader rather than kept: about what reading and
/// writing the chunk would take.
pub(crate) const CHEAP: usize = 3;

/// What a program costs an element, an addition being 1.
pub(crate) fn cost(p: &Program) -> usize {
    use BinaryOp as B;
    use UnaryOp as U;
    let step = |kind: StepKind| match kind {
        StepKind::Load(_) | StepKind::Const(_) => 0,
        StepKind::Cast(_) | StepKind::Where(..) => 1,
        StepKind::Unary(op, _) => match op {
            U::Neg | U::Abs | U::Sign | U::Square | U::Floor | U::Ceil | U::Trunc | U::Rint => 1,
            U::Deg2Rad
            | U::Rad2Deg
            | U::IsNan
            | U::IsFinite
            | U::IsInf
            | U::LogicalNot
            | U::BitNot => 1,
            U::Sqrt | U::Reciprocal => 4,
            _ => 16,
        },
        StepKind::Binary(op, ..) => match op {
            B::Div | B::FloorDiv | B::Rem => 4,
            B::Pow | B::Atan2 | B::Hypot => 16,
            _ => 1,
        },
    };
    p.steps().iter().map(|s| step(s.kind)).sum()
}

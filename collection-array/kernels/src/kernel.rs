//! Loops over tiles of elements: what every elementwise operation is compiled to.

use super::any_slice::{AnyRoom, AnySlice};
use super::level::{Body, Call, Level, Loop};

/// The operands of a kernel, and where its result goes; all of one length. Operands that it does not have are any others.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    pub(crate) a: AnySlice<'a>,
    pub(crate) b: AnySlice<'a>,
    pub(crate) c: AnySlice<'a>,
    pub(crate) out: AnyRoom<'a>,
}

/// The call of a kernel.
pub(crate) struct Elementwise;
impl Call for Elementwise {
    type Args<'a> = Args<'a>;
    type Out = ();
}

/// Loops that leave nothing of their result unwritten.
///
/// # Safety
/// When `run` returns, it has written every element of `out`.
pub(crate) unsafe trait Fills: Body<Elementwise> {}

/// A loop over elements of types that it knows. When it returns, all of the result is written.
#[derive(Clone, Copy)]
pub(crate) struct Kernel(Loop<Elementwise>);

impl Kernel {
    pub(crate) fn of<B: Fills>(level: Level) -> Self {
        Self(Loop::of::<B>(level))
    }

    pub(crate) fn scalar_only<B: Fills>() -> Self {
        Self(Loop::scalar_only::<B>())
    }

    /// Writes all of `args.out`.
    ///
    /// # Panics
    /// When the operands have not the types that the loop is for, or not the length of the result.
    pub(crate) fn call(self, args: Args<'_>) {
        self.0.call(args);
    }
}

//! What stands on the right of a binary operation: an array or one value.

use super::Array;
use crate::expr::Expr;
use kvern_kernels::dtype::Element;

mod sealed {
    /// An expression that cannot be looked into from outside.
    pub struct Opaque(pub(crate) std::sync::Arc<super::Expr>);

    pub trait Sealed<T> {
        fn operand(self) -> Opaque;
    }
}
use sealed::{Opaque, Sealed};

/// An operand of elements `T`: an [`Array`], a reference to one, or a single value, which is broadcast. Sealed.
///
/// A number of another type is none, so that nothing is converted in silence:
///
/// ```compile_fail,E0277
/// let x = kvern_array::Array::<i64>::zeros(3, ())?;
/// let y = &x * 2.5; // `x.astype::<f64>() * 2.5`, or `&x * 2`
/// # Ok::<(), kvern_core::Error>(())
/// ```
///
/// Beside an array of floats a whole number of type `i32`, as a literal without a point is one, stands for the float (the nearest one,
/// where `f32` does not have it): `&x * 2`, `x.power(2)`, `x.clip(0, 1)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no operand for an array of `{T}`",
    label = "not an array of `{T}`, nor a value of that type",
    note = "write a value of the type of the elements: `2.0` for floats, `2` for integers",
    note = "`as {T}` converts a value, `astype::<{T}>()` an array"
)]
pub trait Operand<T: Element>: Sealed<T> {}

/// What [`where_`](super::where_) chooses from: an [`Operand`] that has the type of the elements itself, so that they can be told
/// from it. Sealed.
///
/// ```compile_fail,E0277
/// let x = kvern_array::Array::<f64>::zeros(3, ())?;
/// let y = kvern_array::where_(&x.greater(1.0)?, &x, 2)?; // write 2.0
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no choice for an array of `{T}`",
    label = "not an array of `{T}`, nor a value of that type",
    note = "write a value of the type of the elements: `2.0` for floats, `2` for integers",
    note = "`as {T}` converts a value, `astype::<{T}>()` an array"
)]
pub trait Choice<T: Element>: Operand<T> {}

impl<T: Element> Sealed<T> for Array<T> {
    fn operand(self) -> Opaque {
        Opaque(self.expr)
    }
}
impl<T: Element> Operand<T> for Array<T> {}
impl<T: Element> Choice<T> for Array<T> {}

impl<T: Element> Sealed<T> for &Array<T> {
    fn operand(self) -> Opaque {
        Opaque(self.expr.clone())
    }
}
impl<T: Element> Operand<T> for &Array<T> {}
impl<T: Element> Choice<T> for &Array<T> {}

macro_rules! scalars {
    ($($t:ty),*) => { $(
        impl Sealed<$t> for $t {
            fn operand(self) -> Opaque {
                Opaque(Expr::scalar(self.to_scalar()))
            }
        }
        impl Operand<$t> for $t {}
        impl Choice<$t> for $t {}
    )* };
}
scalars!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

macro_rules! whole_numbers {
    ($($t:ty),*) => { $(
        impl Sealed<$t> for i32 {
            fn operand(self) -> Opaque {
                Opaque(Expr::scalar((self as $t).to_scalar()))
            }
        }
        impl Operand<$t> for i32 {}
    )* };
}
whole_numbers!(f32, f64);

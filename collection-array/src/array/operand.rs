//! What stands on the right of a binary operation: an array or one value.

use super::Array;
use crate::dtype::Element;
use crate::expr::Expr;

mod sealed {
    /// An expression that cannot be looked into from outside.
    pub struct Opaque(pub(crate) std::sync::Arc<super::Expr>);

    pub trait Sealed<T> {
        fn operand(self) -> Opaque;
    }
}
use sealed::{Opaque, Sealed};

/// An operand of elements `T`: an [`Array`], a reference to one, or a single value, which is broadcast. Sealed.
pub trait Operand<T: Element>: Sealed<T> {}

impl<T: Element> Sealed<T> for Array<T> {
    fn operand(self) -> Opaque {
        Opaque(self.expr)
    }
}
impl<T: Element> Operand<T> for Array<T> {}

impl<T: Element> Sealed<T> for &Array<T> {
    fn operand(self) -> Opaque {
        Opaque(self.expr.clone())
    }
}
impl<T: Element> Operand<T> for &Array<T> {}

macro_rules! scalars {
    ($($t:ty),*) => { $(
        impl Sealed<$t> for $t {
            fn operand(self) -> Opaque {
                Opaque(Expr::scalar(self.to_scalar()))
            }
        }
        impl Operand<$t> for $t {}
    )* };
}
scalars!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

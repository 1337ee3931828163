//! The operators that the cases are made of. They are registered by name, so that a backend whose workers are other processes of
//! the same binary can run them; closures are used only where a backend says that it takes them.

mod bytes;
mod control;
mod numbers;
mod trouble;

use std::sync::Arc;

use kvern_core::{OpRef, OpTraits, Operator, Result};
use serde::Serialize;

pub use bytes::{add_bytes, hold_bytes, lone_input, make_bytes, split_bytes, sum_bytes};
pub use control::{careful, gate, gate_at_first, nap, spawn, touch, wait_for_cancel};
pub use numbers::{block, constant, mix, mix_block, split, task_key};
pub use trouble::{fail, flaky, log, panic_bomb, panic_text, panic_value};

/// Defines an operator as a unit type: name, what may be assumed of it, and how its parameters become code.
macro_rules! operator {
    ($(#[$doc:meta])* $ty:ident, $name:literal, $traits:expr, |$params:tt : $p:ty| $kernel:expr) => {
        $(#[$doc])*
        struct $ty;

        impl kvern_core::Operator for $ty {
            fn name(&self) -> &str {
                concat!("conformance.", $name)
            }

            fn traits(&self, _: &[u8]) -> kvern_core::Result<kvern_core::OpTraits> {
                Ok($traits)
            }

            fn instantiate(
                &self,
                params: &[u8],
            ) -> kvern_core::Result<std::sync::Arc<dyn kvern_core::Kernel>> {
                let $params: $p = kvern_core::operator::decode_params(self.name(), params)?;
                Ok(std::sync::Arc::new($kernel))
            }
        }

        kvern_core::register_operator!($ty);
    };
}
use operator;

/// Same inputs, same result, whatever the block.
const PURE: OpTraits = OpTraits {
    pure: true,
    uses_block: false,
    inline: false,
};

/// The block number counts.
const BLOCK: OpTraits = OpTraits {
    pure: true,
    uses_block: true,
    inline: false,
};

/// Does something besides making its value, so it may not be run more often than asked for.
const EFFECT: OpTraits = OpTraits {
    pure: false,
    uses_block: true,
    inline: false,
};

/// A reference to an operator of this crate.
fn named(op: &dyn Operator, params: &impl Serialize) -> OpRef {
    // Postcard writes numbers, texts and tuples of them without fail; an operator of no parameters would answer otherwise.
    let made: Result<OpRef> = OpRef::of(op, params);
    made.unwrap_or_else(|_| OpRef::named(op.name(), op.version(), OpTraits::default(), Vec::new()))
}

/// The registry that all cases use: everything linked.
pub fn registry() -> Arc<kvern_core::Registry> {
    static LINKED: std::sync::OnceLock<Arc<kvern_core::Registry>> = std::sync::OnceLock::new();
    LINKED
        .get_or_init(|| match kvern_core::Registry::linked() {
            Ok(r) => Arc::new(r),
            Err(e) => panic!("the linked operators cannot be registered: {e}"),
        })
        .clone()
}

//! The operators that array tasks run: each is registered by name, with parameters that can travel.

pub(crate) mod elementwise;
pub(crate) mod expect;
pub(crate) mod file;
pub(crate) mod function;
pub(crate) mod gather;
pub(crate) mod list;
pub(crate) mod product;
pub(crate) mod reduction;
pub(crate) mod source;
pub(crate) mod view;

use kvern_core::operator::decode_params;
use kvern_core::{Error, OpRef, OpTraits, Result, Splits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::geometry::grid_of;

/// An operator of this crate with its parameters.
///
/// # Errors
/// If they cannot be serialised.
pub(crate) fn named(name: &str, traits: OpTraits, params: &impl Serialize) -> Result<OpRef> {
    let bytes = postcard::to_allocvec(params).map_err(|e| {
        Error::bad_input(format!(
            "the parameters of {name} cannot be serialised: {e}"
        ))
    })?;
    Ok(OpRef::named(name, 1, traits, bytes))
}

/// Operators that ask which block they make.
pub(crate) const BY_BLOCK: OpTraits = OpTraits {
    pure: true,
    uses_block: true,
    inline: false,
};

/// Operators that only look at their inputs.
pub(crate) const BY_VALUE: OpTraits = OpTraits {
    pure: true,
    uses_block: false,
    inline: false,
};

/// Registers an operator of this crate: its name, its traits, and the kernel made of its decoded parameters.
macro_rules! operator {
    ($(#[$doc:meta])* $Op:ident, $name:literal, $traits:expr, $Params:ty) => {
        $(#[$doc])*
        struct $Op;
        impl kvern_core::Operator for $Op {
            fn name(&self) -> &str {
                $name
            }

            fn traits(&self) -> kvern_core::OpTraits {
                $traits
            }

            fn instantiate(&self, params: &[u8]) -> kvern_core::Result<std::sync::Arc<dyn kvern_core::Kernel>> {
                let params: $Params = $crate::ops::params($name, params)?;
                params.check()?;
                Ok(std::sync::Arc::new(move |inputs: &mut [kvern_core::Value], ctx: &kvern_core::TaskContext<'_>| {
                    params.run(inputs, ctx)
                }))
            }
        }
        kvern_core::register_operator!($Op);
    };
}
pub(crate) use operator;

pub(crate) fn params<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    decode_params(name, bytes)
}

/// Start and length along each axis of a block, counted row-major over the grid of `chunks`.
pub(crate) fn block_ranges(chunks: &[Splits], block: u64) -> Vec<(u64, u64)> {
    let mut coords = Vec::new();
    grid_of(chunks).coords(block, &mut coords);
    chunks
        .iter()
        .zip(coords)
        .map(|(s, c)| s.block(c as usize))
        .collect()
}

/// The shape of a block.
pub(crate) fn block_shape(chunks: &[Splits], block: u64) -> Vec<usize> {
    block_ranges(chunks, block)
        .into_iter()
        .map(|r| r.1 as usize)
        .collect()
}

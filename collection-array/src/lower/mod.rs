//! From expressions to layers.
//!
//! The expression is cut into regions: a node that must exist as chunks, with all elementwise nodes below it that only it needs.
//! Each region becomes one layer, so a chain of elementwise operations is one pass over memory, and a reduction eats the chain
//! that feeds it. See [`regions`] for what is kept and what is computed again.

mod build;
mod product;
mod regions;

use std::sync::Arc;

use kvern_core::{Layer, Result};

use crate::expr::Expr;
pub(crate) use regions::Regions;

/// The layer whose outputs are the chunks of `root`, row-major.
///
/// # Errors
/// What cannot be told before all chunks are known, such as too many tasks.
pub(crate) fn lower(root: &Arc<Expr>) -> Result<Arc<Layer>> {
    if let Some(layer) = root.layer.get() {
        return Ok(layer.clone());
    }
    let layer = build::build(&Regions::new(root))?;
    Ok(root.layer.get_or_init(|| layer).clone())
}

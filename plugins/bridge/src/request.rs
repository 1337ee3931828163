//! Asking for a plugin's operator by name.

use kvern_core::{Error, ErrorKind, OpRef, Registry, Result};
use serde::Serialize;

/// A reference to an operator whose parameters are JSON, as those of plugins are: `name` or `name@version` (without one, the highest
/// that is registered; the reference always holds one).
///
/// # Errors
/// [`ErrorKind::NotRegistered`] naming the nearest operator; [`ErrorKind::BadInput`] if the parameters cannot be JSON, or the operator
/// refuses them.
pub fn op_ref(registry: &Registry, name: &str, params: &impl Serialize) -> Result<OpRef> {
    let (name, version) = match name.split_once('@') {
        None => (name, None),
        Some((name, version)) => {
            let version = version.parse().map_err(|_| {
                Error::bad_input(format!(
                    "{version:?} is no version of the operator {name}: write {name}@1"
                ))
            })?;
            (name, Some(version))
        }
    };
    let operator = registry.operator(name, version)?;
    let bytes = serde_json::to_vec(&kvern_core::text::Finite::new(params)).map_err(|e| {
        Error::with_source(
            ErrorKind::BadInput,
            format!("the parameters of {name} cannot be written as JSON: {e}"),
            e,
        )
    })?;
    // Wrong parameters are told where they are written, and not by the first task.
    operator.instantiate(&bytes)?;
    Ok(OpRef::named(
        operator.name(),
        operator.version(),
        operator.traits(&bytes)?,
        bytes,
    ))
}

//! Adding a plugin's operators to a registry: all of them or none.

use std::sync::Arc;

use kvern_core::{Error, ErrorKind, Operator, Registry};
use kvern_plugin_bridge::TableOperator;

/// Adds operators under a source. Those that are there from the same source already are left as they are: the same file twice is no error.
///
/// # Errors
/// [`ErrorKind::Duplicate`] naming both sources, before any is added.
pub fn add(
    registry: &mut Registry,
    operators: &[Arc<TableOperator>],
    source: &str,
) -> Result<(), Error> {
    let mut new = Vec::with_capacity(operators.len());
    for operator in operators {
        let same = |o: &(&str, u32, &str)| (o.0, o.1) == (operator.name(), operator.version());
        match registry.operators().find(same) {
            None => new.push(operator),
            Some((_, _, there)) if there == source => {}
            Some((name, version, there)) => {
                return Err(Error::new(
                    ErrorKind::Duplicate,
                    format!("operator {name}@{version} is registered by both {there} and {source}"),
                ));
            }
        }
    }
    new.into_iter()
        .try_for_each(|operator| registry.add_operator(operator.clone(), source))
}

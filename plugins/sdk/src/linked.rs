//! Operators of a crate that is linked into a program (feature `linked`): the same table as a host would load, registered when the program
//! starts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kvern_core::Operator;
use kvern_plugin_abi::OpVTable;
use kvern_plugin_bridge::TableOperator;

use crate::operator::PluginOperator;
use crate::shim;

/// The operator as the core knows it.
///
/// # Panics
/// Never: names are text, and versions are checked when the operator is registered.
pub fn operator<O: PluginOperator>() -> Arc<dyn Operator> {
    // SAFETY: a table of this program, whose functions are those of `shim`.
    match unsafe { TableOperator::new(table::<O>()) } {
        Ok(op) => Arc::new(op),
        Err(e) => unreachable!("{}: {e}", O::NAME),
    }
}

/// Made once for each operator: a table keeps its signature for ever, and registries are made many times.
fn table<O: PluginOperator>() -> OpVTable {
    static MADE: OnceLock<Mutex<HashMap<(&'static str, u32), OpVTable>>> = OnceLock::new();
    let mut made = MADE
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    *made
        .entry((O::NAME, O::VERSION))
        .or_insert_with(shim::table::<O>)
}

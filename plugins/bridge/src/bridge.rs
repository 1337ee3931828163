//! How values cross: one bridge for each kind of data, registered by the crate that knows its type.

use std::sync::OnceLock;

use kvern_core::{Error, ErrorKind, Result, Value};
use kvern_plugin_abi::tensor::DLDataType;
use kvern_plugin_abi::value::kind;

use crate::owned::Owned;

/// Takes values of some Rust types across the border and back.
pub trait Bridge: Send + Sync {
    /// For messages, such as `"array chunks"`.
    fn name(&self) -> &'static str;

    /// The kinds (`kvern_plugin_abi::value::kind`) that it brings back.
    fn kinds(&self) -> &'static [u32];

    /// The value as the other side sees it, without a copy where its layout allows; `None` if its type is not one of this bridge.
    ///
    /// # Errors
    /// What keeps a value of its own type from crossing.
    fn export(&self, value: &Value) -> Result<Option<Owned>>;

    /// What an operator answered, of one of [`Bridge::kinds`].
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] saying what is wrong with the value.
    fn import(&self, value: Owned) -> Result<Value>;

    /// Memory for a tensor that an operator is about to make, not initialised; `None` if this bridge has no tensors.
    ///
    /// # Errors
    /// If there is no such type, or not so much memory.
    fn alloc(&self, _dtype: DLDataType, _shape: &[i64]) -> Result<Option<Owned>> {
        Ok(None)
    }
}

/// A bridge of a linked crate: `inventory::submit! { BridgeEntry(&MyBridge) }`.
pub struct BridgeEntry(pub &'static dyn Bridge);

inventory::collect!(BridgeEntry);

/// All linked bridges.
pub fn linked() -> &'static [&'static dyn Bridge] {
    static ALL: OnceLock<Vec<&'static dyn Bridge>> = OnceLock::new();
    ALL.get_or_init(|| inventory::iter::<BridgeEntry>().map(|e| e.0).collect())
}

fn names() -> String {
    linked()
        .iter()
        .map(|b| b.name())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The value as the other side sees it.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if no bridge knows its type.
pub fn export(value: &Value) -> Result<Owned> {
    for bridge in linked() {
        if let Some(out) = bridge.export(value)? {
            return Ok(out);
        }
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{} cannot be handed to a plugin; what can is: {}",
            value.describe(),
            names()
        ),
    ))
}

/// What an operator answered.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if no bridge knows its kind or flags, else what the bridge says.
pub fn import(value: Owned) -> Result<Value> {
    let of = value.get().kind;
    if of == kind::EMPTY {
        return Ok(Value::UNIT);
    }
    let bridge = linked().iter().find(|b| b.kinds().contains(&of));
    bridge
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the plugin answered a value of kind {of} ({}), which nothing here can take; there are: {}",
                    kind::name(of),
                    names()
                ),
            )
        })?
        .import(value)
}

/// Memory for a tensor.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if no bridge has tensors, else what the bridge says.
pub fn alloc(dtype: DLDataType, shape: &[i64]) -> Result<Owned> {
    for bridge in linked() {
        if let Some(out) = bridge.alloc(dtype, shape)? {
            return Ok(out);
        }
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        "this host has no tensors",
    ))
}

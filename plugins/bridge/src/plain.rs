//! Bytes (`Vec<u8>`) and text (`String`).

use std::ffi::c_void;
use std::sync::Arc;

use kvern_core::{Error, Result, Value};
use kvern_plugin_abi as abi;
use kvern_plugin_abi::value::kind;

use crate::bridge::{Bridge, BridgeEntry};
use crate::owned::Owned;

struct Plain;

inventory::submit! { BridgeEntry(&Plain) }

impl Bridge for Plain {
    fn name(&self) -> &'static str {
        "bytes and text"
    }

    fn kinds(&self) -> &'static [u32] {
        &[kind::BYTES, kind::TEXT, kind::JSON]
    }

    fn export(&self, value: &Value) -> Result<Option<Owned>> {
        let (of, bytes) = if let Some(bytes) = value.downcast_ref::<Vec<u8>>() {
            (kind::BYTES, bytes.as_slice())
        } else if let Some(text) = value.downcast_ref::<String>() {
            (kind::TEXT, text.as_bytes())
        } else {
            return Ok(None);
        };
        Ok(Some(keep(abi::Value::borrowed(of, bytes), value.clone())))
    }

    fn import(&self, value: Owned) -> Result<Value> {
        let raw = value.get();
        // SAFETY: a value of these kinds points to so many bytes until it is released, which `value` does below.
        let bytes = unsafe { raw.bytes().as_slice() }.to_vec();
        if raw.kind == kind::BYTES {
            return Ok(Value::new(bytes));
        }
        String::from_utf8(bytes).map(Value::new).map_err(|e| {
            Error::bad_input(format!("the plugin answered a text that is not UTF-8: {e}"))
        })
    }
}

/// The raw value with a reference to what it points into.
fn keep(mut raw: abi::Value, value: Value) -> Owned {
    raw.owner = Arc::into_raw(Arc::new(value)).cast::<c_void>().cast_mut();
    raw.clone_ref = Some(clone_ref);
    raw.release = Some(release);
    // SAFETY: it points into the value that the owner holds.
    unsafe { Owned::new(raw) }
}

unsafe extern "C" fn clone_ref(owner: *mut c_void) -> *mut c_void {
    // SAFETY: `keep` made it of an `Arc<Value>`, of which the caller holds a reference.
    unsafe { Arc::increment_strong_count(owner.cast_const().cast::<Value>()) };
    owner
}

unsafe extern "C" fn release(owner: *mut c_void) {
    // SAFETY: as above; this gives the reference back.
    unsafe { Arc::decrement_strong_count(owner.cast_const().cast::<Value>()) };
}

//! Arrow arrays (`ArrayRef`) and record batches (`RecordBatch`), by the C Data Interface, without a copy either way.

use arrow_array::{Array, ArrayRef, RecordBatch};
use kvern_core::{Error, ErrorKind, Result, Value};
use kvern_plugin_abi::value::kind;
use kvern_plugin_arrow::{Imported, export};

use crate::bridge::{Bridge, BridgeEntry};
use crate::owned::Owned;

struct Arrow;

inventory::submit! { BridgeEntry(&Arrow) }

/// The value of an array.
pub fn array_value(array: ArrayRef) -> Value {
    let bytes = array.get_array_memory_size() as u64;
    Value::with_bytes(array, bytes)
}

/// The value of a record batch.
pub fn batch_value(batch: RecordBatch) -> Value {
    let bytes = batch.get_array_memory_size() as u64;
    Value::with_bytes(batch, bytes)
}

impl Bridge for Arrow {
    fn name(&self) -> &'static str {
        "arrow arrays and record batches"
    }

    fn kinds(&self) -> &'static [u32] {
        &[kind::ARROW]
    }

    fn export(&self, value: &Value) -> Result<Option<Owned>> {
        let exported = if let Some(array) = value.downcast_ref::<ArrayRef>() {
            export(array, None)
        } else if let Some(batch) = value.downcast_ref::<RecordBatch>() {
            kvern_plugin_arrow::export::export_batch(batch, None)
        } else {
            return Ok(None);
        };
        let exported = exported.map_err(|e| Error::new(ErrorKind::Unsupported, e))?;
        // SAFETY: `export` made it, and nobody else releases it.
        Ok(Some(unsafe { Owned::new(exported.into_raw()) }))
    }

    fn import(&self, value: Owned) -> Result<Value> {
        // SAFETY: of this kind, since `kinds` says so; owned, so nobody else reads it.
        match unsafe { kvern_plugin_arrow::import(value.get()) } {
            Ok(Imported::Array(array)) => Ok(array_value(array)),
            Ok(Imported::Batch(batch)) => Ok(batch_value(batch)),
            Err(e) => Err(Error::bad_input(e)),
        }
    }
}

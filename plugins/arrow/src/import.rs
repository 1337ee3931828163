//! Values of the border as arrays and record batches.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::ffi::from_ffi_and_data_type;
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StructArray, make_array,
};
use arrow_data::ffi::FFI_ArrowArray;
use kvern_plugin_abi::Value;
use kvern_plugin_abi::value::{flags, kind};

use crate::{flat, schema};

/// By which way an array came.
enum Found {
    Array(ArrayRef),
    Data(arrow_data::ArrayData),
}

/// What a value was.
pub enum Imported {
    /// An array.
    Array(ArrayRef),
    /// A record batch.
    Batch(RecordBatch),
}

/// Moves the array out of a value, as the C Data Interface says; the value is still to be released. Buffers are shared, not copied, unless
/// they are not aligned as arrow-rs needs them.
///
/// # Errors
/// What is wrong with the value.
///
/// # Safety
/// A value of kind `ARROW` whose pointers are valid and whose array nobody else moves out or reads.
pub unsafe fn import(value: &Value) -> Result<Imported, String> {
    if value.kind != kind::ARROW {
        return Err(format!("expected arrow, got {}", kind::name(value.kind)));
    }
    if value.flags & !flags::RECORD_BATCH != 0 {
        return Err(format!("arrow data with unknown flags {:#x}", value.flags));
    }
    let (array, schema) = (value.arrow_array(), value.arrow_schema());
    if array.is_null() || schema.is_null() {
        return Err("arrow data without an array or without its type".to_owned());
    }
    // arrow-rs asserts what it does not expect. The other side's data is not a reason to die.
    let imported = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: both are structs of the C Data Interface by the caller's promise; the array is left released.
        unsafe {
            let dtype = schema::read(schema.cast(), value.payload[2] == 1)?;
            if value.flags == 0
                && let Some(array) = flat::import_any(array, &dtype)
            {
                return Ok(Found::Array(array));
            }
            let array = FFI_ArrowArray::from_raw(array.cast());
            if array.is_released() {
                return Err("arrow data that was moved elsewhere".to_owned());
            }
            from_ffi_and_data_type(array, dtype)
                .map(Found::Data)
                .map_err(|e| e.to_string())
        }
    }));
    let data = match imported {
        Ok(Ok(Found::Array(array))) => return Ok(Imported::Array(array)),
        Ok(Ok(Found::Data(data))) => data,
        Ok(Err(e)) => return Err(e),
        Err(_) => return Err("arrow data whose parts do not fit its type".to_owned()),
    };
    if value.flags & flags::RECORD_BATCH == 0 {
        return Ok(Imported::Array(make_array(data)));
    }
    if !matches!(data.data_type(), arrow_schema::DataType::Struct(_)) || data.null_count() > 0 {
        return Err(format!(
            "a record batch that is {} with {} nulls; it must be a struct without",
            data.data_type(),
            data.null_count()
        ));
    }
    Ok(Imported::Batch(RecordBatch::from(StructArray::from(data))))
}

/// An array of numbers of a known type, by the shortest way; `None`, and nothing is moved, if it is another or does not lie so: ask
/// [`import()`] then.
///
/// # Safety
/// As [`import()`].
pub unsafe fn import_primitive<T: ArrowPrimitiveType>(value: &Value) -> Option<PrimitiveArray<T>> {
    if value.kind != kind::ARROW || value.flags != 0 {
        return None;
    }
    let (array, schema) = (value.arrow_array(), value.arrow_schema());
    if array.is_null() || schema.is_null() {
        return None;
    }
    // SAFETY: both are structs of the C Data Interface by the caller's promise.
    unsafe {
        let is = schema::is(schema.cast(), value.payload[2] == 1, &T::DATA_TYPE);
        if is { flat::import(array) } else { None }
    }
}

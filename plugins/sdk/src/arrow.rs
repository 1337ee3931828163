//! Arrow arrays and record batches (feature `arrow`), without a copy either way.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray};
pub use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow_schema::DataType;
use kvern_plugin_abi as abi;
use kvern_plugin_abi::Bytes;
use kvern_plugin_abi::value::{flags, kind};
use kvern_plugin_arrow::{Exported, Imported, import};

use crate::error::{Error, Result};
use crate::input::{FromInput, Input, check_kind};
use crate::output::{Counted, IntoOutput};

/// The array behind an input.
fn array(input: Input<'_>) -> Result<ArrayRef> {
    let value = input.of_kind(kind::ARROW, flags::RECORD_BATCH)?;
    // SAFETY: of this kind; the host made it for this call, and each input is read once.
    match unsafe { import(value) } {
        Ok(Imported::Array(array)) => Ok(array),
        Ok(Imported::Batch(batch)) => Err(Error::bad_input(format!(
            "expected an array, got a record batch of {} columns",
            batch.num_columns()
        ))),
        Err(e) => Err(Error::bad_input(e)),
    }
}

/// Refuses another type, where the type is known.
fn check_type(meta: &abi::Meta, wanted: &DataType) -> Result<()> {
    check_kind(meta, kind::ARROW)?;
    // SAFETY: the host's text, for this call.
    let got = unsafe { meta.type_name.as_text() }.unwrap_or_default();
    if got.is_empty() || got == wanted.to_string() {
        return Ok(());
    }
    Err(wrong(wanted, got))
}

fn wrong(wanted: &DataType, got: impl std::fmt::Display) -> Error {
    Error::bad_input(format!("expected arrow {wanted}, got arrow {got}"))
}

/// What is known of a result of that type.
fn known(name: &'static str, like: Option<&abi::Meta>) -> abi::Meta {
    let like = like.filter(|m| m.kind == kind::ARROW);
    abi::Meta {
        kind: kind::ARROW,
        ndim: like.map_or(0, |m| m.ndim),
        shape: like.map_or(std::ptr::null(), |m| m.shape),
        type_name: Bytes::text(name),
        ..abi::Meta::UNKNOWN
    }
}

fn output(exported: std::result::Result<Exported, String>) -> Result<abi::Value> {
    exported.map(Exported::into_raw).map_err(Error::new)
}

fn counted() -> Option<Box<dyn Send>> {
    Some(Box::new(Counted::new()))
}

/// Names of types as arrow prints them; a test holds them against it.
macro_rules! primitives {
    ($($t:ident => $name:literal),* $(,)?) => { $(
        impl Named for $t {
            const NAME: &'static str = $name;
        }
    )*
        #[cfg(test)]
        const NAMES: &[(DataType, &str)] = &[$(($t::DATA_TYPE, $name)),*];
    };
}

/// A primitive type with its name as arrow prints it.
pub trait Named: ArrowPrimitiveType {
    /// The name.
    const NAME: &'static str;
}

primitives! {
    Int8Type => "Int8", Int16Type => "Int16", Int32Type => "Int32", Int64Type => "Int64",
    UInt8Type => "UInt8", UInt16Type => "UInt16", UInt32Type => "UInt32", UInt64Type => "UInt64",
    Float32Type => "Float32", Float64Type => "Float64",
}

impl<'a, T: Named> FromInput<'a> for PrimitiveArray<T> {
    fn describe() -> String {
        format!("arrow {}", T::NAME)
    }

    fn from_input(input: Input<'a>) -> Result<Self> {
        let value = input.of_kind(kind::ARROW, flags::RECORD_BATCH)?;
        // SAFETY: as in `array`; if nothing comes, nothing was moved.
        if let Some(array) = unsafe { kvern_plugin_arrow::import_primitive::<T>(value) } {
            return Ok(array);
        }
        let array = array(input)?;
        let typed = array.as_primitive_opt::<T>().cloned();
        typed.ok_or_else(|| wrong(&T::DATA_TYPE, array.data_type()))
    }

    fn check(meta: &abi::Meta) -> Result<()> {
        check_type(meta, &T::DATA_TYPE)
    }
}

impl<T: Named> IntoOutput for PrimitiveArray<T> {
    fn describe() -> String {
        format!("arrow {}", T::NAME)
    }

    fn meta(like: Option<&abi::Meta>) -> abi::Meta {
        known(T::NAME, like)
    }

    fn into_output(self) -> Result<abi::Value> {
        output(kvern_plugin_arrow::export(&self, counted()))
    }
}

macro_rules! other_arrays {
    ($($array:ty, $dtype:expr, $name:literal, $cast:expr;)*) => { $(
        impl<'a> FromInput<'a> for $array {
            fn describe() -> String {
                concat!("arrow ", $name).into()
            }

            fn from_input(input: Input<'a>) -> Result<Self> {
                let array = array(input)?;
                let cast: fn(&ArrayRef) -> Option<&$array> = $cast;
                cast(&array).cloned().ok_or_else(|| wrong(&$dtype, array.data_type()))
            }

            fn check(meta: &abi::Meta) -> Result<()> {
                check_type(meta, &$dtype)
            }
        }

        impl IntoOutput for $array {
            fn describe() -> String {
                concat!("arrow ", $name).into()
            }

            fn meta(like: Option<&abi::Meta>) -> abi::Meta {
                known($name, like)
            }

            fn into_output(self) -> Result<abi::Value> {
                output(kvern_plugin_arrow::export(&self, counted()))
            }
        }
    )* };
}
other_arrays! {
    BooleanArray, DataType::Boolean, "Boolean", |a| a.as_boolean_opt();
    StringArray, DataType::Utf8, "Utf8", |a| a.as_string_opt::<i32>();
}

impl<'a> FromInput<'a> for ArrayRef {
    fn describe() -> String {
        "arrow array".into()
    }

    fn from_input(input: Input<'a>) -> Result<Self> {
        array(input)
    }

    fn check(meta: &abi::Meta) -> Result<()> {
        check_kind(meta, kind::ARROW)
    }
}

impl IntoOutput for ArrayRef {
    fn describe() -> String {
        "arrow array".into()
    }

    fn meta(like: Option<&abi::Meta>) -> abi::Meta {
        known("", like)
    }

    fn into_output(self) -> Result<abi::Value> {
        output(kvern_plugin_arrow::export(&self, counted()))
    }
}

impl<'a> FromInput<'a> for RecordBatch {
    fn describe() -> String {
        "arrow record batch".into()
    }

    fn from_input(input: Input<'a>) -> Result<Self> {
        let value = input.of_kind(kind::ARROW, flags::RECORD_BATCH)?;
        // SAFETY: as in `array`.
        match unsafe { import(value) } {
            Ok(Imported::Batch(batch)) => Ok(batch),
            Ok(Imported::Array(array)) => Err(Error::bad_input(format!(
                "expected a record batch, got an array of {}",
                array.data_type()
            ))),
            Err(e) => Err(Error::bad_input(e)),
        }
    }

    fn check(meta: &abi::Meta) -> Result<()> {
        check_kind(meta, kind::ARROW)
    }
}

impl IntoOutput for RecordBatch {
    fn describe() -> String {
        "arrow record batch".into()
    }

    fn meta(like: Option<&abi::Meta>) -> abi::Meta {
        known("", like)
    }

    fn into_output(self) -> Result<abi::Value> {
        output(kvern_plugin_arrow::export::export_batch(&self, counted()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_arrow_prints() {
        for (dtype, name) in NAMES {
            assert_eq!(&dtype.to_string(), name);
        }
        assert_eq!(DataType::Utf8.to_string(), "Utf8");
        assert_eq!(DataType::Boolean.to_string(), "Boolean");
    }
}

//! Values of any serde type, as JSON.

use kvern_plugin_abi as abi;
use kvern_plugin_abi::value::kind;

use crate::error::{Error, Result};
use crate::input::{FromInput, Input, check_kind};

/// A value that crosses as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<'a, T: serde::Deserialize<'a>> FromInput<'a> for Json<T> {
    fn describe() -> String {
        "json".into()
    }

    fn from_input(input: Input<'a>) -> Result<Self> {
        // A host that has text only gives JSON as text.
        let wanted = if input.value().kind == kind::TEXT {
            kind::TEXT
        } else {
            kind::JSON
        };
        let value = input.of_kind(wanted, 0)?;
        // SAFETY: a value of these kinds points to so many bytes, for the call.
        let bytes = unsafe { value.bytes().as_slice() };
        serde_json::from_slice(bytes)
            .map(Json)
            .map_err(|e| Error::bad_input(e.to_string()))
    }

    fn check(meta: &abi::Meta) -> Result<()> {
        if meta.kind == kind::TEXT {
            return Ok(());
        }
        check_kind(meta, kind::JSON)
    }
}

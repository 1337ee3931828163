//! What is known of values before they exist, on either side.

use kvern_core::{Error, ErrorKind, Meta, Result};
use kvern_plugin_abi as abi;
use kvern_plugin_abi::tensor::{DLDataType, MOST_AXES};
use kvern_plugin_abi::value::kind;

/// What the core calls Arrow data that crosses.
pub const ARROW: &str = "arrow";

/// A [`Meta`] for the other side, with what it points to.
pub struct Exported {
    kind: u32,
    dtype: u32,
    shape: Vec<i64>,
    name: String,
}

impl Exported {
    /// Translates; what the border has no word for is not known there.
    pub fn new(meta: &Meta) -> Self {
        let of = match meta.kind.as_str() {
            "array" => kind::TENSOR,
            ARROW => kind::ARROW,
            _ => kind::EMPTY,
        };
        let dtype = DLDataType::named(&meta.dtype).filter(|_| of == kind::TENSOR);
        Self {
            kind: of,
            dtype: dtype.map_or(0, DLDataType::to_word),
            shape: meta
                .shape
                .iter()
                .map(|n| n.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1))
                .collect(),
            name: meta.dtype.clone(),
        }
    }

    /// The view that is handed over; it lives as long as this.
    pub fn view(&self) -> abi::Meta {
        abi::Meta {
            kind: self.kind,
            dtype: self.dtype,
            ndim: self.shape.len() as u32,
            shape: self.shape.as_ptr(),
            type_name: abi::Bytes::text(&self.name),
            ..abi::Meta::UNKNOWN
        }
    }
}

/// Reads what an operator answered.
///
/// # Errors
/// [`ErrorKind::BadInput`] if it is not well formed.
///
/// # Safety
/// Its pointers are valid.
pub unsafe fn import(operator: &str, meta: &abi::Meta) -> Result<Meta> {
    let bad = |why: String| {
        Error::new(
            ErrorKind::BadInput,
            format!("{operator} told a result that cannot be: {why}"),
        )
    };
    let (name, dtype) = match meta.kind {
        kind::EMPTY => return Ok(Meta::unknown()),
        kind::TENSOR if meta.dtype == 0 => ("array", String::new()),
        kind::TENSOR => {
            let dtype = DLDataType::from_word(meta.dtype);
            let name = dtype
                .name()
                .ok_or_else(|| bad(format!("the element type {dtype:?}")))?;
            ("array", name.to_owned())
        }
        kind::ARROW => {
            // SAFETY: valid by the caller's promise.
            let text = unsafe { meta.type_name.as_text() };
            let text = text.ok_or_else(|| bad("a type's name that is not UTF-8".into()))?;
            (ARROW, text.to_owned())
        }
        // Later kinds: nothing is known of them here.
        _ => return Ok(Meta::unknown()),
    };
    if meta.ndim > MOST_AXES as u32 || (meta.ndim > 0 && meta.shape.is_null()) {
        return Err(bad(format!("{} axes", meta.ndim)));
    }
    let shape = if meta.ndim == 0 {
        &[]
    } else {
        // SAFETY: not null, so many by the caller's promise.
        unsafe { std::slice::from_raw_parts(meta.shape, meta.ndim as usize) }
    };
    Ok(Meta {
        kind: name.into(),
        dtype,
        shape: shape.iter().map(|&n| u64::try_from(n).ok()).collect(),
    })
}

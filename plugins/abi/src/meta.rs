//! What is known of a value before it exists.

use crate::bytes::Bytes;

/// Kind, element type and shape, as far as known.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Meta {
    /// Of this struct.
    pub size: u32,
    /// One of [`crate::value::kind`]; [`crate::value::kind::EMPTY`]: nothing is known.
    pub kind: u32,
    /// Of a tensor: [`crate::tensor::DLDataType::to_word`]; 0 if unknown.
    pub dtype: u32,
    /// Number of axes; of an Arrow array 1, or 2 for a record batch.
    pub ndim: u32,
    /// Length of each axis; -1 where unknown.
    pub shape: *const i64,
    /// Of an Arrow array: the type as arrow-rs prints it, such as `Float64` or `List(Int32)`.
    pub type_name: Bytes,
    /// Bytes of the value; -1 if unknown.
    pub nbytes: i64,
}

impl Meta {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        size: size_of::<Self>() as u32,
        kind: crate::value::kind::EMPTY,
        dtype: 0,
        ndim: 0,
        shape: std::ptr::null(),
        type_name: Bytes::EMPTY,
        nbytes: -1,
    };
}

//! The structs of the Arrow C Data Interface (<https://arrow.apache.org/docs/format/CDataInterface.html>).

use std::ffi::{c_char, c_void};

/// The type of an array: a format string, and the types of its children.
#[derive(Debug)]
#[repr(C)]
pub struct ArrowSchema {
    /// The type, such as `g` for 64-bit floats.
    pub format: *const c_char,
    /// The field's name; may be null.
    pub name: *const c_char,
    /// Encoded key-value pairs; may be null.
    pub metadata: *const c_char,
    /// Nullable, dictionary-ordered, map-keys-sorted.
    pub flags: i64,
    /// Number of children.
    pub n_children: i64,
    /// The children.
    pub children: *mut *mut Self,
    /// The type of the dictionary's values; may be null.
    pub dictionary: *mut Self,
    /// Gives it back; null once it has been.
    pub release: Option<unsafe extern "C" fn(*mut Self)>,
    /// The owner's.
    pub private_data: *mut c_void,
}

/// The data of an array.
#[derive(Debug)]
#[repr(C)]
pub struct ArrowArray {
    /// Number of elements.
    pub length: i64,
    /// Nulls among them; -1 if not counted.
    pub null_count: i64,
    /// Elements before the first.
    pub offset: i64,
    /// Number of buffers.
    pub n_buffers: i64,
    /// Number of children.
    pub n_children: i64,
    /// The buffers.
    pub buffers: *mut *const c_void,
    /// The children.
    pub children: *mut *mut Self,
    /// The dictionary's values; may be null.
    pub dictionary: *mut Self,
    /// Gives it back; null once it has been, or has been moved elsewhere.
    pub release: Option<unsafe extern "C" fn(*mut Self)>,
    /// The owner's.
    pub private_data: *mut c_void,
}

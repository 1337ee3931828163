//! Runs of bytes: borrowed ([`Bytes`]) and owned ([`Buf`]).

use std::ffi::c_void;

/// Borrowed bytes, valid for the call in which they are given (or, in a table of a plugin, for ever).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Bytes {
    /// The first byte; may be null if there are none.
    pub ptr: *const u8,
    /// How many there are.
    pub len: usize,
}

// SAFETY: it is a pointer and a length without any access of its own; who reads through it vouches for the bytes.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self {
        ptr: std::ptr::null(),
        len: 0,
    };

    /// These bytes.
    pub const fn new(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// The bytes of a text.
    pub const fn text(text: &str) -> Self {
        Self::new(text.as_bytes())
    }

    /// The bytes; none for a null pointer or a length beyond what an object can have.
    ///
    /// # Safety
    /// `ptr` is null or points to `len` bytes that are readable and unchanged for `'a`.
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len > isize::MAX as usize {
            return &[];
        }
        // SAFETY: not null and of a possible length, by the test above; readable by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }

    /// The text; `None` if it is not UTF-8.
    ///
    /// # Safety
    /// As [`Bytes::as_slice`].
    pub const unsafe fn as_text<'a>(self) -> Option<&'a str> {
        // SAFETY: the caller's promise is the same.
        match std::str::from_utf8(unsafe { self.as_slice() }) {
            Ok(text) => Some(text),
            Err(_) => None,
        }
    }
}

/// Owned bytes, given back to who made them by `release`.
#[derive(Debug)]
#[repr(C)]
pub struct Buf {
    /// The first byte; may be null if there are none.
    pub ptr: *const u8,
    /// How many there are.
    pub len: usize,
    /// What `release` is given.
    pub owner: *mut c_void,
    /// Frees the bytes; absent if nothing is to be freed.
    pub release: Option<unsafe extern "C" fn(*mut c_void)>,
}

impl Buf {
    /// No bytes, nothing to free.
    pub const EMPTY: Self = Self {
        ptr: std::ptr::null(),
        len: 0,
        owner: std::ptr::null_mut(),
        release: None,
    };
}

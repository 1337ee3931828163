//! What crosses the border as inputs and outputs of operators.

use std::ffi::c_void;
use std::ptr;

use crate::arrow::{ArrowArray, ArrowSchema};
use crate::bytes::Bytes;
use crate::tensor::DLManagedTensorVersioned;

/// What a [`Value`] is.
pub mod kind {
    /// Nothing.
    pub const EMPTY: u32 = 0;
    /// `payload[0]`: a `*const DLManagedTensorVersioned` that belongs to the value's owner.
    pub const TENSOR: u32 = 1;
    /// `payload[0]`: a `*mut ArrowArray`, which a reader may move out as the C Data Interface says; `payload[1]`: a `*const ArrowSchema`
    /// that lives as long as the value's writer (a plugin's operator state, a host's kernel); `payload[2]`: a number of that schema
    /// among those of the writer, or 0. The same number is the same schema, so that it is read once.
    pub const ARROW: u32 = 2;
    /// A stream of Arrow arrays; not used by this version.
    pub const ARROW_STREAM: u32 = 3;
    /// `payload[0]`: pointer, `payload[1]`: length.
    pub const BYTES: u32 = 4;
    /// UTF-8 that is JSON, as [`BYTES`].
    pub const JSON: u32 = 5;
    /// A handle that only its maker understands; not used by this version.
    pub const OPAQUE: u32 = 6;
    /// UTF-8, as [`BYTES`].
    pub const TEXT: u32 = 7;

    /// The name of a kind, for messages.
    pub const fn name(kind: u32) -> &'static str {
        match kind {
            EMPTY => "empty",
            TENSOR => "tensor",
            ARROW => "arrow",
            ARROW_STREAM => "arrow-stream",
            BYTES => "bytes",
            JSON => "json",
            OPAQUE => "opaque",
            TEXT => "text",
            _ => "unknown",
        }
    }

    /// The kind of that name.
    pub fn named(text: &str) -> Option<u32> {
        (EMPTY..=TEXT).find(|&k| name(k) == text)
    }
}

/// Bits of [`Value::flags`].
pub mod flags {
    /// An Arrow struct array that stands for a record batch: its children are the columns.
    pub const RECORD_BATCH: u32 = 1;
}

/// A value with its owner.
///
/// Inputs are borrowed for the call: who keeps one takes a reference with `clone_ref`. Outputs are owned by who receives them.
#[derive(Debug)]
#[repr(C)]
pub struct Value {
    /// One of [`kind`].
    pub kind: u32,
    /// Bits of [`mod@flags`]; an unknown bit is refused.
    pub flags: u32,
    /// By kind.
    pub payload: [u64; 6],
    /// What the functions below are given.
    pub owner: *mut c_void,
    /// One more reference to the owner, to be released by its own call of `release`; absent if it cannot be shared.
    pub clone_ref: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    /// Gives a reference back; absent if nothing is owned.
    pub release: Option<unsafe extern "C" fn(*mut c_void)>,
}

impl Value {
    /// Nothing, owned by nobody.
    pub const EMPTY: Self = Self {
        kind: kind::EMPTY,
        flags: 0,
        payload: [0; 6],
        owner: ptr::null_mut(),
        clone_ref: None,
        release: None,
    };

    /// A kind and its first words, owned by nobody yet.
    pub const fn of(kind: u32, payload: [u64; 3]) -> Self {
        let mut value = Self::EMPTY;
        value.kind = kind;
        value.payload = [payload[0], payload[1], payload[2], 0, 0, 0];
        value
    }

    /// Borrowed bytes of that kind ([`kind::BYTES`], [`kind::JSON`], [`kind::TEXT`]).
    pub fn borrowed(kind: u32, bytes: &[u8]) -> Self {
        Self::of(kind, [bytes.as_ptr() as u64, bytes.len() as u64, 0])
    }

    /// Gives the value back to its owner, once; it is [`Value::EMPTY`] then.
    ///
    /// # Safety
    /// `owner` and `release` belong together and have not been used up.
    pub unsafe fn give_back(&mut self) {
        let own = std::mem::replace(self, Self::EMPTY);
        if let Some(release) = own.release {
            // SAFETY: the caller's promise; replaced above, so there is no second call.
            unsafe { release(own.owner) };
        }
    }

    /// The tensor.
    pub const fn tensor(&self) -> *const DLManagedTensorVersioned {
        self.payload[0] as usize as *const DLManagedTensorVersioned
    }

    /// The Arrow array.
    pub const fn arrow_array(&self) -> *mut ArrowArray {
        self.payload[0] as usize as *mut ArrowArray
    }

    /// The Arrow array's type.
    pub const fn arrow_schema(&self) -> *const ArrowSchema {
        self.payload[1] as usize as *const ArrowSchema
    }

    /// The bytes.
    pub const fn bytes(&self) -> Bytes {
        Bytes {
            ptr: self.payload[0] as usize as *const u8,
            len: self.payload[1] as usize,
        }
    }
}

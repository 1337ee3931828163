//! `op/1`: the operators of a plugin.

use std::ffi::c_void;

use crate::bytes::Bytes;
use crate::ctx::Ctx;
use crate::meta::Meta;
use crate::status::Status;
use crate::value::Value;

/// The name of the interface, for [`crate::PluginRoot::query`].
pub const INTERFACE: &str = "op";

/// Its major version.
pub const VERSION: u32 = 1;

/// Bits of [`OpVTable::flags`].
pub mod flags {
    /// Equal inputs, equal output.
    pub const DETERMINISTIC: u64 = 1;
    /// Each element of the output is made of those at its place: the output has the shape of the first input.
    pub const ELEMENTWISE: u64 = 2;
    /// An output may be one of the inputs.
    pub const MAY_ALIAS_INPUT: u64 = 4;
    /// It waits for files or sockets rather than computing.
    pub const BLOCKING_IO: u64 = 8;
    /// So cheap that it is better run again in each reader than kept.
    pub const INLINE: u64 = 16;
}

/// One operator. `State` is what `instantiate` makes: parameters, parsed once, for any number of calls from any threads.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct OpVTable {
    /// Of this struct, as the plugin was built with it.
    pub size: u32,
    /// Raised when the same parameters would give another result.
    pub op_version: u32,
    /// `namespace.op`; the namespace is the plugin's name.
    pub name: Bytes,
    /// `{"inputs": ["tensor float64", …], "more": false, "output": "tensor float64", "about": "…"}`, for people and for checks
    /// before anything runs.
    pub signature: Bytes,
    /// Bits of [`mod@flags`].
    pub flags: u64,
    /// Parses and checks parameters, which are JSON.
    pub instantiate:
        unsafe extern "C" fn(params: Bytes, ctx: *const Ctx, state: *mut *mut c_void) -> Status,
    /// Frees a state.
    pub drop_state: unsafe extern "C" fn(state: *mut c_void),
    /// Runs it: `n` inputs, borrowed; room for `cap` outputs, which the caller owns then. Nothing is written unless it answers
    /// [`crate::status::OK`].
    pub execute: unsafe extern "C" fn(
        state: *const c_void,
        inputs: *const Value,
        n: usize,
        ctx: *const Ctx,
        outputs: *mut Value,
        cap: usize,
        n_out: *mut usize,
    ) -> Status,
    /// Since 1.1. What would come out for such inputs; the pointers in `output` live as long as the state, or are those of an input.
    pub infer: Option<
        unsafe extern "C" fn(
            state: *const c_void,
            inputs: *const Meta,
            n: usize,
            ctx: *const Ctx,
            output: *mut Meta,
        ) -> Status,
    >,
}

impl OpVTable {
    /// What every version of it has: the size of that of 1.0.
    pub const LEAST: u32 = std::mem::offset_of!(Self, infer) as u32;

    /// Copies a table that may be shorter than this one; what it does not have is absent.
    ///
    /// # Safety
    /// `item` points to a table of the `size` bytes that it says, at least [`OpVTable::LEAST`].
    pub unsafe fn read(item: *const u8, size: u32) -> Self {
        // SAFETY: the first LEAST bytes are there by the caller's promise, and `infer` is read only if the size covers it. `Option` of a
        // function pointer is null when absent.
        unsafe {
            let mut own = std::mem::MaybeUninit::<Self>::zeroed();
            let bytes = (size as usize).min(size_of::<Self>());
            std::ptr::copy_nonoverlapping(item, own.as_mut_ptr().cast::<u8>(), bytes);
            if !crate::covers!(size, OpVTable, infer) {
                // Half of a field is none.
                (&raw mut (*own.as_mut_ptr()).infer).write(None);
            }
            own.assume_init()
        }
    }
}

// SAFETY: a table is constant data and functions that may be called from any thread.
unsafe impl Send for OpVTable {}
// SAFETY: as above.
unsafe impl Sync for OpVTable {}

//! What a plugin may ask of its host: while an operator runs ([`Ctx`]), and at any time ([`HostApi`]).

use std::ffi::c_void;

use crate::bytes::Bytes;
use crate::status::Status;
use crate::value::Value;

/// How loud a line of the log is.
pub mod level {
    /// Something failed.
    pub const ERROR: u32 = 1;
    /// Something is odd.
    pub const WARN: u32 = 2;
    /// Worth knowing.
    pub const INFO: u32 = 3;
    /// For whoever looks for a defect.
    pub const DEBUG: u32 = 4;

    /// The name of a level.
    pub const fn name(level: u32) -> &'static str {
        match level {
            ERROR => "error",
            WARN => "warn",
            INFO => "info",
            _ => "debug",
        }
    }
}

/// What the host offers to one call. It lives as long as the call; its functions may be called from any thread meanwhile.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Ctx {
    /// Of this struct: a newer plugin in an older host looks here before it uses what was added.
    pub size: u32,
    /// Threads that the host runs tasks on.
    pub threads: u32,
    /// What the functions below are given.
    pub host: *const c_void,
    /// Writes the task's key, two words; zeros where there is no task (`instantiate`, `infer`).
    pub task_key: unsafe extern "C" fn(host: *const c_void, key: *mut u64),
    /// Which block of its layer the task makes.
    pub block: u64,
    /// 1 if the task should stop.
    pub is_cancelled: unsafe extern "C" fn(host: *const c_void) -> u8,
    /// Sets that many bytes of memory aside; negative: gives them back. What is left is given back at the end of the call.
    pub reserve: unsafe extern "C" fn(host: *const c_void, bytes: i64) -> Status,
    /// Writes a line to the log of the run.
    pub log: unsafe extern "C" fn(host: *const c_void, level: u32, target: Bytes, message: Bytes),
    /// Says why the call is about to answer something else than [`crate::status::OK`]; the last word counts.
    pub set_error: unsafe extern "C" fn(host: *const c_void, status: Status, message: Bytes),
    /// Since 1.1. A tensor in the host's own memory for a result, so that the host need not copy it: `dtype` as
    /// [`crate::tensor::DLDataType::to_word`], `ndim` lengths. Its elements are not initialised: every one must be written.
    pub alloc_tensor: Option<
        unsafe extern "C" fn(
            host: *const c_void,
            dtype: u32,
            ndim: u32,
            shape: *const i64,
            out: *mut Value,
        ) -> Status,
    >,
}

/// What the host offers at any time; lives as long as the process.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct HostApi {
    /// Of this struct.
    pub size: u32,
    /// [`crate::MAJOR`] of the host.
    pub abi_major: u16,
    /// [`crate::MINOR`] of the host.
    pub abi_minor: u16,
    /// What the functions below are given.
    pub host: *const c_void,
    /// Writes a line to the host's log.
    pub log: unsafe extern "C" fn(host: *const c_void, level: u32, target: Bytes, message: Bytes),
}

// SAFETY: the functions may be called from any thread, by the rules of the border.
unsafe impl Send for HostApi {}
// SAFETY: as above.
unsafe impl Sync for HostApi {}

//! How a call across the border ended.

/// How a call across the border ended: one of the constants of this module.
pub type Status = i32;

/// All went well.
pub const OK: Status = 0;
/// The operator failed for these inputs.
pub const ERROR: Status = 1;
/// The plugin panicked and caught it.
pub const PANIC: Status = 2;
/// It stopped because it was asked to.
pub const CANCELLED: Status = 3;
/// The memory budget does not hold what it needs.
pub const NO_MEMORY: Status = 4;
/// Inputs or parameters are not what is allowed.
pub const BAD_INPUT: Status = 5;
/// The other side does not know this kind, flag or function.
pub const UNSUPPORTED: Status = 6;
/// It failed for a reason that may be gone at the next try.
pub const RETRY: Status = 7;

/// The name of a status, for messages.
///
/// ```
/// use kvern_plugin_abi::status;
/// assert_eq!(status::name(status::BAD_INPUT), "bad-input");
/// assert_eq!(status::name(99), "unknown");
/// ```
pub const fn name(status: Status) -> &'static str {
    match status {
        OK => "ok",
        ERROR => "error",
        PANIC => "panic",
        CANCELLED => "cancelled",
        NO_MEMORY => "no-memory",
        BAD_INPUT => "bad-input",
        UNSUPPORTED => "unsupported",
        RETRY => "retry",
        _ => "unknown",
    }
}

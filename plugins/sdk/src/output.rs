//! What an operator may give.

use std::ffi::c_void;
use std::sync::atomic::{AtomicI64, Ordering};

use kvern_plugin_abi as abi;
use kvern_plugin_abi::value::kind;

use crate::error::Result;
use crate::json::Json;

/// A type that an operator may give.
pub trait IntoOutput {
    /// What it gives, such as `tensor float64`.
    fn describe() -> String;

    /// What is known of it for an operator of one input or more whose result has the shape of the first, or of any (`like`: `None`).
    fn meta(like: Option<&abi::Meta>) -> abi::Meta;

    /// The value for the host, which owns it then.
    ///
    /// # Errors
    /// If it cannot cross.
    fn into_output(self) -> Result<abi::Value>;
}

/// Results of this plugin's own memory that the host has not given back yet.
static LIVE: AtomicI64 = AtomicI64::new(0);

/// How many results in this plugin's own memory the host holds: for tests of hosts, which must bring it back to where it was.
pub fn live_outputs() -> i64 {
    LIVE.load(Ordering::SeqCst)
}

/// Counts an owner while it lives.
pub(crate) struct Counted(());

impl Counted {
    pub(crate) fn new() -> Self {
        LIVE.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A value whose owner is this, shared by count.
pub(crate) fn owned_by<T: Send + Sync>(
    mut raw: abi::Value,
    owner: std::sync::Arc<(T, Counted)>,
) -> abi::Value {
    unsafe extern "C" fn clone_ref<T>(owner: *mut c_void) -> *mut c_void {
        // SAFETY: made of such an `Arc` below, of which the caller holds a reference.
        unsafe {
            std::sync::Arc::increment_strong_count(owner.cast_const().cast::<(T, Counted)>());
        };
        owner
    }
    unsafe extern "C" fn release<T>(owner: *mut c_void) {
        let owner = owner.cast_const().cast::<(T, Counted)>();
        // No panic crosses: whatever dropping the owner does stays here.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // SAFETY: as above; this gives the reference back.
            unsafe { std::sync::Arc::decrement_strong_count(owner) };
        }));
    }
    raw.owner = std::sync::Arc::into_raw(owner).cast_mut().cast();
    raw.clone_ref = Some(clone_ref::<T>);
    raw.release = Some(release::<T>);
    raw
}

/// Nothing of shape, but a kind.
pub(crate) const fn plain_meta(of: u32) -> abi::Meta {
    let mut meta = abi::Meta::UNKNOWN;
    meta.kind = of;
    meta
}

fn bytes_output(of: u32, bytes: Vec<u8>) -> abi::Value {
    let owner = std::sync::Arc::new((bytes, Counted::new()));
    let raw = abi::Value::borrowed(of, &owner.0);
    owned_by(raw, owner)
}

impl IntoOutput for Vec<u8> {
    fn describe() -> String {
        "bytes".into()
    }

    fn meta(_: Option<&abi::Meta>) -> abi::Meta {
        plain_meta(kind::BYTES)
    }

    fn into_output(self) -> Result<abi::Value> {
        Ok(bytes_output(kind::BYTES, self))
    }
}

impl IntoOutput for String {
    fn describe() -> String {
        "text".into()
    }

    fn meta(_: Option<&abi::Meta>) -> abi::Meta {
        plain_meta(kind::TEXT)
    }

    fn into_output(self) -> Result<abi::Value> {
        Ok(bytes_output(kind::TEXT, self.into_bytes()))
    }
}

impl<T: serde::Serialize> IntoOutput for Json<T> {
    fn describe() -> String {
        "json".into()
    }

    fn meta(_: Option<&abi::Meta>) -> abi::Meta {
        plain_meta(kind::JSON)
    }

    fn into_output(self) -> Result<abi::Value> {
        Ok(bytes_output(kind::JSON, serde_json::to_vec(&self.0)?))
    }
}

impl IntoOutput for () {
    fn describe() -> String {
        "nothing".into()
    }

    fn meta(_: Option<&abi::Meta>) -> abi::Meta {
        abi::Meta::UNKNOWN
    }

    fn into_output(self) -> Result<abi::Value> {
        Ok(abi::Value::EMPTY)
    }
}

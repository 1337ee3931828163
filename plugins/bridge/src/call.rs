//! The host's side of one call: what a plugin may ask while it runs.

use std::ffi::c_void;
use std::sync::{Mutex, OnceLock};

use kvern_core::operator::Reservation;
use kvern_core::{Result, TaskContext};
use kvern_plugin_abi::ctx::level;
use kvern_plugin_abi::tensor::{DLDataType, MOST_AXES};
use kvern_plugin_abi::{Bytes, Ctx, Status, Value, status};

use crate::bridge;

/// One call into a plugin. The plugin may ask from any of its threads while the call lasts.
pub struct Call<'a> {
    task: Option<&'a TaskContext<'a>>,
    said: Mutex<Option<(Status, String)>>,
    reserved: Mutex<Vec<Reservation<'a>>>,
}

/// A plugin asks from any thread, so this must be so.
const fn _shared_by_threads<T: Sync>() {}
const _: () = _shared_by_threads::<Call<'_>>();

impl<'a> Call<'a> {
    /// A call on behalf of a task, or of none.
    pub const fn new(task: Option<&'a TaskContext<'a>>) -> Self {
        Self {
            task,
            said: Mutex::new(None),
            reserved: Mutex::new(Vec::new()),
        }
    }

    /// What is handed to the plugin; it must not outlive this, nor may this be moved meanwhile.
    pub fn ctx(&self) -> Ctx {
        static THREADS: OnceLock<u32> = OnceLock::new();
        let threads = *THREADS
            .get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get() as u32));
        Ctx {
            size: size_of::<Ctx>() as u32,
            threads,
            host: std::ptr::from_ref(self).cast(),
            task_key,
            block: self.task.map_or(0, TaskContext::block),
            is_cancelled,
            reserve,
            log,
            set_error,
            alloc_tensor: Some(alloc_tensor),
        }
    }

    /// The error of this call of `operator`, if it is one.
    ///
    /// # Errors
    /// What the status means, in the words that the plugin said.
    #[inline]
    pub fn end(&self, operator: &str, answer: Status) -> Result<()> {
        if answer == status::OK {
            return Ok(());
        }
        let said = lock(&self.said).take();
        Err(crate::status::error(operator, answer, said.map(|s| s.1)))
    }

    fn say(&self, of: Status, words: String) -> Status {
        *lock(&self.said) = Some((of, words));
        of
    }
}

/// A plugin's thread that died while it held the lock has not broken what is inside.
fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The call that a plugin was given.
///
/// # Safety
/// `host` is that of a [`Ctx`] whose call lasts.
unsafe fn call<'c>(host: *const c_void) -> &'c Call<'c> {
    // SAFETY: `ctx` made it of a reference, which lives by the caller's promise.
    unsafe { &*host.cast::<Call<'c>>() }
}

/// Text of a plugin for a message: what is not UTF-8 is replaced.
///
/// # Safety
/// As [`Bytes::as_slice`].
unsafe fn text(bytes: Bytes) -> String {
    // SAFETY: the caller's promise.
    String::from_utf8_lossy(unsafe { bytes.as_slice() }).into_owned()
}

unsafe extern "C" fn task_key(host: *const c_void, key: *mut u64) {
    // SAFETY: called while the call lasts, by the rules of the border; so below.
    let call = unsafe { call(host) };
    let words = call.task.map_or([0; 2], |t| t.key().words());
    // SAFETY: room for two words, by the rules of the border.
    unsafe { key.cast::<[u64; 2]>().write_unaligned(words) };
}

unsafe extern "C" fn is_cancelled(host: *const c_void) -> u8 {
    // SAFETY: as above.
    let call = unsafe { call(host) };
    u8::from(call.task.is_some_and(TaskContext::is_cancelled))
}

unsafe extern "C" fn reserve(host: *const c_void, bytes: i64) -> Status {
    // SAFETY: as above.
    let call = unsafe { call(host) };
    let Some(task) = call.task else {
        return status::UNSUPPORTED;
    };
    let amount = bytes.unsigned_abs();
    if bytes < 0 {
        let mut held = lock(&call.reserved);
        let found = held.iter().rposition(|r| r.bytes() == amount);
        // What was never set aside cannot be given back; the rest goes back at the end of the call.
        return match found {
            Some(n) => {
                held.swap_remove(n);
                status::OK
            }
            None => status::BAD_INPUT,
        };
    }
    match task.reserve(amount) {
        Ok(r) => {
            lock(&call.reserved).push(r);
            status::OK
        }
        Err(e) => call.say(crate::status::of(e.kind()), e.message().to_owned()),
    }
}

unsafe extern "C" fn log(host: *const c_void, of: u32, target: Bytes, message: Bytes) {
    // SAFETY: as above; the texts are valid for this call.
    let (call, target, message) = unsafe { (call(host), text(target), text(message)) };
    if let Some(task) = call.task {
        task.log(&format!("[{}] {target}: {message}", level::name(of)));
    }
}

unsafe extern "C" fn set_error(host: *const c_void, of: Status, message: Bytes) {
    // SAFETY: as above.
    let (call, message) = unsafe { (call(host), text(message)) };
    call.say(of, message);
}

unsafe extern "C" fn alloc_tensor(
    host: *const c_void,
    dtype: u32,
    ndim: u32,
    shape: *const i64,
    out: *mut Value,
) -> Status {
    // SAFETY: as above.
    let call = unsafe { call(host) };
    if ndim > MOST_AXES as u32 || (ndim > 0 && shape.is_null()) || out.is_null() {
        return call.say(status::BAD_INPUT, format!("a tensor of {ndim} axes"));
    }
    let shape = if ndim == 0 {
        &[]
    } else {
        // SAFETY: not null; so many lengths, valid for this call.
        unsafe { std::slice::from_raw_parts(shape, ndim as usize) }
    };
    match bridge::alloc(DLDataType::from_word(dtype), shape) {
        Ok(value) => {
            // SAFETY: room for one value, by the rules of the border; whatever is there is not released.
            unsafe { out.write(value.into_raw()) };
            status::OK
        }
        Err(e) => call.say(crate::status::of(e.kind()), e.message().to_owned()),
    }
}

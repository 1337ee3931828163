//! What an operator may ask of the host that runs it.

use std::cell::Cell;
use std::marker::PhantomData;

use kvern_plugin_abi as abi;
use kvern_plugin_abi::ctx::level;
use kvern_plugin_abi::{Bytes, covers, status};

use crate::error::{Error, Result};

thread_local! {
    /// The call that this thread is in, for tensors that are made without a `Ctx` in sight.
    static CURRENT: Cell<*const abi::Ctx> = const { Cell::new(std::ptr::null()) };
}

/// The host's side of one call.
pub struct Ctx<'a> {
    raw: *const abi::Ctx,
    call: PhantomData<&'a abi::Ctx>,
}

// SAFETY: by the rules of the border the functions behind it may be called from any thread while the call lasts, which `'a` says.
unsafe impl Send for Ctx<'_> {}
// SAFETY: as above.
unsafe impl Sync for Ctx<'_> {}

impl Ctx<'_> {
    /// # Safety
    /// `raw` is what the host gave for a call that lasts for the lifetime.
    pub(crate) const unsafe fn new(raw: *const abi::Ctx) -> Self {
        Self {
            raw,
            call: PhantomData,
        }
    }

    /// Whether the task should stop; ask between pieces of long work.
    pub fn is_cancelled(&self) -> bool {
        // SAFETY: the host's function with the host's word, during the call. Fields that every version has are read one by one, without a
        // reference to the whole: the table of an older host is shorter than ours.
        unsafe { ((*self.raw).is_cancelled)((*self.raw).host) != 0 }
    }

    /// [`Ctx::is_cancelled`] for use with `?`.
    ///
    /// # Errors
    /// If it is.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::with_status(
                status::CANCELLED,
                "the run was cancelled",
            ));
        }
        Ok(())
    }

    /// Sets memory aside beyond inputs and output, in bytes, until the guard is dropped.
    ///
    /// # Errors
    /// If the budget of the host does not hold it.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation<'_>> {
        let amount = i64::try_from(bytes).unwrap_or(i64::MAX);
        // SAFETY: as above.
        match unsafe { ((*self.raw).reserve)((*self.raw).host, amount) } {
            status::OK => Ok(Reservation { ctx: self, amount }),
            other => Err(Error::with_status(
                other,
                format!(
                    "the host has no {bytes} bytes for it ({})",
                    status::name(other)
                ),
            )),
        }
    }

    /// Writes a line to the log of the run.
    pub fn info(&self, message: &str) {
        self.log(level::INFO, message);
    }

    /// Writes a line about something odd.
    pub fn warn(&self, message: &str) {
        self.log(level::WARN, message);
    }

    /// Writes a line of that level (`kvern_plugin_abi::ctx::level`).
    pub fn log(&self, of: u32, message: &str) {
        let target = Bytes::text(crate::host::name());
        // SAFETY: as above; both texts live for the call.
        unsafe { ((*self.raw).log)((*self.raw).host, of, target, Bytes::text(message)) };
    }

    /// Which block of its layer the task makes; 0 where there is no task.
    pub const fn block(&self) -> u64 {
        // SAFETY: a field that every version has, read for itself: the table of an older host is shorter than ours.
        unsafe { (*self.raw).block }
    }

    /// The task's key; zeros where there is no task.
    pub fn task_key(&self) -> [u64; 2] {
        let mut key = [0; 2];
        // SAFETY: as above; there is room for two words.
        unsafe { ((*self.raw).task_key)((*self.raw).host, key.as_mut_ptr()) };
        key
    }

    /// Threads that the host runs tasks on.
    pub const fn threads(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.raw).threads }
    }

    pub(crate) fn set_error(&self, of: abi::Status, message: &str) {
        // SAFETY: as above.
        unsafe { ((*self.raw).set_error)((*self.raw).host, of, Bytes::text(message)) };
    }

    /// Makes this the call of the thread while `f` runs.
    pub(crate) fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Restore(*const abi::Ctx);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _back = Restore(CURRENT.replace(self.raw));
        f()
    }
}

/// Whether this thread is within a call of the host.
pub(crate) fn in_call() -> bool {
    !CURRENT.get().is_null()
}

/// Memory of the host for a result, if this thread is within a call of a host that lends some.
pub(crate) fn alloc_tensor(dtype: u32, shape: &[i64]) -> Option<abi::Value> {
    let raw = CURRENT.get();
    if raw.is_null() {
        return None;
    }
    // SAFETY: set by `enter`, so the host's table for a call that lasts; read only as far as its size says.
    let (host, alloc) = unsafe {
        let size = (&raw const (*raw).size).read();
        if !covers!(size, abi::Ctx, alloc_tensor) {
            return None;
        }
        ((*raw).host, (&raw const (*raw).alloc_tensor).read()?)
    };
    let mut out = abi::Value::EMPTY;
    // SAFETY: the host's function; lengths and room for the answer live for the call.
    let answer = unsafe {
        alloc(
            host,
            dtype,
            shape.len() as u32,
            shape.as_ptr(),
            &raw mut out,
        )
    };
    // A host that has no memory says so again when the result arrives; ours is tried first.
    (answer == status::OK).then_some(out)
}

/// Memory set aside; given back when dropped.
pub struct Reservation<'a> {
    ctx: &'a Ctx<'a>,
    amount: i64,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let ctx = self.ctx.raw;
        // SAFETY: the host's function, during the call, which `'a` ends with. What is not given back here is at the end of the call.
        unsafe { ((*ctx).reserve)((*ctx).host, -self.amount) };
    }
}

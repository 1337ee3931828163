//! Panics: caught where the host's call arrives, told to the host, and not printed.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use kvern_plugin_abi::ctx::level;
use kvern_plugin_abi::{Status, status};

use crate::context::{self, Ctx};
use crate::error::Result;

thread_local! {
    /// What the hook saw of the panic of this thread.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Puts a hook before the one that prints, for panics within calls and for those of the plugin's own threads. A library that is loaded has
/// a standard library of its own, so this is its own hook and not that of the host.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let words = told(info);
            if context::in_call() {
                SEEN.with(|seen| {
                    if let Ok(mut seen) = seen.try_borrow_mut() {
                        *seen = Some(words);
                    }
                });
            } else {
                crate::host::log(level::ERROR, &format!("a thread panicked: {words}"));
            }
        }));
    });
}

fn told(info: &PanicHookInfo<'_>) -> String {
    let words = text_of(info.payload());
    match info.location() {
        Some(at) => format!("{words} ({}:{})", at.file(), at.line()),
        None => words,
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let words = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    words
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(the payload is not a text)".to_owned())
}

/// Runs the body of a call: its error is told to the host, and so is a panic.
pub(crate) fn guard(ctx: &Ctx<'_>, f: impl FnOnce() -> Result<()>) -> Status {
    // Unwind safety: what a panic leaves half done is the plugin's own, and its next call begins anew with the parameters, which are
    // shared and not changed.
    match ctx.enter(|| catch_unwind(AssertUnwindSafe(f))) {
        Ok(Ok(())) => status::OK,
        Ok(Err(e)) => failed(ctx, e.status(), e.message()),
        Err(payload) => {
            let seen = SEEN.with(|seen| seen.try_borrow_mut().ok().and_then(|mut s| s.take()));
            let words = seen.unwrap_or_else(|| text_of(&*payload));
            // A payload may panic when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            failed(ctx, status::PANIC, &format!("it panicked: {words}"))
        }
    }
}

#[cold]
fn failed(ctx: &Ctx<'_>, of: Status, message: &str) -> Status {
    ctx.set_error(of, message);
    // An error that says that all is well would make the host read a result that is not there.
    if of == status::OK { status::ERROR } else { of }
}

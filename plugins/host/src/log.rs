//! What plugins say outside of tasks.

use std::ffi::c_void;
use std::sync::{OnceLock, RwLock};

use kvern_plugin_abi::ctx::level;
use kvern_plugin_abi::{Bytes, HostApi};

/// Hears lines of plugins that belong to no task: level (`kvern_plugin_abi::ctx::level`), plugin, words.
pub type Listener = dyn Fn(u32, &str, &str) + Send + Sync;

static LISTENER: RwLock<Option<Box<Listener>>> = RwLock::new(None);

/// Sends lines there from now on; `None`: warnings and errors to standard error, as at the beginning.
pub fn listen(listener: Option<Box<Listener>>) {
    *LISTENER
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = listener;
}

/// What plugins are given; it lives as long as the process.
pub(crate) fn host_api() -> &'static HostApi {
    static API: OnceLock<HostApi> = OnceLock::new();
    API.get_or_init(|| HostApi {
        size: size_of::<HostApi>() as u32,
        abi_major: kvern_plugin_abi::MAJOR,
        abi_minor: kvern_plugin_abi::MINOR,
        host: std::ptr::null(),
        log,
    })
}

unsafe extern "C" fn log(_: *const c_void, of: u32, target: Bytes, message: Bytes) {
    // SAFETY: texts that are valid for this call, by the rules of the border.
    let (target, message) = unsafe { (target.as_slice(), message.as_slice()) };
    let (target, message) = (
        String::from_utf8_lossy(target),
        String::from_utf8_lossy(message),
    );
    // No panic crosses, the listener's neither.
    let _ = std::panic::catch_unwind(|| {
        let listener = LISTENER
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*listener {
            Some(listen) => listen(of, &target, &message),
            None if of <= level::WARN => {
                eprintln!("plugin {target}: {}: {message}", level::name(of));
            }
            None => {}
        }
    });
}

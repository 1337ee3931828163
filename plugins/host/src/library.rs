//! Opening a shared library, for ever. The only place that names libloading.

use std::ffi::c_void;
use std::path::Path;

/// A library that stays in this process: what its code left behind (threads, thread-locals, hooks) could not survive it.
#[derive(Debug)]
pub(crate) struct Opened {
    #[cfg(unix)]
    library: std::mem::ManuallyDrop<libloading::os::unix::Library>,
}

#[cfg(unix)]
impl Opened {
    /// Opens it: all its symbols are resolved now, and none are given to others.
    ///
    /// # Safety
    /// Its constructors run: it is what it was found to be, and trusted.
    pub(crate) unsafe fn open(path: &Path) -> Result<Self, String> {
        use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
        // Of glibc, musl and the BSDs' compatibility headers alike.
        #[cfg(target_os = "linux")]
        const NODELETE: i32 = 0x1000;
        #[cfg(not(target_os = "linux"))]
        const NODELETE: i32 = 0;
        // SAFETY: the caller's promise.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | NODELETE) };
        library
            .map(|library| Self {
                library: std::mem::ManuallyDrop::new(library),
            })
            .map_err(|e| words(&e))
    }

    /// The address of a symbol.
    pub(crate) fn symbol(&self, name: &str) -> Result<*const c_void, String> {
        // SAFETY: only the address is taken.
        let found = unsafe { self.library.get::<*const c_void>(name) };
        found
            .map(|s| s.into_raw().cast_const().cast())
            .map_err(|e| words(&e))
    }
}

#[cfg(not(unix))]
impl Opened {
    /// # Safety
    /// None needed: it opens nothing.
    pub(crate) unsafe fn open(_: &Path) -> Result<Self, String> {
        Err("plugins are not loaded on this system".to_owned())
    }

    pub(crate) fn symbol(&self, _: &str) -> Result<*const c_void, String> {
        Err("nothing is open".to_owned())
    }
}

/// libloading says only that it failed; the reason is its source.
#[cfg(unix)]
fn words(e: &libloading::Error) -> String {
    use std::error::Error as _;
    e.source()
        .map_or_else(|| e.to_string(), ToString::to_string)
}

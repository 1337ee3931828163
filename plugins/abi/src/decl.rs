//! What a plugin says of itself: in its file, to be read without loading it, and again once it is loaded.

use crate::bytes::Bytes;
use crate::ctx::HostApi;
use crate::status::Status;
use crate::table::Table;

/// Begins every [`Descriptor`].
pub const MAGIC: [u8; 8] = *b"KVERNPLG";

/// The section of the file that holds the [`Descriptor`].
pub const SECTION: &str = ".kvernmeta";

/// The symbol of the function that gives the [`PluginRoot`], the same in every version of this major.
pub const ROOT_SYMBOL: &str = "kvern_plugin_root_v1";

/// Bits of [`Descriptor::flags`].
pub mod flags {
    /// The plugin can catch its panics. One that was compiled with `panic = "abort"` cannot, and is refused.
    pub const PANIC_UNWIND: u64 = 1;
    /// The root module is also there for abi_stable.
    pub const ABI_STABLE: u64 = 2;
}

/// Text of at most `N` bytes in place, filled up with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Inline<const N: usize>(pub [u8; N]);

impl<const N: usize> Inline<N> {
    /// The first `N` bytes of a text.
    pub const fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut own = [0; N];
        let mut i = 0;
        while i < N && i < bytes.len() {
            own[i] = bytes[i];
            i += 1;
        }
        Self(own)
    }

    /// The text; `None` if it is not UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        let end = self.0.iter().position(|&b| b == 0).unwrap_or(N);
        std::str::from_utf8(&self.0[..end]).ok()
    }
}

/// What stands in the section [`SECTION`] of a plugin's file. It holds no pointers, so that it can be read from the file alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Descriptor {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// Of this struct, as the plugin was built with it.
    pub size: u32,
    /// [`crate::MAJOR`] that the plugin was built with.
    pub abi_major: u16,
    /// [`crate::MINOR`] that the plugin was built with.
    pub abi_minor: u16,
    /// [`of_minor`](crate::layout::of_minor) of that version.
    pub layout: u64,
    /// Bits of [`mod@flags`].
    pub flags: u64,
    /// The plugin's name, which is also the namespace of its operators.
    pub name: Inline<64>,
    /// The plugin's version.
    pub version: Inline<32>,
}

/// The same at run time, with what needs pointers.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct PluginDecl {
    /// Of this struct.
    pub size: u32,
    /// [`crate::MAJOR`].
    pub abi_major: u16,
    /// [`crate::MINOR`].
    pub abi_minor: u16,
    /// [`of_minor`](crate::layout::of_minor).
    pub layout: u64,
    /// Bits of [`mod@flags`].
    pub flags: u64,
    /// The plugin's name.
    pub name: Bytes,
    /// The plugin's version.
    pub version: Bytes,
    /// What else there is to know, as JSON: `{"licence": …, "about": …, "rustc": …}`.
    pub about: Bytes,
}

/// The functions of a plugin. Frozen: it stays as it is for the whole major version.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct PluginRoot {
    /// What the plugin says of itself.
    pub decl: unsafe extern "C" fn() -> *const PluginDecl,
    /// Called once before anything else; the host's table lives as long as the process.
    pub init: unsafe extern "C" fn(host: *const HostApi) -> Status,
    /// The table of an interface (`"op"`, major 1); null if the plugin has none.
    pub query: unsafe extern "C" fn(interface: Bytes, major: u32) -> *const Table,
    /// Why the last call of `init` on this thread failed.
    pub last_error: unsafe extern "C" fn() -> Bytes,
}

/// The function behind [`ROOT_SYMBOL`].
pub type RootFn = unsafe extern "C" fn() -> *const PluginRoot;

// SAFETY: constant data of a library that is never unloaded.
unsafe impl Send for PluginDecl {}
// SAFETY: as above.
unsafe impl Sync for PluginDecl {}

//! What a host finds in the file of a plugin.

use std::sync::OnceLock;

use kvern_plugin_abi as abi;
use kvern_plugin_abi::decl::flags;
use kvern_plugin_abi::{Bytes, HostApi, OpVTable, PluginDecl, Status, Table, layout, op, status};

use crate::host::About;
use crate::shim::quietly;

/// An operator of this library; [`crate::plugin_op`] submits it.
pub struct OpEntry {
    /// Its table.
    pub table: fn() -> OpVTable,
}

inventory::collect!(OpEntry);

/// The bits of the descriptor.
pub const FLAGS: u64 = kvern_plugin_root::SABI_FLAG
    | if cfg!(panic = "unwind") {
        flags::PANIC_UNWIND
    } else {
        0
    };

#[doc(hidden)]
pub fn decl(about: &About) -> *const PluginDecl {
    static DECL: OnceLock<PluginDecl> = OnceLock::new();
    DECL.get_or_init(|| {
        let json = serde_json::json!({"about": about.description, "licence": about.licence});
        PluginDecl {
            size: size_of::<PluginDecl>() as u32,
            abi_major: abi::MAJOR,
            abi_minor: abi::MINOR,
            layout: layout::CURRENT,
            flags: FLAGS,
            name: Bytes::text(about.name),
            version: Bytes::text(about.version),
            about: Bytes::text(Box::leak(json.to_string().into_boxed_str())),
        }
    })
}

/// # Safety
/// The host's table, or null.
#[doc(hidden)]
pub unsafe fn init(about: &About, host: *const HostApi) -> Status {
    quietly(|| {
        if host.is_null() {
            return status::BAD_INPUT;
        }
        // SAFETY: not null; it lives as long as the process, by the rules of the border.
        let host = unsafe { &*host };
        if host.abi_major != abi::MAJOR {
            return status::UNSUPPORTED;
        }
        crate::host::set(about, *host);
        crate::panics::install_hook();
        status::OK
    })
}

/// # Safety
/// Bytes of the host, for this call.
#[doc(hidden)]
pub unsafe fn query(interface: Bytes, major: u32) -> *const Table {
    struct All {
        table: Table,
        /// What the table points to.
        _ops: Vec<OpVTable>,
    }
    static ALL: OnceLock<All> = OnceLock::new();
    // SAFETY: the caller's promise.
    let wanted =
        unsafe { interface.as_slice() } == op::INTERFACE.as_bytes() && major == op::VERSION;
    if !wanted {
        return std::ptr::null();
    }
    let all = ALL.get_or_init(|| {
        let ops: Vec<OpVTable> = inventory::iter::<OpEntry>().map(|e| (e.table)()).collect();
        All {
            table: Table {
                size: size_of::<Table>() as u32,
                stride: size_of::<OpVTable>() as u32,
                count: ops.len(),
                items: ops.as_ptr().cast(),
            },
            _ops: ops,
        }
    });
    &raw const all.table
}

/// Makes the library of this crate a plugin of that name: `export_plugin!("sample")`, once, beside its operators, whose names begin with
/// it.
#[cfg(not(feature = "linked"))]
#[macro_export]
macro_rules! export_plugin {
    ($name:literal) => {
        const _: () = {
            use $crate::__private as __p;

            const ABOUT: __p::About = $crate::__about!($name);

            extern "C" fn decl() -> *const __p::abi::PluginDecl {
                __p::decl(&ABOUT)
            }
            unsafe extern "C" fn init(host: *const __p::abi::HostApi) -> __p::abi::Status {
                // SAFETY: called by a host, with its table.
                unsafe { __p::init(&ABOUT, host) }
            }
            unsafe extern "C" fn query(
                interface: __p::abi::Bytes,
                major: u32,
            ) -> *const __p::abi::Table {
                // SAFETY: called by a host, with bytes that live for the call.
                unsafe { __p::query(interface, major) }
            }
            extern "C" fn last_error() -> __p::abi::Bytes {
                __p::abi::Bytes::EMPTY
            }
            static ROOT: __p::abi::PluginRoot = __p::abi::PluginRoot {
                decl,
                init,
                query,
                last_error,
            };
            __p::export_root!(
                ROOT,
                __p::abi::Descriptor::new(ABOUT.name, ABOUT.version, __p::FLAGS)
            );
        };
    };
}

/// A crate that is linked needs no root: its operators are registered when the program starts.
#[cfg(feature = "linked")]
#[macro_export]
macro_rules! export_plugin {
    ($name:literal) => {
        const _: $crate::__private::About = $crate::__about!($name);
    };
}

/// What a crate says of itself.
#[doc(hidden)]
#[macro_export]
macro_rules! __about {
    ($name:literal) => {
        $crate::__private::About {
            name: $name,
            version: ::core::env!("CARGO_PKG_VERSION"),
            description: ::core::env!("CARGO_PKG_DESCRIPTION"),
            licence: ::core::env!("CARGO_PKG_LICENSE"),
        }
    };
}

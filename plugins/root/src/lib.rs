//! The root of a plugin: where a host that has opened the file begins. Frozen for the major version of the border.
//!
//! It is there twice. [`plain`]: one C function under a known name, which any language can offer. [`sabi`] (feature `abi_stable`): the
//! same function inside a root module of abi_stable, which brings a check of the module's layout when it is loaded. Everything that
//! evolves is in the tables of `kvern-plugin-abi`; nothing of it is known to abi_stable, because a newer host would then refuse an
//! older plugin (its rule is: the user's minor version must not be above the implementor's). A day without abi_stable removes the module
//! [`sabi`] and changes nothing else.

pub mod plain;
#[cfg(feature = "abi_stable")]
pub mod sabi;

#[doc(hidden)]
#[cfg(feature = "abi_stable")]
pub use abi_stable as __abi_stable;
#[doc(hidden)]
pub use kvern_plugin_abi as __abi;

/// Whether a plugin that is built with these features has the module for abi_stable, as a bit of its descriptor.
pub const SABI_FLAG: u64 = if cfg!(feature = "abi_stable") {
    kvern_plugin_abi::decl::flags::ABI_STABLE
} else {
    0
};

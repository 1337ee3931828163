//! The root as a module of abi_stable, the only place that names that crate.

use std::ffi::c_void;

use abi_stable::StableAbi;
use abi_stable::library::{
    __call_root_module_loader, AbiHeaderRef, CheckTypeLayout, LibHeader, RootModule,
    RootModuleResult,
};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;
use kvern_plugin_abi::PluginRoot;

/// The symbol under which abi_stable looks for a root module.
pub const SYMBOL: &str = "_1as_0lib_1header_0root_bmodule_bloader";

/// [`SYMBOL`] as an attribute needs it.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_sabi {
    ($root:path) => {
        #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
        static SABI_HEADER: $crate::sabi::Header = {
            fn module() -> $crate::sabi::RootModuleRef {
                $crate::sabi::module($root)
            }
            extern "C" fn construct() -> $crate::sabi::Constructed {
                $crate::sabi::construct(module)
            }
            $crate::sabi::header(construct)
        };
    };
}

/// The module: the plain root, with the fingerprint of the tables that it leads to. Never changed within a major.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = RootModuleRef)))]
pub struct RootFields {
    /// The function that [`crate::export_root!`] also exports by name.
    #[sabi(unsafe_opaque_field)]
    pub root: extern "C" fn() -> *const PluginRoot,
    /// [`kvern_plugin_abi::layout::CURRENT`] of the plugin.
    #[sabi(last_prefix_field)]
    pub layout: u64,
}

impl RootModule for RootModuleRef {
    abi_stable::declare_root_module_statics! {RootModuleRef}
    const BASE_NAME: &'static str = "kvern_plugin";
    const NAME: &'static str = "kvern_plugin";
    // Not that of this package: the version of the module, which stays for as long as the border's major does.
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

/// What is exported.
#[doc(hidden)]
pub type Header = LibHeader;

/// What constructing the module answers.
#[doc(hidden)]
pub type Constructed = RootModuleResult;

#[doc(hidden)]
pub fn module(root: extern "C" fn() -> *const PluginRoot) -> RootModuleRef {
    RootFields {
        root,
        layout: kvern_plugin_abi::layout::CURRENT,
    }
    .leak_into_prefix()
}

#[doc(hidden)]
pub fn construct(module: fn() -> RootModuleRef) -> RootModuleResult {
    __call_root_module_loader(module)
}

#[doc(hidden)]
pub const fn header(construct: extern "C" fn() -> RootModuleResult) -> LibHeader {
    // SAFETY: `construct` answers a `RootModuleRef`, see the macro, which alone calls this.
    unsafe { LibHeader::from_constructor::<RootModuleRef>(construct, CheckTypeLayout::Yes) }
}

/// Checks the module behind the address of [`SYMBOL`]: version of abi_stable, version and layout of the module. Answers the function
/// that gives the root, and the fingerprint of the tables.
///
/// # Errors
/// What abi_stable found, in its own words.
///
/// # Safety
/// The address is that of the symbol in a library that stays loaded for ever.
pub unsafe fn check(
    symbol: *const c_void,
) -> Result<(extern "C" fn() -> *const PluginRoot, u64), String> {
    // SAFETY: a handle is one reference, which stays valid by the caller's promise; what it points to is checked by `upgrade`.
    let handle = unsafe { std::mem::transmute::<*const c_void, AbiHeaderRef>(symbol) };
    let module = handle
        .upgrade()
        .and_then(LibHeader::init_root_module::<RootModuleRef>)
        .map_err(|e| first_lines(&e.to_string()))?;
    Ok((module.root(), module.layout()))
}

/// abi_stable tells a difference of layouts on hundreds of lines.
fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let shown = lines
        .iter()
        .take(6)
        .copied()
        .collect::<Vec<_>>()
        .join(" | ");
    if lines.len() > 6 {
        format!("{shown} | … {} more lines", lines.len() - 6)
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbol_is_the_one_that_abi_stable_looks_for() {
        assert_eq!(SYMBOL, abi_stable::library::ROOT_MODULE_LOADER_NAME);
    }
}

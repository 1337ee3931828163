//! The root as one C function, and the descriptor in the file.

/// Exports the root of a plugin from a dynamic library: the symbol, the descriptor's section, and the root module of abi_stable where
/// that feature is on. `export_root!(root, descriptor)`: a `static` [`PluginRoot`](kvern_plugin_abi::PluginRoot) and a constant
/// [`Descriptor`](kvern_plugin_abi::Descriptor). One for each library; a program that links two such crates has the symbol twice,
/// which its linker refuses.
#[macro_export]
macro_rules! export_root {
    ($root:expr, $descriptor:expr) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".kvernmeta")]
            static DESCRIPTOR: $crate::__abi::Descriptor = $descriptor;

            /// Where a host begins.
            #[unsafe(no_mangle)]
            extern "C" fn kvern_plugin_root_v1() -> *const $crate::__abi::PluginRoot {
                &raw const $root
            }

            $crate::__export_sabi!(kvern_plugin_root_v1);
        };
    };
}

/// Nothing, without abi_stable.
#[cfg(not(feature = "abi_stable"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_sabi {
    ($root:expr) => {};
}

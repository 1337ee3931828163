//! A root that is exported from this very program, found through both doors.

#![cfg(feature = "abi_stable")]

use std::ffi::c_void;

use kvern_plugin_abi::{Bytes, Descriptor, HostApi, PluginDecl, PluginRoot, Status, Table, layout};

extern "C" fn decl() -> *const PluginDecl {
    std::ptr::null()
}
unsafe extern "C" fn init(_: *const HostApi) -> Status {
    42
}
unsafe extern "C" fn query(_: Bytes, _: u32) -> *const Table {
    std::ptr::null()
}
extern "C" fn last_error() -> Bytes {
    Bytes::EMPTY
}

static ROOT: PluginRoot = PluginRoot {
    decl,
    init,
    query,
    last_error,
};

kvern_plugin_root::export_root!(ROOT, Descriptor::new("test", "0.0.0", 1));

unsafe extern "C" {
    fn kvern_plugin_root_v1() -> *const PluginRoot;
    #[link_name = "_1as_0lib_1header_0root_bmodule_bloader"]
    static HEADER: c_void;
}

#[test]
fn both_doors_lead_to_one_root() {
    // SAFETY: both symbols are those above, in this program.
    let (plain, (root, found)) = unsafe {
        let checked = kvern_plugin_root::sabi::check(&raw const HEADER);
        (kvern_plugin_root_v1(), checked.unwrap())
    };
    assert_eq!((root)(), plain);
    assert_eq!(found, layout::CURRENT);
    // SAFETY: `init` above takes any pointer.
    assert_eq!(unsafe { ((*plain).init)(std::ptr::null()) }, 42);
}

#[test]
fn what_is_no_header_is_refused() {
    let zeros = [0u64; 64];
    // SAFETY: readable memory of the size of a header's beginning, which is what `upgrade` looks at first.
    let refused = unsafe { kvern_plugin_root::sabi::check(zeros.as_ptr().cast()) };
    assert!(refused.is_err());
}

//! The fingerprint of the tables, computed by the compiler: an edit that moves a field changes it.

use std::mem::offset_of;

use crate::arrow::{ArrowArray, ArrowSchema};
use crate::bytes::{Buf, Bytes};
use crate::ctx::{Ctx, HostApi};
use crate::decl::{Descriptor, PluginDecl, PluginRoot};
use crate::meta::Meta;
use crate::op::OpVTable;
use crate::table::Table;
use crate::tensor::{DLManagedTensorVersioned, DLTensor};
use crate::value::Value;

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>), over the eight bytes of a number.
const fn mix(mut hash: u64, number: usize) -> u64 {
    let bytes = (number as u64).to_le_bytes();
    let mut i = 0;
    while i < 8 {
        hash ^= bytes[i] as u64;
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

macro_rules! fingerprint {
    ($hash:expr; $($T:ty { $($field:ident),* } up to $end:expr;)*) => {{
        let mut hash: u64 = $hash;
        $(
            hash = mix(hash, $end);
            hash = mix(hash, align_of::<$T>());
            $( hash = mix(hash, offset_of!($T, $field)); )*
        )*
        hash
    }};
}

/// The fingerprint of all tables as 1.0 had them, without what was added at their ends.
const fn base() -> u64 {
    fingerprint! { 0xcbf2_9ce4_8422_2325;
        Bytes { ptr, len } up to size_of::<Bytes>();
        Buf { ptr, len, owner, release } up to size_of::<Buf>();
        Table { size, stride, count, items } up to size_of::<Table>();
        DLTensor { data, device, ndim, dtype, shape, strides, byte_offset } up to size_of::<DLTensor>();
        DLManagedTensorVersioned { version, manager_ctx, deleter, flags, dl_tensor } up to size_of::<DLManagedTensorVersioned>();
        ArrowSchema { format, name, metadata, flags, n_children, children, dictionary, release, private_data }
            up to size_of::<ArrowSchema>();
        ArrowArray { length, null_count, offset, n_buffers, n_children, buffers, children, dictionary, release, private_data }
            up to size_of::<ArrowArray>();
        Value { kind, flags, payload, owner, clone_ref, release } up to size_of::<Value>();
        Meta { size, kind, dtype, ndim, shape, type_name, nbytes } up to size_of::<Meta>();
        HostApi { size, abi_major, abi_minor, host, log } up to size_of::<HostApi>();
        Descriptor { magic, size, abi_major, abi_minor, layout, flags, name, version } up to size_of::<Descriptor>();
        PluginDecl { size, abi_major, abi_minor, layout, flags, name, version, about } up to size_of::<PluginDecl>();
        PluginRoot { decl, init, query, last_error } up to size_of::<PluginRoot>();
        Ctx { size, threads, host, task_key, block, is_cancelled, reserve, log, set_error } up to offset_of!(Ctx, alloc_tensor);
        OpVTable { size, op_version, name, signature, flags, instantiate, drop_state, execute } up to offset_of!(OpVTable, infer);
    }
}

/// What 1.1 added.
const fn added_in_1() -> u64 {
    fingerprint! { base();
        Ctx { alloc_tensor } up to size_of::<Ctx>();
        OpVTable { infer } up to size_of::<OpVTable>();
    }
}

/// The fingerprint of this version.
pub const CURRENT: u64 = added_in_1();

/// The fingerprint of a minor version of this major, as this version knows it; `None` for one that came later, which only adds.
pub const fn of_minor(minor: u16) -> Option<u64> {
    match minor {
        0 => Some(base()),
        1 => Some(added_in_1()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pins what was released. A failure here means: the edit moved a field. Append instead, raise `MINOR`, and pin the new value
    /// beside the old ones, which stay as they are.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn released_layouts_stay_as_they_are() {
        assert_eq!(of_minor(0), Some(17653773287507812131), "1.0");
        assert_eq!(of_minor(1), Some(6613532123382471027), "1.1");
        assert_eq!(of_minor(crate::MINOR), Some(CURRENT));
        assert_eq!(of_minor(crate::MINOR + 1), None);
    }

    #[test]
    fn a_moved_field_is_seen() {
        #[repr(C)]
        struct A {
            x: u32,
            y: u64,
        }
        #[repr(C)]
        struct B {
            y: u64,
            x: u32,
        }
        let a = fingerprint! { 1; A { x, y } up to size_of::<A>(); };
        let b = fingerprint! { 1; B { x, y } up to size_of::<B>(); };
        assert_ne!(a, b);
    }

    #[test]
    fn the_descriptor_has_no_padding() {
        assert_eq!(size_of::<Descriptor>(), 8 + 4 + 2 + 2 + 8 + 8 + 64 + 32);
    }
}

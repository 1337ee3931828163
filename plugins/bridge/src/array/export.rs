//! A chunk as the other side sees it: a DLPack tensor over the chunk's own buffer.

use std::ffi::c_void;
use std::sync::Arc;

use kvern_array::DType;
use kvern_array::kernels::AnyChunk;
use kvern_core::Value;
use kvern_plugin_abi as abi;
use kvern_plugin_abi::tensor::{
    DEVICE_CPU, DLDataType, DLDevice, DLManagedTensorVersioned, DLPACK, DLTensor, FLAG_READ_ONLY,
};
use kvern_plugin_abi::value::kind;

use super::each_chunk;
use super::fresh::Fresh;
use crate::owned::Owned;

/// What keeps the elements alive.
pub(super) enum Keep {
    /// A value that holds a chunk, which others may read too.
    Value(Value),
    /// Memory that the plugin writes a result to.
    Fresh(Fresh),
}

/// The owner of an exported tensor.
#[repr(C)]
pub(super) struct Block {
    pub(super) tensor: DLManagedTensorVersioned,
    pub(super) keep: Keep,
}

// SAFETY: the pointers inside lead into what `keep` holds, which does not move.
unsafe impl Send for Block {}
// SAFETY: as above; a chunk is not written to, and a fresh buffer by its one writer only.
unsafe impl Sync for Block {}

/// Its address marks values of this host, so that one that comes back is known.
static MARK: u8 = 0;

/// The word in `payload[5]` of values that are [`Block`]s.
pub(super) fn mark() -> u64 {
    &raw const MARK as u64
}

// Lengths and strides of an array are handed over as they lie.
const _: () = assert!(size_of::<usize>() == size_of::<i64>());

/// The tensor over the chunk that the value holds.
pub(super) fn export(value: &Value, chunk: &AnyChunk) -> Owned {
    each_chunk!(chunk, a => block(
        DLTensor {
            data: a.as_ptr().cast_mut().cast::<c_void>(),
            device: CPU,
            ndim: a.ndim() as i32,
            dtype: dl_type(chunk.dtype()),
            // Inside the value, which the block keeps alive and nobody changes while there are two holders.
            shape: a.shape().as_ptr().cast_mut().cast::<i64>(),
            strides: a.strides().as_ptr().cast_mut().cast::<i64>(),
            byte_offset: 0,
        },
        FLAG_READ_ONLY,
        Keep::Value(value.clone()),
    ))
}

pub(super) const CPU: DLDevice = DLDevice {
    device_type: DEVICE_CPU,
    device_id: 0,
};

/// Puts a tensor and what it keeps alive into one block.
pub(super) fn block(dl_tensor: DLTensor, flags: u64, keep: Keep) -> Owned {
    let owner = Arc::into_raw(Arc::new(Block {
        tensor: DLManagedTensorVersioned {
            version: DLPACK,
            manager_ctx: std::ptr::null_mut(),
            deleter: Some(deleter),
            flags,
            dl_tensor,
        },
        keep,
    }));
    let mut value = abi::Value::of(kind::TENSOR, [owner as u64, 0, 0]);
    value.payload[5] = mark();
    value.owner = owner.cast_mut().cast();
    value.clone_ref = Some(clone_ref);
    value.release = Some(release);
    // SAFETY: the tensor is the block's first field, and points into what the block keeps.
    unsafe { Owned::new(value) }
}

unsafe extern "C" fn clone_ref(owner: *mut c_void) -> *mut c_void {
    // SAFETY: an `Arc<Block>` of which the caller holds a reference.
    unsafe { Arc::increment_strong_count(owner.cast_const().cast::<Block>()) };
    owner
}

unsafe extern "C" fn release(owner: *mut c_void) {
    // SAFETY: as above; this gives the reference back.
    unsafe { Arc::decrement_strong_count(owner.cast_const().cast::<Block>()) };
}

/// For readers that know DLPack only: gives the reference back that the value has.
unsafe extern "C" fn deleter(tensor: *mut DLManagedTensorVersioned) {
    // SAFETY: the tensor is the first field of a block, at whose address it is.
    unsafe { release(tensor.cast()) };
}

/// The element type as DLPack has it.
const fn dl_type(dtype: DType) -> DLDataType {
    match dtype {
        DType::Bool => DLDataType::BOOL,
        DType::I8 => DLDataType::I8,
        DType::I16 => DLDataType::I16,
        DType::I32 => DLDataType::I32,
        DType::I64 => DLDataType::I64,
        DType::U8 => DLDataType::U8,
        DType::U16 => DLDataType::U16,
        DType::U32 => DLDataType::U32,
        DType::U64 => DLDataType::U64,
        DType::F32 => DLDataType::F32,
        DType::F64 => DLDataType::F64,
    }
}

//! A tensor that a plugin answered as a chunk.

use std::sync::Arc;

use kvern_array::Element;
use kvern_array::kernels::AnyChunk;
use kvern_core::{Error, Result, Value};
use kvern_plugin_abi::tensor::{
    DEVICE_CPU, DLDataType, DLManagedTensorVersioned, DLPACK, DLTensor, MOST_AXES,
};
use ndarray::{ArrayD, IxDyn};

use super::export::{Block, Keep, mark};
use super::with_type;
use crate::owned::Owned;

fn bad(why: impl std::fmt::Display) -> Error {
    Error::bad_input(format!("it is not a tensor that can be read: {why}"))
}

/// The value of the chunk.
pub(super) fn import(value: Owned) -> Result<Value> {
    if value.get().flags != 0 {
        return Err(bad(format!("unknown flags {:#x}", value.get().flags)));
    }
    if value.get().payload[5] == mark() {
        let raw = value.into_raw();
        // SAFETY: the mark is the address of a static of this program, so the owner is a `Block` of it, whose reference is ours.
        return own(unsafe { Arc::from_raw(raw.owner.cast_const().cast::<Block>()) });
    }
    // SAFETY: a value of this kind points to a tensor until it is released.
    let tensor = unsafe { value.get().tensor().as_ref() }.ok_or_else(|| bad("it is null"))?;
    read(tensor).map(counted)
}

fn counted(chunk: AnyChunk) -> Value {
    let bytes = chunk.nbytes() as u64;
    Value::with_bytes(chunk, bytes)
}

/// One of ours that came back: an input as it was, or a result in memory that was lent.
fn own(block: Arc<Block>) -> Result<Value> {
    match Arc::try_unwrap(block) {
        Ok(Block {
            keep: Keep::Fresh(fresh),
            ..
        }) => {
            // SAFETY: an operator that answers OK has written every element, by the rules of the border, and no reference is left.
            unsafe { fresh.into_chunk() }.map(counted)
        }
        Ok(Block {
            keep: Keep::Value(value),
            ..
        }) => Ok(value),
        // An input that others read too, or lent memory that the plugin still holds on to: that one is copied.
        Err(shared) => match &shared.keep {
            Keep::Value(value) => Ok(value.clone()),
            Keep::Fresh(_) => read(&shared.tensor).map(counted),
        },
    }
}

/// Copies a tensor, after looking at all that can be looked at.
fn read(tensor: &DLManagedTensorVersioned) -> Result<AnyChunk> {
    if tensor.version.major != DLPACK.major {
        return Err(bad(format!(
            "DLPack {}.{} where {}.x is expected",
            tensor.version.major, tensor.version.minor, DLPACK.major
        )));
    }
    let t = &tensor.dl_tensor;
    if t.device.device_type != DEVICE_CPU {
        return Err(bad(format!(
            "it is on device type {}, and only the processor's memory ({DEVICE_CPU}) can be read",
            t.device.device_type
        )));
    }
    if !(0..=MOST_AXES).contains(&t.ndim) || (t.ndim > 0 && t.shape.is_null()) {
        return Err(bad(format!("{} axes", t.ndim)));
    }
    // SAFETY: not null where there are axes; so many, by the rules of DLPack.
    let (shape, strides) = unsafe {
        (
            axes(t.shape, t.ndim),
            (!t.strides.is_null()).then(|| axes(t.strides, t.ndim)),
        )
    };
    let lengths: Vec<usize> = shape
        .iter()
        .map(|&n| usize::try_from(n))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| bad(format!("its shape is {shape:?}")))?;
    let len = lengths
        .iter()
        .try_fold(t.dtype.itemsize(), |all, &n| all.checked_mul(n))
        .filter(|&bytes| bytes <= isize::MAX as usize)
        .map(|bytes| bytes / t.dtype.itemsize().max(1))
        .ok_or_else(|| bad(format!("its shape {shape:?} is too large")))?;
    let contiguous = c_strides(shape);
    let strides = strides.unwrap_or(&contiguous);
    with_type!(t.dtype, T => {
        // SAFETY: the elements are readable where shape and strides say, by the rules of DLPack.
        let values = unsafe { elements::<T>(t, &lengths, strides, &contiguous, len) }?;
        ArrayD::from_shape_vec(IxDyn(&lengths), values).map(AnyChunk::from).map_err(bad)
    }, else Err(bad(format!(
        "element type {:?} (code, bits, lanes); there are bool, (u)int8 to 64, float32 and float64",
        t.dtype
    ))))
}

/// # Safety
/// `at` points to `n` numbers, or `n` is 0.
unsafe fn axes<'a>(at: *const i64, n: i32) -> &'a [i64] {
    if n <= 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(at, n as usize) }
}

/// The strides of C order.
fn c_strides(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

/// The elements in C order.
///
/// # Safety
/// They are readable where shape and strides say.
unsafe fn elements<T: Element>(
    t: &DLTensor,
    shape: &[usize],
    strides: &[i64],
    contiguous: &[i64],
    len: usize,
) -> Result<Vec<T>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if t.data.is_null() {
        return Err(bad("its data is null"));
    }
    let start = t
        .data
        .cast::<u8>()
        .wrapping_add(t.byte_offset as usize)
        .cast::<T>();
    if !start.is_aligned() {
        return Err(bad(format!(
            "its data is not aligned to {} bytes",
            align_of::<T>()
        )));
    }
    let dense = shape
        .iter()
        .zip(strides.iter().zip(contiguous))
        .all(|(&n, (have, want))| n == 1 || have == want);
    if dense {
        if t.dtype == DLDataType::BOOL {
            // SAFETY: `len` bytes are readable.
            check_bools(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) })?;
        }
        // SAFETY: `len` elements one behind the other, aligned; a bool has been looked at.
        return Ok(unsafe { std::slice::from_raw_parts(start, len) }.to_vec());
    }
    let mut values = Vec::with_capacity(len);
    let mut at = vec![0usize; shape.len()];
    for _ in 0..len {
        let offset: i64 = at.iter().zip(strides).map(|(&i, &s)| i as i64 * s).sum();
        let place = start.wrapping_offset(offset as isize);
        if t.dtype == DLDataType::BOOL {
            // SAFETY: a byte of the tensor.
            check_bools(&[unsafe { place.cast::<u8>().read() }])?;
        }
        // SAFETY: an element of the tensor, aligned as the first is; a bool has been looked at.
        values.push(unsafe { place.read() });
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    Ok(values)
}

/// A bool is 0 or 1; a Rust `bool` of another byte would be undefined.
pub(super) fn check_bools(bytes: &[u8]) -> Result<()> {
    match bytes.iter().find(|&&b| b > 1) {
        None => Ok(()),
        Some(b) => Err(bad(format!("a bool is {b}; allowed are 0 and 1"))),
    }
}

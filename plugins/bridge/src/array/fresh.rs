//! Memory of the host that a plugin writes a result to.

use std::ffi::c_void;

use kvern_array::Element;
use kvern_array::kernels::{AnyChunk, AnyVec};
use kvern_core::{Error, ErrorKind, Result};
use kvern_plugin_abi::tensor::{DLDataType, DLTensor};
use ndarray::{ArrayD, IxDyn};

use super::export::{CPU, Keep, block};
use super::with_type;
use crate::owned::Owned;

/// A buffer with room for `len` elements, none of which is counted as written yet.
pub(super) struct Fresh {
    buffer: AnyVec,
    len: usize,
    /// Lengths, then strides. On the heap, so that it stays where it is.
    axes: Box<[i64]>,
}

/// A tensor of that type and shape in C order; its elements are whatever was there.
pub(super) fn alloc(dtype: DLDataType, shape: &[i64]) -> Result<Owned> {
    let (axes, len) = axes(dtype, shape)?;
    with_type!(dtype, T => {
        let mut buffer = Vec::<T>::new();
        buffer.try_reserve_exact(len).map_err(|e| {
            Error::with_source(ErrorKind::OutOfMemory, format!("a result of {len} {dtype:?}: {e}"), e)
        })?;
        let tensor = DLTensor {
            data: buffer.as_mut_ptr().cast::<c_void>(),
            device: CPU,
            ndim: shape.len() as i32,
            dtype,
            shape: axes.as_ptr().cast_mut(),
            strides: axes.as_ptr().wrapping_add(shape.len()).cast_mut(),
            byte_offset: 0,
        };
        let keep = Fresh { buffer: T::erase_vec(buffer), len, axes };
        Ok(block(tensor, 0, Keep::Fresh(keep)))
    }, else Err(Error::bad_input(format!("a result of {dtype:?}: there is no such element type here"))))
}

/// Lengths and the strides of C order, and the number of elements.
fn axes(dtype: DLDataType, shape: &[i64]) -> Result<(Box<[i64]>, usize)> {
    let mut axes = Vec::with_capacity(2 * shape.len());
    axes.extend_from_slice(shape);
    axes.extend_from_slice(shape);
    let (mut len, mut stride) = (Some(1i64), 1i64);
    for n in axes[shape.len()..].iter_mut().rev() {
        if *n < 0 {
            len = None;
            break;
        }
        len = len.and_then(|all| all.checked_mul(*n));
        let own = stride;
        stride = stride.saturating_mul((*n).max(1));
        *n = own;
    }
    let len = len.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
        Error::bad_input(format!(
            "a result of {dtype:?} {shape:?}: a length is negative, or all together are too many"
        ))
    })?;
    Ok((axes.into_boxed_slice(), len))
}

impl Fresh {
    /// The chunk, after the plugin has written every element.
    ///
    /// # Safety
    /// Every element is written, and nobody writes any more.
    pub(super) unsafe fn into_chunk(self) -> Result<AnyChunk> {
        let (len, axes) = (self.len, &self.axes);
        // SAFETY: the caller's promise.
        unsafe {
            match self.buffer {
                AnyVec::Bool(v) => {
                    // Bytes until it is known that each is 0 or 1.
                    let bytes = std::slice::from_raw_parts(v.as_ptr().cast::<u8>(), len);
                    super::import::check_bools(bytes)?;
                    chunk(v, len, axes)
                }
                AnyVec::I8(v) => chunk(v, len, axes),
                AnyVec::I16(v) => chunk(v, len, axes),
                AnyVec::I32(v) => chunk(v, len, axes),
                AnyVec::I64(v) => chunk(v, len, axes),
                AnyVec::U8(v) => chunk(v, len, axes),
                AnyVec::U16(v) => chunk(v, len, axes),
                AnyVec::U32(v) => chunk(v, len, axes),
                AnyVec::U64(v) => chunk(v, len, axes),
                AnyVec::F32(v) => chunk(v, len, axes),
                AnyVec::F64(v) => chunk(v, len, axes),
            }
        }
    }
}

/// # Safety
/// The first `len` elements are written; there is room for them.
unsafe fn chunk<T: Element>(mut v: Vec<T>, len: usize, axes: &[i64]) -> Result<AnyChunk> {
    // SAFETY: `alloc` reserved `len`; written by the caller's promise.
    unsafe { v.set_len(len) };
    let shape = &axes[..axes.len() / 2];
    // Of one axis without going through a list: most chunks of short arrays are.
    let made = match shape {
        [n] => ArrayD::from_shape_vec(IxDyn(&[*n as usize]), v),
        _ => {
            let lengths: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
            ArrayD::from_shape_vec(IxDyn(&lengths), v)
        }
    };
    made.map(AnyChunk::from)
        .map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))
}

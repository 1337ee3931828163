//! Chunks, vectors and single values whose element type is known at run time only: a variant for each type.

use ndarray::{ArcArray, IxDyn};
use serde::{Deserialize, Serialize};

/// A chunk of any element type: a shared, possibly strided, n-d array.
///
/// Cloning shares the buffer. It serialises as its elements in C order with the shape.
///
/// ```
/// use kvern_kernels::AnyChunk;
/// use ndarray::arr2;
///
/// let chunk = AnyChunk::from(arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn());
/// assert_eq!(chunk.shape(), [2, 2]);
/// assert_eq!(chunk.nbytes(), 32);
/// assert!(chunk.peek::<f64>().is_some());
/// ```
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are those of DType")]
pub enum AnyChunk {
    Bool(ArcArray<bool, IxDyn>),
    I8(ArcArray<i8, IxDyn>),
    I16(ArcArray<i16, IxDyn>),
    I32(ArcArray<i32, IxDyn>),
    I64(ArcArray<i64, IxDyn>),
    U8(ArcArray<u8, IxDyn>),
    U16(ArcArray<u16, IxDyn>),
    U32(ArcArray<u32, IxDyn>),
    U64(ArcArray<u64, IxDyn>),
    F32(ArcArray<f32, IxDyn>),
    F64(ArcArray<f64, IxDyn>),
}

/// A vector of any element type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants are those of DType")]
pub enum AnyVec {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// One value with its element type.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants are those of DType")]
pub enum Scalar {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
}

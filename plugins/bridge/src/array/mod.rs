//! Chunks of arrays as tensors.
//!
//! A chunk crosses without a copy: `export` points into its buffer. What comes back is without a copy if the plugin wrote it
//! into memory of the host (`alloc`); memory of the plugin's own allocator is copied, since ndarray's buffers are freed by ours.

mod export;
mod fresh;
mod import;

use kvern_array::kernels::AnyChunk;
use kvern_core::{Result, Value};
use kvern_plugin_abi::tensor::DLDataType;
use kvern_plugin_abi::value::kind;

use crate::bridge::{Bridge, BridgeEntry};
use crate::owned::Owned;

struct Chunks;

inventory::submit! { BridgeEntry(&Chunks) }

impl Bridge for Chunks {
    fn name(&self) -> &'static str {
        "array chunks"
    }

    fn kinds(&self) -> &'static [u32] {
        &[kind::TENSOR]
    }

    fn export(&self, value: &Value) -> Result<Option<Owned>> {
        let chunk = value.downcast_ref::<AnyChunk>();
        Ok(chunk.map(|chunk| export::export(value, chunk)))
    }

    fn import(&self, value: Owned) -> Result<Value> {
        import::import(value)
    }

    fn alloc(&self, dtype: DLDataType, shape: &[i64]) -> Result<Option<Owned>> {
        fresh::alloc(dtype, shape).map(Some)
    }
}

/// Runs the body for the variant that the chunk is, with `$a` bound to its array.
macro_rules! each_chunk {
    ($chunk:expr, $a:ident => $body:expr) => {
        match $chunk {
            kvern_array::kernels::AnyChunk::Bool($a) => $body,
            kvern_array::kernels::AnyChunk::I8($a) => $body,
            kvern_array::kernels::AnyChunk::I16($a) => $body,
            kvern_array::kernels::AnyChunk::I32($a) => $body,
            kvern_array::kernels::AnyChunk::I64($a) => $body,
            kvern_array::kernels::AnyChunk::U8($a) => $body,
            kvern_array::kernels::AnyChunk::U16($a) => $body,
            kvern_array::kernels::AnyChunk::U32($a) => $body,
            kvern_array::kernels::AnyChunk::U64($a) => $body,
            kvern_array::kernels::AnyChunk::F32($a) => $body,
            kvern_array::kernels::AnyChunk::F64($a) => $body,
        }
    };
}
use each_chunk;

/// Runs the body for the Rust type of a DLPack type, or gives the error.
macro_rules! with_type {
    ($dtype:expr, $T:ident => $body:expr, else $error:expr) => {
        match $dtype {
            DLDataType::BOOL => {
                type $T = bool;
                $body
            }
            DLDataType::I8 => {
                type $T = i8;
                $body
            }
            DLDataType::I16 => {
                type $T = i16;
                $body
            }
            DLDataType::I32 => {
                type $T = i32;
                $body
            }
            DLDataType::I64 => {
                type $T = i64;
                $body
            }
            DLDataType::U8 => {
                type $T = u8;
                $body
            }
            DLDataType::U16 => {
                type $T = u16;
                $body
            }
            DLDataType::U32 => {
                type $T = u32;
                $body
            }
            DLDataType::U64 => {
                type $T = u64;
                $body
            }
            DLDataType::F32 => {
                type $T = f32;
                $body
            }
            DLDataType::F64 => {
                type $T = f64;
                $body
            }
            _ => $error,
        }
    };
}
use with_type;

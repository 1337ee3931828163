//! `array.npy`: chunks read from a `.npy` file or a member of an `.npz` archive, each task only its own block.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use kvern_core::operator::decode_params;
use kvern_core::{
    Error, Kernel, OpRef, OpTraits, Operator, Result, Splits, TaskContext, Value, register_operator,
};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, block_ranges};
use crate::io::{NpyDtype, NpyReader};
use crate::value::to_value;
use kvern_kernels::AnyChunk;
use kvern_kernels::dtype::{DType, with_dtype};

/// A file, or a member of one, as it was when it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Place {
    path: PathBuf,
    member: Option<String>,
    bytes: u64,
    /// Nanoseconds since 1970; 0 where the system does not tell.
    modified: u64,
}

impl Place {
    pub(crate) fn new(path: &Path, member: Option<&str>) -> Result<Self> {
        let io = |e: std::io::Error| {
            Error::with_source(
                kvern_core::ErrorKind::Io,
                format!("{}: {e}", path.display()),
                e,
            )
        };
        // Absolute, so that it means the same wherever a task runs.
        let path = std::fs::canonicalize(path).map_err(io)?;
        let meta = std::fs::metadata(&path).map_err(io)?;
        let since = meta
            .modified()
            .ok()
            .and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        Ok(Self {
            path,
            member: member.map(str::to_owned),
            bytes: meta.len(),
            modified: since.map_or(0, |d| d.as_nanos() as u64),
        })
    }

    /// The reader, shared by all who have the place open: what its decoder has learnt serves them all.
    pub(crate) fn open(&self) -> Result<Arc<NpyReader>> {
        static OPEN: Mutex<Option<HashMap<Place, Weak<NpyReader>>>> = Mutex::new(None);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(reader) = open.get(self).and_then(Weak::upgrade) {
            return Ok(reader);
        }
        open.retain(|_, r| r.strong_count() > 0);
        let now = Self::new(&self.path, self.member.as_deref())?;
        if now != *self {
            return Err(Error::new(
                kvern_core::ErrorKind::Io,
                format!(
                    "{} has changed since the array was made of it: open it again",
                    self.path.display()
                ),
            ));
        }
        let reader = Arc::new(match &self.member {
            Some(m) => NpyReader::open_member(&self.path, m)?,
            None => NpyReader::open(&self.path)?,
        });
        open.insert(self.clone(), Arc::downgrade(&reader));
        Ok(reader)
    }
}

/// The element type of a file.
pub(crate) fn dtype_of(d: NpyDtype) -> DType {
    match d {
        NpyDtype::Bool => DType::Bool,
        NpyDtype::I8 => DType::I8,
        NpyDtype::I16 => DType::I16,
        NpyDtype::I32 => DType::I32,
        NpyDtype::I64 => DType::I64,
        NpyDtype::U8 => DType::U8,
        NpyDtype::U16 => DType::U16,
        NpyDtype::U32 => DType::U32,
        NpyDtype::U64 => DType::U64,
        NpyDtype::F32 => DType::F32,
        NpyDtype::F64 => DType::F64,
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Blocks {
    place: Place,
    dtype: DType,
    chunks: Vec<Splits>,
}

/// The operator that reads these chunks of a file.
pub(crate) fn npy_op(place: Place, dtype: DType, chunks: &[Splits]) -> Result<OpRef> {
    let chunks = chunks.to_vec();
    let blocks = Blocks {
        place,
        dtype,
        chunks,
    };
    OpRef::of(&Npy, &blocks)
}

/// By hand, as its code holds the open file.
struct Npy;

impl Operator for Npy {
    fn name(&self) -> &str {
        "array.npy"
    }

    fn traits(&self, _: &[u8]) -> Result<OpTraits> {
        Ok(BY_BLOCK)
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        let blocks: Blocks = decode_params("array.npy", params)?;
        let reader = blocks.place.open()?;
        if dtype_of(reader.dtype()) != blocks.dtype || reader.shape().len() != blocks.chunks.len() {
            return Err(Error::bad_input(format!(
                "{}: holds {} {:?}, expected {} with {} axes",
                reader.origin(),
                reader.dtype(),
                reader.shape(),
                blocks.dtype,
                blocks.chunks.len()
            )));
        }
        Ok(Arc::new(move |_: &mut [Value], ctx: &TaskContext<'_>| {
            ctx.check_cancelled()?;
            let ranges: Vec<_> = block_ranges(&blocks.chunks, ctx.block())
                .into_iter()
                .map(|(start, len)| start as usize..(start + len) as usize)
                .collect();
            Ok(to_value(
                with_dtype!(blocks.dtype, T => AnyChunk::from(reader.read_block::<T>(&ranges)?)),
            ))
        }))
    }
}
register_operator!(Npy);

//! [`NpyReader`]: one array in a file, read block by block from any thread.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use super::block::Runs;
use super::bytes::Bytes;
use super::deflated::InflateStats;
use super::element::Fault;
use super::positional::PositionalFile;
use super::{NpyByteOrder, NpyDtype, NpyElement, NpyError, NpyHeader, NpzArchive};

/// An array in a `.npy` file or in a member of an `.npz` archive.
///
/// All reads take `&self` and may run on many threads at once. A plain or stored array is read at its
/// offsets. A deflated one is decoded from the nearest place known before the block: the first pass through
/// the file leaves such places behind, about 56 of 43 KB each (more for arrays beyond 3.5 GB, which get one every 64 MiB),
/// so later reads can start anywhere.
///
/// ```
/// use kvern_array::io::NpyReader;
///
/// let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/deflated.npz");
/// let grid = NpyReader::open_member(path, "grid")?;
/// assert_eq!(grid.shape(), [40, 300]);
/// let corner = grid.read_block::<i32>(&[10..12, 0..3])?;
/// assert_eq!(corner, ndarray::array![[3000, 3001, 3002], [3300, 3301, 3302]].into_dyn());
/// # Ok::<(), kvern_array::io::NpyError>(())
/// ```
#[derive(Debug)]
pub struct NpyReader {
    origin: Arc<str>,
    header: NpyHeader,
    bytes: Bytes,
}

impl NpyReader {
    /// Opens a `.npy` file and reads its header.
    ///
    /// # Errors
    /// [`NpyError::Io`], [`NpyError::Truncated`], [`NpyError::NotNpy`], [`NpyError::Version`],
    /// [`NpyError::Header`], [`NpyError::UnsupportedDtype`], [`NpyError::ShapeOverflow`], and
    /// [`NpyError::DataLength`] where the file is not exactly as long as its header says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, NpyError> {
        let file = PositionalFile::open(path.as_ref())?;
        let (origin, total) = (file.origin().clone(), file.len());
        Self::from_bytes(origin, Bytes::Plain(file), total)
    }

    /// Opens a member of an `.npz` archive; the same as [`NpzArchive::open`] and [`NpzArchive::array`].
    ///
    /// # Errors
    /// As those two.
    pub fn open_member(path: impl AsRef<Path>, name: &str) -> Result<Self, NpyError> {
        NpzArchive::open(path)?.array(name)
    }

    pub(super) fn from_bytes(origin: Arc<str>, bytes: Bytes, total: u64) -> Result<Self, NpyError> {
        let header = NpyHeader::parse(&origin, total, |offset, buffer| {
            let run = Runs::single(0, buffer.len());
            bytes.read_runs(&origin, offset, run, buffer)
        })?;
        Ok(Self {
            origin,
            header,
            bytes,
        })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &NpyHeader {
        &self.header
    }

    /// Length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Element type.
    pub fn dtype(&self) -> NpyDtype {
        self.header.dtype
    }

    /// The path, and the member's name if any, as error messages give them.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Bytes that a block should have at least, so that many threads can read blocks after the first pass
    /// without decoding much twice; `None` for an array that is not deflated, whose blocks can be of any size.
    ///
    /// Whole rows are best: a block that cuts other axes too decodes all that lies between its runs.
    pub fn parallel_block_bytes(&self) -> Option<u64> {
        match &self.bytes {
            Bytes::Deflated(deflated) => Some(deflated.spacing()),
            Bytes::Plain(_) | Bytes::Stored(_) => None,
        }
    }

    /// What decoding has cost so far; `None` for an array that is not deflated.
    pub fn inflate_stats(&self) -> Option<InflateStats> {
        match &self.bytes {
            Bytes::Deflated(deflated) => Some(deflated.stats()),
            Bytes::Plain(_) | Bytes::Stored(_) => None,
        }
    }

    /// Reads `count` rows (steps of the first axis) from row `start`, all other axes whole.
    ///
    /// # Errors
    /// As [`NpyReader::read_block`]; an array of no axes has no rows and is [`NpyError::Axes`].
    pub fn read_rows<T: NpyElement>(
        &self,
        start: usize,
        count: usize,
    ) -> Result<ArrayD<T>, NpyError> {
        let mut ranges: Vec<_> = self.shape().iter().map(|&n| 0..n).collect();
        match ranges.first_mut() {
            Some(rows) => *rows = start..start.saturating_add(count),
            None => {
                return Err(NpyError::Axes {
                    origin: self.origin.clone(),
                    given: 1,
                    ndim: 0,
                });
            }
        }
        self.read_block(&ranges)
    }

    /// Reads the block that the ranges, one an axis, cut out.
    ///
    /// The array has the file's memory order: a Fortran-ordered file gives a Fortran-ordered block of the
    /// right logical shape, without a transposition.
    ///
    /// # Errors
    /// [`NpyError::TypeMismatch`] if the file's elements are not `T`; [`NpyError::Axes`] and
    /// [`NpyError::Range`] for a block outside the array; [`NpyError::Io`], [`NpyError::Truncated`],
    /// [`NpyError::Corrupt`] and [`NpyError::Checksum`] for a damaged file; [`NpyError::NotBool`];
    /// [`NpyError::Memory`].
    pub fn read_block<T: NpyElement>(
        &self,
        ranges: &[Range<usize>],
    ) -> Result<ArrayD<T>, NpyError> {
        if T::DTYPE != self.header.dtype {
            return Err(NpyError::TypeMismatch {
                origin: self.origin.clone(),
                stored: self.header.dtype,
                requested: T::DTYPE,
            });
        }
        let (shape, runs) = self.plan(ranges)?;
        let len = shape.iter().product::<usize>();
        let swap = self.header.byte_order != NpyByteOrder::NATIVE;
        let data = T::read_vec(len, swap, &mut |buffer| {
            self.read_runs(runs.clone(), buffer)
        })
        .map_err(|fault| match fault {
            Fault::Read(e) => e,
            Fault::Memory => NpyError::Memory {
                origin: self.origin.clone(),
                bytes: (len * size_of::<T>()) as u64,
            },
            Fault::Invalid { value, index } => NpyError::NotBool {
                origin: self.origin.clone(),
                value,
                index,
            },
        })?;
        let dim = IxDyn(&shape).set_f(self.header.fortran_order);
        // Cannot fail: the length is the shape's product, and that of the whole array fits an isize.
        ArrayD::from_shape_vec(dim, data).map_err(|e| NpyError::Header {
            origin: self.origin.clone(),
            reason: e.to_string(),
        })
    }

    /// Reads a block as the file has it: its memory order and its byte order, no check of values.
    ///
    /// # Errors
    /// [`NpyError::Buffer`] if `buffer` has not exactly the block's bytes; else as
    /// [`NpyReader::read_block`].
    pub fn read_block_bytes(
        &self,
        ranges: &[Range<usize>],
        buffer: &mut [u8],
    ) -> Result<(), NpyError> {
        let (shape, runs) = self.plan(ranges)?;
        let bytes = shape.iter().product::<usize>() * self.header.dtype.item_size();
        if bytes != buffer.len() {
            return Err(self.wrong_buffer(
                0,
                buffer.len(),
                format!("{bytes} bytes for block {shape:?}"),
            ));
        }
        self.read_runs(runs, buffer)
    }

    /// Fills `buffer` with the data's bytes (without the header) from `offset`, as the file has them.
    ///
    /// # Errors
    /// [`NpyError::Buffer`] if that leaves the data; else as [`NpyReader::read_block`].
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), NpyError> {
        let all = self.header.data_bytes();
        if offset
            .checked_add(buffer.len() as u64)
            .is_none_or(|end| end > all)
        {
            return Err(self.wrong_buffer(offset, buffer.len(), format!("up to byte {all}")));
        }
        self.read_runs(Runs::single(offset, buffer.len()), buffer)
    }

    fn wrong_buffer(&self, offset: u64, given: usize, allowed: String) -> NpyError {
        NpyError::Buffer {
            origin: self.origin.clone(),
            offset,
            given,
            allowed,
        }
    }

    /// The block's shape and runs.
    fn plan(&self, ranges: &[Range<usize>]) -> Result<(Vec<usize>, Runs), NpyError> {
        let NpyHeader {
            shape,
            dtype,
            fortran_order,
            ..
        } = &self.header;
        let origin = || self.origin.clone();
        if ranges.len() != shape.len() {
            return Err(NpyError::Axes {
                origin: origin(),
                given: ranges.len(),
                ndim: shape.len(),
            });
        }
        for (axis, (range, &len)) in ranges.iter().zip(shape).enumerate() {
            if range.start > range.end || range.end > len {
                let range = range.clone();
                return Err(NpyError::Range {
                    origin: origin(),
                    axis,
                    range,
                    len,
                });
            }
        }
        let block = ranges.iter().map(ExactSizeIterator::len).collect();
        Ok((
            block,
            Runs::new(shape, ranges, *fortran_order, dtype.item_size()),
        ))
    }

    fn read_runs(&self, runs: Runs, out: &mut [u8]) -> Result<(), NpyError> {
        self.bytes
            .read_runs(&self.origin, self.header.data_offset, runs, out)
    }
}

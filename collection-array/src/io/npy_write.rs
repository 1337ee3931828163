//! Writing `.npy` files (version 1.0, C order, native byte order) so that they appear whole or not at all.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use kvern_core::unfinished::Unfinished;
use ndarray::{ArrayRef, Dimension};

use super::npy_header::{check_axes, checked_bytes};
use super::{NpyElement, NpyError, NpyHeader};

/// Elements collected before they are written, where the array is not contiguous.
const BUFFER: usize = 1 << 14;

/// Writes `array`, of any layout, to `path` in C order; an existing file is replaced.
///
/// # Errors
/// [`NpyError::Io`], and [`NpyError::Header`] for more axes than NumPy has. Nothing is left behind then, and
/// an existing file is as it was.
///
/// ```
/// use kvern_array::io::{NpyReader, save_npy};
///
/// let path = std::env::temp_dir().join(format!("kvern-save-{}.npy", std::process::id()));
/// let array = ndarray::array![[1.0, 2.0], [3.0, 4.0]];
/// save_npy(&path, &array.t())?;
/// assert_eq!(NpyReader::open(&path)?.read_rows::<f64>(1, 1)?, ndarray::array![[2.0, 4.0]].into_dyn());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), kvern_array::io::NpyError>(())
/// ```
pub fn save_npy<T: NpyElement, D: Dimension>(
    path: impl AsRef<Path>,
    array: &ArrayRef<T, D>,
) -> Result<(), NpyError> {
    let mut writer = NpyWriter::<T>::create(path, array.shape())?;
    match array.as_slice() {
        Some(elements) => writer.write(elements)?,
        None => {
            let mut buffer = Vec::with_capacity(BUFFER.min(array.len()));
            for &x in array {
                buffer.push(x);
                if buffer.len() == BUFFER {
                    writer.write(&buffer)?;
                    buffer.clear();
                }
            }
            writer.write(&buffer)?;
        }
    }
    writer.finish()
}

/// Writes a `.npy` file of a known shape piece by piece.
///
/// The pieces go to a temporary file beside `path`, which [`NpyWriter::finish`] renames. Dropped before
/// that, it removes the temporary file and leaves `path` as it was.
#[derive(Debug)]
pub struct NpyWriter<T> {
    origin: Arc<str>,
    shape: Vec<usize>,
    new: Unfinished,
    written: u64,
    element: std::marker::PhantomData<fn(T)>,
}

impl<T: NpyElement> NpyWriter<T> {
    /// Starts a file of `shape`.
    ///
    /// # Errors
    /// [`NpyError::Io`]; [`NpyError::Header`] for more axes than NumPy has; [`NpyError::ShapeOverflow`].
    pub fn create(path: impl AsRef<Path>, shape: &[usize]) -> Result<Self, NpyError> {
        let path = path.as_ref();
        let origin: Arc<str> = path.display().to_string().into();
        check_axes(&origin, shape.len())?;
        checked_bytes(&origin, shape, T::DTYPE)?;
        let new = Unfinished::begin(path)
            .map_err(|e| NpyError::io(&origin, "create a temporary file beside it", e))?;
        let mut writer = Self {
            origin,
            shape: shape.to_vec(),
            new,
            written: 0,
            element: std::marker::PhantomData,
        };
        writer.put(&NpyHeader::encode(T::DTYPE, shape))?;
        Ok(writer)
    }

    /// Appends elements in C order.
    ///
    /// # Errors
    /// [`NpyError::Io`]; [`NpyError::ElementCount`] for more elements than the shape has.
    pub fn write(&mut self, elements: &[T]) -> Result<(), NpyError> {
        let written = self.written + elements.len() as u64;
        if written > self.expected() {
            return Err(self.miscount(written));
        }
        self.put(T::as_bytes(elements))?;
        self.written = written;
        Ok(())
    }

    /// Brings the file to the disk and gives it its name.
    ///
    /// # Errors
    /// [`NpyError::Io`]; [`NpyError::ElementCount`] for fewer elements than the shape has.
    pub fn finish(self) -> Result<(), NpyError> {
        if self.written != self.expected() {
            return Err(self.miscount(self.written));
        }
        self.new
            .finish()
            .map_err(|e| NpyError::io(&self.origin, "write it to the disk", e))
    }

    fn expected(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64
    }

    fn miscount(&self, written: u64) -> NpyError {
        NpyError::ElementCount {
            origin: self.origin.clone(),
            written,
            expected: self.expected(),
            shape: self.shape.clone(),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), NpyError> {
        self.new
            .file()
            .write_all(bytes)
            .map_err(|e| NpyError::io(&self.origin, "write it", e))
    }
}

//! Arrays in files: `.npy` and `.npz`.

use std::path::Path;
use std::sync::Arc;

use kvern_core::{Error, Result, Session};

use super::Array;
use crate::chunks::Chunks;
use crate::expr::{Expr, Source};
use crate::io::NpyElement;
use crate::ops::file::{Place, dtype_of, npy_op};
use kvern_kernels::dtype::Element;

impl<T: Element> Array<T> {
    /// The array in a `.npy` file. Only its header is read now; each chunk reads its own part.
    ///
    /// Automatic chunks are whole rows. A file that changes before it is computed is an error then.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let path = std::env::temp_dir().join(format!("kvern-open-{}.npy", std::process::id()));
    /// kvern_array::io::save_npy(&path, &ndarray::array![[1.5, 2.0], [3.0, 4.0]])?;
    /// let x = Array::<f64>::open_npy(&path, (1, -1))?;
    /// assert_eq!(x.sum(0)?.reference()?, ndarray::array![4.5, 6.0].into_dyn());
    /// let e = Array::<i32>::open_npy(&path, ()).unwrap_err();
    /// assert!(e.to_string().contains("float64") && e.to_string().contains("int32"));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, is not a `.npy` file, or holds another element type than `T`; if the chunks do not fit.
    pub fn open_npy(path: impl AsRef<Path>, chunks: impl Into<Chunks>) -> Result<Self> {
        Self::open(path.as_ref(), None, chunks.into())
    }

    /// A member of an `.npz` archive, which is decoded as a stream: once from its start, later from places remembered on the way,
    /// never whole in memory. Chunks of whole rows, taken in order, decode nothing twice; automatic ones are such.
    ///
    /// The archive's checksum covers a whole member: damage is an error once all of it has been read. A program that reads only a
    /// part of a compressed member gets what the decoder makes of it.
    ///
    /// ```
    /// use kvern_array::Array;
    /// let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/deflated.npz");
    /// let latitude = Array::<f64>::open_npz(path, "lat", ())?;
    /// assert_eq!(latitude.shape(), [200]);
    /// let e = Array::<f64>::open_npz(path, "latitude", ()).unwrap_err();
    /// assert!(e.to_string().contains("lat"), "{e}");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::open_npy`]; a missing member is named together with those that are there.
    pub fn open_npz(
        path: impl AsRef<Path>,
        member: &str,
        chunks: impl Into<Chunks>,
    ) -> Result<Self> {
        Self::open(path.as_ref(), Some(member), chunks.into())
    }

    fn open(path: &Path, member: Option<&str>, chunks: Chunks) -> Result<Self> {
        let path = &*kvern_core::url::local_path(path)?;
        let place = Place::new(path, member)?;
        let reader = place.open()?;
        let held = dtype_of(reader.dtype());
        if held != T::DTYPE {
            return Err(Error::bad_input(format!(
                "{} holds {held}, not {}: open it as an Array of that type and convert it with astype",
                reader.origin(),
                T::DTYPE
            )));
        }
        let shape = reader.shape().to_vec();
        let splits = match (chunks, reader.parallel_block_bytes()) {
            (Chunks::Auto, Some(least)) => {
                let bytes = Chunks::auto_bytes(&shape, T::DTYPE)?.max(least);
                Chunks::Bytes(bytes).resolve(&shape, T::DTYPE)?
            }
            (other, _) => other.resolve(&shape, T::DTYPE)?,
        };
        let about = format!(
            "{} {}",
            if member.is_some() { "npz" } else { "npy" },
            reader.origin()
        );
        let op = npy_op(place, T::DTYPE, &splits)?;
        let source = Source {
            op,
            about,
            keep: Some(reader as Arc<_>),
        };
        Ok(Self::of(Expr::source(T::DTYPE, shape, splits, source)))
    }
}

impl<T: Element + NpyElement> Array<T> {
    /// Computes the array in the current session and writes it to a `.npy` file, which appears whole or not at all.
    ///
    /// The result passes through memory whole.
    ///
    /// ```
    /// use kvern_array::Array;
    /// # use kvern_scheduler_local as _;
    /// let path = std::env::temp_dir().join(format!("kvern-save-npy-{}.npy", std::process::id()));
    /// (Array::<f64>::arange(0.0, 3.0, 1.0, ())? * 2).save_npy(&path)?;
    /// assert_eq!(Array::<f64>::open_npy(&path, ())?.max(())?.item()?, 4.0);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed, or what keeps the file from being written.
    pub fn save_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = kvern_core::url::local_path(path.as_ref())?;
        self.save_npy_in(path, &Session::current()?)
    }

    /// [`Array::save_npy`] in a session.
    ///
    /// # Errors
    /// As [`Array::save_npy`].
    pub fn save_npy_in(&self, path: impl AsRef<Path>, session: &Session) -> Result<()> {
        Ok(crate::io::save_npy(path, &self.compute_in(session)?)?)
    }
}

//! Reads at an offset, without a shared file position: any number of threads may use one open file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::NpyError;

/// An open file with its length and its name for messages.
#[derive(Debug)]
pub(super) struct PositionalFile {
    file: File,
    len: u64,
    origin: Arc<str>,
}

impl PositionalFile {
    /// Opens `path` for reading.
    pub(super) fn open(path: &Path) -> Result<Self, NpyError> {
        let origin: Arc<str> = path.display().to_string().into();
        let failed = |e| NpyError::io(&origin, "open it", e);
        // Before it is opened: whoever opens a pipe waits for its writer.
        let about = std::fs::metadata(path).map_err(failed)?;
        if !about.is_file() {
            let what = match about.is_dir() {
                true => "it is a folder",
                false => {
                    "it is no file but a pipe, a socket or a device, and arrays are read in pieces: save what comes from it to a file first"
                }
            };
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        let file = File::open(path).map_err(failed)?;
        let meta = file
            .metadata()
            .map_err(|e| NpyError::io(&origin, "read its length", e))?;
        Ok(Self {
            file,
            len: meta.len(),
            origin,
        })
    }

    /// The file's name for messages.
    pub(super) fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// Length in bytes when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buffer` from `offset`, or fails; `origin` names the reader in the message.
    pub(super) fn read_exact_at(
        &self,
        origin: &Arc<str>,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), NpyError> {
        let mut done = 0;
        while done < buffer.len() {
            match read_at(
                &self.file,
                offset.saturating_add(done as u64),
                &mut buffer[done..],
            ) {
                Ok(0) => {
                    return Err(NpyError::Truncated {
                        origin: origin.clone(),
                        offset,
                        wanted: buffer.len() as u64,
                        available: done as u64,
                    });
                }
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(NpyError::io(origin, "read it", e)),
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

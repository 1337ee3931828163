//! `.npz` archives: zip files whose members are `.npy` files, stored or deflated.

use std::path::Path;
use std::sync::Arc;

use super::bytes::{Bytes, Stored};
use super::cursor::Stream;
use super::deflated::Deflated;
use super::positional::PositionalFile;
use super::zip_directory::{self, Entry};
use super::{NpyError, NpyReader};

/// Deflate makes at most 1032 bytes from one (a match of 258 in two bits); rounded up, plus a first block.
const MOST_PER_BYTE: u64 = 1040;

/// One line of an archive's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NpzMember {
    /// Name without the `.npy` at its end, as NumPy shows it.
    pub name: String,
    /// Whether it is deflated rather than stored.
    pub deflated: bool,
    /// Bytes in the archive.
    pub packed_bytes: u64,
    /// Bytes when unpacked, header included.
    pub bytes: u64,
}

/// An open `.npz` archive: only its directory has been read.
///
/// ```
/// use kvern_array::io::NpzArchive;
///
/// let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/deflated.npz");
/// let archive = NpzArchive::open(path)?;
/// let names: Vec<String> = archive.members().into_iter().map(|m| m.name).collect();
/// assert_eq!(names, ["grid", "lat"]);
/// assert_eq!(archive.array("grid")?.shape(), [40, 300]);
/// # Ok::<(), kvern_array::io::NpyError>(())
/// ```
#[derive(Debug)]
pub struct NpzArchive {
    file: Arc<PositionalFile>,
    entries: Vec<Entry>,
}

impl NpzArchive {
    /// Opens an archive and reads its directory.
    ///
    /// # Errors
    /// [`NpyError::Io`], [`NpyError::Truncated`], and [`NpyError::Archive`] where the directory is missing or
    /// contradicts itself or the file's length.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, NpyError> {
        let file = Arc::new(PositionalFile::open(path.as_ref())?);
        let entries = zip_directory::read(&file)?;
        Ok(Self { file, entries })
    }

    /// The members, in the archive's order.
    pub fn members(&self) -> Vec<NpzMember> {
        self.entries
            .iter()
            .map(|e| NpzMember {
                name: short(&e.name).to_owned(),
                deflated: e.method == 8,
                packed_bytes: e.packed,
                bytes: e.size,
            })
            .collect()
    }

    /// Opens the member `name`, with or without `.npy` at its end. Only the array's header is decoded.
    ///
    /// # Errors
    /// [`NpyError::NoMember`], [`NpyError::UnsupportedMember`] for another compression than deflate or for an
    /// encrypted one, [`NpyError::Archive`] and [`NpyError::Truncated`] for a damaged archive, and what
    /// [`NpyReader::open`] says of a header.
    pub fn array(&self, name: &str) -> Result<NpyReader, NpyError> {
        let found = self
            .entries
            .iter()
            .find(|e| e.name == name)
            .or_else(|| self.entries.iter().find(|e| short(&e.name) == name));
        let Some(entry) = found else {
            return Err(NpyError::NoMember {
                origin: self.file.origin().clone(),
                name: name.to_owned(),
                members: self
                    .entries
                    .iter()
                    .map(|e| short(&e.name).to_owned())
                    .collect(),
            });
        };
        let origin: Arc<str> = format!("{}, member {}", self.file.origin(), entry.name).into();
        let refuse = |found: String| NpyError::UnsupportedMember {
            origin: origin.clone(),
            found,
        };
        // Bit 0: encrypted; bit 5: patched; bit 6: strongly encrypted; bit 13: names hidden.
        if entry.flags & 0x2061 != 0 {
            return Err(refuse(format!(
                "an encrypted member (flags {:#06x})",
                entry.flags
            )));
        }
        let start = zip_directory::data_start(&self.file, &origin, entry)?;
        let file = self.file.clone();
        let bytes = match entry.method {
            0 if entry.packed == entry.size => {
                Bytes::Stored(Stored::new(file, start, entry.size, entry.crc))
            }
            8 if entry.size / MOST_PER_BYTE <= entry.packed => {
                Bytes::Deflated(Box::new(Deflated::new(Stream {
                    file,
                    origin: origin.clone(),
                    start,
                    packed: entry.packed,
                    size: entry.size,
                    crc: entry.crc,
                })))
            }
            0 | 8 => {
                let reason = format!(
                    "{} bytes packed to {} by method {} is impossible",
                    entry.size, entry.packed, entry.method
                );
                return Err(NpyError::Archive { origin, reason });
            }
            method => {
                let name = match method {
                    9 => "deflate64 ",
                    12 => "bzip2 ",
                    14 => "LZMA ",
                    93 => "zstd ",
                    95 => "xz ",
                    _ => "",
                };
                return Err(refuse(format!("compression method {name}({method})")));
            }
        };
        NpyReader::from_bytes(origin, bytes, entry.size)
    }
}

fn short(name: &str) -> &str {
    name.strip_suffix(".npy").unwrap_or(name)
}

//! Reading the file, once: what is checked is what is loaded, whatever happens to the file meanwhile.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::PluginError;
use crate::hash::sha256;

/// A plugin is not larger than this.
const MOST_BYTES: u64 = 1 << 30;

/// The bytes of a plugin's file.
#[derive(Debug)]
pub struct PluginFile {
    /// Where it was, without links.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Of the bytes, in hexadecimal.
    pub sha256: String,
}

impl PluginFile {
    /// Reads it, after looking at who may change it.
    ///
    /// # Errors
    /// [`PluginError::Read`], [`PluginError::NotAFile`], [`PluginError::Writable`].
    pub fn read(path: &Path) -> Result<Self, PluginError> {
        let failed = |source| PluginError::Read {
            path: path.to_path_buf(),
            source,
        };
        let real = path.canonicalize().map_err(failed)?;
        // The type before it is opened: opening a pipe waits for a writer.
        let kind = real.metadata().map_err(failed)?;
        if !kind.is_file() {
            return Err(PluginError::NotAFile {
                path: path.to_path_buf(),
                found: if kind.is_dir() {
                    "a folder"
                } else {
                    "neither file nor folder"
                }
                .to_owned(),
            });
        }
        let file = File::open(&real).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        only_ours(path, "the file", &meta)?;
        if let Some(folder) = real.parent() {
            only_ours(path, "its folder", &folder.metadata().map_err(failed)?)?;
        }
        if meta.len() > MOST_BYTES {
            return Err(PluginError::NotAFile {
                path: path.to_path_buf(),
                found: format!(
                    "a file of {} bytes (at most {MOST_BYTES} are read)",
                    meta.len()
                ),
            });
        }
        let mut bytes = Vec::with_capacity(meta.len() as usize);
        file.take(MOST_BYTES)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(Self {
            sha256: sha256(&bytes),
            path: real,
            bytes,
        })
    }

    /// The last part of its path.
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

/// Refuses what others may write to.
#[cfg(unix)]
pub(crate) fn only_ours(
    path: &Path,
    what: &'static str,
    meta: &Metadata,
) -> Result<(), PluginError> {
    use std::os::unix::fs::MetadataExt;
    let (owner, mode) = (meta.uid(), meta.mode());
    let me = rustix::process::geteuid().as_raw();
    let found = if owner != me && owner != 0 {
        format!("its owner is user {owner}")
    } else if mode & 0o002 != 0 {
        format!("its mode is {:o}", mode & 0o7777)
    } else {
        return Ok(());
    };
    Err(PluginError::Writable {
        path: path.to_path_buf(),
        what,
        found,
    })
}

/// Refuses nothing: there is nothing to load on such a system.
#[cfg(not(unix))]
pub(crate) fn only_ours(_: &Path, _: &'static str, _: &Metadata) -> Result<(), PluginError> {
    Ok(())
}

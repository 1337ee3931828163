//! Which files may be loaded.

use std::path::{Path, PathBuf};

use crate::error::PluginError;
use crate::file::PluginFile;
use crate::inspect::Inspection;
use crate::manifest::Manifest;

/// Which files may be loaded.
#[derive(Debug, Clone)]
pub enum Trust {
    /// None.
    Deny,
    /// Those whose sha-256 is in the manifest.
    Manifest(Manifest),
    /// Those that lie directly in one of these folders: for development.
    AllowDir(Vec<PathBuf>),
}

impl Trust {
    /// Before the bytes are looked at.
    pub(crate) fn check_path(&self, path: &Path) -> Result<(), PluginError> {
        match self {
            Self::Deny => Err(PluginError::Denied {
                path: path.to_path_buf(),
            }),
            _ => Ok(()),
        }
    }

    /// Before anything of the bytes is believed.
    pub(crate) fn check_file(&self, file: &PluginFile) -> Result<(), PluginError> {
        match self {
            Self::Deny => self.check_path(&file.path),
            Self::Manifest(manifest) => manifest.check(file),
            Self::AllowDir(folders) => {
                let here = file.path.parent();
                let listed =
                    |f: &PathBuf| f.canonicalize().is_ok_and(|f| Some(f.as_path()) == here);
                if folders.iter().any(listed) {
                    return Ok(());
                }
                let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
                Err(PluginError::WrongDirectory {
                    path: file.path.clone(),
                    allowed: match names.as_slice() {
                        [] => "nowhere".to_owned(),
                        some => some.join(" or "),
                    },
                })
            }
        }
    }

    /// Once it is known what the file says of itself.
    pub(crate) fn check_name(
        &self,
        file: &PluginFile,
        inspection: &Inspection,
    ) -> Result<(), PluginError> {
        match self {
            Self::Manifest(manifest) => manifest.check_name(file, inspection),
            _ => Ok(()),
        }
    }
}

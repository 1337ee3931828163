//! The list of trusted plugins, `plugins.toml`:
//!
//! ```toml
//! [[plugin]]
//! name = "sample"
//! version = "0.1.0"
//! file = "libsample_plugin.so"   # for messages: what counts is the hash
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! ```

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::PluginError;
use crate::file::PluginFile;
use crate::inspect::Inspection;

/// The list of trusted plugins.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    path: PathBuf,
    entries: Vec<Entry>,
}

/// One trusted file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// What the file is called, for messages.
    #[serde(default)]
    pub file: String,
    /// Of the file, in hexadecimal.
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    plugin: Vec<Entry>,
}

impl Manifest {
    /// Reads the list.
    ///
    /// # Errors
    /// [`PluginError::Manifest`], saying where in the file; [`PluginError::Writable`] if others may change the list.
    pub fn read(path: &Path) -> Result<Self, PluginError> {
        let bad = |why: String| PluginError::Manifest {
            path: path.to_path_buf(),
            why,
        };
        let meta = path.metadata().map_err(|e| bad(e.to_string()))?;
        crate::file::only_ours(path, "the list", &meta)?;
        let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
        Self::parse(path, &text)
    }

    /// The list in a text; `path` is for messages.
    ///
    /// # Errors
    /// [`PluginError::Manifest`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, PluginError> {
        let bad = |why: String| PluginError::Manifest {
            path: path.to_path_buf(),
            why,
        };
        let mut document: Document = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
        for entry in &mut document.plugin {
            entry.sha256.make_ascii_lowercase();
            let hex = entry.sha256.bytes().all(|b| b.is_ascii_hexdigit());
            if entry.sha256.len() != 64 || !hex {
                return Err(bad(format!(
                    "the sha256 of {} is {:?}; it must be 64 hexadecimal digits",
                    entry.name, entry.sha256
                )));
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            entries: document.plugin,
        })
    }

    /// A list of these entries.
    pub fn of(path: &Path, entries: Vec<Entry>) -> Self {
        Self {
            path: path.to_path_buf(),
            entries,
        }
    }

    /// The trusted files.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn check(&self, file: &PluginFile) -> Result<(), PluginError> {
        if self.entry(file).is_some() {
            return Ok(());
        }
        let name = file.name();
        if let Some(other) = self.entries.iter().find(|e| e.file == name) {
            return Err(PluginError::Changed {
                path: file.path.clone(),
                manifest: self.path.clone(),
                expected: other.sha256.clone(),
                found: file.sha256.clone(),
            });
        }
        Err(PluginError::NotTrusted {
            path: file.path.clone(),
            found: file.sha256.clone(),
            manifest: self.path.clone(),
            entry: match crate::inspect::inspect_bytes(file) {
                Ok(inspection) => entry_for(file, &inspection),
                Err(e) => format!("# but it could not be loaded: {e}"),
            },
        })
    }

    pub(crate) fn check_name(
        &self,
        file: &PluginFile,
        inspection: &Inspection,
    ) -> Result<(), PluginError> {
        let Some(entry) = self.entry(file) else {
            return self.check(file);
        };
        if (&entry.name, &entry.version) == (&inspection.name, &inspection.version) {
            return Ok(());
        }
        Err(PluginError::Misnamed {
            path: file.path.clone(),
            manifest: self.path.clone(),
            expected: format!("{} {}", entry.name, entry.version),
            found: format!("{} {}", inspection.name, inspection.version),
        })
    }

    fn entry(&self, file: &PluginFile) -> Option<&Entry> {
        self.entries.iter().find(|e| e.sha256 == file.sha256)
    }
}

/// The lines that make a file trusted.
pub fn entry_for(file: &PluginFile, inspection: &Inspection) -> String {
    let mut text = String::from("[[plugin]]\n");
    for (key, value) in [
        ("name", &inspection.name),
        ("version", &inspection.version),
        ("file", &file.name()),
        ("sha256", &file.sha256),
    ] {
        // A plugin's own words: only what needs no escape in TOML.
        let plain: String = value
            .chars()
            .filter(|c| !c.is_control() && !"\"\\".contains(*c))
            .collect();
        let _ = writeln!(text, "{key} = \"{plain}\"");
    }
    text
}

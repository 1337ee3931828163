//! Configuration files: where they are looked for, and how TOML becomes configuration.
//!
//! From low to high, each over the one before:
//!
//! 1. `$XDG_CONFIG_HOME/kvern/config.toml`, or `~/.config/kvern/config.toml` (on Windows `%APPDATA%\kvern\config.toml`),
//! 2. `kvern.toml` in the current folder.
//!
//! If the environment variable `KVERN_CONFIG` names a file, that file is read and no other (`/dev/null` reads none).
//! Environment variables of single keys, and code, go over all files: see [`kvern_core::config`].
//!
//! ```toml
//! scheduler = "threads://?workers=4"
//!
//! [memory]
//! limit = "8GiB"
//!
//! [spill]
//! directory = "scratch"   # beside this file
//! ```
//!
//! Tables are the words before a key's last dot, so `limit` under `[memory]` is `memory.limit`. A path that is not
//! absolute is relative to the folder that the file is in.
//!
//! [`Config::load`] and every session read these files in a program that links this crate with the feature
//! `config-file`.
//!
//! ```
//! let registry = kvern::core::Registry::linked()?;
//! let config = kvern::core::config::Config::load(&registry)?;
//! println!("progress is shown as {}", config.value("progress")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use kvern_core::config::{Config, ConfigError, ConfigValue, FileReader, Kind, Schema, inventory};

mod parse;
#[cfg(test)]
mod tests;

/// A value of a file: dotted key, value, and line from 1.
pub type FileValue = (String, ConfigValue, Option<usize>);

inventory::submit! {
    FileReader {
        crate_name: env!("CARGO_PKG_NAME"),
        read: |config| add_files(config, &Places::of_this_process()).map(|_| ()),
    }
}

/// Adds the files that are there to a configuration. Returns them, from low to high.
///
/// # Errors
///
/// [`ConfigError`] if a file cannot be read or is not TOML, or a key or value in it is wrong.
pub fn add_files(config: &mut Config, places: &Places) -> Result<Vec<PathBuf>, ConfigError> {
    let mut found = Vec::new();
    for path in places.files() {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && places.named.is_none() => {
                continue;
            }
            Err(error) => {
                return Err(ConfigError::UnreadableFile {
                    path,
                    variable: places.named.as_ref().map(|_| "KVERN_CONFIG"),
                    reason: error.to_string(),
                });
            }
        };
        let values = parse::values(&path, &text)?;
        let values = check_and_place(config.schema(), &path, values)?;
        config.add_file_values(&path, values)?;
        found.push(path);
    }
    Ok(found)
}

/// Where configuration files are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The one that `KVERN_CONFIG` names.
    pub named: Option<PathBuf>,
    /// The user's.
    pub user: Option<PathBuf>,
    /// The one in the current folder.
    pub here: PathBuf,
}

impl Places {
    /// The places of this process's environment.
    pub fn of_this_process() -> Self {
        Self::of(|name| env::var_os(name))
    }

    /// The places of an environment.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| {
            variable(name)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        // The XDG base directory specification: a path there that is not absolute is to be ignored.
        let xdg = path("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let user = if cfg!(windows) {
            path("APPDATA")
        } else {
            xdg.or_else(|| Some(path("HOME")?.join(".config")))
        };
        Self {
            named: path("KVERN_CONFIG"),
            user: user.map(|folder| folder.join("kvern").join("config.toml")),
            here: PathBuf::from("kvern.toml"),
        }
    }

    /// The files to read where they are there, from low to high.
    pub fn files(&self) -> Vec<PathBuf> {
        match &self.named {
            Some(named) => vec![named.clone()],
            None => self.user.iter().chain([&self.here]).cloned().collect(),
        }
    }
}

/// Refuses a key that stands there twice, and makes paths relative to the file's folder.
fn check_and_place(
    schema: &Schema,
    path: &Path,
    mut values: Vec<FileValue>,
) -> Result<Vec<FileValue>, ConfigError> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (key, value, line) in &mut values {
        let line = line.unwrap_or(0);
        if let Some(first) = seen.insert(key.clone(), line) {
            return Err(ConfigError::Twice {
                path: path.to_owned(),
                key: key.clone(),
                first,
                again: line,
            });
        }
        let declared = schema.get(key).filter(|key| key.kind() == Kind::Path);
        if let (Some(declared), ConfigValue::Text(text)) = (declared, &*value) {
            let auto = declared.auto().is_some() && text == "auto";
            let folder = path.parent().filter(|_| !auto && !text.is_empty());
            if let Some(placed) = folder.map(|folder| folder.join(text)) {
                // Absolute, so that it stays the same folder when the program goes elsewhere.
                *value = ConfigValue::Path(std::path::absolute(&placed).unwrap_or(placed));
            }
        }
    }
    Ok(values)
}

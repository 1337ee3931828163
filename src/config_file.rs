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

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use kvern_core::config::{Config, ConfigError, ConfigValue, Kind, Schema};

mod parse;
#[cfg(test)]
mod tests;

/// A value of a file: dotted key, value, and line from 1.
pub type FileValue = (String, ConfigValue, Option<usize>);

/// What can go wrong with configuration files.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// A file is there and cannot be read, or `KVERN_CONFIG` names one that is not there.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Whether `KVERN_CONFIG` names it.
        named: bool,
        /// Why.
        source: io::Error,
    },
    /// A file is not TOML.
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// One key stands in a file twice, once as `a.b` and once as `"a.b"`.
    Twice {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The two lines.
        lines: [usize; 2],
    },
    /// A file is TOML, and a key or value in it is wrong; or an environment variable is.
    Config(ConfigError),
}

impl std::fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable {
                path,
                named,
                source,
            } => {
                let path = path.display();
                if *named {
                    write!(
                        f,
                        "environment variable KVERN_CONFIG names {path}, which cannot be read: {source}"
                    )
                } else {
                    write!(f, "the configuration file {path} cannot be read: {source}")
                }
            }
            Self::Syntax {
                path,
                line,
                column,
                message,
            } => write!(
                f,
                "{}:{line}:{column}: this is not TOML: {message}",
                path.display()
            ),
            Self::Twice { path, key, lines } => write!(
                f,
                "{}:{}: {key:?} stands in this file twice; first in line {}",
                path.display(),
                lines[1],
                lines[0]
            ),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConfigFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            // What it displays is this error's own text already.
            Self::Config(error) => error.source(),
            _ => None,
        }
    }
}

impl From<ConfigError> for ConfigFileError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// The configuration of this process: the defaults of every linked crate, the files, and the environment.
///
/// ```
/// let config = kvern::config_file::load()?;
/// println!("progress is shown as {}", config.value("progress")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`ConfigFileError`] if a file cannot be read or is not TOML, or if any name or value in a file or the environment is
/// not one of the schema's.
pub fn load() -> Result<Config, ConfigFileError> {
    let mut config = Config::new(Schema::linked()?);
    add_files(&mut config, &Places::of_this_process())?;
    config.add_environment(env::vars_os())?;
    Ok(config)
}

/// Adds the files that are there to a configuration. Returns them, from low to high.
///
/// # Errors
///
/// As [`load`].
pub fn add_files(config: &mut Config, places: &Places) -> Result<Vec<PathBuf>, ConfigFileError> {
    let mut found = Vec::new();
    for path in places.files() {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && places.named.is_none() => {
                continue;
            }
            Err(source) => {
                let named = places.named.is_some();
                return Err(ConfigFileError::Unreadable {
                    path,
                    named,
                    source,
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
) -> Result<Vec<FileValue>, ConfigFileError> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (key, value, line) in &mut values {
        let line = line.unwrap_or(0);
        if let Some(first) = seen.insert(key.clone(), line) {
            return Err(ConfigFileError::Twice {
                path: path.to_owned(),
                key: key.clone(),
                lines: [first, line],
            });
        }
        let declared = schema.get(key).filter(|key| key.kind() == Kind::Path);
        if let (Some(declared), ConfigValue::Text(text)) = (declared, &*value) {
            let auto = declared.auto().is_some() && text == "auto";
            if let Some(folder) = path.parent().filter(|_| !auto && !text.is_empty()) {
                *value = ConfigValue::Path(folder.join(&*text));
            }
        }
    }
    Ok(values)
}

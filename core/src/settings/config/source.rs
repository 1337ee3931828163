//! Where a value came from.

use std::fmt;
use std::panic::Location;
use std::path::PathBuf;

/// Where a value came from. Later variants win over earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The default that this crate declared.
    Default {
        /// The crate's name.
        crate_name: &'static str,
    },
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1, where the reader knows it.
        line: Option<usize>,
    },
    /// An environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// A call of [`Config::set`](super::Config::set).
    Code {
        /// The place of the call.
        at: &'static Location<'static>,
    },
}

impl Source {
    /// The layer in a word: `default`, `file`, `environment` or `code`.
    pub fn layer(&self) -> &'static str {
        match self {
            Self::Default { .. } => "default",
            Self::File { .. } => "file",
            Self::Environment { .. } => "environment",
            Self::Code { .. } => "code",
        }
    }

    /// The layer's height.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Default { .. } => 0,
            Self::File { .. } => 1,
            Self::Environment { .. } => 2,
            Self::Code { .. } => 3,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { crate_name } => write!(f, "default of {crate_name}"),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => path.display().fmt(f),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Code { at } => write!(f, "code at {}:{}", at.file(), at.line()),
        }
    }
}

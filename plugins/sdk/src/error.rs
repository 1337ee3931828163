//! How an operator fails.

use std::fmt;

use kvern_plugin_abi::{Status, status};

/// Why an operator failed: what kind of failure it is, and words for a person.
///
/// Any error can become one with `?`. As it takes any, it is none itself (as that of anyhow).
pub struct Error {
    status: Status,
    message: String,
}

/// A `Result` with the plugin's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The operator failed for these inputs.
    #[cold]
    pub fn new(message: impl Into<String>) -> Self {
        Self::with_status(status::ERROR, message)
    }

    /// Inputs or parameters are not what is allowed; say which, and what would be.
    #[cold]
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::with_status(status::BAD_INPUT, message)
    }

    /// It failed for a reason that may be gone at the next try.
    #[cold]
    pub fn retry(message: impl Into<String>) -> Self {
        Self::with_status(status::RETRY, message)
    }

    /// A failure of that status (`kvern_plugin_abi::status`).
    #[cold]
    pub fn with_status(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// What the host is told.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says where it went wrong, before what went wrong.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self {
            message: format!("{place}: {}", self.message),
            ..self
        }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(e: E) -> Self {
        let mut message = e.to_string();
        let mut cause = e.source();
        while let Some(c) = cause {
            message = format!("{message}: {c}");
            cause = c.source();
        }
        Self::new(message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", status::name(self.status), self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

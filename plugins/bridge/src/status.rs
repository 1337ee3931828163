//! How a call ended, as an error of the core.

use kvern_core::{Error, ErrorKind};
use kvern_plugin_abi::{Status, status};

/// The kind of error that a status means.
pub fn kind(of: Status) -> ErrorKind {
    match of {
        status::PANIC => ErrorKind::Panic,
        status::CANCELLED => ErrorKind::Cancelled,
        status::NO_MEMORY => ErrorKind::OutOfMemory,
        status::BAD_INPUT => ErrorKind::BadInput,
        status::UNSUPPORTED => ErrorKind::Unsupported,
        // RETRY too: a task that failed may be run again, as its annotations say.
        _ => ErrorKind::Task,
    }
}

/// The status that an error of the host means to a plugin.
pub fn of(kind: ErrorKind) -> Status {
    match kind {
        ErrorKind::Cancelled => status::CANCELLED,
        ErrorKind::OutOfMemory => status::NO_MEMORY,
        ErrorKind::BadInput => status::BAD_INPUT,
        ErrorKind::Unsupported => status::UNSUPPORTED,
        _ => status::ERROR,
    }
}

/// The error of a call that answered `of`, with what the plugin said of it.
#[cold]
pub fn error(operator: &str, of: Status, said: Option<String>) -> Error {
    let words = match said {
        Some(said) if status::name(of) != "unknown" => format!("{operator}: {said}"),
        Some(said) => format!("{operator}: {said} (it answered the unknown status {of})"),
        None => format!(
            "{operator} answered status {of} ({}) and did not say why",
            status::name(of)
        ),
    };
    Error::new(kind(of), words)
}

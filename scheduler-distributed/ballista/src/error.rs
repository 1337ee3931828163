//! Errors of gRPC and of Ballista in words of ours.

use std::error::Error as StdError;
use std::fmt::Write as _;

use kvern_core::{Error, ErrorKind};

/// What an error says and what lies behind it: transport errors alone only say that they are some.
pub(crate) fn chain(e: &(dyn StdError + 'static)) -> String {
    let mut words = e.to_string();
    let mut next = e.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            // Writing to a string cannot fail.
            let _ = write!(words, ": {cause_words}");
        }
        next = cause.source();
    }
    words
}

/// No scheduler could be reached there.
pub(crate) fn unreachable(address: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::Io,
        format!(
            "no Ballista scheduler can be reached at ballista://{address}: {why}; `kvern ballista scheduler` runs one, and \
             ballista://local starts one with the session"
        ),
    )
}

/// The scheduler answered with an error.
pub(crate) fn refused(address: &str, status: &tonic::Status) -> Error {
    let words = status.message();
    let (kind, what) = match status.code() {
        tonic::Code::InvalidArgument => (ErrorKind::NotPortable, "cannot read the query"),
        tonic::Code::FailedPrecondition => {
            (ErrorKind::Unsupported, "does not work with this version")
        }
        tonic::Code::Unavailable | tonic::Code::Cancelled | tonic::Code::Unknown => {
            (ErrorKind::Lost, "is gone")
        }
        _ => (ErrorKind::Task, "refused the query"),
    };
    Error::new(
        kind,
        format!("the scheduler at ballista://{address} {what}: {words}"),
    )
}

/// Why a job failed, without what each process has put before it.
pub(crate) fn failed(address: &str, words: &str) -> Error {
    let words = match words.split_once(" failed: ") {
        Some((before, after)) if before.starts_with("Job failed due to stage") => after,
        _ => words,
    };
    let words = words
        .strip_prefix("Task failed due to runtime execution error: ")
        .unwrap_or(words)
        .trim_end();
    Error::new(
        ErrorKind::Task,
        format!("the query failed on ballista://{address}: {words}"),
    )
}

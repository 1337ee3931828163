//! Why a command failed.

use std::fmt;

/// A sentence that says what is wrong and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// "WHAT: N", and one paragraph for each of them.
    pub(crate) fn list(what: &str, sentences: &[String]) -> Self {
        Self(format!(
            "{what}: {}\n\n{}",
            sentences.len(),
            sentences.join("\n\n")
        ))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

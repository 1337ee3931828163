//! What is wrong with a scheduler URL.

/// What is wrong with a scheduler URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The text has not the form of a scheduler URL.
    #[error("scheduler URL {url:?}: {reason}")]
    Malformed {
        /// The text as it was given, cut if it is long.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key of the query is not one that the backend knows.
    #[error("scheduler URL {url:?}: {scheme} knows no {key:?}{}; it knows {known}", hint(.nearest))]
    UnknownKey {
        /// The URL.
        url: String,
        /// The backend's name.
        scheme: String,
        /// The key.
        key: String,
        /// The nearest one that the backend knows.
        nearest: Option<String>,
        /// All that it knows, in words.
        known: String,
    },
    /// The value of a key cannot be read as what the key takes.
    #[error("scheduler URL {url:?}: {key}={value:?} is not {expected}: {reason}")]
    WrongValue {
        /// The URL.
        url: String,
        /// The key.
        key: String,
        /// The value, cut if it is long.
        value: String,
        /// What it should be.
        expected: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// The backend needs a part that the URL does not have, or has no use for one that it has.
    #[error("scheduler URL {url:?}: {scheme} {rule}")]
    Part {
        /// The URL.
        url: String,
        /// The backend's name.
        scheme: String,
        /// What the backend needs, as the rest of a sentence.
        rule: &'static str,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

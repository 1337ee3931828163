//! What can be wrong with a configuration.

use std::path::PathBuf;

use super::source::Source;

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A layer names a key that no linked crate declares.
    #[error("{place}: {key:?} is not a configuration key{}; `kvern config list` shows every key", hint(.nearest))]
    UnknownKey {
        /// Where the name stands.
        place: Box<Source>,
        /// The name as it was written.
        key: String,
        /// The nearest key there is.
        nearest: Option<String>,
    },
    /// An environment variable begins with `KVERN_` and belongs to no key.
    #[error(
        "environment variable {variable}: no configuration key has this name{}; `kvern config list` shows every key and its variable",
        hint(.nearest)
    )]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// The nearest variable there is.
        nearest: Option<String>,
    },
    /// A value is not what its key allows.
    #[error("{place}: {value} is not a value for {key}: {reason}; allowed: {allowed}")]
    WrongValue {
        /// Where the value stands.
        place: Box<Source>,
        /// The key.
        key: &'static str,
        /// The value as it was given, cut if it is long.
        value: String,
        /// Why it is not allowed.
        reason: String,
        /// What is.
        allowed: String,
    },
    /// A file is there and cannot be read, or the environment names one that is not there.
    #[error("{}{} cannot be read: {reason}", named(.variable), .path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// The environment variable that names it, if one does.
        variable: Option<&'static str>,
        /// What the system says.
        reason: String,
    },
    /// A file is not written in its language.
    #[error("{}:{line}:{column}: this is not {language}: {message}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What it should be written in.
        language: &'static str,
        /// What is wrong there.
        message: String,
    },
    /// One key stands in a file twice, in two ways to write it.
    #[error("{}:{again}: {key:?} stands in this file twice; first in line {first}", .path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The line where it stands first.
        first: usize,
        /// The line where it stands again.
        again: usize,
    },
    /// A program asks for a key that no linked crate declares.
    #[error("{key:?} is not a configuration key{}; `kvern config list` shows every key", hint(.nearest))]
    NoSuchKey {
        /// The name as it was asked for.
        key: String,
        /// The nearest key there is.
        nearest: Option<String>,
    },
    /// A program asks for, or sets, a key of a crate that it does not link.
    #[error(
        "{key:?} is a configuration key of {crate_name}, which this program leaves out; it is linked by {linked_by}"
    )]
    NotLinked {
        /// The key.
        key: String,
        /// The crate that declares it.
        crate_name: &'static str,
        /// How it is linked.
        linked_by: &'static str,
    },
    /// A program asks for a key as a type that its value does not have.
    #[error("{key} is {value}, which cannot be read as {wanted}; its type is {kind}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// The key's value.
        value: String,
        /// The type that was asked for.
        wanted: &'static str,
        /// The type that the key has.
        kind: &'static str,
    },
    /// Two crates declare one key, or two keys of one environment variable.
    #[error(
        "{first_crate} declares the configuration key {first:?} and {second_crate} declares {second:?}: {why}"
    )]
    Clash {
        /// A key.
        first: &'static str,
        /// The crate that declares it.
        first_crate: &'static str,
        /// The key that clashes with it.
        second: &'static str,
        /// The crate that declares that one.
        second_crate: &'static str,
        /// What they cannot share.
        why: &'static str,
    },
    /// A crate declares a key with a name or default that is not allowed.
    #[error("{crate_name} declares the configuration key {key:?} wrongly: {reason}")]
    BadDeclaration {
        /// The key.
        key: &'static str,
        /// The crate that declares it.
        crate_name: &'static str,
        /// What is wrong.
        reason: String,
    },
}

fn named(variable: &Option<&'static str>) -> String {
    match variable {
        Some(name) => format!("environment variable {name}: the configuration file "),
        None => "the configuration file ".to_owned(),
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

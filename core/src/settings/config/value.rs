//! Values before and after they are read as the type of their key.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::text::{ByteAmount, format_duration, shorten};

/// A value as a layer gives it, before its key's type is known.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ConfigValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// A text; every type can be written as one.
    Text(String),
    /// A duration, from code.
    Duration(Duration),
    /// A path, from code, or an environment variable that is not UTF-8.
    Path(PathBuf),
    /// An amount of memory, from code.
    Bytes(ByteAmount),
    /// Something that no key can be, such as a list: its name with an article.
    Other(&'static str),
}

impl ConfigValue {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Duration(_) => "a duration",
            Self::Path(_) => "a path",
            Self::Bytes(_) => "a number of bytes",
            Self::Other(name) => name,
        }
    }
}

/// As an error shows it: texts in quotes and cut to a line's length.
impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(text) => write!(f, "{:?}", shorten(text)),
            Self::Duration(value) => f.write_str(&format_duration(*value)),
            Self::Path(path) => write!(f, "{:?}", shorten(&path.to_string_lossy())),
            Self::Bytes(value) => value.fmt(f),
            Self::Other(name) => f.write_str(name),
        }
    }
}

macro_rules! from {
    ($($variant:ident: $($from:ty),+;)+) => {$($(
        impl From<$from> for ConfigValue {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )+)+};
}

from! {
    Bool: bool;
    Integer: i32, i64, u32, u64;
    Float: f64;
    Text: &str, String;
    Duration: Duration;
    Path: PathBuf, &Path;
    Bytes: ByteAmount;
}

impl From<usize> for ConfigValue {
    fn from(value: usize) -> Self {
        Self::Integer(value as i128)
    }
}

/// A value that has its key's type.
///
/// Its `Display` is a text that reads back as the same value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Of [`Kind::Bool`](super::Kind::Bool).
    Bool(bool),
    /// Of [`Kind::Integer`](super::Kind::Integer).
    Integer(i64),
    /// Of [`Kind::Float`](super::Kind::Float).
    Float(f64),
    /// Of [`Kind::Text`](super::Kind::Text) or [`Kind::OneOf`](super::Kind::OneOf).
    Text(String),
    /// Of [`Kind::Count`](super::Kind::Count).
    Count(u64),
    /// Of [`Kind::Bytes`](super::Kind::Bytes) or [`Kind::Memory`](super::Kind::Memory).
    Bytes(ByteAmount),
    /// Of [`Kind::Duration`](super::Kind::Duration).
    Duration(Duration),
    /// Of [`Kind::Path`](super::Kind::Path).
    Path(PathBuf),
    /// The word `auto`, of a key that says what it means by it.
    Auto,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Count(value) => value.fmt(f),
            Self::Bytes(value) => value.fmt(f),
            Self::Duration(value) => f.write_str(&format_duration(*value)),
            Self::Path(path) => path.display().fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

//! The types that a key can have, and what is allowed for each.

use std::fmt;
use std::path::PathBuf;

use super::value::{ConfigValue, Value};
use crate::base::text::{
    TextError, nearest, parse_byte_amount, parse_bytes, parse_duration, shorten,
};

/// The type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`; a text may also say `on`, `yes`, `1` or `off`, `no`, `0`.
    Bool,
    /// A whole number between two bounds, both allowed.
    Integer {
        /// The smallest that is allowed.
        min: i64,
        /// The largest that is allowed.
        max: i64,
    },
    /// A finite number.
    Float,
    /// Any text that is not empty.
    Text,
    /// A whole number from 1.
    Count,
    /// A number of bytes from 1, such as `256MiB`.
    Bytes,
    /// A number of bytes from 1, or a share of the memory that this process may use, such as `70%`.
    Memory,
    /// A duration, such as `50ms`.
    Duration,
    /// A path of a file or folder.
    Path,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl Kind {
    /// The type in a word or two, for a table of keys.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Integer { .. } => "integer",
            Self::Float => "number",
            Self::Text => "text",
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Memory => "bytes or share",
            Self::Duration => "duration",
            Self::Path => "path",
            Self::OneOf(_) => "word",
        }
    }

    /// Reads a raw value as this type.
    ///
    /// # Errors
    ///
    /// Why the value is not of this type, as part of a sentence.
    pub(crate) fn read(&self, raw: &ConfigValue) -> Result<Value, String> {
        match raw {
            ConfigValue::Text(text) => self.read_text(text.trim()),
            ConfigValue::Bool(value) if matches!(self, Self::Bool) => Ok(Value::Bool(*value)),
            ConfigValue::Integer(value) => self.read_integer(*value),
            ConfigValue::Float(value) if matches!(self, Self::Float) => self.read_float(*value),
            ConfigValue::Duration(value) if matches!(self, Self::Duration) => {
                Ok(Value::Duration(*value))
            }
            ConfigValue::Path(path) if matches!(self, Self::Path) => read_path(path.clone()),
            ConfigValue::Path(path) => match path.to_str() {
                Some(text) => self.read_text(text),
                None => Err("it is not UTF-8".to_owned()),
            },
            ConfigValue::Bytes(amount) if matches!(self, Self::Bytes | Self::Memory) => {
                self.read_text(&amount.to_string())
            }
            other => Err(format!("it is {}", other.type_name())),
        }
    }

    fn read_integer(&self, value: i128) -> Result<Value, String> {
        match self {
            Self::Integer { min, max } => i64::try_from(value)
                .ok()
                .filter(|value| (min..=max).contains(&value))
                .map(Value::Integer)
                .ok_or_else(|| "it is out of range".to_owned()),
            Self::Count => u64::try_from(value)
                .ok()
                .filter(|value| *value > 0)
                .map(Value::Count)
                .ok_or_else(|| "it is out of range".to_owned()),
            Self::Bytes | Self::Memory => u64::try_from(value)
                .ok()
                .filter(|value| *value > 0)
                .map(|value| Value::Bytes(crate::base::text::ByteAmount::Exact(value)))
                .ok_or_else(|| "it is out of range".to_owned()),
            #[expect(clippy::cast_precision_loss, reason = "a float is what was asked for")]
            Self::Float => self.read_float(value as f64),
            Self::Duration if value == 0 => Ok(Value::Duration(std::time::Duration::ZERO)),
            Self::Duration => Err("it has no unit".to_owned()),
            _ => Err("it is a number".to_owned()),
        }
    }

    #[expect(clippy::unused_self, reason = "one shape for all three readers")]
    fn read_float(&self, value: f64) -> Result<Value, String> {
        if value.is_finite() {
            Ok(Value::Float(value))
        } else {
            Err("it is not finite".to_owned())
        }
    }

    fn read_text(&self, text: &str) -> Result<Value, String> {
        let reason = |error: TextError| error.reason().to_owned();
        match self {
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => Ok(Value::Bool(true)),
                "false" | "off" | "no" | "0" => Ok(Value::Bool(false)),
                _ => Err("it is neither".to_owned()),
            },
            Self::Integer { .. } | Self::Count => match text.replace('_', "").parse() {
                Ok(value) => self.read_integer(value),
                Err(_) => Err("it is not a whole number".to_owned()),
            },
            Self::Float => match text.parse() {
                Ok(value) => self.read_float(value),
                Err(_) => Err("it is not a number".to_owned()),
            },
            Self::Text if text.is_empty() => Err("it is empty".to_owned()),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Bytes | Self::Memory => {
                let amount = match self {
                    Self::Memory => parse_byte_amount(text).map_err(reason)?,
                    _ => crate::base::text::ByteAmount::Exact(parse_bytes(text).map_err(reason)?),
                };
                if amount == crate::base::text::ByteAmount::Exact(0) {
                    return Err("it is out of range".to_owned());
                }
                Ok(Value::Bytes(amount))
            }
            Self::Duration => parse_duration(text).map(Value::Duration).map_err(reason),
            Self::Path => read_path(PathBuf::from(text)),
            Self::OneOf(words) => match words.iter().find(|word| **word == text) {
                Some(word) => Ok(Value::Text((*word).to_owned())),
                None => Err(match nearest(text, words.iter().copied()) {
                    Some(word) => format!("did you mean {word:?}?"),
                    None => format!("{:?} is none of them", shorten(text)),
                }),
            },
        }
    }
}

fn read_path(path: PathBuf) -> Result<Value, String> {
    if path.as_os_str().is_empty() {
        Err("it is empty".to_owned())
    } else {
        Ok(Value::Path(path))
    }
}

/// What is allowed, as the object of "allowed: …".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Float => f.write_str("a number"),
            Self::Text => f.write_str("a text that is not empty"),
            Self::Count => f.write_str("a whole number from 1"),
            Self::Bytes => f.write_str("a number of bytes such as 256MiB or 8GB, at least 1"),
            Self::Memory => f.write_str(
                "a number of bytes such as 256MiB or 8GB, or a share of usable memory such as 70%, above 0",
            ),
            Self::Duration => f.write_str("a number and a unit of time, such as 50ms or 1.5s"),
            Self::Path => f.write_str("a path"),
            Self::OneOf(words) => {
                for (at, word) in words.iter().enumerate() {
                    let joint = match at {
                        0 => "",
                        _ if at + 1 == words.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{joint}{word:?}")?;
                }
                Ok(())
            }
        }
    }
}

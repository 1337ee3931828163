//! From a value to the Rust type that the caller wants.

use std::path::PathBuf;
use std::time::Duration;

use super::value::Value;
use crate::base::text::ByteAmount;

/// A Rust type that a [`Value`] can be read as.
///
/// `Option<T>` reads `auto` as `None`, and `String` reads it as the word; every other type refuses it.
pub trait FromValue: Sized {
    /// The type's name in errors, with an article.
    const NAME: &'static str;

    /// Reads a value; `None` if it is of another type.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! from_value {
    ($($type:ty, $name:literal: $($pattern:pat => $read:expr),+;)+) => {$(
        impl FromValue for $type {
            const NAME: &'static str = $name;

            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $($pattern => $read,)+
                    _ => None,
                }
            }
        }
    )+};
}

from_value! {
    bool, "a bool": Value::Bool(value) => Some(*value);
    f64, "a number": Value::Float(value) => Some(*value);
    i64, "an integer": Value::Integer(value) => Some(*value), Value::Count(value) => (*value).try_into().ok();
    u64, "a count or a number of bytes":
        Value::Count(value) => Some(*value),
        Value::Integer(value) => (*value).try_into().ok(),
        Value::Bytes(ByteAmount::Exact(value)) => Some(*value);
    usize, "a count":
        Value::Count(value) => (*value).try_into().ok(),
        Value::Integer(value) => (*value).try_into().ok();
    String, "a text": Value::Text(text) => Some(text.clone()), Value::Auto => Some("auto".to_owned());
    Duration, "a duration": Value::Duration(value) => Some(*value);
    PathBuf, "a path": Value::Path(path) => Some(path.clone());
    ByteAmount, "an amount of memory": Value::Bytes(amount) => Some(*amount);
}

impl<T: FromValue> FromValue for Option<T> {
    const NAME: &'static str = T::NAME;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Auto => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

//! From the text of a TOML file to dotted keys and values, each with its line.

use std::path::Path;

use kvern_core::config::{ConfigError, ConfigValue};
use toml::de::{DeTable, DeValue};

use super::FileValue;

/// All values of a file, in the order in which they stand there.
pub(super) fn values(path: &Path, text: &str) -> Result<Vec<FileValue>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, column) = position(text, at);
        ConfigError::Syntax {
            path: path.to_owned(),
            line,
            column,
            language: "TOML",
            message: message(text, at, error.message()),
        }
    })?;
    let mut found = Vec::new();
    flatten(table.get_ref(), "", &mut found);
    found.sort_by_key(|(_, _, at)| *at);
    let values = found
        .into_iter()
        .map(|(key, value, at)| (key, value, Some(position(text, at).0)));
    Ok(values.collect())
}

fn flatten(table: &DeTable<'_>, prefix: &str, found: &mut Vec<(String, ConfigValue, usize)>) {
    for (name, value) in table {
        let key = match prefix {
            "" => name.get_ref().to_string(),
            prefix => format!("{prefix}.{}", name.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &key, found),
            value => found.push((key, value_of(value), name.span().start)),
        }
    }
}

fn value_of(value: &DeValue<'_>) -> ConfigValue {
    match value {
        DeValue::String(text) => ConfigValue::Text(text.to_string()),
        DeValue::Boolean(value) => ConfigValue::Bool(*value),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).map_or(
            ConfigValue::Other("a number that is too large"),
            ConfigValue::Integer,
        ),
        DeValue::Float(number) => number.as_str().parse().map_or(
            ConfigValue::Other("a number that cannot be read"),
            ConfigValue::Float,
        ),
        DeValue::Datetime(_) => ConfigValue::Other("a date or time"),
        DeValue::Array(_) => ConfigValue::Other("a list"),
        DeValue::Table(_) => ConfigValue::Other("a table"),
    }
}

/// A word without quotes is the slip of every day, and no parser knows what it should have been.
fn message(text: &str, at: usize, message: &str) -> String {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let is_value = before.trim_end_matches([' ', '\t']).ends_with('=');
    if is_value && after.starts_with(|c: char| c.is_alphabetic() || c == '/' || c == '~') {
        return "a value that is no number, true or false stands in quotes".to_owned();
    }
    message.to_owned()
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&before[start..]).chars().count();
    (line, column)
}

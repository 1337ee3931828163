//! Folders that name columns: `year=2024/month=1/part.parquet` has the columns `year` and `month`, as Hive, Spark, pandas and Polars write them.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use kvern_core::{Error, Result};

/// What stands for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// A file, and what the folders say in which it was found, from the outermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) folders: Vec<(String, String)>,
}

/// The columns that folders name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders {
    pub(crate) fields: Vec<FieldRef>,
    /// What they say of each file.
    pub(crate) values: Vec<Vec<ScalarValue>>,
}

/// What a folder of that name says.
pub(crate) fn of_name(name: &str) -> Option<(String, String)> {
    let (key, value) = name.split_once('=')?;
    (!key.is_empty()).then(|| (plain(key), plain(value)))
}

/// The text without `%20` and the like, which other programs write for what they do not want in a name.
fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text
            .get(at + 1..at + 3)
            .filter(|hex| bytes[at] == b'%' && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

impl Folders {
    /// The columns, but for those that the files have themselves. One is of whole numbers if all folders say such, else text.
    ///
    /// # Errors
    /// Files that do not lie in folders of the same names.
    pub(crate) fn of(files: &[FoundFile], in_files: impl Fn(&str) -> bool) -> Result<Self> {
        let Some(first) = files.first() else {
            return Ok(Self::default());
        };
        let keys = |f: &FoundFile| -> Vec<String> {
            f.folders
                .iter()
                .map(|(key, _)| key.clone())
                .filter(|key| !in_files(key))
                .collect()
        };
        let wanted = keys(first);
        if let Some(other) = files.iter().find(|f| keys(f) != wanted) {
            return Err(Error::bad_input(format!(
                "the folders of {} name the columns {:?}, those of {} {:?}: read them as frames of their own and put these \
                 together",
                first.path.display(),
                wanted,
                other.path.display(),
                keys(other)
            )));
        }
        let mut fields = Vec::new();
        let mut values = vec![Vec::new(); files.len()];
        for key in &wanted {
            let texts: Vec<Option<&str>> = files
                .iter()
                .map(|f| {
                    let found = f.folders.iter().find(|(k, _)| k == key);
                    found.map(|(_, v)| v.as_str()).filter(|&v| v != NULL)
                })
                .collect();
            let numbers: Option<Vec<Option<i64>>> = texts
                .iter()
                .map(|t| t.map_or(Some(None), |t| t.parse().ok().map(Some)))
                .collect();
            let numbers = numbers.filter(|n| n.iter().any(Option::is_some));
            let dtype = if numbers.is_some() {
                DataType::Int64
            } else {
                DataType::Utf8
            };
            fields.push(Arc::new(Field::new(key, dtype, true)));
            for (i, values) in values.iter_mut().enumerate() {
                values.push(match &numbers {
                    Some(numbers) => ScalarValue::Int64(numbers[i]),
                    None => ScalarValue::Utf8(texts[i].map(str::to_owned)),
                });
            }
        }
        Ok(Self { fields, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FoundFile {
        let path = PathBuf::from(path);
        let folders = path
            .parent()
            .into_iter()
            .flat_map(|p| p.components())
            .filter_map(|c| of_name(&c.as_os_str().to_string_lossy()))
            .collect();
        FoundFile { path, folders }
    }

    #[test]
    fn numbers_text_and_null() {
        let files = [
            file("y=2023/k=a%20b/1.csv"),
            file("y=2024/k=__HIVE_DEFAULT_PARTITION__/1.csv"),
            // A percent sign before what is no number of two digits is one.
            file("y=2025/k=50%+1/1.csv"),
        ];
        let folders = Folders::of(&files, |_| false).unwrap();
        assert_eq!(
            folders.values[2][1],
            ScalarValue::Utf8(Some("50%+1".into()))
        );
        let types: Vec<_> = folders
            .fields
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        assert_eq!(types, [DataType::Int64, DataType::Utf8]);
        assert_eq!(folders.values[0][0], ScalarValue::Int64(Some(2023)));
        assert_eq!(folders.values[0][1], ScalarValue::Utf8(Some("a b".into())));
        assert_eq!(folders.values[1][1], ScalarValue::Utf8(None));
        let folders = Folders::of(&files, |name| name == "y").unwrap();
        assert_eq!(folders.fields.len(), 1);
        let e = Folders::of(&[file("y=1/a.csv"), file("z=1/a.csv")], |_| false).unwrap_err();
        assert!(e.message().contains("name the columns [\"y\"]"), "{e}");
        assert_eq!(of_name("=x"), None);
        assert_eq!(of_name("a+b=c&d"), Some(("a+b".into(), "c&d".into())));
    }
}

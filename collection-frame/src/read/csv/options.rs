//! How CSV files are written, as a user says it and as it travels with a plan.

use std::path::Path;

use arrow::datatypes::DataType;
use kvern_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{nulls, text};

/// How CSV files are written, and what of their columns is known. The names are those of Polars and pandas.
///
/// ```
/// use kvern_frame::{CsvOptions, DataType};
/// let options = CsvOptions::new()
///     .delimiter(b';')
///     .null_values(["NA", "-"])
///     .column_type("zip", DataType::Utf8);
/// ```
#[derive(Debug, Clone)]
pub struct CsvOptions {
    delimiter: Option<u8>,
    quote: u8,
    header: bool,
    comment: Option<u8>,
    nulls: Vec<String>,
    pub(super) infer_rows: Option<usize>,
    pub(super) types: Vec<(String, DataType)>,
}

/// What of the options is needed to read one file, and travels with the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
    pub(crate) header: bool,
    pub(crate) comment: Option<u8>,
    pub(crate) nulls: Vec<String>,
    /// The delimiter is a tab in files whose ending says so.
    pub(crate) tabs: bool,
}

impl Dialect {
    /// How that file is written.
    pub(super) fn of(&self, path: &Path) -> Self {
        let mut dialect = self.clone();
        if self.tabs && text::is_tabbed(path) {
            dialect.delimiter = b'\t';
        }
        dialect
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: b'"',
            header: true,
            comment: None,
            nulls: nulls::USUAL.iter().map(|&s| s.to_owned()).collect(),
            infer_rows: Some(10_000),
            types: Vec::new(),
        }
    }
}

impl CsvOptions {
    /// Commas (tabs in files that end with `.tsv` or `.tab`), double quotes, a header line, and what pandas takes for missing is null.
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands between fields: one ASCII character.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-delimiter-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, Frame};
    /// std::fs::write(&path, "a;b\n1;2\n")?;
    /// let frame = Frame::read_csv_with(&path, &CsvOptions::new().delimiter(b';'))?;
    /// assert_eq!(frame.columns(), ["a", "b"]);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn delimiter(mut self, byte: u8) -> Self {
        self.delimiter = Some(byte);
        self
    }

    /// What stands around a field that holds delimiters, line ends or quotes; twice within it, it is one.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-quote-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, Frame};
    /// std::fs::write(&path, "a,b\n'1,5',2\n")?;
    /// let frame = Frame::read_csv_with(&path, &CsvOptions::new().quote(b'\''))?;
    /// assert_eq!(frame.count()?.reference()?, 1);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn quote(mut self, byte: u8) -> Self {
        self.quote = byte;
        self
    }

    /// Whether the first line of each file names the columns; if not, they are `column_1`, `column_2`, …
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-header-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, Frame};
    /// std::fs::write(&path, "1,2\n")?;
    /// let frame = Frame::read_csv_with(&path, &CsvOptions::new().header(false))?;
    /// assert_eq!(frame.columns(), ["column_1", "column_2"]);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn header(mut self, yes: bool) -> Self {
        self.header = yes;
        self
    }

    /// Lines that begin with this byte are left out.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-comment-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, Frame};
    /// std::fs::write(&path, "# of today\na,b\n1,2\n")?;
    /// let frame = Frame::read_csv_with(&path, &CsvOptions::new().comment(b'#'))?;
    /// assert_eq!((frame.columns(), frame.count()?.reference()?), (vec!["a".into(), "b".into()], 1));
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn comment(mut self, byte: u8) -> Self {
        self.comment = Some(byte);
        self
    }

    /// Fields that mean null, in place of the usual ones; an empty field always does. The usual ones are those of pandas: `NA`, `N/A`, `n/a`,
    /// `#NA`, `#N/A`, `#N/A N/A`, `<NA>`, `NULL`, `null`, `None`, `NaN`, `nan`, `-NaN`, `-nan`, `1.#IND`, `-1.#IND`, `1.#QNAN` and `-1.#QNAN`.
    /// Where `NaN` is not among them, it is the number that is none.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-nulls-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, Frame};
    /// std::fs::write(&path, "a,b\n-,NA\n1,2\n")?;
    /// let frame = Frame::read_csv_with(&path, &CsvOptions::new().null_values(["-"]))?;
    /// use kvern_frame::col;
    /// assert_eq!(frame.filter(col("a").is_null())?.count()?.reference()?, 1);
    /// assert_eq!(frame.filter(col("b").is_null())?.count()?.reference()?, 0); // the text "NA"
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn null_values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.nulls = values.into_iter().map(Into::into).collect();
        self
    }

    /// From how many rows of each file the types of its columns are found: 10,000 unless said. `None`: from all of them, which reads
    /// the files twice.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-infer-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, Frame};
    /// std::fs::write(&path, "a\n1\n2.5\n")?;
    /// let frame = Frame::read_csv_with(&path, &CsvOptions::new().infer_rows(None))?;
    /// assert_eq!(frame.schema().field(0).data_type(), &kvern_frame::DataType::Float64);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn infer_rows(mut self, rows: Option<usize>) -> Self {
        self.infer_rows = rows;
        self
    }

    /// Sets the type of a column instead of finding it. A value that it does not hold as it is written is an error, but for floats, which
    /// are the nearest.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-type-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, Frame};
    /// std::fs::write(&path, "zip\n00501\n")?;
    /// let frame = Frame::read_csv_with(&path, &CsvOptions::new().column_type("zip", kvern_frame::DataType::Utf8))?;
    /// assert_eq!(frame.schema().field(0).data_type(), &kvern_frame::DataType::Utf8);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn column_type(mut self, name: impl Into<String>, dtype: DataType) -> Self {
        self.types.push((name.into(), dtype));
        self
    }

    /// How the files are written.
    ///
    /// # Errors
    /// Bytes that are no single characters, or not different.
    pub(super) fn dialect(&self) -> Result<Dialect> {
        let d = Dialect {
            delimiter: self.delimiter.unwrap_or(b','),
            quote: self.quote,
            header: self.header,
            comment: self.comment,
            nulls: self.nulls.clone(),
            tabs: self.delimiter.is_none(),
        };
        let used = [
            ("delimiter", Some(d.delimiter)),
            ("quote", Some(d.quote)),
            ("comment", d.comment),
        ];
        for (i, (what, byte)) in used.iter().enumerate() {
            let Some(byte) = *byte else { continue };
            if !byte.is_ascii() || byte == b'\n' || byte == b'\r' {
                return Err(Error::bad_input(format!(
                    "the {what} is the byte {byte:#04x}: it must be one ASCII character, and no line end"
                )));
            }
            if let Some((other, _)) = used[..i].iter().find(|(_, b)| *b == Some(byte)) {
                return Err(Error::bad_input(format!(
                    "the {what} and the {other} are both {:?}",
                    char::from(byte)
                )));
            }
        }
        Ok(d)
    }
}

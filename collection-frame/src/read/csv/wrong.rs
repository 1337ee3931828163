//! What can be wrong with CSV text, and the words for it: file, line, column, value, and what may be done.

use std::io::{BufReader, Read};
use std::path::Path;

use arrow::datatypes::DataType;
use kvern_core::{Error, ErrorKind};

use super::text;
use crate::error::io;

/// What is wrong, at which place of the text.
#[derive(Debug)]
pub(super) enum Wrong {
    Io(std::io::Error),
    OpenQuote {
        place: u64,
    },
    Ragged {
        place: u64,
        got: usize,
        want: usize,
    },
    TooLong {
        place: u64,
    },
    NotUtf8 {
        place: u64,
        byte: u8,
    },
    Value {
        place: u64,
        value: String,
        column: String,
        dtype: DataType,
        why: Why,
    },
    /// Columns that cannot be made of such text at all.
    Type(Error),
}

/// Why a value does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not of that kind.
    Kind,
    /// It has a time of day.
    Time,
    /// It has smaller parts of a second.
    Parts,
    /// It has a zone, the column has none.
    Zone,
    /// It has no zone, the others have.
    NoZone,
    /// The nearest float is another number.
    Rounds,
}

impl Wrong {
    /// The error, for the file in which it was found.
    pub(super) fn error(self, path: &Path) -> Error {
        let at = |place| format!("{}: line {}", path.display(), line(path, place));
        let words = match self {
            Self::Io(e) => return io(path, "it cannot be read", e),
            Self::Type(e) => return e,
            Self::OpenQuote { place } => format!(
                "{}: a quote is opened and never closed: all that follows would be one value",
                at(place)
            ),
            Self::Ragged { place, got, want } => format!(
                "{}: incorrect number of fields: {got}, where the lines before have {want}",
                at(place)
            ),
            Self::TooLong { place } => format!(
                "{}: a record of more than 256 MiB begins here: is a quote opened and not closed?",
                at(place)
            ),
            Self::NotUtf8 { place, byte } => format!(
                "{}: the byte {byte:#04x} is no UTF-8 text: if the file is in latin-1, UTF-16 or another encoding, \
                 save it as UTF-8",
                at(place)
            ),
            Self::Value {
                place,
                value,
                column,
                dtype,
                why,
            } => format!(
                "{}: '{}' does not fit column {column:?}, whose type is {dtype}: {}",
                at(place),
                short(&value),
                why.words(&dtype)
            ),
        };
        Error::new(ErrorKind::Decode, words)
    }
}

impl Why {
    fn words(self, dtype: &DataType) -> &'static str {
        match self {
            Self::Kind if dtype.is_temporal() => {
                "look at more rows to find the type (infer_rows), set it (column_type, Utf8 keeps what is written), \
                 or say that it means null (null_values)"
            }
            Self::Kind => {
                "look at more rows to find the type (infer_rows), set it (column_type), or say that it means null \
                 (null_values)"
            }
            Self::Time => {
                "it has a time of day, which would be cut: look at more rows to find the type (infer_rows), or set it \
                 (column_type with a Timestamp)"
            }
            Self::Parts => {
                "it has smaller parts of a second, which would be cut: set a finer type (column_type with a Timestamp in \
                 microseconds or nanoseconds)"
            }
            Self::Zone => {
                "it has a zone, which would be dropped: look at more rows to find the type (infer_rows), or set it \
                 (column_type with a Timestamp of a zone)"
            }
            Self::NoZone => {
                "it has no zone and values before it have one: set the type (column_type with a Timestamp of the zone that \
                 is meant, or Utf8)"
            }
            Self::Rounds => {
                "the nearest float is another number: set the type (column_type: Int64 or Decimal128 keep it, Float64 \
                 rounds it)"
            }
        }
    }
}

/// The beginning of a long value.
pub(super) fn short(value: &str) -> String {
    const SHOWN: usize = 60;
    if value.chars().count() <= SHOWN {
        return value.to_owned();
    }
    let mut shown: String = value.chars().take(SHOWN).collect();
    shown.push('…');
    shown
}

/// The number of the line in which a place of the file is, as editors count: from 1, ends of lines within quotes too.
pub(super) fn line(path: &Path, place: u64) -> u64 {
    let Ok(reader) = text::plain(path) else {
        return 1;
    };
    let mut reader = BufReader::with_capacity(1 << 20, reader.take(place));
    let mut lines = 1;
    let mut before = 0u8;
    loop {
        use std::io::BufRead;
        let Ok(buffer) = reader.fill_buf() else {
            return lines;
        };
        if buffer.is_empty() {
            return lines;
        }
        for &byte in buffer {
            // The second of the two bytes of a line end counts for both.
            lines += u64::from(byte == b'\r' || (byte == b'\n' && before != b'\r'));
            before = byte;
        }
        let all = buffer.len();
        reader.consume(all);
    }
}

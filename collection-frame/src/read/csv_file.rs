//! One CSV file: its bytes, packed or not, whole or a range of its lines, and what an error says of where in it something is wrong.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use arrow::error::ArrowError;
use flate2::read::MultiGzDecoder;
use kvern_core::{Error, ErrorKind, Result};

use crate::error::io;

const BUFFER: usize = 1 << 20;

/// Whether the file is packed with gzip, by its name.
pub(super) fn is_gz(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

/// The text of a file from its beginning.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).map_err(|e| io(path, "it cannot be opened", e))?;
    Ok(if is_gz(path) {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file)))
    } else {
        Box::new(file)
    })
}

/// The lines of a file that begin within `[start, end)`.
pub(super) fn lines(path: &Path, start: u64, end: u64) -> std::io::Result<Lines> {
    let mut reader = BufReader::with_capacity(BUFFER, File::open(path)?);
    let mut at = start;
    if start > 0 {
        // The line that begins before `start` is another's; one that begins right there is ours.
        reader.seek(SeekFrom::Start(start - 1))?;
        at = start - 1 + skip_line(&mut reader)?;
    }
    Ok(Lines { reader, at, end })
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<u64> {
    let mut n = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(n);
        }
        match buffer.iter().position(|&b| b == b'\n') {
            Some(i) => {
                reader.consume(i + 1);
                return Ok(n + i as u64 + 1);
            }
            None => {
                let all = buffer.len();
                reader.consume(all);
                n += all as u64;
            }
        }
    }
}

/// A reader of whole lines, which ends after the line that holds byte `end - 1`.
pub(super) struct Lines {
    reader: BufReader<File>,
    at: u64,
    end: u64,
}

impl Lines {
    /// Where the first line begins.
    pub(super) fn start(&self) -> u64 {
        self.at
    }
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at >= self.end || out.is_empty() {
            return Ok(0);
        }
        let buffer = self.reader.fill_buf()?;
        let n = buffer.len().min(out.len());
        let sure = (self.end - self.at).saturating_sub(1);
        // Up to the last byte of the range everything is ours; from there on to the end of that line.
        let n = if (n as u64) <= sure {
            n
        } else {
            let from = sure as usize;
            match buffer[from..n].iter().position(|&b| b == b'\n') {
                Some(i) => {
                    self.end = self.at + (from + i + 1) as u64;
                    from + i + 1
                }
                None => {
                    // The line goes on: the end moves with it.
                    self.end = self.at + n as u64 + 1;
                    n
                }
            }
        };
        out[..n].copy_from_slice(&buffer[..n]);
        self.reader.consume(n);
        self.at += n as u64;
        Ok(n)
    }
}

/// How many line ends there are before a place in a file.
pub(super) fn lines_before(path: &Path, place: u64) -> u64 {
    let Ok(file) = File::open(path) else { return 0 };
    let mut reader = BufReader::with_capacity(BUFFER, file.take(place));
    let mut n = 0;
    while let Ok(buffer) = reader.fill_buf() {
        if buffer.is_empty() {
            break;
        }
        n += buffer.iter().filter(|&&b| b == b'\n').count() as u64;
        let all = buffer.len();
        reader.consume(all);
    }
    n
}

/// What is wrong with a file. Arrow counts lines from where it began to read: `before` are the lines ahead of that. `columns` are the
/// names of the columns.
pub(super) fn error(path: &Path, before: u64, columns: &[String], e: ArrowError) -> Error {
    let shown = path.display();
    let words = match &e {
        ArrowError::ParseError(words) => value_error(words, before, columns),
        ArrowError::CsvError(words) => ragged(words, before),
        ArrowError::IoError(words, _) => {
            return Error::with_source(ErrorKind::Io, format!("{shown}: {words}"), e);
        }
        _ => None,
    };
    let words = words.unwrap_or_else(|| e.to_string());
    Error::with_source(ErrorKind::Decode, format!("{shown}: {words}"), e)
}

/// `… value 'x' as type 'Int64' for column 3 at line 17. Row data: …`, with the right line and the column's name.
fn value_error(words: &str, before: u64, columns: &[String]) -> Option<String> {
    let (head, _) = words.split_once(". Row data:").unwrap_or((words, ""));
    let (head, rest) = head.rsplit_once(" at line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let line: u64 = digits.parse().ok()?;
    let (value, column) = head.rsplit_once("column ")?;
    let name = column
        .trim()
        .parse::<usize>()
        .ok()
        .and_then(|i| columns.get(i));
    let name = name.map_or_else(|| format!("number {column}"), |n| format!("{n:?}"));
    // It counts from 0 here, and from 1 where a row is ragged.
    let line = before + line + 1;
    let fits = value
        .strip_prefix("Error while parsing value ")
        .and_then(|v| v.strip_suffix(" for "))
        .and_then(|v| v.rsplit_once(" as type "));
    Some(match fits {
        Some((value, dtype)) => format!(
            "line {line}: {value} does not fit column {name}, whose type is {}: look at more rows to find the type \
             (infer_rows), set it (column_type), or say that it means null (null_values)",
            dtype.trim_matches('\'')
        ),
        None => format!(
            "line {line}: column {name}: {}",
            rest.trim_start_matches(&digits)
                .trim_start_matches([':', ' '])
        ),
    })
}

/// `… for line 17, expected 3 got 2`, with the right line.
fn ragged(words: &str, before: u64) -> Option<String> {
    let (what, rest) = words.rsplit_once(" line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let line: u64 = digits.parse().ok()?;
    let rest = &rest[digits.len()..];
    let what = what.trim_end_matches(" for").trim_end_matches(" at");
    Some(format!("line {}: {what}{rest}", before + line))
}

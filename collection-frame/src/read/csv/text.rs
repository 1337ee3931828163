//! One CSV file as text: packed or not, whole or a range of it, without the mark that some programs put before UTF-8.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use flate2::bufread::GzDecoder;
use kvern_core::{Error, ErrorKind, Result};

use crate::error::io;

const BUFFER: usize = 1 << 20;

/// The mark of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// What files begin with that are no text, and what they are then.
const OTHER: &[(&[u8], &str)] = &[
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
    (
        b"\x28\xb5\x2f\xfd",
        "packed with zstd: kvern unpacks CSV that is packed with gzip",
    ),
    (
        b"BZh",
        "packed with bzip2: kvern unpacks CSV that is packed with gzip",
    ),
    (
        b"\xfd7zXZ\0",
        "packed with xz: kvern unpacks CSV that is packed with gzip",
    ),
    (
        b"PK\x03\x04",
        "a zip archive (or a spreadsheet): take the CSV file out of it",
    ),
    (b"PAR1", "a Parquet file: read_parquet reads it"),
    (GZIP, "packed with gzip: its name must end with .gz"),
];

/// What gzip files begin with.
const GZIP: &[u8] = b"\x1f\x8b";

/// Whether the file is packed with gzip, by its name.
pub(super) fn is_gz(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

/// Whether its fields stand between tabs, by its name.
pub(super) fn is_tabbed(path: &Path) -> bool {
    let stem = if is_gz(path) {
        path.with_extension("")
    } else {
        path.to_path_buf()
    };
    stem.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("tsv") || e.eq_ignore_ascii_case("tab"))
}

/// The text of a file, and the place at which it begins: after a mark.
///
/// # Errors
/// [`ErrorKind::Io`]; [`ErrorKind::Decode`] where it is no text.
pub(super) fn open(path: &Path) -> Result<(Box<dyn Read + Send>, u64)> {
    let mut reader = plain(path)?;
    let mut start = Vec::new();
    let first = reader.by_ref().take(8).read_to_end(&mut start);
    first.map_err(|e| io(path, "it cannot be read", e))?;
    if let Some((_, what)) = OTHER.iter().find(|(mark, _)| start.starts_with(mark)) {
        let words = format!("{} is {what}", path.display());
        return Err(Error::new(ErrorKind::Decode, words));
    }
    let place = if start.starts_with(MARK) {
        MARK.len()
    } else {
        0
    };
    let start = std::io::Cursor::new(start.split_off(place));
    Ok((Box::new(start.chain(reader)), place as u64))
}

/// Its bytes, unpacked.
///
/// # Errors
/// [`ErrorKind::Io`]; [`ErrorKind::Decode`] for another file whose name ends with `.gz`.
pub(super) fn plain(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).map_err(|e| io(path, "it cannot be opened", e))?;
    if !is_gz(path) {
        return Ok(Box::new(file));
    }
    let mut packed = BufReader::with_capacity(BUFFER, file);
    let begin = packed.fill_buf();
    let begin = begin.map_err(|e| io(path, "it cannot be read", e))?;
    if !begin.iter().zip(GZIP).all(|(a, b)| a == b) {
        let words = format!(
            "{} is no gzip file, though its name ends with .gz: it begins with \"{}\" and not with 1f 8b; give it a name without .gz",
            path.display(),
            begin[..begin.len().min(8)].escape_ascii()
        );
        return Err(Error::new(ErrorKind::Decode, words));
    }
    Ok(Box::new(Members(Some(GzDecoder::new(packed)))))
}

/// The members of a file that is packed with gzip, one after the other; nothing once it has ended. Zeros behind a member are passed over, as gzip
/// itself does: tapes and some programs fill blocks with them.
struct Members(Option<GzDecoder<BufReader<File>>>);

impl Read for Members {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let n = member.read(buf)?;
            if n > 0 || buf.is_empty() {
                return Ok(n);
            }
            let rest = self.0.take().map(GzDecoder::into_inner);
            let Some(mut rest) = rest else { break };
            if without_zeros(&mut rest)? {
                self.0 = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Passes over zeros. False: nothing comes after them.
fn without_zeros(rest: &mut BufReader<File>) -> std::io::Result<bool> {
    loop {
        let have = rest.fill_buf()?;
        if have.is_empty() {
            return Ok(false);
        }
        let zeros = have.iter().take_while(|b| **b == 0).count();
        let all = zeros == have.len();
        rest.consume(zeros);
        if !all {
            return Ok(true);
        }
    }
}

/// The bytes `[start, end)` of a file that is not packed.
pub(super) fn range(path: &Path, start: u64, end: u64) -> std::io::Result<Take<File>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(file.take(end.saturating_sub(start)))
}

//! Where a file may be cut: at ends of records, which only those know who have read all quotes before.
//!
//! A file is looked through once for quotes, at the speed of memory where there are none, and what was found is kept as long as the file does
//! not change: how many readers there are is then a matter of picking from the same places.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use kvern_core::Result;
use memchr::memchr;

use super::options::Dialect;
use super::records::Rules;
use super::text::MARK;
use super::wrong::Wrong;

/// A cut is looked for in each piece of this size: files that are worth cutting have some for every reader.
const PIECE: u64 = 256 << 10;
/// How many files are remembered.
const KEPT: usize = 64;

/// What is remembered of a file that has not been written for so long.
const SETTLED: Duration = Duration::from_secs(2);

/// Ends of records, in ascending order: at most one a piece.
pub(super) type Cuts = Arc<Vec<u64>>;

/// What is known of a file.
struct Known {
    path: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
    dialect: (u8, u8, Option<u8>),
    cuts: Cuts,
}

static KNOWN: Mutex<VecDeque<Known>> = Mutex::new(VecDeque::new());

/// Where a file that is not packed may be cut.
///
/// # Errors
/// It cannot be read; a quote in it is never closed.
pub(super) fn of_file(path: &Path, dialect: &Dialect, threads: usize) -> Result<Cuts> {
    let io = |e| crate::error::io(path, "it cannot be read", e);
    let meta = std::fs::metadata(path).map_err(io)?;
    let (size, modified) = (meta.len(), meta.modified().ok());
    let short = (dialect.delimiter, dialect.quote, dialect.comment);
    let is = |k: &Known| {
        k.path == path && k.size == size && k.modified == modified && k.dialect == short
    };
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known().iter().find(|k| is(k)) {
        return Ok(found.cuts.clone());
    }
    let cuts = find(path, &Rules::new(dialect), size, PIECE, threads);
    let cuts = Arc::new(cuts.map_err(|e| e.error(path))?);
    // One that was just written may be written again in the same tick of the clock, to the same size.
    let settled = modified.and_then(|m| m.elapsed().ok());
    if settled.is_none_or(|age| age < SETTLED) {
        return Ok(cuts);
    }
    let mut all = known();
    all.retain(|k| k.path != path || k.dialect != short);
    if all.len() >= KEPT {
        all.pop_front();
    }
    all.push_back(Known {
        path: path.to_owned(),
        size,
        modified,
        dialect: short,
        cuts: cuts.clone(),
    });
    Ok(cuts)
}

/// Looks the file through in pieces of that size.
pub(super) fn find(
    path: &Path,
    rules: &Rules,
    size: u64,
    piece: u64,
    threads: usize,
) -> Result<Vec<u64>, Wrong> {
    // A mark of UTF-8 is no part of the first field.
    let base = mark(path).map_err(Wrong::Io)?;
    let count = size.saturating_sub(base).div_ceil(piece) as usize;
    let mut looks = vec![Look::default(); count];
    let share = count.div_ceil(threads.clamp(1, 16)).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = looks
            .chunks_mut(share)
            .enumerate()
            .map(|(i, looks)| {
                let start = base + (i * share) as u64 * piece;
                scope.spawn(move || look_through(path, rules, start, piece, looks))
            })
            .collect();
        workers.into_iter().try_for_each(|w| {
            w.join()
                .unwrap_or_else(|_| Err(std::io::Error::other("a thread that read it failed")))
        })
    })
    .map_err(Wrong::Io)?;
    let mut at = At::Record;
    let mut cuts = Vec::new();
    let mut file = None;
    let mut bytes = Vec::new();
    for (i, look) in looks.iter().enumerate() {
        let place = base + i as u64 * piece;
        if !look.quotes && rules.comment().is_none() {
            if !matches!(at, At::Quoted(_)) {
                cuts.extend(look.line);
                at = At::after(rules, look.last);
            }
            continue;
        }
        // One after the other: what a quote means depends on all before.
        let file = match &mut file {
            Some(file) => file,
            none => none.insert(File::open(path).map_err(Wrong::Io)?),
        };
        bytes.clear();
        file.seek(SeekFrom::Start(place)).map_err(Wrong::Io)?;
        let read = file.take(piece).read_to_end(&mut bytes);
        read.map_err(Wrong::Io)?;
        cuts.extend(match rules.comment() {
            None => at.over(rules, &bytes, place),
            Some(comment) => at.byte_by_byte(rules, comment, &bytes, place),
        });
    }
    match at {
        At::Quoted(place) => Err(Wrong::OpenQuote { place }),
        _ => Ok(cuts),
    }
}

/// How long the mark is with which the file begins.
fn mark(path: &Path) -> std::io::Result<u64> {
    let mut start = Vec::new();
    let mut file = File::open(path)?.take(MARK.len() as u64);
    file.read_to_end(&mut start)?;
    Ok(if start == MARK { MARK.len() as u64 } else { 0 })
}

/// What a piece looks like by itself.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    quotes: bool,
    /// After its first line end.
    line: Option<u64>,
    last: u8,
}

fn look_through(
    path: &Path,
    rules: &Rules,
    start: u64,
    piece: u64,
    looks: &mut [Look],
) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![0; piece as usize];
    let mut place = start;
    for look in looks {
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let bytes = &bytes[..filled];
        *look = Look {
            quotes: memchr(rules.quote(), bytes).is_some(),
            line: memchr(b'\n', bytes).map(|n| place + n as u64 + 1),
            last: bytes.last().copied().unwrap_or_default(),
        };
        place += filled as u64;
    }
    Ok(())
}

/// What a place is in, by the bytes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The beginning of a line, of a record or none.
    Record,
    /// The beginning of a field.
    Start,
    /// A field, so that a quote means itself.
    Field,
    /// A field that was opened by the quote there.
    Quoted(u64),
    /// After a quote in such a field, which closes it unless another follows.
    Quote(u64),
    Comment,
}

impl At {
    /// Outside of quotes and comments, after that byte.
    fn after(rules: &Rules, byte: u8) -> Self {
        match byte {
            b'\n' | b'\r' => Self::Record,
            b if rules.ends(b) => Self::Start,
            _ => Self::Field,
        }
    }

    /// Goes over those bytes from quote to quote, where there are no comments. Says where the first record ends.
    fn over(&mut self, rules: &Rules, bytes: &[u8], place: u64) -> Option<u64> {
        let mut cut = None;
        let mut from = 0;
        if let (Self::Quote(open), Some(&first)) = (*self, bytes.first()) {
            if first == rules.quote() {
                *self = Self::Quoted(open);
                from = 1;
            } else {
                *self = Self::Field;
            }
        }
        loop {
            let quote = memchr(rules.quote(), &bytes[from..]).map(|n| from + n);
            if let Self::Quoted(open) = *self {
                let Some(quote) = quote else { return cut };
                from = quote + 1;
                match bytes.get(from) {
                    None => {
                        *self = Self::Quote(open);
                        return cut;
                    }
                    Some(&b) if b == rules.quote() => from += 1,
                    Some(_) => *self = Self::Field,
                }
                continue;
            }
            let end = quote.unwrap_or(bytes.len());
            if cut.is_none() {
                let line = memchr(b'\n', &bytes[from..end]);
                cut = line.map(|n| place + (from + n) as u64 + 1);
            }
            if end > from {
                *self = Self::after(rules, bytes[end - 1]);
            }
            let Some(quote) = quote else { return cut };
            *self = match *self {
                Self::Record | Self::Start => Self::Quoted(place + quote as u64),
                _ => Self::Field,
            };
            from = quote + 1;
        }
    }

    /// The same where lines may be comments.
    fn byte_by_byte(
        &mut self,
        rules: &Rules,
        comment: u8,
        bytes: &[u8],
        place: u64,
    ) -> Option<u64> {
        let mut cut = None;
        for (i, &byte) in bytes.iter().enumerate() {
            let here = place + i as u64;
            let line_end = byte == b'\n' || byte == b'\r';
            *self = match *self {
                Self::Comment if line_end => Self::Record,
                Self::Comment => Self::Comment,
                Self::Record if byte == comment => Self::Comment,
                Self::Record | Self::Start if byte == rules.quote() => Self::Quoted(here),
                Self::Quoted(open) if byte == rules.quote() => Self::Quote(open),
                Self::Quoted(open) => Self::Quoted(open),
                Self::Quote(open) if byte == rules.quote() => Self::Quoted(open),
                _ => Self::after(rules, byte),
            };
            if cut.is_none() && byte == b'\n' && *self == Self::Record {
                cut = Some(here + 1);
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn rules(comment: Option<u8>) -> Rules {
        Rules::new(&Dialect {
            delimiter: b',',
            quote: b'"',
            header: true,
            comment,
            nulls: Vec::new(),
            tabs: false,
        })
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    /// Every end of a record that the plain way sees.
    fn all(text: &str, comment: u8) -> Vec<u64> {
        let mut at = At::Record;
        let rules = rules(Some(comment));
        let bytes = text.as_bytes();
        (0..bytes.len())
            .filter_map(|i| at.byte_by_byte(&rules, comment, &bytes[i..=i], i as u64))
            .collect()
    }

    #[test]
    fn quotes_are_followed_over_every_border_of_pieces() {
        for text in [
            "a,b\n1,\"x\ny\"\n2,\"\"\"\n\"\"\"\n3,5\" disk\n\"q\"z\"\n\"\",1\n",
            "\"a\",\"b\"\r\n\"1\",\"x,\r\ny\"\r\n,\"\"\r\n",
            "\"\"\"\"\"\"\n\"\"\n\n\"\n\n\"",
            "plain,text\nwithout,any\nof,them\n",
        ] {
            let path = file(text);
            // No comment begins with this byte.
            let want = all(text, 0);
            for piece in 1..=text.len() as u64 + 1 {
                let cuts =
                    |rules: Rules| find(path.path(), &rules, text.len() as u64, piece, 3).unwrap();
                let got = cuts(rules(None));
                assert_eq!(got, cuts(rules(Some(0))), "{text:?} {piece}");
                assert!(
                    got.iter().all(|c| want.contains(c)),
                    "{text:?} {piece}: {got:?}"
                );
                // The first one of each piece.
                let first: Vec<u64> = (0..(text.len() as u64).div_ceil(piece))
                    .filter_map(|i| {
                        let (a, b) = (i * piece, (i + 1) * piece);
                        want.iter().copied().find(|&c| c > a && c <= b)
                    })
                    .collect();
                assert_eq!(got, first, "{text:?} {piece}");
            }
        }
    }

    #[test]
    fn an_open_quote_is_told_with_its_place() {
        for text in ["a\n\"b\n", "a\n\"b\"\"", "a\n\"b\"\"\nc,\n"] {
            let path = file(text);
            for piece in 1..12 {
                let e = find(path.path(), &rules(None), text.len() as u64, piece, 2).unwrap_err();
                assert!(matches!(e, Wrong::OpenQuote { place: 2 }), "{e:?}");
            }
        }
        let closed = file("a\n\"b\"");
        assert!(find(closed.path(), &rules(None), 5, 2, 2).is_ok());
    }

    #[test]
    fn quotes_in_comments_are_none() {
        let text = "a,b\n# it's \"\n1,\"#\n\"\n#,\"\r2,3\n";
        let path = file(text);
        for piece in 1..12 {
            let got = find(path.path(), &rules(Some(b'#')), text.len() as u64, piece, 2).unwrap();
            assert!(
                got.iter().all(|c| [4, 13, 20, 28].contains(c)),
                "{piece}: {got:?}"
            );
        }
    }
}

//! Where the fields of CSV text begin and end, by the rules of Python's `csv`: a quote opens a field only at its beginning, stands twice for
//! itself within one, and what follows the closing quote up to the delimiter belongs to the field. A line ends with `\n`, `\r\n` or `\r`; one
//! that is empty or a comment is no record.

use std::borrow::Cow;
use std::io::Read;

use memchr::{memchr, memchr2};

use super::options::Dialect;
use super::wrong::Wrong;

/// How much is read at once, to begin with.
const WINDOW: usize = 1 << 20;
/// A batch ends after so many bytes, however few rows it has: wide records would make it huge.
const BATCH: usize = 4 << 20;
/// The largest record. More than that is a quote that nobody closed.
const LONGEST: usize = 256 << 20;

/// What the bytes mean.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    delimiter: u8,
    quote: u8,
    comment: Option<u8>,
    /// Whether a byte ends a field that is not quoted.
    ends: [bool; 256],
}

impl Rules {
    pub(super) fn new(dialect: &Dialect) -> Self {
        let mut ends = [false; 256];
        for byte in [dialect.delimiter, b'\n', b'\r'] {
            ends[usize::from(byte)] = true;
        }
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            comment: dialect.comment,
            ends,
        }
    }

    pub(super) fn quote(&self) -> u8 {
        self.quote
    }

    pub(super) fn comment(&self) -> Option<u8> {
        self.comment
    }

    /// Whether a byte ends a field that is not quoted.
    #[inline]
    pub(super) fn ends(&self, byte: u8) -> bool {
        self.ends[usize::from(byte)]
    }
}

/// A field: bytes of the batch's text. Where [`RAW`] is set they are to be read as they were written, with their quotes.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

const RAW: u32 = 1 << 31;

/// The records of a text, batch by batch.
pub(super) struct Records<R> {
    reader: R,
    rules: Rules,
    /// The window: bytes `..filled` were read, those before `first` are of no interest any more.
    window: Vec<u8>,
    filled: usize,
    first: usize,
    /// Where the next record begins, from `first`.
    next: usize,
    /// The place in the text of `window[0]`.
    base: u64,
    ended: bool,
    /// How many fields a record has; the first one decides unless it is said.
    width: Option<usize>,
    spans: Vec<Span>,
    rows: usize,
}

enum Step {
    /// A record, up to there.
    Record(usize),
    /// It cannot be told without more bytes.
    More,
    /// There is none any more.
    End,
}

impl<R: Read> Records<R> {
    /// The records of what the reader gives, whose first byte is at that place of the text.
    pub(super) fn new(reader: R, rules: Rules, place: u64, width: Option<usize>) -> Self {
        Self {
            reader,
            rules,
            window: Vec::new(),
            filled: 0,
            first: 0,
            next: 0,
            base: place,
            ended: false,
            width,
            spans: Vec::new(),
            rows: 0,
        }
    }

    /// The next records, `most` of them at most.
    pub(super) fn batch(&mut self, most: usize) -> Result<Option<Batch<'_>>, Wrong> {
        self.first += self.next;
        self.next = 0;
        self.spans.clear();
        self.rows = 0;
        while self.rows < most {
            match self.record()? {
                Step::Record(end) => {
                    self.rows += 1;
                    self.next = end;
                    if end >= BATCH {
                        break;
                    }
                }
                Step::End => break,
                Step::More => {
                    self.fill()?;
                }
            }
        }
        if self.rows == 0 {
            return Ok(None);
        }
        let bytes = &self.window[self.first..self.first + self.next];
        let base = self.base + self.first as u64;
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let at = e.valid_up_to();
            Wrong::NotUtf8 {
                place: base + at as u64,
                byte: bytes.get(at).copied().unwrap_or_default(),
            }
        })?;
        Ok(Some(Batch {
            text,
            spans: &self.spans,
            width: self.width.unwrap_or(0),
            rows: self.rows,
            quote: self.rules.quote,
            base,
        }))
    }

    /// Reads on, after making room.
    fn fill(&mut self) -> Result<(), Wrong> {
        if self.first > 0 {
            self.window.copy_within(self.first..self.filled, 0);
            self.filled -= self.first;
            self.base += self.first as u64;
            self.first = 0;
        }
        if self.filled == self.window.len() {
            if self.filled - self.next > LONGEST {
                let place = self.base + self.next as u64;
                return Err(Wrong::TooLong { place });
            }
            let room = (self.window.len() * 2).max(WINDOW);
            self.window.resize(room, 0);
        }
        loop {
            match self.reader.read(&mut self.window[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Wrong::Io(e)),
            }
            return Ok(());
        }
    }

    /// Finds the fields of the next record.
    fn record(&mut self) -> Result<Step, Wrong> {
        let data = &self.window[self.first..self.filled];
        let place = self.base + self.first as u64;
        let mut at = self.next;
        // What is no record.
        loop {
            let Some(&byte) = data.get(at) else {
                self.next = at;
                return Ok(if self.ended { Step::End } else { Step::More });
            };
            if byte == b'\n' || byte == b'\r' {
                at += 1;
            } else if Some(byte) == self.rules.comment {
                let Some(n) = memchr2(b'\n', b'\r', &data[at..]) else {
                    if !self.ended {
                        return Ok(Step::More);
                    }
                    self.next = data.len();
                    return Ok(Step::End);
                };
                at += n + 1;
            } else {
                break;
            }
        }
        self.next = at;
        let before = self.spans.len();
        match fields(&self.rules, data, at, self.ended, &mut self.spans) {
            Ok(Some(end)) => {
                let got = self.spans.len() - before;
                let want = *self.width.get_or_insert(got);
                if got != want {
                    let place = place + at as u64;
                    return Err(Wrong::Ragged { place, got, want });
                }
                Ok(Step::Record(end))
            }
            Ok(None) => {
                self.spans.truncate(before);
                Ok(Step::More)
            }
            Err(open) => Err(Wrong::OpenQuote {
                place: place + open as u64,
            }),
        }
    }
}

/// The fields of the record that begins at `at`, and where it ends; `None` if the data end before it does. The error is where a quote was
/// opened that is never closed.
fn fields(
    rules: &Rules,
    data: &[u8],
    mut at: usize,
    ended: bool,
    spans: &mut Vec<Span>,
) -> Result<Option<usize>, usize> {
    loop {
        let start = at;
        if data.get(at) == Some(&rules.quote) {
            let Some((close, mut raw)) = closing(rules.quote, data, start) else {
                return if ended { Err(start) } else { Ok(None) };
            };
            at = close + 1;
            if at == data.len() && !ended {
                // Another quote may follow.
                return Ok(None);
            }
            // What follows the closing quote belongs to the field.
            while at < data.len() && !rules.ends(data[at]) {
                raw = true;
                at += 1;
            }
            spans.push(if raw {
                Span {
                    start: start as u32,
                    end: at as u32 | RAW,
                }
            } else {
                Span {
                    start: start as u32 + 1,
                    end: close as u32,
                }
            });
        } else {
            while at < data.len() && !rules.ends(data[at]) {
                at += 1;
            }
            spans.push(Span {
                start: start as u32,
                end: at as u32,
            });
        }
        match data.get(at) {
            None if ended => return Ok(Some(at)),
            None => return Ok(None),
            Some(&byte) if byte == rules.delimiter => at += 1,
            Some(_) => return Ok(Some(at + 1)),
        }
    }
}

/// Where the quote is that closes the one at `open`, and whether there are doubled ones between. `None` if it is not in the data.
fn closing(quote: u8, data: &[u8], open: usize) -> Option<(usize, bool)> {
    let mut at = open + 1;
    let mut doubled = false;
    loop {
        at += memchr(quote, data.get(at..)?)?;
        if data.get(at + 1) != Some(&quote) {
            return Some((at, doubled));
        }
        doubled = true;
        at += 2;
    }
}

/// Some records.
pub(super) struct Batch<'a> {
    text: &'a str,
    spans: &'a [Span],
    width: usize,
    rows: usize,
    quote: u8,
    base: u64,
}

impl<'a> Batch<'a> {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many fields each has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// What a field says.
    #[inline]
    pub(super) fn field(&self, row: usize, column: usize) -> Cow<'a, str> {
        let span = self.spans[row * self.width + column];
        let start = span.start as usize;
        if span.end & RAW == 0 {
            return Cow::Borrowed(&self.text[start..span.end as usize]);
        }
        let raw = &self.text[start..(span.end & !RAW) as usize];
        Cow::Owned(unquoted(raw, char::from(self.quote)))
    }

    /// Where in the text the field begins.
    pub(super) fn place(&self, row: usize, column: usize) -> u64 {
        self.base + u64::from(self.spans[row * self.width + column].start)
    }
}

/// The value of a field that begins with a quote.
fn unquoted(raw: &str, quote: char) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut rest = &raw[1..];
    while let Some((before, after)) = rest.split_once(quote) {
        value.push_str(before);
        match after.strip_prefix(quote) {
            Some(after) => {
                value.push(quote);
                rest = after;
            }
            None => {
                rest = after;
                break;
            }
        }
    }
    value.push_str(rest);
    value
}

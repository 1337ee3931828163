//! How the text of a file is encoded, and what ends its lines.

use std::io::{self, Read};

use kvern_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// How text is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encoding {
    /// What the byte order mark at the beginning of the file says, and UTF-8 where there is none.
    #[default]
    Auto,
    /// UTF-8. A byte order mark at the beginning is no part of the text.
    Utf8,
    /// UTF-16, the low byte first. A byte order mark at the beginning is no part of the text.
    Utf16Le,
    /// UTF-16, the high byte first. A byte order mark at the beginning is no part of the text.
    Utf16Be,
    /// ISO 8859-1: each byte is the character of that number.
    Latin1,
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LineEnd {
    /// `\n` or `\r\n`.
    #[default]
    Auto,
    /// `\n` alone: a `\r` before it belongs to the line.
    Lf,
    /// `\r\n` alone: a `\r` or a `\n` for itself belongs to the line.
    CrLf,
    /// `\r`.
    Cr,
}

/// An encoding that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Utf8,
    Utf16Le,
    Utf16Be,
    Latin1,
}

/// So many bytes tell how a file is written: a byte order mark, or the beginning of a compressed one.
const HEAD: usize = 4;

/// How a file is written: what its first bytes and the options say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) form: Form,
    /// Bytes of the byte order mark.
    pub(crate) mark: usize,
    pub(crate) ends: LineEnd,
}

impl Written {
    /// # Errors
    /// If the mark says another order of bytes than was asked for.
    pub(crate) fn new(head: &[u8], encoding: Encoding, ends: LineEnd) -> Result<Self> {
        let found = match head {
            [0xef, 0xbb, 0xbf, ..] => Some((Form::Utf8, 3)),
            [0xff, 0xfe, ..] => Some((Form::Utf16Le, 2)),
            [0xfe, 0xff, ..] => Some((Form::Utf16Be, 2)),
            _ => None,
        };
        let asked = match encoding {
            Encoding::Auto => found.map_or(Form::Utf8, |f| f.0),
            Encoding::Utf8 => Form::Utf8,
            Encoding::Utf16Le => Form::Utf16Le,
            Encoding::Utf16Be => Form::Utf16Be,
            Encoding::Latin1 => Form::Latin1,
        };
        let mark = match found {
            Some((form, mark)) if form == asked => mark,
            Some((other @ (Form::Utf16Le | Form::Utf16Be), _)) if asked != Form::Latin1 => {
                return Err(Error::new(
                    ErrorKind::BadInput,
                    format!(
                        "the byte order mark at its beginning says {}, and {} was asked for: leave it to Encoding::Auto",
                        other.name(),
                        asked.name()
                    ),
                ));
            }
            _ => 0,
        };
        Ok(Self {
            form: asked,
            mark,
            ends,
        })
    }

    /// What ends a line, as bytes.
    pub(crate) fn line_break(&self) -> Break {
        let text: &[u8] = match self.ends {
            LineEnd::Auto | LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
            LineEnd::Cr => b"\r",
        };
        let unit = match self.form {
            Form::Utf8 | Form::Latin1 => 1,
            Form::Utf16Le | Form::Utf16Be => 2,
        };
        let mut bytes = [0; 4];
        for (i, &b) in text.iter().enumerate() {
            // Of two bytes, the other is 0.
            bytes[unit * i + usize::from(self.form == Form::Utf16Be)] = b;
        }
        Break {
            bytes,
            len: text.len() * unit,
            unit,
        }
    }

    /// Whether a `\r` before the end of a line is part of that end.
    pub(crate) fn strips_cr(&self) -> bool {
        self.ends == LineEnd::Auto
    }
}

impl Form {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 (low byte first)",
            Self::Utf16Be => "UTF-16 (high byte first)",
            Self::Latin1 => "Latin-1",
        }
    }

    /// Appends the text of some bytes. `Err`: the byte that is not such text; all is appended, with U+FFFD there.
    pub(crate) fn decode(self, bytes: &[u8], text: &mut String) -> std::result::Result<(), usize> {
        match self {
            Self::Utf8 => {
                text.push_str(&String::from_utf8_lossy(bytes));
                std::str::from_utf8(bytes).map_or_else(|e| Err(e.valid_up_to()), |_| Ok(()))
            }
            Self::Latin1 => {
                text.extend(bytes.iter().map(|&b| char::from(b)));
                Ok(())
            }
            Self::Utf16Le | Self::Utf16Be => {
                let (pairs, odd) = bytes.as_chunks::<2>();
                let units = pairs.iter().map(|&pair| match self {
                    Self::Utf16Be => u16::from_be_bytes(pair),
                    _ => u16::from_le_bytes(pair),
                });
                let (mut at, mut wrong) = (0, None);
                for c in char::decode_utf16(units) {
                    if c.is_err() {
                        wrong.get_or_insert(at);
                    }
                    let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
                    at += 2 * c.len_utf16();
                    text.push(c);
                }
                if !odd.is_empty() {
                    wrong.get_or_insert(bytes.len() - 1);
                    text.push(char::REPLACEMENT_CHARACTER);
                }
                wrong.map_or(Ok(()), Err)
            }
        }
    }
}

/// The bytes that end a line, at a multiple of `unit` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Break {
    bytes: [u8; 4],
    pub(crate) len: usize,
    unit: usize,
}

impl Break {
    /// The one byte that it is, if it is one.
    pub(crate) fn byte(&self) -> Option<u8> {
        (self.len == 1).then_some(self.bytes[0])
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Where the first one in `bytes` is, which begin at `at` in the file.
    pub(crate) fn find(&self, bytes: &[u8], at: u64) -> Option<usize> {
        if self.len == 1 {
            return memchr::memchr(self.bytes[0], bytes);
        }
        let mut from = 0;
        loop {
            let i = from + memchr::memmem::find(&bytes[from..], self.bytes())?;
            if self.is_at(i, at) {
                return Some(i);
            }
            from = i + 1;
        }
    }

    /// Where the last one is.
    pub(crate) fn rfind(&self, bytes: &[u8], at: u64) -> Option<usize> {
        if self.len == 1 {
            return memchr::memrchr(self.bytes[0], bytes);
        }
        let mut until = bytes.len();
        loop {
            let i = memchr::memmem::rfind(&bytes[..until], self.bytes())?;
            if self.is_at(i, at) {
                return Some(i);
            }
            until = i + self.len - 1;
        }
    }

    fn is_at(&self, i: usize, at: u64) -> bool {
        (at + i as u64).is_multiple_of(self.unit as u64)
    }

    /// The first multiple of `unit` that is not before it: where a piece may begin.
    pub(crate) fn aligned(&self, byte: u64) -> u64 {
        byte.checked_next_multiple_of(self.unit as u64)
            .unwrap_or(byte)
    }

    /// How many there are in what a reader gives from the beginning of a file.
    pub(crate) fn count(&self, from: &mut dyn Read) -> io::Result<u64> {
        let (mut buffer, mut have) = (vec![0; 1 << 16], 0);
        let (mut at, mut breaks) = (0u64, 0);
        loop {
            let n = match from.read(&mut buffer[have..]) {
                Ok(0) => return Ok(breaks),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            have += n;
            let mut done = 0;
            while let Some(i) = self.find(&buffer[done..have], at + done as u64) {
                breaks += 1;
                done += i + self.len;
            }
            // One may have begun at the end.
            let done = done.max((have + 1).saturating_sub(self.len));
            buffer.copy_within(done..have, 0);
            at += done as u64;
            have -= done;
        }
    }
}

/// The first bytes of a file, as many as tell how it is written.
pub(crate) fn head(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    from.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

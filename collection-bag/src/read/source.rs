//! Text files as a source: which piece of which file a partition is, and its lines, checked to be text.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::sync::Arc;

use kvern_core::{Error, ErrorKind, Result, Value};
use serde::{Deserialize, Serialize};

use super::blocks::{Blocks, lines};
use super::encoding::{self, Encoding, Form, LineEnd, Written};
use super::files::{Compression, FileSpec, io_error};
use crate::pipe::begin::UNKNOWN_BYTES;
use crate::pipe::{AnyStage, Env, Flow, FromParams, Source, TextStage};

/// What to do with a line that is not UTF-8, or not UTF-16 in a file of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum InvalidUtf8 {
    /// An error that names file, line and byte.
    #[default]
    Error,
    /// Leave the line out, and count it ([`Skipped`](crate::Skipped)).
    Skip,
    /// Put U+FFFD in the place of what is wrong.
    Lossy,
}

/// How text files are read.
///
/// ```
/// use kvern_bag::{InvalidUtf8, TextOptions};
/// let options = TextOptions::new().blocksize(64 << 20).invalid_utf8(InvalidUtf8::Lossy);
/// ```
#[derive(Debug, Clone)]
pub struct TextOptions {
    pub(crate) blocksize: u64,
    pub(crate) invalid: InvalidUtf8,
    pub(crate) compression: Compression,
    pub(crate) encoding: Encoding,
    pub(crate) line_end: LineEnd,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            blocksize: 32 << 20,
            invalid: InvalidUtf8::default(),
            compression: Compression::default(),
            encoding: Encoding::default(),
            line_end: LineEnd::default(),
        }
    }
}

impl TextOptions {
    /// Partitions of 32 MiB, compression by the end of the name, the encoding by a byte order mark and else UTF-8, lines that end in `\n`
    /// or `\r\n`; invalid text is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of a plain file in each partition, at least 1. A compressed file is always one partition.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-block-{}.txt", std::process::id()));
    /// use kvern_bag::{TextOptions, read_text_with};
    /// std::fs::write(&path, "aaa\nbbb\nccc\n")?;
    /// assert_eq!(read_text_with(&path, &TextOptions::new().blocksize(6))?.npartitions(), 2);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn blocksize(mut self, bytes: u64) -> Self {
        self.blocksize = bytes.max(1);
        self
    }

    /// What to do with lines that are not UTF-8.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-utf8-{}.txt", std::process::id()));
    /// use kvern_bag::{InvalidUtf8, TextOptions, read_text_with};
    /// std::fs::write(&path, b"good\nb\xffd\n")?;
    /// let read = |how| read_text_with(&path, &TextOptions::new().invalid_utf8(how));
    /// assert_eq!(read(InvalidUtf8::Skip)?.reference()?, ["good"]);
    /// assert_eq!(read(InvalidUtf8::Lossy)?.reference()?, ["good", "b\u{fffd}d"]);
    /// assert!(read(InvalidUtf8::Error)?.reference().is_err());
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn invalid_utf8(mut self, invalid: InvalidUtf8) -> Self {
        self.invalid = invalid;
        self
    }

    /// How the files are compressed, where their names do not say.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-raw-{}.gz", std::process::id()));
    /// use kvern_bag::{Compression, TextOptions, read_text_with};
    /// std::fs::write(&path, "not packed at all\n")?;
    /// let lines = read_text_with(&path, &TextOptions::new().compression(Compression::None))?;
    /// assert_eq!(lines.words().count().reference()?, 4);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// How text is written as bytes, where neither a byte order mark says it nor UTF-8 is meant.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-latin-{}.txt", std::process::id()));
    /// use kvern_bag::{Encoding, TextOptions, read_text_with};
    /// std::fs::write(&path, b"caf\xe9\n")?;
    /// let text = read_text_with(&path, &TextOptions::new().encoding(Encoding::Latin1))?;
    /// assert_eq!(text.reference()?, ["café"]);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// What ends a line, where it is not `\n` or `\r\n`.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-end-{}.txt", std::process::id()));
    /// use kvern_bag::{LineEnd, TextOptions, read_text_with};
    /// std::fs::write(&path, "a\rb\r")?; // as old Macs wrote
    /// let lines = read_text_with(&path, &TextOptions::new().line_end(LineEnd::Cr))?;
    /// assert_eq!(lines.count().reference()?, 2);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn line_end(mut self, line_end: LineEnd) -> Self {
        self.line_end = line_end;
        self
    }
}

/// The lines of files.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TextFiles {
    files: Vec<Arc<FileSpec>>,
    /// The first partition of each file, and the number of all.
    firsts: Vec<u64>,
    blocksize: u64,
    invalid: InvalidUtf8,
    encoding: Encoding,
    line_end: LineEnd,
}

impl TextFiles {
    pub(crate) fn new(files: Vec<FileSpec>, options: &TextOptions) -> Self {
        let mut firsts = vec![0];
        let mut all = 0u64;
        for f in &files {
            all += match f.is_cut() {
                // An empty file is a partition without lines.
                true => f.len.div_ceil(options.blocksize).max(1),
                false => 1,
            };
            firsts.push(all);
        }
        Self {
            files: files.into_iter().map(Arc::new).collect(),
            firsts,
            blocksize: options.blocksize,
            invalid: options.invalid,
            encoding: options.encoding,
            line_end: options.line_end,
        }
    }

    pub(crate) fn partitions(&self) -> u64 {
        self.firsts.last().copied().unwrap_or(0)
    }

    /// About how many bytes of text the largest partition has.
    pub(crate) fn largest(&self) -> u64 {
        let each = self.files.iter().map(|f| match f.is_plain() {
            // A pipe or a file that says nothing of its size: something.
            true if f.len == 0 => self.blocksize.min(1 << 20),
            true => f.len.min(self.blocksize),
            // Text shrinks to about a quarter, but it may be to a hundredth.
            false => f.len.saturating_mul(4).min(UNKNOWN_BYTES),
        });
        each.max().unwrap_or(0)
    }
}

impl FromParams for TextFiles {
    fn from_params(params: &[u8]) -> Result<Self> {
        let files: Self = kvern_core::operator::decode_params("read_text", params)?;
        if files.firsts.len() != files.files.len() + 1 || files.blocksize == 0 {
            return Err(Error::new(
                ErrorKind::Decode,
                "read_text: the partitions do not fit the files",
            ));
        }
        Ok(files)
    }
}

impl Source for TextFiles {
    fn open(&self, _: &mut [Value], block: u64, env: &Rc<Env>) -> Result<AnyStage> {
        let i = self.firsts.partition_point(|&f| f <= block).wrapping_sub(1);
        let file = self.files.get(i).ok_or_else(|| {
            let words = format!("partition {block} of {}", self.partitions());
            Error::new(ErrorKind::Internal, words)
        })?;
        let piece = block - self.firsts[i];
        file.check_unchanged()?;
        let last = block + 1 == self.firsts[i + 1];
        let (blocks, written) = self.piece(file, piece, last)?;
        let told = file.clone();
        env.locate_with(move |byte| told.line_of(byte, written));
        Ok(AnyStage::text(Lines {
            file: file.clone(),
            blocks,
            written,
            invalid: self.invalid,
            env: env.clone(),
            text: String::new(),
        }))
    }
}

impl TextFiles {
    /// The blocks of a piece of a file, and how the file is written. The last piece ends where the file does, whatever size it was said to
    /// have: it may grow while it is read, and the system gives no size for some.
    fn piece(&self, file: &FileSpec, piece: u64, last: bool) -> Result<(Blocks, Written)> {
        let failed = |e| io_error(&file.path, "read it", e, "");
        let written = |head: &[u8]| {
            Written::new(head, self.encoding, self.line_end).map_err(|e| {
                let words = format!("{}: {}", file.path.display(), e.message());
                Error::with_source(e.kind(), words, e)
            })
        };
        if !file.is_cut() {
            let mut from = file.open().map_err(failed)?;
            let head = encoding::head(&mut from).map_err(failed)?;
            file.check_plain(&head)?;
            let written = written(&head)?;
            let from: Box<dyn Read> = Box::new(io::Cursor::new(head).chain(from));
            let blocks = Blocks::new(from, 0, u64::MAX, written.line_break());
            return Ok((blocks, written));
        }
        let mut plain = File::open(&file.path).map_err(failed)?;
        let head = encoding::head(&mut plain).map_err(failed)?;
        file.check_plain(&head)?;
        let written = written(&head)?;
        let line_break = written.line_break();
        let start = line_break.aligned(piece * self.blocksize);
        let end = match last {
            true => u64::MAX,
            false => line_break.aligned((piece + 1) * self.blocksize),
        };
        let begin = SeekFrom::Start(Blocks::begin(start, line_break));
        plain.seek(begin).map_err(failed)?;
        let blocks = Blocks::new(Box::new(plain), start, end, line_break);
        Ok((blocks, written))
    }
}

impl FileSpec {
    /// `path:line` of a byte of the text. Reads the file up to there.
    fn line_of(&self, byte: u64, written: Written) -> String {
        let path = self.path.display();
        if !self.is_read_again() {
            return format!("{path}, byte {byte}");
        }
        let count = || written.line_break().count(&mut self.open()?.take(byte));
        match count() {
            Ok(breaks) => format!("{path}:{}", breaks + 1),
            Err(_) => format!("{path}, byte {byte}"),
        }
    }
}

/// The lines of one partition.
struct Lines {
    file: Arc<FileSpec>,
    blocks: Blocks,
    written: Written,
    invalid: InvalidUtf8,
    env: Rc<Env>,
    /// The last line of a file that is not written in UTF-8.
    text: String,
}

impl Lines {
    /// Calls `whole` with the next block, or, where it is not all UTF-8, the sink with each of its lines.
    fn block(
        &mut self,
        sink: &mut dyn FnMut(&str) -> Flow,
        whole: impl Fn(&str, &Env, &mut dyn FnMut(&str) -> Flow) -> Flow,
    ) -> Flow<bool> {
        let next = self.blocks.next();
        let next = next.map_err(|e| io_error(&self.file.path, "read it", e, ""))?;
        let Some((mut at, mut block)) = next else {
            return Ok(false);
        };
        if at == 0 {
            at = self.written.mark as u64;
            block = block.get(self.written.mark..).unwrap_or_default();
        }
        // Whoever fails or panics below is found by this.
        self.env.at(at);
        let utf8 = match self.written.form {
            Form::Utf8 => std::str::from_utf8(block).ok(),
            // Most of it is ASCII, which is UTF-8.
            Form::Latin1 if block.is_ascii() => std::str::from_utf8(block).ok(),
            _ => None,
        };
        let flow = match utf8 {
            Some(s) => whole(s, &self.env, sink),
            None => {
                let line_break = self.written.line_break();
                lines(block, at, line_break).try_for_each(|(start, bytes, ended)| {
                    self.env.at(at + start as u64);
                    self.text.clear();
                    let wrong = self.written.form.decode(bytes, &mut self.text).err();
                    if let Some(byte) = wrong
                        && refused(byte, bytes, self.written.form, self.invalid, &self.env)?
                    {
                        return Ok(());
                    }
                    let line = self.text.as_str();
                    let strip = ended && self.written.strips_cr();
                    sink(line.strip_suffix('\r').filter(|_| strip).unwrap_or(line))
                })
            }
        };
        match flow {
            Ok(()) => Ok(true),
            Err(stop) => Err(self.env.placed(stop)),
        }
    }
}

/// Whether a line that is not the text that it should be is left out.
#[cold]
fn refused(byte: usize, bytes: &[u8], form: Form, invalid: InvalidUtf8, env: &Env) -> Flow<bool> {
    let words = || {
        format!(
            "not {}: byte {} of the line is {:#04x}",
            form.name(),
            byte + 1,
            bytes[byte]
        )
    };
    match invalid {
        InvalidUtf8::Lossy => Ok(false),
        InvalidUtf8::Skip => {
            env.skip(words);
            Ok(true)
        }
        InvalidUtf8::Error => Err(Error::bad_input(format!(
            "{}; InvalidUtf8::Skip leaves such lines out, Lossy replaces what is wrong, and TextOptions::encoding says how else the text may be written",
            words()
        ))
        .into()),
    }
}

impl TextStage for Lines {
    fn advance(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        let (line_break, strip) = (self.written.line_break(), self.written.strips_cr());
        self.block(sink, move |text, env, sink| {
            let block = env.now();
            let mut start = 0;
            let mut line = |end: usize, next: usize| {
                env.at(block + start as u64);
                let line = &text[start..end];
                start = next;
                sink(match strip {
                    true => line.strip_suffix('\r').unwrap_or(line),
                    false => line,
                })
            };
            match line_break.byte() {
                Some(byte) => {
                    memchr::memchr_iter(byte, text.as_bytes()).try_for_each(|i| line(i, i + 1))?;
                }
                None => {
                    let breaks = memchr::memmem::find_iter(text.as_bytes(), line_break.bytes());
                    let len = line_break.len;
                    breaks.into_iter().try_for_each(|i| line(i, i + len))?;
                }
            }
            match &text[start..] {
                "" => Ok(()),
                last => {
                    env.at(block + start as u64);
                    sink(last)
                }
            }
        })
    }

    fn has_blocks(&self) -> bool {
        true
    }

    fn advance_blocks(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        self.block(sink, |text, _, sink| sink(text))
    }
}

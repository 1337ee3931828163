//! Text files as a source: which piece of which file a partition is, and its lines, checked to be UTF-8.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::sync::Arc;

use kvern_core::{Error, ErrorKind, Result, Value};
use serde::{Deserialize, Serialize};

use super::blocks::{Blocks, lines};
use super::files::{Compression, FileSpec, io_error};
use crate::pipe::{AnyStage, Env, Flow, FromParams, Source, Stop, TextStage};

/// What to do with a line that is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum InvalidUtf8 {
    /// An error that names file, line and byte.
    #[default]
    Error,
    /// Leave the line out, and count it ([`Skipped`](crate::Skipped)).
    Skip,
    /// Put U+FFFD in the place of what is not UTF-8.
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
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            blocksize: 32 << 20,
            invalid: InvalidUtf8::default(),
            compression: Compression::default(),
        }
    }
}

impl TextOptions {
    /// Partitions of 32 MiB, invalid UTF-8 is an error, compression by the end of the name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of a plain file in each partition, at least 1. A compressed file is always one partition.
    #[must_use]
    pub fn blocksize(mut self, bytes: u64) -> Self {
        self.blocksize = bytes.max(1);
        self
    }

    /// What to do with lines that are not UTF-8.
    #[must_use]
    pub fn invalid_utf8(mut self, invalid: InvalidUtf8) -> Self {
        self.invalid = invalid;
        self
    }

    /// How the files are compressed, where their names do not say.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
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
}

impl TextFiles {
    pub(crate) fn new(files: Vec<FileSpec>, options: &TextOptions) -> Self {
        let mut firsts = vec![0];
        let mut all = 0u64;
        for f in &files {
            all += match f.is_plain() {
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
        }
    }

    pub(crate) fn partitions(&self) -> u64 {
        self.firsts.last().copied().unwrap_or(0)
    }

    /// About how many bytes of text the largest partition has.
    pub(crate) fn largest(&self) -> u64 {
        let each = self.files.iter().map(|f| match f.is_plain() {
            true => f.len.min(self.blocksize),
            // Text shrinks to about a quarter.
            false => f.len.saturating_mul(4),
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
        let failed = |e| io_error(&file.path, "read it", e, "");
        file.check_unchanged()?;
        let blocks = match file.is_plain() {
            true => {
                let start = piece * self.blocksize;
                let mut plain = File::open(&file.path).map_err(failed)?;
                plain
                    .seek(SeekFrom::Start(start.saturating_sub(1)))
                    .map_err(failed)?;
                Blocks::new(Box::new(plain), start, start + self.blocksize)
            }
            false => Blocks::new(file.open().map_err(failed)?, 0, u64::MAX),
        };
        let told = file.clone();
        env.locate_with(move |byte| told.line_of(byte));
        Ok(AnyStage::text(Lines {
            file: file.clone(),
            blocks,
            invalid: self.invalid,
            env: env.clone(),
        }))
    }
}

impl FileSpec {
    /// `path:line` of a byte of the text. Reads the file up to there.
    fn line_of(&self, byte: u64) -> String {
        let count = || -> io::Result<u64> {
            let (mut from, mut buffer) = (self.open()?.take(byte), vec![0; 1 << 16]);
            let mut breaks = 0;
            loop {
                match from.read(&mut buffer)? {
                    0 => return Ok(breaks),
                    n => breaks += memchr::memchr_iter(b'\n', &buffer[..n]).count() as u64,
                }
            }
        };
        match count() {
            Ok(breaks) => format!("{}:{}", self.path.display(), breaks + 1),
            Err(_) => format!("{}, byte {byte}", self.path.display()),
        }
    }
}

/// The lines of one partition.
struct Lines {
    file: Arc<FileSpec>,
    blocks: Blocks,
    invalid: InvalidUtf8,
    env: Rc<Env>,
}

impl Lines {
    /// Calls `text` with the next block, or, where it is not all UTF-8, the sink with each of its lines.
    fn block(
        &mut self,
        sink: &mut dyn FnMut(&str) -> Flow,
        text: impl Fn(&str, &Env, &mut dyn FnMut(&str) -> Flow) -> Flow,
    ) -> Flow<bool> {
        let next = self.blocks.next();
        let next = next.map_err(|e| io_error(&self.file.path, "read it", e, ""))?;
        let Some((at, block)) = next else {
            return Ok(false);
        };
        // Whoever fails or panics below is found by this.
        self.env.at(at);
        let flow = match std::str::from_utf8(block) {
            Ok(s) => text(s, &self.env, sink),
            Err(_) => lines(block).try_for_each(|(start, bytes)| {
                self.env.at(at + start as u64);
                checked_line(bytes, self.invalid, &self.env, sink)
            }),
        };
        match flow {
            Ok(()) => Ok(true),
            Err(stop) => Err(placed(stop, &self.env)),
        }
    }
}

/// A line of a block that is not all UTF-8.
fn checked_line(
    bytes: &[u8],
    invalid: InvalidUtf8,
    env: &Env,
    sink: &mut dyn FnMut(&str) -> Flow,
) -> Flow {
    let why = match std::str::from_utf8(bytes) {
        Ok(s) => return sink(s),
        Err(e) => e,
    };
    let byte = why.valid_up_to();
    let words = || {
        format!(
            "not UTF-8: byte {} of the line is {:#04x}",
            byte + 1,
            bytes[byte]
        )
    };
    match invalid {
        InvalidUtf8::Lossy => sink(&String::from_utf8_lossy(bytes)),
        InvalidUtf8::Skip => {
            env.skip(words);
            Ok(())
        }
        InvalidUtf8::Error => Err(Error::bad_input(format!(
            "{}; InvalidUtf8::Skip leaves such lines out, Lossy replaces what is wrong",
            words()
        ))
        .into()),
    }
}

/// Names file and line in the error that a line led to.
#[cold]
fn placed(mut stop: Box<Stop>, env: &Env) -> Box<Stop> {
    if let Stop::Failed { error, at } = &mut *stop {
        env.at(env.now() + at.take().unwrap_or(0) as u64);
        if let Some(place) = env.place() {
            let words = format!("{place}: {}", error.message());
            *error = Error::with_source(error.kind(), words, error.clone());
            env.tell();
        }
    }
    stop
}

impl TextStage for Lines {
    fn advance(&mut self, sink: &mut dyn FnMut(&str) -> Flow) -> Flow<bool> {
        self.block(sink, |text, env, sink| {
            let block = env.now();
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
                env.at(block + start as u64);
                let line = &text[start..end];
                sink(line.strip_suffix('\r').unwrap_or(line))?;
                start = end + 1;
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

//! Writing a partition to a file of its own, which appears whole or not at all.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::rc::Rc;

use kvern_core::text::Finite;
use kvern_core::unfinished::Unfinished;
use kvern_core::{Error, Result, Value};
use serde::{Deserialize, Serialize};

use crate::pipe::{AnyStage, Eating, End, Env, FromParams, Stage, more};
use crate::read::Compression;
use crate::read::files::io_error;
use crate::skipped::Skipped;
use crate::value::Partial;

/// How an item is a line.
pub(crate) trait Line<T>: Send + Sync + 'static {
    fn write(item: &T, out: &mut dyn io::Write) -> io::Result<()>;
}

/// As it is displayed.
pub(crate) struct Shown;

impl<T: Display> Line<T> for Shown {
    fn write(item: &T, out: &mut dyn io::Write) -> io::Result<()> {
        let mut line = OneLine { out, last: 0 };
        write!(line, "{item}")?;
        match line.last {
            b'\r' => Err(not_one_line("ends in \\r, which is part of a line end")),
            _ => out.write_all(b"\n"),
        }
    }
}

/// Writes what is one line, and refuses what would be read again as several.
struct OneLine<'a> {
    out: &'a mut dyn io::Write,
    last: u8,
}

impl io::Write for OneLine<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if memchr::memchr(b'\n', text).is_some() {
            return Err(not_one_line("holds a line end"));
        }
        self.out.write_all(text)?;
        self.last = text.last().copied().unwrap_or(self.last);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cold]
fn not_one_line(why: &str) -> io::Error {
    let words = format!(
        "it {why}, and would not be read again as the one item that it is; `write_jsonl` keeps it, or `map` it to one line"
    );
    io::Error::new(io::ErrorKind::InvalidData, words)
}

/// As JSON.
pub(crate) struct AsJson;

impl<T: Serialize> Line<T> for AsJson {
    fn write(item: &T, out: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &Finite::new(item))?;
        out.write_all(b"\n")
    }
}

/// Where partitions are written.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    /// A folder that is there already, from the root.
    pub(crate) folder: PathBuf,
    /// What follows the number in the names of files, such as `.txt`.
    pub(crate) suffix: String,
    pub(crate) compression: Compression,
    /// Digits of the number.
    pub(crate) width: usize,
}

/// Writes items of type `T`; the result is the names of the files.
pub(crate) struct WriteTo<T, L> {
    target: Target,
    of: PhantomData<fn() -> (T, L)>,
}

impl<T: 'static, L: 'static> FromParams for WriteTo<T, L> {
    fn from_params(params: &[u8]) -> Result<Self> {
        let target = kvern_core::operator::decode_params("write", params)?;
        let of = PhantomData;
        Ok(Self { target, of })
    }
}

/// A file in the making.
struct Writing<T, L> {
    stage: Box<dyn Stage<T>>,
    out: Out,
    new: Unfinished,
    path: PathBuf,
    name: String,
    items: u64,
    env: Rc<Env>,
    line: PhantomData<fn() -> L>,
}

impl<T: 'static, L: Line<T>> Eating for Writing<T, L> {
    fn advance(&mut self) -> Result<bool> {
        let (out, items, name, path) = (&mut self.out, &mut self.items, &self.name, &self.path);
        more(self.stage.advance(&mut |item: T| {
            *items += 1;
            L::write(&item, out.writer()).map_err(|e| match e.kind() {
                // Of the item, and not of the disk.
                io::ErrorKind::InvalidData | io::ErrorKind::Other => {
                    Error::bad_input(format!("{name}, item {items}: {e}")).into()
                }
                _ => io_error(path, "write it", e, "").into(),
            })
        }))
    }

    fn finish(self: Box<Self>) -> Result<Value> {
        let path = &self.path;
        let failed = |action: &str, e| io_error(path, action, e, "");
        self.out.finish().map_err(|e| failed("write it", e))?;
        self.new
            .finish()
            .map_err(|e| failed("write it to the disk", e))?;
        Ok(Partial::value(vec![self.name], self.env.skipped(), 64))
    }
}

impl<T: 'static, L: Line<T>> End for WriteTo<T, L> {
    fn begin<'a>(&'a self, stage: AnyStage, env: &Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        let stage = stage.into_items::<T>()?;
        let t = &self.target;
        let name = format!("part-{:0w$}{}", env.block(), t.suffix, w = t.width);
        let path = t.folder.join(&name);
        let new = Unfinished::within(&path).and_then(|new| Ok((new.file().try_clone()?, new)));
        let (file, new) = new.map_err(|e| {
            let hint = match e.kind() {
                io::ErrorKind::NotFound => {
                    "; the folder was made where the bag is written from: every worker must reach it under this name"
                }
                _ => "",
            };
            io_error(&path, "create a temporary file beside it", e, hint)
        })?;
        let out = match t.compression {
            Compression::Gzip => Out::Gzip(Box::new(flate2::write::GzEncoder::new(
                BufWriter::with_capacity(1 << 16, file),
                flate2::Compression::default(),
            ))),
            _ => Out::Plain(BufWriter::with_capacity(1 << 18, file)),
        };
        Ok(Box::new(Writing::<T, L> {
            stage,
            out,
            new,
            path,
            name,
            items: 0,
            env: env.clone(),
            line: PhantomData,
        }))
    }

    fn combine(&self, parts: &mut [Value]) -> Result<Value> {
        let mut all = Vec::new();
        let mut skipped = Skipped::default();
        for part in parts {
            let taken = std::mem::replace(part, Value::UNIT);
            let (names, more) = Partial::<Vec<String>>::take(taken)?;
            all.extend(names);
            skipped.add(&more);
        }
        let bytes = 64 * all.len() as u64;
        Ok(Partial::value(all, skipped, bytes))
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        self.combine(parts)
    }
}

enum Out {
    Plain(BufWriter<File>),
    Gzip(Box<flate2::write::GzEncoder<BufWriter<File>>>),
}

impl Out {
    fn writer(&mut self) -> &mut dyn io::Write {
        match self {
            Self::Plain(w) => w,
            Self::Gzip(w) => w.as_mut(),
        }
    }

    fn finish(self) -> io::Result<()> {
        let mut buffer = match self {
            Self::Plain(w) => w,
            Self::Gzip(w) => w.finish()?,
        };
        buffer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pipe::sources::IterStage;

    fn written(folder: &Path, compression: Compression) -> Result<Value> {
        let end = WriteTo::<u64, Shown> {
            target: Target {
                folder: folder.to_path_buf(),
                suffix: ".txt".to_owned(),
                compression,
                width: 2,
            },
            of: PhantomData,
        };
        let items = AnyStage::items(IterStage::new(0..5u64));
        end.chunk(items, &Rc::new(Env::new(3, 4)), &|| Ok(()))
    }

    #[test]
    fn a_worker_without_the_folder_says_what_is_needed() {
        let around = tempfile::tempdir().unwrap();
        written(around.path(), Compression::None).unwrap();
        let file = around.path().join("part-07.txt");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "0\n1\n2\n3\n4\n");
        let nowhere = around.path().join("nowhere");
        let e = written(&nowhere, Compression::None)
            .unwrap_err()
            .to_string();
        assert!(e.contains("nowhere") && e.contains("every worker"), "{e}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error() {
        let full = || {
            BufWriter::new(
                std::fs::OpenOptions::new()
                    .write(true)
                    .open("/dev/full")
                    .unwrap(),
            )
        };
        let gzip = flate2::write::GzEncoder::new(full(), flate2::Compression::default());
        for mut out in [Out::Plain(full()), Out::Gzip(Box::new(gzip))] {
            Shown::write(&1, out.writer()).unwrap();
            let e = out.finish().unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::StorageFull);
        }
    }
}

//! Which files a path, a pattern or a list of them means, and how each is read.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use kvern_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::packed::{Frames, Members};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compression {
    /// By the end of its name: `.gz` and `.zst` (`.zstd`) are, all others are not.
    #[default]
    Auto,
    /// Not at all: such a file is read in several partitions.
    None,
    /// gzip, of any number of members, with zeros behind them or not.
    Gzip,
    /// Zstandard, of any number of frames.
    Zstd,
}

/// One file to be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FileSpec {
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    /// When it was changed, in nanoseconds of the Unix epoch: part of the key, so that a changed file is another result.
    modified: u64,
    /// Which file of its disk it is, where the system says so: one that has grown is still the same.
    id: u64,
    /// A pipe, a terminal, a socket: it has no size, and is read once, from its beginning to its end.
    stream: bool,
    pub(crate) compression: Compression,
}

/// What names files: a path or pattern (`*`, `?`, `[…]`, `**`), or a list of such. `~/…` is below the home folder, and `file:///…` is a path; other URLs
/// are refused, since there is no object store yet. Names with such characters are taken as they are if there is
/// a file of that name. The files of a pattern are in the order of their names, those of a list in its order.
///
/// Hidden files and folders, whose names begin with a dot, are found by patterns that say the dot (`.*`), and not by others, as in
/// shells: what is still being written has such a name.
pub trait Paths {
    /// The paths and patterns.
    fn paths(&self) -> Vec<PathBuf>;
}

macro_rules! one {
    ($($t:ty),*) => {$(
        impl Paths for $t {
            fn paths(&self) -> Vec<PathBuf> {
                vec![PathBuf::from(self)]
            }
        }
    )*};
}

one!(str, String, Path, PathBuf);

impl<P: Paths> Paths for [P] {
    fn paths(&self) -> Vec<PathBuf> {
        self.iter().flat_map(Paths::paths).collect()
    }
}

impl<P: Paths> Paths for Vec<P> {
    fn paths(&self) -> Vec<PathBuf> {
        self.as_slice().paths()
    }
}

impl<P: Paths, const N: usize> Paths for [P; N] {
    fn paths(&self) -> Vec<PathBuf> {
        self.as_slice().paths()
    }
}

impl<P: Paths + ?Sized> Paths for &P {
    fn paths(&self) -> Vec<PathBuf> {
        (**self).paths()
    }
}

/// The files that are meant.
///
/// # Errors
/// [`ErrorKind::Io`] naming the path or pattern, and what is there instead.
pub(crate) fn find(paths: &[PathBuf], compression: Compression) -> Result<Vec<FileSpec>> {
    let mut files = Vec::new();
    for path in paths {
        let path = &*kvern_core::url::local_path(path)?;
        let text = path.to_string_lossy();
        let pattern = text.contains(['*', '?', '[']) && !path.exists();
        if !pattern {
            files.push(spec(path, compression)?);
            continue;
        }
        let matches = glob::glob(&text).map_err(|e| {
            Error::bad_input(format!("{text:?} is not a pattern of file names: {e}"))
        })?;
        let before = files.len();
        for found in matches {
            let found = found.map_err(|e| {
                let words = format!("cannot look into {}", e.path().display());
                Error::with_source(ErrorKind::Io, format!("{words}: {}", e.error()), e)
            })?;
            if !found.is_dir() && is_shown(&found, &text) {
                files.push(spec(&found, compression)?);
            }
        }
        if files.len() == before {
            let words = format!("no file matches {text:?}{}", nearest(path));
            return Err(Error::new(ErrorKind::Io, words));
        }
    }
    if files.is_empty() {
        return Err(Error::bad_input("no files were named: the list is empty"));
    }
    Ok(files)
}

/// Whether a path has no hidden name but such as the pattern says itself: `*` and `**` do not mean them.
fn is_shown(path: &Path, pattern: &str) -> bool {
    let said: Vec<glob::Pattern> = pattern
        .split(std::path::is_separator)
        .filter(|part| part.starts_with('.'))
        .filter_map(|part| glob::Pattern::new(part).ok())
        .collect();
    path.components().all(|part| {
        let name = part.as_os_str().to_string_lossy();
        !matches!(part, Component::Normal(_))
            || !name.starts_with('.')
            || said.iter().any(|s| s.matches(&name))
    })
}

fn spec(path: &Path, compression: Compression) -> Result<FileSpec> {
    let meta = std::fs::metadata(path).map_err(|e| {
        let hint = match e.kind() {
            io::ErrorKind::NotFound => nearest(path),
            _ => String::new(),
        };
        io_error(path, "find it", e, &hint)
    })?;
    if meta.is_dir() {
        return Err(Error::bad_input(format!(
            "{} is a folder: name the files in it, such as {:?}",
            path.display(),
            path.join("*")
        )));
    }
    let compression = match compression {
        Compression::Auto => by_name(path)?,
        said => said,
    };
    Ok(FileSpec {
        // From the root: who reads it may be a worker that was started in another folder.
        path: std::path::absolute(path).map_err(|e| io_error(path, "find it", e, ""))?,
        len: meta.len(),
        modified: modified(&meta),
        id: id(&meta),
        stream: !meta.is_file(),
        compression,
    })
}

/// Its number on its disk; 0 where the system gives none.
fn id(meta: &std::fs::Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::ino(meta);
    #[cfg(not(unix))]
    {
        let _ = meta;
        0
    }
}

/// Nanoseconds since 1970; 0 where the system does not know.
fn modified(meta: &std::fs::Metadata) -> u64 {
    let time = meta.modified().ok();
    time.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |d| d.as_nanos() as u64)
}

fn by_name(path: &Path) -> Result<Compression> {
    let end = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match end.as_deref() {
        Some("gz") => Ok(Compression::Gzip),
        Some("zst" | "zstd") => Ok(Compression::Zstd),
        Some(end @ ("bz2" | "xz" | "lz4" | "zip" | "7z" | "br")) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{}: files that end in .{end} are not read; allowed are plain text, .gz and .zst (Compression::None reads it as it is)",
                path.display()
            ),
        )),
        // What it is in truth its first bytes say, when it is read.
        _ => Ok(Compression::Auto),
    }
}

/// What compressed files begin with, what that is, and how such a file is read.
const PACKED: &[(&[u8], &str, &str)] = &[
    (
        GZIP,
        "gzip",
        "let its name end with .gz, or say Compression::Gzip",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "Zstandard",
        "let its name end with .zst, or say Compression::Zstd",
    ),
    (
        b"\xfd7zX",
        "xz",
        "unpack it first; gzip and Zstandard are read as they are",
    ),
    (
        b"PK\x03\x04",
        "zip",
        "unpack it first; gzip and Zstandard are read as they are",
    ),
];

/// What gzip files begin with.
pub(super) const GZIP: &[u8] = b"\x1f\x8b";

/// `; the nearest there are "a", "b"`, of the folder in which the path should be.
fn nearest(path: &Path) -> String {
    let Some(name) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else {
        return String::new();
    };
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("; there is no folder {}", folder.display());
    };
    let mut names: Vec<String> = entries
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    if let Some(near) = kvern_core::text::nearest(&name, names.iter().map(String::as_str)) {
        return format!("; did you mean {near:?}?");
    }
    match names.len() {
        0 => format!("; the folder {} is empty", folder.display()),
        n => {
            let shown: Vec<String> = names.iter().take(3).map(|n| format!("{n:?}")).collect();
            let more = if n > 3 { ", …" } else { "" };
            format!("; in {} are {}{more}", folder.display(), shown.join(", "))
        }
    }
}

/// What the system said about a file.
#[cold]
pub(crate) fn io_error(path: &Path, action: &str, e: io::Error, hint: &str) -> Error {
    let words = format!("{}: cannot {action}: {e}{hint}", path.display());
    Error::with_source(ErrorKind::Io, words, e)
}

impl FileSpec {
    /// The bytes of the text, from the beginning.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read>> {
        let file = File::open(&self.path)?;
        Ok(match self.compression {
            Compression::Auto | Compression::None => Box::new(file),
            Compression::Gzip => Box::new(Members::new(file)),
            Compression::Zstd => Box::new(Frames::new(file)),
        })
    }

    /// Refuses compressed data under a name that does not say so: as text it would be garbage, or an error that says nothing of the cause.
    pub(crate) fn check_plain(&self, head: &[u8]) -> Result<()> {
        let packed = PACKED.iter().find(|(begin, ..)| head.starts_with(begin));
        match packed {
            Some((_, what, remedy)) if self.compression == Compression::Auto => {
                Err(Error::bad_input(format!(
                    "{}: it is compressed with {what}, which its name does not say: {remedy} (Compression::None reads it as it is)",
                    self.path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether the file is the one that was looked at when the bag was made, from which its partitions were taken. It may have grown, as
    /// logs do: its last piece ends where the file does.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        if self.stream {
            return Ok(());
        }
        let wrong = |e| io_error(&self.path, "read it", e, "");
        let meta = std::fs::metadata(&self.path).map_err(wrong)?;
        let same = match meta.len().cmp(&self.len) {
            // Files of which the system says that they are empty (those of /proc) say little of their times, too.
            Ordering::Equal => self.len == 0 || modified(&meta) == self.modified,
            Ordering::Greater => id(&meta) == self.id,
            Ordering::Less => false,
        };
        if same {
            return Ok(());
        }
        let words = format!(
            "{}: it has changed since the bag was made: it had {} bytes and has {}; make the bag anew",
            self.path.display(),
            self.len,
            meta.len()
        );
        Err(Error::new(ErrorKind::Io, words))
    }

    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.compression, Compression::Auto | Compression::None)
    }

    /// Whether it can be read from any byte on, and so in several pieces.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_plain() && !self.stream
    }

    /// Whether it can be read a second time.
    pub(crate) fn is_read_again(&self) -> bool {
        !self.stream
    }
}

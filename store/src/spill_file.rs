//! The spill file: one unnamed temporary file a store, with checksummed extents that are used again when freed.
//!
//! The file is unlinked as soon as it is made, so the system frees it however the process ends, a crash included.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvern_core::bulk::{Lent, Room};
use kvern_core::text::format_bytes;
use kvern_core::{Error, ErrorKind, Result, Value};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// A written piece of the file: the head of a value and its body.
#[derive(Debug)]
pub(crate) struct Extent {
    start: u64,
    len: u64,
    /// How many of the bytes are the head, and their checksum: it is believed before the body is there.
    head: u64,
    head_checksum: u64,
    checksum: u64,
}

pub(crate) struct SpillFile {
    file: Arc<File>,
    directory: PathBuf,
    limit: Option<u64>,
    end: u64,
    used: u64,
    /// Freed pieces, start -> length; neighbours are merged.
    holes: BTreeMap<u64, u64>,
}

/// Reads extents without holding up those who write.
pub(crate) struct Reader {
    file: Arc<File>,
    directory: PathBuf,
}

impl SpillFile {
    pub(crate) fn create(directory: Option<&Path>, limit: Option<u64>) -> Result<Self> {
        let directory = directory.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let file = std::fs::create_dir_all(&directory)
            .and_then(|()| tempfile::tempfile_in(&directory))
            .map_err(|e| {
                let message = format!(
                    "cannot make a spill file in {} (spill.directory): {e}",
                    directory.display()
                );
                Error::with_source(ErrorKind::Spill, message, e)
            })?;
        Ok(Self {
            file: Arc::new(file),
            directory,
            limit,
            end: 0,
            used: 0,
            holes: BTreeMap::new(),
        })
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader {
            file: self.file.clone(),
            directory: self.directory.clone(),
        }
    }

    pub(crate) fn write(&mut self, value: &Lent<'_>) -> Result<Extent> {
        let (head, len) = (value.head.len() as u64, value.len() as u64);
        if let Some(limit) = self.limit
            && self.used + len > limit
        {
            return Err(Error::new(
                ErrorKind::Spill,
                format!(
                    "spilling {} more would exceed the limit of {} on disk (spill.limit); {} are spilled already",
                    format_bytes(len),
                    format_bytes(limit),
                    format_bytes(self.used)
                ),
            ));
        }
        let start = self.allocate(len);
        let written = self
            .file
            .write_all_at(&value.head, start)
            .and_then(|()| self.file.write_all_at(&value.body, start + head));
        if let Err(e) = written {
            self.give_back(start, len);
            let message = format!(
                "cannot spill {} to {}: {e}",
                format_bytes(len),
                self.directory.display()
            );
            return Err(Error::with_source(ErrorKind::Spill, message, e));
        }
        self.used += len;
        Ok(Extent {
            start,
            len,
            head,
            head_checksum: xxh3_64(&value.head),
            checksum: xxh3_64(&value.body),
        })
    }

    /// First fit: chunks of one array are mostly of one size, so holes fit exactly.
    fn allocate(&mut self, len: u64) -> u64 {
        if let Some((&start, &hole)) = self.holes.iter().find(|h| *h.1 >= len) {
            self.holes.remove(&start);
            if hole > len {
                self.holes.insert(start + len, hole - len);
            }
            return start;
        }
        let start = self.end;
        self.end += len;
        start
    }

    pub(crate) fn free(&mut self, extent: Extent) {
        self.used -= extent.len;
        self.give_back(extent.start, extent.len);
    }

    fn give_back(&mut self, mut start: u64, mut len: u64) {
        if let Some((&s, &l)) = self.holes.range(..start).next_back()
            && s + l == start
        {
            self.holes.remove(&s);
            (start, len) = (s, l + len);
        }
        if let Some(l) = self.holes.remove(&(start + len)) {
            len += l;
        }
        if start + len == self.end {
            self.end = start;
            // The tail goes back to the disk; if that fails it is merely kept for later.
            let _ = self.file.set_len(self.end);
        } else {
            self.holes.insert(start, len);
        }
    }

    pub(crate) fn corrupt(&mut self) -> Result<()> {
        let mut bytes = vec![0; self.end as usize];
        let flip =
            |e: io::Error| Error::with_source(ErrorKind::Spill, "cannot corrupt the spill file", e);
        self.file.read_exact_at(&mut bytes, 0).map_err(flip)?;
        bytes.iter_mut().step_by(97).for_each(|b| *b ^= 1);
        self.file.write_all_at(&bytes, 0).map_err(flip)
    }
}

impl Reader {
    /// Reads a value into the memory that it will hold: `room` makes it from the head and the length of the body.
    pub(crate) fn read(
        &self,
        extent: &Extent,
        room: impl FnOnce(&[u8], usize) -> Result<Box<dyn Room>>,
    ) -> Result<Value> {
        let mut head = vec![0; extent.head as usize];
        self.read_part(extent, &mut head, 0)?;
        self.check(extent, xxh3_64(&head), extent.head_checksum)?;
        let mut room = room(&head, (extent.len - extent.head) as usize)?;
        let (mut at, mut sum) = (extent.head, Xxh3Default::new());
        while at < extent.len {
            let part = room.next();
            let most = part.len().min((extent.len - at) as usize);
            if most == 0 {
                let message = format!("a type made room for {} bytes less", extent.len - at);
                return Err(Error::new(ErrorKind::Decode, message));
            }
            self.read_part(extent, &mut part[..most], at)?;
            sum.update(&part[..most]);
            at += most as u64;
        }
        self.check(extent, sum.digest(), extent.checksum)?;
        room.fill()
    }

    fn read_part(&self, extent: &Extent, into: &mut [u8], at: u64) -> Result<()> {
        let read = self.file.read_exact_at(into, extent.start + at);
        read.map_err(|e| {
            let message = format!(
                "cannot read {} of spilled data in {}: {e}",
                format_bytes(extent.len),
                self.directory.display()
            );
            Error::with_source(ErrorKind::Spill, message, e)
        })
    }

    fn check(&self, extent: &Extent, found: u64, written: u64) -> Result<()> {
        if found == written {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Spill,
            format!(
                "spilled data in {} is corrupt: {} at offset {} have checksum {found:016x}, {written:016x} was written",
                self.directory.display(),
                format_bytes(extent.len),
                extent.start,
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use kvern_core::Registry;

    use super::*;

    fn file() -> SpillFile {
        SpillFile::create(None, None).unwrap()
    }

    fn bytes(byte: u8, length: usize) -> Lent<'static> {
        Lent {
            head: Vec::new(),
            body: vec![byte; length].into(),
        }
    }

    fn read(f: &SpillFile, extent: &Extent) -> Result<Value> {
        let r = Registry::linked().unwrap();
        f.reader().read(extent, |head, n| r.room(head, n))
    }

    #[test]
    fn freed_space_is_used_again_and_the_tail_returned() {
        let mut f = file();
        let a = f.write(&bytes(1, 100)).unwrap();
        let b = f.write(&bytes(2, 100)).unwrap();
        let c = f.write(&bytes(3, 100)).unwrap();
        f.free(a);
        let d = f.write(&bytes(4, 100)).unwrap();
        assert_eq!((d.start, f.end), (0, 300));
        f.free(b);
        f.free(d);
        assert_eq!(f.holes.len(), 1);
        f.free(c);
        assert_eq!((f.end, f.used, f.holes.len()), (0, 0, 0));
    }

    #[test]
    fn corruption_is_an_error_that_says_where() {
        let mut f = file();
        let r = Registry::linked().unwrap();
        let list = Value::new(vec![7u8; 1000]);
        let a = f.write(&r.lend(&list).unwrap()).unwrap();
        let back = read(&f, &a).unwrap();
        assert_eq!(back.downcast_ref::<Vec<u8>>(), Some(&vec![7; 1000]));
        f.corrupt().unwrap();
        let e = read(&f, &a).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Spill);
        assert!(
            e.to_string().contains("is corrupt: 1015B at offset 0"),
            "{e}"
        );
        // In the body alone, which is read after the head was believed.
        let b = f.write(&r.lend(&list).unwrap()).unwrap();
        f.file.write_all_at(&[8], b.start + b.len - 1).unwrap();
        let e = read(&f, &b).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Spill);
        assert!(e.to_string().contains("is corrupt"), "{e}");
    }

    #[test]
    fn the_limit_is_named() {
        let mut f = SpillFile::create(None, Some(150)).unwrap();
        let _a = f.write(&bytes(7, 100)).unwrap();
        let e = f.write(&bytes(7, 100)).unwrap_err();
        assert!(
            e.to_string()
                .contains("the limit of 150B on disk (spill.limit)"),
            "{e}"
        );
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let e = SpillFile::create(Some(Path::new("/proc/nowhere")), None)
            .err()
            .unwrap();
        assert!(e.to_string().contains("/proc/nowhere"), "{e}");
    }
}

//! The folder for spilled values: is it there, how much fits, can it be written to?

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder for spilled values.
#[derive(Debug, Clone)]
pub(crate) struct Spill {
    pub(crate) directory: PathBuf,
    /// Why no file could be written there.
    pub(crate) unwritable: Option<String>,
    /// Bytes that this process may still write.
    pub(crate) free: Option<u64>,
    pub(crate) total: Option<u64>,
    pub(crate) system: Option<FileSystem>,
}

/// What a file system means for spilling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// A disk of this machine, or what looks like one.
    Disk(&'static str),
    /// Memory: what is spilled here is not gone from it.
    Memory(&'static str),
    /// Another machine.
    Network(&'static str),
}

impl FileSystem {
    pub(crate) fn name(self) -> &'static str {
        let (Self::Disk(name) | Self::Memory(name) | Self::Network(name)) = self;
        name
    }
}

pub(crate) fn find(directory: PathBuf) -> Spill {
    let (free, total) = space(&directory).unzip();
    Spill {
        unwritable: probe(&directory).err().map(|error| error.to_string()),
        free,
        total,
        system: file_system(&directory),
        directory,
    }
}

/// Writes a small file and removes it: permissions, read-only mounts, quotas and full disks all show here.
fn probe(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!(".kvern-doctor-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    let written = file.write_all(b"kvern").and_then(|()| file.flush());
    drop(file);
    let removed = fs::remove_file(&path);
    written.and(removed)
}

#[cfg(unix)]
fn space(directory: &Path) -> Option<(u64, u64)> {
    let space = rustix::fs::statvfs(directory).ok()?;
    Some((
        space.f_bavail.saturating_mul(space.f_frsize),
        space.f_blocks.saturating_mul(space.f_frsize),
    ))
}

#[cfg(not(unix))]
fn space(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Magic numbers of `statfs(2)`.
#[cfg(target_os = "linux")]
fn file_system(directory: &Path) -> Option<FileSystem> {
    let magic = rustix::fs::statfs(directory).ok()?.f_type as u64 & 0xffff_ffff;
    Some(match magic {
        0x0102_1994 => FileSystem::Memory("tmpfs"),
        0x8584_58f6 => FileSystem::Memory("ramfs"),
        0x6969 => FileSystem::Network("nfs"),
        0xff53_4d42 | 0xfe53_4d42 => FileSystem::Network("smb"),
        0x0bd0_0bd0 => FileSystem::Network("lustre"),
        0xef53 => FileSystem::Disk("ext4"),
        0x5846_5342 => FileSystem::Disk("xfs"),
        0x9123_683e => FileSystem::Disk("btrfs"),
        0x2fc1_2fc1 => FileSystem::Disk("zfs"),
        0x794c_7630 => FileSystem::Disk("overlay"),
        _ => return None,
    })
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> Option<FileSystem> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_probed_and_left_clean() {
        let folder = tempfile::tempdir().unwrap();
        let spill = find(folder.path().to_owned());
        assert_eq!(spill.unwritable, None);
        assert!(cfg!(not(unix)) || spill.free.unwrap() <= spill.total.unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_cannot_be_written_to() {
        let spill = find(PathBuf::from("/no/such/folder"));
        assert!(spill.unwritable.is_some());
        assert_eq!((spill.free, spill.system), (None, None));
    }
}

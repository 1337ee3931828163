//! Files that are being written, under hidden names beside the ones that they will have. Their writer holds a lock, so that what a dead one
//! has left is known, and the next write to that name removes it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// What such names end with, after the file's name and six letters or digits.
const ENDING: &str = ".tmp";
const LETTERS: usize = 6;

/// A new hidden file beside `path`, and the handle to write it with, which must live as long as it is being written.
pub(super) fn create(path: &Path) -> io::Result<(NamedTempFile, File)> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    sweep(folder, path.file_name().unwrap_or_default());
    let prefix = prefix(path.file_name().unwrap_or_default());
    loop {
        let mut builder = tempfile::Builder::new();
        as_its_kind(&mut builder, path);
        let temp = builder
            .prefix(&prefix)
            .rand_bytes(LETTERS)
            .suffix(ENDING)
            .tempfile_in(folder)?;
        let file = match temp.reopen() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        match file.try_lock() {
            // Somebody who sweeps has it at this moment, and takes it away.
            Err(TryLockError::WouldBlock) => {}
            // Without locks nobody sweeps.
            Err(TryLockError::Error(_)) => return Ok((temp, file)),
            Ok(()) if temp.path().try_exists()? => return Ok((temp, file)),
            Ok(()) => {}
        }
    }
}

fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Removes what writers have left that ended before they could. What cannot be told to be dead stays, and what cannot be removed is none of
/// the writer's business.
fn sweep(folder: &Path, name: &OsStr) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let prefix = prefix(name);
    let prefix = prefix.to_string_lossy();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let middle = name
            .to_str()
            .and_then(|n| n.strip_prefix(&*prefix)?.strip_suffix(ENDING));
        let is_ours = middle
            .is_some_and(|m| m.len() == LETTERS && m.bytes().all(|b| b.is_ascii_alphanumeric()));
        if !is_ours || !entry.file_type().is_ok_and(|t| t.is_file()) {
            continue;
        }
        if let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A temporary file is its owner's alone. This one is to be as the one that it replaces, from the beginning, or as any other, which the umask
/// decides.
#[cfg(unix)]
fn as_its_kind(builder: &mut tempfile::Builder<'_, '_>, path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let before = std::fs::metadata(path).map(|m| m.permissions());
    builder.permissions(before.unwrap_or(std::fs::Permissions::from_mode(0o666)));
}

#[cfg(not(unix))]
fn as_its_kind(_builder: &mut tempfile::Builder<'_, '_>, _path: &Path) {}

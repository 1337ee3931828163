//! The directory at the end of a zip archive, with its 64-bit extension: which members there are, and
//! where their bytes lie.
//!
//! Source of the layout: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central header),
//! 4.3.14 to 4.3.16 (end records) and 4.5.3 (the extension's field). Everything that a file says is
//! checked against the file's length before it is used.

use std::collections::HashSet;
use std::sync::Arc;

use super::NpyError;
use super::positional::PositionalFile;

/// A member as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// Bytes in the archive.
    pub(super) packed: u64,
    /// Bytes when unpacked.
    pub(super) size: u64,
    /// Offset of its local header.
    header: u64,
}

const END_LEN: u64 = 22;
const LOCATOR_LEN: u64 = 20;
const END64_LEN: usize = 56;
const CENTRAL_LEN: usize = 46;
const LOCAL_LEN: usize = 30;
/// A directory of a million members; more would be read whole into memory for nothing.
const MAX_DIRECTORY: u64 = 64 << 20;

/// Little-endian fields at fixed places of a record that is long enough.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn bad(origin: &Arc<str>, reason: String) -> NpyError {
    NpyError::Archive {
        origin: origin.clone(),
        reason,
    }
}

/// Offset, length and number of entries of the central directory.
fn locate(file: &PositionalFile) -> Result<(u64, u64, u64), NpyError> {
    let origin = file.origin();
    let missing = || {
        bad(
            origin,
            format!(
                "no end record in its last bytes ({} bytes in all); it may be cut off",
                file.len()
            ),
        )
    };
    let tail_len = file.len().min(END_LEN + u64::from(u16::MAX));
    let tail_at = file.len() - tail_len;
    let mut tail = vec![0; tail_len as usize];
    file.read_exact_at(origin, tail_at, &mut tail)?;
    // From the back: the record whose comment ends with the file.
    let at = (0..(tail.len() + 1).saturating_sub(END_LEN as usize))
        .rev()
        .find(|&i| {
            tail[i..].starts_with(b"PK\x05\x06")
                && i + END_LEN as usize + usize::from(u16_at(&tail, i + 20)) == tail.len()
        })
        .ok_or_else(missing)?;
    let end = &tail[at..];
    let end_at = tail_at + at as u64;
    let disks = (u16_at(end, 4), u16_at(end, 6));
    if disks != (0, 0) && disks != (u16::MAX, u16::MAX) {
        return Err(bad(
            origin,
            format!("it spans disks {disks:?}; allowed is one"),
        ));
    }
    let (mut count, mut len, mut offset) = (
        u64::from(u16_at(end, 10)),
        u64::from(u32_at(end, 12)),
        u64::from(u32_at(end, 16)),
    );
    let mut limit = end_at;
    let large =
        count == u64::from(u16::MAX) || len == u64::from(u32::MAX) || offset == u64::from(u32::MAX);
    if large && end_at >= LOCATOR_LEN {
        let mut locator = [0; LOCATOR_LEN as usize];
        file.read_exact_at(origin, end_at - LOCATOR_LEN, &mut locator)?;
        if locator.starts_with(b"PK\x06\x07") {
            let record_at = u64_at(&locator, 8);
            if record_at
                .checked_add(END64_LEN as u64)
                .is_none_or(|e| e > end_at - LOCATOR_LEN)
            {
                return Err(bad(
                    origin,
                    format!("64-bit end record at {record_at}; allowed is before {end_at}"),
                ));
            }
            let mut record = [0; END64_LEN];
            file.read_exact_at(origin, record_at, &mut record)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err(bad(origin, format!("no 64-bit end record at {record_at}")));
            }
            (count, len, offset) = (
                u64_at(&record, 32),
                u64_at(&record, 40),
                u64_at(&record, 48),
            );
            limit = record_at;
        }
    }
    if offset.checked_add(len).is_none_or(|e| e > limit) {
        return Err(bad(
            origin,
            format!("directory of {len} bytes at {offset}; allowed is before {limit}"),
        ));
    }
    if len > MAX_DIRECTORY {
        return Err(bad(
            origin,
            format!("directory of {len} bytes; allowed are {MAX_DIRECTORY}"),
        ));
    }
    Ok((offset, len, count))
}

/// All members, in the directory's order.
pub(super) fn read(file: &PositionalFile) -> Result<Vec<Entry>, NpyError> {
    let origin = file.origin();
    let (offset, len, count) = locate(file)?;
    let mut directory = vec![0; len as usize];
    file.read_exact_at(origin, offset, &mut directory)?;
    let mut rest = directory.as_slice();
    let mut entries = Vec::new();
    let mut names = HashSet::new();
    while !rest.is_empty() {
        let at = offset + len - rest.len() as u64;
        if rest.len() < CENTRAL_LEN || !rest.starts_with(b"PK\x01\x02") {
            return Err(bad(origin, format!("no directory entry at {at}")));
        }
        let (name_len, extra_len, comment_len) = (
            usize::from(u16_at(rest, 28)),
            usize::from(u16_at(rest, 30)),
            usize::from(u16_at(rest, 32)),
        );
        let whole = CENTRAL_LEN + name_len + extra_len + comment_len;
        if whole > rest.len() {
            return Err(bad(
                origin,
                format!(
                    "directory entry of {whole} bytes at {at}; allowed are {}",
                    rest.len()
                ),
            ));
        }
        let name = String::from_utf8_lossy(&rest[CENTRAL_LEN..CENTRAL_LEN + name_len]).into_owned();
        let extra = &rest[CENTRAL_LEN + name_len..CENTRAL_LEN + name_len + extra_len];
        let mut entry = Entry {
            name,
            flags: u16_at(rest, 8),
            method: u16_at(rest, 10),
            crc: u32_at(rest, 16),
            packed: u64::from(u32_at(rest, 20)),
            size: u64::from(u32_at(rest, 24)),
            header: u64::from(u32_at(rest, 42)),
        };
        widen(&mut entry, extra);
        if entry
            .header
            .checked_add(LOCAL_LEN as u64)
            .is_none_or(|e| e > offset)
        {
            return Err(bad(
                origin,
                format!(
                    "member {:?} at {}; allowed is before {offset}",
                    entry.name, entry.header
                ),
            ));
        }
        if !names.insert(entry.name.clone()) {
            return Err(bad(
                origin,
                format!("member {:?} twice; allowed is once", entry.name),
            ));
        }
        entries.push(entry);
        rest = &rest[whole..];
    }
    if entries.len() as u64 != count {
        return Err(bad(
            origin,
            format!(
                "{} directory entries; its end record says {count}",
                entries.len()
            ),
        ));
    }
    Ok(entries)
}

/// Takes the values that do not fit in 32 bits from the extra field with number 1.
fn widen(entry: &mut Entry, mut extra: &[u8]) {
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let Some(mut field) = extra.get(4..4 + len) else {
            return;
        };
        if id == 1 {
            // Only the values that are all ones in the entry are there, in this order.
            for value in [&mut entry.size, &mut entry.packed, &mut entry.header] {
                if *value == u64::from(u32::MAX) && field.len() >= 8 {
                    *value = u64_at(field, 0);
                    field = &field[8..];
                }
            }
            return;
        }
        extra = &extra[4 + len..];
    }
}

/// Offset of the first byte of a member's data, checked to end inside the file.
pub(super) fn data_start(
    file: &PositionalFile,
    origin: &Arc<str>,
    entry: &Entry,
) -> Result<u64, NpyError> {
    let mut local = [0; LOCAL_LEN];
    file.read_exact_at(origin, entry.header, &mut local)?;
    if !local.starts_with(b"PK\x03\x04") {
        return Err(bad(origin, format!("no member header at {}", entry.header)));
    }
    let name_len = usize::from(u16_at(&local, 26));
    let mut name = vec![0; name_len];
    file.read_exact_at(origin, entry.header + LOCAL_LEN as u64, &mut name)?;
    let name = String::from_utf8_lossy(&name);
    if name != entry.name.as_str() || u16_at(&local, 8) != entry.method {
        return Err(bad(
            origin,
            format!(
                "member header at {} is of {name:?}, method {}; the directory says {:?}, method {}",
                entry.header,
                u16_at(&local, 8),
                entry.name,
                entry.method
            ),
        ));
    }
    let start = entry.header + (LOCAL_LEN + name_len) as u64 + u64::from(u16_at(&local, 28));
    if start
        .checked_add(entry.packed)
        .is_none_or(|e| e > file.len())
    {
        return Err(NpyError::Truncated {
            origin: origin.clone(),
            offset: start,
            wanted: entry.packed,
            available: file.len().saturating_sub(start),
        });
    }
    Ok(start)
}

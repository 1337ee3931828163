//! Builders of `.npy` and zip bytes, independent of the code under test, for its tests.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses some of the builders"
)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file of the repository's fixtures.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// Writes `bytes` as `name` in `dir`.
///
/// Without cutting the file to nothing first: some file systems then flush it when it is closed, and the
/// mutation tests write thousands.
pub fn put(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    path
}

/// A version 1.0 `.npy` file with `dictionary` as its header and `data` behind it.
pub fn npy(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.as_bytes());
    bytes.extend(data);
    bytes
}

/// The dictionary of a header.
pub fn dictionary(descr: &str, fortran_order: bool, shape: &[usize]) -> String {
    let order = if fortran_order { "True" } else { "False" };
    let shape: String = shape.iter().map(|n| format!("{n},")).collect();
    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}")
}

/// How a member is put into an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Stored,
    Deflated,
}

/// One member of an archive to build; the public fields can be falsified before [`zip`] writes them.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub size: u64,
    pub packed: Vec<u8>,
}

pub fn member(name: &str, data: &[u8], packing: Packing) -> Member {
    let packed = match packing {
        Packing::Stored => data.to_vec(),
        Packing::Deflated => miniz_oxide::deflate::compress_to_vec(data, 1),
    };
    Member {
        name: name.to_owned(),
        flags: 0,
        method: if packing == Packing::Stored { 0 } else { 8 },
        crc: crc32fast::hash(data),
        size: data.len() as u64,
        packed,
    }
}

/// An archive; with `wide`, every length and offset is in the 64-bit extension only.
pub fn zip(members: &[Member], wide: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    let clip = |n: u64| if wide { u32::MAX } else { n as u32 };
    for m in members {
        let at = bytes.len() as u64;
        let mut common = Vec::new();
        common.extend(45u16.to_le_bytes());
        common.extend(m.flags.to_le_bytes());
        common.extend(m.method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(m.crc.to_le_bytes());
        common.extend(clip(m.packed.len() as u64).to_le_bytes());
        common.extend(clip(m.size).to_le_bytes());
        common.extend((m.name.len() as u16).to_le_bytes());
        let extra = |values: &[u64]| -> Vec<u8> {
            if !wide {
                return Vec::new();
            }
            // Another field before it, which has to be stepped over.
            let mut extra = vec![0x55, 0x54, 2, 0, 9, 9, 1, 0];
            extra.extend((values.len() as u16 * 8).to_le_bytes());
            values.iter().for_each(|v| extra.extend(v.to_le_bytes()));
            extra
        };
        let local = extra(&[m.size, m.packed.len() as u64]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend((local.len() as u16).to_le_bytes());
        bytes.extend(m.name.as_bytes());
        bytes.extend(local);
        bytes.extend(&m.packed);

        let central = extra(&[m.size, m.packed.len() as u64, at]);
        directory.extend(b"PK\x01\x02");
        directory.extend(45u16.to_le_bytes());
        directory.extend(&common);
        directory.extend((central.len() as u16).to_le_bytes());
        directory.extend([0; 10]);
        directory.extend(clip(at).to_le_bytes());
        directory.extend(m.name.as_bytes());
        directory.extend(central);
    }
    let (at, len, count) = (
        bytes.len() as u64,
        directory.len() as u64,
        members.len() as u64,
    );
    bytes.extend(directory);
    if wide {
        let record = bytes.len() as u64;
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0]);
        bytes.extend([0; 8]);
        for v in [count, count, len, at] {
            bytes.extend(v.to_le_bytes());
        }
        bytes.extend(b"PK\x06\x07");
        bytes.extend([0; 4]);
        bytes.extend(record.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
    }
    let narrow = |n: u64| if wide { u16::MAX } else { n as u16 };
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0; 4]);
    bytes.extend(narrow(count).to_le_bytes());
    bytes.extend(narrow(count).to_le_bytes());
    bytes.extend(clip(len).to_le_bytes());
    bytes.extend(clip(at).to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// Bytes that compress somewhat: short repeats, runs and noise, the same for the same seed.
pub fn mixed_bytes(len: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::with_capacity(len + 600);
    while bytes.len() < len {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let r = seed >> 33;
        match r % 4 {
            0 => bytes.extend(seed.to_le_bytes()),
            1 => bytes.extend(std::iter::repeat_n(r as u8, (r >> 8) as usize % 600)),
            _ if bytes.len() > 40_000 => {
                // A match at up to the window's whole length.
                let back = 1 + (r >> 4) as usize % 32768;
                let from = bytes.len() - back;
                for i in from..from + (r >> 20) as usize % 258 {
                    bytes.push(bytes[i]);
                }
            }
            _ => bytes.push(r as u8),
        }
    }
    bytes.truncate(len);
    bytes
}

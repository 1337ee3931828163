//! The places that an array's bytes can lie in: a file of its own, or a member of an archive.

use std::sync::{Arc, Mutex, PoisonError};

use super::NpyError;
use super::block::Runs;
use super::checksum::Coverage;
use super::deflated::Deflated;
use super::positional::PositionalFile;

/// Runs nearer to each other than this are fetched together.
const BRIDGE: u64 = 4096;
/// Bytes fetched together at most.
const BATCH: u64 = 1 << 18;
/// Shorter runs of a stored member are not hashed: looking up where they belong would cost more.
const HASH_RUN: usize = 4096;

/// Where an array's bytes come from.
#[derive(Debug)]
pub(super) enum Bytes {
    /// A file of its own.
    Plain(PositionalFile),
    /// A stretch of an archive.
    Stored(Stored),
    /// A stretch of an archive, compressed.
    Deflated(Box<Deflated>),
}

impl Bytes {
    /// Fills `out` with the runs, which begin `base` bytes after the first.
    pub(super) fn read_runs(
        &self,
        origin: &Arc<str>,
        base: u64,
        runs: Runs,
        out: &mut [u8],
    ) -> Result<(), NpyError> {
        match self {
            Self::Plain(file) => gather(file, origin, base, runs, out),
            Self::Stored(stored) => stored.read_runs(origin, base, runs, out),
            Self::Deflated(deflated) => deflated.read_runs(base, runs, out),
        }
    }
}

/// A member that is stored as it is. Its CRC-32 is checked by the read that completes the data, whatever the
/// order; once found wrong, every later read fails.
pub(super) struct Stored {
    file: Arc<PositionalFile>,
    start: u64,
    size: u64,
    crc: u32,
    coverage: Mutex<Coverage>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("start", &self.start)
            .field("size", &self.size)
            .finish()
    }
}

impl Stored {
    pub(super) fn new(file: Arc<PositionalFile>, start: u64, size: u64, crc: u32) -> Self {
        Self {
            file,
            start,
            size,
            crc,
            coverage: Mutex::default(),
        }
    }

    fn read_runs(
        &self,
        origin: &Arc<str>,
        base: u64,
        runs: Runs,
        out: &mut [u8],
    ) -> Result<(), NpyError> {
        gather(&self.file, origin, self.start + base, runs.clone(), out)?;
        let coverage = || self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = 0;
        for (at, n) in runs {
            let bytes = &out[filled..filled + n];
            filled += n;
            let (begin, end) = (base + at, base + at + n as u64);
            if n < HASH_RUN && end < self.size && begin >= HASH_RUN as u64 {
                continue;
            }
            let mut from = begin;
            loop {
                let missing = coverage().missing(from, end);
                let Some((first, last)) = missing else { break };
                let mut hasher = crc32fast::Hasher::new();
                hasher.update(&bytes[(first - begin) as usize..(last - begin) as usize]);
                coverage().add(first, last, hasher);
                from = last;
            }
        }
        match coverage().whole(self.size) {
            Some(found) if found != self.crc => Err(NpyError::Checksum {
                origin: origin.clone(),
                expected: self.crc,
                found,
            }),
            _ => Ok(()),
        }
    }
}

/// Reads runs from a file; those close together by one call.
fn gather(
    file: &PositionalFile,
    origin: &Arc<str>,
    base: u64,
    runs: Runs,
    mut out: &mut [u8],
) -> Result<(), NpyError> {
    let mut runs = runs.peekable();
    let mut scratch = Vec::new();
    while let Some((at, n)) = runs.next() {
        let mut group = vec![(at, n)];
        let mut end = at + n as u64;
        while let Some(&(next, m)) = runs.peek() {
            if next - end > BRIDGE || next + m as u64 - at > BATCH {
                break;
            }
            group.push((next, m));
            end = next + m as u64;
            runs.next();
        }
        let bytes: usize = group.iter().map(|&(_, n)| n).sum();
        let (target, later) = out.split_at_mut(bytes);
        out = later;
        if group.len() == 1 {
            file.read_exact_at(origin, base + at, target)?;
            continue;
        }
        scratch.resize((end - at) as usize, 0);
        file.read_exact_at(origin, base + at, &mut scratch)?;
        let mut rest = target;
        for (from, m) in group {
            let (piece, tail) = rest.split_at_mut(m);
            let skip = (from - at) as usize;
            piece.copy_from_slice(&scratch[skip..skip + m]);
            rest = tail;
        }
    }
    Ok(())
}

//! One pass through a deflate stream that can be stopped, copied and taken up again anywhere.
//!
//! The decoder's whole state is its tables and the last 32 KiB of output, which here are a ring that it
//! writes into. A copy of both, with the place in the compressed bytes, is a [`Snapshot`]: decoding goes
//! on from it as if nothing had happened. (The idea is Mark Adler's `zran.c`, which restarts at block
//! borders; a copied state needs none.)

use std::sync::Arc;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::NpyError;
use super::positional::PositionalFile;

/// Deflate's window, and so the least ring that needs no other history.
const RING: usize = 1 << 15;
/// Compressed bytes fetched at once.
const INPUT: usize = 1 << 15;

/// Where a member's compressed bytes are and what they must become.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) file: Arc<PositionalFile>,
    pub(super) origin: Arc<str>,
    /// Offset of the first compressed byte in the file.
    pub(super) start: u64,
    /// Compressed bytes.
    pub(super) packed: u64,
    /// Bytes when decoded.
    pub(super) size: u64,
    /// CRC-32 when decoded.
    pub(super) crc: u32,
}

/// Everything that decoding depends on, at one place of the stream.
#[derive(Clone)]
struct Core {
    state: DecompressorOxide,
    ring: [u8; RING],
    /// Bytes decoded so far; the ring's write position is this modulo its length.
    decoded: u64,
    /// Compressed bytes taken so far.
    taken: u64,
}

/// A frozen decoder: about 43 KB.
pub(super) struct Snapshot {
    core: Box<Core>,
    /// As in the cursor: what is decoded beyond it lies in the ring.
    position: u64,
}

impl Snapshot {
    /// Bytes of memory that one snapshot holds.
    pub(super) const BYTES: usize = size_of::<Core>();

    /// Offset of the first byte that a cursor hands out from here.
    pub(super) fn position(&self) -> u64 {
        self.position
    }
}

/// A decoder at one place of the stream.
pub(super) struct Cursor {
    core: Box<Core>,
    /// Bytes handed out; those from here to `core.decoded` wait in the ring.
    position: u64,
    input: Box<[u8]>,
    /// Offset of `input` in the compressed bytes, and how many of it are valid.
    input_at: u64,
    input_len: usize,
}

impl Cursor {
    /// Bytes of memory that one cursor holds.
    pub(super) const BYTES: usize = size_of::<Core>() + INPUT;

    /// A decoder at the start of the stream.
    pub(super) fn new() -> Self {
        let core = Core {
            state: DecompressorOxide::new(),
            ring: [0; RING],
            decoded: 0,
            taken: 0,
        };
        Self::resume(&Snapshot {
            core: Box::new(core),
            position: 0,
        })
    }

    /// A decoder that goes on from `snapshot`.
    pub(super) fn resume(snapshot: &Snapshot) -> Self {
        Self {
            core: snapshot.core.clone(),
            position: snapshot.position,
            input: vec![0; INPUT].into_boxed_slice(),
            input_at: snapshot.core.taken,
            input_len: 0,
        }
    }

    /// Offset of the next byte to hand out.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes decoded from the start of the stream; at least [`Self::position`].
    pub(super) fn decoded(&self) -> u64 {
        self.core.decoded
    }

    /// Freezes the decoder at its position.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            core: self.core.clone(),
            position: self.position,
        }
    }

    /// Hands out the next bytes, at most `most` (not 0) and at most what lies decoded in the ring.
    pub(super) fn next(&mut self, stream: &Stream, most: u64) -> Result<&[u8], NpyError> {
        if self.position == self.core.decoded {
            self.decode(stream)?;
        }
        // In one piece: decoding stops at the ring's end, and goes on only when all is handed out.
        let start = (self.position % RING as u64) as usize;
        let n = (self.core.decoded - self.position).min(most) as usize;
        self.position += n as u64;
        Ok(&self.core.ring[start..start + n])
    }

    /// The bytes that the last [`Self::decode`] may have added, from `from` on.
    pub(super) fn fresh(&self, from: u64) -> &[u8] {
        let start = (from % RING as u64) as usize;
        &self.core.ring[start..start + (self.core.decoded - from) as usize]
    }

    /// Decodes up to the ring's end: at least one byte, or an error.
    pub(super) fn decode(&mut self, stream: &Stream) -> Result<(), NpyError> {
        let before = self.core.decoded;
        while self.core.decoded == before {
            let (status, _) = self.step(stream)?;
            if status == TINFLStatus::Done && self.core.decoded == before {
                return Err(self.corrupt(
                    stream,
                    format!("it ends early; allowed is at {}", stream.size),
                ));
            }
        }
        if self.core.decoded > stream.size {
            return Err(self.too_long(stream));
        }
        Ok(())
    }

    /// Checks that nothing follows the last byte, neither decoded nor compressed.
    pub(super) fn finish(&mut self, stream: &Stream) -> Result<(), NpyError> {
        loop {
            let (status, made) = self.step(stream)?;
            if made > 0 {
                return Err(self.too_long(stream));
            }
            if status == TINFLStatus::Done {
                break;
            }
        }
        if self.core.taken != stream.packed {
            let left = stream.packed - self.core.taken;
            return Err(self.corrupt(stream, format!("{left} bytes after its end; allowed are 0")));
        }
        Ok(())
    }

    fn step(&mut self, stream: &Stream) -> Result<(TINFLStatus, usize), NpyError> {
        let core = &mut *self.core;
        let mut at = (core.taken - self.input_at) as usize;
        if at >= self.input_len {
            // On failure nothing has changed: the same step can be tried again.
            let n = (stream.packed - core.taken).min(INPUT as u64) as usize;
            stream.file.read_exact_at(
                &stream.origin,
                stream.start + core.taken,
                &mut self.input[..n],
            )?;
            (self.input_at, self.input_len, at) = (core.taken, n, 0);
        }
        let more = self.input_at + (self.input_len as u64) < stream.packed;
        let flags = if more { TINFL_FLAG_HAS_MORE_INPUT } else { 0 };
        let write = (core.decoded % RING as u64) as usize;
        let input = &self.input[at..self.input_len];
        let (status, used, made) = decompress(&mut core.state, input, &mut core.ring, write, flags);
        core.taken += used as u64;
        core.decoded += made as u64;
        match status {
            TINFLStatus::Done | TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => {
                Ok((status, made))
            }
            TINFLStatus::FailedCannotMakeProgress => Err(self.corrupt(
                stream,
                format!("{} compressed bytes end before it does", stream.packed),
            )),
            _ => Err(self.corrupt(stream, "invalid code".to_owned())),
        }
    }

    fn too_long(&self, stream: &Stream) -> NpyError {
        self.corrupt(
            stream,
            format!("it goes on after its {} bytes", stream.size),
        )
    }

    fn corrupt(&self, stream: &Stream, reason: String) -> NpyError {
        NpyError::Corrupt {
            origin: stream.origin.clone(),
            reason,
            input_offset: self.core.taken,
            output_offset: self.core.decoded,
        }
    }
}

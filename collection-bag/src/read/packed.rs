//! Compressed files as one stream of bytes: gzip of any number of members, Zstandard of any number of frames. A file that ends in the
//! middle of one is an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use super::files::GZIP;

/// Packed bytes are read in pieces of this size.
const READ: usize = 1 << 16;

fn buffered(file: File) -> BufReader<File> {
    BufReader::with_capacity(READ, file)
}

/// The members of a gzip file, one after another. As Python and gzip do, it takes zeros behind a member for padding, and an empty file for
/// empty text.
pub(crate) struct Members {
    state: State,
    /// Members that have been read.
    done: u64,
}

enum State {
    /// Before a member, or the end.
    Between(BufReader<File>),
    In(Box<flate2::bufread::GzDecoder<BufReader<File>>>),
    Ended,
}

impl Members {
    pub(crate) fn new(file: File) -> Self {
        Self {
            state: State::Between(buffered(file)),
            done: 0,
        }
    }

    /// Whether another member begins here; zeros behind one are passed over.
    ///
    /// # Errors
    /// If the file cannot be read, or does not begin as gzip files do.
    fn another(&self, rest: &mut BufReader<File>) -> io::Result<bool> {
        loop {
            let have = fill(rest)?;
            if have.is_empty() {
                return Ok(false);
            }
            if self.done == 0 && !have.iter().zip(GZIP).all(|(a, b)| a == b) {
                let words = format!(
                    "it is no gzip data, which begins with 1f 8b: it begins with \"{}\"; Compression::None reads it as it is",
                    have[..have.len().min(8)].escape_ascii()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, words));
            }
            let zeros = match self.done {
                // An archive that begins with zeros is none.
                0 => 0,
                _ => have.iter().take_while(|b| **b == 0).count(),
            };
            let all = zeros == have.len();
            rest.consume(zeros);
            if !all {
                return Ok(true);
            }
        }
    }

    fn place(&self, e: io::Error) -> io::Error {
        match self.done {
            0 => e,
            n => io::Error::new(e.kind(), format!("{e} (after member {n} of the file)")),
        }
    }
}

/// What is there to be read, at least a byte unless the file has ended.
fn fill(from: &mut BufReader<File>) -> io::Result<&[u8]> {
    loop {
        match from.fill_buf() {
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(from.buffer())
}

impl Read for Members {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut rest) => {
                    if self.another(&mut rest)? {
                        let member = flate2::bufread::GzDecoder::new(rest);
                        self.state = State::In(Box::new(member));
                    }
                }
                State::In(mut member) => match member.read(buf) {
                    Ok(0) => {
                        self.done += 1;
                        self.state = State::Between(member.into_inner());
                    }
                    Ok(n) => {
                        self.state = State::In(member);
                        return Ok(n);
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                        self.state = State::In(member);
                    }
                    Err(e) => return Err(self.place(e)),
                },
            }
        }
    }
}

/// A file of which some bytes have been looked at.
type Rest = Chain<Cursor<Vec<u8>>, BufReader<File>>;

type Frame = ruzstd::decoding::StreamingDecoder<Rest, ruzstd::decoding::FrameDecoder>;

/// The frames of a Zstandard file, one after another.
pub(crate) struct Frames {
    frame: Option<Box<Frame>>,
    rest: Option<BufReader<File>>,
}

impl Frames {
    pub(crate) fn new(file: File) -> Self {
        Self {
            frame: None,
            rest: Some(buffered(file)),
        }
    }
}

impl Read for Frames {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let n = frame.read(buf)?;
                if n > 0 || buf.is_empty() {
                    return Ok(n);
                }
                if let Some(frame) = self.frame.take() {
                    self.rest = Some(ended(*frame)?);
                }
            }
            let Some(rest) = self.rest.take() else {
                return Ok(0);
            };
            self.frame = next_frame(rest)?;
            if self.frame.is_none() {
                return Ok(0);
            }
        }
    }
}

/// A frame that has been read to its end: what follows it in the file. The decoder leaves it to us to compare the checksums.
fn ended(frame: Frame) -> io::Result<BufReader<File>> {
    let (rest, decoder) = frame.into_parts();
    let (said, found) = (
        decoder.get_checksum_from_data(),
        decoder.get_calculated_checksum(),
    );
    match (said, found) {
        (Some(said), Some(found)) if said != found => {
            let words =
                format!("a frame is damaged: its checksum is {found:#010x}, not {said:#010x}");
            Err(io::Error::new(io::ErrorKind::InvalidData, words))
        }
        _ => Ok(rest.into_inner().1),
    }
}

/// The next frame with data; frames to be skipped (the format allows them for other programs' notes) are.
fn next_frame(mut rest: BufReader<File>) -> io::Result<Option<Box<Frame>>> {
    let magic = loop {
        if fill(&mut rest)?.is_empty() {
            return Ok(None);
        }
        let mut magic = [0; 4];
        rest.read_exact(&mut magic)?;
        if !(0x184D_2A50..=0x184D_2A5F).contains(&u32::from_le_bytes(magic)) {
            break magic;
        }
        let mut len = [0; 4];
        rest.read_exact(&mut len)?;
        let len = u64::from(u32::from_le_bytes(len));
        if io::copy(&mut (&mut rest).take(len), &mut io::sink())? < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let rest = Cursor::new(magic.to_vec()).chain(rest);
    let frame = ruzstd::decoding::StreamingDecoder::new(rest)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
    Ok(Some(Box::new(frame)))
}

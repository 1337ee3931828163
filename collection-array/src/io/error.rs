//! The one error type of the file readers: each message names the file, the member, the value found
//! and what would have been allowed.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::NpyDtype;

/// Why an array file could not be opened, read or written.
///
/// `origin` is the path, followed by the member's name where the array lies inside an archive.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The operating system refused an operation.
    #[error("{origin}: cannot {action}: {source}")]
    Io {
        /// File, and member if any.
        origin: Arc<str>,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: Arc<io::Error>,
    },
    /// The file ends before the bytes that its own headers promise.
    #[error("{origin}: truncated: {wanted} bytes wanted at offset {offset}, {available} are there")]
    Truncated {
        /// File, and member if any.
        origin: Arc<str>,
        /// Byte offset of the read, from the start of the file.
        offset: u64,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes found.
        available: u64,
    },
    /// The first bytes are not those of a `.npy` file.
    #[error(r"{origin}: not a .npy file: starts with {found:02x?}, allowed is 93 4e 55 4d 50 59 (\x93NUMPY)")]
    NotNpy {
        /// File, and member if any.
        origin: Arc<str>,
        /// The bytes found.
        found: Vec<u8>,
    },
    /// A format version that does not exist (yet).
    #[error("{origin}: .npy format version {major}.{minor}; allowed are 1.0, 2.0 and 3.0")]
    Version {
        /// File, and member if any.
        origin: Arc<str>,
        /// Major version found.
        major: u8,
        /// Minor version found.
        minor: u8,
    },
    /// The header's dictionary cannot be understood.
    #[error("{origin}: bad .npy header: {reason}")]
    Header {
        /// File, and member if any.
        origin: Arc<str>,
        /// The value found and the one allowed.
        reason: String,
    },
    /// A dtype that this reader refuses.
    #[error(
        "{origin}: dtype {found} ({kind}) is not supported; allowed are bool (b1), i1, i2, i4, i8, \
         u1, u2, u4, u8, f4 and f8, with byte order '<', '>', '=' or, for one byte, '|'"
    )]
    UnsupportedDtype {
        /// File, and member if any.
        origin: Arc<str>,
        /// The `descr` as written in the file.
        found: String,
        /// What kind of dtype that is, in words.
        kind: &'static str,
    },
    /// The shape's product does not fit in memory addresses.
    #[error(
        "{origin}: shape {shape:?} of {item_size}-byte elements overflows; allowed are at most {} bytes",
        isize::MAX
    )]
    ShapeOverflow {
        /// File, and member if any.
        origin: Arc<str>,
        /// The shape found.
        shape: Vec<usize>,
        /// Bytes an element.
        item_size: usize,
    },
    /// The data is shorter or longer than dtype and shape say.
    #[error(
        "{origin}: {found} bytes of data follow the header; dtype and shape make it {expected}"
    )]
    DataLength {
        /// File, and member if any.
        origin: Arc<str>,
        /// Bytes that dtype and shape promise.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// The file is not a zip archive, or its directory contradicts itself.
    #[error("{origin}: bad zip archive: {reason}")]
    Archive {
        /// File, and member if any.
        origin: Arc<str>,
        /// The value found and the one allowed.
        reason: String,
    },
    /// The archive has no member of that name.
    #[error("{origin}: no member {name:?}; the archive holds {members:?}")]
    NoMember {
        /// The archive.
        origin: Arc<str>,
        /// The name asked for.
        name: String,
        /// The names present.
        members: Vec<String>,
    },
    /// A member that is compressed or protected in a way that this reader refuses.
    #[error(
        "{origin}: {found} is not supported; allowed are stored (0) and deflated (8) members, not encrypted"
    )]
    UnsupportedMember {
        /// File and member.
        origin: Arc<str>,
        /// Method or protection found.
        found: String,
    },
    /// The compressed data is damaged.
    #[error(
        "{origin}: damaged deflate stream: {reason} (compressed byte {input_offset}, data byte {output_offset})"
    )]
    Corrupt {
        /// File and member.
        origin: Arc<str>,
        /// What is wrong.
        reason: String,
        /// Compressed bytes taken when it showed.
        input_offset: u64,
        /// Bytes decoded by then.
        output_offset: u64,
    },
    /// The data was read to its end and is not what was stored.
    #[error("{origin}: CRC-32 is {found:08x}; the archive says {expected:08x}")]
    Checksum {
        /// File and member.
        origin: Arc<str>,
        /// CRC-32 in the archive's directory.
        expected: u32,
        /// CRC-32 of the data.
        found: u32,
    },
    /// The array's elements are of another type than the one asked for.
    #[error("{origin}: elements are {stored}, asked for as {requested}; allowed is {stored}")]
    TypeMismatch {
        /// File, and member if any.
        origin: Arc<str>,
        /// The file's dtype.
        stored: NpyDtype,
        /// The dtype of the Rust type asked for.
        requested: NpyDtype,
    },
    /// A range leaves its axis, or runs backwards.
    #[error("{origin}: range {range:?} on axis {axis}; allowed is start <= end <= {len}")]
    Range {
        /// File, and member if any.
        origin: Arc<str>,
        /// The axis.
        axis: usize,
        /// The range asked for.
        range: Range<usize>,
        /// The axis' length.
        len: usize,
    },
    /// The number of ranges is not the number of axes.
    #[error("{origin}: {given} ranges for an array of {ndim} axes; allowed is one an axis")]
    Axes {
        /// File, and member if any.
        origin: Arc<str>,
        /// Ranges given.
        given: usize,
        /// Axes of the array.
        ndim: usize,
    },
    /// A byte range leaves the data, or a buffer has not the block's size.
    #[error("{origin}: buffer of {given} bytes at data byte {offset}; allowed is {allowed}")]
    Buffer {
        /// File, and member if any.
        origin: Arc<str>,
        /// First data byte asked for.
        offset: u64,
        /// Bytes of the buffer.
        given: usize,
        /// What would have fitted, in words.
        allowed: String,
    },
    /// A byte that is no boolean.
    #[error(
        "{origin}: byte {value:#04x} in a bool array (element {index} of the block); allowed are 0x00 and 0x01"
    )]
    NotBool {
        /// File, and member if any.
        origin: Arc<str>,
        /// The byte found.
        value: u8,
        /// Which element of the block.
        index: usize,
    },
    /// No memory for the block.
    #[error("{origin}: no memory for a block of {bytes} bytes")]
    Memory {
        /// File, and member if any.
        origin: Arc<str>,
        /// Bytes asked for.
        bytes: u64,
    },
    /// A writer got more or fewer elements than its shape has.
    #[error("{origin}: {written} elements written; shape {shape:?} has {expected}")]
    ElementCount {
        /// The file.
        origin: Arc<str>,
        /// Elements given.
        written: u64,
        /// Elements of the shape.
        expected: u64,
        /// The shape.
        shape: Vec<usize>,
    },
}

impl NpyError {
    /// Wraps what the operating system said.
    pub(super) fn io(origin: &Arc<str>, action: &'static str, source: io::Error) -> Self {
        Self::Io {
            origin: origin.clone(),
            action,
            source: Arc::new(source),
        }
    }
}

//! The header of a `.npy` file, versions 1.0, 2.0 and 3.0.
//!
//! Layout: six bytes `\x93NUMPY`, major and minor version, the length of what follows (two bytes in
//! version 1, four since), then a Python dictionary literal with the keys `descr`, `fortran_order` and
//! `shape`. Source: `numpy.lib.format` (NEP 1).

use std::fmt;
use std::sync::Arc;

use super::NpyError;
use super::npy_literal::{Descr, Literal, shorten};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Far above what any dtype allowed here needs: stops a damaged length from asking for gigabytes.
const MAX_HEADER: u64 = 1 << 20;
/// As many axes as NumPy has.
pub(super) const MAX_AXES: usize = 64;

/// Element type of a `.npy` array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NpyDtype {
    /// One byte, 0 or 1.
    Bool,
    /// Signed, 1 byte.
    I8,
    /// Signed, 2 bytes.
    I16,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 8 bytes.
    I64,
    /// Unsigned, 1 byte.
    U8,
    /// Unsigned, 2 bytes.
    U16,
    /// Unsigned, 4 bytes.
    U32,
    /// Unsigned, 8 bytes.
    U64,
    /// IEEE 754, 4 bytes.
    F32,
    /// IEEE 754, 8 bytes.
    F64,
}

impl NpyDtype {
    const ALL: [(Self, &'static str, &'static str, usize); 11] = [
        (Self::Bool, "bool", "b1", 1),
        (Self::I8, "i8", "i1", 1),
        (Self::I16, "i16", "i2", 2),
        (Self::I32, "i32", "i4", 4),
        (Self::I64, "i64", "i8", 8),
        (Self::U8, "u8", "u1", 1),
        (Self::U16, "u16", "u2", 2),
        (Self::U32, "u32", "u4", 4),
        (Self::U64, "u64", "u8", 8),
        (Self::F32, "f32", "f4", 4),
        (Self::F64, "f64", "f8", 8),
    ];

    fn row(self) -> &'static (Self, &'static str, &'static str, usize) {
        // `ALL` lists the variants in the order of their declaration.
        &Self::ALL[self as usize]
    }

    /// Bytes an element.
    pub fn item_size(self) -> usize {
        self.row().3
    }

    /// Name of the Rust type: `"bool"`, `"i16"`, `"f64"`, …
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// NumPy's code without byte order: `"b1"`, `"i2"`, `"f8"`, …
    pub fn code(self) -> &'static str {
        self.row().2
    }
}

impl fmt::Display for NpyDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Byte order of the elements in a file; one-byte elements count as native.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NpyByteOrder {
    /// Least significant byte first, `'<'`.
    Little,
    /// Most significant byte first, `'>'`.
    Big,
}

impl NpyByteOrder {
    /// The order of this machine.
    pub const NATIVE: Self = if cfg!(target_endian = "little") {
        Self::Little
    } else {
        Self::Big
    };
}

/// What a `.npy` file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NpyHeader {
    /// Element type.
    pub dtype: NpyDtype,
    /// Byte order of the elements in the file.
    pub byte_order: NpyByteOrder,
    /// Whether the first axis varies fastest in the file.
    pub fortran_order: bool,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Bytes before the first element, from the start of the file or of the member.
    pub data_offset: u64,
}

impl NpyHeader {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Bytes of all elements.
    pub fn data_bytes(&self) -> u64 {
        (self.len() * self.dtype.item_size()) as u64
    }

    /// Parses the header of an array of `total` bytes, header included, that `read` fetches from, and
    /// checks that the data is as long as dtype and shape say.
    pub(super) fn parse(
        origin: &Arc<str>,
        total: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), NpyError>,
    ) -> Result<Self, NpyError> {
        let short = |offset: u64, wanted: u64| NpyError::Truncated {
            origin: origin.clone(),
            offset,
            wanted,
            available: total - offset,
        };
        let bad = |reason: String| NpyError::Header {
            origin: origin.clone(),
            reason,
        };
        let mut start = [0u8; 12];
        let head = total.min(8) as usize;
        read(0, &mut start[..head])?;
        if !start[..head].starts_with(&MAGIC[..head.min(6)]) || head == 0 {
            return Err(NpyError::NotNpy {
                origin: origin.clone(),
                found: start[..head.min(6)].to_vec(),
            });
        }
        if head < 8 {
            return Err(short(0, 10));
        }
        let (major, minor) = (start[6], start[7]);
        let width = match (major, minor) {
            (1, 0) => 2,
            (2 | 3, 0) => 4,
            _ => {
                return Err(NpyError::Version {
                    origin: origin.clone(),
                    major,
                    minor,
                });
            }
        };
        if total < 8 + width {
            return Err(short(8, width));
        }
        read(8, &mut start[8..8 + width as usize])?;
        // Bytes 10 and 11 are still zero in version 1.
        let text_len = u64::from(u32::from_le_bytes([
            start[8], start[9], start[10], start[11],
        ]));
        if text_len > MAX_HEADER {
            return Err(bad(format!(
                "{text_len} bytes long; allowed are at most {MAX_HEADER}"
            )));
        }
        let data_offset = 8 + width + text_len;
        if total < data_offset {
            return Err(short(8 + width, text_len));
        }
        let mut raw = vec![0u8; text_len as usize];
        read(8 + width, &mut raw)?;
        let text = if major == 3 {
            String::from_utf8(raw).map_err(|e| bad(format!("not UTF-8: {e}")))?
        } else {
            // Latin-1: each byte is the code point of the same number.
            raw.iter().map(|&b| char::from(b)).collect()
        };
        let fields = Literal::new(&text).fields().map_err(bad)?;
        let (dtype, byte_order) = parse_descr(origin, &fields.descr)?;
        let header = Self {
            dtype,
            byte_order,
            fortran_order: fields.fortran_order,
            shape: fields.shape,
            data_offset,
        };
        let expected = checked_bytes(origin, &header.shape, dtype)?;
        let found = total - data_offset;
        if found != expected {
            return Err(NpyError::DataLength {
                origin: origin.clone(),
                expected,
                found,
            });
        }
        Ok(header)
    }

    /// The bytes of a version 1.0 header in C order and native byte order, padded to 64 bytes.
    pub(super) fn encode(dtype: NpyDtype, shape: &[usize]) -> Vec<u8> {
        let order = match (dtype.item_size(), NpyByteOrder::NATIVE) {
            (1, _) => '|',
            (_, NpyByteOrder::Little) => '<',
            (_, NpyByteOrder::Big) => '>',
        };
        let mut axes = String::new();
        for n in shape {
            axes.push_str(&format!("{n}, "));
        }
        // A tuple of one keeps its comma; longer ones and the empty one have none at the end.
        let axes = if shape.len() == 1 {
            axes.trim_end()
        } else {
            axes.trim_end_matches(", ")
        };
        let mut text = format!(
            "{{'descr': '{order}{}', 'fortran_order': False, 'shape': ({axes}), }}",
            dtype.code()
        );
        while (10 + text.len() + 1) % 64 != 0 {
            text.push(' ');
        }
        text.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        // At most 64 axes of 20 digits: far below 65536.
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }
}

/// Bytes of an array, or an error where they cannot be addressed.
///
/// Axes of length zero are left out of the product, so that `(0, 2^60, 2^60)` is refused as well: ndarray
/// cannot hold its strides.
pub(super) fn checked_bytes(
    origin: &Arc<str>,
    shape: &[usize],
    dtype: NpyDtype,
) -> Result<u64, NpyError> {
    let bytes = shape
        .iter()
        .filter(|&&n| n != 0)
        .try_fold(dtype.item_size(), |product, &n| product.checked_mul(n))
        .filter(|&bytes| isize::try_from(bytes).is_ok());
    match bytes {
        None => Err(NpyError::ShapeOverflow {
            origin: origin.clone(),
            shape: shape.to_vec(),
            item_size: dtype.item_size(),
        }),
        Some(_) if shape.contains(&0) => Ok(0),
        Some(bytes) => Ok(bytes as u64),
    }
}

/// Refuses more axes than NumPy has; for writers.
pub(super) fn check_axes(origin: &Arc<str>, ndim: usize) -> Result<(), NpyError> {
    if ndim <= MAX_AXES {
        return Ok(());
    }
    let reason = format!("{ndim} axes; allowed are at most {MAX_AXES}");
    Err(NpyError::Header {
        origin: origin.clone(),
        reason,
    })
}

/// Element type and byte order from a `descr` such as `<f8`.
fn parse_descr(origin: &Arc<str>, descr: &Descr) -> Result<(NpyDtype, NpyByteOrder), NpyError> {
    let refuse = |found: &str, kind| {
        Err(NpyError::UnsupportedDtype {
            origin: origin.clone(),
            found: shorten(found),
            kind,
        })
    };
    let text = match descr {
        Descr::Code(text) => text.as_str(),
        Descr::Other(text) => return refuse(text, "structured"),
    };
    let (order, code) = match text.chars().next() {
        Some(c @ ('<' | '>' | '=' | '|')) => (c, &text[1..]),
        _ => ('=', text),
    };
    let code = if code == "?" { "b1" } else { code };
    let Some(&(dtype, .., size)) = NpyDtype::ALL.iter().find(|row| row.2 == code) else {
        let kind = match code.chars().next() {
            Some('O') => "Python objects",
            Some('c') => "complex",
            Some('f') => "float of another width",
            Some('S' | 'a') => "byte strings",
            Some('U') => "text",
            Some('V') => "structured or raw bytes",
            Some('M') => "date and time",
            Some('m') => "time difference",
            _ => "unknown",
        };
        return refuse(text, kind);
    };
    let byte_order = match order {
        _ if size == 1 => NpyByteOrder::NATIVE,
        '<' => NpyByteOrder::Little,
        '>' => NpyByteOrder::Big,
        '=' => NpyByteOrder::NATIVE,
        _ => return refuse(text, "several bytes an element without byte order"),
    };
    Ok((dtype, byte_order))
}

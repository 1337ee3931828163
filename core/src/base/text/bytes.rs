//! Byte counts: `256MiB`, `8GB`, `1.5 GiB`, and shares such as `70%`.

use std::fmt;

use super::decimal::{Decimal, NoDecimal};
use super::error::TextError;

const EXPECTED: &str = "a number of bytes";
const EXAMPLES: &str = "write a number and a unit such as 256MiB, 8GB or 4096B";
const UNITS: &str = "known units are B, kB, MB, GB, TB, PB (powers of 1000) and KiB, MiB, GiB, TiB, PiB (powers of 1024)";

/// Names and factors, largest first.
const SIZES: [(&str, u64); 11] = [
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads a number of bytes, such as `256MiB`, `8 GB`, `1.5GiB` or `4096`.
///
/// Units are powers of 1000 (`kB`, `MB`, …) or of 1024 (`KiB`, `MiB`, …), in any case. A number alone is bytes. `256M`
/// is refused, because it means one thing to some tools and another to others.
///
/// ```
/// use kvern_core::text::parse_bytes;
///
/// assert_eq!(parse_bytes("256MiB")?, 268_435_456);
/// assert_eq!(parse_bytes("0.5 GB")?, 500_000_000);
/// assert!(parse_bytes("256M").is_err());
/// # Ok::<(), kvern_core::text::TextError>(())
/// ```
///
/// # Errors
///
/// [`TextError`] if the text is no such number, has another unit, or does not fit a `u64`.
pub fn parse_bytes(text: &str) -> Result<u64, TextError> {
    let fail = |reason: String| TextError::new(text, EXPECTED, reason);
    let (number, rest) = Decimal::scan(text.trim()).map_err(|why| match why {
        NoDecimal::Absent => fail("it does not begin with a number".to_owned()).advise(EXAMPLES),
        NoDecimal::TooLong => fail(too_large()),
    })?;
    let unit = rest.trim_start();
    let factor = if unit.is_empty() {
        1
    } else {
        factor_of(unit).ok_or_else(|| unknown_unit(text, rest, unit))?
    };
    if factor == 1 && !number.is_whole_times(1) {
        return Err(fail("there is no part of a byte".to_owned()));
    }
    number
        .times(u128::from(factor))
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or_else(|| fail(too_large()))
}

fn too_large() -> String {
    "the largest is 18446744073709551615B (16384PiB less one byte)".to_owned()
}

fn factor_of(unit: &str) -> Option<u64> {
    SIZES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .map(|(_, factor)| *factor)
}

fn unknown_unit(text: &str, rest: &str, unit: &str) -> TextError {
    let fail = |reason: String| TextError::new(text, EXPECTED, reason);
    let prefix = unit.trim_end_matches(['i', 'I']);
    if prefix.len() == 1 && prefix.contains(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T', 'p', 'P']) {
        let number = text.trim();
        let number = number.strip_suffix(rest).unwrap_or(number);
        let prefix = prefix.to_uppercase();
        let thousand = if prefix == "K" { "k" } else { &prefix };
        return fail(format!(
            "{unit:?} may be meant as 1000 or as 1024; write {number}{thousand}B or {number}{prefix}iB"
        ));
    }
    if unit == "%" {
        return fail("a share of memory is not allowed here".to_owned()).advise(EXAMPLES);
    }
    fail(format!("the unit {:?} is unknown", super::shorten(unit))).advise(UNITS)
}

/// An amount of memory: a number of bytes, or a share of what there is.
///
/// ```
/// use kvern_core::text::{ByteAmount, parse_byte_amount};
///
/// assert_eq!(parse_byte_amount("8GB")?.of(1 << 40), 8_000_000_000);
/// assert_eq!(parse_byte_amount("50%")?.of(1 << 40), 1 << 39);
/// # Ok::<(), kvern_core::text::TextError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ByteAmount {
    /// So many bytes.
    Exact(u64),
    /// A share of what there is: above 0, at most 1.
    Share(f64),
}

impl ByteAmount {
    /// The amount in bytes where `total` bytes are there to be shared.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is approximate, is not negative, and `as` saturates"
    )]
    pub fn of(self, total: u64) -> u64 {
        match self {
            Self::Exact(bytes) => bytes,
            Self::Share(share) => (total as f64 * share) as u64,
        }
    }
}

impl fmt::Display for ByteAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(bytes) => f.write_str(&format_bytes_exact(*bytes)),
            Self::Share(share) => write!(f, "{}%", hundredfold(*share)),
        }
    }
}

/// A hundred times the number: its own digits with the point two places further, so that what is read back is the same number.
fn hundredfold(number: f64) -> String {
    let text = format!("{number:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = digits.chars().filter(|c| *c != '.').collect();
    let whole = power.parse::<i32>().unwrap_or(0) + 3;
    match usize::try_from(whole) {
        Ok(n) if n >= digits.len() => format!("{digits:0<n$}"),
        Ok(n @ 1..) => format!("{}.{}", &digits[..n], &digits[n..]),
        _ => format!("0.{}{digits}", "0".repeat(whole.unsigned_abs() as usize)),
    }
}

/// Reads a number of bytes as [`parse_bytes`] does, or a share such as `70%`.
///
/// # Errors
///
/// [`TextError`] if the text is neither, or the share is not above 0 % and at most 100 %.
pub fn parse_byte_amount(text: &str) -> Result<ByteAmount, TextError> {
    let Some(number) = text.trim().strip_suffix('%') else {
        return parse_bytes(text).map(ByteAmount::Exact);
    };
    let fail = |reason: &str| TextError::new(text, "a share of memory", reason);
    match Decimal::scan(number.trim_end()) {
        Ok((percent, "")) if percent.hundredth() > 0.0 && percent.hundredth() <= 1.0 => {
            Ok(ByteAmount::Share(percent.hundredth()))
        }
        Ok((_, "")) => Err(fail("it must be above 0% and at most 100%")),
        _ => Err(fail("write a number before the %, such as 70%")),
    }
}

/// A number of bytes for people: at most three digits before the unit and two after the point, rounded.
///
/// ```
/// use kvern_core::text::format_bytes;
///
/// assert_eq!(format_bytes(256 << 20), "256MiB");
/// assert_eq!(format_bytes(8_000_000_000), "7.45GiB");
/// ```
pub fn format_bytes(bytes: u64) -> String {
    let (name, factor) = SIZES
        .iter()
        .filter(|(name, _)| *name == "B" || name.ends_with("iB"))
        .find(|(_, factor)| bytes >= *factor)
        .unwrap_or(&("B", 1));
    let hundredths = (u128::from(bytes) * 100 + u128::from(factor / 2)) / u128::from(*factor);
    let (whole, part) = (hundredths / 100, hundredths % 100);
    match part {
        0 => format!("{whole}{name}"),
        _ if part % 10 == 0 => format!("{whole}.{}{name}", part / 10),
        _ => format!("{whole}.{part:02}{name}"),
    }
}

/// A number of bytes as the shortest text that [`parse_bytes`] reads back as the same number.
///
/// ```
/// use kvern_core::text::format_bytes_exact;
///
/// assert_eq!(format_bytes_exact(256 << 20), "256MiB");
/// assert_eq!(format_bytes_exact(8_000_000_000), "8GB");
/// assert_eq!(format_bytes_exact(1_234_567), "1234567B");
/// ```
pub fn format_bytes_exact(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let (name, factor) = SIZES
        .iter()
        .filter(|(_, factor)| bytes.is_multiple_of(*factor))
        .min_by_key(|(name, factor)| {
            (bytes / factor).checked_ilog10().unwrap_or(0) as usize + name.len()
        })
        .unwrap_or(&("B", 1));
    format!("{}{name}", bytes / factor)
}

//! Durations: `50ms`, `1.5s`, `1h30m`.

use std::time::Duration;

use super::decimal::{Decimal, NoDecimal};
use super::error::TextError;

const EXPECTED: &str = "a duration";
const EXAMPLES: &str = "write a number and a unit such as 50ms, 1.5s or 1h30m";

/// Names and nanoseconds, largest first; the first name of a length is the one that is written.
const UNITS: [(&str, u128); 9] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Reads a duration such as `50ms`, `1.5s`, `2min` or `1h30m`.
///
/// Units are `d`, `h`, `m` or `min`, `s`, `ms`, `us` or `µs`, and `ns`; several may follow each other from large to
/// small. A number alone is refused (except `0`): whether it is seconds or milliseconds, nobody can tell.
///
/// ```
/// use std::time::Duration;
/// use kvern_core::text::parse_duration;
///
/// assert_eq!(parse_duration("50ms")?, Duration::from_millis(50));
/// assert_eq!(parse_duration("1h 30m")?, Duration::from_secs(5400));
/// assert!(parse_duration("30").is_err());
/// # Ok::<(), kvern_core::text::TextError>(())
/// ```
///
/// # Errors
///
/// [`TextError`] if the text is no such duration, has another unit, or is longer than 2^64 seconds.
pub fn parse_duration(text: &str) -> Result<Duration, TextError> {
    let fail = |reason: String| TextError::new(text, EXPECTED, reason);
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u128 = 0;
    let mut smallest = u128::MAX;
    loop {
        let (number, after) = Decimal::scan(rest).map_err(|why| match why {
            NoDecimal::Absent => {
                fail("a number is missing before a unit".to_owned()).advise(EXAMPLES)
            }
            NoDecimal::TooLong => fail("it has too many digits".to_owned()),
        })?;
        let after = after.trim_start();
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace())
            .unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        if name.is_empty() {
            return Err(fail("it has no unit".to_owned()).advise(EXAMPLES));
        }
        let nanos = UNITS
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, nanos)| *nanos);
        let nanos = nanos.ok_or_else(|| {
            let name = super::shorten(name);
            fail(format!("the unit {name:?} is unknown"))
                .advise("known units are d, h, m (or min), s, ms, us, ns")
        })?;
        if nanos >= smallest {
            return Err(fail(
                "its units must go from large to small, each once".to_owned(),
            ));
        }
        smallest = nanos;
        total = number
            .times(nanos)
            .and_then(|n| total.checked_add(n))
            .ok_or_else(|| fail("it is too long".to_owned()))?;
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    let seconds =
        u64::try_from(total / 1_000_000_000).map_err(|_| fail("it is too long".to_owned()))?;
    let nanos = u32::try_from(total % 1_000_000_000).unwrap_or(0);
    Ok(Duration::new(seconds, nanos))
}

/// A duration as a text that [`parse_duration`] reads back as the same duration: one whole number, one unit.
///
/// ```
/// use std::time::Duration;
/// use kvern_core::text::format_duration;
///
/// assert_eq!(format_duration(Duration::from_millis(50)), "50ms");
/// assert_eq!(format_duration(Duration::from_secs(5400)), "90m");
/// ```
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .find(|(_, unit)| nanos.is_multiple_of(*unit))
        .map(|(name, unit)| format!("{}{name}", nanos / unit))
        .unwrap_or_else(|| format!("{nanos}ns"))
}

//! Single values from text, whole or not at all: nothing is cut, rounded or left out that the type cannot hold.

use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{Date32Type, TimeUnit};

use super::wrong::Why;

/// A date, with a time of day or none, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Seconds since 1970 by the clock that is written.
    pub(super) seconds: i64,
    pub(super) nanos: u32,
    /// Whether a time of day is written.
    pub(super) timed: bool,
    /// How far that clock is ahead of UTC, in seconds, where it is written.
    pub(super) zone: Option<i64>,
}

impl Stamp {
    /// In that unit.
    ///
    /// # Errors
    /// It does not fit.
    pub(super) fn in_unit(&self, unit: TimeUnit) -> Result<i64, Why> {
        let (parts, smaller) = match unit {
            TimeUnit::Second => (1, 1_000_000_000),
            TimeUnit::Millisecond => (1_000, 1_000_000),
            TimeUnit::Microsecond => (1_000_000, 1_000),
            TimeUnit::Nanosecond => (1_000_000_000, 1),
        };
        if !self.nanos.is_multiple_of(smaller) {
            return Err(Why::Parts);
        }
        let seconds = self.seconds - self.zone.unwrap_or(0);
        let value = i128::from(seconds) * parts + i128::from(self.nanos / smaller);
        i64::try_from(value).map_err(|_| Why::Kind)
    }

    /// Days since 1970.
    ///
    /// # Errors
    /// It is more than a day.
    pub(super) fn days(&self) -> Result<i64, Why> {
        if self.zone.is_some() {
            return Err(Why::Zone);
        }
        if self.nanos != 0 || self.seconds.rem_euclid(86_400) != 0 {
            return Err(Why::Time);
        }
        Ok(self.seconds.div_euclid(86_400))
    }
}

/// `2024-01-31`, or that and `T` or a space and `10:00:00`, up to nine digits after a point, and a zone `Z`, `+02:00`, `+0200` or `+02`.
pub(super) fn stamp(text: &str) -> Option<Stamp> {
    let bytes = text.as_bytes();
    let days = date(bytes.get(..10)?)?;
    let midnight = Stamp {
        seconds: days * 86_400,
        nanos: 0,
        timed: false,
        zone: None,
    };
    let Some((separator, rest)) = bytes[10..].split_first() else {
        return Some(midnight);
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let clock = rest.get(..8)?;
    if clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (
        number(&clock[..2])?,
        number(&clock[3..5])?,
        number(&clock[6..])?,
    );
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &rest[8..];
    let mut nanos = 0;
    if let Some(after) = rest.strip_prefix(b".") {
        let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        nanos = number(&after[..digits])? * 10_i64.pow(9 - digits as u32);
        rest = &after[digits..];
    }
    Some(Stamp {
        seconds: midnight.seconds + hour * 3600 + minute * 60 + second,
        nanos: nanos as u32,
        timed: true,
        zone: zone(rest)?,
    })
}

/// What stands after the time: nothing, or how far it is from UTC.
fn zone(text: &[u8]) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    let text = text.strip_prefix(b" ").unwrap_or(text);
    if matches!(text, b"Z" | b"z") {
        return Some(Some(0));
    }
    let (sign, digits) = match text.split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        2 => (digits, &b"00"[..]),
        4 => digits.split_at(2),
        5 if digits[2] == b':' => (&digits[..2], &digits[3..]),
        _ => return None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(Some(sign * (hours * 3600 + minutes * 60)))
}

/// Days since 1970 of `2024-01-31`.
fn date(text: &[u8]) -> Option<i64> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (
        number(&text[..4])?,
        number(&text[5..7])?,
        number(&text[8..])?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    // Years that begin in March end with the day that not all have.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(days + day_of_year - 719_468)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
    })
}

/// Days since 1970; what arrow takes for a date, and a midnight.
pub(super) fn days(text: &str) -> Result<i32, Why> {
    if let Some(stamp) = stamp(text) {
        return i32::try_from(stamp.days()?).map_err(|_| Why::Kind);
    }
    // Longer texts it cuts.
    if text.len() > 10 && !text.starts_with(['+', '-']) {
        return Err(Why::Kind);
    }
    Date32Type::parse(text).ok_or(Why::Kind)
}

/// A time of day, in nanoseconds: what arrow takes for one, up to nine digits after the point.
pub(super) fn time(text: &str) -> Option<i64> {
    let parts = text.rsplit_once('.').map_or("", |(_, parts)| parts);
    let digits = parts.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 9 || !text.contains(':') || text.contains(":60") {
        return None;
    }
    arrow::compute::kernels::cast_utils::string_to_time_nanoseconds(text).ok()
}

/// Whether a decimal number has no more digits after the point than that, so that arrow's parser drops none.
pub(super) fn digits_fit(text: &str, scale: i8) -> bool {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((number, exponent)) => match exponent.parse::<i32>() {
            Ok(e) if e.abs() < 1000 => (number, e),
            _ => return false,
        },
    };
    let (whole, after) = number.split_once('.').unwrap_or((number, ""));
    let after = after.trim_end_matches('0');
    let mut places = after.len() as i32;
    if after.is_empty() {
        let zeros = whole.len() - whole.trim_end_matches('0').len();
        if zeros == whole.trim_start_matches(['+', '-']).len() {
            return true;
        }
        places = -(zeros as i32);
    }
    places - exponent <= i32::from(scale)
}

/// Whether a whole number that is written in full is another one as a float: the float's own shortest text is not what is written.
pub(super) fn rounds(text: &str, float: f64) -> bool {
    let digits = text.trim_ascii().trim_start_matches('+');
    if digits.len() < 16
        || !digits
            .trim_start_matches('-')
            .bytes()
            .all(|b| b.is_ascii_digit())
    {
        return false;
    }
    let bare = |text: &str| {
        text.trim_start_matches('-')
            .trim_start_matches('0')
            .to_owned()
    };
    bare(digits) != bare(&format!("{float}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_1970() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2024-12-31", 20_088),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(super::days(text), Ok(days), "{text}");
            // Another implementation.
            assert_eq!(Date32Type::parse(text), Some(days), "{text}");
        }
        for text in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-32",
            "2024-1-1 ",
        ] {
            assert_eq!(stamp(text), None, "{text}");
        }
    }

    #[test]
    fn each_day_of_400_years_is_arrows_too() {
        for day in -300_000..100_000 {
            let text =
                arrow::temporal_conversions::date32_to_datetime(day).map(|d| d.date().to_string());
            let Some(text) = text.filter(|t| t.len() == 10) else {
                continue;
            };
            assert_eq!(super::days(&text), Ok(day), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let us = |text: &str| stamp(text).map(|s| s.in_unit(TimeUnit::Microsecond));
        assert_eq!(us("1970-01-01 00:00:01.5"), Some(Ok(1_500_000)));
        assert_eq!(us("1970-01-01T02:00:00+02:00"), Some(Ok(0)));
        assert_eq!(us("1970-01-01T02:00:00 +0200"), Some(Ok(0)));
        assert_eq!(us("1969-12-31T22:00:00-02"), Some(Ok(0)));
        assert_eq!(us("1969-12-31T23:59:59.999999Z"), Some(Ok(-1)));
        assert_eq!(us("1970-01-01 00:00:00.0000001"), Some(Err(Why::Parts)));
        assert_eq!(us("1970-01-01 00:00:00.000001000"), Some(Ok(1)));
        for text in [
            "2024-01-01 10:00:00 (estimated)",
            "2024-01-01 10:00:00 Europe/Oslo",
            "2024-01-01 10:00:00.",
            "2024-01-01 24:00:00",
            "2024-01-01 10:60:00",
            "2024-01-01 10:00:60",
            "2024-01-01x10:00:00",
            "2024-01-01 1:00:00",
            "2024-01-01 10:00",
            "2024-01-01 10:00:00.1234567891",
            "2024-01-01 10:00:00+25:00",
        ] {
            assert_eq!(stamp(text), None, "{text}");
        }
        assert_eq!(days("2024-02-01 13:45:00"), Err(Why::Time));
        assert_eq!(days("2024-02-01 00:00:00Z"), Err(Why::Zone));
        assert_eq!(days("2024-02-01 00:00:00"), days("2024-02-01"));
        assert_eq!(days("2024-02-01x"), Err(Why::Kind));
        let far = stamp("9999-01-01").unwrap();
        assert_eq!(far.in_unit(TimeUnit::Nanosecond), Err(Why::Kind));
        assert_eq!(time("10:00:00.123456789"), Some(36_000_123_456_789));
        assert_eq!(time("10:00:00.1234567891"), None);
        assert_eq!(time("36000"), None);
    }

    #[test]
    fn digits_of_decimals_and_floats() {
        for (text, scale, fits) in [
            ("1.25", 2, true),
            ("1.250", 2, true),
            ("1.255", 2, false),
            ("1", 0, true),
            ("1.5", 0, false),
            ("100", -2, true),
            ("110", -2, false),
            ("0", -2, true),
            ("1.25e1", 1, true),
            ("1.25e1", 0, false),
            ("1e-3", 2, false),
            ("-0.001", 3, true),
        ] {
            assert_eq!(digits_fit(text, scale), fits, "{text} {scale}");
        }
        for (text, is) in [
            ("9007199254740993", true),
            ("9007199254740992", false),
            ("-9007199254740993", true),
            ("9007199254740995", true),
            ("12345678901234567000", false),
            ("12345678901234567890", true),
            ("1000000000000000000000", false),
            ("00000000000000000001", false),
            ("9007199254740993.0", false),
            ("-0000000000000000", false),
        ] {
            assert_eq!(rounds(text, text.parse().unwrap()), is, "{text}");
        }
    }
}

//! Which types the columns of a CSV file have: the narrowest that holds all values that were looked at, as they are written.

use arrow::datatypes::{DataType, TimeUnit};

use super::values::{rounds, stamp};

/// What the values of a column were, so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    kinds: u8,
    /// There are whole numbers that no unsigned type holds.
    below: bool,
    /// The first whole number that is no `Int64`.
    beyond_i64: Option<Text>,
    nanos: bool,
    /// A whole number that is another one as a float.
    whole: Option<String>,
    /// A number that is not whole.
    part: Option<String>,
    /// The first value for which the column is text, and where it is.
    text: Option<Text>,
}

/// The value that made a column text.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) place: u64,
}

const BOOL: u8 = 1;
const WHOLE: u8 = 1 << 1;
const FLOAT: u8 = 1 << 2;
const DATE: u8 = 1 << 3;
const STAMP: u8 = 1 << 4;
const ZONED: u8 = 1 << 5;

impl Found {
    /// Looks at one more value, which is not null.
    pub(super) fn see(&mut self, value: &str, place: u64) {
        if self.text.is_some() && self.kinds != 0 {
            return;
        }
        let kinds = self.kind(value, place).map(|k| self.kinds | k);
        match kinds {
            Some(kinds) if goes_together(kinds) => self.kinds = kinds,
            // Of a column that is all text, or has numbers too.
            _ if self.text.is_none() => {
                let value = value.to_owned();
                self.text = Some(Text { value, place });
            }
            _ => {}
        }
    }

    fn kind(&mut self, value: &str, place: u64) -> Option<u8> {
        let trimmed = value.trim_ascii();
        match *trimmed.as_bytes().first()? {
            b't' | b'T' | b'f' | b'F' => {
                let bool =
                    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
                bool.then_some(BOOL)
            }
            b'0'..=b'9' | b'-' | b'.' => {
                let digits = trimmed.strip_prefix('-').unwrap_or(trimmed);
                if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
                    return self.whole(trimmed, place);
                }
                if is_float(digits) || is_word(digits) {
                    self.part.get_or_insert_with(|| value.to_owned());
                    return Some(FLOAT);
                }
                let stamp = stamp(value)?;
                if stamp.nanos % 1000 != 0 {
                    stamp.in_unit(TimeUnit::Nanosecond).ok()?;
                    self.nanos = true;
                }
                Some(match (stamp.timed, stamp.zone) {
                    (false, _) => DATE,
                    (true, None) => STAMP,
                    (true, Some(_)) => ZONED,
                })
            }
            _ => {
                let is = match trimmed.strip_prefix('+') {
                    Some(word) => is_infinity(word),
                    None => is_word(trimmed),
                };
                is.then(|| {
                    self.part.get_or_insert_with(|| value.to_owned());
                    FLOAT
                })
            }
        }
    }

    fn whole(&mut self, value: &str, place: u64) -> Option<u8> {
        self.below |= value.starts_with('-');
        if value.parse::<i64>().is_err() {
            self.below |= value.parse::<u64>().is_err();
            let value = value.to_owned();
            self.beyond_i64.get_or_insert(Text { value, place });
        }
        if self.whole.is_none() && value.len() >= 16 {
            let float = value.parse::<f64>().ok()?;
            if rounds(value, float) {
                self.whole = Some(value.to_owned());
            }
        }
        Some(WHOLE)
    }

    /// The type; `Null` if there was no value.
    ///
    /// # Errors
    /// A whole number that is another one as a float, and a number that is not whole.
    pub(super) fn dtype(&self) -> Result<DataType, (&str, &str)> {
        if self.text.is_some() {
            return Ok(DataType::Utf8);
        }
        let unit = if self.nanos {
            TimeUnit::Nanosecond
        } else {
            TimeUnit::Microsecond
        };
        Ok(match self.kinds {
            0 => DataType::Null,
            BOOL => DataType::Boolean,
            // Whole numbers of which no type holds all.
            WHOLE if self.beyond_i64.is_some() && self.below => DataType::Utf8,
            WHOLE if self.beyond_i64.is_some() => DataType::UInt64,
            WHOLE => DataType::Int64,
            DATE => DataType::Date32,
            ZONED => DataType::Timestamp(unit, Some("UTC".into())),
            k if k & !(DATE | STAMP) == 0 => DataType::Timestamp(unit, None),
            _ => {
                if let (Some(whole), Some(part)) = (&self.whole, &self.part) {
                    return Err((whole, part));
                }
                DataType::Float64
            }
        })
    }

    /// What made it text where other values are none, and the whole number that is another one as a float.
    pub(super) fn into_notes(self) -> (Option<Text>, Option<String>) {
        let text = self.text.or(self.beyond_i64);
        (text.filter(|_| self.kinds != 0), self.whole)
    }
}

/// Whether one type holds all of these.
fn goes_together(kinds: u8) -> bool {
    kinds.count_ones() <= 1 || kinds == WHOLE | FLOAT || kinds & !(DATE | STAMP) == 0
}

/// `1.5`, `.5`, `5.`, `1e5`, `1.5E-3`, without a sign.
fn is_float(text: &str) -> bool {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let number_is = match number.split_once('.') {
        Some((a, b)) => digits(a) && digits(b) && !(a.is_empty() && b.is_empty()),
        None => exponent.is_some() && !number.is_empty() && digits(number),
    };
    number_is
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['+', '-']).unwrap_or(e);
            !e.is_empty() && digits(e)
        })
}

/// A float that is no number of digits: what pandas takes for one.
fn is_word(text: &str) -> bool {
    matches!(text, "NaN" | "nan") || is_infinity(text)
}

fn is_infinity(text: &str) -> bool {
    text.eq_ignore_ascii_case("inf") || text.eq_ignore_ascii_case("infinity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dtype(values: &[&str]) -> DataType {
        let mut found = Found::default();
        for value in values {
            found.see(value, 0);
        }
        found.dtype().unwrap_or(DataType::Binary)
    }

    #[test]
    fn the_narrowest_type_that_holds_what_is_written() {
        use DataType::*;
        let us = |zone: Option<&str>| Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let cases: &[(&[&str], DataType)] = &[
            (&[], Null),
            (&["true", "False", "TRUE"], Boolean),
            (&["1", "-2", " 3"], Int64),
            (&["00501"], Int64),
            (&["1", "true"], Utf8),
            (&["18446744073709551615", "1"], UInt64),
            (&["18446744073709551615", "-1"], Utf8),
            (&["18446744073709551616"], Utf8),
            (&["-9223372036854775808"], Int64),
            (&["-9223372036854775809"], Utf8),
            (
                &[
                    "1", "2.5", ".5", "5.", "1e5", "-1.5E-3", "inf", "-inf", "NaN",
                ],
                Float64,
            ),
            (
                &[
                    "INF",
                    "-Inf",
                    "+inf",
                    "+INFINITY",
                    "-iNfInItY",
                    "Infinity",
                    " inf ",
                ],
                Float64,
            ),
            (&["1", "+inf"], Float64),
            (&["infinite"], Utf8),
            (&["NAN"], Utf8),
            (&["+nan"], Utf8),
            (&["+-inf"], Utf8),
            (&["--inf"], Utf8),
            (&["- inf"], Utf8),
            (&["+"], Utf8),
            (&["1_000"], Utf8),
            (&["+47"], Utf8),
            (&["1e"], Utf8),
            (&["."], Utf8),
            (&["-"], Utf8),
            (&["9007199254740993", "1.5"], Binary),
            (&["9007199254740992", "1.5"], Float64),
            (&["12345678901234567000", "1.5"], Float64),
            (&["2024-01-01"], Date32),
            (&["2024-02-30"], Utf8),
            (&["2024-01-01", "2024-02-01 13:45:00"], us(None)),
            (&["2024-01-01 00:00:00.750"], us(None)),
            (
                &["2024-01-01 00:00:00.1234567"],
                Timestamp(TimeUnit::Nanosecond, None),
            ),
            (&["9999-01-01 00:00:00.1234567"], Utf8),
            (
                &["2024-01-01T10:00:00+02:00", "2024-07-01T10:00:00Z"],
                us(Some("UTC")),
            ),
            (&["2024-01-01T10:00:00+02:00", "2024-07-01T10:00:00"], Utf8),
            (
                &["2024-01-01 10:00:00", "2024-01-01 10:00:00 (estimated)"],
                Utf8,
            ),
            (&["2024-01-01", "5"], Utf8),
            (&["1", "x"], Utf8),
        ];
        for (values, want) in cases {
            assert_eq!(dtype(values), *want, "{values:?}");
            let back: Vec<&str> = values.iter().rev().copied().collect();
            assert_eq!(dtype(&back), *want, "{back:?}");
        }
    }

    #[test]
    fn the_value_that_makes_text_is_known() {
        let mut found = Found::default();
        for (i, value) in ["1", "2", "n.a.", "3"].into_iter().enumerate() {
            found.see(value, i as u64);
        }
        let (text, _) = found.into_notes();
        let text = text.unwrap();
        assert_eq!((text.value.as_str(), text.place), ("n.a.", 2));
        let mut words = Found::default();
        for value in ["a", "b"] {
            words.see(value, 0);
        }
        assert!(words.clone().into_notes().0.is_none(), "all of it is text");
        words.see("5", 0);
        assert_eq!(words.into_notes().0.unwrap().value, "a");
    }
}

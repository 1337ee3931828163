//! Values and their types, as both sides of a comparison know them.

use std::cmp::Ordering;
use std::fmt;

/// A type of values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Ty {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// Digits in all, and after the point.
    Dec(u8, i8),
    Text,
    Date,
    /// Microseconds, no zone.
    Ts,
    List(Box<Self>),
    Struct(Vec<(String, Self)>),
}

impl Ty {
    /// Whole numbers.
    pub fn is_int(&self) -> bool {
        self.int_range().is_some()
    }

    /// Floating point.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Values with parts.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Struct(_))
    }

    /// The least and the greatest whole number.
    pub fn int_range(&self) -> Option<(i128, i128)> {
        let signed = |bits: u32| (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
        let unsigned = |bits: u32| (0, (1i128 << bits) - 1);
        Some(match self {
            Self::I8 => signed(8),
            Self::I16 => signed(16),
            Self::I32 => signed(32),
            Self::I64 => signed(64),
            Self::U8 => unsigned(8),
            Self::U16 => unsigned(16),
            Self::U32 => unsigned(32),
            Self::U64 => unsigned(64),
            _ => return None,
        })
    }
}

/// A value.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Val {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Digits, and how many of them stand after the point.
    Dec(i128, i8),
    Text(String),
    /// Days since 1970.
    Date(i32),
    /// Microseconds since 1970.
    Ts(i64),
    List(Vec<Self>),
    Struct(Vec<(String, Self)>),
    /// Something that the comparison does not know, as text.
    Other(String),
}

impl Val {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Dec(..) => 2,
            Self::Float(_) => 3,
            Self::Text(_) => 4,
            Self::Date(_) => 5,
            Self::Ts(_) => 6,
            Self::List(_) => 7,
            Self::Struct(_) => 8,
            Self::Other(_) => 9,
        }
    }

    /// Digits without zeros at their end, and the power of ten.
    fn number(&self) -> (i128, i32) {
        let (mut digits, mut scale) = match self {
            Self::Int(n) => (*n, 0),
            Self::Dec(n, scale) => (*n, i32::from(*scale)),
            _ => (0, 0),
        };
        while digits != 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        (digits, if digits == 0 { 0 } else { scale })
    }

    /// An order in which equal values are neighbours. Numbers are equal by value, not by type; both zeros are one value, and so are all
    /// NaN.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(_) | Self::Dec(..), Self::Int(_) | Self::Dec(..)) => {
                self.number().cmp(&other.number())
            }
            (Self::Float(a), Self::Float(b)) => canonical(*a).total_cmp(&canonical(*b)),
            (Self::Text(a), Self::Text(b)) | (Self::Other(a), Self::Other(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Ts(a), Self::Ts(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => {
                order_all(a.iter(), b.iter()).then(a.len().cmp(&b.len()))
            }
            (Self::Struct(a), Self::Struct(b)) => order_all(
                a.iter().map(|field| &field.1),
                b.iter().map(|field| &field.1),
            )
            .then(a.len().cmp(&b.len())),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// Equal, but for the last bits of floating-point numbers.
    pub fn near(&self, other: &Self, tolerance: f64) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => {
                let apart = (a - b).abs();
                let close = apart <= tolerance * a.abs().max(b.abs()).max(1.0);
                (close && apart.is_finite()) || canonical(*a).to_bits() == canonical(*b).to_bits()
            }
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.near(b, tolerance))
            }
            (Self::Struct(a), Self::Struct(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.1.near(&b.1, tolerance))
            }
            _ => self.order(other) == Ordering::Equal,
        }
    }
}

fn canonical(x: f64) -> f64 {
    if x.is_nan() { f64::NAN.abs() } else { x + 0.0 }
}

fn order_all<'a>(a: impl Iterator<Item = &'a Val>, b: impl Iterator<Item = &'a Val>) -> Ordering {
    a.zip(b)
        .map(|(a, b)| a.order(b))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Dec(n, scale) => f.write_str(&decimal(*n, *scale)),
            Self::Text(t) => write!(f, "{t:?}"),
            Self::Date(d) => f.write_str(&date(*d)),
            Self::Ts(t) => f.write_str(&timestamp(*t)),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Struct(fields) => {
                f.write_str("{")?;
                for (i, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Self::Other(text) => write!(f, "<{text}>"),
        }
    }
}

/// Digits with a point among them.
pub fn decimal(digits: i128, scale: i8) -> String {
    if scale <= 0 {
        return format!("{digits}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    }
    let scale = scale as usize;
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, part) = text.split_at(text.len() - scale);
    format!("{}{whole}.{part}", if digits < 0 { "-" } else { "" })
}

/// Year, month and day of a day since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub fn civil(days: i32) -> (i64, u32, u32) {
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = (if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    }) as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A day as ISO 8601 writes it.
pub fn date(days: i32) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A moment as ISO 8601 writes it, with a space.
pub fn timestamp(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, part) = (rest / 1_000_000, rest % 1_000_000);
    let clock = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    format!("{} {clock}.{part:06}", date(days as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_digits_are_written_as_iso_says() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(timestamp(-500_000), "1969-12-31 23:59:59.500000");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1234, 2), "12.34");
        assert_eq!(decimal(7, 0), "7");
    }

    #[test]
    fn numbers_are_equal_by_value() {
        assert!(Val::Int(12).order(&Val::Dec(1200, 2)).is_eq());
        assert!(Val::Int(12).order(&Val::Dec(1201, 2)).is_ne());
        assert!(Val::Float(-0.0).order(&Val::Float(0.0)).is_eq());
        assert!(Val::Float(f64::NAN).order(&Val::Float(-f64::NAN)).is_eq());
        assert!(Val::Int(1).order(&Val::Float(1.0)).is_ne());
        assert!(Val::Float(1.0).near(&Val::Float(1.0 + 1e-13), 1e-9));
        assert!(!Val::Float(1.0).near(&Val::Float(1.1), 1e-9));
        assert!(Val::Float(f64::INFINITY).near(&Val::Float(f64::INFINITY), 1e-9));
        assert!(!Val::Float(f64::MAX).near(&Val::Float(f64::MIN), 1e-9));
        assert!(!Val::Float(f64::INFINITY).near(&Val::Float(1.0), 1e-9));
    }
}

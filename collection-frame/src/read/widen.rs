//! One schema for files that do not quite agree: the narrowest type of each column that holds what all of them have.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use kvern_core::{Error, Result};

/// What columns a file has.
pub(crate) struct FileColumns<'a> {
    pub(crate) path: &'a Path,
    pub(crate) schema: Arc<Schema>,
    /// Columns with whole numbers that may be others as floats, and what is known of these.
    pub(crate) rounded: HashMap<String, String>,
}

/// A column of all files so far.
struct Column<'a> {
    field: Arc<Field>,
    /// The first file that has it.
    first: &'a Path,
    seen: usize,
    rounded: Option<(&'a Path, String)>,
}

/// The columns of all files: those of the first in its order, then what later ones add. A column that a file lacks is null there.
///
/// # Errors
/// Two files whose types of a column have no common one; both files are named.
pub(crate) fn union<'a>(files: impl IntoIterator<Item = FileColumns<'a>>) -> Result<Arc<Schema>> {
    let mut all: Vec<Column<'a>> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    let mut count = 0usize;
    for file in files {
        for field in file.schema.fields() {
            let rounded = file.rounded.get(field.name());
            let rounded = rounded.map(|what| (file.path, what.clone()));
            let i = *place.entry(field.name().clone()).or_insert(all.len());
            let Some(column) = all.get_mut(i) else {
                all.push(Column {
                    field: field.clone(),
                    first: file.path,
                    seen: 1,
                    rounded,
                });
                continue;
            };
            column.seen += 1;
            column.rounded = column.rounded.take().or(rounded);
            let have = &column.field;
            let wide = wider(have.data_type(), field.data_type()).ok_or_else(|| {
                Error::bad_input(format!(
                    "column {:?} is {} in {} and {} in {}: no type holds both: set one (column_type)",
                    field.name(),
                    have.data_type(),
                    column.first.display(),
                    field.data_type(),
                    file.path.display()
                ))
            })?;
            let nullable = have.is_nullable() || field.is_nullable();
            if wide != *have.data_type() || nullable != have.is_nullable() {
                column.field = Arc::new(Field::new(field.name(), wide, nullable));
            }
            if let (true, Some((path, what))) =
                (column.field.data_type().is_floating(), &column.rounded)
            {
                return Err(Error::bad_input(format!(
                    "column {:?} has whole numbers in {} ({what}), which would be others as floats, and is of floats in \
                     other files: set its type (column_type: Decimal128 or Utf8 keep both, Float64 rounds)",
                    field.name(),
                    path.display(),
                )));
            }
        }
        count += 1;
    }
    let fields: Fields = all
        .into_iter()
        .map(|c| match c.seen == count {
            true => c.field,
            false => Arc::new(c.field.as_ref().clone().with_nullable(true)),
        })
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// The narrowest type that holds the values of both; `None` if there is none.
pub(crate) fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Boolean, Date32, Date64, Dictionary, Float32, Float64, Int64, LargeUtf8, Null, Timestamp,
        Utf8, Utf8View,
    };
    if a == b {
        return Some(a.clone());
    }
    if a.is_decimal() || b.is_decimal() {
        return wider_decimal(a, b);
    }
    let text = |t: &DataType| matches!(t, Utf8 | LargeUtf8 | Utf8View);
    Some(match (a, b) {
        (Null, t) | (t, Null) => t.clone(),
        (LargeUtf8, t) | (t, LargeUtf8) if text(t) => LargeUtf8,
        (Utf8View, t) | (t, Utf8View) if text(t) => Utf8View,
        (t, Boolean) | (Boolean, t) if text(t) => t.clone(),
        (Date32 | Date64, Timestamp(unit, zone)) | (Timestamp(unit, zone), Date32 | Date64) => {
            Timestamp(*unit, zone.clone())
        }
        (Date32, Date64) | (Date64, Date32) => Date64,
        (Timestamp(x, z), Timestamp(y, w)) if same_zone(z.as_deref(), w.as_deref()) => {
            Timestamp(finer(*x, *y), z.clone())
        }
        (Dictionary(x, a), Dictionary(y, b)) => {
            let key = wider(x, y).filter(DataType::is_dictionary_key_type)?;
            Dictionary(Box::new(key), Box::new(wider(a, b)?))
        }
        (Dictionary(_, value), other) | (other, Dictionary(_, value)) => wider(value, other)?,
        (t, other) | (other, t) if text(t) && (other.is_numeric() || other.is_temporal()) => {
            t.clone()
        }
        (x, y) if x.is_integer() && y.is_integer() => {
            // Bits that a signed type needs for both; beyond 64 there is only the decimal.
            let need = |t: &DataType| {
                8 * t.primitive_width().unwrap_or(8) + usize::from(t.is_unsigned_integer())
            };
            if x.is_unsigned_integer() == y.is_unsigned_integer() {
                if need(x) >= need(y) {
                    x.clone()
                } else {
                    y.clone()
                }
            } else {
                match need(x).max(need(y)) {
                    0..=8 => DataType::Int8,
                    9..=16 => DataType::Int16,
                    17..=32 => DataType::Int32,
                    33..=64 => Int64,
                    _ => DataType::Decimal128(20, 0),
                }
            }
        }
        (Float32 | DataType::Float16, y) | (y, Float32 | DataType::Float16)
            if y.is_integer() && y.primitive_width().unwrap_or(8) <= 2 =>
        {
            Float32
        }
        (DataType::Float16, Float32) | (Float32, DataType::Float16) => Float32,
        (x, y) if (x.is_floating() || y.is_floating()) && x.is_numeric() && y.is_numeric() => {
            Float64
        }
        _ => return None,
    })
}

/// Decimals beside whole numbers and others: as many digits before and after the point as either has.
fn wider_decimal(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Decimal32, Decimal64, Decimal128, Decimal256, Int8, Int16, Int32, Int64, Null, UInt8,
        UInt16, UInt32, UInt64,
    };
    let digits = |t: &DataType| -> Option<(i16, i16)> {
        Some(match t {
            Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) | Decimal256(p, s) => {
                (i16::from(*p) - i16::from(*s), i16::from(*s))
            }
            Int8 | UInt8 => (3, 0),
            Int16 | UInt16 => (5, 0),
            Int32 | UInt32 => (10, 0),
            Int64 => (19, 0),
            UInt64 => (20, 0),
            _ => return None,
        })
    };
    match (a, b) {
        (Null, t) | (t, Null) => return Some(t.clone()),
        _ => {}
    }
    let ((whole, parts), (w, p)) = (digits(a)?, digits(b)?);
    let (whole, parts) = (whole.max(w), parts.max(p));
    let precision = u8::try_from(whole + parts).ok()?;
    let scale = i8::try_from(parts).ok()?;
    match precision {
        0..=38 => Some(Decimal128(precision, scale)),
        39..=76 => Some(Decimal256(precision, scale)),
        _ => None,
    }
}

/// Whether two zones are one: that of UTC has several names.
fn same_zone(a: Option<&str>, b: Option<&str>) -> bool {
    let plain = |zone: Option<&str>| {
        zone.map(|z| match z {
            "UTC" | "Etc/UTC" | "Z" | "+00:00" | "-00:00" | "+0000" | "+00" => "UTC".to_owned(),
            z => z.to_owned(),
        })
    };
    plain(a) == plain(b)
}

fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    let rank = |u: TimeUnit| match u {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_widen_both_ways_and_never_lose() {
        use DataType::*;
        let dictionary = |key: DataType| Dictionary(Box::new(key), Box::new(Utf8));
        let cases = [
            (Int32, Int64, Some(Int64)),
            (UInt8, Int8, Some(Int16)),
            (UInt32, Int32, Some(Int64)),
            (UInt64, Int8, Some(Decimal128(20, 0))),
            (
                Decimal128(10, 2),
                Decimal128(13, 2),
                Some(Decimal128(13, 2)),
            ),
            (
                Decimal128(10, 4),
                Decimal128(10, 2),
                Some(Decimal128(12, 4)),
            ),
            (Decimal128(10, 2), Int32, Some(Decimal128(12, 2))),
            (
                Decimal128(38, 2),
                Decimal128(38, 0),
                Some(Decimal256(40, 2)),
            ),
            (Decimal128(10, 2), Float64, None),
            (Decimal128(10, 2), Utf8, None),
            (dictionary(Int32), Utf8, Some(Utf8)),
            (dictionary(Int8), dictionary(Int32), Some(dictionary(Int32))),
            (
                Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                Timestamp(TimeUnit::Microsecond, None),
                None,
            ),
            (Int64, Float64, Some(Float64)),
            (Int16, Float32, Some(Float32)),
            (Int32, Float32, Some(Float64)),
            (Null, Utf8, Some(Utf8)),
            (Int64, Utf8, Some(Utf8)),
            (Boolean, Int64, None),
            (Boolean, Utf8, Some(Utf8)),
            (
                Date32,
                Timestamp(TimeUnit::Second, None),
                Some(Timestamp(TimeUnit::Second, None)),
            ),
            (Binary, Int64, None),
        ];
        for (a, b, want) in cases {
            assert_eq!(wider(&a, &b), want, "{a} {b}");
            assert_eq!(wider(&b, &a), want, "{b} {a}");
        }
        let at = |zone: &str| Timestamp(TimeUnit::Second, Some(zone.into()));
        assert_eq!(wider(&at("UTC"), &at("+00:00")), Some(at("UTC")));
        assert_eq!(wider(&at("UTC"), &at("Europe/Oslo")), None);
    }
}

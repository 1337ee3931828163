//! One schema for files that do not quite agree: the narrowest type of each column that holds what all of them have.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use kvern_core::{Error, Result};

/// The columns of all files: those of the first in its order, then what later ones add. A column that a file lacks is null there.
///
/// # Errors
/// Two files whose types of a column have no common one; both files are named.
pub(crate) fn union<'a>(
    schemas: impl IntoIterator<Item = (&'a Path, Arc<Schema>)>,
) -> Result<Arc<Schema>> {
    let mut all: Vec<(Arc<Field>, &Path)> = Vec::new();
    let mut files = 0usize;
    let mut seen: Vec<usize> = Vec::new();
    for (path, schema) in schemas {
        for field in schema.fields() {
            let Some(i) = all.iter().position(|(f, _)| f.name() == field.name()) else {
                all.push((field.clone(), path));
                seen.push(1);
                continue;
            };
            seen[i] += 1;
            let (have, first) = &all[i];
            let wide = wider(have.data_type(), field.data_type()).ok_or_else(|| {
                Error::bad_input(format!(
                    "column {:?} is {} in {} and {} in {}: no type holds both",
                    field.name(),
                    have.data_type(),
                    first.display(),
                    field.data_type(),
                    path.display()
                ))
            })?;
            let nullable = have.is_nullable() || field.is_nullable();
            if wide != *have.data_type() || nullable != have.is_nullable() {
                all[i].0 = Arc::new(Field::new(field.name(), wide, nullable));
            }
        }
        files += 1;
    }
    let fields: Fields = all
        .into_iter()
        .zip(seen)
        .map(|((f, _), n)| match n == files {
            true => f,
            false => Arc::new(f.as_ref().clone().with_nullable(true)),
        })
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// The narrowest type that holds the values of both; `None` if there is none.
pub(crate) fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Boolean, Date32, Date64, Float32, Float64, Int64, LargeUtf8, Null, Timestamp, Utf8,
        Utf8View,
    };
    if a == b {
        return Some(a.clone());
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
        (Timestamp(x, z), Timestamp(y, w)) if z == w => Timestamp(finer(*x, *y), z.clone()),
        (t, other) | (other, t) if text(t) && (other.is_numeric() || other.is_temporal()) => {
            t.clone()
        }
        (x, y) if x.is_integer() && y.is_integer() => {
            // Bits that a signed type needs for both; beyond 64 there is only the float.
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
                    _ => Float64,
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
        let cases = [
            (Int32, Int64, Some(Int64)),
            (UInt8, Int8, Some(Int16)),
            (UInt32, Int32, Some(Int64)),
            (UInt64, Int8, Some(Float64)),
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
    }
}

//! Columns from records.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanBuilder, NullArray, PrimitiveBuilder, RecordBatch,
    RecordBatchOptions, StringBuilder, StringViewBuilder,
};
use arrow::compute::kernels::cast_utils::{Parser, parse_decimal, string_to_datetime};
use arrow::datatypes::*;
use kvern_core::{Error, ErrorKind, Result};

use super::nulls::Nulls;
use super::records::Batch;
use super::values::{days, digits_fit, rounds, stamp, time};
use super::wrong::{Why, Wrong};

/// Makes batches of some columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// Which columns of the file, and as what.
    fields: Vec<(usize, FieldRef)>,
    /// Whether somebody has said the type.
    told: Vec<bool>,
    schema: SchemaRef,
    nulls: Nulls,
}

impl Columns {
    /// Those columns of the file's; `told` are the ones whose type was not found but said.
    pub(super) fn new(file: &Schema, picked: &[usize], told: &[usize], nulls: Nulls) -> Self {
        let fields: Vec<(usize, FieldRef)> = picked
            .iter()
            .map(|&i| (i, file.fields()[i].clone()))
            .collect();
        let schema = fields.iter().map(|(_, f)| f.clone()).collect::<Fields>();
        Self {
            told: picked.iter().map(|i| told.contains(i)).collect(),
            fields,
            schema: Arc::new(Schema::new(schema)),
            nulls,
        }
    }

    /// The rows of some records.
    pub(super) fn batch(&self, records: &Batch<'_>) -> Result<RecordBatch, Wrong> {
        let columns = self.fields.iter().zip(&self.told);
        let columns = columns
            .map(|((index, field), &told)| {
                let column = Column {
                    records,
                    index: *index,
                    field,
                    told,
                    nulls: &self.nulls,
                };
                column.build(field.data_type())
            })
            .collect::<Result<Vec<_>, Wrong>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(records.rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(inner)
    }
}

fn inner(e: arrow::error::ArrowError) -> Wrong {
    let words = format!("a column of CSV values cannot be made: {e}");
    Wrong::Type(Error::with_source(ErrorKind::Decode, words, e))
}

/// Whether columns of that type can be made of text.
///
/// # Errors
/// [`ErrorKind::Unsupported`] naming the column and its type.
pub(super) fn check(name: &str, dtype: &DataType) -> Result<()> {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, Dictionary, Float16, LargeBinary, LargeUtf8,
        Null, Time32, Time64, Timestamp, Utf8, Utf8View,
    };
    let fine = match dtype {
        Null | Boolean | Float16 | Date32 | Date64 | Utf8 | LargeUtf8 | Utf8View | Binary
        | LargeBinary | BinaryView | Time32(_) | Time64(_) => true,
        Timestamp(_, None) => true,
        Timestamp(_, Some(zone)) => {
            zone.parse::<arrow::array::timezone::Tz>()
                .map_err(|e| Error::bad_input(format!("column {name:?} cannot be {dtype}: {e}")))?;
            true
        }
        Dictionary(key, value) => key.is_dictionary_key_type() && matches!(**value, Utf8),
        other => other.is_numeric(),
    };
    if fine {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("column {name:?} of a CSV file cannot be read as {dtype}"),
    ))
}

struct Column<'a> {
    records: &'a Batch<'a>,
    index: usize,
    field: &'a FieldRef,
    told: bool,
    nulls: &'a Nulls,
}

macro_rules! parsed {
    ($self:ident, $t:ty) => {
        $self.primitive::<$t>(|s| <$t as Parser>::parse(s).ok_or(Why::Kind))
    };
}

macro_rules! decimal {
    ($self:ident, $t:ty, $precision:expr, $scale:expr) => {{
        let (precision, scale) = ($precision, $scale);
        $self.primitive_as::<$t>(&|s| {
            if !digits_fit(s, scale) {
                return Err(Why::Kind);
            }
            parse_decimal::<$t>(s, precision, scale).map_err(|_| Why::Kind)
        })
    }};
}

macro_rules! timestamp {
    ($self:ident, $t:ty, $zone:expr) => {{
        let zone = $zone.as_deref();
        let tz = match zone {
            Some(zone) => Some(zone.parse().map_err(inner)?),
            None => None,
        };
        let told = $self.told;
        $self.primitive_as::<$t>(&|s| in_zone(s, <$t>::UNIT, tz.as_ref(), told))
    }};
}

impl Column<'_> {
    fn build(&self, dtype: &DataType) -> Result<ArrayRef, Wrong> {
        use DataType::{
            Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Decimal256, Float16,
            Float32, Float64, Int8, Int16, Int32, Int64, Null, Time32, Time64, Timestamp, UInt8,
            UInt16, UInt32, UInt64, Utf8, Utf8View,
        };
        match dtype {
            Int8 => parsed!(self, Int8Type),
            Int16 => parsed!(self, Int16Type),
            Int32 => parsed!(self, Int32Type),
            Int64 => parsed!(self, Int64Type),
            UInt8 => parsed!(self, UInt8Type),
            UInt16 => parsed!(self, UInt16Type),
            UInt32 => parsed!(self, UInt32Type),
            UInt64 => parsed!(self, UInt64Type),
            Float16 => parsed!(self, Float16Type),
            Float32 => parsed!(self, Float32Type),
            Float64 if self.told => parsed!(self, Float64Type),
            Float64 => self.primitive::<Float64Type>(|s| {
                let value = Float64Type::parse(s).ok_or(Why::Kind)?;
                if s.len() >= 16 && rounds(s, value) {
                    return Err(Why::Rounds);
                }
                Ok(value)
            }),
            Decimal32(p, s) => decimal!(self, Decimal32Type, *p, *s),
            Decimal64(p, s) => decimal!(self, Decimal64Type, *p, *s),
            Decimal128(p, s) => decimal!(self, Decimal128Type, *p, *s),
            Decimal256(p, s) => decimal!(self, Decimal256Type, *p, *s),
            Date32 => self.primitive::<Date32Type>(days),
            Date64 => self.primitive::<Date64Type>(|s| Ok(i64::from(days(s)?) * 86_400_000)),
            Timestamp(TimeUnit::Second, zone) => timestamp!(self, TimestampSecondType, zone),
            Timestamp(TimeUnit::Millisecond, zone) => {
                timestamp!(self, TimestampMillisecondType, zone)
            }
            Timestamp(TimeUnit::Microsecond, zone) => {
                timestamp!(self, TimestampMicrosecondType, zone)
            }
            Timestamp(TimeUnit::Nanosecond, zone) => {
                timestamp!(self, TimestampNanosecondType, zone)
            }
            Time32(TimeUnit::Second) => {
                self.primitive::<Time32SecondType>(|s| of_day(s, 1_000_000_000).map(|t| t as i32))
            }
            Time32(_) => {
                self.primitive::<Time32MillisecondType>(|s| of_day(s, 1_000_000).map(|t| t as i32))
            }
            Time64(TimeUnit::Microsecond) => {
                self.primitive::<Time64MicrosecondType>(|s| of_day(s, 1_000))
            }
            Time64(_) => self.primitive::<Time64NanosecondType>(|s| of_day(s, 1)),
            Boolean => self.booleans(),
            Null => Ok(Arc::new(NullArray::new(self.records.rows()))),
            Utf8 => Ok(self.text()),
            Utf8View => Ok(self.views()),
            other => arrow::compute::cast(&self.text(), other).map_err(inner),
        }
    }

    /// Reads each value that is not null.
    #[inline]
    fn primitive<T: ArrowPrimitiveType>(
        &self,
        read: impl Fn(&str) -> Result<T::Native, Why>,
    ) -> Result<ArrayRef, Wrong> {
        let rows = self.records.rows();
        let mut builder = PrimitiveBuilder::<T>::with_capacity(rows);
        for row in 0..rows {
            let value = self.records.field(row, self.index);
            if self.nulls.has(&value) {
                builder.append_null();
                continue;
            }
            match read(&value) {
                Ok(value) => builder.append_value(value),
                Err(why) => return Err(self.wrong(row, why)),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// The same for types that say more than how wide they are.
    fn primitive_as<T: ArrowPrimitiveType>(
        &self,
        read: &dyn Fn(&str) -> Result<T::Native, Why>,
    ) -> Result<ArrayRef, Wrong> {
        let array = self.primitive::<T>(read)?;
        let data = array.to_data().into_builder();
        let data = data.data_type(self.field.data_type().clone());
        Ok(arrow::array::make_array(data.build().map_err(inner)?))
    }

    fn booleans(&self) -> Result<ArrayRef, Wrong> {
        let rows = self.records.rows();
        let mut builder = BooleanBuilder::with_capacity(rows);
        for row in 0..rows {
            let value = self.records.field(row, self.index);
            if self.nulls.has(&value) {
                builder.append_null();
            } else if value.eq_ignore_ascii_case("true") {
                builder.append_value(true);
            } else if value.eq_ignore_ascii_case("false") {
                builder.append_value(false);
            } else {
                return Err(self.wrong(row, Why::Kind));
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn text(&self) -> ArrayRef {
        let rows = self.records.rows();
        let mut builder = StringBuilder::with_capacity(rows, 8 * rows);
        for row in 0..rows {
            let value = self.records.field(row, self.index);
            builder.append_option((!self.nulls.has(&value)).then_some(&value));
        }
        Arc::new(builder.finish())
    }

    fn views(&self) -> ArrayRef {
        let rows = self.records.rows();
        let mut builder = StringViewBuilder::with_capacity(rows);
        for row in 0..rows {
            let value = self.records.field(row, self.index);
            builder.append_option((!self.nulls.has(&value)).then_some(&value));
        }
        Arc::new(builder.finish())
    }

    fn wrong(&self, row: usize, why: Why) -> Wrong {
        Wrong::Value {
            place: self.records.place(row, self.index),
            value: self.records.field(row, self.index).into_owned(),
            column: self.field.name().clone(),
            dtype: self.field.data_type().clone(),
            why,
        }
    }
}

/// A time of day in a unit of so many nanoseconds.
fn of_day(text: &str, nanos: i64) -> Result<i64, Why> {
    let value = time(text).ok_or(Why::Kind)?;
    if value % nanos != 0 {
        return Err(Why::Parts);
    }
    Ok(value / nanos)
}

/// A point in time. One without a zone is meant in the column's, where somebody has said which that is.
fn in_zone(
    text: &str,
    unit: TimeUnit,
    zone: Option<&arrow::array::timezone::Tz>,
    told: bool,
) -> Result<i64, Why> {
    let stamp = stamp(text).ok_or(Why::Kind)?;
    match (zone, stamp.zone) {
        (None, Some(_)) => Err(Why::Zone),
        (None, None) | (Some(_), Some(_)) => stamp.in_unit(unit),
        (Some(_), None) if !told => Err(Why::NoZone),
        (Some(zone), None) => {
            // Which instant that was, its zone knows: none or two of them where clocks are moved.
            let seconds = string_to_datetime(zone, &text[..text.len().min(19)])
                .map_err(|_| Why::Kind)?
                .timestamp();
            super::values::Stamp { seconds, ..stamp }.in_unit(unit)
        }
    }
}

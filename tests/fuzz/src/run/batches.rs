//! Values as Arrow has them, and back.

use std::sync::Arc;

use kvern::frame::RecordBatch;
use kvern::frame::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeStringArray,
    ListArray, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array, new_empty_array,
};
use kvern::frame::arrow::buffer::{NullBuffer, OffsetBuffer};
use kvern::frame::arrow::datatypes as at;
use kvern::frame::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use kvern_fuzz::compare::Answer;
use kvern_fuzz::query::Column;
use kvern_fuzz::table::TextForm;
use kvern_fuzz::value::{Ty, Val};

/// Arrow's type of a type.
pub(crate) fn data_type(ty: &Ty, form: TextForm) -> DataType {
    match ty {
        Ty::Bool => DataType::Boolean,
        Ty::I8 => DataType::Int8,
        Ty::I16 => DataType::Int16,
        Ty::I32 => DataType::Int32,
        Ty::I64 => DataType::Int64,
        Ty::U8 => DataType::UInt8,
        Ty::U16 => DataType::UInt16,
        Ty::U32 => DataType::UInt32,
        Ty::U64 => DataType::UInt64,
        Ty::F32 => DataType::Float32,
        Ty::F64 => DataType::Float64,
        Ty::Dec(digits, scale) => DataType::Decimal128(*digits, *scale),
        Ty::Text => match form {
            TextForm::Utf8 => DataType::Utf8,
            TextForm::Utf8View => DataType::Utf8View,
            TextForm::LargeUtf8 => DataType::LargeUtf8,
            TextForm::Dictionary => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
        },
        Ty::Date => DataType::Date32,
        Ty::Ts => DataType::Timestamp(TimeUnit::Microsecond, None),
        Ty::List(item) => {
            let item = data_type(item, TextForm::Utf8);
            DataType::List(Arc::new(Field::new_list_field(item, true)))
        }
        Ty::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|(name, ty)| Field::new(name, data_type(ty, TextForm::Utf8), true));
            DataType::Struct(fields.collect())
        }
    }
}

/// The columns of a table.
pub(crate) fn schema(columns: &[Column], form: TextForm) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|c| Field::new(&c.name, data_type(&c.ty, form), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows as one batch.
pub(crate) fn batch(columns: &[Column], rows: &[Vec<Val>], form: TextForm) -> RecordBatch {
    let arrays = columns.iter().enumerate().map(|(i, c)| {
        let values: Vec<&Val> = rows.iter().map(|row| &row[i]).collect();
        array(&values, &c.ty, form)
    });
    let arrays: Vec<ArrayRef> = arrays.collect();
    RecordBatch::try_new(schema(columns, form), arrays)
        .expect("arrays have the types of the schema")
}

macro_rules! ints {
    ($values:expr, $array:ty) => {
        Arc::new(<$array>::from_iter($values.iter().map(|v| match v {
            Val::Int(n) => Some(*n as _),
            _ => None,
        })))
    };
}

fn array(values: &[&Val], ty: &Ty, form: TextForm) -> ArrayRef {
    let texts = || {
        values.iter().map(|v| match v {
            Val::Text(t) => Some(t.as_str()),
            _ => None,
        })
    };
    let floats = || {
        values.iter().map(|v| match v {
            Val::Float(x) => Some(*x),
            _ => None,
        })
    };
    match ty {
        Ty::Bool => Arc::new(BooleanArray::from_iter(values.iter().map(|v| match v {
            Val::Bool(b) => Some(*b),
            _ => None,
        }))),
        Ty::I8 => ints!(values, Int8Array),
        Ty::I16 => ints!(values, Int16Array),
        Ty::I32 => ints!(values, Int32Array),
        Ty::I64 => ints!(values, Int64Array),
        Ty::U8 => ints!(values, UInt8Array),
        Ty::U16 => ints!(values, UInt16Array),
        Ty::U32 => ints!(values, UInt32Array),
        Ty::U64 => ints!(values, UInt64Array),
        Ty::F32 => Arc::new(Float32Array::from_iter(
            floats().map(|x| x.map(|x| x as f32)),
        )),
        Ty::F64 => Arc::new(Float64Array::from_iter(floats())),
        Ty::Dec(digits, scale) => {
            let of = Decimal128Array::from_iter(values.iter().map(|v| match v {
                Val::Dec(n, _) => Some(*n),
                _ => None,
            }));
            let of = of.with_precision_and_scale(*digits, *scale);
            Arc::new(of.expect("values have no more digits"))
        }
        Ty::Text => match form {
            TextForm::Utf8 => Arc::new(StringArray::from_iter(texts())),
            TextForm::Utf8View => Arc::new(StringViewArray::from_iter(texts())),
            TextForm::LargeUtf8 => Arc::new(LargeStringArray::from_iter(texts())),
            TextForm::Dictionary => Arc::new(DictionaryArray::<at::Int32Type>::from_iter(texts())),
        },
        Ty::Date => Arc::new(Date32Array::from_iter(values.iter().map(|v| match v {
            Val::Date(d) => Some(*d),
            _ => None,
        }))),
        Ty::Ts => Arc::new(TimestampMicrosecondArray::from_iter(values.iter().map(
            |v| match v {
                Val::Ts(t) => Some(*t),
                _ => None,
            },
        ))),
        Ty::List(item) => {
            let lists = values.iter().map(|v| match v {
                Val::List(items) => Some(items),
                _ => None,
            });
            let lists: Vec<Option<&Vec<Val>>> = lists.collect();
            let items: Vec<&Val> = lists.iter().flatten().flat_map(|l| l.iter()).collect();
            let lengths = lists.iter().map(|l| l.map_or(0, |l| l.len()));
            let field = Field::new_list_field(data_type(item, TextForm::Utf8), true);
            let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
            Arc::new(ListArray::new(
                Arc::new(field),
                OffsetBuffer::from_lengths(lengths),
                array(&items, item, TextForm::Utf8),
                Some(nulls),
            ))
        }
        Ty::Struct(fields) => {
            let DataType::Struct(types) = data_type(ty, form) else {
                return new_empty_array(&DataType::Null);
            };
            let parts = fields.iter().enumerate().map(|(i, (_, ty))| {
                let of = values.iter().map(|v| match v {
                    Val::Struct(all) => &all[i].1,
                    _ => &Val::Null,
                });
                array(&of.collect::<Vec<_>>(), ty, TextForm::Utf8)
            });
            let parts = parts.collect();
            let nulls = values.iter().map(|v| matches!(v, Val::Struct(_)));
            Arc::new(StructArray::new(
                types,
                parts,
                Some(NullBuffer::from_iter(nulls)),
            ))
        }
    }
}

/// The rows of some batches.
pub(crate) fn answer(schema: &SchemaRef, batches: &[RecordBatch]) -> Answer {
    let mut rows = Vec::new();
    for batch in batches {
        for i in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|c| value(c, i)).collect());
        }
    }
    Answer {
        columns: schema.fields().iter().map(|f| f.name().clone()).collect(),
        rows,
    }
}

fn value(of: &ArrayRef, i: usize) -> Val {
    if of.is_null(i) {
        return Val::Null;
    }
    macro_rules! int {
        ($t:ty) => {
            Val::Int(of.as_primitive::<$t>().value(i) as i128)
        };
    }
    match of.data_type() {
        DataType::Null => Val::Null,
        DataType::Boolean => Val::Bool(of.as_boolean().value(i)),
        DataType::Int8 => int!(at::Int8Type),
        DataType::Int16 => int!(at::Int16Type),
        DataType::Int32 => int!(at::Int32Type),
        DataType::Int64 => int!(at::Int64Type),
        DataType::UInt8 => int!(at::UInt8Type),
        DataType::UInt16 => int!(at::UInt16Type),
        DataType::UInt32 => int!(at::UInt32Type),
        DataType::UInt64 => int!(at::UInt64Type),
        DataType::Float32 => Val::Float(of.as_primitive::<at::Float32Type>().value(i).into()),
        DataType::Float64 => Val::Float(of.as_primitive::<at::Float64Type>().value(i)),
        DataType::Decimal128(_, scale) => {
            Val::Dec(of.as_primitive::<at::Decimal128Type>().value(i), *scale)
        }
        DataType::Utf8 => Val::Text(of.as_string::<i32>().value(i).to_owned()),
        DataType::LargeUtf8 => Val::Text(of.as_string::<i64>().value(i).to_owned()),
        DataType::Utf8View => Val::Text(of.as_string_view().value(i).to_owned()),
        DataType::Dictionary(..) => {
            let dictionary = of.as_any_dictionary();
            match dictionary.normalized_keys().get(i) {
                Some(key) => value(dictionary.values(), *key),
                None => Val::Null,
            }
        }
        DataType::Date32 => Val::Date(of.as_primitive::<at::Date32Type>().value(i)),
        DataType::Timestamp(unit, None) => match unit {
            TimeUnit::Second => {
                Val::Ts(of.as_primitive::<at::TimestampSecondType>().value(i) * 1_000_000)
            }
            TimeUnit::Millisecond => {
                Val::Ts(of.as_primitive::<at::TimestampMillisecondType>().value(i) * 1000)
            }
            TimeUnit::Microsecond => {
                Val::Ts(of.as_primitive::<at::TimestampMicrosecondType>().value(i))
            }
            TimeUnit::Nanosecond => {
                let n = of.as_primitive::<at::TimestampNanosecondType>().value(i);
                match n % 1000 {
                    0 => Val::Ts(n / 1000),
                    _ => Val::Other(format!("{n} ns")),
                }
            }
        },
        DataType::List(_) => list(&of.as_list::<i32>().value(i)),
        DataType::LargeList(_) => list(&of.as_list::<i64>().value(i)),
        DataType::Struct(fields) => {
            let of = of.as_struct();
            let parts = fields.iter().zip(of.columns());
            Val::Struct(
                parts
                    .map(|(f, c)| (f.name().clone(), value(c, i)))
                    .collect(),
            )
        }
        other => Val::Other(format!("a value of type {other}")),
    }
}

fn list(items: &ArrayRef) -> Val {
    Val::List((0..items.len()).map(|i| value(items, i)).collect())
}

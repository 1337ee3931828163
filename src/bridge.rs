//! From one collection to another, lazily and in one graph: records of a bag as rows of a frame, columns of a frame as arrays.
//!
//! The collections are strangers to each other; what joins two of them stands here. What needs no second collection is with its own:
//! `Bag::to_delayed`, `Frame::from_delayed`, `Array::from_delayed`, `Array::to_delayed` and so on, between which any function fits.
//!
//! All of it is code that travels: it runs on any backend whose workers are of the same build.

use std::marker::PhantomData;
use std::sync::Arc;

use kvern_array::Array;
use kvern_bag::Bag;
use kvern_core::layer::Edge;
use kvern_core::travel::{KernelMaker, operator};
use kvern_core::{
    Delayed, Error, ErrorKind, Kernel, Layer, OpRef, OpTraits, Result, TaskContext, TaskList, Value,
};
use kvern_frame::arrow::array::{Array as _, Float64Array};
use kvern_frame::arrow::compute::cast;
use kvern_frame::arrow::error::ArrowError;
use kvern_frame::arrow::ipc::reader::StreamReader;
use kvern_frame::arrow::ipc::writer::StreamWriter;
use kvern_frame::arrow::json::ReaderBuilder;
use kvern_frame::{DataType, Frame, RecordBatch, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The records of a bag as the rows of a frame, by the names of their fields; each partition stays one. A field that is not in the
/// schema is left out; a record that does not fit is an error that shows it.
///
/// ```
/// use kvern::frame::{DataType, Field, Schema};
/// use kvern::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Sale {
///     city: String,
///     amount: f64,
/// }
///
/// let lines = ["Oslo 3", "Bergen 4", "Oslo 5"].map(String::from);
/// let sales = Bag::from_sequence(lines, 2).map(|line: String| {
///     let (city, amount) = line.split_once(' ').unwrap_or((&line, "0"));
///     Sale { city: city.into(), amount: amount.parse().unwrap_or(0.0) }
/// });
/// let schema = Schema::new(vec![
///     Field::new("city", DataType::Utf8, false),
///     Field::new("amount", DataType::Float64, false),
/// ]);
/// let frame = kvern::bridge::bag_to_frame(&sales, schema)?;
/// let amounts = kvern::bridge::column_to_array(&frame, "amount", 3)?;
/// assert_eq!(Session::open("sync://")?.compute(&amounts.sum(())?)?[[]], 12.0);
/// # Ok::<(), kvern::Error>(())
/// ```
///
/// # Errors
/// What is wrong with the bag's expression; a schema that cannot be written.
pub fn bag_to_frame<T>(bag: &Bag<T>, schema: Schema) -> Result<Frame>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let schema = Arc::new(schema);
    let op = operator::<Rows<T>>("bag_to_frame", OpTraits::default(), encode(&schema)?)?;
    let parts: Vec<Delayed<Vec<RecordBatch>>> = bag
        .to_delayed()?
        .iter()
        .map(|part| one(&op, vec![place(part)]))
        .collect();
    Frame::from_delayed(schema, parts)
}

/// A column of numbers as an array of `f64` of one axis and one chunk, nulls as NaN. How many rows come must be said, since an array knows its
/// shape before it is computed: if another number comes, the error names both.
///
/// ```
/// use kvern::bridge::column_to_array;
/// use kvern::prelude::*;
/// # let path = std::env::temp_dir().join(format!("kvern-column-{}.csv", std::process::id()));
/// std::fs::write(&path, "city,rain\nOslo,7.5\nRome,NA\n")?;
/// let frame = Frame::read_csv(&path)?;
/// let rain = column_to_array(&frame, "rain", 2)?;
/// assert_eq!(rain.replace_nan(0.0).sum(())?.item()?, 7.5);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A column that the frame does not have, or that does not hold numbers; what keeps the frame from being planned.
pub fn column_to_array(frame: &Frame, column: &str, rows: usize) -> Result<Array<f64>> {
    let alone = frame.select([column])?;
    let kind = alone.schema().field(0).data_type().clone();
    if !kind.is_numeric() && kind != DataType::Boolean {
        return Err(Error::bad_input(format!(
            "the column {column:?} is of type {kind}, and an array is made of numbers"
        )));
    }
    let op = operator::<Column>("column_to_array", OpTraits::default(), Vec::new())?;
    let inputs = alone.to_delayed()?.iter().map(place).collect();
    Array::from_delayed(&one(&op, inputs), [rows])
}

fn place<T: Clone + Send + Sync + 'static>(of: &Delayed<T>) -> (Arc<Layer>, u32) {
    let (layer, output) = of.layer();
    (layer.clone(), output)
}

/// One task that runs `op` over these outputs.
fn one<T: Clone + Send + Sync + 'static>(op: &OpRef, inputs: Vec<(Arc<Layer>, u32)>) -> Delayed<T> {
    let mut list = TaskList::new();
    let op = list.op(op.clone());
    let edges: Vec<Edge> = inputs
        .iter()
        .zip(0..)
        .map(|((_, output), slot)| Edge::Input {
            slot,
            output: *output,
        })
        .collect();
    let task = list.task_with(op, edges);
    let layers = inputs.into_iter().map(|i| i.0).collect();
    Delayed::of_layer(Layer::new(list.into_kind([task]), layers), 0)
}

/// A schema as the bytes of an Arrow stream without batches.
fn encode(schema: &Schema) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema)
        .and_then(|mut w| w.finish())
        .map_err(|e| {
            Error::with_source(
                ErrorKind::BadInput,
                format!("the schema cannot be written: {e}"),
                e,
            )
        })?;
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<SchemaRef> {
    StreamReader::try_new(bytes, None)
        .map(|r| r.schema())
        .map_err(|e| {
            Error::with_source(
                ErrorKind::Decode,
                format!("a schema cannot be read: {e}"),
                e,
            )
        })
}

/// Lists of records as batches.
struct Rows<T>(PhantomData<fn() -> T>);

impl<T: Serialize + Send + Sync + 'static> KernelMaker for Rows<T> {
    fn make(params: &[u8]) -> Result<Arc<dyn Kernel>> {
        let schema = decode(params)?;
        Ok(Arc::new(
            move |inputs: &mut [Value], _: &TaskContext<'_>| {
                let [input] = inputs else {
                    let words = format!("one list of records was expected, got {}", inputs.len());
                    return Err(Error::bad_input(words));
                };
                let rows = input.downcast_ref::<Vec<T>>().ok_or_else(|| {
                    let words = format!("a list of records was expected, got {}", input.describe());
                    Error::bad_input(words)
                })?;
                Ok(Value::new(batches(&schema, rows)?))
            },
        ))
    }
}

fn batches<T: Serialize>(schema: &SchemaRef, rows: &[T]) -> Result<Vec<RecordBatch>> {
    let batch = |rows: &[T]| -> std::result::Result<Option<RecordBatch>, ArrowError> {
        let mut decoder = ReaderBuilder::new(schema.clone()).build_decoder()?;
        decoder.serialize(rows)?;
        decoder.flush()
    };
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    batch(rows).map(Vec::from_iter).map_err(|e| {
        // Which one it was: the first that does not fit alone.
        let at = rows
            .iter()
            .position(|r| batch(std::slice::from_ref(r)).is_err());
        let which = at.map_or_else(String::new, |i| format!("record {i} of its partition "));
        Error::with_source(
            ErrorKind::BadInput,
            format!("{which}does not fit the columns of the frame: {e}"),
            e,
        )
    })
}

/// The only column of batches as a list of numbers.
struct Column;

impl KernelMaker for Column {
    fn make(_params: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(|inputs: &mut [Value], _: &TaskContext<'_>| {
            let mut numbers: Vec<f64> = Vec::new();
            for input in inputs.iter() {
                let batches = input.downcast_ref::<Vec<RecordBatch>>().ok_or_else(|| {
                    Error::bad_input(format!("batches were expected, got {}", input.describe()))
                })?;
                for batch in batches {
                    append(batch, &mut numbers)?;
                }
            }
            Ok(Value::new(numbers))
        }))
    }
}

fn append(batch: &RecordBatch, numbers: &mut Vec<f64>) -> Result<()> {
    let column = batch
        .columns()
        .first()
        .ok_or_else(|| Error::bad_input("a batch has no column"))?;
    let column = cast(column, &DataType::Float64).map_err(|e| {
        Error::with_source(
            ErrorKind::BadInput,
            format!("a column is no numbers: {e}"),
            e,
        )
    })?;
    let column = column
        .as_any()
        .downcast_ref::<Float64Array>()
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "a column was cast to another type than asked for",
            )
        })?;
    numbers.extend(column.iter().map(|n| n.unwrap_or(f64::NAN)));
    Ok(())
}

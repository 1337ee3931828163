//! Frames from batches and from tasks, and frames as partitions that tasks can read.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use kvern_core::layer::Data;
use kvern_core::{Delayed, Error, Layer, Outputs, Result, Root, Value};

use super::Frame;
use crate::parts::{Parts, columns};
use crate::value::{Batches, nbytes};

impl Frame {
    /// The rows of some batches, none of them copied; each batch is a partition.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use kvern_frame::arrow::array::{ArrayRef, Int64Array, StringArray};
    /// use kvern_frame::{Frame, RecordBatch};
    /// let name: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    /// let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    /// let frame = Frame::from_batches([RecordBatch::try_from_iter([("name", name), ("n", n)])?])?;
    /// assert_eq!(frame.columns(), ["name", "n"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// No batch (use [`Frame::from_partitions`] with a schema), or batches of different columns.
    pub fn from_batches(batches: impl IntoIterator<Item = RecordBatch>) -> Result<Self> {
        let batches: Vec<RecordBatch> = batches.into_iter().collect();
        let schema = batches.first().map(RecordBatch::schema).ok_or_else(|| {
            Error::bad_input(
                "a frame of no batch has no columns: give a schema to Frame::from_partitions",
            )
        })?;
        Self::from_partitions(schema, batches.into_iter().map(|b| vec![b]))
    }

    /// Batches by partition, none of them copied.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use kvern_frame::{DataType, Field, Frame, Schema};
    /// let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    /// let empty = Frame::from_partitions(schema, [])?; // a frame without rows has columns, too
    /// assert_eq!(empty.count()?.reference()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A batch that does not have the columns of the schema.
    pub fn from_partitions(
        schema: SchemaRef,
        partitions: impl IntoIterator<Item = Vec<RecordBatch>>,
    ) -> Result<Self> {
        let mut partitions: Vec<Batches> = partitions.into_iter().collect();
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        for (p, batches) in partitions.iter().enumerate() {
            for batch in batches {
                let have = batch.schema();
                let same = have.fields().len() == schema.fields().len()
                    && have
                        .fields()
                        .iter()
                        .zip(schema.fields())
                        .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
                if !same {
                    return Err(Error::bad_input(format!(
                        "partition {p} has the columns {}, expected were {}",
                        columns(&have),
                        columns(&schema)
                    )));
                }
            }
        }
        let rows = partitions.iter().map(|p| Self::rows(p)).sum();
        let bytes = nbytes(partitions.iter().flatten()) as usize;
        let layer = Layer::new(
            Data::values(partitions.into_iter().map(Value::new).collect()),
            Vec::new(),
        );
        Self::of_parts(schema, vec![Root::all(&layer)], Some(rows), Some(bytes))
    }

    /// Partitions that tasks make: each delayed value is one, and must have the columns of the schema when it is computed.
    ///
    /// ```
    /// use kvern_frame::{DataType, Field, Frame, RecordBatch, Schema, arrow};
    /// use std::sync::Arc;
    /// let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    /// // Batches are no serde type, but a registered one, so they travel all the same.
    /// let part = kvern_core::delayed::try_delayed_local(|n: &i64| {
    ///     let column = Arc::new(arrow::array::Int64Array::from_iter_values(0..*n));
    ///     RecordBatch::try_from_iter([("n", column as arrow::array::ArrayRef)]).map(|b| vec![b])
    /// });
    /// let frame = Frame::from_delayed(schema, [part.call(3i64), part.call(2i64)])?;
    /// let rows: usize = frame.reference()?.iter().map(RecordBatch::num_rows).sum();
    /// assert_eq!(rows, 5);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// No partition.
    pub fn from_delayed(
        schema: SchemaRef,
        parts: impl IntoIterator<Item = Delayed<Vec<RecordBatch>>>,
    ) -> Result<Self> {
        let roots: Vec<Root> = parts
            .into_iter()
            .map(|d| {
                let (layer, output) = d.layer();
                Root {
                    layer: layer.clone(),
                    outputs: Outputs::Only(vec![output]),
                }
            })
            .collect();
        if roots.is_empty() {
            return Err(Error::bad_input("a frame of no partition was asked for"));
        }
        Self::of_parts(schema, roots, None, None)
    }

    /// The frame's partitions, in order, as values that other tasks can read: any collection may go on from here. The frame is cut into
    /// tasks for `partitions` partitions (see [`Frame::repartition`]); how many come out depends on the query.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_core::delayed;
    /// use kvern_frame::RecordBatch;
    /// let parts = sales.to_delayed()?;
    /// let rows = delayed(|all: &[&Vec<RecordBatch>]| all.iter().flat_map(|p| p.iter()).map(RecordBatch::num_rows).sum::<usize>());
    /// assert_eq!(rows.call((&parts,)).reference()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What keeps it from being planned.
    pub fn to_delayed(&self) -> Result<Vec<Delayed<Vec<RecordBatch>>>> {
        let cut = self
            .tasks(self.wanted_partitions(super::verbs::PARTITIONS))?
            .cut;
        Ok((0..cut.count)
            .map(|p| Delayed::of_layer(cut.layer.clone(), p))
            .collect())
    }

    pub(super) fn of_parts(
        schema: SchemaRef,
        roots: Vec<Root>,
        rows: Option<usize>,
        bytes: Option<usize>,
    ) -> Result<Self> {
        let table = Parts {
            schema,
            roots,
            rows,
            bytes,
        };
        Self::of_table("batches", Arc::new(table))
    }
}

//! The operator that hands a whole query to an engine of the backend and takes the rows that it gives. A closure: it runs where the
//! session is, and what leaves the process is the plan.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use kvern_core::operator::Stays;
use kvern_core::unfinished::Leftovers;
use kvern_core::{OpRef, OpTraits, Result, TaskContext, Value};

use super::write::ParquetFile;
use crate::backend::{ENGINE, FrameEngine, Query};
use crate::engine::{Drive, stoppable};
use crate::error::from_df;
use crate::parts::{Input, Inputs, in_memory};
use crate::value::{Batches, batches_of};

/// Runs a query whose inputs have so many partitions each: all its rows.
pub(crate) fn engine_op(engine: Arc<dyn FrameEngine>, query: Query, inputs: Vec<u32>) -> OpRef {
    op(ENGINE[0], engine, query, inputs, |rows, _| async move {
        let batches: Batches = stoppable(rows).try_collect().await.map_err(from_df)?;
        Ok(Value::new(batches))
    })
}

/// Runs a query and writes its rows to a file of this machine as they come: how many there were.
pub(crate) fn engine_to_file(
    engine: Arc<dyn FrameEngine>,
    query: Query,
    inputs: Vec<u32>,
    path: PathBuf,
    schema: SchemaRef,
) -> OpRef {
    op(ENGINE[1], engine, query, inputs, move |rows, leftovers| {
        let (path, schema) = (path.clone(), schema.clone());
        async move {
            let mut file = ParquetFile::create(&path, &schema, &leftovers)?;
            let mut rows = stoppable(rows);
            while let Some(batch) = rows.try_next().await.map_err(from_df)? {
                file.write(&batch)?;
            }
            Ok(Value::new(file.finish()?))
        }
    })
}

/// The rows with the types that were planned: on the way from an engine dictionaries may have been taken apart.
fn as_planned(rows: SendableRecordBatchStream, schema: SchemaRef) -> SendableRecordBatchStream {
    let planned = schema.clone();
    let rows = rows.map(move |batch| {
        let batch = batch?;
        let told = planned.fields().iter().map(|f| f.data_type());
        let came = batch.columns().iter().map(|c| c.data_type());
        if told.clone().eq(came) {
            return Ok(batch);
        }
        let columns = batch.columns().iter().zip(told.clone());
        let columns: Vec<_> = columns
            .map(|(c, t)| cast(c, t))
            .collect::<std::result::Result<_, _>>()?;
        let came = batch.schema();
        let fields = came.fields().iter().zip(told);
        let fields: Vec<Field> = fields
            .map(|(f, t)| f.as_ref().clone().with_data_type(t.clone()))
            .collect();
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

fn op<F, J>(
    name: &str,
    engine: Arc<dyn FrameEngine>,
    query: Query,
    inputs: Vec<u32>,
    job: J,
) -> OpRef
where
    F: Future<Output = Result<Value>> + Send + 'static,
    J: Fn(SendableRecordBatchStream, Leftovers) -> F + Send + Sync + Clone + 'static,
{
    let kernel = move |values: &mut [Value], ctx: &TaskContext<'_>| {
        let mut values = values.iter();
        let inputs = inputs.iter().map(|&n| {
            let parts = values.by_ref().take(n as usize);
            let parts = parts.map(|v| batches_of(v).cloned());
            Ok(Input::Whole(parts.collect::<Result<_>>()?))
        });
        let inputs = Inputs(inputs.collect::<Result<_>>()?);
        let query = Query {
            plan: in_memory(&query.plan, &inputs)?,
            config: query.config.clone(),
        };
        let planned = query.plan.schema();
        // Nothing is computed here: one thread takes what comes.
        let drive = Drive {
            threads: 1,
            memory: None,
        };
        let leftovers = ctx.leftovers();
        drive.run(ctx, |_pool| {
            let rows = engine.start(query);
            let job = job.clone();
            async move { job(as_planned(rows?, planned), leftovers).await }
        })
    };
    OpRef::local_kernel(name, OpTraits::default(), Stays::Here, Arc::new(kernel))
}

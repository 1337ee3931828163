//! The operator of a whole query in one task: DataFusion streams it with all threads of the session. A closure, since it never leaves
//! the process: what crosses it are plans ([`stage`](super::stage)).

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream};
use futures::TryStreamExt;
use kvern_core::operator::Stays;
use kvern_core::unfinished::Leftovers;
use kvern_core::{OpRef, OpTraits, Result, TaskContext, Value};

use super::write::ParquetFile;
use crate::engine::{Drive, stoppable, task_context};
use crate::error::from_df;
use crate::parts::{Input, Inputs};
use crate::plan::Knobs;
use crate::value::{Batches, batches_of};

/// Runs a plan whose inputs have so many partitions each: all its rows.
pub(crate) fn query_op(
    plan: Arc<dyn ExecutionPlan>,
    inputs: Vec<u32>,
    knobs: Knobs,
    drive: Drive,
    spill: Option<PathBuf>,
) -> OpRef {
    let query = Query {
        plan,
        inputs,
        knobs,
        drive,
        spill,
    };
    query.op("frame.query", |plan, context, _| async move {
        Ok(Value::new(collect(plan, context).await?))
    })
}

/// Runs a plan and writes its rows to a file as they come: how many there were.
pub(crate) fn query_to_file(
    plan: Arc<dyn ExecutionPlan>,
    inputs: Vec<u32>,
    knobs: Knobs,
    drive: Drive,
    spill: Option<PathBuf>,
    path: PathBuf,
    schema: SchemaRef,
) -> OpRef {
    let query = Query {
        plan,
        inputs,
        knobs,
        drive,
        spill,
    };
    query.op("frame.query_to_parquet", move |plan, context, leftovers| {
        let (path, schema) = (path.clone(), schema.clone());
        async move {
            let mut file = ParquetFile::create(&path, &schema, &leftovers)?;
            if knobs.ordered {
                // One partition after the other, since rows are to be in order.
                for p in 0..plan.output_partitioning().partition_count() {
                    let rows = plan.execute(p, context.clone()).map_err(from_df)?;
                    write(rows, &mut file).await?;
                }
            } else {
                let rows = execute_stream(plan, context).map_err(from_df)?;
                write(rows, &mut file).await?;
            }
            Ok(Value::new(file.finish()?))
        }
    })
}

async fn write(rows: SendableRecordBatchStream, file: &mut ParquetFile) -> Result<()> {
    let mut rows = stoppable(rows);
    while let Some(batch) = rows.try_next().await.map_err(from_df)? {
        file.write(&batch)?;
    }
    Ok(())
}

struct Query {
    plan: Arc<dyn ExecutionPlan>,
    inputs: Vec<u32>,
    knobs: Knobs,
    drive: Drive,
    spill: Option<PathBuf>,
}

impl Query {
    fn op<F, J>(self, name: &str, job: J) -> OpRef
    where
        F: Future<Output = Result<Value>> + Send + 'static,
        J: Fn(Arc<dyn ExecutionPlan>, Arc<datafusion::execution::TaskContext>, Leftovers) -> F
            + Send
            + Sync
            + Clone
            + 'static,
    {
        let kernel = move |values: &mut [Value], ctx: &TaskContext<'_>| {
            let mut values = values.iter();
            let inputs = self.inputs.iter().map(|&n| {
                let parts = values.by_ref().take(n as usize);
                let parts = parts.map(|v| batches_of(v).cloned());
                Ok(Input::Whole(parts.collect::<Result<_>>()?))
            });
            let inputs = Arc::new(Inputs(inputs.collect::<Result<_>>()?));
            // A query may be run again: operators keep what they have read in the plan.
            let plan = reset_plan_states(self.plan.clone()).map_err(from_df)?;
            let leftovers = ctx.leftovers();
            self.drive.run(ctx, |pool| {
                let context = task_context(
                    self.knobs,
                    pool,
                    self.spill.clone(),
                    Some(inputs),
                    &leftovers,
                );
                let job = job.clone();
                async move { job(plan, context?, leftovers).await }
            })
        };
        OpRef::local_kernel(name, OpTraits::default(), Stays::Here, Arc::new(kernel))
    }
}

/// All partitions side by side, then one after the other.
async fn collect(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<datafusion::execution::TaskContext>,
) -> Result<Batches> {
    let mut running = Vec::new();
    for p in 0..plan.output_partitioning().partition_count() {
        let stream = plan.execute(p, context.clone()).map_err(from_df)?;
        running.push(Abort(tokio::spawn(
            stoppable(stream).try_collect::<Batches>(),
        )));
    }
    let mut all = Batches::new();
    for partition in &mut running {
        let batches = (&mut partition.0).await.map_err(|e| {
            from_df(datafusion::common::DataFusionError::ExecutionJoin(
                Box::new(e),
            ))
        })?;
        all.extend(batches.map_err(from_df)?);
    }
    Ok(all)
}

/// A partition at work, which ends when nobody waits for it.
struct Abort(tokio::task::JoinHandle<Result<Batches, datafusion::common::DataFusionError>>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! `frame.stage`: one partition of the part of a plan that lies between two exchanges.

use std::sync::Arc;

use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::TryStreamExt;
use kvern_core::operator::{Operators, decode_params};
use kvern_core::{
    Error, Kernel, OpRef, OpTraits, Operator, Result, TaskContext, Value, register_operator,
};
use serde::{Deserialize, Serialize};

use super::BY_BLOCK;
use crate::engine::{Drive, stoppable, task_context};
use crate::error::from_df;
use crate::parts::{Input, Inputs};
use crate::plan::Knobs;
use crate::value::{Batches, batches_of, own};

const NAME: &str = "frame.stage";

/// An input of a stage: all of its partitions, or the one with the task's number.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StageInput {
    pub(crate) all: bool,
    pub(crate) count: u32,
}

#[derive(Serialize, Deserialize)]
struct Params {
    plan: Vec<u8>,
    inputs: Vec<StageInput>,
    /// One task runs all partitions: the plan could not be cut.
    whole: bool,
    /// What the plan was made for.
    partitions: u32,
}

/// The operator that runs an encoded plan.
pub(crate) fn stage_op(
    plan: Vec<u8>,
    inputs: Vec<StageInput>,
    whole: bool,
    partitions: usize,
) -> Result<OpRef> {
    let partitions = u32::try_from(partitions)
        .map_err(|_| Error::bad_input(format!("{partitions} partitions are more than 2^32")))?;
    let params = Params {
        plan,
        inputs,
        whole,
        partitions,
    };
    OpRef::of(&Stage, &params)
}

struct Stage;

impl Operator for Stage {
    fn name(&self) -> &'static str {
        NAME
    }

    fn traits(&self, _: &[u8]) -> Result<OpTraits> {
        Ok(BY_BLOCK)
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        kernel(params, None)
    }

    fn instantiate_in(&self, params: &[u8], operators: &dyn Operators) -> Result<Arc<dyn Kernel>> {
        kernel(params, Some(operators))
    }
}
register_operator!(Stage);

fn kernel(params: &[u8], operators: Option<&dyn Operators>) -> Result<Arc<dyn Kernel>> {
    let p: Params = decode_params(NAME, params)?;
    let plan = crate::codec::decode(&p.plan, operators)?;
    Ok(Arc::new(StageKernel {
        plan,
        inputs: p.inputs,
        whole: p.whole,
        partitions: p.partitions as usize,
    }))
}

struct StageKernel {
    plan: Arc<dyn ExecutionPlan>,
    inputs: Vec<StageInput>,
    whole: bool,
    partitions: usize,
}

impl Kernel for StageKernel {
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        ctx.check_cancelled()?;
        let block = ctx.block() as usize;
        let inputs = Arc::new(self.inputs(inputs, block)?);
        // The task's own state: operators keep what they have read in the plan.
        let plan = reset_plan_states(self.plan.clone()).map_err(from_df)?;
        let count = plan.output_partitioning().partition_count();
        let partitions = if self.whole {
            0..count
        } else {
            block..block + 1
        };
        if partitions.end > count {
            return Err(Error::bad_input(format!(
                "partition {block} of a stage of {count} was asked for"
            )));
        }
        let backend = ctx.scheduler().ok().map(|s| s.describe());
        let drive = Drive {
            threads: 1,
            memory: backend.as_ref().and_then(|d| d.memory_budget),
        };
        let knobs = Knobs {
            partitions: self.partitions,
            alone: true,
            ordered: true,
        };
        let spill = backend.and_then(|d| d.spill_directory);
        let leftovers = ctx.leftovers();
        let batches = drive.run(ctx, |pool| {
            let context = task_context(knobs, pool, spill, Some(inputs), &leftovers);
            async move {
                let context = context?;
                let streams = partitions
                    .map(|p| {
                        plan.execute(p, context.clone())
                            .map(|s| stoppable(s).try_collect::<Batches>())
                    })
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(from_df)?;
                // All at once: where partitions wait for each other, one after the other would wait for ever.
                let all = futures::future::try_join_all(streams)
                    .await
                    .map_err(from_df)?;
                let all = all.iter().flatten().map(own);
                let all = all.collect::<Result<Batches, _>>();
                all.map_err(|e| from_df(e.into()))
            }
        })?;
        Ok(Value::new(batches))
    }
}

impl StageKernel {
    fn inputs(&self, values: &mut [Value], block: usize) -> Result<Inputs> {
        let expected: usize = self
            .inputs
            .iter()
            .map(|i| if i.all { i.count as usize } else { 1 })
            .sum();
        if values.len() != expected {
            return Err(Error::bad_input(format!(
                "the stage reads {expected} partitions, got {}",
                values.len()
            )));
        }
        let mut values = values.iter_mut();
        let mut take = || -> Result<Batches> {
            let value = values
                .next()
                .map_or(Value::UNIT, |v| std::mem::replace(v, Value::UNIT));
            value
                .try_into_inner::<Batches>()
                .or_else(|shared| batches_of(&shared).cloned())
        };
        let inputs = self.inputs.iter().map(|i| {
            Ok(if i.all {
                Input::Whole((0..i.count).map(|_| take()).collect::<Result<_>>()?)
            } else {
                Input::One(block, take()?)
            })
        });
        Ok(Inputs(inputs.collect::<Result<_>>()?))
    }
}

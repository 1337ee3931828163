//! A physical plan cut at its exchanges into layers of tasks.
//!
//! Going down from the root, everything that works on one partition at a time stays together in a *stage*; where DataFusion would move
//! rows between partitions the plan is cut: a repartitioning becomes an exchange layer, what gathers partitions reads all of them, the
//! build side of a broadcast join is a stage of its own that every probing task reads. A stage's plan is encoded with
//! `datafusion-proto`, with [`InputExec`] in the place of what was cut off.

mod check;
mod in_order;
mod layers;
mod node;
mod own_rows;

use std::sync::Arc;

use datafusion::execution::config::SessionConfig;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use kvern_core::layer::Exchange;
use kvern_core::{Error, Layer, Result};

use crate::codec;
use crate::engine::config;
use crate::error::from_df;
use crate::ops::{StageInput, concat_op, split_op, stage_op};
use crate::parts::{InputExec, InputSpec, PartsExec};
use crate::plan::Knobs;
pub(crate) use in_order::in_order;
pub(crate) use layers::{Cut, gather, projected, table};
use layers::{blocks, interleaved, side_by_side};
use node::Role;
pub(crate) use own_rows::own_rows;

/// What a plan became.
pub(crate) struct Lowered {
    pub(crate) cut: Cut,
    /// Why it runs as one task, if it could not be cut.
    pub(crate) whole: Option<String>,
}

/// The tasks of a plan that was made for partitions which run alone.
///
/// # Errors
/// If the plan holds what cannot leave the process.
pub(crate) fn lower(plan: &Arc<dyn ExecutionPlan>, knobs: Knobs) -> Result<Lowered> {
    let cutter = Cutter {
        partitions: knobs.partitions,
        config: config(knobs),
    };
    match cutter.stage(plan) {
        Ok(cut) => Ok(Lowered { cut, whole: None }),
        Err(Stop::Whole(why)) => Ok(Lowered {
            cut: cutter.whole(plan)?,
            whole: Some(why),
        }),
        Err(Stop::Error(e)) => Err(e),
    }
}

/// A plan for one task that streams it: the layers that it reads are the task's inputs.
pub(crate) struct Streamed {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) inputs: Vec<Cut>,
}

/// The plan with its tables of tasks as inputs.
pub(crate) fn stream(plan: &Arc<dyn ExecutionPlan>) -> Result<Streamed> {
    let mut stage = Stage::default();
    let plan = node::replace_parts(plan, &mut |parts| {
        let cut = table(&parts.table)?;
        Ok(leaf(parts, cut, true, &mut stage))
    })?;
    Ok(Streamed {
        plan,
        inputs: stage.inputs.into_iter().map(|(cut, _)| cut).collect(),
    })
}

/// Why cutting stopped.
enum Stop {
    /// The plan is to run in one task, for this reason.
    Whole(String),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Self::Error(e)
    }
}

impl From<datafusion::common::DataFusionError> for Stop {
    fn from(e: datafusion::common::DataFusionError) -> Self {
        Self::Error(from_df(e))
    }
}

struct Cutter {
    partitions: usize,
    /// What the plan was made with.
    config: SessionConfig,
}

/// A stage that is being put together.
#[derive(Default)]
struct Stage {
    inputs: Vec<(Cut, bool)>,
}

impl Stage {
    /// A leaf that reads a layer. `all`: each task reads all partitions; `chained`: as one.
    fn input(
        &mut self,
        cut: Cut,
        all: bool,
        chained: bool,
        of: &Arc<dyn ExecutionPlan>,
    ) -> Arc<dyn ExecutionPlan> {
        let spec = InputSpec {
            slot: self.inputs.len() as u32,
            count: cut.count,
            chained,
            projection: None,
            groups: None,
            table: false,
        };
        self.inputs.push((cut, all));
        let mut known = of.equivalence_properties().clone();
        if chained && spec.count > 1 {
            // Partitions one after the other are in no order, however ordered each is, and what is constant in each may differ.
            known.clear_orderings();
            known.clear_per_partition_constants();
        }
        Arc::new(InputExec::new(spec, known))
    }
}

impl Cutter {
    /// The partitions of a plan as a layer.
    fn stage(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Cut, Stop> {
        // What only moves partitions needs no stage of its own on top.
        if let Role::Repartition(r) = node::role(plan.as_ref())? {
            return self.exchange(plan, r);
        }
        let mut stage = Stage::default();
        let local = self.rewrite(plan, &mut stage)?;
        let count = local.output_partitioning().partition_count();
        let bytes = projected(plan);
        self.finish(&local, plan, stage, count, bytes)
    }

    fn finish(
        &self,
        local: &Arc<dyn ExecutionPlan>,
        original: &Arc<dyn ExecutionPlan>,
        stage: Stage,
        count: usize,
        bytes: u64,
    ) -> Result<Cut, Stop> {
        let (encoded, read) = codec::encode(local, &self.config)?;
        check::same(&read, local, original).map_err(Stop::Whole)?;
        let count = u32::try_from(count)
            .map_err(|_| Error::bad_input(format!("{count} partitions are more than 2^32")))?;
        let inputs = stage.inputs.iter().map(|(cut, all)| StageInput {
            all: *all,
            count: cut.count,
        });
        let op = stage_op(encoded, inputs.collect(), false, self.partitions)?;
        Ok(Cut {
            layer: blocks(op, count, stage, bytes)?,
            count,
            bytes,
        })
    }

    /// The plan in one task, which runs all partitions of it side by side.
    fn whole(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Cut> {
        let mut stage = Stage::default();
        let local = node::replace_parts(plan, &mut |parts| {
            let cut = table(&parts.table)?;
            Ok(leaf(parts, cut, true, &mut stage))
        })?;
        let inputs = stage.inputs.iter().map(|(cut, _)| StageInput {
            all: true,
            count: cut.count,
        });
        let op = stage_op(
            codec::encode(&local, &self.config)?.0,
            inputs.collect(),
            true,
            self.partitions,
        )?;
        let bytes = projected(plan);
        Ok(Cut {
            layer: blocks(op, 1, stage, bytes)?,
            count: 1,
            bytes,
        })
    }

    /// The plan with leaves for what other layers make.
    fn rewrite(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        stage: &mut Stage,
    ) -> Result<Arc<dyn ExecutionPlan>, Stop> {
        match node::role(plan.as_ref())? {
            Role::Parts(parts) => {
                let cut = table(&parts.table)?;
                Ok(leaf(parts, cut, false, stage))
            }
            Role::Repartition(r) => {
                let cut = self.exchange(plan, r)?;
                Ok(stage.input(cut, false, false, plan))
            }
            Role::Coalesce { input, fetch } => {
                let cut = self.stage(input)?;
                let all = stage.input(cut, true, true, plan);
                Ok(match fetch {
                    None => all,
                    Some(_) => Arc::new(GlobalLimitExec::new(all, 0, fetch)),
                })
            }
            Role::MergeSorted { input } => {
                let cut = self.stage(input)?;
                let all = stage.input(cut, true, false, input);
                kept(node::over(plan, vec![all])?, plan)
            }
            Role::Union => {
                let parts = plan
                    .children()
                    .into_iter()
                    .map(|c| self.stage(c))
                    .collect::<Result<Vec<_>, _>>()?;
                let cut = side_by_side(&parts)?;
                Ok(stage.input(cut, false, false, plan))
            }
            Role::Interleave => {
                let parts = plan
                    .children()
                    .into_iter()
                    .map(|c| self.stage(c))
                    .collect::<Result<Vec<_>, _>>()?;
                let cut = interleaved(parts)?;
                Ok(stage.input(cut, false, false, plan))
            }
            Role::Broadcast {
                build,
                probe,
                probe_alone,
            } => {
                let build = self.all_of(build, stage)?;
                let probe = if probe_alone && probe.output_partitioning().partition_count() > 1 {
                    let cut = self.stage(probe)?;
                    stage.input(cut, true, true, probe)
                } else {
                    self.rewrite(probe, stage)?
                };
                kept(node::over(plan, vec![build, probe])?, plan)
            }
            Role::EachPartition => {
                let children = plan
                    .children()
                    .into_iter()
                    .map(|c| self.rewrite(c, stage))
                    .collect::<Result<Vec<_>, _>>()?;
                if children.is_empty() {
                    return Ok(plan.clone());
                }
                kept(node::over(plan, children)?, plan)
            }
        }
    }

    /// A side of a join that every task reads whole.
    fn all_of(
        &self,
        side: &Arc<dyn ExecutionPlan>,
        stage: &mut Stage,
    ) -> Result<Arc<dyn ExecutionPlan>, Stop> {
        if let Role::Coalesce { input, fetch: None } = node::role(side.as_ref())? {
            let cut = self.stage(input)?;
            return Ok(stage.input(cut, true, true, side));
        }
        let cut = self.stage(side)?;
        Ok(stage.input(cut, true, true, side))
    }

    /// A repartitioning as an exchange layer: every task of the stage below is split, every partition put together from its pieces.
    fn exchange(&self, plan: &Arc<dyn ExecutionPlan>, r: &RepartitionExec) -> Result<Cut, Stop> {
        if r.preserve_order() && r.input().output_partitioning().partition_count() > 1 {
            return Err(Stop::Whole("rows are dealt out in order".into()));
        }
        let below = self.stage(r.input())?;
        let to = u32::try_from(r.partitioning().partition_count())
            .map_err(|_| Error::bad_input("more than 2^32 partitions"))?;
        if below.count == 1 && to == 1 {
            return Ok(below);
        }
        let spec = InputSpec {
            slot: 0,
            count: below.count,
            chained: false,
            projection: None,
            groups: None,
            table: false,
        };
        let known = EquivalenceProperties::new(r.input().schema());
        let leaf = Arc::new(InputExec::new(spec, known));
        let rule = node::over(plan, vec![leaf])?;
        let ops = [
            split_op(codec::encode(&rule, &self.config)?.0, below.count)?,
            concat_op()?,
        ];
        let each = |n: u32| below.bytes / u64::from(n.max(1));
        let layer = Exchange::new(ops, below.count, to, each(below.count), each(to))?;
        Ok(Cut {
            layer: Layer::new(layer, vec![below.layer]),
            count: to,
            bytes: below.bytes,
        })
    }
}

/// The leaf that reads a table of tasks.
fn leaf(parts: &PartsExec, cut: Cut, all: bool, stage: &mut Stage) -> Arc<dyn ExecutionPlan> {
    let spec = InputSpec {
        slot: stage.inputs.len() as u32,
        count: cut.count,
        chained: false,
        projection: parts
            .projection
            .as_ref()
            .map(|p| p.iter().map(|&c| c as u32).collect()),
        groups: parts.groups.map(|g| g as u32),
        table: true,
    };
    stage.inputs.push((cut, all));
    Arc::new(InputExec::new(
        spec,
        EquivalenceProperties::new(parts.schema()),
    ))
}

/// The node over its new inputs, if it still keeps what it promised.
fn kept(
    new: Arc<dyn ExecutionPlan>,
    old: &Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>, Stop> {
    check::kept(&new, old).map_err(Stop::Whole)?;
    Ok(new)
}

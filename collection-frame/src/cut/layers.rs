//! What stages and exchanges are as layers, and what their results are expected to weigh.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use kvern_core::blocks::BlockBytes;
use kvern_core::layer::{BlockArg, Blockwise, Edge};
use kvern_core::{AxisMap, Error, Grid, Layer, OpRef, Result, TaskList};

use super::Stage;
use crate::ops::concat_op;
use crate::parts::Parts;

/// A layer whose outputs are the partitions of a table.
#[derive(Clone)]
pub(crate) struct Cut {
    pub(crate) layer: Arc<Layer>,
    pub(crate) count: u32,
    /// Projected bytes of all partitions; 0 if unknown.
    pub(crate) bytes: u64,
}

/// Partitions in order as one: the result of a frame is one value.
pub(crate) fn gather(cut: &Cut) -> Result<Arc<Layer>> {
    if cut.count == 1 {
        return Ok(cut.layer.clone());
    }
    let grid = Grid::new([1]);
    let all = BlockArg {
        slot: 0,
        grid: Grid::new([cut.count]),
        axes: vec![AxisMap::All],
    };
    let layer = Blockwise::new(concat_op()?, grid, vec![all], BlockBytes::Each(cut.bytes))?;
    Ok(Layer::new(layer, vec![cut.layer.clone()]))
}

/// One task for each of `count` partitions.
pub(super) fn blocks(op: OpRef, count: u32, stage: Stage, bytes: u64) -> Result<Arc<Layer>> {
    let grid = Grid::new([count]);
    let mut args = Vec::new();
    let mut layers = Vec::new();
    for (slot, (cut, all)) in stage.inputs.into_iter().enumerate() {
        args.push(BlockArg {
            slot: slot as u32,
            grid: Grid::new([cut.count]),
            axes: vec![if all { AxisMap::All } else { AxisMap::Out(0) }],
        });
        layers.push(cut.layer);
    }
    let each = BlockBytes::Each(bytes / u64::from(count.max(1)));
    Ok(Layer::new(Blockwise::new(op, grid, args, each)?, layers))
}

/// The partitions of several layers as those of one. No formula of the core's says this, so the tasks are written down.
pub(super) fn side_by_side(parts: &[Cut]) -> Result<Cut> {
    let mut list = TaskList::new();
    let pass = list.op(concat_op()?);
    let mut outputs = Vec::new();
    for (slot, part) in parts.iter().enumerate() {
        for output in 0..part.count {
            let edge = Edge::Input {
                slot: slot as u32,
                output,
            };
            let task = list.task_with(pass, [edge]);
            list.project(task, part.bytes / u64::from(part.count.max(1)));
            outputs.push(task);
        }
    }
    Ok(Cut {
        count: outputs.len() as u32,
        bytes: parts.iter().map(|p| p.bytes).fold(0, u64::saturating_add),
        layer: Layer::new(
            list.into_kind(outputs),
            parts.iter().map(|p| p.layer.clone()).collect(),
        ),
    })
}

/// Partition by partition, those of several layers one after the other.
pub(super) fn interleaved(parts: Vec<Cut>) -> Result<Cut> {
    let count = parts.first().map_or(0, |p| p.count);
    let bytes = parts.iter().map(|p| p.bytes).fold(0, u64::saturating_add);
    let inputs = parts.into_iter().map(|p| (p, false)).collect();
    Ok(Cut {
        layer: blocks(concat_op()?, count, Stage { inputs }, bytes)?,
        count,
        bytes,
    })
}

/// The partitions of a table of tasks.
pub(crate) fn table(parts: &Parts) -> Result<Cut> {
    let count = u32::try_from(parts.count())
        .map_err(|_| Error::bad_input("a table of more than 2^32 partitions"))?;
    let bytes = parts.bytes.unwrap_or(0) as u64;
    if let [root] = parts.roots.as_slice()
        && root.outputs == kvern_core::Outputs::All
    {
        return Ok(Cut {
            layer: root.layer.clone(),
            count,
            bytes,
        });
    }
    let mut list = TaskList::new();
    let pass = list.op(concat_op()?);
    let mut layers: Vec<Arc<Layer>> = Vec::new();
    let mut outputs = Vec::new();
    for (layer, output) in parts.places() {
        let slot = match layers.iter().position(|l| Arc::ptr_eq(l, layer)) {
            Some(i) => i,
            None => {
                layers.push(layer.clone());
                layers.len() - 1
            }
        };
        let edge = Edge::Input {
            slot: slot as u32,
            output,
        };
        outputs.push(list.task_with(pass, [edge]));
    }
    Ok(Cut {
        layer: Layer::new(list.into_kind(outputs), layers),
        count,
        bytes,
    })
}

/// Bytes of a plan's result as far as DataFusion's statistics tell; 0 if they do not.
pub(crate) fn projected(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let stats = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
    let Ok(stats) = stats else { return 0 };
    match stats.total_byte_size {
        Precision::Exact(b) | Precision::Inexact(b) => b as u64,
        Precision::Absent => match stats.num_rows {
            Precision::Exact(rows) | Precision::Inexact(rows) => {
                let fields = plan.schema();
                let width: usize = fields
                    .fields()
                    .iter()
                    .map(|f| f.data_type().primitive_width().unwrap_or(24))
                    .sum();
                (rows * width) as u64
            }
            Precision::Absent => 0,
        },
    }
}

//! What lies between stages: `frame.split` deals the rows of a partition out, and `frame.concat` puts partitions, or pieces of them, one after
//! the other.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::Partitioning;
use datafusion::physical_plan::metrics::Time;
use datafusion::physical_plan::repartition::{BatchPartitioner, RepartitionExec};
use kvern_core::operator::{Operators, decode_params};
use kvern_core::{
    Error, Kernel, OpRef, OpTraits, Operator, Pieces, Result, TaskContext, TypedOperator, Value,
    register_operator, typed_operator,
};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, BY_VALUE};
use crate::error::from_df;
use crate::value::{Batches, batches_of, own};

const SPLIT: &str = "frame.split";

#[derive(Serialize, Deserialize)]
struct SplitParams {
    /// A repartitioning over an input, whose rule is what counts.
    plan: Vec<u8>,
    /// How many partitions are split.
    from: u32,
}

/// The operator that deals rows out as a [`RepartitionExec`] (encoded) would.
pub(crate) fn split_op(plan: Vec<u8>, from: u32) -> Result<OpRef> {
    OpRef::of(&Split, &SplitParams { plan, from })
}

/// The operator that puts partitions one after the other.
pub(crate) fn concat_op() -> Result<OpRef> {
    Concat.op()
}

struct Split;

impl Operator for Split {
    fn name(&self) -> &'static str {
        SPLIT
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
register_operator!(Split);

fn kernel(params: &[u8], operators: Option<&dyn Operators>) -> Result<Arc<dyn Kernel>> {
    let p: SplitParams = decode_params(SPLIT, params)?;
    let plan = crate::codec::decode(&p.plan, operators)?;
    let rule = plan
        .downcast_ref::<RepartitionExec>()
        .map(|r| r.partitioning().clone())
        .ok_or_else(|| Error::bad_input(format!("{} does not repartition", plan.name())))?;
    let from = p.from.max(1) as usize;
    Ok(Arc::new(
        move |inputs: &mut [Value], ctx: &TaskContext<'_>| {
            let [input] = inputs else {
                return Err(Error::bad_input(format!(
                    "a split reads 1 partition, got {}",
                    inputs.len()
                )));
            };
            split(batches_of(input)?, &rule, ctx.block() as usize, from)
        },
    ))
}

/// The rows of some batches by the partition they go to. Which that is depends on nothing but the row and the rule.
fn split(batches: &[RecordBatch], rule: &Partitioning, block: usize, from: usize) -> Result<Value> {
    let mut parts: Vec<Batches> = vec![Vec::new(); rule.partition_count()];
    let mut partitioner =
        BatchPartitioner::try_new(rule.clone(), Time::default(), block, from).map_err(from_df)?;
    for batch in batches {
        partitioner
            .partition(batch.clone(), |p, piece| {
                if piece.num_rows() > 0 {
                    parts[p].push(piece);
                }
                Ok(())
            })
            .map_err(from_df)?;
    }
    let pieces = parts.into_iter().map(|p| compact(p).map(Value::new));
    Ok(Pieces(pieces.collect::<Result<_>>()?).into_value())
}

/// Small pieces of many batches as few batches: what reads them pays for each. Each holds its own text, and not that of all the rows that it
/// was dealt out from.
fn compact(pieces: Batches) -> Result<Batches> {
    /// Rows from which a batch is worth its own.
    const ROWS: usize = 8192;
    let mut out = Batches::new();
    let mut group: Batches = Vec::new();
    let mut rows = 0;
    let mut flush = |group: &mut Batches| -> Result<()> {
        let whole = match group.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [first, ..] => {
                let whole = arrow::compute::concat_batches(&first.schema(), group.iter());
                Some(whole.map_err(|e| from_df(e.into()))?)
            }
        };
        if let Some(whole) = whole {
            out.push(own(&whole).map_err(|e| from_df(e.into()))?);
        }
        group.clear();
        Ok(())
    };
    for piece in pieces {
        rows += piece.num_rows();
        group.push(piece);
        if rows >= ROWS {
            flush(&mut group)?;
            rows = 0;
        }
    }
    flush(&mut group)?;
    Ok(out)
}

#[derive(Serialize, Deserialize)]
struct Concat;

impl TypedOperator for Concat {
    const NAME: &'static str = "frame.concat";

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn run(&self, inputs: &mut [Value], _: &TaskContext<'_>) -> Result<Value> {
        let mut all = Batches::new();
        for input in inputs.iter() {
            all.extend_from_slice(batches_of(input)?);
        }
        Ok(Value::new(all))
    }
}
typed_operator!(Concat);

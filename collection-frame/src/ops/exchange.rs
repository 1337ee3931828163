//! What lies between stages: `frame.split` deals the rows of a partition out, `frame.pick` takes what is for one partition, and
//! `frame.concat` puts partitions one after the other.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::Partitioning;
use datafusion::physical_plan::metrics::Time;
use datafusion::physical_plan::repartition::{BatchPartitioner, RepartitionExec};
use kvern_core::operator::{Operators, decode_params};
use kvern_core::{
    Error, Kernel, OpRef, OpTraits, Operator, Result, TaskContext, Value, register_operator,
};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, BY_VALUE, named};
use crate::error::from_df;
use crate::value::{Batches, Pieces, batches_of, own};

const SPLIT: &str = "frame.split";
const PICK: &str = "frame.pick";
const CONCAT: &str = "frame.concat";

#[derive(Serialize, Deserialize)]
struct SplitParams {
    /// A repartitioning over an input, whose rule is what counts.
    plan: Vec<u8>,
    /// How many partitions are split.
    from: u32,
}

/// The operator that deals rows out as a [`RepartitionExec`] (encoded) would.
pub(crate) fn split_op(plan: Vec<u8>, from: u32) -> Result<OpRef> {
    named(SPLIT, BY_BLOCK, &SplitParams { plan, from })
}

/// The operator that takes one piece of a split.
pub(crate) fn pick_op() -> Result<OpRef> {
    named(PICK, BY_BLOCK, &())
}

/// The operator that puts partitions one after the other.
pub(crate) fn concat_op() -> Result<OpRef> {
    named(CONCAT, BY_VALUE, &())
}

struct Split;

impl Operator for Split {
    fn name(&self) -> &'static str {
        SPLIT
    }

    fn traits(&self) -> OpTraits {
        BY_BLOCK
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
    let pieces = parts.into_iter().map(compact).collect::<Result<_>>()?;
    Ok(Value::new(Pieces(pieces)))
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

struct Pick;

impl Operator for Pick {
    fn name(&self) -> &'static str {
        PICK
    }

    fn traits(&self) -> OpTraits {
        BY_BLOCK
    }

    fn instantiate(&self, _params: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(|inputs: &mut [Value], ctx: &TaskContext<'_>| {
            let [input] = inputs else {
                let n = inputs.len();
                return Err(Error::bad_input(format!("a piece is of 1 split, got {n}")));
            };
            let pieces = input.downcast_ref::<Pieces>().ok_or_else(|| {
                let got = input.describe();
                Error::bad_input(format!(
                    "the pieces of a partition were expected, got {got}"
                ))
            })?;
            let (piece, n) = (ctx.block(), pieces.0.len());
            let batches = pieces
                .0
                .get(piece as usize)
                .ok_or_else(|| Error::bad_input(format!("piece {piece} of {n} was asked for")))?;
            Ok(Value::new(batches.clone()))
        }))
    }
}
register_operator!(Pick);

struct Concat;

impl Operator for Concat {
    fn name(&self) -> &'static str {
        CONCAT
    }

    fn traits(&self) -> OpTraits {
        BY_VALUE
    }

    fn instantiate(&self, _params: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(|inputs: &mut [Value], _: &TaskContext<'_>| {
            let mut all = Batches::new();
            for input in inputs.iter() {
                all.extend_from_slice(batches_of(input)?);
            }
            Ok(Value::new(all))
        }))
    }
}
register_operator!(Concat);

//! `RANGE BETWEEN … AND 3 PRECEDING` waits for all peers of a row. Of a null, a NaN or an infinity three less is the same again, so the frame ends
//! with the last peer; DataFusion (55.2) gives such rows their values while more peers are to come (`is_end_bound_safe_for_range`), and counted
//! three of four nulls where batches held three rows. Beside a frame without an end it computes a partition when all of it is there, so such
//! windows get one more column, which is dropped.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::{Column, lit};
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, WindowExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

#[derive(Debug)]
pub(crate) struct Peers;

impl PhysicalOptimizerRule for Peers {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match together(node.as_ref())? {
            Some(new) => Ok(Transformed::yes(new)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "kvern_peers"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A window that computes each of its partitions when all of it is there; `None`: it need not, or is none.
fn together(node: &dyn ExecutionPlan) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
    let bounded = node.downcast_ref::<BoundedWindowAggExec>();
    let (exprs, input, keys) = match (bounded, node.downcast_ref::<WindowAggExec>()) {
        (Some(w), _) => (w.window_expr(), w.input(), w.partition_keys()),
        (_, Some(w)) => (w.window_expr(), w.input(), w.partition_keys()),
        _ => return Ok(None),
    };
    let waits = |expr: &Arc<dyn WindowExpr>| apart(expr.get_window_frame());
    let Some(first) = exprs.first().filter(|_| exprs.iter().any(waits)) else {
        return Ok(None);
    };
    let all = ScalarValue::UInt64(None);
    let frame = WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(all.clone()),
        WindowFrameBound::Following(all),
    );
    let count = AggregateExprBuilder::new(count_udaf(), vec![lit(1i64)])
        .schema(input.schema())
        .alias("kvern_peers")
        .build()?;
    let unending = PlainAggregateWindowExpr::new(
        Arc::new(count),
        first.partition_by(),
        first.order_by(),
        Arc::new(frame),
        None,
    );
    let mut exprs = exprs.to_vec();
    exprs.push(Arc::new(unending));
    let window = WindowAggExec::try_new(exprs, input.clone(), !keys.is_empty())?;
    let schema = node.schema();
    let columns = schema.fields().iter().enumerate().map(|(i, field)| {
        let column = Arc::new(Column::new(field.name(), i));
        ProjectionExpr::new(column, field.name().clone())
    });
    let columns: Vec<_> = columns.collect();
    let rows = ProjectionExec::try_new(columns, Arc::new(window))?;
    Ok(Some(Arc::new(rows)))
}

/// Whether a frame ends some way before the row, or begins some way behind it: a window may be turned round.
fn apart(frame: &WindowFrame) -> bool {
    let some = |by: &ScalarValue| {
        let zero = ScalarValue::new_zero(&by.data_type());
        !by.is_null() && zero.map_or(true, |zero| zero != *by)
    };
    frame.units == WindowFrameUnits::Range
        && (matches!(&frame.end_bound, WindowFrameBound::Preceding(by) if some(by))
            || matches!(&frame.start_bound, WindowFrameBound::Following(by) if some(by)))
}

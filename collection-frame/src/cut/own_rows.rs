//! Rows that are merged hold their own text. What a sort gives are views into all the text that it has sorted, so that each of its batches
//! counts as the whole of it, and a merge of a few asks for more memory than there is.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;
use kvern_core::Result;

use crate::error::from_df;
use crate::replace::{replace, with_children};
use crate::value::{holds_views, own};

/// The plan with such rows under its merges.
pub(crate) fn own_rows(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    replace(plan, &mut |node| {
        let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>() else {
            return Ok(None);
        };
        let schema = merge.input().schema();
        if merge.input().is::<OwnRowsExec>()
            || !schema.fields().iter().any(|f| holds_views(f.data_type()))
        {
            return Ok(None);
        }
        let below = own_rows(merge.input())?;
        let rows: Arc<dyn ExecutionPlan> = Arc::new(OwnRowsExec { input: below });
        with_children(node, vec![rows]).map(Some).map_err(from_df)
    })
}

/// The batches of its input, each with its own text only.
#[derive(Debug)]
struct OwnRowsExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for OwnRowsExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnRowsExec")
    }
}

impl ExecutionPlan for OwnRowsExec {
    fn name(&self) -> &'static str {
        "OwnRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => Err(DataFusionError::Internal(
                "OwnRowsExec has one input".into(),
            )),
        }
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let rows = rows.map(|batch| Ok(own(&batch?)?));
        let schema = self.input.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

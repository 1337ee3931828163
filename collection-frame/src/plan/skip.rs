//! `LIMIT n OFFSET s` is the first `s + n` rows, and of these all but the first `s`. In one step DataFusion (55.2) takes it for the first `n` where it
//! looks for the sort below that an order above asks for: `SELECT * FROM (SELECT … ORDER BY a, b LIMIT 2 OFFSET 2) ORDER BY a` sorted two rows, and
//! left out both.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::GlobalLimitExec;

/// DataFusion's rules, after the one that makes two steps of it.
pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut all: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(SkipLast)];
    all.extend(PhysicalOptimizer::new().rules);
    all
}

#[derive(Debug)]
struct SkipLast;

impl PhysicalOptimizerRule for SkipLast {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(limit) = node.downcast_ref::<GlobalLimitExec>() else {
                return Ok(Transformed::no(node));
            };
            let (skip, Some(fetch)) = (limit.skip(), limit.fetch()) else {
                return Ok(Transformed::no(node));
            };
            let done = limit.input().downcast_ref::<GlobalLimitExec>();
            if skip == 0 || done.is_some_and(|below| below.fetch() == Some(fetch)) {
                return Ok(Transformed::no(node));
            }
            let most = skip.saturating_add(fetch);
            let first = GlobalLimitExec::new(limit.input().clone(), 0, Some(most));
            // As many as come: without a number an order from above would be pushed below what is left out.
            let rest = GlobalLimitExec::new(Arc::new(first), skip, Some(most));
            Ok(Transformed::yes(Arc::new(rest) as Arc<dyn ExecutionPlan>))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "kvern_skip_last"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

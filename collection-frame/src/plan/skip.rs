//! `LIMIT n OFFSET s` is the first `s + n` rows, and of these all but the first `s`. In one step DataFusion (55.2) takes it for the first `n` where it
//! looks for the sort below that an order above asks for: `SELECT * FROM (SELECT … ORDER BY a, b LIMIT 2 OFFSET 2) ORDER BY a` sorted two rows, and
//! left out both. Without LIMIT it sorts below OFFSET by what is asked for above.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

use super::outer::ForgetFilled;

/// DataFusion's rules, after the one that makes two steps of it and the one that has outer joins forget.
pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut all: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> =
        vec![Arc::new(SkipLast), Arc::new(ForgetFilled)];
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
        last(plan, false)
    }

    fn name(&self) -> &'static str {
        "kvern_skip_last"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// More rows than there are.
const ALL: usize = u32::MAX as usize;

/// The plan with rows left out last, below something that asks for an order or not.
fn last(plan: Arc<dyn ExecutionPlan>, below_order: bool) -> DfResult<Arc<dyn ExecutionPlan>> {
    let orders =
        plan.is::<SortExec>() || plan.required_input_ordering().iter().any(Option::is_some);
    let below = below_order || orders;
    let inputs = plan.children().into_iter().cloned();
    let inputs = inputs
        .map(|input| last(input, below))
        .collect::<DfResult<Vec<_>>>()?;
    let plan = replace_children_if_necessary(plan, inputs)?;
    let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() else {
        return Ok(plan);
    };
    let skip = limit.skip();
    let most = match limit.fetch() {
        Some(fetch) => skip.saturating_add(fetch),
        None if below_order => ALL,
        None => return Ok(plan),
    };
    let done = limit.input().downcast_ref::<GlobalLimitExec>();
    if skip == 0 || done.is_some_and(|below| below.fetch() == limit.fetch()) {
        return Ok(plan);
    }
    let first = GlobalLimitExec::new(limit.input().clone(), 0, Some(most));
    // As many as come: without a number an order from above would be pushed below what is left out.
    Ok(Arc::new(GlobalLimitExec::new(
        Arc::new(first),
        skip,
        Some(most),
    )))
}

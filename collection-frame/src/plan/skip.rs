//! What an order with LIMIT or OFFSET chooses is chosen before an order above sorts it. DataFusion (55.2) looks through both for a sort that would do for the
//! order above: `SELECT * FROM (SELECT … ORDER BY a, b LIMIT 2 OFFSET 2) ORDER BY a` sorted two rows and left out both, and of `ORDER BY a, b, c LIMIT 11`
//! with `a` equal to `b` the rows were those by `a` alone where an order by `b` stood above. So nothing is concluded of the columns of such rows. And
//! `LIMIT n OFFSET s` is made in two steps: the first `s + n` rows, and of these all but the first `s`.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

use super::forget::Forget;
use super::own;
use super::peers::Peers;

/// DataFusion's rules, after the one that makes two steps of it, the one that has windows wait and the one that has it forget what is not so.
pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut all: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> =
        vec![Arc::new(SkipLast), Arc::new(Peers), Arc::new(Forget)];
    all.extend(PhysicalOptimizer::new().rules);
    all
}

#[derive(Debug)]
struct SkipLast;

impl PhysicalOptimizerRule for SkipLast {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        last(plan, false, &Arc::new(options.clone()))
    }

    fn name(&self) -> &'static str {
        "kvern_skip_last"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The plan with rows left out last, and with nothing concluded of rows that were chosen by an order below another one.
fn last(
    plan: Arc<dyn ExecutionPlan>,
    below_order: bool,
    options: &Arc<ConfigOptions>,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let sort = plan.downcast_ref::<SortExec>();
    let chooses = plan.is::<GlobalLimitExec>() || sort.is_some_and(|s| s.fetch().is_some());
    if chooses && below_order {
        return own::opaque_rows(last(plan, false, options)?, |_| true, options);
    }
    let orders = sort.is_some() || plan.required_input_ordering().iter().any(Option::is_some);
    let below = below_order || orders;
    let inputs = plan.children().into_iter().cloned();
    let inputs = inputs
        .map(|input| last(input, below, options))
        .collect::<DfResult<Vec<_>>>()?;
    let plan = replace_children_if_necessary(plan, inputs)?;
    let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() else {
        return Ok(plan);
    };
    let (skip, Some(fetch)) = (limit.skip(), limit.fetch()) else {
        return Ok(plan);
    };
    let done = limit.input().downcast_ref::<GlobalLimitExec>();
    if skip == 0 || done.is_some_and(|below| below.fetch() == limit.fetch()) {
        return Ok(plan);
    }
    let most = Some(skip.saturating_add(fetch));
    let first = GlobalLimitExec::new(limit.input().clone(), 0, most);
    Ok(Arc::new(GlobalLimitExec::new(Arc::new(first), skip, most)))
}

//! A condition without columns is not asked of the rows below an aggregate without keys: that gives a row also where there are none. DataFusion
//! (55.2) takes such a condition for one of keys, since all columns of it, which are none, are keys, and `HAVING (SELECT max(y) FROM u) > 3`
//! counted no rows where it should have given none. A condition whose value is another one for each row stays above all groups and windows,
//! too.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};

/// DataFusion's rules, with that one in its place.
pub(crate) fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let all = Optimizer::new().rules.into_iter();
    all.map(|rule| match rule.name() == PushDownFilter::new().name() {
        true => Arc::new(PushFilters(PushDownFilter::new())) as _,
        false => rule,
    })
    .collect()
}

/// DataFusion's rule for all other conditions.
#[derive(Debug)]
struct PushFilters(PushDownFilter);

impl OptimizerRule for PushFilters {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> DfResult<Transformed<LogicalPlan>> {
        let Some((stay, rest, below)) = parts(&plan) else {
            return self.0.rewrite(plan, config);
        };
        let Some(rest) = conjunction(rest) else {
            return Ok(Transformed::no(plan));
        };
        let rest = LogicalPlan::Filter(Filter::try_new(rest, below)?);
        let new = self.0.rewrite(rest, config)?;
        let changed = new.transformed;
        let whole = Filter::try_new(stay, Arc::new(new.data))?;
        Ok(match changed {
            true => Transformed::yes(LogicalPlan::Filter(whole)),
            false => Transformed::no(plan),
        })
    }
}

/// What of the conditions right above an aggregate or a window must stay there, what need not, and the node that they are above. `None`: all
/// that must stay does so anyhow.
fn parts(plan: &LogicalPlan) -> Option<(Expr, Vec<Expr>, Arc<LogicalPlan>)> {
    let mut conditions = Vec::new();
    let mut at = plan;
    let below = loop {
        match at {
            LogicalPlan::Filter(f) => {
                conditions.extend(split_conjunction(&f.predicate));
                at = &f.input;
                if !matches!(at, LogicalPlan::Filter(_)) {
                    break &f.input;
                }
            }
            _ => return None,
        }
    };
    let stays = |e: &Expr| match at {
        LogicalPlan::Aggregate(a) if a.group_expr.is_empty() => e.column_refs().is_empty(),
        LogicalPlan::Aggregate(a) if matches!(a.group_expr[0], Expr::GroupingSet(_)) => {
            e.column_refs().is_empty()
        }
        LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) => e.is_volatile(),
        _ => false,
    };
    let (stay, rest): (Vec<&Expr>, Vec<&Expr>) = conditions.into_iter().partition(|e| stays(e));
    let stay = conjunction(stay.into_iter().cloned())?;
    Some((stay, rest.into_iter().cloned().collect(), below.clone()))
}

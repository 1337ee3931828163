//! The rows of an outer join that find no partner have nulls in the columns of the other side, whatever is known of that side's own rows.
//! DataFusion (55.2) goes on knowing it. Over `t LEFT JOIN (SELECT * FROM u WHERE c = 5)` it takes `c` for the constant 5: it leaves `c` out of
//! orders, and an aggregate by `c` takes its rows for sorted and ends a group whenever the next row has another key, so that groups come many
//! times.
//!
//! So before DataFusion optimises a plan, such columns of a side that is filled up with nulls go through a function of which nothing is concluded.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result as DfResult};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, replace_children_if_necessary,
};

use super::own;

#[derive(Debug)]
pub(crate) struct ForgetFilled;

impl PhysicalOptimizerRule for ForgetFilled {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let options = Arc::new(options.clone());
        plan.transform_up(|node| {
            let Some(filled) = filled(node.as_ref()) else {
                return Ok(Transformed::no(node));
            };
            let inputs: Vec<_> = node.children().into_iter().cloned().collect();
            let inputs = inputs.into_iter().zip(filled);
            let inputs = inputs.map(|(input, filled)| match filled {
                true => forgotten(input, &options),
                false => Ok(input),
            });
            let inputs = inputs.collect::<DfResult<Vec<_>>>()?;
            replace_children_if_necessary(node, inputs).map(Transformed::yes)
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "kvern_forget_filled"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Which sides of a join are filled up with nulls; `None`: it is no join, or fills none.
fn filled(node: &dyn ExecutionPlan) -> Option<[bool; 2]> {
    let kind = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        *join.join_type()
    } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        *join.join_type()
    } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
        join.join_type()
    } else {
        return None;
    };
    match kind {
        JoinType::Left => Some([false, true]),
        JoinType::Right => Some([true, false]),
        JoinType::Full => Some([true, true]),
        _ => None,
    }
}

/// The rows of a plan without what is known of them that nulls in all columns would not keep: that a column is a constant, or equal to an
/// expression. That two columns are equal, nulls keep.
fn forgotten(
    input: Arc<dyn ExecutionPlan>,
    options: &Arc<ConfigOptions>,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let schema = input.schema();
    let known = input.equivalence_properties();
    let forget = |column: &Arc<dyn PhysicalExpr>| {
        let class = known.eq_group().get_equivalence_class(column);
        known.is_expr_constant(column).is_some()
            || class.is_some_and(|c| !c.iter().all(|e| e.is::<Column>()))
    };
    let mut any = false;
    let columns = schema.fields().iter().enumerate().map(|(i, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), i));
        let expr = if forget(&column) {
            any = true;
            own::opaque_column(column, field, options)
        } else {
            column
        };
        ProjectionExpr::new(expr, field.name().clone())
    });
    let columns: Vec<_> = columns.collect();
    match any {
        true => Ok(Arc::new(ProjectionExec::try_new(columns, input)?)),
        false => Ok(input),
    }
}

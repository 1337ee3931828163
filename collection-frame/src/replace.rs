//! A physical plan with some of its nodes replaced.

use std::sync::Arc;

use datafusion::common::Result as DfResult;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use kvern_core::Result;

use crate::error::from_df;

/// The node over other inputs.
pub(crate) fn with_children(
    plan: &Arc<dyn ExecutionPlan>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.clone().replace_children(children, options)
}

/// What a node is replaced by, if it is.
type Replacement<'a> =
    dyn FnMut(&Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> + 'a;

/// The plan with some of its nodes replaced.
pub(crate) fn replace(
    plan: &Arc<dyn ExecutionPlan>,
    by: &mut Replacement<'_>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(new) = by(plan)? {
        return Ok(new);
    }
    let children = plan.children();
    if children.is_empty() {
        return Ok(plan.clone());
    }
    let new = children
        .iter()
        .map(|c| replace(c, by))
        .collect::<Result<Vec<_>>>()?;
    if new.iter().zip(&children).all(|(a, b)| Arc::ptr_eq(a, b)) {
        return Ok(plan.clone());
    }
    with_children(plan, new).map_err(from_df)
}

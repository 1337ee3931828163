//! Whether Ballista computes a plan rightly. Its scheduler deals the rows of a leaf out to tasks only where it knows the leaf by type; any
//! other is read whole by each task, and its rows are there several times, without an error. So what is not known to be right is refused.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinSide, JoinType, Result as DfResult};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::partial_sort::PartialSortExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use kvern_core::{Error, ErrorKind, Result};
use kvern_frame::backend::error_from_datafusion;

/// What to do instead, at the end of each refusal.
const INSTEAD: &str = "compute the frame on threads:// or cluster://";

/// Looks through the whole plan.
///
/// # Errors
/// [`ErrorKind::Unsupported`] or [`ErrorKind::NotPortable`] naming the first node that is not known to be computed rightly.
pub(crate) fn check(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let children = plan.children();
    if children.is_empty() {
        return leaf(plan.as_ref());
    }
    node(plan.as_ref())?;
    children.into_iter().try_for_each(check)
}

/// The leaves that Ballista's scheduler deals out (`select_output_partitions` there).
fn leaf(plan: &dyn ExecutionPlan) -> Result<()> {
    let known = match plan.downcast_ref::<DataSourceExec>() {
        Some(scan) => {
            let source = scan.data_source();
            source.is::<FileScanConfig>() || source.is::<MemorySourceConfig>()
        }
        None => plan.is::<PlaceholderRowExec>() || plan.is::<EmptyExec>(),
    };
    if known {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{} is a source of rows that Ballista does not deal out to its tasks: each of them would read all of it, and its rows would \
             come several times. Bring it into the plan as a Parquet or CSV file or as batches (Frame::from_batches), or {INSTEAD}",
            plan.name()
        ),
    ))
}

/// The nodes whose partitions Ballista is known to respect.
fn node(plan: &dyn ExecutionPlan) -> Result<()> {
    dictionaries(plan)?;
    if let Some(repartition) = plan.downcast_ref::<RepartitionExec>() {
        return exchange(repartition);
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>()
        && join.filter().is_none_or(of_one_side)
        && *join.join_type() != JoinType::Inner
    {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "EXISTS or NOT EXISTS of a subquery that is about no row, or an outer, semi or anti join ON TRUE or about one side, is a join \
                 without a condition, whose sides Ballista exchanges when it runs, and rows come twice: {INSTEAD}"
            ),
        ));
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>()
        && *join.join_type() == JoinType::Full
        && join.right().output_partitioning().partition_count() > 1
    {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "a full outer join by something else than equal columns has to know what all partitions of one side found, which \
                     Ballista's tasks do not tell each other, and rows come twice: {INSTEAD}"
            ),
        ));
    }
    let known = plan.is::<FilterExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<AggregateExec>()
        || plan.is::<SortExec>()
        || plan.is::<PartialSortExec>()
        || plan.is::<SortPreservingMergeExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<HashJoinExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<CrossJoinExec>()
        || plan.is::<UnionExec>()
        || plan.is::<InterleaveExec>()
        || plan.is::<WindowAggExec>()
        || plan.is::<BoundedWindowAggExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<UnnestExec>()
        || plan.is::<CooperativeExec>();
    if known {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "nobody has looked whether Ballista computes {} rightly over several partitions: {INSTEAD}",
            plan.name()
        ),
    ))
}

/// Whether a condition is about the columns of one side of a join at most.
fn of_one_side(filter: &JoinFilter) -> bool {
    let sides = filter.column_indices().iter().map(|c| c.side);
    !sides.clone().any(|s| s == JoinSide::Left) || !sides.clone().any(|s| s == JoinSide::Right)
}

/// Dictionaries arrive as what is in them, under a schema that still says dictionary.
fn dictionaries(plan: &dyn ExecutionPlan) -> Result<()> {
    let moves = plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<SortPreservingMergeExec>();
    let schema = plan.schema();
    let mut fields = schema.fields().iter();
    let found = fields.find(|f| matches!(f.data_type(), DataType::Dictionary(..)));
    match (moves, found) {
        (true, Some(field)) => Err(Error::new(
            ErrorKind::NotPortable,
            format!(
                "rows are moved with column {:?} in Arrow's dictionary form ({}), which Ballista takes apart on the way: cast it first \
                 (DataType::Utf8 for text), or {INSTEAD}",
                field.name(),
                field.data_type()
            ),
        )),
        _ => Ok(()),
    }
}

/// Rows are moved by hashes of expressions, which Ballista writes without the codec of anybody else.
fn exchange(repartition: &RepartitionExec) -> Result<()> {
    let keys = match repartition.partitioning() {
        Partitioning::Hash(keys, _) => keys,
        // What merely balances is left out by its planner.
        Partitioning::RoundRobinBatch(_) | Partitioning::UnknownPartitioning(_) => return Ok(()),
        other => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("Ballista does not move rows by {other}: {INSTEAD}"),
            ));
        }
    };
    for key in keys {
        if let Some(name) = operator_in(key) {
            if name == kvern_frame::backend::ONE_NAN {
                return Err(Error::new(
                    ErrorKind::NotPortable,
                    format!(
                        "rows are moved by a float (PARTITION BY), whose NaNs are made one by a function that Ballista loses: make it text or \
                         a whole number first, or {INSTEAD}"
                    ),
                ));
            }
            return Err(Error::new(
                ErrorKind::NotPortable,
                format!(
                    "the function {name} is part of a key by which rows are moved, and Ballista loses what it is there: compute it as a column \
                     first (Frame::with_column, and Frame::persist if it is moved back), or {INSTEAD}"
                ),
            ));
        }
    }
    Ok(())
}

/// The name of a function of kvern's in an expression.
fn operator_in(expr: &Arc<dyn PhysicalExpr>) -> Option<String> {
    let mut found = None;
    // The visit cannot fail: nothing in it does.
    let _ = expr.apply(|e| {
        if let Some(call) = e.downcast_ref::<ScalarFunctionExpr>()
            && kvern_frame::backend::is_operator(call.fun())
        {
            found = Some(call.fun().name().to_owned());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The plan with the inputs of a join together that must see all of them: rows of the first side that found nobody come out at the end, and
/// tasks that each probe with a part of the second side would each give them.
///
/// # Errors
/// If DataFusion does not take the new inputs.
pub(crate) fn gathered(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(gather_probe)
        .data()
        .map_err(error_from_datafusion)
}

fn gather_probe(plan: Arc<dyn ExecutionPlan>) -> DfResult<Transformed<Arc<dyn ExecutionPlan>>> {
    // Of hash joins Ballista's planner takes care by itself.
    let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() else {
        return Ok(Transformed::no(plan));
    };
    let ends_with_build = matches!(
        join.join_type(),
        JoinType::Left
            | JoinType::Full
            | JoinType::LeftSemi
            | JoinType::LeftAnti
            | JoinType::LeftMark
    );
    let (build, probe) = (join.left().clone(), join.right().clone());
    if !ends_with_build || probe.output_partitioning().partition_count() == 1 {
        return Ok(Transformed::no(plan));
    }
    let probe = Arc::new(CoalescePartitionsExec::new(probe));
    let new = datafusion::physical_plan::replace_children_if_necessary(plan, vec![build, probe])?;
    Ok(Transformed::yes(new))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::ToDFSchema;
    use datafusion::prelude::SessionContext;
    use kvern_core::{Kernel, Meta, OpRef, OpTraits, Operator, Registry, TaskContext, Value};
    use kvern_frame::{Expr, Function, col};

    use super::*;

    struct Same;

    impl Operator for Same {
        fn name(&self) -> &'static str {
            "trial.same"
        }

        fn instantiate(&self, _: &[u8]) -> Result<Arc<dyn Kernel>> {
            Ok(Arc::new(|x: &mut [Value], _: &TaskContext<'_>| {
                Ok(x[0].clone())
            }))
        }

        fn infer(&self, _: &[u8], inputs: &[Meta]) -> Result<Meta> {
            Ok(inputs[0].clone())
        }
    }

    /// DataFusion's planner makes columns of such keys first, so no frame comes this far today.
    #[test]
    fn rows_are_not_moved_by_a_function_of_an_operator() {
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
        let named = schema.clone().to_dfschema().unwrap();
        let context = SessionContext::new();
        let moved_by = |key: Expr| {
            let key = context.create_physical_expr(key, &named).unwrap();
            let leaf = Arc::new(EmptyExec::new(Arc::new(schema.clone())));
            let moved = RepartitionExec::try_new(leaf, Partitioning::Hash(vec![key], 4));
            check(&(Arc::new(moved.unwrap()) as Arc<dyn ExecutionPlan>))
        };
        assert!(moved_by(col("n") + col("n")).is_ok());
        let mut registry = Registry::empty();
        registry.add_operator(Arc::new(Same), "test").unwrap();
        let op = OpRef::named("trial.same", 1, OpTraits::default(), Vec::new());
        let same = Function::new("same", &registry, &op).unwrap();
        for key in [same.call("n"), col("n") + same.call("n")] {
            let e = moved_by(key).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::NotPortable);
            let words = e.message();
            assert!(
                words.contains("the function same is part of a key"),
                "{words}"
            );
        }
    }
}

//! What each kind of node of a physical plan means for cutting.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode, SortMergeJoinExec,
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
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use kvern_core::Result;

use super::Stop;
use crate::parts::PartsExec;
use crate::replace::{replace, with_children};

/// How a node stands to the partitions of its inputs.
pub(super) enum Role<'a> {
    /// Partition `p` of it needs partition `p` of each input, and nothing that other partitions know.
    EachPartition,
    /// Partitions that tasks make.
    Parts(&'a PartsExec),
    /// Rows move between partitions.
    Repartition(&'a RepartitionExec),
    /// All partitions as one, in any order.
    Coalesce {
        input: &'a Arc<dyn ExecutionPlan>,
        fetch: Option<usize>,
    },
    /// All partitions as one, by the order that each is in.
    MergeSorted { input: &'a Arc<dyn ExecutionPlan> },
    /// The partitions of all inputs beside each other.
    Union,
    /// The partitions of all inputs that have one number, as the one of that number.
    Interleave,
    /// A join whose first side is read whole by everyone who probes with a partition of the second.
    Broadcast {
        build: &'a Arc<dyn ExecutionPlan>,
        probe: &'a Arc<dyn ExecutionPlan>,
        /// Rows of the first side that found nobody come out at the end, which only one who has seen all of the second side can
        /// tell.
        probe_alone: bool,
    },
}

/// The role of a node; kinds that are not listed stop the cutting, since nothing is known of them.
pub(super) fn role(plan: &dyn ExecutionPlan) -> Result<Role<'_>, Stop> {
    if let Some(parts) = plan.downcast_ref::<PartsExec>() {
        return Ok(Role::Parts(parts));
    }
    if let Some(r) = plan.downcast_ref::<RepartitionExec>() {
        return Ok(Role::Repartition(r));
    }
    if let Some(c) = plan.downcast_ref::<CoalescePartitionsExec>() {
        return Ok(Role::Coalesce {
            input: c.input(),
            fetch: c.fetch(),
        });
    }
    if let Some(m) = plan.downcast_ref::<SortPreservingMergeExec>() {
        return Ok(Role::MergeSorted { input: m.input() });
    }
    if plan.is::<UnionExec>() {
        return Ok(Role::Union);
    }
    if plan.is::<InterleaveExec>() {
        return Ok(Role::Interleave);
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return match join.partition_mode() {
            PartitionMode::Partitioned => Ok(Role::EachPartition),
            PartitionMode::CollectLeft => Ok(Role::Broadcast {
                build: join.left(),
                probe: join.right(),
                probe_alone: ends_with_build(*join.join_type()),
            }),
            PartitionMode::Auto => Err(Stop::Whole(
                "a join whose mode has not been chosen cannot be cut".into(),
            )),
        };
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        return Ok(Role::Broadcast {
            build: join.left(),
            probe: join.right(),
            probe_alone: ends_with_build(*join.join_type()),
        });
    }
    if let Some(join) = plan.downcast_ref::<CrossJoinExec>() {
        return Ok(Role::Broadcast {
            build: join.left(),
            probe: join.right(),
            probe_alone: false,
        });
    }
    let each = plan.is::<DataSourceExec>()
        || plan.is::<FilterExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<AggregateExec>()
        || plan.is::<SortExec>()
        || plan.is::<PartialSortExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<WindowAggExec>()
        || plan.is::<BoundedWindowAggExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<UnnestExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<EmptyExec>()
        || plan.is::<PlaceholderRowExec>();
    if !each {
        return Err(Stop::Whole(format!("{} cannot be cut", plan.name())));
    }
    // Some gather by themselves: a sort or an aggregate of one output over several inputs.
    let count = plan.properties().output_partitioning().partition_count();
    let fits = plan
        .children()
        .iter()
        .all(|c| c.output_partitioning().partition_count() == count);
    if !fits {
        return Err(Stop::Whole(format!(
            "{} changes the number of partitions by itself",
            plan.name()
        )));
    }
    Ok(Role::EachPartition)
}

/// Whether rows of the build side come out after the last row of the other side.
fn ends_with_build(t: JoinType) -> bool {
    match t {
        JoinType::Inner
        | JoinType::Right
        | JoinType::RightSemi
        | JoinType::RightAnti
        | JoinType::RightMark => false,
        JoinType::Left
        | JoinType::Full
        | JoinType::LeftSemi
        | JoinType::LeftAnti
        | JoinType::LeftMark => true,
    }
}

/// The node over its cut off inputs, if it takes them.
pub(super) fn over(
    plan: &Arc<dyn ExecutionPlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>, Stop> {
    with_children(plan, inputs).map_err(|e| {
        Stop::Whole(format!(
            "{} cannot be cut from its inputs: {e}",
            plan.name()
        ))
    })
}

/// The plan with each table of tasks replaced.
pub(super) fn replace_parts(
    plan: &Arc<dyn ExecutionPlan>,
    by: &mut dyn FnMut(&PartsExec) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    replace(plan, &mut |node| {
        node.downcast_ref::<PartsExec>().map(&mut *by).transpose()
    })
}

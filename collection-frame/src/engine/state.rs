//! DataFusion's session state: one for the process, and what of it differs from run to run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::context::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use kvern_core::Result;
use kvern_core::unfinished::{Leftover, Leftovers};

use crate::error::from_df;
use crate::plan::bounds::NoFloatBounds;
use crate::plan::determined::Determined;
use crate::plan::groups::GroupRule;
use crate::plan::guard::GuardFilters;
use crate::plan::null::NullRule;
use crate::plan::windows::PlainWindows;
use crate::plan::{Knobs, base, nan};

/// Rows of a batch in this process; 0: as DataFusion has it.
static BATCH_ROWS: AtomicUsize = AtomicUsize::new(0);

/// For tests: from now on batches have about so many rows in this process (0: as DataFusion has it), so that a small table has many of
/// them. What is wrong where batches meet shows in no other way.
#[doc(hidden)]
pub fn batch_rows(rows: usize) {
    BATCH_ROWS.store(rows, Ordering::Relaxed);
}

/// DataFusion's options for such plans, when they are made and when they run.
pub(crate) fn config(knobs: Knobs) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(knobs.partitions)
        .with_extension(Arc::new(knobs));
    let rows = BATCH_ROWS.load(Ordering::Relaxed);
    if rows > 0 {
        config = config.with_batch_size(rows);
    }
    let options = config.options_mut();
    // A partition that runs alone must read its own files only: DataFusion lets idle partitions take files of others, which they
    // would then read as well. Nor may rows overtake each other where their order counts.
    options.execution.enable_file_stream_work_stealing = !knobs.alone && !knobs.ordered;
    options.optimizer.enable_round_robin_repartition = !knobs.ordered;
    // A repartitioning that spills from two inputs at once has two files open, and its reader waits for ever at the first while what it
    // needs is in the second (apache/datafusion#24883, in 55.2). A file a batch is never open when its reader comes to it.
    if let Ok(one) = ConfigNonZeroUsize::try_new(1) {
        options.execution.max_spill_file_size_bytes = one;
    }
    if knobs.alone {
        // What one operator learns while it runs and tells another: they may be in different tasks.
        options.optimizer.enable_dynamic_filter_pushdown = false;
        options.optimizer.enable_topk_dynamic_filter_pushdown = false;
        options.optimizer.enable_join_dynamic_filter_pushdown = false;
        options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        // The order in which a scan would best read its row groups is lost where it is written down.
        options.optimizer.enable_sort_pushdown = false;
        options
            .optimizer
            .enable_physical_uncorrelated_scalar_subquery = false;
    }
    config
}

/// The state that makes physical plans, with those options.
pub(crate) fn planner_with(config: SessionConfig) -> SessionState {
    let mut state = SessionStateBuilder::new_from_existing(base().clone())
        .with_config(config)
        .with_analyzer_rule(Arc::new(Determined))
        .with_analyzer_rule(Arc::new(PlainWindows))
        .with_analyzer_rule(Arc::new(nan::OneNanRule))
        .with_analyzer_rule(Arc::new(GroupRule))
        // After that one, which names the keys of several sets.
        .with_analyzer_rule(Arc::new(NullRule))
        .with_physical_optimizer_rule(Arc::new(NoFloatBounds))
        .with_physical_optimizer_rule(Arc::new(GuardFilters))
        .build();
    // Functions note these options: without this each makes some of its own, and no two expressions are the same one.
    state.mark_start_execution();
    state
}

/// The folders to which a running plan spills, for as long as it has them.
struct Spilled(#[expect(dead_code, reason = "it is there to be dropped")] Vec<Leftover>);

/// What a plan is run with: its memory, its folder for spilling, and what it reads.
pub(crate) fn task_context(
    knobs: Knobs,
    pool: Arc<dyn MemoryPool>,
    spill: Option<PathBuf>,
    inputs: Option<Arc<crate::parts::Inputs>>,
    leftovers: &Leftovers,
) -> Result<Arc<TaskContext>> {
    let mut config = config(knobs);
    if let Some(inputs) = inputs {
        config = config.with_extension(inputs);
    }
    // Shares the caches of file footers and statistics, which know by size and time when a file has changed.
    let mut runtime =
        RuntimeEnvBuilder::from_runtime_env(base().runtime_env()).with_memory_pool(pool);
    // No folder means that nothing is to be spilled, and not that DataFusion should find one.
    let spill = match spill {
        Some(folder) => DiskManagerMode::Directories(vec![folder]),
        None => DiskManagerMode::Disabled,
    };
    runtime = runtime.with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spill));
    let runtime = runtime.build_arc().map_err(from_df)?;
    let spilled = runtime.disk_manager.temp_dir_paths().into_iter();
    let spilled = spilled.map(|folder| leftovers.add(folder)).collect();
    let context = TaskContext::from(base())
        .with_session_config(config.with_extension(Arc::new(Spilled(spilled))))
        .with_runtime(runtime);
    Ok(Arc::new(context))
}

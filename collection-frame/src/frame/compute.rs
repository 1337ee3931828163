//! Computing a frame: the way is chosen by the session, or forced.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::Result as DfResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::config::SessionConfig;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use kvern_core::layer::{Data, Edge};
use kvern_core::{
    Collection, Error, ErrorKind, Handle, Layer, OpRef, Result, Root, Session, TaskList, Value,
};

use super::Frame;
use super::verbs::PARTITIONS;
use crate::backend::{FrameEngine, Query, engine_of};
use crate::cut::{self, Cut};
use crate::engine::{Drive, block_on, config, planner_with};
use crate::error::from_df;
use crate::ops::{engine_op, query_op};
use crate::parts::{Input, Inputs, in_memory};
use crate::plan::again::{self, Attempt};
use crate::plan::{Knobs, correlated, keys};
use crate::value::{Batches, batches_of};

/// Memory for each partition of a streaming query, in bytes. A sort sets 10 MiB of its share aside for merging what it has spilled, and
/// keeps the rows that it merges beside them: with less, one of several sorts is refused in the middle of its merge.
const STREAM: u64 = 64 << 20;

/// So many partitions may be asked for: an exchange has a task for each of them and each of its inputs', which a graph can number.
const MOST_PARTITIONS: usize = 1 << 16;

/// How a frame is computed. The answer is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One task that streams through the whole query with all threads of the session, under its memory budget: DataFusion at its own
    /// speed. Only where closures run, which is to say in this process.
    Local,
    /// Tasks over partitions, cut where rows move between them: any scheduler runs them, beside those of arrays, bags and functions.
    Tasks,
}

impl Frame {
    /// Forces a way. Unless that is done, a session whose backend has an engine for frames ([`backend`](crate::backend)) hands it the whole
    /// query, one that runs closures computes the frame by [`Way::Local`], and any other by [`Way::Tasks`].
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// use kvern_frame::Way;
    /// assert_eq!(sales.via(Way::Tasks).compute()?, sales.via(Way::Local).compute()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn via(&self, way: Way) -> Self {
        Self {
            way: Some(way),
            ..self.clone()
        }
    }

    /// Computes it by [`Way::Tasks`] with the reference executor, one task after another.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.reference()?[0].num_rows(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<Vec<RecordBatch>> {
        let graph = kvern_core::Graph::new(&Collection::roots(&self.via(Way::Tasks))?);
        let tasks = kvern_core::TaskGraph::expand(&graph)?;
        let registry = kvern_core::Registry::linked()?;
        self.finish(kvern_core::reference::run(&tasks, &registry)?)
    }

    pub(super) fn wanted_partitions(&self, threads: usize) -> usize {
        self.partitions.unwrap_or(threads).max(1)
    }

    /// How many partitions one streaming task makes of the frame: one for each thread, but no more than the memory has room for.
    pub(super) fn streams(&self, threads: usize, memory: Option<u64>) -> usize {
        let room = memory.map_or(u64::MAX, |budget| budget / STREAM);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        self.wanted_partitions(threads.min(room))
    }

    /// The physical plan for so many partitions.
    pub(super) fn physical(&self, knobs: Knobs) -> Result<Arc<dyn ExecutionPlan>> {
        self.planned(config(knobs))
    }

    fn planned(&self, config: SessionConfig) -> Result<Arc<dyn ExecutionPlan>> {
        self.planning(config, &|state, plan| {
            block_on(async { state.create_physical_plan(plan).await })
        })
    }

    /// What is made of the plan by a state with those options.
    pub(super) fn planning<T>(
        &self,
        mut config: SessionConfig,
        make: &dyn Fn(&SessionState, &LogicalPlan) -> Result<DfResult<T>>,
    ) -> Result<T> {
        if let Some(n) = self.partitions.filter(|n| *n > MOST_PARTITIONS) {
            let words = format!(
                "{n} partitions of a frame: at most {MOST_PARTITIONS} are possible; repartition it into fewer"
            );
            return Err(Error::bad_input(words));
        }
        let state = planner_with(config.clone());
        let e = match make(&state, &self.plan)? {
            Ok(made) => return Ok(made),
            Err(e) => e,
        };
        for attempt in [Attempt::First, Attempt::Last] {
            let other = again::otherwise(&e, &self.plan, config.options_mut(), attempt);
            if let Some(plan) = other
                && let Ok(made) = make(&planner_with(config.clone()), &plan)?
            {
                return Ok(made);
            }
        }
        Err(correlated::told(e, &self.plan, &state))
    }

    /// What an engine is given, the layers that the plan reads, and what its result is expected to weigh.
    pub(super) fn engine_query(&self, engine: &dyn FrameEngine) -> Result<(Query, Vec<Cut>, u64)> {
        let partitions = self.wanted_partitions(engine.partitions());
        let mut knobs = self.task_knobs(partitions);
        let first = rows_in_order(&self.plan) == Order::First;
        if first {
            knobs.partitions = 1;
        }
        let mut config = engine.configure(config(knobs));
        if first {
            // Rows at hand are one partition, too.
            let alone = false;
            config = config.with_extension(Arc::new(Knobs { alone, ..knobs }));
        }
        let plan = self.planned(config.clone())?;
        let plan = keys::sorted(plan).map_err(from_df)?;
        let bytes = cut::projected(&plan);
        let streamed = cut::stream(&plan)?;
        // Without the rows, which may be results that are not there yet.
        let none = streamed.inputs.iter();
        let none = none.map(|c| Input::Whole(vec![Batches::new(); c.count as usize]));
        let empty = in_memory(&streamed.plan, &Inputs(none.collect()))?;
        engine.check(&Query {
            plan: empty.clone(),
            config: config.clone(),
        })?;
        crate::codec::check_travels(&empty)?;
        let query = Query {
            plan: streamed.plan,
            config,
        };
        Ok((query, streamed.inputs, bytes))
    }

    /// A layer of one task that has an engine compute the frame, which `make` gives an operator for.
    pub(super) fn engine_layer(
        &self,
        engine: &dyn FrameEngine,
        make: &dyn Fn(Query, Vec<u32>) -> OpRef,
    ) -> Result<Arc<Layer>> {
        let (query, inputs, bytes) = self.engine_query(engine)?;
        let counts = inputs.iter().map(|c| c.count).collect();
        // The rows are on their way here, and nobody knows how many: the whole budget is not refused to them for what statistics say.
        Ok(one_task(make(query, counts), inputs, bytes.min(1 << 20)))
    }

    /// What the plan is made with for one streaming task.
    pub(super) fn local_knobs(&self, threads: usize, memory: Option<u64>) -> Knobs {
        let rows = rows_in_order(&self.plan);
        Knobs {
            // The first rows are those of the first file, and who reads them need not read the others.
            partitions: match rows {
                Order::First => 1,
                _ => self.streams(threads, memory),
            },
            alone: false,
            ordered: rows != Order::None,
        }
    }

    pub(super) fn task_knobs(&self, partitions: usize) -> Knobs {
        Knobs {
            partitions,
            alone: true,
            ordered: rows_in_order(&self.plan) != Order::None,
        }
    }

    /// The tasks of the frame.
    pub(super) fn tasks(&self, partitions: usize) -> Result<cut::Lowered> {
        let knobs = self.task_knobs(partitions);
        cut::lower(&self.physical(knobs)?, knobs)
    }

    /// One result for the whole frame, by tasks.
    fn tasks_root(&self, partitions: usize) -> Result<Vec<Root>> {
        let lowered = self.tasks(partitions)?;
        Ok(vec![Root::all(&cut::gather(&lowered.cut)?)])
    }

    /// A layer of one task that streams through the whole query, which `make` gives an operator for.
    pub(super) fn local_layer(&self, session: &Session, make: &Make<'_>) -> Result<Arc<Layer>> {
        let backend = session.describe();
        let knobs = self.local_knobs(backend.threads, backend.memory_budget);
        let mut plan = self.physical(knobs)?;
        if knobs.ordered {
            plan = cut::in_order(&plan)?;
        }
        plan = cut::own_rows(&plan)?;
        // What the statistics say is often far from the truth, and a query that does not fit is told when it is there: a projection over
        // the budget would refuse it before it has run.
        let most = backend.memory_budget.map_or(u64::MAX, |b| b / 4);
        let result = cut::projected(&plan).min(most);
        let streamed = cut::stream(&plan)?;
        let drive = Drive {
            threads: backend.threads.max(1),
            // The room for the result is not there for operators: what they share must be there, or one is refused in the middle of
            // reading back what it has spilled.
            memory: backend.memory_budget.map(|b| b - result),
        };
        let counts: Vec<u32> = streamed.inputs.iter().map(|c| c.count).collect();
        let op = make(streamed.plan, counts, knobs, drive, backend.spill_directory);
        Ok(one_task(op, streamed.inputs, result))
    }

    /// One result for the whole frame, by one task.
    fn local_root(&self, session: &Session) -> Result<Vec<Root>> {
        let layer = self.local_layer(session, &query_op)?;
        Ok(vec![Root::all(&layer)])
    }
}

/// A layer of one task that reads all partitions of some layers.
fn one_task(op: OpRef, inputs: Vec<Cut>, bytes: u64) -> Arc<Layer> {
    let mut list = TaskList::new();
    let op = list.op(op);
    let edges = inputs.iter().enumerate().flat_map(|(slot, cut)| {
        (0..cut.count).map(move |output| Edge::Input {
            slot: slot as u32,
            output,
        })
    });
    let task = list.task_with(op, edges.collect::<Vec<_>>());
    list.project(task, bytes);
    let layers = inputs.into_iter().map(|c| c.layer).collect();
    Layer::new(list.into_kind([task]), layers)
}

/// An operator for a plan, the partitions of each of its inputs, and how it is to be run.
pub(super) type Make<'a> =
    dyn Fn(Arc<dyn ExecutionPlan>, Vec<u32>, Knobs, Drive, Option<PathBuf>) -> OpRef + 'a;

impl Collection for Frame {
    type Output = Vec<RecordBatch>;

    fn roots(&self) -> Result<Vec<Root>> {
        self.tasks_root(self.wanted_partitions(PARTITIONS))
    }

    fn roots_in(&self, session: &Session) -> Result<Vec<Root>> {
        let backend = session.describe();
        let here = backend.capabilities.closures;
        if let (None, Some(engine)) = (self.way, engine_of(session)) {
            let layer = self.engine_layer(engine.as_ref(), &|query, inputs| {
                engine_op(engine.clone(), query, inputs)
            })?;
            return Ok(vec![Root::all(&layer)]);
        }
        match self.way {
            Some(Way::Local) if !here => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "Way::Local streams through a query in this process, and {}:// does not run here: use Way::Tasks",
                    backend.scheme
                ),
            )),
            Some(Way::Local) => self.local_root(session),
            None if here => self.local_root(session),
            _ => self.tasks_root(self.wanted_partitions(backend.threads)),
        }
    }

    fn outputs(&self) -> Result<usize> {
        Ok(1)
    }

    fn finish(&self, values: Vec<Value>) -> Result<Vec<RecordBatch>> {
        let value = values
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "no value came back"))?;
        let mut batches = value
            .try_into_inner::<Batches>()
            .or_else(|v| batches_of(&v).cloned())?;
        if batches.is_empty() {
            // No rows have columns, too.
            batches.push(RecordBatch::new_empty(self.schema()));
        }
        Ok(batches)
    }

    fn rebuild(&self, handles: Vec<Handle>) -> Result<Self> {
        let layer = Layer::new(Data::handles(handles), Vec::new());
        Self::of_parts(self.schema(), vec![Root::all(&layer)], None, None)
    }
}

/// What of the order of rows a plan keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// Rows are moved about anyhow, or put in order by the plan itself.
    None,
    /// Each row comes from one row, and somewhere only the first rows are wanted.
    First,
    /// Each row comes from one row: files are read in order.
    Kept,
}

fn rows_in_order(plan: &LogicalPlan) -> Order {
    let mut order = own_order(plan);
    if order == Order::None {
        // The first rows may be joined or counted further up. The visit cannot fail: nothing in it does.
        let _ = plan.apply(|node| {
            if matches!(node, LogicalPlan::Limit(_)) && own_order(node) == Order::First {
                order = Order::First;
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    order
}

/// The order of the rows that come out of a plan.
fn own_order(plan: &LogicalPlan) -> Order {
    let of_inputs = || {
        let orders = plan.inputs().into_iter().map(own_order);
        orders.min().unwrap_or(Order::Kept)
    };
    match plan {
        LogicalPlan::Projection(p) if has_window(&p.expr) => Order::None,
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::Union(_) => of_inputs(),
        LogicalPlan::Limit(_) => of_inputs().min(Order::First),
        _ => Order::None,
    }
}

fn has_window(exprs: &[datafusion::logical_expr::Expr]) -> bool {
    exprs.iter().any(|e| {
        e.exists(|e| {
            Ok(matches!(
                e,
                datafusion::logical_expr::Expr::WindowFunction(_)
            ))
        })
        .unwrap_or(true)
    })
}

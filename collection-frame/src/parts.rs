//! Partitions that tasks make, as a table that DataFusion can plan with ([`Parts`]) and as the leaf that reads them when a query runs
//! ([`InputExec`]). Batches in memory, delayed partitions and the results of earlier stages all come in this way.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Statistics, internal_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use kvern_core::{Layer, Root};
use serde::{Deserialize, Serialize};

use crate::error::from_df;
use crate::plan::Knobs;
use crate::replace::replace;
use crate::value::Batches;

type DfResult<T> = Result<T, DataFusionError>;

/// A table whose partitions are outputs of layers.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) schema: SchemaRef,
    /// Layers whose outputs, one after the other, are the partitions.
    pub(crate) roots: Vec<Root>,
    /// Rows and bytes of all, where known.
    pub(crate) rows: Option<usize>,
    pub(crate) bytes: Option<usize>,
}

impl Parts {
    pub(crate) fn count(&self) -> usize {
        self.roots.iter().map(Root::len).sum()
    }

    /// The layer and output of each partition.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Arc<Layer>, u32)> {
        self.roots.iter().flat_map(|r| {
            let picked: Vec<u32> = match &r.outputs {
                kvern_core::Outputs::All => (0..r.len() as u32).collect(),
                kvern_core::Outputs::Only(list) => list.clone(),
            };
            picked.into_iter().map(move |o| (&r.layer, o))
        })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parts({} partitions)", self.count())
    }
}

#[async_trait]
impl TableProvider for Parts {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        // One streaming query with a thousand partitions on two threads would start a thousand of every operator. Tasks stay as they are:
        // each partition may be somewhere else.
        let here = state.config().get_extension::<Knobs>();
        let groups = here.filter(|k| !k.alone && k.partitions < self.count());
        let groups = groups.map(|k| k.partitions);
        let schema = match projection {
            None => self.schema.clone(),
            Some(p) => Arc::new(self.schema.project(p)?),
        };
        Ok(Arc::new(PartsExec {
            properties: properties(
                EquivalenceProperties::new(schema),
                groups.unwrap_or(self.count()),
            ),
            table: Arc::new(self.clone()),
            projection: projection.cloned(),
            groups,
        }))
    }
}

/// The leaf that stands for [`Parts`] in a physical plan until it is known where they come from.
#[derive(Debug, Clone)]
pub(crate) struct PartsExec {
    pub(crate) table: Arc<Parts>,
    pub(crate) projection: Option<Vec<usize>>,
    /// Into how many partitions neighbours are put together, if they are.
    pub(crate) groups: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for PartsExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.table.count();
        match self.groups {
            None => write!(f, "PartsExec: partitions={n}"),
            Some(groups) => write!(f, "PartsExec: partitions={groups} of {n}"),
        }
    }
}

impl ExecutionPlan for PartsExec {
    fn name(&self) -> &'static str {
        "PartsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> DfResult<Arc<Statistics>> {
        let mut stats = Statistics::new_unknown(self.properties.eq_properties.schema());
        if args.partition().is_none() {
            if let Some(rows) = self.table.rows {
                stats.num_rows = Precision::Exact(rows);
            }
            if let (Some(bytes), None) = (self.table.bytes, &self.projection) {
                stats.total_byte_size = Precision::Inexact(bytes);
            }
        }
        Ok(Arc::new(stats))
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        internal_err!("partitions of tasks are read only by tasks")
    }
}

/// What an [`InputExec`] reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InputSpec {
    /// Which of the task's inputs.
    pub(crate) slot: u32,
    /// How many partitions that input has.
    pub(crate) count: u32,
    /// All of them one after the other, as one partition.
    pub(crate) chained: bool,
    /// Which columns; all of them unless said.
    pub(crate) projection: Option<Vec<u32>>,
    /// So many groups of neighbours, each as one partition.
    pub(crate) groups: Option<u32>,
    /// Somebody else's partitions: their columns must have the right names as well as the right types.
    pub(crate) table: bool,
}

/// The leaf that reads an input of the task it runs in.
#[derive(Debug, Clone)]
pub(crate) struct InputExec {
    pub(crate) spec: InputSpec,
    properties: Arc<PlanProperties>,
}

impl InputExec {
    /// `known`: the columns, in which orders the rows of each partition are, what is constant in them and what is equal.
    pub(crate) fn new(spec: InputSpec, known: EquivalenceProperties) -> Self {
        let partitions = match spec.chained {
            true => 1,
            false => spec.groups.unwrap_or(spec.count) as usize,
        };
        Self {
            spec,
            properties: properties(known, partitions),
        }
    }

    pub(crate) fn equivalence(&self) -> &EquivalenceProperties {
        &self.properties.eq_properties
    }

    /// What the task was given for a partition, in batches of at most so many rows.
    fn batches(
        &self,
        inputs: &Inputs,
        partition: usize,
        rows: usize,
    ) -> DfResult<impl Iterator<Item = DfResult<RecordBatch>> + Send + use<>> {
        let Some(input) = inputs.0.get(self.spec.slot as usize) else {
            return internal_err!("the task has no input {}", self.spec.slot);
        };
        let batches: Vec<RecordBatch> = match input {
            Input::Whole(all) if self.spec.chained => all.iter().flatten().cloned().collect(),
            Input::Whole(all) if self.spec.groups.is_some() => {
                let (n, groups) = (all.len(), self.spec.groups.unwrap_or(1).max(1) as usize);
                let group = n * partition / groups..n * (partition + 1) / groups;
                all.get(group)
                    .unwrap_or_default()
                    .iter()
                    .flatten()
                    .cloned()
                    .collect()
            }
            Input::Whole(all) => match all.get(partition) {
                Some(batches) => batches.clone(),
                None => {
                    return internal_err!("input {} has no partition {partition}", self.spec.slot);
                }
            },
            Input::One(own, batches) if *own == partition && !self.spec.chained => batches.clone(),
            Input::One(own, _) => {
                return internal_err!("the task has partition {own}, not {partition}");
            }
        };
        let projection: Option<Vec<usize>> = self
            .spec
            .projection
            .as_ref()
            .map(|p| p.iter().map(|&c| c as usize).collect());
        let schema = self.properties.eq_properties.schema().clone();
        let named = self.spec.table;
        Ok(batches
            .into_iter()
            .flat_map(move |batch| Pieces { batch, at: 0, rows })
            .map(move |batch| fit(batch, projection.as_deref(), &schema, named)))
    }

    /// The same rows as DataFusion's own table in memory, for whoever runs the plan and knows nothing of tasks.
    pub(crate) fn in_memory(&self, inputs: &Inputs) -> DfResult<Arc<dyn ExecutionPlan>> {
        let partitions = (0..self.properties.output_partitioning().partition_count())
            .map(|p| self.batches(inputs, p, usize::MAX)?.collect())
            .collect::<DfResult<Vec<Vec<RecordBatch>>>>()?;
        let schema = self.properties.eq_properties.schema().clone();
        Ok(MemorySourceConfig::try_new_exec(&partitions, schema, None)?)
    }
}

/// The plan with tables in memory where it reads inputs of a task: for whoever knows nothing of tasks.
///
/// # Errors
/// If a partition does not have the columns that the plan was made for.
pub(crate) fn in_memory(
    plan: &Arc<dyn ExecutionPlan>,
    inputs: &Inputs,
) -> kvern_core::Result<Arc<dyn ExecutionPlan>> {
    replace(plan, &mut |node| match node.downcast_ref::<InputExec>() {
        Some(input) => input.in_memory(inputs).map(Some).map_err(from_df),
        None => Ok(None),
    })
}

fn properties(known: EquivalenceProperties, partitions: usize) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        known,
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl DisplayAs for InputExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InputSpec { slot, count, .. } = &self.spec;
        let how = if self.spec.chained { ", chained" } else { "" };
        write!(f, "InputExec: input={slot}, partitions={count}{how}")
    }
}

impl ExecutionPlan for InputExec {
    fn name(&self) -> &'static str {
        "InputExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let Some(inputs) = context.session_config().get_extension::<Inputs>() else {
            return internal_err!("a stage runs without the inputs of its task");
        };
        let rows = context.session_config().batch_size();
        let batches = self.batches(&inputs, partition, rows)?;
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            futures::stream::iter(batches),
        )))
    }
}

/// The batch with the wanted columns, if it has them.
fn fit(
    batch: RecordBatch,
    projection: Option<&[usize]>,
    schema: &SchemaRef,
    named: bool,
) -> DfResult<RecordBatch> {
    let have = batch.schema();
    let picked: Vec<usize> = match projection {
        None => (0..have.fields().len()).collect(),
        Some(p) => p.to_vec(),
    };
    let same = picked.len() == schema.fields().len()
        && picked.iter().zip(schema.fields()).all(|(&i, want)| {
            have.fields().get(i).is_some_and(|f| {
                f.data_type() == want.data_type() && (!named || f.name() == want.name())
            })
        });
    if !same {
        return Err(DataFusionError::Execution(format!(
            "a partition has the columns {}, expected were {}",
            columns(&have),
            columns(schema)
        )));
    }
    let batch = match projection {
        None => batch,
        Some(p) => batch.project(p)?,
    };
    renamed(batch, schema)
}

/// A batch of the same types under that schema: only names, nullability or metadata differ.
pub(crate) fn renamed(batch: RecordBatch, schema: &SchemaRef) -> DfResult<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch);
    }
    let rows =
        arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    Ok(RecordBatch::try_new_with_options(
        schema.clone(),
        columns,
        &rows,
    )?)
}

/// `name type, name type`, for messages.
pub(crate) fn columns(schema: &SchemaRef) -> String {
    let fields = schema.fields().iter();
    let words: Vec<String> = fields
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    words.join(", ")
}

/// A batch in pieces of at most so many rows, none of them copied.
struct Pieces {
    batch: RecordBatch,
    at: usize,
    rows: usize,
}

impl Iterator for Pieces {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        let left = self.batch.num_rows() - self.at;
        if left == 0 {
            return None;
        }
        let n = left.min(self.rows.max(1));
        let piece = self.batch.slice(self.at, n);
        self.at += n;
        Some(piece)
    }
}

/// What the task that runs a stage was given, by slot.
#[derive(Debug)]
pub(crate) struct Inputs(pub(crate) Vec<Input>);

/// One input of a stage's task.
#[derive(Debug)]
pub(crate) enum Input {
    /// All partitions.
    Whole(Vec<Batches>),
    /// One of them, with its number.
    One(usize, Batches),
}

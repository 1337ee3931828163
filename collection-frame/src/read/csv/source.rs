//! CSV files as DataFusion scans them.

use std::fmt;
use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::{
    FileGroup, FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::file_groups::FileGroupPartitioner;
use datafusion_datasource::projection::{ProjectionOpener, SplitProjection};
use futures::StreamExt;
use kvern_core::{Error, ErrorKind, Result};
use object_store::{GetOptions, GetResultPayload, ObjectStore};
use serde::{Deserialize, Serialize};

use super::build::Columns;
use super::nulls::Nulls;
use super::options::Dialect;
use super::records::{Records, Rules};
use super::wrong::Wrong;
use super::{cuts, table, text};
use crate::error::{into_df, io};

type DfResult<T> = std::result::Result<T, DataFusionError>;

/// Reads CSV files of one schema.
#[derive(Debug, Clone)]
pub(crate) struct CsvSource {
    schema: TableSchema,
    wire: Wire,
    rows: usize,
    projection: SplitProjection,
    metrics: ExecutionPlanMetricsSet,
}

/// What of a source travels; the schema goes with the scan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wire {
    pub(super) dialect: Dialect,
    /// The columns whose types were not found but said.
    pub(super) told: Vec<usize>,
}

impl Wire {
    pub(crate) fn source(self, schema: TableSchema) -> CsvSource {
        CsvSource::new(schema, self)
    }
}

impl CsvSource {
    pub(super) fn new(schema: TableSchema, wire: Wire) -> Self {
        Self {
            projection: SplitProjection::unprojected(&schema),
            schema,
            wire,
            rows: 8192,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    pub(crate) fn wire(&self) -> Wire {
        self.wire.clone()
    }
}

impl FileSource for CsvSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        _scan: &FileScanConfig,
        _partition: usize,
    ) -> DfResult<Arc<dyn FileOpener>> {
        let columns = Columns::new(
            self.schema.file_schema(),
            &self.projection.file_indices,
            &self.wire.told,
            Nulls::new(&self.wire.dialect.nulls),
        );
        let opener = Arc::new(Opener {
            columns: Arc::new(columns),
            dialect: self.wire.dialect.clone(),
            width: self.schema.file_schema().fields().len(),
            rows: self.rows,
            store,
        });
        ProjectionOpener::try_new(self.projection.clone(), opener, self.schema.file_schema())
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            rows,
            ..self.clone()
        })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> DfResult<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        Ok(Some(Arc::new(Self {
            projection: SplitProjection::new(self.schema.file_schema(), &merged),
            ..self.clone()
        })))
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &'static str {
        "csv"
    }

    /// DataFusion cuts files evenly; the cuts are moved to the ends of records.
    fn repartitioned(
        &self,
        partitions: usize,
        smallest: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> DfResult<Option<FileScanConfig>> {
        let files = || config.file_groups.iter().flat_map(FileGroup::iter);
        let packed = files().any(|f| f.path().as_ref().to_lowercase().ends_with(".gz"));
        if packed || files().any(|f| f.range.is_some()) {
            return Ok(None);
        }
        let groups = FileGroupPartitioner::new()
            .with_target_partitions(partitions)
            .with_repartition_file_min_size(smallest)
            .with_preserve_order_within_groups(ordering.is_some())
            .repartition_file_groups(&config.file_groups);
        let Some(groups) = groups else {
            return Ok(None);
        };
        let groups = groups
            .into_iter()
            .map(|group| {
                let files = group.into_inner().into_iter();
                let files = files.filter_map(|f| self.at_records(f, partitions).transpose());
                files.collect::<Result<Vec<_>>>().map(FileGroup::new)
            })
            .collect::<Result<Vec<_>>>()
            .map_err(into_df)?;
        let mut config = config.clone();
        config.file_groups = groups.into_iter().filter(|g| !g.is_empty()).collect();
        Ok((!config.file_groups.is_empty()).then_some(config))
    }

    fn fmt_extra(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", has_header={}", self.wire.dialect.header)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        for p in self.projection.source.iter() {
            if f(&p.expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

impl CsvSource {
    /// A range of a file that begins and ends where records do; `None` if no record begins in it.
    fn at_records(
        &self,
        mut file: PartitionedFile,
        threads: usize,
    ) -> Result<Option<PartitionedFile>> {
        let Some(range) = file.range.take() else {
            return Ok(Some(file));
        };
        let size = file.object_meta.size;
        let (start, end) = (range.start.max(0) as u64, range.end.max(0) as u64);
        if start == 0 && end >= size {
            return Ok(Some(file));
        }
        let path = table::local_path(file.path())?;
        let cuts = cuts::of_file(&path, &self.wire.dialect.of(&path), threads)?;
        let (start, end) = (moved(&cuts, start, size), moved(&cuts, end, size));
        file.range = Some(FileRange {
            start: start as i64,
            end: end as i64,
        });
        Ok((start < end).then_some(file))
    }
}

/// The first place from there on where a file may be cut.
pub(super) fn moved(cuts: &[u64], place: u64, size: u64) -> u64 {
    if place == 0 || place >= size {
        return place.min(size);
    }
    let next = cuts.partition_point(|&cut| cut < place);
    cuts.get(next).copied().unwrap_or(size).min(size)
}

struct Opener {
    columns: Arc<Columns>,
    dialect: Dialect,
    width: usize,
    rows: usize,
    store: Arc<dyn ObjectStore>,
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> DfResult<FileOpenFuture> {
        let range = file
            .range
            .as_ref()
            .map(|r| (r.start.max(0) as u64, r.end.max(0) as u64));
        let store = self.store.clone();
        let dialect = self.dialect.clone();
        let (columns, width, rows) = (self.columns.clone(), self.width, self.rows);
        let future = async move {
            let found = store
                .get_opts(&file.object_meta.location, GetOptions::default())
                .await?;
            let GetResultPayload::File(_, path) = found.payload else {
                let words = format!(
                    "{} is not a file of this machine",
                    file.object_meta.location
                );
                return Err(DataFusionError::NotImplemented(words));
            };
            let same = |meta: &Metadata| {
                meta.len() == file.object_meta.size
                    && meta
                        .modified()
                        .is_ok_and(|m| SystemTime::from(file.object_meta.last_modified) == m)
            };
            let meta =
                std::fs::metadata(&path).map_err(|e| into_df(io(&path, "it cannot be read", e)));
            if !same(&meta?) {
                let words = format!(
                    "{} has been changed since the query was planned: compute it again",
                    path.display()
                );
                return Err(into_df(Error::new(ErrorKind::Io, words)));
            }
            let reading = Reading {
                dialect: dialect.of(&path),
                columns,
                width,
                rows,
            };
            let batches = reading.batches(&path, range).map_err(into_df)?;
            let batches = batches.map(|b| b.map_err(into_df));
            Ok(futures::stream::iter(batches).boxed())
        };
        Ok(Box::pin(future))
    }
}

/// How one file is read.
pub(super) struct Reading {
    pub(super) dialect: Dialect,
    pub(super) columns: Arc<Columns>,
    /// How many columns the file has.
    pub(super) width: usize,
    /// Rows of a batch, at most.
    pub(super) rows: usize,
}

impl Reading {
    /// The batches of a file, or of a range of it that begins and ends where records do.
    pub(super) fn batches(
        self,
        path: &Path,
        range: Option<(u64, u64)>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let whole = range.is_none_or(|(start, _)| start == 0);
        let (reader, place): (Box<dyn std::io::Read + Send>, u64) = match range {
            None => text::open(path)?,
            Some((0, end)) => {
                let (reader, place) = text::open(path)?;
                (
                    Box::new(std::io::Read::take(reader, end - place.min(end))),
                    place,
                )
            }
            Some((start, end)) => {
                let range = text::range(path, start, end);
                let range = range.map_err(|e| io(path, "it cannot be read", e))?;
                (Box::new(range), start)
            }
        };
        let rules = Rules::new(&self.dialect);
        let mut records = Records::new(reader, rules, place, Some(self.width));
        let mut header = whole && self.dialect.header;
        let path = path.to_owned();
        let mut over = false;
        Ok(std::iter::from_fn(move || {
            if over {
                return None;
            }
            let next = (|| {
                if std::mem::take(&mut header) {
                    // Its names have been looked at when the query was planned.
                    records.batch(1)?;
                }
                let batch = records.batch(self.rows)?;
                batch.map(|b| self.columns.batch(&b)).transpose()
            })();
            over = !matches!(next, Ok(Some(_)));
            next.map_err(|e: Wrong| e.error(&path)).transpose()
        }))
    }
}

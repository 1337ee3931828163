//! CSV files as DataFusion scans them. DataFusion's own source does not know null values when it reads, and does not say in which file
//! and line something is wrong; this one does.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_datasource::projection::{ProjectionOpener, SplitProjection};
use futures::StreamExt;
use object_store::{GetOptions, GetResultPayload, ObjectStore};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::csv::Dialect;
use super::csv_file;
use crate::error::into_df;

type DfResult<T> = Result<T, DataFusionError>;

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
    dialect: Dialect,
    splits: bool,
}

impl Wire {
    pub(crate) fn source(self, schema: SchemaRef) -> CsvSource {
        CsvSource::new(schema, self.dialect, self.splits)
    }
}

impl CsvSource {
    /// `splits`: whether a file may be read from its middle.
    pub(super) fn new(schema: SchemaRef, dialect: Dialect, splits: bool) -> Self {
        let schema = TableSchema::from(schema);
        Self {
            projection: SplitProjection::unprojected(&schema),
            schema,
            wire: Wire { dialect, splits },
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
        let opener = Arc::new(Opener {
            nulls: self.wire.dialect.null_pattern().map_err(into_df)?,
            source: self.clone(),
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

    fn supports_repartitioning(&self) -> bool {
        self.wire.splits
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

struct Opener {
    source: CsvSource,
    nulls: Option<Regex>,
    store: Arc<dyn ObjectStore>,
}

impl Opener {
    fn builder(&self, first: bool) -> ReaderBuilder {
        let d = &self.source.wire.dialect;
        let mut builder = ReaderBuilder::new(self.source.schema.file_schema().clone())
            .with_batch_size(self.source.rows)
            .with_header(d.header && first)
            .with_delimiter(d.delimiter)
            .with_quote(d.quote)
            .with_projection(self.source.projection.file_indices.clone());
        if let Some(byte) = d.comment {
            builder = builder.with_comment(byte);
        }
        if let Some(pattern) = &self.nulls {
            builder = builder.with_null_regex(pattern.clone());
        }
        builder
    }
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> DfResult<FileOpenFuture> {
        let range = file
            .range
            .as_ref()
            .map(|r| (r.start.max(0) as u64, r.end.max(0) as u64));
        let builder = self.builder(range.is_none_or(|r| r.0 == 0));
        let store = self.store.clone();
        let fields = self.source.schema.file_schema().fields();
        let names: Vec<String> = fields.iter().map(|f| f.name().clone()).collect();
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
            let batches = batches(&path, range, builder, names).map_err(into_df)?;
            Ok(futures::stream::iter(batches).boxed())
        };
        Ok(Box::pin(future))
    }
}

/// The batches of a file, or of the lines that begin in a range of it.
fn batches(
    path: &Path,
    range: Option<(u64, u64)>,
    builder: ReaderBuilder,
    names: Vec<String>,
) -> kvern_core::Result<impl Iterator<Item = DfResult<RecordBatch>> + Send + use<>> {
    let (reader, start): (Box<dyn std::io::Read + Send>, u64) = match range {
        None => (csv_file::open(path)?, 0),
        Some((start, end)) => {
            let lines = csv_file::lines(path, start, end)
                .map_err(|e| crate::error::io(path, "it cannot be read", e))?;
            let at = lines.start();
            (Box::new(lines), at)
        }
    };
    let path = path.to_path_buf();
    let reader = builder
        .build(reader)
        .map_err(|e| csv_file::error(&path, 0, &names, e))?;
    Ok(reader.map(move |batch| {
        batch.map_err(|e| {
            let before = match start {
                0 => 0,
                place => csv_file::lines_before(&path, place),
            };
            into_df(csv_file::error(&path, before, &names, e))
        })
    }))
}

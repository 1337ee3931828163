//! Parquet files as a table of DataFusion's, after their footers have been read: a broken file is told before a query starts.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::{DataFusionError, Statistics};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::physical_plan::ExecutionPlan;
use kvern_core::{Error, ErrorKind, Result};

use super::Sources;
use super::widen;
use crate::error::{from_df, into_df, io};
use crate::plan::bounds;

/// The table of some Parquet files.
///
/// # Errors
/// [`ErrorKind::Io`] or [`ErrorKind::Decode`] naming the file; files whose columns do not go together.
pub(crate) fn parquet_table(sources: &Sources) -> Result<Arc<dyn TableProvider>> {
    let files = sources.files(&[".parquet", ".pq", ".parq"])?;
    let schemas = files
        .iter()
        .map(|f| Ok((f.as_path(), footer(f)?)))
        .collect::<Result<Vec<_>>>()?;
    let floats = schemas
        .iter()
        .flat_map(|(_, s)| s.fields().iter())
        .filter(|f| bounds::holds_floats(f.data_type()))
        .map(|f| f.name().clone())
        .collect();
    let schema = text_as_views(&*widen::union(schemas)?);
    let urls = files.iter().map(url).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(Arc::new(schema));
    let cache = crate::engine::base()
        .runtime_env()
        .cache_manager
        .get_file_statistic_cache();
    let table = ListingTable::try_new(config)
        .map_err(from_df)?
        .with_cache(cache);
    Ok(Arc::new(ParquetTable {
        table,
        files,
        floats,
    }))
}

/// A table of files that must all be there and whole when it is read: DataFusion's own lists them anew each time, and a file that is gone
/// has no rows.
#[derive(Debug)]
struct ParquetTable {
    table: ListingTable,
    files: Vec<PathBuf>,
    /// Columns that hold floats in a file, whatever they are in the table.
    floats: HashSet<String>,
}

#[async_trait]
impl TableProvider for ParquetTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        self.table.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let args = ScanArgs::default()
            .with_projection(projection.map(Vec::as_slice))
            .with_filters(Some(filters))
            .with_limit(limit);
        Ok(self.scan_with_args(state, args).await?.into_inner())
    }

    async fn scan_with_args<'a>(
        &self,
        state: &dyn Session,
        args: ScanArgs<'a>,
    ) -> Result<ScanResult, DataFusionError> {
        for path in &self.files {
            let meta = std::fs::metadata(path);
            let meta = meta.map_err(|e| into_df(io(path, "it cannot be read", e)))?;
            if meta.len() == 0 {
                // DataFusion passes over it.
                footer(path).map_err(into_df)?;
            }
        }
        let scanned = self.table.scan_with_args(state, args).await;
        let scanned = scanned.map_err(|e| {
            // DataFusion does not name the file.
            let broken = self.files.iter().find_map(|f| footer(f).err());
            broken.map_or(e, into_df)
        })?;
        let plan = bounds::unknown(scanned.into_inner(), &|name| self.floats.contains(name))?;
        Ok(ScanResult::new(plan))
    }
}

/// The columns that a file says it has.
fn footer(path: &Path) -> Result<Arc<Schema>> {
    let file = File::open(path).map_err(|e| io(path, "it cannot be opened", e))?;
    let meta = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|e| {
        let words = format!("{}: not a whole Parquet file: {e}", path.display());
        Error::with_source(ErrorKind::Decode, words, e)
    })?;
    Ok(meta.schema().clone())
}

/// Text and binary columns as views, which the reader fills without copying each value.
fn text_as_views(schema: &Schema) -> Schema {
    use arrow::datatypes::DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Utf8, Utf8View};
    let fields = schema.fields().iter().map(|f| match f.data_type() {
        Utf8 | LargeUtf8 => Arc::new(f.as_ref().clone().with_data_type(Utf8View)),
        Binary | LargeBinary => Arc::new(f.as_ref().clone().with_data_type(BinaryView)),
        _ => f.clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// A file as DataFusion names it.
fn url(path: &PathBuf) -> Result<ListingTableUrl> {
    let url = url::Url::from_file_path(path)
        .map_err(|()| Error::bad_input(format!("{} is not an absolute path", path.display())))?;
    ListingTableUrl::try_new(url, None).map_err(from_df)
}

//! Parquet files as a table of DataFusion's, after their footers have been read: a broken file is told before a query starts.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::{DataFusionError, Statistics as TableStatistics};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl, PartitionedFile,
};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::file::statistics::Statistics;
use datafusion::physical_plan::ExecutionPlan;
use kvern_core::{Error, ErrorKind, Result};

use super::Sources;
use super::hive::Folders;
use super::in_order::in_order;
use super::sources::object_path;
use super::widen::{self, FileColumns};
use crate::error::{from_df, into_df, io, no_column};
use crate::plan::bounds;

/// What of the columns of Parquet files is known better than the files say it.
///
/// ```
/// use kvern_frame::{DataType, ParquetOptions};
/// let options = ParquetOptions::new().column_type("id", DataType::Utf8);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ParquetOptions {
    types: Vec<(String, DataType)>,
}

impl ParquetOptions {
    /// Columns have the types that the files say, and where these differ the narrowest that holds all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the type of a column in all files: what they have is cast when it is read, and a value that cannot be is an error. Floats are
    /// rounded to whole numbers towards zero.
    #[must_use]
    pub fn column_type(mut self, name: impl Into<String>, dtype: DataType) -> Self {
        self.types.push((name.into(), dtype));
        self
    }
}

/// The table of some Parquet files.
///
/// # Errors
/// [`ErrorKind::Io`] or [`ErrorKind::Decode`] naming the file; files whose columns do not go together.
pub(crate) fn parquet_table(
    sources: &Sources,
    options: &ParquetOptions,
) -> Result<Arc<dyn TableProvider>> {
    let found = sources.files(&[".parquet", ".pq", ".parq"])?;
    let types: HashMap<&str, &DataType> = options
        .types
        .iter()
        .map(|(name, dtype)| (name.as_str(), dtype))
        .collect();
    let mut written = Vec::new();
    let all = found
        .iter()
        .map(|f| columns(&f.path, &types, &mut written))
        .collect::<Result<Vec<_>>>()?;
    for name in types.keys() {
        let fields = || all.iter().flat_map(|f| f.schema.fields().iter());
        if !fields().any(|f| f.name() == name) {
            let mut have: Vec<&str> = fields().map(|f| f.name().as_str()).collect();
            have.dedup();
            return Err(no_column(name, have));
        }
    }
    let union = widen::union(all)?;
    let unbounded = unbounded(&written, &union);
    let schema = text_as_views(&union, &types);
    let folders = Folders::of(&found, |name| schema.field_with_name(name).is_ok())?;
    let files: Vec<PathBuf> = found.into_iter().map(|f| f.path).collect();
    let urls = files.iter().map(url).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(Arc::new(schema.clone()));
    let cache = crate::plan::base()
        .runtime_env()
        .cache_manager
        .get_file_statistic_cache();
    let table = ListingTable::try_new(config)
        .map_err(from_df)?
        .with_cache(cache);
    let schema = TableSchema::builder(Arc::new(schema))
        .with_table_partition_cols(folders.fields.clone())
        .build();
    Ok(Arc::new(ParquetTable {
        table,
        schema,
        files,
        folders,
        unbounded,
    }))
}

/// Columns of whose bounds in files nothing follows for the table: of floats, and those that are read as something else in which other values
/// are the smallest, as text is not in the order of its numbers.
fn unbounded(written: &[SchemaRef], union: &Schema) -> HashSet<String> {
    let types: HashMap<&str, &DataType> = union
        .fields()
        .iter()
        .map(|f| (f.name().as_str(), f.data_type()))
        .collect();
    let fields = written.iter().flat_map(|s| s.fields().iter());
    let other = fields.filter(|f| {
        let (there, here) = (f.data_type(), types.get(f.name().as_str()));
        let same = here.is_some_and(|h| there == *h || (there.is_integer() && h.is_integer()));
        !same || bounds::holds_floats(there)
    });
    other.map(|f| f.name().clone()).collect()
}

/// What columns a file has, with the types that somebody has set; what is written in it goes to `written`.
fn columns<'a>(
    path: &'a Path,
    types: &HashMap<&str, &DataType>,
    written: &mut Vec<SchemaRef>,
) -> Result<FileColumns<'a>> {
    let meta = footer(path)?;
    let schema = meta.schema();
    written.push(schema.clone());
    let mut seen = HashSet::new();
    if let Some(twice) = schema.fields().iter().find(|f| !seen.insert(f.name())) {
        return Err(Error::new(
            ErrorKind::Decode,
            format!(
                "{}: two columns are named {:?}: each needs a name of its own, or only one of them could be read",
                path.display(),
                twice.name()
            ),
        ));
    }
    let mut rounded = HashMap::new();
    let mut fields = Vec::with_capacity(schema.fields().len());
    for (i, field) in schema.fields().iter().enumerate() {
        let Some(&dtype) = types.get(field.name().as_str()) else {
            if matches!(field.data_type(), DataType::Int64 | DataType::UInt64)
                && let Some(what) = beyond_floats(&meta, i)
            {
                rounded.insert(field.name().clone(), what);
            }
            fields.push(field.clone());
            continue;
        };
        if !can_cast_types(field.data_type(), dtype) {
            return Err(Error::bad_input(format!(
                "{}: column {:?} is {}, which cannot be read as {dtype}",
                path.display(),
                field.name(),
                field.data_type()
            )));
        }
        fields.push(Arc::new(
            field.as_ref().clone().with_data_type(dtype.clone()),
        ));
    }
    Ok(FileColumns {
        path,
        schema: Arc::new(Schema::new(fields)),
        rounded,
    })
}

/// What is known of whole numbers in a column that may be others as floats; `None` if the file says that there are none.
fn beyond_floats(meta: &ArrowReaderMetadata, root: usize) -> Option<String> {
    // All whole numbers up to here are floats.
    const EXACT: i128 = 1 << 53;
    let parquet = meta.parquet_schema();
    let leaf = (0..parquet.num_columns()).find(|&c| parquet.get_column_root_idx(c) == root)?;
    for group in meta.metadata().row_groups() {
        let bounds = group.column(leaf).statistics().and_then(|s| match s {
            Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
            _ => None,
        });
        let nulls = group
            .column(leaf)
            .statistics()
            .and_then(|s| s.null_count_opt());
        if nulls == u64::try_from(group.num_rows()).ok() {
            continue;
        }
        let Some((min, max)) = bounds else {
            return Some("it does not say how large they are".into());
        };
        let unsigned = *meta.schema().field(root).data_type() == DataType::UInt64;
        let (least, most) = if unsigned {
            // They are kept as signed ones of the same bits.
            (i128::from(min as u64), i128::from(max as u64))
        } else {
            (i128::from(min), i128::from(max))
        };
        if least < -EXACT || most > EXACT {
            return Some(format!("from {least} to {most}"));
        }
    }
    None
}

/// A table of files that must all be there and whole when it is read: DataFusion's own lists them anew each time, and a file that is gone
/// has no rows.
#[derive(Debug)]
struct ParquetTable {
    table: ListingTable,
    /// The columns of the files, then those that folders name.
    schema: TableSchema,
    files: Vec<PathBuf>,
    folders: Folders,
    /// Columns of whose bounds in files nothing follows.
    unbounded: HashSet<String>,
}

impl ParquetTable {
    /// The scan of DataFusion's table, with what the folders say of each file. Files whose folders say that they have no such row are passed
    /// over by the reader itself.
    async fn scan_in_folders(
        &self,
        state: &dyn Session,
        args: &ScanArgs<'_>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let mut said = HashMap::new();
        for (path, values) in self.files.iter().zip(&self.folders.values) {
            said.insert(object_path(path).map_err(into_df)?, values);
        }
        let listed = self.table.list_files_for_scan(state, &[], None).await?;
        let with_values = |mut file: PartitionedFile| {
            let statistics = file.statistics.take();
            let values = said.get(file.path()).map(|v| (*v).clone());
            let file = file.with_partition_values(values.unwrap_or_default());
            match statistics {
                Some(s) => file.with_statistics(s),
                None => file,
            }
        };
        let groups = listed.file_groups.into_iter().map(|group| {
            let files = group.into_inner().into_iter().map(with_values);
            FileGroup::new(files.collect())
        });
        let format = &self.table.options().format;
        let source = format.file_source(self.schema.clone());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups.collect())
            .with_projection_indices(args.projection().map(<[usize]>::to_vec))?
            .build();
        format.create_physical_plan(state, config).await
    }
}

#[async_trait]
impl TableProvider for ParquetTable {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        if self.folders.fields.is_empty() {
            return self.table.supports_filters_pushdown(filters);
        }
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<TableStatistics> {
        if self.folders.fields.is_empty() {
            return self.table.statistics();
        }
        None
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
        // Which files the first rows are in is for the scan to say, once the files stand in their order.
        let limit = args.limit();
        let args = args.with_limit(None);
        let scanned = if self.folders.fields.is_empty() {
            self.table.scan_with_args(state, args).await
        } else {
            self.scan_in_folders(state, &args)
                .await
                .map(ScanResult::new)
        };
        let scanned = scanned.map_err(|e| {
            // DataFusion does not name the file.
            let broken = self.files.iter().find_map(|f| footer(f).err());
            broken.map_or(e, into_df)
        })?;
        let plan = in_order(&scanned.into_inner(), &self.files, limit)?;
        let plan = bounds::unknown(plan, &|name| self.unbounded.contains(name))?;
        Ok(ScanResult::new(plan))
    }
}

/// What a file says of itself.
fn footer(path: &Path) -> Result<ArrowReaderMetadata> {
    let file = File::open(path).map_err(|e| io(path, "it cannot be opened", e))?;
    ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|e| {
        let words = format!("{}: not a whole Parquet file: {e}", path.display());
        Error::with_source(ErrorKind::Decode, words, e)
    })
}

/// Text and binary columns as views, which the reader fills without copying each value, unless somebody has set their types.
fn text_as_views(schema: &Schema, types: &HashMap<&str, &DataType>) -> Schema {
    use arrow::datatypes::DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Utf8, Utf8View};
    let fields = schema.fields().iter().map(|f| match f.data_type() {
        _ if types.contains_key(f.name().as_str()) => f.clone(),
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

//! CSV files: how they are written, what columns they have, and the table of them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use kvern_core::{Error, Result};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::csv_file;
use super::csv_source::CsvSource;
use super::{Sources, widen};
use crate::error::{io, no_column};

/// How CSV files are written, and what of their columns is known. The names are those of Polars and pandas.
///
/// ```
/// use kvern_frame::{CsvOptions, DataType};
/// let options = CsvOptions::new()
///     .delimiter(b';')
///     .null_values(["NA", "-"])
///     .column_type("zip", DataType::Utf8);
/// ```
#[derive(Debug, Clone)]
pub struct CsvOptions {
    pub(super) dialect: Dialect,
    infer_rows: Option<usize>,
    types: Vec<(String, DataType)>,
}

/// What of the options is needed to read, and travels with the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
    pub(crate) header: bool,
    pub(crate) comment: Option<u8>,
    pub(crate) newlines: bool,
    pub(crate) nulls: Vec<String>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            dialect: Dialect {
                delimiter: b',',
                quote: b'"',
                header: true,
                comment: None,
                newlines: false,
                nulls: Vec::new(),
            },
            infer_rows: Some(10_000),
            types: Vec::new(),
        }
    }
}

impl CsvOptions {
    /// Commas, double quotes, a header line, and an empty field is null.
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands between fields.
    #[must_use]
    pub fn delimiter(mut self, byte: u8) -> Self {
        self.dialect.delimiter = byte;
        self
    }

    /// What stands around a field that holds delimiters.
    #[must_use]
    pub fn quote(mut self, byte: u8) -> Self {
        self.dialect.quote = byte;
        self
    }

    /// Whether the first line of each file names the columns; if not, they are `column_1`, `column_2`, …
    #[must_use]
    pub fn header(mut self, yes: bool) -> Self {
        self.dialect.header = yes;
        self
    }

    /// Lines that begin with this byte are left out.
    #[must_use]
    pub fn comment(mut self, byte: u8) -> Self {
        self.dialect.comment = Some(byte);
        self
    }

    /// Quoted fields may hold line ends. A file that may is read by one task, since nothing else tells where a row begins.
    #[must_use]
    pub fn newlines_in_values(mut self, yes: bool) -> Self {
        self.dialect.newlines = yes;
        self
    }

    /// Fields that mean null, such as `NA`; an empty field always does.
    #[must_use]
    pub fn null_values<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.dialect.nulls = values.into_iter().map(Into::into).collect();
        self
    }

    /// From how many rows of each file the types of its columns are found: 10,000 unless said. `None`: from all of them, which reads
    /// the files twice.
    #[must_use]
    pub fn infer_rows(mut self, rows: Option<usize>) -> Self {
        self.infer_rows = rows;
        self
    }

    /// Sets the type of a column instead of finding it.
    #[must_use]
    pub fn column_type(mut self, name: impl Into<String>, dtype: DataType) -> Self {
        self.types.push((name.into(), dtype));
        self
    }
}

impl Dialect {
    /// What a null field looks like; `None` for just the empty one, which needs no pattern.
    pub(super) fn null_pattern(&self) -> Result<Option<Regex>> {
        if self.nulls.is_empty() {
            return Ok(None);
        }
        let words: Vec<String> = self.nulls.iter().map(|n| regex::escape(n)).collect();
        Regex::new(&format!("^(|{})$", words.join("|")))
            .map(Some)
            .map_err(|e| Error::bad_input(format!("the null values {:?}: {e}", self.nulls)))
    }
}

/// The table of some CSV files.
///
/// # Errors
/// A file that cannot be read or is ragged, by name and line; files that do not have the same columns.
pub(crate) fn csv_table(sources: &Sources, options: &CsvOptions) -> Result<Arc<dyn TableProvider>> {
    let files = sources.files(&[".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt"])?;
    let nulls = options.dialect.null_pattern()?;
    let mut schemas: Vec<(&Path, Arc<Schema>)> = Vec::new();
    for file in &files {
        let schema = infer(file, options, nulls.as_ref())?;
        if let Some((first, have)) = schemas.first() {
            same_columns(first, have, file, &schema)?;
        }
        schemas.push((file, schema));
    }
    let mut fields: Vec<Field> = widen::union(schemas)?
        .fields()
        .iter()
        .map(|f| match f.data_type() {
            // Nothing but nulls was seen: text holds whatever comes.
            DataType::Null => Field::new(f.name(), DataType::Utf8, true),
            t => Field::new(f.name(), t.clone(), true),
        })
        .collect();
    for (name, dtype) in &options.types {
        let Some(field) = fields.iter_mut().find(|f| f.name() == name) else {
            return Err(no_column(
                name,
                fields.iter().map(|f| f.name().as_str()).collect(),
            ));
        };
        *field = Field::new(name, dtype.clone(), true);
    }
    Ok(Arc::new(CsvTable {
        schema: Arc::new(Schema::new(fields)),
        files,
        dialect: options.dialect.clone(),
    }))
}

fn infer(path: &Path, options: &CsvOptions, nulls: Option<&Regex>) -> Result<Arc<Schema>> {
    let d = &options.dialect;
    let mut format = Format::default()
        .with_header(d.header)
        .with_delimiter(d.delimiter)
        .with_quote(d.quote);
    if let Some(byte) = d.comment {
        format = format.with_comment(byte);
    }
    if let Some(pattern) = nulls {
        format = format.with_null_regex(pattern.clone());
    }
    let reader: Box<dyn Read> = csv_file::open(path)?;
    let (schema, _) = format
        .infer_schema(reader, options.infer_rows)
        .map_err(|e| csv_file::error(path, 0, &[], e))?;
    Ok(Arc::new(schema))
}

fn same_columns(first: &Path, have: &Schema, path: &Path, schema: &Schema) -> Result<()> {
    let names =
        |s: &Schema| -> Vec<String> { s.fields().iter().map(|f| f.name().clone()).collect() };
    let (a, b) = (names(have), names(schema));
    if a == b {
        return Ok(());
    }
    let at = a.iter().zip(&b).position(|(x, y)| x != y);
    let words = match at {
        Some(i) => format!("column {} is {:?} there and {:?} here", i + 1, a[i], b[i]),
        None => format!("{} columns there and {} here", a.len(), b.len()),
    };
    Err(Error::bad_input(format!(
        "{} does not have the columns of {}: {words}",
        path.display(),
        first.display()
    )))
}

/// CSV files with one schema.
#[derive(Debug)]
struct CsvTable {
    schema: SchemaRef,
    files: Vec<PathBuf>,
    dialect: Dialect,
}

impl CsvTable {
    /// The files in at most so many groups of neighbours, so that rows keep their order.
    fn groups(&self, partitions: usize) -> Result<Vec<FileGroup>> {
        let files = self
            .files
            .iter()
            .map(|path| {
                let meta = std::fs::metadata(path).map_err(|e| io(path, "it cannot be read", e))?;
                let modified = meta.modified().unwrap_or(std::time::UNIX_EPOCH);
                let url = url::Url::from_file_path(path).map_err(|()| {
                    Error::bad_input(format!("{} is not an absolute path", path.display()))
                })?;
                let location = object_store_path(&url)?;
                Ok(PartitionedFile::new_from_meta(object_store::ObjectMeta {
                    location,
                    last_modified: modified.into(),
                    size: meta.len(),
                    e_tag: None,
                    version: None,
                }))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(FileGroup::new(files).split_files(partitions.max(1)))
    }
}

fn object_store_path(url: &url::Url) -> Result<object_store::path::Path> {
    object_store::path::Path::from_url_path(url.path())
        .map_err(|e| Error::bad_input(format!("{url} cannot be read: {e}")))
}

#[async_trait]
impl TableProvider for CsvTable {
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
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let source = CsvSource::new(self.schema.clone(), self.dialect.clone(), self.splits());
        let groups = self
            .groups(state.config().target_partitions())
            .map_err(crate::error::into_df)?;
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

impl CsvTable {
    /// Whether a file may be read from its middle.
    fn splits(&self) -> bool {
        !self.dialect.newlines && !self.files.iter().any(|f| csv_file::is_gz(f))
    }
}

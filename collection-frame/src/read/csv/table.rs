//! The table of some CSV files: what columns they have together, and how they are scanned.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use kvern_core::{Error, ErrorKind, Result};

use super::infer::{Found, Text};
use super::nulls::Nulls;
use super::options::{CsvOptions, Dialect};
use super::records::{Records, Rules};
use super::source::{CsvSource, Wire};
use super::wrong::{line, short};
use super::{build, names, text};
use crate::error::{into_df, io, no_column};
use crate::read::hive::Folders;
use crate::read::in_order;
use crate::read::widen::{FileColumns, union};
use crate::read::{Sources, sources};

/// The endings of CSV files in a folder.
const ENDINGS: &[&str] = &[".csv", ".csv.gz", ".tsv", ".tsv.gz", ".tab", ".tab.gz"];

/// The table of some CSV files.
///
/// # Errors
/// A file that cannot be read, is empty or ragged, by name and line; files that do not have the same columns.
pub(crate) fn csv_table(sources: &Sources, options: &CsvOptions) -> Result<Arc<dyn TableProvider>> {
    let dialect = options.dialect()?;
    let files = sources.files(ENDINGS)?;
    let mut types: HashMap<&str, &DataType> = HashMap::new();
    for (name, dtype) in &options.types {
        build::check(name, dtype)?;
        types.insert(name, dtype);
    }
    let nulls = Nulls::new(&dialect.nulls);
    let mut all: Vec<FileColumns<'_>> = Vec::new();
    let mut because = HashMap::new();
    for file in &files {
        let found = look(&file.path, &dialect, options.infer_rows, &nulls, &types)?;
        if let Some(first) = all.first() {
            same_columns(
                first.path,
                &names_of(&first.schema),
                &file.path,
                &names_of(&found.schema),
            )?;
        }
        for (name, text) in found.text {
            let at = || (file.path.clone(), text);
            because.entry(name).or_insert_with(at);
        }
        all.push(FileColumns {
            path: &file.path,
            schema: Arc::new(found.schema),
            rounded: found.rounded,
        });
    }
    if let Some(first) = all.first() {
        let have = names_of(&first.schema);
        let known: HashSet<&str> = have.iter().copied().collect();
        if let Some(missing) = types.keys().find(|name| !known.contains(*name)) {
            return Err(no_column(missing, have));
        }
    }
    let union = union(all)?;
    let fields: Vec<Field> = union
        .fields()
        .iter()
        .map(|f| match f.data_type() {
            // Nothing but nulls was seen: text holds whatever comes.
            DataType::Null if !types.contains_key(f.name().as_str()) => {
                Field::new(f.name(), DataType::Utf8, true)
            }
            t => Field::new(f.name(), t.clone(), true),
        })
        .collect();
    let place: HashMap<&str, usize> = fields
        .iter()
        .enumerate()
        .map(|(i, f)| (f.name().as_str(), i))
        .collect();
    let mut told: Vec<usize> = types.keys().filter_map(|n| place.get(n).copied()).collect();
    told.sort_unstable();
    let folders = Folders::of(&files, |name| place.contains_key(name))?;
    let schema = TableSchema::builder(Arc::new(Schema::new(fields)))
        .with_table_partition_cols(folders.fields.clone())
        .build();
    Ok(Arc::new(CsvTable {
        schema,
        files: files.into_iter().map(|f| f.path).collect(),
        folders,
        wire: Wire { dialect, told },
        because,
    }))
}

/// What one file looks like.
struct Looked {
    schema: Schema,
    /// The values that made columns text.
    text: Vec<(String, Text)>,
    /// Columns with whole numbers that are others as floats, and one of them.
    rounded: HashMap<String, String>,
}

fn look(
    path: &Path,
    dialect: &Dialect,
    rows: Option<usize>,
    nulls: &Nulls,
    types: &HashMap<&str, &DataType>,
) -> Result<Looked> {
    let (mut records, names) = begin(path, dialect)?;
    let mut found = vec![Found::default(); names.len()];
    let known: Vec<bool> = names
        .iter()
        .map(|n| types.contains_key(n.as_str()))
        .collect();
    let mut left = rows.unwrap_or(usize::MAX);
    while left > 0 {
        let batch = records.batch(left.min(8192)).map_err(|e| e.error(path))?;
        let Some(batch) = batch else { break };
        for row in 0..batch.rows() {
            for (column, found) in found.iter_mut().enumerate() {
                if known[column] {
                    continue;
                }
                let value = batch.field(row, column);
                if !nulls.has(&value) {
                    found.see(&value, batch.place(row, column));
                }
            }
        }
        left -= batch.rows();
    }
    let mut looked = Looked {
        schema: Schema::empty(),
        text: Vec::new(),
        rounded: HashMap::new(),
    };
    let mut fields = Vec::with_capacity(names.len());
    for (name, found) in names.into_iter().zip(found) {
        let dtype = match types.get(name.as_str()) {
            Some(&dtype) => dtype.clone(),
            None => found.dtype().map_err(|(whole, part)| {
                Error::new(
                    ErrorKind::Decode,
                    format!(
                        "{}: column {name:?} has {part}, which is no whole number, and {whole}, which is another number as \
                         a float: set its type (column_type: Utf8 or Decimal128 keep both, Float64 rounds)",
                        path.display()
                    ),
                )
            })?,
        };
        let is_text = dtype == DataType::Utf8;
        let (text, whole) = found.into_notes();
        if let (true, Some(text)) = (is_text, text) {
            looked.text.push((name.clone(), text));
        }
        if let Some(whole) = whole {
            looked.rounded.insert(name.clone(), whole);
        }
        fields.push(Field::new(name, dtype, true));
    }
    looked.schema = Schema::new(fields);
    Ok(looked)
}

type Reader = Box<dyn std::io::Read + Send>;

/// The records of a file after its header, and the names of its columns.
fn begin(path: &Path, dialect: &Dialect) -> Result<(Records<Reader>, Vec<String>)> {
    let rules = Rules::new(&dialect.of(path));
    let (reader, place) = text::open(path)?;
    let mut records = Records::new(reader, rules.clone(), place, None);
    let width = |b: &super::records::Batch<'_>, w: usize| -> Vec<String> {
        (0..w).map(|c| b.field(0, c).into_owned()).collect()
    };
    let first = records.batch(1).map_err(|e| e.error(path))?;
    let Some(first) = first else {
        let what = if dialect.header {
            "it has no line that names its columns"
        } else {
            "it has no line"
        };
        let words = format!("{} is empty: {what}", path.display());
        return Err(Error::new(ErrorKind::Decode, words));
    };
    let count = first.width();
    if dialect.header {
        let header = width(&first, count);
        return Ok((records, names::of_header(header)));
    }
    // That record is a row.
    let (reader, place) = text::open(path)?;
    let records = Records::new(reader, rules, place, Some(count));
    Ok((records, names::without_header(count)))
}

fn names_of(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|f| f.name().as_str()).collect()
}

fn same_columns(first: &Path, have: &[&str], path: &Path, names: &[&str]) -> Result<()> {
    match difference(have, names) {
        None => Ok(()),
        Some(words) => Err(Error::bad_input(format!(
            "{} does not have the columns of {}: {words}",
            path.display(),
            first.display()
        ))),
    }
}

/// Where two lists of names differ.
fn difference(there: &[&str], here: &[&str]) -> Option<String> {
    if there == here {
        return None;
    }
    let at = there.iter().zip(here).position(|(x, y)| x != y);
    Some(match at {
        Some(i) => format!(
            "column {} is {:?} there and {:?} here",
            i + 1,
            there[i],
            here[i]
        ),
        None => format!("{} columns there and {} here", there.len(), here.len()),
    })
}

/// CSV files with one schema.
#[derive(Debug)]
pub(crate) struct CsvTable {
    schema: TableSchema,
    files: Vec<PathBuf>,
    /// The columns that folders name, and what they say of each file.
    folders: Folders,
    wire: Wire,
    /// The value for which a column is text.
    because: HashMap<String, (PathBuf, Text)>,
}

impl CsvTable {
    /// Which value makes a column text in which others are of another kind.
    pub(super) fn why_text(&self, column: &str) -> Option<String> {
        let (path, text) = self.because.get(column)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let line = line(path, text.place);
        Some(format!("'{}' in {name}:{line}", short(&text.value)))
    }

    /// The files in at most so many groups of neighbours, so that rows keep their order.
    fn groups(&self, partitions: usize) -> Result<Vec<FileGroup>> {
        let files = self
            .files
            .iter()
            .zip(&self.folders.values)
            .map(|(path, values)| {
                let meta = std::fs::metadata(path).map_err(|e| io(path, "it cannot be read", e))?;
                let modified = meta.modified().unwrap_or(std::time::UNIX_EPOCH);
                let file = PartitionedFile::new_from_meta(object_store::ObjectMeta {
                    location: sources::object_path(path)?,
                    last_modified: modified.into(),
                    size: meta.len(),
                    e_tag: None,
                    version: None,
                });
                Ok(file.with_partition_values(values.clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(in_order::groups(files, partitions))
    }

    /// Looks at the headers again: a file may have been written anew since the frame was made.
    fn check_columns(&self) -> Result<()> {
        let have = names_of(self.schema.file_schema());
        for path in &self.files {
            let (_, names) = begin(path, &self.wire.dialect)?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if let Some(words) = difference(&have, &names) {
                return Err(Error::bad_input(format!(
                    "{} has other columns now (here) than when the frame was made (there): {words}: read it again",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// The file that DataFusion means by that.
pub(super) fn local_path(path: &object_store::path::Path) -> Result<PathBuf> {
    object_store::local::LocalFileSystem::new()
        .path_to_filesystem(path)
        .map_err(|e| Error::bad_input(format!("{path} is not a file of this machine: {e}")))
}

#[async_trait]
impl TableProvider for CsvTable {
    fn schema(&self) -> SchemaRef {
        self.schema.table_schema().clone()
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
        self.check_columns().map_err(into_df)?;
        let source = CsvSource::new(self.schema.clone(), self.wire.clone());
        let groups = self
            .groups(state.config().target_partitions())
            .map_err(into_df)?;
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

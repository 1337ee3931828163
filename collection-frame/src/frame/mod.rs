//! The frame: a lazy table, built by calls or by SQL and computed by a session.

mod bridge;
mod compute;
mod describe;
mod explain;
mod group;
mod join;
mod query;
mod show;
mod sql;
mod verbs;
mod write;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::DataFrame;
use kvern_core::Result;

use crate::error::from_df;
use crate::plan::analyse;
use crate::read::{CsvOptions, ParquetOptions, Sources, csv_table, parquet_table};

pub use compute::Way;
pub use group::GroupBy;
pub use join::{JoinHow, JoinKeys};
pub use query::concat;
pub use sql::{sql, sql_with};
pub use verbs::Count;

/// A lazy table of named, typed columns. Each call gives a new frame and computes nothing; wrong names and types are told at once.
///
/// ```
/// use kvern_frame::{Frame, RecordBatch, arrow, col, functions::{avg, sum}, lit};
/// use std::sync::Arc;
/// let batch = RecordBatch::try_from_iter([
///     ("city", Arc::new(arrow::array::StringArray::from(vec!["Rome", "Oslo", "Rome"])) as arrow::array::ArrayRef),
///     ("rain", Arc::new(arrow::array::Float64Array::from(vec![1.0, 7.5, 2.0])) as arrow::array::ArrayRef),
/// ])?;
/// let rain = Frame::from_batches([batch])?
///     .filter(col("rain").gt(lit(0.5)))?
///     .groupby(["city"])
///     .agg([sum(col("rain")).alias("total"), avg(col("rain")).alias("mean")])?
///     .sort(["city"])?;
/// let batches = rain.reference()?; // or rain.compute()?
/// assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
///
/// let e = rain.filter(col("totl").gt(lit(1.0))).unwrap_err();
/// assert!(e.message().contains("did you mean \"total\"?"), "{e}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Rows and their order
/// A frame that only reads, selects, filters and computes columns keeps the order of its files, and `head` gives the first rows of it.
/// Grouping, joining and `distinct` do not keep an order; `sort` makes one.
///
/// # Nulls
/// A missing value is null, not NaN: `NaN` is a value of floating-point columns like any other. Aggregates leave nulls out.
///
/// There is one NaN, whatever its sign and bits, and one zero: `NaN` is equal to itself and above all numbers in comparisons, groups, joins,
/// sorts, `min` and `max`, as in DuckDB and PostgreSQL.
#[derive(Debug, Clone)]
pub struct Frame {
    plan: Arc<LogicalPlan>,
    way: Option<Way>,
    partitions: Option<usize>,
}

impl Frame {
    fn of_plan(plan: LogicalPlan) -> Self {
        Self {
            plan: Arc::new(plan),
            way: None,
            partitions: None,
        }
    }

    fn of_table(name: &str, table: Arc<dyn TableProvider>) -> Result<Self> {
        let plan = LogicalPlanBuilder::scan(name, provider_as_source(table), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(from_df)?;
        Ok(Self::of_plan(plan))
    }

    /// Parquet files: a path, a folder, a pattern such as `data/2013-*.parquet`, or a list of them. Columns that differ in type between
    /// files get the type that holds all; a column that a file lacks is null there.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// # let path = std::env::temp_dir().join(format!("kvern-read-parquet-{}.parquet", std::process::id()));
    /// use kvern_frame::Frame;
    /// sales.write_parquet(&path)?;
    /// assert_eq!(Frame::read_parquet(&path)?.columns(), sales.columns());
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Naming the file: [`ErrorKind::Io`](kvern_core::ErrorKind::Io) if it cannot be read,
    /// [`ErrorKind::Decode`](kvern_core::ErrorKind::Decode) if it is not a whole Parquet file,
    /// [`ErrorKind::BadInput`](kvern_core::ErrorKind::BadInput) if no type holds what files have in a column.
    pub fn read_parquet(sources: impl Into<Sources>) -> Result<Self> {
        Self::read_parquet_with(sources, &ParquetOptions::default())
    }

    /// [`Frame::read_parquet`] with types for columns whose files do not agree, or are to be read as something else.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// # let path = std::env::temp_dir().join(format!("kvern-read-parquet-with-{}.parquet", std::process::id()));
    /// use kvern_frame::{DataType, Frame, ParquetOptions};
    /// sales.write_parquet(&path)?;
    /// let options = ParquetOptions::new().column_type("day", DataType::Utf8);
    /// assert_eq!(Frame::read_parquet_with(&path, &options)?.schema().field(1).data_type(), &DataType::Utf8);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::read_parquet`], and [`ErrorKind::BadInput`](kvern_core::ErrorKind::BadInput) if a column does not exist or cannot be read
    /// as that type.
    pub fn read_parquet_with(
        sources: impl Into<Sources>,
        options: &ParquetOptions,
    ) -> Result<Self> {
        Self::of_table("parquet", parquet_table(&sources.into(), options)?)
    }

    /// CSV files with a header and commas (tabs where the name ends with `.tsv` or `.tab`), packed with gzip or not: see
    /// [`Frame::read_csv_with`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-read-csv-{}.csv", std::process::id()));
    /// use kvern_frame::Frame;
    /// std::fs::write(&path, "city,amount\nOslo,2.5\nRome,NA\n")?;
    /// let sales = Frame::read_csv(&path)?;
    /// assert_eq!((sales.columns(), sales.count()?.reference()?), (vec!["city".into(), "amount".into()], 2));
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::read_csv_with`].
    pub fn read_csv(sources: impl Into<Sources>) -> Result<Self> {
        Self::read_csv_with(sources, &CsvOptions::default())
    }

    /// CSV files: a path, a folder, a pattern, or a list. Types are found from the first rows of every file and widen across files; a
    /// value further down that does not fit its column is an error when the frame is computed, naming file, line, column and value, and
    /// so is a row with another number of fields or a quote that is never closed. Nothing is cut to fit: neither a time of day to a date,
    /// nor a zone, nor digits. Quoted fields may hold line ends: files are cut for several tasks at ends of rows only, which takes one
    /// look through the file for quotes. A file whose last value was cut off cannot be told from a whole one.
    ///
    /// Of a header, a name that is empty is `column_3`, after its place, and one that was there before is `a_1`.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kvern-read-csv-with-{}.csv", std::process::id()));
    /// use kvern_frame::{CsvOptions, DataType, Frame};
    /// std::fs::write(&path, "zip;price\n00501;2.5\n")?;
    /// let options = CsvOptions::new().delimiter(b';').column_type("zip", DataType::Utf8);
    /// assert_eq!(Frame::read_csv_with(&path, &options)?.schema().field(0).data_type(), &DataType::Utf8);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Naming the file: [`ErrorKind::Io`](kvern_core::ErrorKind::Io) if it cannot be read,
    /// [`ErrorKind::Decode`](kvern_core::ErrorKind::Decode) with the line if a row has another number of fields,
    /// [`ErrorKind::BadInput`](kvern_core::ErrorKind::BadInput) if files have other columns than the first.
    pub fn read_csv_with(sources: impl Into<Sources>, options: &CsvOptions) -> Result<Self> {
        Self::of_table("csv", csv_table(&sources.into(), options)?)
    }

    /// The columns: names, types, and whether they may hold nulls.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::DataType;
    /// assert_eq!(sales.schema().field(2).data_type(), &DataType::Float64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn schema(&self) -> SchemaRef {
        Arc::new(self.plan.schema().as_arrow().clone())
    }

    /// The names of the columns, in order.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.columns(), ["city", "day", "amount"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn columns(&self) -> Vec<String> {
        let fields = self.plan.schema().fields().iter();
        fields.map(|f| f.name().clone()).collect()
    }

    /// The logical plan, for those who work with DataFusion directly.
    pub fn logical_plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// A frame of a DataFusion plan, whose columns must have different names. What is wrong with its types is told when it is computed.
    pub fn from_logical_plan(plan: LogicalPlan) -> Self {
        let typed = analyse::whole(plan.clone());
        Self::of_plan(typed.unwrap_or(plan))
    }

    /// The frame that DataFusion's builder makes of this one, with the types that it has when it is computed. The builder sees a leaf with
    /// this frame's columns.
    fn with(
        &self,
        f: impl FnOnce(DataFrame) -> datafusion::common::Result<DataFrame>,
    ) -> Result<Self> {
        let leaf = analyse::leaf(&self.plan);
        let frame = DataFrame::new(crate::plan::base().clone(), leaf.clone());
        let plan = f(frame)
            .and_then(|f| analyse::step(f.into_unoptimized_plan(), &[(&leaf, self.plan.as_ref())]));
        Ok(self.with_plan(plan.map_err(from_df)?))
    }

    /// The frame that a builder makes of this one and another, as [`Frame::with`].
    fn with_other(
        &self,
        other: &Self,
        f: impl FnOnce(LogicalPlan, LogicalPlan) -> datafusion::common::Result<LogicalPlan>,
    ) -> Result<Self> {
        let leaves = [self, other].map(|f| analyse::leaf(&f.plan));
        let [a, b] = &leaves;
        let plan = f(a.clone(), b.clone())
            .and_then(|plan| analyse::step(plan, &[(a, &self.plan), (b, &other.plan)]));
        Ok(self.with_plan(plan.map_err(from_df)?))
    }

    fn with_plan(&self, plan: LogicalPlan) -> Self {
        Self {
            plan: Arc::new(plan),
            ..self.clone()
        }
    }

    /// Rows of some batches, for messages and tests.
    pub(crate) fn rows(batches: &[RecordBatch]) -> usize {
        batches.iter().map(RecordBatch::num_rows).sum()
    }
}

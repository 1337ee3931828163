//! Frames for kvern: partitioned Arrow tables, planned and run by DataFusion.
//!
//! Where to look: [`Frame`] is the lazy table (`frame`), a DataFusion logical plan. How it is run is [`Way`]: as one streaming query of
//! this process (`engine`), or cut at its exchanges (`cut`) into tasks (`ops`) that any scheduler runs; or handed whole to an engine that a
//! backend has ([`backend`]). What kvern does to plans beside DataFusion is in `plan`. Files are read in `read`, and `value` says what the tasks pass to each other.
//!
//! ```
//! use kvern_frame::{Frame, col, functions::avg, lit};
//!
//! # let path = std::env::temp_dir().join(format!("kvern-front-{}.csv", std::process::id()));
//! std::fs::write(&path, "carrier,delay\nUA,2\nUA,40\nAA,NA\n")?;
//! let late = Frame::read_csv(&path)?
//!     .filter(col("delay").gt(lit(1)))?
//!     .groupby("carrier")
//!     .agg([avg(col("delay")).alias("delay")])?;
//! assert_eq!(late.count()?.reference()?, 1); // with a backend linked: `late.show(5)?`
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod backend;
mod codec;
mod columns;
mod compare;
mod cut;
mod engine;
mod error;
mod frame;
mod function;
mod ops;
mod parts;
mod plan;
mod read;
mod replace;
mod value;

pub use columns::{Columns, Names, SortKeys, col};
#[doc(hidden)]
pub use engine::batch_rows;
pub use frame::{Count, Frame, GroupBy, JoinHow, JoinKeys, Way, concat, sql, sql_with};
pub use function::Function;
pub use read::{CsvOptions, ParquetOptions, Sources};

pub use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
pub use arrow::record_batch::RecordBatch;
/// DataFusion's expressions: what columns are computed with.
pub use datafusion::logical_expr::{Expr, ExprFunctionExt, SortExpr, cast, lit, when};

/// Functions of expressions, DataFusion's own: aggregates, windows, text, time and mathematics.
pub mod functions {
    pub use datafusion::functions::expr_fn::*;
    pub use datafusion::functions_aggregate::expr_fn::*;
    pub use datafusion::functions_window::expr_fn::{
        cume_dist, dense_rank, lag, lead, ntile, percent_rank, rank, row_number,
    };
}

/// The arrow crate that frames are made of, for those who take batches apart.
pub use arrow;

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

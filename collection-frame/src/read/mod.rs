//! Files as tables: which files a path means, what columns they have together, and how they are read.

pub(crate) mod csv;
mod hive;
mod in_order;
mod parquet;
mod sources;
mod widen;

pub use csv::CsvOptions;
pub(crate) use csv::csv_table;
pub use parquet::ParquetOptions;
pub(crate) use parquet::parquet_table;
pub use sources::Sources;

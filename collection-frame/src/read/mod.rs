//! Files as tables: which files a path means, what columns they have together, and how they are read.

mod csv;
mod csv_file;
pub(crate) mod csv_source;
mod parquet;
mod sources;
mod widen;

pub use csv::CsvOptions;
pub(crate) use csv::csv_table;
pub(crate) use parquet::parquet_table;
pub use sources::Sources;

//! CSV files: a reader of our own, since what others do silently is told here. DataFusion's knows null values only while it looks for
//! types; arrow's cuts a timestamp to the day for a column of dates, drops zones and digits, takes an open quote for a long value, and says
//! neither file nor line; both cut files at line ends within quotes.
//!
//! From the file up: `text` opens it, `cuts` finds where it may be cut, `records` finds its fields, `names` are its columns' names, `infer`
//! finds their types, `values` reads single values, `build` makes columns, and `source` is all that as DataFusion scans it; `why` tells of a column why it is text. `wrong` says in
//! which line what is wrong.

mod build;
mod cuts;
mod infer;
mod names;
mod nulls;
mod options;
mod records;
pub(crate) mod source;
mod table;
mod text;
mod values;
mod why;
mod wrong;

#[cfg(test)]
mod oracle;

pub use options::CsvOptions;
pub(crate) use table::csv_table;
pub(crate) use why::{why_text, with_reason};

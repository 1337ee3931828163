//! What is in the columns of a frame, in one row a column.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::functions_aggregate::expr_fn::{avg, count, max, median, min, stddev};
use datafusion::logical_expr::{Expr, cast};
use kvern_core::{Error, ErrorKind, Result, Session};

use super::Frame;
use crate::columns::col;
use crate::error::from_df;

const MEASURES: [&str; 7] = ["count", "nulls", "mean", "std", "min", "median", "max"];

impl Frame {
    /// Count, nulls, mean, standard deviation, minimum, median and maximum of each column, as text: what pandas and Polars call
    /// `describe`. Of a column of a CSV file that is text though some of its values are numbers, the type names the first one that is none.
    /// Computed in the current session, in one pass over the frame.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// # use kvern_scheduler_local as _;
    /// let about = sales.describe()?;
    /// assert_eq!(about.columns(), ["column", "type", "count", "nulls", "mean", "std", "min", "median", "max"]);
    /// println!("{}", about.table(10, 100)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn describe(&self) -> Result<Self> {
        self.describe_in(&Session::current()?)
    }

    /// [`Frame::describe`] in a session.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn describe_in(&self, session: &Session) -> Result<Self> {
        let schema = self.schema();
        let mut exprs: Vec<Expr> = Vec::new();
        for (i, f) in schema.fields().iter().enumerate() {
            let (c, t) = (|| col(f.name().clone()), f.data_type());
            let null = Expr::IsNull(Box::new(c()));
            let nulls = datafusion::functions_aggregate::expr_fn::sum(cast(null, DataType::Int64));
            let mut all = vec![count(c()), nulls];
            if t.is_numeric() {
                all.extend([avg(c()), stddev(c())]);
            }
            let ordered = t.is_numeric() || t.is_temporal() || t.is_string();
            if ordered {
                all.extend([min(c()), max(c())]);
            }
            if t.is_numeric() {
                all.push(median(c()));
            }
            let names: &[&str] = match (t.is_numeric(), ordered) {
                (true, _) => &["count", "nulls", "mean", "std", "min", "max", "median"],
                (false, true) => &["count", "nulls", "min", "max"],
                (false, false) => &["count", "nulls"],
            };
            exprs.extend(
                all.into_iter()
                    .zip(names)
                    .map(|(e, n)| e.alias(format!("{i}.{n}"))),
            );
        }
        let batches = session.compute(&self.agg(exprs)?)?;
        let row = batches
            .iter()
            .find(|b| b.num_rows() == 1)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "an aggregate gave no row"))?;
        let options = FormatOptions::default().with_null("null");
        let cell = |i: usize, measure: &str| -> Result<Option<String>> {
            let Some(column) = row.column_by_name(&format!("{i}.{measure}")) else {
                return Ok(None);
            };
            let f = ArrayFormatter::try_new(column.as_ref(), &options)
                .map_err(|e| from_df(e.into()))?;
            Ok(Some(f.value(0).to_string()))
        };
        let n = schema.fields().len();
        let names = schema.fields().iter().map(|f| f.name().clone());
        let types = schema.fields().iter().map(|f| {
            let dtype = f.data_type();
            let why = dtype
                .is_string()
                .then(|| crate::read::csv::why_text(&self.plan, f.name()));
            match why.flatten() {
                Some(why) => format!("{dtype} ({why})"),
                None => dtype.to_string(),
            }
        });
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("column", Arc::new(StringArray::from_iter_values(names))),
            ("type", Arc::new(StringArray::from_iter_values(types))),
        ];
        for measure in MEASURES {
            let cells = (0..n)
                .map(|i| cell(i, measure))
                .collect::<Result<Vec<_>>>()?;
            columns.push((measure, Arc::new(StringArray::from_iter(cells))));
        }
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(n, c)| (n, c, true)),
        )
        .map_err(|e| from_df(e.into()))?;
        Self::from_batches([batch])
    }
}

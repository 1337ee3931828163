//! Grouping: rows with equal keys as one.

use datafusion::logical_expr::Expr;
use kvern_core::Result;

use super::Frame;
use crate::columns::Columns;
use crate::plan::aggregate;
use crate::plan::names::named;
use crate::read::csv::with_reason;

/// A frame whose rows are grouped by some columns; [`GroupBy::agg`] says what becomes of each group.
#[derive(Debug, Clone)]
pub struct GroupBy {
    frame: Frame,
    keys: Vec<Expr>,
}

impl Frame {
    /// Groups the rows by these columns: names or expressions. A null key is a group of its own.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, functions::sum, lit};
    /// let by_city = sales.groupby("city").agg([sum(col("amount"))])?; // or `["city", "day"]`
    /// assert_eq!(by_city.count()?.reference()?, 2);
    /// let by_parity = sales.groupby((col("day") % lit(2)).alias("odd")).count()?; // or by what is computed
    /// assert_eq!(by_parity.columns(), ["odd", "count"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn groupby(&self, keys: impl Columns) -> GroupBy {
        GroupBy {
            frame: self.clone(),
            keys: keys.exprs(),
        }
    }

    /// Aggregates of all rows, as a frame of one row.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, functions::{avg, max}};
    /// let all = sales.agg([avg(col("amount")).alias("mean"), max(col("day")).alias("last")])?;
    /// assert_eq!((all.columns(), all.count()?.reference()?), (vec!["mean".into(), "last".into()], 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`GroupBy::agg`].
    pub fn agg(&self, aggregates: impl Columns) -> Result<Self> {
        self.aggregated(Vec::new(), aggregates.exprs())
    }

    fn aggregated(&self, keys: Vec<Expr>, aggregates: Vec<Expr>) -> Result<Self> {
        let schema = self.plan.schema();
        if let Some(e) = aggregates
            .iter()
            .find_map(|a| aggregate::mistake(a, schema))
        {
            return Err(with_reason(e, &self.plan));
        }
        let aggregates = aggregates.into_iter().map(named).collect();
        let keys = keys.into_iter().map(named).collect();
        self.with(|f| f.aggregate(keys, aggregates))
    }
}

impl GroupBy {
    /// One row a group: the keys, then the aggregates, such as `sum(col("x")).alias("total")` of
    /// [`functions`](crate::functions). An aggregate without an `alias` is named as it reads: `sum(x)`.
    ///
    /// The sum of whole numbers is a whole number of 64 bits that wraps around beyond them, as in NumPy and pandas; `sum(cast(col("x"),
    /// DataType::Float64))`, or a decimal, has room for more.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, functions::{count, sum}, lit};
    /// let by_city = sales.groupby("city").agg([
    ///     count(lit(1)).alias("rows"),
    ///     count(col("amount")).alias("known"), // rows where it is not null
    ///     sum(col("amount")),
    /// ])?;
    /// assert_eq!(by_city.columns(), ["city", "rows", "known", "sum(amount)"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A column that does not exist, with the nearest name; an expression that is not an aggregate; an aggregate that does not take the type
    /// of its column.
    pub fn agg(&self, aggregates: impl Columns) -> Result<Frame> {
        self.frame.aggregated(self.keys.clone(), aggregates.exprs())
    }

    /// How many rows each group has, as column `count`.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.groupby("city").count()?.columns(), ["city", "count"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`GroupBy::agg`].
    pub fn count(&self) -> Result<Frame> {
        use datafusion::functions_aggregate::expr_fn::count;
        self.agg([count(datafusion::logical_expr::lit(1i64)).alias("count")])
    }
}

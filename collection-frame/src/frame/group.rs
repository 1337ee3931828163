//! Grouping: rows with equal keys as one.

use datafusion::logical_expr::Expr;
use kvern_core::Result;

use super::Frame;
use super::columns::Columns;
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
    pub fn groupby(&self, keys: impl Columns) -> GroupBy {
        GroupBy {
            frame: self.clone(),
            keys: keys.exprs(),
        }
    }

    /// Aggregates of all rows, as a frame of one row.
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
    /// # Errors
    /// A column that does not exist, with the nearest name; an expression that is not an aggregate; an aggregate that does not take the type
    /// of its column.
    pub fn agg(&self, aggregates: impl Columns) -> Result<Frame> {
        self.frame.aggregated(self.keys.clone(), aggregates.exprs())
    }

    /// How many rows each group has, as column `count`.
    ///
    /// # Errors
    /// As [`GroupBy::agg`].
    pub fn count(&self) -> Result<Frame> {
        use datafusion::functions_aggregate::expr_fn::count;
        self.agg([count(datafusion::logical_expr::lit(1i64)).alias("count")])
    }
}

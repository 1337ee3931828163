//! Grouping: rows with equal keys as one.

use datafusion::logical_expr::Expr;
use kvern_core::Result;

use super::Frame;
use super::columns::Columns;

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
        self.with(|f| f.aggregate(Vec::new(), aggregates.exprs()))
    }
}

impl GroupBy {
    /// One row a group: the keys, then the aggregates, such as `sum(col("x")).alias("total")` of
    /// [`functions`](crate::functions).
    ///
    /// # Errors
    /// A column that does not exist, with the nearest name; an expression that is not an aggregate.
    pub fn agg(&self, aggregates: impl Columns) -> Result<Frame> {
        let keys = self.keys.clone();
        self.frame.with(|f| f.aggregate(keys, aggregates.exprs()))
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

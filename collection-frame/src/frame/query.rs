//! What frames are made into: columns chosen and computed, rows chosen and ordered.

use std::borrow::Borrow;
use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use kvern_core::{Error, Result};

use super::Frame;
use crate::columns::{Columns, Names, SortKeys, col};
use crate::error::no_column;
use crate::plan::names::{named, plain};

/// The rows of several frames (or of references to them), one frame after another. Columns go together by name, whatever their order, and must be
/// the same ones, which are in the order of the first frame; those of different types get the type that holds both, as a float holds
/// whole numbers.
///
/// ```
/// use kvern_frame::{Frame, RecordBatch, arrow, concat};
/// use std::sync::Arc;
/// let x = Arc::new(arrow::array::Int64Array::from(vec![1, 2, 3])) as arrow::array::ArrayRef;
/// let t = Frame::from_batches([RecordBatch::try_from_iter([("x", x)])?])?;
/// assert_eq!(concat(&[&t, &t, &t])?.count()?.reference()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// No frame; a column that only one of two has; types that do not go together.
pub fn concat<F: Borrow<Frame>>(frames: &[F]) -> Result<Frame> {
    let (first, rest) = frames
        .split_first()
        .ok_or_else(|| Error::bad_input("concat of no frames: it has no columns"))?;
    rest.iter().try_fold(first.borrow().clone(), |all, next| {
        all.followed_by(next.borrow())
    })
}

impl Frame {
    /// The given columns and no others, in that order: names or expressions. An expression is named as it reads (`sum(x)`,
    /// `x + Int64(1)`), unless it says [`alias`](Expr::alias).
    ///
    /// Whole numbers that grow beyond their type wrap around, as in NumPy and pandas; cast to a wider type, or to a float, where that can
    /// be.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, lit};
    /// let some = sales.select([col("city"), (col("amount") * lit(1.25)).alias("gross")])?;
    /// assert_eq!(some.columns(), ["city", "gross"]);
    /// assert_eq!(sales.select(["city", "day"])?.columns(), ["city", "day"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A column that does not exist, with the nearest name; two of one name; types that do not go together.
    pub fn select(&self, columns: impl Columns) -> Result<Self> {
        self.with(|f| f.select(columns.exprs().into_iter().map(named)))
    }

    /// The rows for which the condition is true: neither false nor null.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, lit};
    /// let first = sales.filter(col("day").eq(lit(1)).and(col("amount").gt(lit(3))))?;
    /// assert_eq!(first.count()?.reference()?, 1);
    /// assert_eq!(sales.filter(col("amount").gt(lit(0)))?.count()?.reference()?, 2); // null is not more than 0
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::select`]; a condition that is not a boolean.
    pub fn filter(&self, condition: Expr) -> Result<Self> {
        self.with(|f| f.filter(condition))
    }

    /// One more column, or another in the place of the one of that name.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, lit};
    /// let more = sales.with_column("gross", col("amount") * lit(1.25))?;
    /// assert_eq!(more.columns(), ["city", "day", "amount", "gross"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::select`].
    pub fn with_column(&self, name: &str, value: Expr) -> Result<Self> {
        self.with(|f| f.with_column(name, value))
    }

    /// Several more columns, each computed from those before the call.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::{col, functions::upper, lit};
    /// let other = sales.with_columns([upper(col("city")).alias("city"), (col("day") + lit(1)).alias("next")])?;
    /// assert_eq!(other.columns(), ["city", "day", "amount", "next"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::select`].
    pub fn with_columns(&self, columns: impl Columns) -> Result<Self> {
        let new = columns.exprs();
        let names: Vec<String> = new.iter().map(plain).collect();
        let mut all: Vec<Expr> = self.columns().into_iter().map(col).collect();
        for (expr, name) in new.into_iter().zip(names) {
            match self.columns().iter().position(|c| *c == name) {
                Some(i) => all[i] = expr,
                None => all.push(expr),
            }
        }
        self.select(all)
    }

    /// The columns under other names: pairs of old and new.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.rename([("amount", "paid")])?.columns(), ["city", "day", "paid"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An old name that does not exist; a new one that does.
    pub fn rename<'a>(&self, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let have = self.columns();
        let new: HashMap<&str, &str> = names.into_iter().collect();
        if let Some(missing) = new.keys().find(|o| !have.iter().any(|c| c == *o)) {
            return Err(no_column(
                missing,
                have.iter().map(String::as_str).collect(),
            ));
        }
        let exprs: Vec<Expr> = have
            .iter()
            .map(|c| match new.get(c.as_str()) {
                Some(n) => col(c.clone()).alias(*n),
                None => col(c.clone()),
            })
            .collect();
        self.select(exprs)
    }

    /// Without a column, or several: `"a"`, `["a", "b"]`.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.drop(["day", "amount"])?.columns(), ["city"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A name that does not exist.
    pub fn drop(&self, names: impl Names) -> Result<Self> {
        let have = self.columns();
        let gone = names.names();
        if let Some(missing) = gone.iter().find(|n| !have.contains(n)) {
            return Err(no_column(
                missing,
                have.iter().map(String::as_str).collect(),
            ));
        }
        let kept: Vec<String> = have.into_iter().filter(|c| !gone.contains(c)).collect();
        self.select(kept)
    }

    /// The rows in order: by column names (ascending, nulls last), or `col("x").sort(ascending, nulls_first)`. Rows that are equal in
    /// all of them are in no order.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::col;
    /// let by_city = sales.sort(["city", "day"])?;
    /// let largest = sales.sort([col("amount").sort(false, false)])?; // descending, nulls last
    /// assert_eq!(largest.head(1)?.reference()?[0].num_rows(), 1);
    /// # assert_eq!(by_city.count()?.reference()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::select`].
    pub fn sort(&self, by: impl SortKeys) -> Result<Self> {
        self.with(|f| f.sort(by.sort_exprs()))
    }

    /// The first `n` rows.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.head(2)?.count()?.reference()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// None today; adding it to a plan can fail in principle.
    pub fn head(&self, n: usize) -> Result<Self> {
        self.limit(n)
    }

    /// The first `n` rows: the same as [`Frame::head`], under SQL's name.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.limit(2)?.count()?.reference()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::head`].
    pub fn limit(&self, n: usize) -> Result<Self> {
        self.slice(0, n)
    }

    /// `n` rows after leaving `skip` out.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.slice(1, 5)?.count()?.reference()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::head`].
    pub fn slice(&self, skip: usize, n: usize) -> Result<Self> {
        self.with(|f| f.limit(skip, Some(n)))
    }

    /// Each row that occurs, once.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// assert_eq!(sales.select("city")?.distinct()?.count()?.reference()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Frame::head`].
    pub fn distinct(&self) -> Result<Self> {
        self.with(datafusion::prelude::DataFrame::distinct)
    }

    /// The rows of this frame, then those of the other. Columns go together by name, whatever their order, and must be the same ones; those
    /// of different types get the type that holds both, as a float holds whole numbers.
    ///
    /// # Errors
    /// A column that only one of them has; types that do not go together.
    fn followed_by(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.columns(), other.columns());
        let lacks = |here: &[String], there: &[String], first: &str, second: &str| {
            let name = here.iter().find(|c| !there.contains(c))?;
            Some(Error::bad_input(format!(
                "column {name:?} is in the {first} frame and not in the {second}, which has: {} (rename or select before they are put \
                 together)",
                there.join(", ")
            )))
        };
        if let Some(e) =
            lacks(&a, &b, "first", "second").or_else(|| lacks(&b, &a, "second", "first"))
        {
            return Err(e);
        }
        self.with_other(other, |left, right| {
            let columns: Vec<Expr> = a
                .iter()
                .map(|name| right.schema().qualified_field_with_unqualified_name(name))
                .map(|field| Ok(Expr::Column(Column::from(field?))))
                .collect::<datafusion::common::Result<_>>()?;
            let right = match a == b {
                true => right,
                false => LogicalPlanBuilder::from(right).project(columns)?.build()?,
            };
            LogicalPlanBuilder::from(left).union(right)?.build()
        })
    }

    /// How many rows there are, as a frame of one row and one column `count`.
    pub(super) fn counted(&self) -> Result<Self> {
        use datafusion::functions_aggregate::expr_fn::count;
        let one = datafusion::logical_expr::lit(1i64);
        self.with(|f| f.aggregate(Vec::new(), vec![count(one).alias("count")]))
    }
}

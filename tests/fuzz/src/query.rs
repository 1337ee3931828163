//! Queries as trees: what is generated, written as SQL or as calls, and made smaller when it fails.

use crate::value::{Ty, Val};

/// What is known of the values of a column or an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The least and greatest values: of whole numbers, of the digits of decimals, of floats rounded away from zero. `None`: nothing is
    /// known, so nothing is computed that could overflow.
    pub range: Option<(i128, i128)>,
    /// Floats that are quarters of whole numbers: their sums are exact in any order. NaN and infinities may be among them.
    pub exact: bool,
    /// The last bits are nobody's business: such values are shown, and nothing is decided by them.
    pub fuzzy: bool,
}

impl Facts {
    /// Nothing is known.
    pub const NONE: Self = Self {
        range: None,
        exact: false,
        fuzzy: false,
    };

    /// Values of a range.
    pub fn range(low: i128, high: i128) -> Self {
        Self {
            range: Some((low, high)),
            ..Self::NONE
        }
    }
}

/// A column of a table or of a query in it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Column {
    pub name: String,
    pub ty: Ty,
    pub facts: Facts,
}

/// An expression with its type.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Expr {
    pub kind: Kind,
    pub ty: Ty,
    pub facts: Facts,
}

/// What an expression is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A column of the input, or of a query around this one.
    Col(String),
    /// A value, written with its type.
    Lit(Val),
    /// An operation of [`crate::ops`], by its name there.
    Call(&'static str, Vec<Expr>),
    /// To the type of the expression.
    Cast(Box<Expr>),
    /// Conditions and values; else.
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// One of a list, or not.
    In(Box<Expr>, Vec<Expr>, bool),
    /// One of the rows of a query with one column, or not.
    InRows(Box<Expr>, Box<Rel>, bool),
    /// Whether a query has rows, or not.
    Exists(Box<Rel>, bool),
    /// The only value of a query of one row and one column.
    Scalar(Box<Rel>),
}

/// An aggregate.
#[derive(Debug, Clone)]
pub struct Agg {
    /// A name of [`crate::ops::AGGREGATES`].
    pub op: &'static str,
    /// None for `count(*)`.
    pub args: Vec<Expr>,
    /// Each value once.
    pub distinct: bool,
    /// The rows that count.
    pub filter: Option<Expr>,
    /// The order that it depends on.
    pub order: Vec<Key>,
    /// Of the result.
    pub ty: Ty,
    /// Of the result.
    pub facts: Facts,
}

/// A key of an order.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Key {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A function over a window.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Win {
    pub agg: Agg,
    pub ignore_nulls: bool,
    pub partition: Vec<Expr>,
    pub order: Vec<Key>,
    pub frame: Option<Frame>,
}

/// The rows of a window that a function sees.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Frame {
    pub unit: &'static str,
    pub from: Bound,
    pub to: Bound,
}

/// One end of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Bound {
    Start,
    Preceding(u32),
    Current,
    Following(u32),
    End,
}

/// Which rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum How {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
    Cross,
}

/// Which groups are made of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Sets {
    Plain,
    Rollup,
    Cube,
    Listed(Vec<Vec<usize>>),
}

/// A query. All names of columns in it are different, so that none needs to say whose it is.
#[derive(Debug, Clone)]
pub enum Rel {
    /// Columns of a table under new names.
    Scan {
        /// The number of the table.
        table: usize,
        /// Names there, and the columns here.
        columns: Vec<(String, Column)>,
    },
    /// The rows for which the condition is true.
    Filter(Box<Self>, Expr),
    /// Columns computed from columns.
    Project(Box<Self>, Vec<(String, Expr)>),
    /// Groups and their aggregates.
    Group {
        /// The rows.
        input: Box<Self>,
        /// Names and keys.
        keys: Vec<(String, Expr)>,
        /// Which groups.
        sets: Sets,
        /// Names and aggregates.
        aggs: Vec<(String, Agg)>,
        /// The groups that stay.
        having: Option<Expr>,
    },
    /// The input with more columns.
    Window(Box<Self>, Vec<(String, Win)>),
    /// Two inputs side by side.
    Join {
        /// One.
        left: Box<Self>,
        /// The other.
        right: Box<Self>,
        /// Which rows.
        how: How,
        /// `None` for a cross join.
        on: Option<Expr>,
    },
    /// Two inputs of the same types, under the names of the first.
    Set {
        /// One.
        left: Box<Self>,
        /// The other.
        right: Box<Self>,
        /// UNION, INTERSECT or EXCEPT.
        op: &'static str,
        /// Rows count as often as they come.
        all: bool,
    },
    /// Each row once.
    Distinct(Box<Self>),
    /// Rows in order; so many of them after leaving out so many.
    Sort(Box<Self>, Vec<Key>, Option<(u64, u64)>),
    /// The rows with the items of a list as one more column, a row for each.
    Unnest(Box<Self>, String, Column),
}

impl Rel {
    /// The columns that come out.
    pub fn columns(&self) -> Vec<Column> {
        let of = |items: &[(String, Expr)]| -> Vec<Column> {
            items.iter().map(|(name, e)| e.column(name)).collect()
        };
        match self {
            Self::Scan { columns, .. } => columns.iter().map(|c| c.1.clone()).collect(),
            Self::Filter(input, _) | Self::Distinct(input) | Self::Sort(input, ..) => {
                input.columns()
            }
            Self::Project(_, items) => of(items),
            Self::Group { keys, aggs, .. } => {
                let aggs = aggs.iter().map(|(name, a)| Column {
                    name: name.clone(),
                    ty: a.ty.clone(),
                    facts: a.facts,
                });
                of(keys).into_iter().chain(aggs).collect()
            }
            Self::Window(input, items) => {
                let mut all = input.columns();
                all.extend(items.iter().map(|(name, w)| Column {
                    name: name.clone(),
                    ty: w.agg.ty.clone(),
                    facts: w.agg.facts,
                }));
                all
            }
            Self::Join {
                left, right, how, ..
            } => {
                let mut all = left.columns();
                if !matches!(how, How::Semi | How::Anti) {
                    all.extend(right.columns());
                }
                all
            }
            Self::Set { left, .. } => left.columns(),
            Self::Unnest(input, _, item) => {
                let mut all = input.columns();
                all.push(item.clone());
                all
            }
        }
    }

    /// The inputs, subqueries of expressions apart.
    pub fn inputs(&self) -> Vec<&Self> {
        match self {
            Self::Scan { .. } => vec![],
            Self::Filter(input, _)
            | Self::Distinct(input)
            | Self::Sort(input, ..)
            | Self::Project(input, _)
            | Self::Group { input, .. }
            | Self::Window(input, _)
            | Self::Unnest(input, ..) => vec![input],
            Self::Join { left, right, .. } | Self::Set { left, right, .. } => vec![left, right],
        }
    }
}

impl Expr {
    /// A column of that name and the type of the expression.
    pub fn column(&self, name: &str) -> Column {
        Column {
            name: name.to_owned(),
            ty: self.ty.clone(),
            facts: self.facts,
        }
    }

    /// That column.
    pub fn of(column: &Column) -> Self {
        Self {
            kind: Kind::Col(column.name.clone()),
            ty: column.ty.clone(),
            facts: column.facts,
        }
    }

    /// A call.
    pub fn call(op: &'static str, args: Vec<Self>, ty: Ty, facts: Facts) -> Self {
        Self {
            kind: Kind::Call(op, args),
            ty,
            facts,
        }
    }

    /// A value of that type.
    pub fn lit(value: Val, ty: Ty) -> Self {
        let facts = match &value {
            Val::Int(n) | Val::Dec(n, _) => Facts::range(*n, *n),
            Val::Float(x) if x.abs() < 1e6 && x * 4.0 == (x * 4.0).trunc() => Facts {
                exact: true,
                ..Facts::range(x.floor() as i128, x.ceil() as i128)
            },
            _ => Facts::NONE,
        };
        Self {
            kind: Kind::Lit(value),
            ty,
            facts,
        }
    }
}

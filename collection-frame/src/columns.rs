//! Naming columns: by name or by expression, one or several.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, SortExpr};

/// The column of that name, exactly as it is written: case and dots count. (DataFusion's own `col` lowers the case.)
///
/// ```
/// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
/// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
/// use kvern_frame::{col, lit};
/// assert_eq!(sales.filter(col("amount").gt(lit(3)))?.count()?.reference()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn col(name: impl Into<String>) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// One column or several, by name or as expressions: `"a"`, `["a", "b"]`, `[col("a") + lit(1)]`, a `Vec` or a slice of them.
pub trait Columns {
    /// As expressions, in order.
    fn exprs(self) -> Vec<Expr>;
}

/// What stands for one column.
trait One {
    fn expr(self) -> Expr;
}

impl One for Expr {
    fn expr(self) -> Expr {
        self
    }
}

impl One for &Expr {
    fn expr(self) -> Expr {
        self.clone()
    }
}

impl One for &str {
    fn expr(self) -> Expr {
        col(self)
    }
}

impl One for String {
    fn expr(self) -> Expr {
        col(self)
    }
}

impl One for &String {
    fn expr(self) -> Expr {
        col(self)
    }
}

macro_rules! columns {
    ($($t:ty),*) => { $(
        impl Columns for $t {
            fn exprs(self) -> Vec<Expr> {
                vec![One::expr(self)]
            }
        }

        impl<const N: usize> Columns for [$t; N] {
            fn exprs(self) -> Vec<Expr> {
                self.into_iter().map(One::expr).collect()
            }
        }

        impl Columns for Vec<$t> {
            fn exprs(self) -> Vec<Expr> {
                self.into_iter().map(One::expr).collect()
            }
        }
    )* };
}
columns!(Expr, &str, String, &String, &Expr);

macro_rules! slices {
    ($($t:ty),*) => { $(
        impl Columns for &[$t] {
            fn exprs(self) -> Vec<Expr> {
                self.iter().map(|x| x.clone().expr()).collect()
            }
        }

        impl<const N: usize> Columns for &[$t; N] {
            fn exprs(self) -> Vec<Expr> {
                self.as_slice().exprs()
            }
        }

        impl Columns for &Vec<$t> {
            fn exprs(self) -> Vec<Expr> {
                self.as_slice().exprs()
            }
        }
    )* };
}
slices!(Expr, &str, String, &String);

/// A name, or several: `"a"`, `["a", "b"]`, a `Vec` or a slice of them, each a `&str` or a `String`.
pub trait Names {
    /// As owned text, in order.
    fn names(self) -> Vec<String>;
}

macro_rules! names {
    ($($t:ty),*) => { $(
        impl Names for $t {
            fn names(self) -> Vec<String> {
                vec![self.to_string()]
            }
        }

        impl<const N: usize> Names for [$t; N] {
            fn names(self) -> Vec<String> {
                self.as_slice().names()
            }
        }

        impl<const N: usize> Names for &[$t; N] {
            fn names(self) -> Vec<String> {
                self.as_slice().names()
            }
        }

        impl Names for &[$t] {
            fn names(self) -> Vec<String> {
                self.iter().map(|n| n.to_string()).collect()
            }
        }

        impl Names for Vec<$t> {
            fn names(self) -> Vec<String> {
                self.as_slice().names()
            }
        }

        impl Names for &Vec<$t> {
            fn names(self) -> Vec<String> {
                self.as_slice().names()
            }
        }
    )* };
}
names!(&str, String, &String);

/// What rows are sorted by: a column's name (ascending, nulls last) or `col("x").sort(ascending, nulls_first)`.
pub trait SortKeys {
    /// As sort expressions, in order.
    fn sort_exprs(self) -> Vec<SortExpr>;
}

macro_rules! sort_keys {
    ($($t:ty => $f:expr),*) => { $(
        impl SortKeys for $t {
            fn sort_exprs(self) -> Vec<SortExpr> {
                vec![$f(self)]
            }
        }

        impl<const N: usize> SortKeys for [$t; N] {
            fn sort_exprs(self) -> Vec<SortExpr> {
                self.into_iter().map($f).collect()
            }
        }

        impl SortKeys for Vec<$t> {
            fn sort_exprs(self) -> Vec<SortExpr> {
                self.into_iter().map($f).collect()
            }
        }

        impl SortKeys for &[$t] {
            fn sort_exprs(self) -> Vec<SortExpr> {
                self.iter().cloned().map($f).collect()
            }
        }

        impl<const N: usize> SortKeys for &[$t; N] {
            fn sort_exprs(self) -> Vec<SortExpr> {
                self.as_slice().sort_exprs()
            }
        }

        impl SortKeys for &Vec<$t> {
            fn sort_exprs(self) -> Vec<SortExpr> {
                self.as_slice().sort_exprs()
            }
        }
    )* };
}
sort_keys!(
    SortExpr => |s| s,
    &str => |s| col(s).sort(true, false),
    String => |s| col(s).sort(true, false),
    &String => |s| col(s).sort(true, false),
    Expr => |e: Expr| e.sort(true, false)
);

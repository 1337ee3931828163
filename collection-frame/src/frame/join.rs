//! Joins: rows of two frames put side by side.

use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use kvern_core::{Error, Result};

use super::Frame;
use crate::columns::Names;
use crate::error::no_column;

/// Which rows a join keeps. The names are those of Polars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinHow {
    /// Pairs of rows with equal keys.
    Inner,
    /// All rows of the first frame; nulls where the second has none.
    Left,
    /// All rows of the second frame; nulls where the first has none.
    Right,
    /// All rows of both.
    Full,
    /// The rows of the first frame that have a partner, without it.
    Semi,
    /// The rows of the first frame that have none.
    Anti,
    /// Every row with every row; takes no keys.
    Cross,
}

impl JoinHow {
    fn kind(self) -> JoinType {
        match self {
            Self::Inner | Self::Cross => JoinType::Inner,
            Self::Left => JoinType::Left,
            Self::Right => JoinType::Right,
            Self::Full => JoinType::Full,
            Self::Semi => JoinType::LeftSemi,
            Self::Anti => JoinType::LeftAnti,
        }
    }
}

/// The columns that must be equal: names that both frames have, or pairs of a name in the first and one in the second.
#[derive(Debug, Clone)]
pub struct JoinKeys(Vec<(String, String)>);

impl<N: Names> From<N> for JoinKeys {
    fn from(names: N) -> Self {
        let names = names.names().into_iter();
        Self(names.map(|n| (n.clone(), n)).collect())
    }
}

/// Pairs of names.
macro_rules! pairs {
    ($($t:ty),*) => { $(
        impl From<($t, $t)> for JoinKeys {
            fn from((l, r): ($t, $t)) -> Self {
                Self(vec![(l.into(), r.into())])
            }
        }

        impl<const N: usize> From<[($t, $t); N]> for JoinKeys {
            fn from(pairs: [($t, $t); N]) -> Self {
                pairs.as_slice().into()
            }
        }

        impl<const N: usize> From<&[($t, $t); N]> for JoinKeys {
            fn from(pairs: &[($t, $t); N]) -> Self {
                pairs.as_slice().into()
            }
        }

        impl From<&[($t, $t)]> for JoinKeys {
            fn from(pairs: &[($t, $t)]) -> Self {
                Self(pairs.iter().map(|(l, r)| (l.to_string(), r.to_string())).collect())
            }
        }

        impl From<Vec<($t, $t)>> for JoinKeys {
            fn from(pairs: Vec<($t, $t)>) -> Self {
                pairs.as_slice().into()
            }
        }
    )* };
}
pairs!(&str, String);

impl Frame {
    /// The rows of two frames whose keys are equal, side by side. `on`: a name or names that both have, or pairs
    /// `[("dest", "faa")]`. A key comes once, under its name in this frame; a column of the other frame whose name is taken here gets
    /// `_right` at its end, as in Polars. Null is equal to nothing.
    ///
    /// ```
    /// # let sales: kvern_frame::Frame = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sales.in"));
    /// // sales (city, day, amount): (Oslo, 1, 2.5), (Rome, 1, 4.0), (Oslo, 2, null)
    /// use kvern_frame::JoinHow;
    /// let other = sales.rename([("city", "town"), ("amount", "paid")])?;
    /// let pairs = sales.join(&other, [("city", "town"), ("day", "day")], JoinHow::Inner)?;
    /// assert_eq!(pairs.columns(), ["city", "day", "amount", "paid"]);
    /// let same_day = sales.join(&sales, "day", JoinHow::Left)?;
    /// assert_eq!(same_day.columns(), ["city", "day", "amount", "city_right", "amount_right"]);
    /// assert_eq!(same_day.count()?.reference()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A key that does not exist, with the nearest name; keys of types that cannot be compared; no key, or keys for a cross join.
    pub fn join(&self, other: &Self, on: impl Into<JoinKeys>, how: JoinHow) -> Result<Self> {
        let keys = on.into().0;
        if keys.is_empty() != (how == JoinHow::Cross) {
            return Err(Error::bad_input(if keys.is_empty() {
                "a join needs at least one key (use JoinHow::Cross for every row with every row)"
            } else {
                "a cross join takes no keys"
            }));
        }
        let (left, right) = (self.columns(), other.columns());
        for (l, r) in &keys {
            for (name, have) in [(l, &left), (r, &right)] {
                if !have.contains(name) {
                    return Err(no_column(name, have.iter().map(String::as_str).collect()));
                }
            }
        }
        self.with_other(other, |a, b| self.joined(other, a, b, &keys, how))
    }

    fn joined(
        &self,
        other: &Self,
        left: LogicalPlan,
        right: LogicalPlan,
        keys: &[(String, String)],
        how: JoinHow,
    ) -> datafusion::common::Result<LogicalPlan> {
        const L: &str = "left";
        const R: &str = "right";
        let of = |side: &'static str, name: &str| Column::new(Some(side), name);
        let right = LogicalPlanBuilder::from(right).alias(R)?.build()?;
        let left = LogicalPlanBuilder::from(left).alias(L)?;
        let both = if how == JoinHow::Cross {
            left.cross_join(right)?
        } else {
            let on = (
                keys.iter().map(|k| of(L, &k.0)).collect::<Vec<_>>(),
                keys.iter().map(|k| of(R, &k.1)).collect::<Vec<_>>(),
            );
            left.join(right, how.kind(), on, None)?
        };
        let mut columns: Vec<Expr> = Vec::new();
        let here = self.columns();
        for name in &here {
            let own = Expr::Column(of(L, name));
            let key = keys.iter().find(|k| k.0 == *name);
            // The key of a row that only the other frame has is the other's.
            let value = match (how, key) {
                (JoinHow::Right, Some(k)) => Expr::Column(of(R, &k.1)),
                (JoinHow::Full, Some(k)) => {
                    datafusion::functions::expr_fn::coalesce(vec![own, Expr::Column(of(R, &k.1))])
                }
                _ => own,
            };
            columns.push(value.alias(name));
        }
        if !matches!(how, JoinHow::Semi | JoinHow::Anti) {
            let mut taken = here.clone();
            for name in other.columns() {
                if keys.iter().any(|k| k.1 == name) {
                    continue;
                }
                let mut shown = name.clone();
                while taken.contains(&shown) {
                    shown.push_str("_right");
                }
                taken.push(shown.clone());
                columns.push(Expr::Column(of(R, &name)).alias(shown));
            }
        }
        both.project(columns)?.build()
    }
}

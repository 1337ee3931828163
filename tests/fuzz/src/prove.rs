//! Mistakes planted into a query's text: what the fuzz must see.

use crate::make::Case;
use crate::ops::Dialect;
use crate::sql;

/// A mistake: what it is, the text that is changed, and into what.
#[derive(Debug)]
pub struct Mistake {
    /// What it is.
    pub what: &'static str,
    from: &'static str,
    to: &'static str,
}

const fn mistake(what: &'static str, from: &'static str, to: &'static str) -> Mistake {
    Mistake { what, from, to }
}

/// Those that are planted.
pub const MISTAKES: &[Mistake] = &[
    mistake("a comparison leaves out what is equal", " <= ", " < "),
    mistake("a sum is a difference", " + ", " - "),
    mistake(
        "nulls on the other side of an order",
        "NULLS FIRST",
        "NULLS LAST",
    ),
    mistake("rows are thrown together", "UNION ALL", "UNION"),
    mistake("rows are not thrown together", "SELECT DISTINCT", "SELECT"),
    mistake("rows without a partner are lost", "LEFT JOIN", "JOIN"),
    mistake("the other rows of an outer join", "FULL JOIN", "LEFT JOIN"),
    mistake("NOT IN as IN", " NOT IN ", " IN "),
    mistake("a missing row exists", "NOT EXISTS", "EXISTS"),
    mistake("nulls are not left out by a window", ") IGNORE NULLS", ")"),
    mistake(
        "a frame begins later",
        "BETWEEN UNBOUNDED PRECEDING",
        "BETWEEN 1 PRECEDING",
    ),
    mistake(
        "the filter of an aggregate is lost",
        " FILTER (WHERE ",
        " FILTER (WHERE TRUE OR ",
    ),
    mistake(
        "values of an aggregate count twice",
        "count(DISTINCT ",
        "count(",
    ),
    mistake("a group too few", "GROUP BY ROLLUP (", "GROUP BY ("),
    mistake("the greatest is the least", " max(", " min("),
    mistake("the first rows are others", " DESC ", " ASC "),
    mistake("a month is a day", "'1 month'", "'1 day'"),
];

/// The text of a case with that mistake. `None`: there is no place for it.
pub fn planted(case: &Case, mistake: &Mistake) -> Option<String> {
    let right = sql::query(&case.query, &case.names(), Dialect::Kvern);
    let wrong = right.replace(mistake.from, mistake.to);
    (wrong != right).then_some(wrong)
}

//! Where DuckDB and kvern differ and both may: the table. Most rows are kept apart by what is generated or by how it is written; an answer
//! that differs is never let pass.

use crate::edit;
use crate::query::{Expr, How, Kind, Rel};

/// A difference of dialect.
#[derive(Debug)]
pub struct Rule {
    /// What differs.
    pub what: &'static str,
    /// Why both may.
    pub reason: &'static str,
    /// What is done so that it is no difference here.
    pub handled: &'static str,
}

const fn rule(what: &'static str, reason: &'static str, handled: &'static str) -> Rule {
    Rule {
        what,
        reason,
        handled,
    }
}

/// All of them.
pub const RULES: &[Rule] = &[
    rule(
        "`7 / 2` of whole numbers is 3 in kvern and 3.5 in DuckDB",
        "PostgreSQL and DuckDB read the slash differently",
        "DuckDB is given `//`",
    ),
    rule(
        "division of whole numbers by zero: an error, or null",
        "both are settings",
        "divisors are constants or `nullif(x, 0)`",
    ),
    rule(
        "sums and products that do not fit their type",
        "DuckDB refuses, or widens sums to 128 bits",
        "ranges are tracked, and what could overflow is not generated",
    ),
    rule(
        "`CAST(2.5 AS BIGINT)`: cut, or rounded to even",
        "SQL leaves it open",
        "`CAST(trunc(x) AS BIGINT)` on both sides, of numbers that fit",
    ),
    rule(
        "where nulls stand in an order that does not say so",
        "each side has its own default",
        "every key says NULLS FIRST or NULLS LAST",
    ),
    rule(
        "the last bits of averages, deviations, and of sums of fractions",
        "floating-point addition is not associative, and partitions are added in any order",
        "averages and deviations are compared to 1e-9, and nothing is decided by them; sums are of quarters, which are exact",
    ),
    rule(
        "-0.0 and 0.0 in an answer, and the payload of NaN",
        "equal values may stand for each other in a group or a minimum",
        "the comparison takes each pair for one value, and what is divided by, or given to atan2, is a sum with 0.0, which is never -0.0",
    ),
    rule(
        "text of floats: `1e16` or `10000000000000000`",
        "both come back as the same number",
        "floats are not cast to text",
    ),
    rule(
        "types of results: sums as HUGEINT, averages of decimals as decimals, `length` as INTEGER",
        "each side has its own rules",
        "numbers are compared by value, and results that are computed with are cast to one type",
    ),
    rule(
        "`date + interval` is a date or a timestamp",
        "each side has its own rules",
        "cast to a date on both sides",
    ),
    rule(
        "upper case of `ß`",
        "one character, or two",
        "not among the texts",
    ),
    rule(
        "an empty field of CSV, and words that mean missing",
        "CSV has no null",
        "texts of CSV tables are never empty, floats of theirs always finite",
    ),
    rule(
        "the variance of a population of one infinity: NaN, or 0",
        "it is the infinity less itself; DuckDB does not subtract where there is one value",
        "populations have finite values",
    ),
    rule(
        "the end of `PARTITION BY x ORDER BY x RANGE BETWEEN … AND 0 PRECEDING`",
        "it is the last peer; DuckDB 2.0.1 on one thread counts one row of them, on two all",
        "DuckDB is given `CURRENT ROW`",
    ),
    rule(
        "a constant in GROUP BY is a position",
        "SQL says so, where it does",
        "constants are not keys",
    ),
];

/// Errors of DuckDB after which a seed says nothing, and why. Any other error of DuckDB is a slip of the generator.
pub const DUCK_CANNOT: &[(&str, &str)] = &[
    (
        "Out of Range Error",
        "a value that does not fit its type, in a branch whose range nobody tracks",
    ),
    (
        "Conversion Error",
        "a value that cannot be converted, in a branch that is not taken elsewhere",
    ),
];

/// What kvern refuses by name, and why that is right: what the error holds, and the reason.
pub const REFUSED: &[(&str, &str)] = &[
    (
        "is a join without a condition, whose sides Ballista exchanges",
        "EXISTS that is about no row, and outer joins ON TRUE, on Ballista: docs/KNOWN.md",
    ),
    (
        "rows are moved by a float (PARTITION BY)",
        "a float as the key of a window, on Ballista: docs/KNOWN.md",
    ),
    (
        "a full outer join by something else than equal columns has to know",
        "full outer joins by other conditions over several partitions, on Ballista: docs/KNOWN.md",
    ),
    (
        "in Arrow's dictionary form (Dictionary(Int32, Utf8)), which Ballista takes apart on the way",
        "dictionaries whose rows are moved, on Ballista: docs/KNOWN.md",
    ),
    (
        "`retract_batch` is not implemented: bool_",
        "bool_and and bool_or over frames that begin anew for each row: docs/KNOWN.md",
    ),
];

/// The same of queries with a subquery of one value that is about a row of the query around it otherwise than by equal columns.
pub const REFUSED_ABOUT_A_ROW: (&str, &str) = (
    "a subquery of one value is about the row around it by ",
    "a value of a subquery that is about its row otherwise than by equal columns: docs/KNOWN.md",
);

/// The same of queries with `lead` or `lag`, by tasks.
pub const REFUSED_BACKWARDS: (&str, &str) = (
    "is_reversed: true",
    "lead and lag over rows in the opposite order, by tasks: docs/KNOWN.md",
);

/// The same of queries with an outer join, on Ballista.
pub const REFUSED_OUTER: (&str, &str) = (
    "is declared as non-nullable but contains null values",
    "an outer join beside a count, on Ballista: docs/KNOWN.md",
);

/// The same of queries with several aggregates that say an order.
pub const REFUSED_ORDERS: (&str, &str) = (
    "Conflicting ordering requirements in aggregate functions",
    "aggregates of one group in different orders: docs/KNOWN.md",
);

/// The reason why an error of DuckDB lets a seed pass.
pub fn duck_cannot(error: &str) -> Option<&'static str> {
    DUCK_CANNOT
        .iter()
        .find(|known| error.contains(known.0))
        .map(|known| known.1)
}

/// The reason why an error of kvern lets a seed with that query pass.
pub fn refused(error: &str, query: &Rel) -> Option<&'static str> {
    if error.contains(REFUSED_ABOUT_A_ROW.0) && has_scalar_otherwise(query) {
        return Some(REFUSED_ABOUT_A_ROW.1);
    }
    let lost = "WindowAggExec loses something on the way";
    if error.contains(lost) && error.contains(REFUSED_BACKWARDS.0) && has_shift(query) {
        return Some(REFUSED_BACKWARDS.1);
    }
    if error.contains("ballista://") && error.contains(REFUSED_OUTER.0) && has_outer(query) {
        return Some(REFUSED_OUTER.1);
    }
    if error.contains(REFUSED_ORDERS.0) && has_two_orders(query) {
        return Some(REFUSED_ORDERS.1);
    }
    REFUSED
        .iter()
        .find(|known| error.contains(known.0))
        .map(|known| known.1)
}

/// Whether a query has a join that keeps rows without a partner.
fn has_outer(query: &Rel) -> bool {
    let mut found = false;
    edit::visit(query, &mut |rel| {
        if let Rel::Join { how, .. } = rel {
            found |= matches!(how, How::Left | How::Right | How::Full);
        }
    });
    found
}

/// Whether a query has two aggregates of one group that say an order.
fn has_two_orders(query: &Rel) -> bool {
    let mut found = false;
    edit::visit(query, &mut |rel| {
        if let Rel::Group { aggs, .. } = rel {
            let ordered = aggs.iter().filter(|(_, agg)| !agg.order.is_empty());
            found |= ordered.count() > 1;
        }
    });
    found
}

/// Whether a query has values of the rows before or after.
fn has_shift(query: &Rel) -> bool {
    let mut found = false;
    edit::visit(query, &mut |rel| {
        if let Rel::Window(_, items) = rel {
            found |= items
                .iter()
                .any(|(_, win)| matches!(win.agg.op, "lead" | "lag"));
        }
    });
    found
}

/// Whether a query has a subquery of one value that is about the row around it by something else than equal columns.
fn has_scalar_otherwise(query: &Rel) -> bool {
    let mut found = false;
    edit::visit(query, &mut |rel| {
        let mut look = |e: &Expr| {
            if let Kind::Scalar(inner) = &e.kind
                && let Rel::Group { input, .. } = inner.as_ref()
                && let Rel::Filter(_, condition) = input.as_ref()
                && let Kind::Call(op, _) = &condition.kind
            {
                found |= *op != "=";
            }
        };
        if let Rel::Filter(_, e) = rel {
            edit::visit_parts(e, &mut look);
        }
    });
    found
}

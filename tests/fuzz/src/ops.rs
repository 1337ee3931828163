//! The operations that queries are made of, and how each side writes them. Where the two dialects mean different things by one text, each
//! is given the text that means the same; [`crate::dialect`] says what cannot be said so.

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// DataFusion's SQL, as frames speak it.
    Kvern,
    /// DuckDB's.
    Duck,
}

/// An operation: its name here, and its text on each side, with `{0}`, `{1}`, … for the arguments and `{*}` for all of them.
pub struct Op {
    /// The name.
    pub name: &'static str,
    kvern: &'static str,
    duck: &'static str,
}

impl Op {
    /// The text of that side.
    pub fn text(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Kvern => self.kvern,
            Dialect::Duck => self.duck,
        }
    }
}

const fn same(name: &'static str, text: &'static str) -> Op {
    Op {
        name,
        kvern: text,
        duck: text,
    }
}

const fn both(name: &'static str, kvern: &'static str, duck: &'static str) -> Op {
    Op { name, kvern, duck }
}

/// All scalar operations.
pub const OPS: &[Op] = &[
    same("+", "({0} + {1})"),
    same("-", "({0} - {1})"),
    same("*", "({0} * {1})"),
    // Whole numbers: DuckDB's `/` gives a float.
    both("div", "({0} / {1})", "({0} // {1})"),
    // A sum with 0.0 is never -0.0: this and atan2 would tell the two zeros apart.
    same("/", "({0} / ({1} + 0.0))"),
    same("%", "({0} % {1})"),
    same("neg", "(- {0})"),
    same("abs", "abs({0})"),
    same("=", "({0} = {1})"),
    same("<>", "({0} <> {1})"),
    same("<", "({0} < {1})"),
    same("<=", "({0} <= {1})"),
    same(">", "({0} > {1})"),
    same(">=", "({0} >= {1})"),
    same("between", "({0} BETWEEN {1} AND {2})"),
    same("not between", "({0} NOT BETWEEN {1} AND {2})"),
    same("distinct", "({0} IS DISTINCT FROM {1})"),
    same("not distinct", "({0} IS NOT DISTINCT FROM {1})"),
    same("and", "({0} AND {1})"),
    same("or", "({0} OR {1})"),
    same("not", "(NOT {0})"),
    same("is null", "({0} IS NULL)"),
    same("is not null", "({0} IS NOT NULL)"),
    same("is true", "({0} IS TRUE)"),
    same("is not true", "({0} IS NOT TRUE)"),
    same("is false", "({0} IS FALSE)"),
    same("is not false", "({0} IS NOT FALSE)"),
    both("is unknown", "({0} IS UNKNOWN)", "({0} IS NULL)"),
    same("coalesce", "coalesce({*})"),
    same("nullif", "nullif({0}, {1})"),
    same("greatest", "greatest({*})"),
    same("least", "least({*})"),
    same("&", "({0} & {1})"),
    same("|", "({0} | {1})"),
    both("xor", "({0} ^ {1})", "xor({0}, {1})"),
    // Floats.
    same("floor", "floor({0})"),
    same("ceil", "ceil({0})"),
    same("trunc", "trunc({0})"),
    // Of a negative number: an error, or NaN.
    same("sqrt", "sqrt(abs({0}))"),
    same("isnan", "isnan({0})"),
    same("exp", "exp({0})"),
    same("ln", "ln({0})"),
    same("sin", "sin({0})"),
    same("cbrt", "cbrt({0})"),
    same("atan2", "atan2({0} + 0.0, {1} + 0.0)"),
    both(
        "to int",
        "CAST(trunc({0}) AS BIGINT)",
        "CAST(trunc({0}) AS BIGINT)",
    ),
    // Text.
    same("||", "({0} || {1})"),
    same("concat", "concat({*})"),
    same("upper", "upper({0})"),
    same("lower", "lower({0})"),
    both(
        "chars",
        "CAST(character_length({0}) AS BIGINT)",
        "length({0})",
    ),
    both(
        "bytes",
        "CAST(octet_length({0}) AS BIGINT)",
        "CAST(strlen({0}) AS BIGINT)",
    ),
    same("substr2", "substr({0}, {1})"),
    same("substr3", "substr({0}, {1}, {2})"),
    same("left", "left({0}, {1})"),
    same("right", "right({0}, {1})"),
    same("replace", "replace({0}, {1}, {2})"),
    both(
        "strpos",
        "CAST(strpos({0}, {1}) AS BIGINT)",
        "strpos({0}, {1})",
    ),
    same("trim", "trim({0})"),
    same("ltrim", "ltrim({0})"),
    same("rtrim", "rtrim({0})"),
    same("btrim", "trim({0}, {1})"),
    same("starts", "starts_with({0}, {1})"),
    same("ends", "ends_with({0}, {1})"),
    same("contains", "contains({0}, {1})"),
    same("reverse", "reverse({0})"),
    same("repeat", "repeat({0}, {1})"),
    both(
        "lpad",
        "lpad({0}, {1}, {2})",
        "lpad({0}, CAST({1} AS INTEGER), {2})",
    ),
    both(
        "rpad",
        "rpad({0}, {1}, {2})",
        "rpad({0}, CAST({1} AS INTEGER), {2})",
    ),
    same("split_part", "split_part({0}, {1}, {2})"),
    same("translate", "translate({0}, {1}, {2})"),
    same("concat_ws", "concat_ws({*})"),
    both(
        "ascii",
        "CAST(ascii({0}) AS BIGINT)",
        "CAST(ascii({0}) AS BIGINT)",
    ),
    same("like", "({0} LIKE {1})"),
    same("not like", "({0} NOT LIKE {1})"),
    same("ilike", "({0} ILIKE {1})"),
    both("matches", "({0} ~ {1})", "regexp_matches({0}, {1})"),
    // Time. What they give differs in width on both sides.
    same("year", "CAST(date_part('year', {0}) AS BIGINT)"),
    same("quarter", "CAST(date_part('quarter', {0}) AS BIGINT)"),
    same("month", "CAST(date_part('month', {0}) AS BIGINT)"),
    same("week", "CAST(date_part('week', {0}) AS BIGINT)"),
    same("day", "CAST(date_part('day', {0}) AS BIGINT)"),
    same("dow", "CAST(date_part('dow', {0}) AS BIGINT)"),
    same("doy", "CAST(date_part('doy', {0}) AS BIGINT)"),
    same("hour", "CAST(date_part('hour', {0}) AS BIGINT)"),
    same("minute", "CAST(date_part('minute', {0}) AS BIGINT)"),
    same("second", "CAST(date_part('second', {0}) AS BIGINT)"),
    same("trunc year", "CAST(date_trunc('year', {0}) AS DATE)"),
    same("trunc month", "CAST(date_trunc('month', {0}) AS DATE)"),
    same("trunc week", "CAST(date_trunc('week', {0}) AS DATE)"),
    same("trunc quarter", "CAST(date_trunc('quarter', {0}) AS DATE)"),
    same("trunc day", "CAST(date_trunc('day', {0}) AS TIMESTAMP)"),
    same("trunc hour", "CAST(date_trunc('hour', {0}) AS TIMESTAMP)"),
    same(
        "trunc second",
        "CAST(date_trunc('second', {0}) AS TIMESTAMP)",
    ),
    // The interval is the last part of the name: DuckDB gives a timestamp for a date.
    same("date + 1 day", "CAST(({0} + INTERVAL '1 day') AS DATE)"),
    same("date - 40 days", "CAST(({0} - INTERVAL '40 days') AS DATE)"),
    same("date + 1 month", "CAST(({0} + INTERVAL '1 month') AS DATE)"),
    same("date - 1 year", "CAST(({0} - INTERVAL '1 year') AS DATE)"),
    same("ts + 1 day", "({0} + INTERVAL '1 day')"),
    same("ts - 90 minutes", "({0} - INTERVAL '90 minutes')"),
    same("ts + 1 month", "({0} + INTERVAL '1 month')"),
    // Nested.
    both("list", "make_array({*})", "[{*}]"),
    both(
        "len",
        "CAST(coalesce(array_length({0}), CASE WHEN {0} IS NULL THEN NULL ELSE 0 END) AS BIGINT)",
        "len({0})",
    ),
    same("item", "({0})[{1}]"),
    both("has", "array_has({0}, {1})", "list_contains({0}, {1})"),
    both(
        "join lists",
        "array_concat({0}, {1})",
        "CASE WHEN {0} IS NOT NULL OR {1} IS NOT NULL THEN list_concat({0}, {1}) END",
    ),
    both("append", "array_append({0}, {1})", "list_append({0}, {1})"),
    both("field x", "get_field({0}, 'x')", "struct_extract({0}, 'x')"),
    both("field y", "get_field({0}, 'y')", "struct_extract({0}, 'y')"),
    both(
        "struct",
        "named_struct('x', {0}, 'y', {1})",
        "struct_pack(x := {0}, y := {1})",
    ),
];

/// The operation of that name.
///
/// # Panics
/// If there is none: a slip of the generator.
pub fn op(name: &str) -> &'static Op {
    OPS.iter()
        .find(|op| op.name == name)
        .unwrap_or_else(|| panic!("there is no operation {name:?}"))
}

/// Aggregates and functions of windows: their names here, in DataFusion and in DuckDB.
pub const AGGREGATES: &[(&str, &str, &str)] = &[
    ("count", "count", "count"),
    ("sum", "sum", "sum"),
    ("avg", "avg", "avg"),
    ("min", "min", "min"),
    ("max", "max", "max"),
    ("bool_and", "bool_and", "bool_and"),
    ("bool_or", "bool_or", "bool_or"),
    ("bit_and", "bit_and", "bit_and"),
    ("bit_or", "bit_or", "bit_or"),
    ("bit_xor", "bit_xor", "bit_xor"),
    ("stddev", "stddev_samp", "stddev_samp"),
    ("stddev_pop", "stddev_pop", "stddev_pop"),
    ("var", "var_samp", "var_samp"),
    ("var_pop", "var_pop", "var_pop"),
    ("median", "median", "median"),
    ("string_agg", "string_agg", "string_agg"),
    ("array_agg", "array_agg", "list"),
    ("grouping", "grouping", "grouping"),
    ("first", "first_value", "first"),
    ("last", "last_value", "last"),
    ("row_number", "row_number", "row_number"),
    ("rank", "rank", "rank"),
    ("dense_rank", "dense_rank", "dense_rank"),
    ("percent_rank", "percent_rank", "percent_rank"),
    ("cume_dist", "cume_dist", "cume_dist"),
    ("ntile", "ntile", "ntile"),
    ("lag", "lag", "lag"),
    ("lead", "lead", "lead"),
    ("first_value", "first_value", "first_value"),
    ("last_value", "last_value", "last_value"),
    ("nth_value", "nth_value", "nth_value"),
];

/// What that side calls an aggregate.
///
/// # Panics
/// If there is none of that name: a slip of the generator.
pub fn aggregate(name: &str, dialect: Dialect) -> &'static str {
    let found = AGGREGATES.iter().find(|a| a.0 == name);
    let found = found.unwrap_or_else(|| panic!("there is no aggregate {name:?}"));
    match dialect {
        Dialect::Kvern => found.1,
        Dialect::Duck => found.2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_there_once() {
        for o in OPS {
            let of = OPS.iter().filter(|other| other.name == o.name);
            assert_eq!(of.count(), 1, "{}", o.name);
        }
    }
}

//! SQL that DataFusion plans in many ways, computed in ours: as one streaming task, as tasks on threads, and by the reference executor, the
//! rows must be the same; and they must be those that are written here.

#[path = "common/plans.rs"]
mod plans;
#[path = "common/rows.rs"]
mod rows;
#[path = "common/semantic_tables.rs"]
mod semantic_tables;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::record_batch::RecordBatch;
use kvern_core::Session;
use kvern_frame::functions::sum;
use kvern_frame::{DataType, Frame, Way, cast, col, concat, sql};
use kvern_scheduler_local as _;
use plans::{IN_ORDER, QUERIES, t, u};
use rows::rows;
use semantic_tables::tables;

#[test]
fn every_plan_gives_its_rows_by_every_way() {
    let session = Session::open("threads://?workers=3").unwrap();
    let (t, u) = (t(), u());
    let mut whole = Vec::new();
    let all = QUERIES
        .iter()
        .map(|q| (q, false))
        .chain(IN_ORDER.iter().map(|q| (q, true)));
    for ((text, want), sorted) in all {
        let f = sql(text, [("t", &t), ("u", &u)]).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let mut want: Vec<String> = want.iter().map(|w| (*w).to_owned()).collect();
        if !sorted {
            want.sort();
        }
        let local = session
            .compute(&f.via(Way::Local))
            .unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(rows(&local, sorted), want, "local: {text}");
        for partitions in [1, 2, 5] {
            let f = f.via(Way::Tasks).repartition(partitions);
            let got = session
                .compute(&f)
                .unwrap_or_else(|e| panic!("{partitions}: {text}: {e:?}"));
            assert_eq!(rows(&got, sorted), want, "tasks, {partitions}: {text}");
        }
        let got = f.reference().unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(rows(&got, sorted), want, "reference: {text}");
        if f.explain().unwrap().contains("one task runs all of it") {
            whole.push(*text);
        }
    }
    // What cannot be cut is right all the same; it should be no more than this.
    assert!(
        whole.iter().all(|t| t.starts_with("WITH RECURSIVE")),
        "{whole:?}"
    );
}

/// Peers that fill more than a batch: of an infinity, a NaN and a null, three less is the same again, as DuckDB has it.
#[test]
fn a_frame_that_ends_before_the_row_has_all_of_its_peers() {
    let session = Session::open("threads://?workers=2").unwrap();
    let many = |key: Option<f64>| std::iter::repeat_n(key, 9_000);
    let keys = many(None).chain(many(Some(f64::NAN)));
    let keys = keys.chain(many(Some(f64::INFINITY)));
    let keys: ArrayRef = Arc::new(Float64Array::from_iter(keys.chain([Some(1.0), Some(2.0)])));
    let batch = RecordBatch::try_from_iter_with_nullable([("k", keys, true)]).unwrap();
    let t = Frame::from_batches([batch.slice(0, 20_000), batch.slice(20_000, 7_002)]).unwrap();
    let cases = [
        (
            "ORDER BY k RANGE BETWEEN UNBOUNDED PRECEDING AND 3 PRECEDING",
            [
                "0 0 1",
                "0 0 1",
                "9002 9002 9000",
                "18002 18002 9000",
                "27002 27002 9000",
            ],
        ),
        (
            "ORDER BY k RANGE BETWEEN 4 PRECEDING AND 3 PRECEDING",
            [
                "0 0 1",
                "0 0 1",
                "9000 9000 9000",
                "9000 9000 9000",
                "9000 9000 9000",
            ],
        ),
        (
            "ORDER BY k DESC NULLS LAST RANGE BETWEEN 3 FOLLOWING AND UNBOUNDED FOLLOWING",
            [
                "9000 9000 9000",
                "9000 9000 1",
                "9000 9000 1",
                "18002 18002 9000",
                "27002 27002 9000",
            ],
        ),
    ];
    for (window, want) in cases {
        let text = format!(
            "SELECT min(c), max(c), count(*) FROM (SELECT k, count(*) OVER ({window}) AS c FROM t) AS q GROUP BY k ORDER BY 1, 3 DESC"
        );
        let f = sql(&text, [("t", &t)]).unwrap();
        for way in [Way::Local, Way::Tasks] {
            let got = session.compute(&f.via(way).repartition(2)).unwrap();
            assert_eq!(rows(&got, true), want, "{way:?}: {text}");
        }
    }
}

#[test]
fn what_makes_no_column_is_refused_when_it_is_written() {
    let session = Session::open("threads://?workers=2").unwrap();
    let column = |of: [i64; 2]| Arc::new(Int64Array::from(of.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("x", column([1, 2])), ("y", column([10, 20]))]);
    let a = Frame::from_batches([batch.unwrap()]).unwrap();
    // Text and numbers make no column, a null and either do.
    let text = cast(col("x"), DataType::Utf8).alias("x");
    let words = a.select([text, col("y")]).unwrap();
    let e = concat(&[&a, &words]).unwrap_err();
    let said = "column \"x\" is Int64 in one input and Utf8 in another: text and numbers make no one column";
    assert!(e.message().starts_with(said), "{e}");
    let e = sql(
        "SELECT x FROM a UNION SELECT x FROM w",
        [("a", &a), ("w", &words)],
    )
    .unwrap_err();
    assert!(
        e.message().starts_with("column \"x\" is Int64 in one"),
        "{e}"
    );
    let f = sql("SELECT x FROM w UNION ALL SELECT NULL", [("w", &words)]).unwrap();
    assert_eq!(rows(&session.compute(&f).unwrap(), false), ["-", "1", "2"]);
    // One value of many rows, where each row has one.
    for made in [
        a.select([sum(col("x"))]),
        a.filter(col("x").gt(sum(col("x")))),
        a.with_column("z", col("x") - sum(col("x"))),
        a.sort([sum(col("x")).sort(true, true)]),
    ] {
        let e = made.unwrap_err();
        assert!(
            e.message().starts_with("sum(x) is one value of many rows"),
            "{e}"
        );
    }
    for made in [
        a.rename([("y", "x")]),
        a.select([col("x"), col("y").alias("x")]),
    ] {
        let e = made.unwrap_err();
        assert!(
            e.message().starts_with("two columns would be named \"x\""),
            "{e}"
        );
    }
}

/// One query for each kind of expression that a plan may hold: what is written down of it must be all of it.
const EXPRESSIONS: &[&str] = &[
    "n + 1",
    "n - 1",
    "n * 2",
    "n / 2",
    "n % 2",
    "-n",
    "n & 3",
    "n | 4",
    "n ^ 1",
    "n << 1",
    "n >> 1",
    "n > 3 AND g = 'g0' OR n IS NULL",
    "NOT n > 3",
    "n IS NOT NULL",
    "n IS DISTINCT FROM 3",
    "n IS NOT DISTINCT FROM NULL",
    "(n > 3) IS TRUE",
    "(n > 3) IS NOT UNKNOWN",
    "n BETWEEN 2 AND 5",
    "n NOT BETWEEN 2 AND 5",
    "n IN (1, 2, NULL)",
    "n NOT IN (1, 2)",
    "g IN ('g0', 'g1', 'a', 'b', 'c', 'd', 'e')",
    "g LIKE 'g_'",
    "g NOT LIKE '%1'",
    "g ILIKE 'G%'",
    "g ~ '^g[01]$'",
    "g !~* 'G2'",
    "g SIMILAR TO 'g(0|1)'",
    "CASE WHEN n > 3 THEN 'a' WHEN n > 1 THEN 'b' END",
    "CASE n WHEN 1 THEN 10 WHEN 2 THEN 20 ELSE 0 END",
    "CASE WHEN n IS NULL THEN 0 ELSE 10 / (n + 1) END",
    "CAST(n AS DOUBLE) / 7",
    "CAST(n AS VARCHAR)",
    "CAST(n AS DECIMAL(10, 3)) / 7",
    "CAST(n AS DECIMAL(10, 3)) * 1.5",
    "TRY_CAST(g AS INT)",
    "CAST(n AS SMALLINT)",
    "CAST(g AS BYTEA)",
    "arrow_cast(n, 'Float32')",
    "arrow_cast(g, 'LargeUtf8')",
    "arrow_cast(g, 'Dictionary(Int32, Utf8)')",
    "arrow_typeof(n)",
    "coalesce(n, -1)",
    "nullif(n, 3)",
    "nvl(n, 0)",
    "greatest(n, 4)",
    "least(n, 4, NULL)",
    "abs(n - 5)",
    "round(n / 3.0, 2)",
    "power(n, 2)",
    "sqrt(n)",
    "ln(n + 1)",
    "sin(n)",
    "trunc(n / 3.0)",
    "signum(n - 4)",
    "pi() * n",
    "factorial(n % 5)",
    "gcd(n, 4)",
    "lcm(n, 4)",
    "isnan(n / 3.0)",
    "nanvl(n / 0.5, 1.0)",
    "length(g)",
    "upper(g) || lower(g)",
    "g || n",
    "concat(g, '-', n)",
    "concat_ws(',', g, n)",
    "substr(g, 2)",
    "substring(g FROM 1 FOR 1)",
    "left(g, 1)",
    "right(g, -1)",
    "lpad(g, 5, 'x')",
    "repeat(g, 2)",
    "replace(g, 'g', 'h')",
    "reverse(g)",
    "split_part(g, 'g', 2)",
    "strpos(g, '1')",
    "trim(' ' || g)",
    "btrim(g, 'g')",
    "starts_with(g, 'g1')",
    "ascii(g)",
    "chr(65 + n)",
    "initcap(g)",
    "translate(g, 'g', 'q')",
    "to_hex(n)",
    "levenshtein(g, 'gg')",
    "regexp_replace(g, '[0-9]', '#')",
    "regexp_match(g, '([0-9])')",
    "regexp_like(g, '1')",
    "md5(g)",
    "encode(CAST(g AS BYTEA), 'hex')",
    "octet_length(g)",
    "DATE '2024-01-31' + INTERVAL '1 month'",
    "TIMESTAMP '2024-01-01 10:00:00' - INTERVAL '90 minutes'",
    "date_trunc('month', TIMESTAMP '2024-05-17 10:00:00')",
    "date_part('year', DATE '2024-05-17')",
    "extract(dow FROM DATE '2024-05-17')",
    "to_timestamp(n)",
    "to_char(DATE '2024-05-17', '%Y')",
    "make_date(2024, 5, 17)",
    "date_bin(INTERVAL '15 minutes', TIMESTAMP '2024-01-01 10:20:00')",
    "TIMESTAMP '2024-01-01 10:00:00' AT TIME ZONE 'UTC'",
    "make_array(n, 1)",
    "[n, n + 1][1]",
    "array_length(make_array(n, 2, 3))",
    "array_contains([1, 2], n)",
    "array_to_string([n, 2], ',')",
    "named_struct('a', n, 'b', g)",
    "named_struct('a', n, 'b', g)['a']",
    "struct(n, g)",
    "map(['k'], [n])",
    "range(0, n)[1]",
    "(SELECT max(m) FROM u)",
    "row_number() OVER (ORDER BY n, g)",
    "rank() OVER (PARTITION BY g ORDER BY n DESC)",
    "dense_rank() OVER (ORDER BY g)",
    "percent_rank() OVER (ORDER BY n, g)",
    "cume_dist() OVER (PARTITION BY g ORDER BY n)",
    "ntile(3) OVER (ORDER BY n, g)",
    "lag(n, 2, -5) OVER (ORDER BY n, g)",
    "lead(n) OVER (PARTITION BY g ORDER BY n)",
    "first_value(n) OVER (PARTITION BY g ORDER BY n)",
    "last_value(n) OVER (PARTITION BY g ORDER BY n ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)",
    "nth_value(n, 2) OVER (PARTITION BY g ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    "sum(n) OVER (ORDER BY n RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING)",
    "count(*) OVER (ORDER BY g GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW)",
    "avg(n) OVER (PARTITION BY g ORDER BY n ROWS 2 PRECEDING)",
    "max(n) OVER (ORDER BY n DESC NULLS LAST ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING)",
    "min(n) FILTER (WHERE n > 2) OVER (PARTITION BY g)",
    "sum(DISTINCT n % 3) OVER (PARTITION BY g)",
    "stddev(n) OVER (PARTITION BY g)",
    "lag(n) IGNORE NULLS OVER (ORDER BY g, n NULLS FIRST)",
    "last_value(n) IGNORE NULLS OVER (ORDER BY g, n NULLS LAST)",
];

/// The same for aggregates, by `g` and over all rows.
const AGGREGATES: &[&str] = &[
    "count(*)",
    "count(n)",
    "count(DISTINCT n % 2)",
    "sum(n)",
    "sum(DISTINCT n % 4)",
    "avg(n)",
    "min(n)",
    "max(g)",
    "median(n)",
    "stddev(n)",
    "stddev_pop(n)",
    "var_pop(n)",
    "covar_samp(n, n + 1)",
    "regr_slope(n, n * 2)",
    "bool_and(n > 0)",
    "bool_or(n > 10)",
    "bit_and(n)",
    "bit_or(n)",
    "bit_xor(n)",
    "bit_xor(DISTINCT n)",
    "array_agg(n ORDER BY n DESC)",
    "array_agg(DISTINCT n ORDER BY n)",
    "array_agg(n ORDER BY n) FILTER (WHERE n IS NOT NULL)",
    "string_agg(g || n, ',' ORDER BY n)",
    "first_value(n ORDER BY n DESC)",
    "last_value(n ORDER BY n)",
    "first_value(n ORDER BY n NULLS FIRST) IGNORE NULLS",
    "nth_value(n, 2 ORDER BY n)",
    "approx_distinct(n)",
    "approx_median(n)",
    "approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY n)",
    "percentile_cont(0.25) WITHIN GROUP (ORDER BY n DESC)",
    "sum(n) FILTER (WHERE n > 3)",
    "count(*) FILTER (WHERE g <> 'g1')",
    "sum(n) + max(n) * 2",
    "grouping(g)",
];

#[test]
fn every_kind_of_expression_is_the_same_by_tasks() {
    let session = Session::open("threads://?workers=3").unwrap();
    let (t, u) = (t(), u());
    let texts = EXPRESSIONS
        .iter()
        .map(|e| format!("SELECT n AS row, g AS rowg, {e} AS v FROM t"));
    let grouped = AGGREGATES
        .iter()
        .map(|e| format!("SELECT g, {e} AS v FROM t GROUP BY g"));
    let all = AGGREGATES[..AGGREGATES.len() - 1]
        .iter()
        .map(|e| format!("SELECT {e} AS v FROM t"));
    let (mut wrong, mut refused, mut computed) = (Vec::new(), Vec::new(), 0);
    for text in texts.chain(grouped).chain(all) {
        let f = match sql(&text, [("t", &t), ("u", &u)]) {
            Ok(f) => f,
            Err(e) => {
                wrong.push(format!("{text}\n  cannot be built: {e}"));
                continue;
            }
        };
        let local = match session.compute(&f.via(Way::Local)) {
            Ok(got) => rows(&got, false),
            Err(e) => {
                wrong.push(format!("{text}\n  cannot be computed: {e}"));
                continue;
            }
        };
        computed += 1;
        match session.compute(&f.via(Way::Tasks).repartition(3)) {
            Ok(got) if alike(&rows(&got, false), &local) => {}
            Ok(got) => wrong.push(format!(
                "{text}\n  {:?}\n  is not {local:?}",
                rows(&got, false)
            )),
            Err(e) if e.kind() == kvern_core::ErrorKind::NotPortable => {
                refused.push(format!("{text}: {e}"));
            }
            Err(e) => wrong.push(format!("{text}\n  by tasks: {e}")),
        }
    }
    println!(
        "{computed} computed, {} refused\n{}",
        refused.len(),
        refused.join("\n")
    );
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// Equal, but for the last bits of floats: parts of a sum are put together in the order in which they come.
fn alike(a: &[String], b: &[String]) -> bool {
    let close = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if a.contains('.') => (x - y).abs() <= 1e-12 * x.abs().max(y.abs()),
        _ => false,
    };
    let row = |a: &str, b: &str| {
        let (a, b): (Vec<&str>, Vec<&str>) = (a.split(' ').collect(), b.split(' ').collect());
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || close(a, b))
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| row(a, b))
}

#[test]
fn what_cannot_travel_is_told() {
    let session = Session::open("threads://?workers=2").unwrap();
    let text = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 4) SELECT i FROM c";
    let f = sql(text, []).unwrap();
    let got = session.compute(&f).unwrap();
    assert_eq!(rows(&got, true), ["1", "2", "3", "4"]);
    let e = session.compute(&f.via(Way::Tasks)).unwrap_err();
    assert_eq!(e.kind(), kvern_core::ErrorKind::NotPortable);
    assert_eq!(
        e.message(),
        "the plan cannot be written: RecursiveQueryExec cannot leave this process; compute it by Way::Local"
    );
}

#[test]
fn a_subquery_that_cannot_be_taken_apart_is_refused_with_its_condition() {
    let session = Session::open("threads://?workers=3").unwrap();
    let tables = tables();
    let named = tables.iter().map(|(name, frame)| (*name, frame));
    let text = "SELECT o FROM w WHERE x > (SELECT max(v) FROM k WHERE c < o AND v > 0)";
    let f = sql(text, named).unwrap();
    for f in [f.via(Way::Local), f.via(Way::Tasks)] {
        let e = session.compute(&f).unwrap_err();
        assert_eq!(e.kind(), kvern_core::ErrorKind::Unsupported, "{e}");
        let words = e.to_string();
        assert!(
            words.contains("about the row around it by `c < o`, and")
                && words.contains("join the two"),
            "{words}"
        );
    }
    let e = f.explain().unwrap_err();
    assert!(e.to_string().contains("by `c < o`, and"), "{e}");
}

/// Not among the others: an assertion of DataFusion's debug builds ends Ballista's executors over a sort below UNION ALL.
#[test]
fn rows_of_several_tables_are_in_the_order_of_two_names_of_a_column() {
    let tables = tables();
    let named = tables.iter().map(|(name, frame)| (*name, frame));
    let text = "SELECT a, b, c, d, count(*) OVER (ORDER BY b, c, d) AS n FROM \
        (SELECT o AS a, g AS b, o AS c, o AS d FROM w WHERE g = 'b' UNION ALL SELECT i AS a, 'z' AS b, i AS c, i AS d FROM f WHERE i > 4) AS q";
    let f = sql(text, named).unwrap();
    let session = Session::open("threads://?workers=3").unwrap();
    for f in [f.via(Way::Local), f.via(Way::Tasks).repartition(2)] {
        let got = rows(&session.compute(&f).unwrap(), false);
        let want = "1 b 1 1 1|2 b 2 2 2|3 b 3 3 3|5 z 5 5 4|6 z 6 6 5";
        assert_eq!(got.join("|"), want);
    }
}

#[test]
fn what_is_known_of_one_row_may_be_forgotten_where_rows_are_dealt_out() {
    let tables = tables();
    let named = tables.iter().map(|(name, frame)| (*name, frame));
    let text = "SELECT n, m, count(*) OVER (PARTITION BY m ORDER BY m DESC NULLS LAST RANGE BETWEEN 2 PRECEDING AND UNBOUNDED FOLLOWING) AS c, \
        lag(n, 1, 0) OVER (ORDER BY m ASC NULLS FIRST, n ASC NULLS LAST) AS l \
        FROM (SELECT sum(o) AS n, max(b) AS m FROM (SELECT o, lag(o) OVER (ORDER BY o) AS b FROM w WHERE g = 'b') AS p) AS q \
        LEFT ANTI JOIN (SELECT x AS c17 FROM i WHERE x > 5) AS r ON TRUE";
    let f = sql(text, named).unwrap();
    let session = Session::open("threads://?workers=3").unwrap();
    for f in [f.via(Way::Local), f.via(Way::Tasks)] {
        let f = f.repartition(2);
        assert_eq!(rows(&session.compute(&f).unwrap(), false), ["6 2 1 0"]);
    }
}

/// Over several batches: groups came once for each change of the key, and rows in the order of the other key alone.
#[test]
fn rows_without_a_partner_have_nulls_whatever_is_known_of_the_other_side() {
    let column = |name: &str, values: Vec<i64>| {
        let values: ArrayRef = Arc::new(Int64Array::from(values));
        (name.to_owned(), values)
    };
    let t = (0..8).map(|n| {
        let k = (n * 5000..(n + 1) * 5000).collect();
        RecordBatch::try_from_iter([column("k", k)]).unwrap()
    });
    let k: Vec<i64> = (0..40_000).step_by(3).collect();
    let c = vec![5; k.len()];
    let u = RecordBatch::try_from_iter([column("k", k), column("c", c)]).unwrap();
    let t = Frame::from_batches(t.collect::<Vec<_>>()).unwrap();
    let u = Frame::from_batches([u]).unwrap();
    let session = Session::open("threads://?workers=2").unwrap();
    let filtered = "(SELECT k, c FROM u WHERE c = 5)";
    let literal = "(SELECT k, 5 AS c FROM u)";
    for side in [filtered, literal] {
        for (text, want) in [
            (
                "SELECT c, count(*) FROM t LEFT JOIN {u} AS u ON t.k = u.k GROUP BY c ORDER BY c",
                &["5 13334", "- 26666"][..],
            ),
            (
                "SELECT c, count(*) FROM {u} AS u RIGHT JOIN t ON t.k = u.k GROUP BY c ORDER BY c",
                &["5 13334", "- 26666"],
            ),
            (
                "SELECT c, count(*) FROM t FULL JOIN {u} AS u ON t.k = u.k GROUP BY c ORDER BY c",
                &["5 13334", "- 26666"],
            ),
            (
                "SELECT t.k, c FROM t LEFT JOIN {u} AS u ON t.k = u.k WHERE t.k < 5 ORDER BY c, t.k",
                &["0 5", "3 5", "1 -", "2 -", "4 -"],
            ),
            (
                "SELECT t.k, c FROM t LEFT JOIN {u} AS u ON t.k = u.k AND t.k > 2 WHERE t.k < 5 ORDER BY c DESC NULLS LAST, t.k DESC",
                &["3 5", "4 -", "2 -", "1 -", "0 -"],
            ),
            (
                "SELECT k, row_number() OVER (ORDER BY c NULLS FIRST, k) FROM (SELECT t.k, c FROM t LEFT JOIN {u} AS u ON t.k = u.k WHERE t.k < 5) AS j ORDER BY k",
                &["0 4", "1 1", "2 2", "3 5", "4 3"],
            ),
            (
                "SELECT t.k, c FROM (SELECT k FROM t WHERE k < 4) AS t LEFT JOIN (SELECT * FROM {u} AS v WHERE k < 2) AS u ON t.k > u.k + 1 ORDER BY c, t.k",
                &["2 5", "3 5", "0 -", "1 -"],
            ),
            (
                "SELECT count(*) FROM (SELECT DISTINCT c FROM t LEFT JOIN {u} AS u ON t.k = u.k) AS d",
                &["2"],
            ),
        ] {
            let text = text.replace("{u}", side);
            let f = sql(&text, [("t", &t), ("u", &u)]).unwrap();
            for (way, partitions) in [(Way::Local, 1), (Way::Local, 3), (Way::Tasks, 3)] {
                let f = f.via(way).repartition(partitions);
                let got = session
                    .compute(&f)
                    .unwrap_or_else(|e| panic!("{text}: {e:?}"));
                assert_eq!(rows(&got, true), want, "{way:?}, {partitions}: {text}");
            }
        }
    }
}

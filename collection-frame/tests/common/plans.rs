//! Queries that DataFusion plans in many ways, and the rows that they must give.

use std::sync::Arc;

use kvern_frame::arrow::array::{ArrayRef, Int64Array, StringArray};
use kvern_frame::{Frame, RecordBatch};

/// `t`: n 0 to 11 with a null, by four partitions, and g, which is n modulo 3 as text.
pub(crate) fn t() -> Frame {
    let part = |from: i64| {
        let n = (from..from + 3).map(|i| (i != 7).then_some(i));
        let n: ArrayRef = Arc::new(Int64Array::from_iter(n));
        let g = (from..from + 3).map(|i| format!("g{}", i % 3));
        let g: ArrayRef = Arc::new(StringArray::from_iter_values(g));
        RecordBatch::try_from_iter_with_nullable([("n", n, true), ("g", g, true)]).unwrap()
    };
    Frame::from_batches([part(0), part(3), part(6), part(9)]).unwrap()
}

/// `u`: m 2, 4, 6 and null.
pub(crate) fn u() -> Frame {
    let m: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), Some(4), Some(6), None]));
    Frame::from_batches([RecordBatch::try_from_iter_with_nullable([("m", m, true)]).unwrap()])
        .unwrap()
}

/// Queries, and their rows in any order.
pub(crate) const QUERIES: &[(&str, &[&str])] = &[
    (
        "SELECT n FROM t WHERE n > (SELECT avg(m) FROM u) + 4",
        &["10", "11", "9"],
    ),
    (
        "SELECT n FROM t WHERE n IN (SELECT m FROM u)",
        &["2", "4", "6"],
    ),
    // A null among what n must not be: nothing is surely not in it.
    ("SELECT n FROM t WHERE n NOT IN (SELECT m FROM u)", &[]),
    (
        "SELECT n FROM t WHERE n < 4 AND n NOT IN (SELECT m FROM u WHERE m IS NOT NULL)",
        &["0", "1", "3"],
    ),
    (
        "SELECT n FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE m = n) AND n < 4",
        &["0", "1", "3"],
    ),
    (
        "SELECT n FROM t WHERE EXISTS (SELECT 1 FROM u WHERE m = n + 1)",
        &["1", "3", "5"],
    ),
    ("SELECT count(*) FROM t", &["12"]),
    (
        "SELECT count(*), count(n), count(DISTINCT g), sum(n) FILTER (WHERE g = 'g0') FROM t",
        &["12 11 3 18"],
    ),
    (
        "SELECT g, count(*) FROM t GROUP BY g HAVING sum(n) > 18",
        &["g2 4"],
    ),
    (
        "SELECT g, sum(n) FROM t GROUP BY ROLLUP (g)",
        &["- 59", "g0 18", "g1 15", "g2 26"],
    ),
    (
        "SELECT n FROM t UNION ALL SELECT m FROM u",
        &[
            "-", "-", "0", "1", "10", "11", "2", "2", "3", "4", "4", "5", "6", "6", "8", "9",
        ],
    ),
    (
        "SELECT n FROM t UNION SELECT m FROM u",
        &["-", "0", "1", "10", "11", "2", "3", "4", "5", "6", "8", "9"],
    ),
    (
        "SELECT n FROM t INTERSECT SELECT m FROM u",
        &["-", "2", "4", "6"],
    ),
    (
        "SELECT n FROM t WHERE n < 5 EXCEPT SELECT m FROM u",
        &["0", "1", "3"],
    ),
    (
        "SELECT t.n, u.m FROM t LEFT JOIN u ON t.n = u.m WHERE n < 5",
        &["0 -", "1 -", "2 2", "3 -", "4 4"],
    ),
    (
        "SELECT t.n, u.m FROM t FULL JOIN u ON t.n = u.m AND t.n > 3 WHERE n IS NULL OR n BETWEEN 3 AND 5",
        &["- -", "- -", "- 2", "3 -", "4 4", "5 -"],
    ),
    (
        "SELECT t.n, u.m FROM t RIGHT JOIN u ON t.n = u.m",
        &["- -", "2 2", "4 4", "6 6"],
    ),
    // No equality to hash: every pair is looked at.
    (
        "SELECT n, m FROM t JOIN u ON n < m WHERE n > 2",
        &["3 4", "3 6", "4 6", "5 6"],
    ),
    (
        "SELECT n, m FROM u LEFT JOIN t ON n > m + 5",
        &["- -", "- 6", "10 2", "10 4", "11 2", "11 4", "8 2", "9 2"],
    ),
    ("SELECT count(*) FROM t CROSS JOIN u", &["48"]),
    (
        "SELECT n, row_number() OVER (ORDER BY n) AS r FROM t WHERE n > 8",
        &["10 2", "11 3", "9 1"],
    ),
    (
        "SELECT n, sum(n) OVER (PARTITION BY g ORDER BY n) AS s FROM t WHERE n < 6",
        &["0 0", "1 1", "2 2", "3 3", "4 5", "5 7"],
    ),
    (
        "SELECT n, lag(n) OVER (ORDER BY n) AS before FROM t WHERE n < 3",
        &["0 -", "1 0", "2 1"],
    ),
    (
        "SELECT v FROM (VALUES (1), (2)) AS x(v) JOIN t ON v = n",
        &["1", "2"],
    ),
    (
        "SELECT g, array_agg FROM (SELECT g, max(n) AS array_agg FROM t GROUP BY g) AS x",
        &["g0 9", "g1 10", "g2 11"],
    ),
    (
        "SELECT a.g, count(*) FROM t a JOIN t b ON a.g = b.g GROUP BY a.g",
        &["g0 16", "g1 16", "g2 16"],
    ),
    // A cast that may give no null is read again as one that may.
    (
        "SELECT b, sum(CAST(b AS BIGINT)) OVER (ORDER BY b ROWS BETWEEN 2 PRECEDING AND 3 FOLLOWING) \
         FROM (SELECT (n > 3) IS NOT TRUE AS b FROM t GROUP BY (n > 3) IS NOT TRUE) AS q",
        &["false 1", "true 1"],
    ),
    ("SELECT 1 + 1 AS two", &["2"]),
    ("SELECT n FROM t WHERE false", &[]),
];

/// Those whose rows come in order.
pub(crate) const IN_ORDER: &[(&str, &[&str])] = &[
    // What rises but for nulls at its beginning is not sorted with the nulls last.
    (
        "SELECT o, max(x) OVER (ORDER BY o) AS m FROM (VALUES (1, NULL), (2, NULL), (3, 5), (4, 7)) AS w(o, x) ORDER BY m, o",
        &["3 5", "4 7", "1 -", "2 -"],
    ),
    (
        "SELECT o, max(x) OVER (ORDER BY o ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS m \
         FROM (VALUES (1, 7), (2, 5), (3, NULL)) AS w(o, x) ORDER BY m DESC NULLS FIRST, o",
        &["3 -", "1 7", "2 5"],
    ),
    // An order above asks for a part of the one below, which chooses the rows.
    (
        "SELECT a, c FROM (SELECT g AS a, count(g) AS b, count(g) AS c FROM (VALUES ('x'), ('z'), ('y'), ('w')) AS v(g) \
         GROUP BY GROUPING SETS ((g), (g)) ORDER BY b, c DESC, a LIMIT 3) AS q ORDER BY c NULLS LAST, b DESC, a",
        &["w 1", "w 1", "x 1"],
    ),
    // Two keys that are one number in each row, and not in what ROLLUP makes of them.
    (
        "SELECT a, b, c FROM (SELECT a, a + a AS b, c FROM (SELECT count(n) AS a, count(*) AS c FROM (VALUES (1)) AS v(n)) AS q \
         GROUP BY ROLLUP (a, a + a, c)) AS r ORDER BY a NULLS FIRST, c NULLS FIRST, b",
        &["- - -", "1 2 -", "1 - -", "1 2 1"],
    ),
    (
        "SELECT n FROM (VALUES (-688), (580), (1), (NULL)) AS v(n) WHERE nullif(n, 580) IN (0, coalesce(n, n, 1)) ORDER BY n",
        &["-688", "1"],
    ),
    (
        "SELECT n FROM (SELECT count(*) AS n FROM (VALUES (1)) AS v(n)) AS q WHERE n IN (1) AND n NOT IN (n)",
        &[],
    ),
    (
        "SELECT n FROM t ORDER BY n DESC NULLS LAST LIMIT 3 OFFSET 1",
        &["10", "9", "8"],
    ),
    (
        "SELECT n FROM t ORDER BY n NULLS FIRST LIMIT 2",
        &["-", "0"],
    ),
    (
        "SELECT g, n FROM t ORDER BY g DESC, n LIMIT 5",
        &["g2 2", "g2 5", "g2 8", "g2 11", "g1 1"],
    ),
    (
        "SELECT DISTINCT ON (g) g, n FROM t ORDER BY g, n DESC",
        &["g0 9", "g1 -", "g2 11"],
    ),
    (
        "SELECT g, sum(n) AS s FROM t GROUP BY g ORDER BY s",
        &["g1 15", "g0 18", "g2 26"],
    ),
    ("SELECT n FROM t LIMIT 2", &["0", "1"]),
    (
        "SELECT n FROM (SELECT n FROM t ORDER BY n LIMIT 4) AS x ORDER BY n DESC",
        &["3", "2", "1", "0"],
    ),
    (
        "(SELECT n FROM t UNION ALL SELECT m FROM u) ORDER BY 1 LIMIT 4",
        &["0", "1", "2", "2"],
    ),
];

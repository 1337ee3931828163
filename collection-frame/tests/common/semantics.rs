//! Queries that libraries below have answered wrongly, by some way at least, and the right rows, which are DuckDB's (1.4) where nothing else
//! is said.

use std::sync::Arc;

use kvern_frame::arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, StringArray};
use kvern_frame::{Frame, RecordBatch};

/// The frames of [`SEMANTICS`], by name.
pub(crate) fn tables() -> Vec<(&'static str, Frame)> {
    let frame = |columns: Vec<(&str, ArrayRef)>| {
        let columns = columns.into_iter().map(|(name, c)| (name, c, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        // Two partitions, so that rows have to meet.
        let half = batch.num_rows() / 2;
        let parts = [
            batch.slice(0, half),
            batch.slice(half, batch.num_rows() - half),
        ];
        Frame::from_batches(parts).unwrap()
    };
    let int = |v: &[Option<i64>]| Arc::new(Int64Array::from(v.to_vec())) as ArrayRef;
    let text = |v: &[&str]| Arc::new(StringArray::from(v.to_vec())) as ArrayRef;
    let float = |v: &[Option<f64>]| Arc::new(Float64Array::from(v.to_vec())) as ArrayRef;
    let minus = -f64::NAN;
    let f32s = [
        Some(-f32::NAN),
        Some(f32::NAN),
        Some(1.0),
        Some(-0.0),
        Some(0.0),
        None,
    ];
    vec![
        (
            "w",
            frame(vec![
                ("g", text(&["a", "a", "a", "a", "b", "b", "b"])),
                ("h", text(&["x", "y", "x", "x", "x", "y", "x"])),
                ("o", int(&[1, 2, 3, 4, 1, 2, 3].map(Some))),
                (
                    "x",
                    int(&[Some(10), None, None, Some(40), None, Some(5), None]),
                ),
            ]),
        ),
        (
            "f",
            frame(vec![
                ("i", int(&[1, 2, 3, 4, 5, 6].map(Some))),
                (
                    "x",
                    float(&[
                        Some(minus),
                        Some(f64::NAN),
                        Some(1.0),
                        Some(-0.0),
                        Some(0.0),
                        None,
                    ]),
                ),
                ("s", Arc::new(Float32Array::from(f32s.to_vec()))),
                (
                    "z",
                    float(&[
                        Some(0.0),
                        Some(0.0),
                        Some(2.0),
                        Some(1.0),
                        Some(1.0),
                        Some(1.0),
                    ]),
                ),
            ]),
        ),
        (
            "o",
            Frame::from_batches([RecordBatch::try_from_iter([(
                "x",
                Arc::new(Float64Array::from(vec![minus, 1.0, f64::NAN])) as ArrayRef,
            )])
            .unwrap()])
            .unwrap(),
        ),
        ("p", frame(vec![("a", int(&[1, 1, 1, 2, 4, 4].map(Some)))])),
        ("q", frame(vec![("a", int(&[1, 3, 4, 4, 4].map(Some)))])),
        (
            "n",
            frame(vec![("a", int(&[Some(1), None, None, Some(2)]))]),
        ),
        ("m", frame(vec![("a", int(&[None, Some(2), Some(2)]))])),
        (
            "k",
            frame(vec![
                ("c", int(&[1, 1, 2, 2, 3, 3].map(Some))),
                ("v", int(&[Some(1), Some(2), Some(1), None, Some(5), None])),
            ]),
        ),
        (
            "l",
            frame(vec![
                ("c", int(&[1, 1, 2].map(Some))),
                ("v", int(&[Some(1), Some(7), None])),
            ]),
        ),
        (
            "d",
            frame(vec![
                ("x", int(&[100, 50, 7, 30, 9, 8].map(Some))),
                ("y", int(&[0, 2, 1, 2, 0, 1].map(Some))),
            ]),
        ),
        ("i", frame(vec![("x", int(&[1, 2].map(Some)))])),
        ("j", frame(vec![("x", float(&[Some(0.5), None]))])),
    ]
}

/// Queries over [`tables`] and their rows, in any order.
pub(crate) const SEMANTICS: &[(&str, &[&str])] = &[
    // Window functions that leave nulls out.
    (
        "SELECT g, o, last_value(x) IGNORE NULLS OVER (PARTITION BY g ORDER BY o ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS r FROM w",
        &[
            "a 1 10", "a 2 10", "a 3 10", "a 4 40", "b 1 -", "b 2 5", "b 3 5",
        ],
    ),
    (
        "SELECT g, o, first_value(x) IGNORE NULLS OVER (PARTITION BY g ORDER BY o ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS r FROM w",
        &[
            "a 1 10", "a 2 10", "a 3 10", "a 4 10", "b 1 -", "b 2 5", "b 3 5",
        ],
    ),
    (
        "SELECT g, o, nth_value(x, 2) IGNORE NULLS OVER (PARTITION BY g ORDER BY o ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS r FROM w",
        &[
            "a 1 40", "a 2 40", "a 3 40", "a 4 40", "b 1 -", "b 2 -", "b 3 -",
        ],
    ),
    (
        "SELECT g, o, lag(x) IGNORE NULLS OVER (PARTITION BY g ORDER BY o) AS r FROM w",
        &[
            "a 1 -", "a 2 10", "a 3 10", "a 4 10", "b 1 -", "b 2 -", "b 3 5",
        ],
    ),
    (
        "SELECT g, o, lead(x) IGNORE NULLS OVER (PARTITION BY g ORDER BY o) AS r FROM w",
        &[
            "a 1 40", "a 2 40", "a 3 40", "a 4 -", "b 1 5", "b 2 -", "b 3 -",
        ],
    ),
    (
        "SELECT g, o, lead(x, 2) IGNORE NULLS OVER (ORDER BY g, o) AS r FROM w",
        &[
            "a 1 5", "a 2 5", "a 3 5", "a 4 -", "b 1 -", "b 2 -", "b 3 -",
        ],
    ),
    (
        "SELECT g, o, lag(x, 2, -1) IGNORE NULLS OVER (ORDER BY g DESC, o DESC) AS r FROM w",
        &[
            "b 3 -1", "b 2 -1", "b 1 -1", "a 4 -1", "a 3 5", "a 2 5", "a 1 5",
        ],
    ),
    // Window aggregates over some rows.
    (
        "SELECT g, o, sum(o) FILTER (WHERE x IS NOT NULL) OVER (PARTITION BY g) AS r FROM w",
        &[
            "a 1 5", "a 2 5", "a 3 5", "a 4 5", "b 1 2", "b 2 2", "b 3 2",
        ],
    ),
    (
        "SELECT g, o, count(*) FILTER (WHERE x > 5) OVER (PARTITION BY g ORDER BY o) AS r FROM w",
        &[
            "a 1 1", "a 2 1", "a 3 1", "a 4 2", "b 1 0", "b 2 0", "b 3 0",
        ],
    ),
    (
        "SELECT g, o, max(o) FILTER (WHERE h = 'y') OVER (PARTITION BY g ORDER BY o ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM w",
        &[
            "a 1 -", "a 2 2", "a 3 2", "a 4 -", "b 1 -", "b 2 2", "b 3 2",
        ],
    ),
    (
        "SELECT g, o, count(DISTINCT x) OVER (PARTITION BY g) AS r FROM w",
        &[
            "a 1 2", "a 2 2", "a 3 2", "a 4 2", "b 1 1", "b 2 1", "b 3 1",
        ],
    ),
    (
        "SELECT g, array_agg(x ORDER BY o DESC) AS r FROM w GROUP BY g",
        &["a [40, -, -, 10]", "b [-, 5, -]"],
    ),
    (
        "SELECT g, first_value(x ORDER BY o) IGNORE NULLS AS a, last_value(x ORDER BY o) IGNORE NULLS AS b FROM w GROUP BY g",
        &["a 10 40", "b 5 5"],
    ),
    (
        "SELECT g, sum(o) FILTER (WHERE x IS NOT NULL) AS r FROM w GROUP BY g",
        &["a 5", "b 2"],
    ),
    // Windows over a filter of their own key.
    (
        "SELECT o, lag(o) OVER (PARTITION BY g ORDER BY o) AS r FROM w WHERE g = 'a'",
        &["1 -", "2 1", "3 2", "4 3"],
    ),
    (
        "SELECT o, lag(o) OVER (PARTITION BY g, h ORDER BY o) AS r FROM w WHERE g = 'a'",
        &["1 -", "2 -", "3 1", "4 3"],
    ),
    (
        "SELECT g, o, sum(o) OVER (PARTITION BY g, h ORDER BY o) AS r FROM w WHERE h = 'x'",
        &["a 1 1", "a 3 4", "a 4 8", "b 1 1", "b 3 4"],
    ),
    (
        "SELECT o, row_number() OVER (PARTITION BY g, h ORDER BY o) AS r FROM w WHERE g = 'a'",
        &["1 1", "2 1", "3 2", "4 3"],
    ),
    (
        "SELECT o, sum(o) OVER (PARTITION BY g, h) AS r FROM w WHERE g = 'a'",
        &["1 8", "2 2", "3 8", "4 8"],
    ),
    (
        "SELECT o, sum(o) OVER (PARTITION BY g, h ORDER BY o ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS r FROM w WHERE g = 'a'",
        &["1 8", "2 2", "3 7", "4 4"],
    ),
    (
        "SELECT o, lag(o) OVER (PARTITION BY c, h ORDER BY o) AS r FROM (SELECT *, 'c' AS c FROM w WHERE g = 'a') s",
        &["1 -", "2 -", "3 1", "4 3"],
    ),
    (
        "SELECT g, h, lag(o) OVER (PARTITION BY g, h ORDER BY o) AS r FROM w WHERE g = h OR g IN ('b')",
        &["b x -", "b x 1", "b y -"],
    ),
    (
        "SELECT a.o, lag(b.o) OVER (PARTITION BY a.g, b.g ORDER BY a.o) AS r FROM w a JOIN w b ON a.g = b.g AND a.o = b.o WHERE a.g = 'a'",
        &["1 -", "2 1", "3 2", "4 3"],
    ),
    (
        "SELECT g, o, sum(o) OVER (PARTITION BY g ORDER BY o) AS r FROM (SELECT * FROM w WHERE g = 'a' UNION ALL SELECT * FROM w WHERE g = 'b') s",
        &[
            "a 1 1", "a 2 3", "a 3 6", "a 4 10", "b 1 1", "b 2 3", "b 3 6",
        ],
    ),
    // One NaN, above all numbers, and one zero.
    (
        "SELECT x, count(*) FROM f GROUP BY x",
        &["- 1", "0.0 2", "1.0 1", "NaN 2"],
    ),
    (
        "SELECT s, count(*) FROM f GROUP BY s",
        &["- 1", "0.0 2", "1.0 1", "NaN 2"],
    ),
    ("SELECT DISTINCT x FROM f", &["-", "0.0", "1.0", "NaN"]),
    (
        "SELECT x FROM f UNION SELECT x FROM f",
        &["-", "0.0", "1.0", "NaN"],
    ),
    (
        "SELECT count(DISTINCT x), count(DISTINCT s) FROM f",
        &["3 3"],
    ),
    (
        "SELECT min(x), max(x), min(s), max(s) FROM f",
        &["0.0 NaN 0.0 NaN"],
    ),
    ("SELECT i FROM f WHERE x > 0.5", &["1", "2", "3"]),
    ("SELECT i FROM f WHERE x < 0.5", &["4", "5"]),
    ("SELECT i FROM f WHERE x = 0", &["4", "5"]),
    ("SELECT i FROM f WHERE x <> 1.0", &["1", "2", "4", "5"]),
    ("SELECT i FROM f WHERE x IN (0.0, 1.0)", &["3", "4", "5"]),
    ("SELECT i FROM f WHERE x NOT BETWEEN 0 AND 1", &["1", "2"]),
    ("SELECT i FROM f WHERE 0 / z = 'nan'::double", &["1", "2"]),
    (
        "SELECT i FROM f WHERE (z - 2.0 * z) / z IS DISTINCT FROM -1.0",
        &["1", "2"],
    ),
    ("SELECT i FROM f WHERE (z - z) / (z - z) = x", &["1", "2"]),
    (
        "SELECT a.i, b.i FROM f a JOIN f b ON a.x = b.x",
        &[
            "1 1", "1 2", "2 1", "2 2", "3 3", "4 4", "4 5", "5 4", "5 5",
        ],
    ),
    (
        "SELECT i FROM f WHERE x IN (SELECT z / z FROM f)",
        &["1", "2", "3"],
    ),
    (
        "SELECT i, count(*) OVER (PARTITION BY x) FROM f",
        &["1 2", "2 2", "3 1", "4 2", "5 2", "6 1"],
    ),
    (
        "SELECT i, rank() OVER (ORDER BY x NULLS FIRST) FROM f",
        &["1 5", "2 5", "3 4", "4 2", "5 2", "6 1"],
    ),
    (
        "SELECT CASE x WHEN 0.0 THEN 'zero' ELSE 'other' END AS c FROM f WHERE i IN (4, 5)",
        &["zero", "zero"],
    ),
    (
        "SELECT x + 0 AS y, count(*) AS n FROM f GROUP BY x + 0 HAVING x + 0 > 0.5",
        &["1.0 1", "NaN 2"],
    ),
    (
        "SELECT x, s, count(*) AS n FROM f WHERE i < 6 GROUP BY x, s HAVING x < 2",
        &["0.0 0.0 2", "1.0 1.0 1"],
    ),
    (
        "SELECT x, count(*) AS n FROM f GROUP BY ROLLUP(x)",
        &["- 1", "- 6", "0.0 2", "1.0 1", "NaN 2"],
    ),
    (
        "SELECT x, count(*) AS n FROM f GROUP BY x ORDER BY x DESC NULLS LAST LIMIT 2",
        &["1.0 1", "NaN 2"],
    ),
    (
        "SELECT x, max(i) AS n FROM f GROUP BY x ORDER BY n DESC LIMIT 2",
        &["- 6", "0.0 5"],
    ),
    (
        "SELECT DISTINCT ON (x) x, i FROM f ORDER BY x, i DESC",
        &["- 6", "0.0 5", "1.0 3", "NaN 2"],
    ),
    (
        "SELECT i FROM f ORDER BY x DESC NULLS LAST, i LIMIT 3",
        &["1", "2", "3"],
    ),
    ("SELECT i FROM f ORDER BY x, i LIMIT 3", &["3", "4", "5"]),
    (
        "SELECT i, sum(i) OVER (ORDER BY x RANGE BETWEEN 0.5 PRECEDING AND CURRENT ROW) AS r FROM f WHERE i BETWEEN 3 AND 5",
        &["3 3", "4 9", "5 9"],
    ),
    (
        "SELECT i, min(x) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM f WHERE i < 4",
        &["1 NaN", "2 NaN", "3 1.0"],
    ),
    (
        "SELECT i, first_value(i) OVER (PARTITION BY x, s ORDER BY i) AS r FROM f WHERE i < 6",
        &["1 1", "2 1", "3 3", "4 4", "5 4"],
    ),
    (
        "SELECT a.i, b.i AS j FROM f a FULL JOIN (SELECT * FROM f WHERE i IN (2, 5)) b ON a.x = b.x WHERE a.i <> 3",
        &["1 2", "2 2", "4 5", "5 5", "6 -"],
    ),
    (
        "SELECT x, a.i, b.i AS j FROM f a JOIN f b USING (x) WHERE a.i < b.i",
        &["-0.0 4 5", "NaN 1 2"],
    ),
    (
        "SELECT i FROM f a WHERE EXISTS (SELECT 1 FROM f b WHERE b.x = a.x AND b.i <> a.i)",
        &["1", "2", "4", "5"],
    ),
    (
        "SELECT i FROM f a WHERE x > (SELECT max(z) FROM f)",
        &["1", "2"],
    ),
    (
        "SELECT a.i FROM f a JOIN f b ON a.x < b.x AND a.i > b.i",
        &["3", "3", "4", "4", "4", "5", "5", "5"],
    ),
    ("SELECT x FROM f EXCEPT SELECT z / z FROM f", &["-", "0.0"]),
    (
        "SELECT x FROM f INTERSECT SELECT z / z FROM f",
        &["1.0", "NaN"],
    ),
    ("SELECT median(x) AS m FROM f WHERE i < 4", &["NaN"]),
    (
        "SELECT i FROM f WHERE x IN ('nan'::double, 1.0)",
        &["1", "2", "3"],
    ),
    ("SELECT i FROM f WHERE NOT x <= 1.0", &["1", "2"]),
    ("SELECT i FROM f WHERE x > 'infinity'::double", &["1", "2"]),
    (
        "SELECT x, count(*) AS n FROM o GROUP BY x",
        &["1.0 1", "NaN 2"],
    ),
    ("SELECT DISTINCT x FROM o", &["1.0", "NaN"]),
    (
        "SELECT a.x FROM o a JOIN o b ON a.x = b.x WHERE a.x > 1",
        &["NaN", "NaN", "NaN", "NaN"],
    ),
    (
        "SELECT CASE WHEN x > 1 THEN x END AS y, max(x) OVER (ORDER BY x) AS m FROM o",
        &["- 1.0", "NaN NaN", "NaN NaN"],
    ),
    // Rows that are there several times.
    (
        "SELECT a FROM p INTERSECT ALL SELECT a FROM q",
        &["1", "4", "4"],
    ),
    (
        "SELECT a FROM p EXCEPT ALL SELECT a FROM q",
        &["1", "1", "2"],
    ),
    ("SELECT a FROM q EXCEPT ALL SELECT a FROM p", &["3", "4"]),
    ("SELECT a FROM n INTERSECT ALL SELECT a FROM m", &["-", "2"]),
    ("SELECT a FROM n EXCEPT ALL SELECT a FROM m", &["-", "1"]),
    ("SELECT a FROM p INTERSECT SELECT a FROM q", &["1", "4"]),
    ("SELECT a FROM p EXCEPT SELECT a FROM q", &["2"]),
    (
        "SELECT a, count(*) FROM (SELECT a FROM p INTERSECT ALL SELECT a FROM q EXCEPT ALL SELECT 4) s GROUP BY a",
        &["1 1", "4 1"],
    ),
    (
        "SELECT a, a + 0 AS b FROM p EXCEPT ALL SELECT a, a + 0 FROM p WHERE a = 1",
        &["2 2", "4 4", "4 4"],
    ),
    // Operators in their order.
    (
        "SELECT a FROM p WHERE a IS DISTINCT FROM 2 AND a > 1",
        &["4", "4"],
    ),
    (
        "SELECT a FROM n WHERE a IS NOT DISTINCT FROM NULL OR a = 2",
        &["-", "-", "2"],
    ),
    (
        "SELECT a FROM p WHERE NOT a IS DISTINCT FROM 2 AND a > 1 OR a = 4",
        &["2", "4", "4"],
    ),
    // Nulls among what must not be equal.
    (
        "SELECT c, v FROM k WHERE v NOT IN (SELECT l.v FROM l WHERE l.c = k.c)",
        &["1 2", "3 -", "3 5"],
    ),
    (
        "SELECT c, v FROM k WHERE NOT v IN (SELECT l.v FROM l WHERE l.c = k.c) OR v = 1",
        &["1 1", "1 2", "2 1", "3 -", "3 5"],
    ),
    (
        "SELECT c, v FROM k WHERE v + 1 NOT IN (SELECT l.v + 1 FROM l WHERE l.c < k.c AND l.v > 0)",
        &["1 1", "1 2", "3 5"],
    ),
    ("SELECT c, v FROM k WHERE v NOT IN (SELECT l.v FROM l)", &[]),
    (
        "SELECT c, v FROM k WHERE v NOT IN (SELECT l.v FROM l WHERE l.v IS NOT NULL)",
        &["1 2", "3 5"],
    ),
    (
        "SELECT c, v FROM k WHERE v IN (SELECT l.v FROM l WHERE l.c = k.c)",
        &["1 1"],
    ),
    // A condition guards those after it.
    ("SELECT x FROM d WHERE y <> 0 AND x / y > 10", &["30", "50"]),
    (
        "SELECT x, z FROM (SELECT x, x / y AS z FROM d WHERE y <> 0) s WHERE z > 10",
        &["30 15", "50 25"],
    ),
    (
        "SELECT x, x / y AS z FROM d WHERE y <> 0 AND x > 8",
        &["30 15", "50 25"],
    ),
    // Types that are told are those that come.
    (
        "SELECT x FROM i UNION ALL SELECT x FROM j",
        &["-", "0.5", "1.0", "2.0"],
    ),
    (
        "SELECT CASE WHEN x = 1 THEN 1 ELSE 2.5 END AS c FROM i",
        &["1.0", "2.5"],
    ),
    // Infinities and NaN in groups.
    (
        "SELECT g, min(v), max(v) FROM (SELECT g, CASE WHEN g = 'a' THEN CAST('inf' AS DOUBLE) ELSE CAST('-inf' AS DOUBLE) END AS v FROM w) AS q GROUP BY g",
        &["a inf inf", "b -inf -inf"],
    ),
    (
        "SELECT g, min(v), max(v) FROM (SELECT g, CASE WHEN o > 2 THEN CAST('NaN' AS FLOAT) ELSE CAST(1.5 AS FLOAT) END AS v FROM w) AS q GROUP BY g",
        &["a 1.5 NaN", "b 1.5 NaN"],
    ),
    // A key that is one value is not one in the sums over it.
    (
        "SELECT o FROM w WHERE o = 1 GROUP BY ROLLUP (o) ORDER BY o NULLS FIRST LIMIT 1",
        &["-"],
    ),
    (
        "SELECT o FROM w WHERE o = 1 GROUP BY ROLLUP (o) ORDER BY o DESC NULLS LAST LIMIT 1",
        &["1"],
    ),
    (
        "SELECT o, g, count(*) FROM w WHERE o = 1 GROUP BY CUBE (o, g)",
        &["- - 2", "- a 1", "- b 1", "1 - 2", "1 a 1", "1 b 1"],
    ),
    (
        "SELECT a, b FROM (SELECT o AS a, o AS b FROM w WHERE g = 'b') AS q GROUP BY GROUPING SETS ((a, b), (a)) ORDER BY a, b NULLS FIRST LIMIT 2",
        &["1 -", "1 1"],
    ),
    // Floats among the keys of several sets, and in a list of a condition that need not hold.
    (
        "SELECT x, count(*) FROM f WHERE x = 0 GROUP BY ROLLUP (x)",
        &["- 2", "0.0 2"],
    ),
    (
        "SELECT i FROM f WHERE x IN (SELECT x AS y FROM f WHERE i > 3) OR i = 1",
        &["1", "4", "5"],
    ),
    (
        "SELECT x > 0 AS p, count(*) FROM f WHERE x IS NOT NULL GROUP BY ROLLUP (x > 0)",
        &["- 5", "false 2", "true 3"],
    ),
    // A null in the list of one of several conditions.
    (
        "SELECT i FROM f WHERE i NOT IN (SELECT x FROM w) OR i = 1",
        &["1"],
    ),
    (
        "SELECT i FROM f WHERE i NOT IN (SELECT o FROM w) OR i = 1",
        &["1", "5", "6"],
    ),
    // Values that are computed of keys are computed of the keys as they are.
    (
        "SELECT 1 / x AS y, count(*) FROM f WHERE x = 0 GROUP BY GROUPING SETS ((1 / x, x))",
        &["-inf 1", "inf 1"],
    ),
    (
        "SELECT i, nullif(x, CAST('0.0' AS DOUBLE)) AS y FROM f WHERE i > 2",
        &["3 1.0", "4 -", "5 -", "6 -"],
    ),
    // A frame that ends before its row.
    (
        "SELECT o, sum(o) OVER (ORDER BY o RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS s FROM w WHERE g = 'a'",
        &["1 -", "2 1", "3 3", "4 6"],
    ),
];

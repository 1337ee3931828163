//! SQL that DataFusion plans in many ways, on two executors: the nodes that `plan` lets through are computed rightly over several partitions.

#[path = "../../../collection-frame/tests/common/plans.rs"]
mod plans;
#[path = "../../../collection-frame/tests/common/rows.rs"]
mod rows;
#[path = "../../../collection-frame/tests/common/semantics.rs"]
mod semantics;
mod support;

use std::sync::Arc;

use kvern_core::{ErrorKind, Session};
use kvern_frame::arrow::array::{ArrayRef, DictionaryArray, Float64Array};
use kvern_frame::arrow::datatypes::{DataType, Int32Type};
use kvern_frame::{Frame, RecordBatch, col, lit, sql};
use plans::{IN_ORDER, QUERIES, t, u};
use rows::rows;
use semantics::{SEMANTICS, tables};
use support::cluster;

process_entry!();

/// Of the same tables, for nodes that the queries of frames have no need of.
const MORE: &[(&str, &[&str])] = &[
    (
        "SELECT make_array(n)[1] AS v FROM t WHERE n < 2",
        &["0", "1"],
    ),
    ("SELECT unnest([1, 2, 3]) AS v", &["1", "2", "3"]),
    (
        "SELECT g, unnest([n, n + 1]) AS v FROM t WHERE n < 2",
        &["g0 0", "g0 1", "g1 1", "g1 2"],
    ),
    (
        "SELECT n, rank() OVER (PARTITION BY g ORDER BY n DESC) AS r FROM t WHERE n > 5 AND n < 9",
        &["6 1", "8 1"],
    ),
    (
        "SELECT n, sum(n) OVER () AS s FROM t WHERE n < 3",
        &["0 3", "1 3", "2 3"],
    ),
    (
        "SELECT g FROM t UNION SELECT g FROM t WHERE n > 4",
        &["g0", "g1", "g2"],
    ),
    (
        "SELECT g, count(DISTINCT n % 2) AS c FROM t GROUP BY g",
        &["g0 2", "g1 2", "g2 2"],
    ),
];

#[test]
fn every_plan_that_is_let_through_gives_its_rows() {
    let (session, _cluster) = cluster(2);
    let (t, u) = (t(), u());
    let mut refused = Vec::new();
    let any = QUERIES.iter().chain(MORE).map(|q| (q, false));
    for ((text, want), sorted) in any.chain(IN_ORDER.iter().map(|q| (q, true))) {
        let f = sql(text, [("t", &t), ("u", &u)]).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let mut want: Vec<String> = want.iter().map(|w| (*w).to_owned()).collect();
        if !sorted {
            want.sort();
        }
        match session.compute(&f) {
            Ok(got) => assert_eq!(rows(&got, sorted), want, "{text}"),
            Err(e) if e.kind() == ErrorKind::Unsupported => refused.push((*text, e)),
            Err(e) => panic!("{text}: {e:?}"),
        }
    }
    // What is refused is refused for a reason that names its node.
    for (text, e) in &refused {
        println!("{text}: {e}");
        assert!(text.starts_with("WITH RECURSIVE"), "{text}: {e}");
        assert!(e.to_string().contains("Exec"), "{text}: {e}");
    }
}

#[test]
fn what_libraries_get_wrong_is_right_or_refused() {
    let (session, _cluster) = cluster(2);
    let tables = tables();
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for (text, want) in SEMANTICS {
        let mut want: Vec<String> = want.iter().map(|w| (*w).to_owned()).collect();
        want.sort();
        let named = tables.iter().map(|(name, frame)| (*name, frame));
        let f = sql(text, named).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        match session.compute(&f) {
            Ok(got) if rows(&got, false) == want => {}
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::NotPortable) => {
                println!("{text}: {e}");
                refused.push(*text);
            }
            other => wrong.push(format!("{text}\n  {other:?}\n  is not {want:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} answers\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // Rows would be moved by a function of kvern's, which Ballista writes without it.
    assert!(
        refused.iter().all(|t| t.contains("(PARTITION BY x")),
        "{refused:?}"
    );
}

#[test]
fn a_dictionary_comes_back_as_one_and_is_refused_where_its_rows_are_moved() {
    let (session, _cluster) = cluster(1);
    let c: DictionaryArray<Int32Type> = [Some("a"), None, Some("a")].into_iter().collect();
    let batch = RecordBatch::try_from_iter([("c", Arc::new(c) as ArrayRef)]).unwrap();
    let f = Frame::from_batches([batch.clone(), batch]).unwrap();
    let got = session.compute(&f).unwrap();
    for batch in &got {
        let came = batch.column(0).data_type();
        assert!(matches!(came, DataType::Dictionary(..)), "{came}");
    }
    assert_eq!(rows(&got, false), ["-", "-", "a", "a", "a", "a"]);

    let groups = "SELECT c, count(*) AS n FROM t GROUP BY c";
    let e = session.compute(&sql(groups, [("t", &f)]).unwrap().repartition(2));
    let e = e.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable, "{e}");
    assert!(
        e.message()
            .contains("column \"c\" in Arrow's dictionary form"),
        "{e}"
    );
    let plain =
        "SELECT c, count(*) AS n FROM (SELECT arrow_cast(c, 'Utf8') AS c FROM t) AS q GROUP BY c";
    let plain = sql(plain, [("t", &f)]).unwrap().repartition(2);
    assert_eq!(
        rows(&session.compute(&plain).unwrap(), false),
        ["- 2", "a 4"]
    );
}

#[test]
fn full_outer_joins_by_something_else_than_equal_columns_are_refused() {
    let (session, _cluster) = cluster(1);
    let tables = tables();
    let named = || tables.iter().map(|(name, frame)| (*name, frame));
    for on in ["TRUE", "i.x < d.y"] {
        let text = format!("SELECT count(*) AS n FROM i FULL JOIN d ON {on}");
        let e = session.compute(&sql(&text, named()).unwrap()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(e.message().contains("rows come twice"), "{e}");
    }
}

#[test]
fn a_nan_of_a_file_is_there() {
    let (session, _cluster) = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let here = Session::open("sync://").unwrap();
    let x = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 1.0])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let written = Frame::from_batches([batch]).unwrap();
    written.write_parquet_in(&path, &here).unwrap();
    let f = Frame::read_parquet(&path).unwrap();
    assert_eq!(
        rows(&session.compute(&f).unwrap(), true),
        ["1.0", "NaN", "1.0"]
    );
    let above = f.filter(col("x").gt(lit(5.0))).unwrap();
    assert_eq!(rows(&session.compute(&above).unwrap(), true), ["NaN"]);
}

//! Answers that libraries below get wrong, or refuse, and that are right here by every way of computing a frame.

#[path = "common/rows.rs"]
mod rows;
#[path = "common/semantics.rs"]
mod semantics;

use std::path::Path;
use std::sync::Arc;

use kvern_core::{ErrorKind, Session};
use kvern_frame::arrow::array::{
    Array, ArrayRef, BooleanArray, Float16Array, Float32Array, Float64Array, Int64Array, ListArray,
    StringArray, StructArray,
};
use kvern_frame::functions::{avg, count, first_value, max, min, sum};
use kvern_frame::{
    DataType, Expr, Field, Frame, JoinHow, RecordBatch, Way, cast, col, concat, lit, sql,
};
use kvern_scheduler_local as _;
use rows::rows;
use semantics::{SEMANTICS, tables};

fn session() -> Session {
    Session::open("threads://?workers=3").unwrap()
}

/// What a frame gives by every way, which must be the same rows.
fn by_every_way(session: &Session, what: &str, f: &Frame) -> Vec<String> {
    let local = session
        .compute(&f.via(Way::Local))
        .unwrap_or_else(|e| panic!("{what}: {e:?}"));
    let want = rows(&local, false);
    for partitions in [1, 2, 5] {
        let tasks = f.via(Way::Tasks).repartition(partitions);
        let got = session
            .compute(&tasks)
            .unwrap_or_else(|e| panic!("{partitions}: {what}: {e:?}"));
        assert_eq!(rows(&got, false), want, "tasks, {partitions}: {what}");
    }
    let got = f.reference().unwrap_or_else(|e| panic!("{what}: {e:?}"));
    assert_eq!(rows(&got, false), want, "reference: {what}");
    want
}

fn frame(columns: Vec<(&str, ArrayRef)>) -> Frame {
    let columns = columns.into_iter().map(|(name, c)| (name, c, true));
    Frame::from_batches([RecordBatch::try_from_iter_with_nullable(columns).unwrap()]).unwrap()
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

#[test]
fn what_libraries_get_wrong_is_right_by_every_way() {
    let session = session();
    let tables = tables();
    let named = || tables.iter().map(|(name, frame)| (*name, frame));
    let mut wrong = Vec::new();
    for (text, want) in SEMANTICS {
        let mut want: Vec<String> = want.iter().map(|w| (*w).to_owned()).collect();
        want.sort();
        let mut check = |how: String, got: kvern_core::Result<Vec<RecordBatch>>| match got
            .map(|got| rows(&got, false))
        {
            Ok(got) if got == want => {}
            other => wrong.push(format!("{how}: {text}\n  {other:?}\n  is not {want:?}")),
        };
        let f = match sql(text, named()) {
            Ok(f) => f,
            Err(e) => {
                check("built".into(), Err(e));
                continue;
            }
        };
        let local = session.compute(&f.via(Way::Local));
        if let Ok(got) = &local {
            assert_eq!(got[0].schema().fields(), f.schema().fields(), "{text}");
        }
        check("local".into(), local);
        for partitions in [1, 2, 5] {
            let f = f.via(Way::Tasks).repartition(partitions);
            check(format!("tasks, {partitions}"), session.compute(&f));
        }
        check("reference".into(), f.reference());
    }
    assert!(
        wrong.is_empty(),
        "{} answers\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A column, written to a file and read again.
fn read_back(session: &Session, folder: &Path, name: &str, column: ArrayRef) -> Frame {
    let path = folder.join(format!("{name}.parquet"));
    frame(vec![("x", column)])
        .write_parquet_in(&path, session)
        .unwrap();
    Frame::read_parquet(path).unwrap()
}

#[test]
fn files_with_nan_come_back_as_they_were() {
    type Half = <kvern_frame::arrow::datatypes::Float16Type as kvern_frame::arrow::array::ArrowPrimitiveType>::Native;
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    let nan = f64::NAN;
    let half = |v: &[f32]| -> ArrayRef {
        Arc::new(Float16Array::from_iter_values(
            v.iter().map(|&v| Half::from_f32(v)),
        ))
    };
    let nested = StructArray::from(vec![(
        Arc::new(Field::new("v", DataType::Float64, true)),
        floats(&[1.0, nan]),
    )]);
    let list =
        ListArray::from_iter_primitive::<kvern_frame::arrow::datatypes::Float64Type, _, _>([
            Some(vec![Some(1.0), Some(1.0)]),
            Some(vec![Some(nan), Some(1.0)]),
        ]);
    let single = |v: &[f32]| -> ArrayRef { Arc::new(Float32Array::from(v.to_vec())) };
    let cases: Vec<(&str, ArrayRef, &[&str])> = vec![
        ("one", floats(&[1.0, nan]), &["1.0", "NaN"]),
        ("zeros", floats(&[0.0, nan, 0.0]), &["0.0", "0.0", "NaN"]),
        ("two", floats(&[1.0, nan, 2.0]), &["1.0", "2.0", "NaN"]),
        ("only", floats(&[nan, nan]), &["NaN", "NaN"]),
        ("minus", floats(&[1.0, -nan]), &["1.0", "NaN"]),
        ("signs", floats(&[-0.0, 0.0]), &["-0.0", "0.0"]),
        ("single", single(&[1.0, f32::NAN]), &["1.0", "NaN"]),
        ("half", half(&[1.5, f32::NAN]), &["1.5", "NaN"]),
        ("nested", Arc::new(nested), &["{v: 1.0}", "{v: NaN}"]),
        ("list", Arc::new(list), &["[1.0, 1.0]", "[NaN, 1.0]"]),
        (
            "null",
            Arc::new(Float64Array::from(vec![Some(1.0), None, Some(nan)])),
            &["-", "1.0", "NaN"],
        ),
    ];
    for (name, column, want) in cases {
        let flat = !column.data_type().is_nested();
        let f = read_back(&session, folder.path(), name, column);
        assert_eq!(by_every_way(&session, name, &f), want, "{name}");
        if !flat {
            continue;
        }
        // A group's count, and a filter, of a column that DataFusion takes for constant.
        let numbers = |f: &dyn Fn(&str) -> bool| want.iter().filter(|w| f(w)).count();
        let is = |condition: Expr| {
            let n = f.filter(condition).unwrap();
            let n = n.agg([count(lit(1)).alias("n")]).unwrap();
            by_every_way(&session, name, &n)
        };
        let one = lit(1.0);
        let nans = numbers(&|w| w == "NaN");
        let not_one = numbers(&|w| w != "1.0" && w != "-");
        assert_eq!(
            is(col("x").not_eq(one.clone())),
            [not_one.to_string()],
            "{name}"
        );
        assert_eq!(is(col("x").gt(lit(100.0))), [nans.to_string()], "{name}");
        assert_eq!(is(col("x").eq(lit(nan))), [nans.to_string()], "{name}");
        assert_eq!(
            is(col("x").lt_eq(one)),
            [numbers(&|w| w != "NaN" && w != "2.0" && w != "1.5" && w != "-").to_string()],
            "{name}"
        );
        assert_eq!(
            is(col("x").is_null()),
            [numbers(&|w| w == "-").to_string()],
            "{name}"
        );
        let groups = f.groupby("x").count().unwrap();
        let groups = groups
            .filter(col("x").eq(lit(nan)))
            .unwrap()
            .select("count")
            .unwrap();
        let want_groups: Vec<String> = (nans > 0).then(|| nans.to_string()).into_iter().collect();
        assert_eq!(by_every_way(&session, name, &groups), want_groups, "{name}");
        let ends = f
            .agg([
                max(col("x")).alias("most"),
                min(col("x")).alias("least"),
                count(col("x")).alias("n"),
            ])
            .unwrap();
        let counted = numbers(&|w| w != "-");
        let most = if nans > 0 { "NaN" } else { "0.0" };
        let least = match name {
            "one" | "two" | "single" | "null" | "minus" => "1.0",
            "half" => "1.5",
            "only" => "NaN",
            _ => "0.0",
        };
        assert_eq!(
            by_every_way(&session, name, &ends),
            [format!("{most} {least} {counted}")],
            "{name}"
        );
    }
}

#[test]
fn no_file_and_no_row_group_is_passed_over_for_bounds_of_floats() {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    // Files whose bounds say that nothing above 10 is in them, one of which has a NaN; and whole numbers beside, which are passed over.
    for (i, values) in [[1.0, f64::NAN], [5.0, 7.0], [20.0, 30.0]]
        .iter()
        .enumerate()
    {
        let i = i as i64;
        frame(vec![
            ("x", floats(values)),
            ("n", ints([10 * i, 10 * i + 1])),
        ])
        .write_parquet_in(folder.path().join(format!("{i}.parquet")), &session)
        .unwrap();
    }
    let f = Frame::read_parquet(folder.path()).unwrap();
    let shown = |condition: Expr| by_every_way(&session, "files", &f.filter(condition).unwrap());
    assert_eq!(
        shown(col("x").gt(lit(10.0))),
        ["20.0 20", "30.0 21", "NaN 1"]
    );
    assert_eq!(
        shown(col("x").gt(lit(10.0)).and(col("n").lt(lit(10)))),
        ["NaN 1"]
    );
    assert_eq!(shown(col("n").gt_eq(lit(20))), ["20.0 20", "30.0 21"]);
    assert_eq!(
        by_every_way(&session, "all", &f.agg([max(col("x"))]).unwrap()),
        ["NaN"]
    );
    let most = f
        .sort(col("x").sort(false, false))
        .unwrap()
        .head(2)
        .unwrap();
    assert_eq!(by_every_way(&session, "most", &most), ["30.0 21", "NaN 1"]);
    for by in [col("n").sort(true, false), col("n").sort(false, true)] {
        let sorted = f.sort(by).unwrap().select("n").unwrap();
        assert_eq!(by_every_way(&session, "sorted", &sorted).len(), 6);
    }
    let joined = f
        .join(
            &frame(vec![("x", floats(&[f64::NAN, 7.0]))]),
            "x",
            JoinHow::Inner,
        )
        .unwrap();
    assert_eq!(by_every_way(&session, "join", &joined), ["7.0 11", "NaN 1"]);
    // A condition on whole numbers still spares the files that it rules out.
    let plan = f.filter(col("n").gt(lit(5))).unwrap().explain().unwrap();
    assert!(plan.contains("pruning_predicate=n_null_count"), "{plan}");
    let plan = f.filter(col("x").gt(lit(5.0))).unwrap().explain().unwrap();
    assert!(!plan.contains("pruning_predicate"), "{plan}");
    // Floats in one file, text in another.
    let mixed = tempfile::tempdir().unwrap();
    let path = |name: &str| mixed.path().join(name);
    frame(vec![("x", floats(&[1.0, f64::NAN]))])
        .write_parquet_in(path("a.parquet"), &session)
        .unwrap();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["other", "NaN"]));
    frame(vec![("x", text)])
        .write_parquet_in(path("b.parquet"), &session)
        .unwrap();
    let f = Frame::read_parquet(mixed.path()).unwrap();
    assert_eq!(
        by_every_way(&session, "mixed", &f),
        ["1.0", "NaN", "NaN", "other"]
    );
    let nans = f.filter(col("x").eq(lit("NaN"))).unwrap();
    assert_eq!(by_every_way(&session, "mixed", &nans), ["NaN", "NaN"]);
}

#[test]
fn a_condition_guards_what_comes_after_it() {
    let session = session();
    for zeros in [0i64, 10, 50, 79, 81, 90, 100] {
        let y = (0..1000).map(|k| if k % 100 < zeros { 0 } else { 1 + k % 3 });
        let f = frame(vec![
            ("x", ints(0..1000)),
            ("y", ints(y.clone())),
            ("w", ints(0..1000)),
            (
                "t",
                Arc::new(StringArray::from_iter_values((0..1000).map(|k| {
                    match k % 2 {
                        0 => k.to_string(),
                        _ => "none".to_owned(),
                    }
                }))),
            ),
        ]);
        let want = (0..1000i64)
            .zip(y.clone())
            .filter(|(x, y)| *y != 0 && x / y > 10)
            .count();
        let of = |f: kvern_core::Result<Frame>| {
            let n = f.unwrap().agg([count(lit(1)).alias("n")]).unwrap();
            by_every_way(&session, &format!("{zeros} zeros"), &n)
        };
        let want = [want.to_string()];
        let not_zero = || col("y").not_eq(lit(0));
        let ratio = || col("x") / col("y");
        let guarded = || f.filter(not_zero());
        assert_eq!(
            of(guarded()
                .and_then(|f| f.with_column("z", ratio()))
                .and_then(|f| f.filter(col("z").gt(lit(10))))),
            want
        );
        assert_eq!(
            of(guarded().and_then(|f| f.filter(ratio().gt(lit(10))))),
            want
        );
        assert_eq!(of(f.filter(not_zero().and(ratio().gt(lit(10))))), want);
        assert_eq!(
            of(guarded()
                .and_then(|f| f.select([ratio().alias("z")]))
                .and_then(|f| f.filter(col("z").gt(lit(10))))),
            want
        );
        // Two that may fail, the first of which is there for the second.
        let inner = guarded().and_then(|f| f.filter(ratio().not_eq(lit(0))));
        let twice = (0..1000i64)
            .zip(y.clone())
            .filter(|(x, y)| *y != 0 && x / y != 0 && 1000 / (x / y) > 10)
            .count();
        assert_eq!(
            of(inner.and_then(|f| f.filter((lit(1000) / ratio()).gt(lit(10))))),
            [twice.to_string()]
        );
        // What is computed of the rows that are left, and text that is a number where another column says so.
        let shown = guarded()
            .and_then(|f| f.select([col("y"), ratio().alias("z")]))
            .unwrap();
        let left = y.filter(|y| *y != 0).count();
        assert_eq!(by_every_way(&session, "select", &shown).len(), left);
        let even = f.filter((col("x") % lit(2)).eq(lit(0)));
        assert_eq!(
            of(even.and_then(|f| f.filter(cast(col("t"), DataType::Int64).gt_eq(lit(0))))),
            ["500"]
        );
    }
}

#[test]
fn columns_and_types_are_told_as_they_come() {
    let session = session();
    let a = frame(vec![("x", ints([1, 2])), ("y", ints([10, 20]))]);
    let b = frame(vec![("y", ints([30])), ("x", floats(&[0.5]))]);
    let told = |f: &Frame| -> Vec<String> {
        f.schema()
            .fields()
            .iter()
            .map(|f| format!("{} {}", f.name(), f.data_type()))
            .collect()
    };
    for (one, other, want) in [
        (&a, &b, ["0.5 30", "1.0 10", "2.0 20"]),
        (&b, &a, ["10 1.0", "20 2.0", "30 0.5"]),
    ] {
        let both = concat(&[one, other]).unwrap();
        assert!(
            told(&both).contains(&"x Float64".to_owned()),
            "{:?}",
            told(&both)
        );
        assert_eq!(by_every_way(&session, "concat", &both), want);
        let got = session.compute(&both).unwrap();
        assert_eq!(got[0].schema().fields(), both.schema().fields());
        // All that goes by what is told.
        let folder = tempfile::tempdir().unwrap();
        for way in [Way::Local, Way::Tasks] {
            let path = folder.path().join("x.parquet");
            assert_eq!(both.via(way).write_parquet_in(&path, &session).unwrap(), 3);
            assert_eq!(
                by_every_way(&session, "written", &Frame::read_parquet(&path).unwrap()),
                want
            );
        }
        let kept = both.persist_in(&session).unwrap();
        assert_eq!(by_every_way(&session, "kept", &kept), want);
        let parts = both.to_delayed().unwrap();
        let again = Frame::from_delayed(both.schema(), parts).unwrap();
        assert_eq!(by_every_way(&session, "delayed", &again), want);
    }
    let e = concat(&[&a, &a.rename([("y", "z")]).unwrap()]).unwrap_err();
    assert!(
        e.message().starts_with(
            "column \"y\" is in the first frame and not in the second, which has: x, z"
        ),
        "{e}"
    );
    let e = concat(&[&a.select("x").unwrap(), &a]).unwrap_err();
    assert!(
        e.message()
            .starts_with("column \"y\" is in the second frame and not in the first"),
        "{e}"
    );
    let mixed = "SELECT x, CASE WHEN x = 1 THEN 1 ELSE 2.5 END AS z FROM a";
    let f = sql(mixed, [("a", &a)]).unwrap();
    assert_eq!(told(&f), ["x Int64", "z Float64"]);
    assert_eq!(by_every_way(&session, "case", &f), ["1 1.0", "2 2.5"]);
    // A long chain of steps costs its length.
    let begun = std::time::Instant::now();
    let mut long = a.clone();
    for _ in 0..300 {
        long = long
            .filter(col("x").gt(lit(0)))
            .unwrap()
            .with_column("y", col("y") + lit(1))
            .unwrap();
    }
    println!("600 steps in {:?}", begun.elapsed());
    assert_eq!(told(&long), ["x Int64", "y Int64"]);
}

#[test]
fn a_column_has_one_name_wherever_its_table_comes_from() {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "id,x\n1,2\n").unwrap();
    let memory = || frame(vec![("id", ints([1])), ("x", ints([2]))]);
    let m = memory();
    let frames = [
        ("csv", Frame::read_csv(&path).unwrap()),
        ("memory", memory()),
        (
            "join",
            memory().join(&memory(), "id", JoinHow::Inner).unwrap(),
        ),
        ("sort", memory().sort("id").unwrap()),
        ("select", memory().select(["id", "x"]).unwrap()),
        ("computed", memory().with_column("z", lit(1)).unwrap()),
        ("sql", sql("SELECT * FROM t", [("t", &m)]).unwrap()),
        ("kept", memory().persist_in(&session).unwrap()),
    ];
    for (from, f) in &frames {
        assert_eq!(
            f.agg([sum(col("x"))]).unwrap().columns(),
            ["sum(x)"],
            "{from}"
        );
        let named = f
            .groupby("id")
            .agg([avg(col("x")), max(col("x")).alias("most")])
            .unwrap();
        assert_eq!(named.columns(), ["id", "avg(x)", "most"], "{from}");
        assert_eq!(
            f.select([col("x") + lit(1i64)]).unwrap().columns(),
            ["x + Int64(1)"],
            "{from}"
        );
        assert_eq!(
            f.groupby(col("x") % lit(2i64)).count().unwrap().columns(),
            ["x % Int64(2)", "count"],
            "{from}"
        );
        let text = "SELECT sum(x), sum(x) + max(t.x), t.x % 2, id AS key FROM t GROUP BY t.x % 2, id HAVING sum(t.x) > 0 ORDER BY 1";
        let f = sql(text, [("t", f)]).unwrap();
        assert_eq!(
            f.columns(),
            ["sum(x)", "sum(x) + max(x)", "x % Int64(2)", "key"],
            "{from}"
        );
        assert_eq!(by_every_way(&session, from, &f), ["2 4 0 1"]);
        let got = session.compute(&f).unwrap();
        assert_eq!(got[0].schema().field(0).name(), "sum(x)");
    }
    let twins = sql(
        "SELECT sum(a.x), sum(b.x) FROM t a JOIN t b ON a.id = b.id",
        [("t", &m)],
    )
    .unwrap();
    assert_eq!(twins.columns(), ["sum(a.x)", "sum(b.x)"]);
    let over = sql(
        "SELECT sum(t.x) OVER (PARTITION BY t.id) FROM t",
        [("t", &m)],
    )
    .unwrap();
    assert!(
        over.columns()[0].starts_with("sum(x) PARTITION BY [id]"),
        "{:?}",
        over.columns()
    );
}

#[test]
fn no_rows_have_columns() {
    let session = session();
    let none = frame(vec![
        ("x", ints([1])),
        ("t", Arc::new(StringArray::from(vec!["a"]))),
    ]);
    let none = none.filter(col("x").gt(lit(5))).unwrap();
    for f in [
        none.clone(),
        none.groupby("t").agg([sum(col("x"))]).unwrap(),
        none.sort("x").unwrap(),
    ] {
        for way in [Way::Local, Way::Tasks] {
            let got = session.compute(&f.via(way)).unwrap();
            assert_eq!(got.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
            assert_eq!(got[0].schema().fields(), f.schema().fields(), "{way:?}");
            assert_eq!(Frame::from_batches(got).unwrap().columns(), f.columns());
        }
    }
}

#[test]
fn what_an_aggregate_does_not_take_is_told_when_it_is_written() {
    let f = frame(vec![
        ("k", ints([1, 2])),
        ("x", ints([1, 2])),
        ("flag", Arc::new(BooleanArray::from(vec![true, false]))),
        ("name", Arc::new(StringArray::from(vec!["a", "b"]))),
    ]);
    let says = |got: kvern_core::Result<Frame>, words: &str| {
        let e = got.expect_err(words);
        assert_eq!(e.kind(), ErrorKind::BadInput, "{e:?}");
        assert!(
            e.message().starts_with(words),
            "{words:?} is not the start of: {e}"
        );
        assert!(
            !e.to_string().contains("bug") && !e.message().contains('\n'),
            "{e}"
        );
    };
    says(
        f.groupby("k").agg([col("x")]),
        "col(\"x\") is no aggregate, and a group has many values of it: say which is meant",
    );
    says(f.agg([col("x").alias("y")]), "col(\"x\") is no aggregate");
    says(
        f.groupby("k").agg([sum(col("x")), col("x") + lit(1)]),
        "x + Int32(1) is no aggregate",
    );
    says(
        f.agg([sum(col("flag"))]),
        "sum(flag): column \"flag\" is Boolean, and sum takes numbers; to count what is true",
    );
    says(
        f.groupby("k").agg([avg(col("name"))]),
        "avg(name): column \"name\" is text (Utf8), and avg takes numbers; if all of it reads as numbers",
    );
    says(
        sql("SELECT sum(flag), sum(x) FROM t", [("t", &f)]),
        "sum(flag) or sum(x): sum does not take (Boolean)",
    );
    says(
        sql("SELECT k, avg(name) FROM t GROUP BY k", [("t", &f)]),
        "",
    );
    says(f.filter(col("x") + lit(1)), "");
    says(f.with_column("z", col("flag") + col("x")), "");
    // And what can be is not refused.
    assert!(
        f.groupby("k")
            .agg([first_value(col("name"), vec![]), sum(col("x")) + lit(1)])
            .is_ok()
    );
}

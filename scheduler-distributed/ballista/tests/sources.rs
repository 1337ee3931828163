//! Rows are there once, whatever they come from: each source of frames over several partitions, against the threads of this process.

mod support;

use std::path::Path;
use std::sync::Arc;

use kvern_core::Session;
use kvern_frame::arrow::array::{ArrayRef, Int64Array, StringArray};
use kvern_frame::arrow::compute::concat_batches;
use kvern_frame::arrow::util::pretty::pretty_format_batches;
use kvern_frame::functions::{count, sum};
use kvern_frame::{CsvOptions, Frame, JoinHow, RecordBatch, col, concat, lit, sql};
use support::cluster;

process_entry!();

/// Rows of so many numbers from there on, some without a name.
fn numbers(from: i64, n: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + n));
    let name = |i: i64| (i % 11 != 0).then(|| format!("name {}", i % 7));
    let names: ArrayRef = Arc::new(StringArray::from_iter((from..from + n).map(name)));
    RecordBatch::try_from_iter_with_nullable([("n", ids, false), ("name", names, true)]).unwrap()
}

/// 7 partitions of different lengths, one of them empty.
fn batches() -> Frame {
    let lengths = [1000, 1, 0, 2500, 40, 3, 999];
    let mut at = 0;
    let mut parts = Vec::new();
    for n in lengths {
        parts.push(vec![numbers(at, n)]);
        at += n;
    }
    Frame::from_partitions(numbers(0, 0).schema(), parts).unwrap()
}

/// Each source that there is, with its name.
fn sources(folder: &Path, threads: &Session) -> Vec<(&'static str, Frame)> {
    let all = batches();
    for (i, part) in [(0, 1000), (1000, 2000), (3000, 1543)].iter().enumerate() {
        let part = Frame::from_batches([numbers(part.0, part.1)]).unwrap();
        let path = folder.join(format!("{i}.parquet"));
        part.write_parquet_in(path, threads).unwrap();
    }
    let mut text = String::from("n,name\n");
    for i in 0..4543 {
        let name = (i % 11 != 0).then(|| format!("name {}", i % 7));
        text += &format!("{i},{}\n", name.as_deref().unwrap_or("NA"));
    }
    std::fs::write(folder.join("all.csv"), &text).unwrap();
    let (first, second) = text.split_at(text.find("\n2000,").unwrap() + 1);
    std::fs::write(folder.join("part-0.csv"), first).unwrap();
    std::fs::write(folder.join("part-1.csv"), format!("n,name\n{second}")).unwrap();
    let csv = |name: &str| {
        let options = CsvOptions::new().null_values(["NA"]);
        Frame::read_csv_with(folder.join(name).to_str().unwrap(), &options).unwrap()
    };
    let parquet = |name: &str| Frame::read_parquet(folder.join(name).to_str().unwrap()).unwrap();
    vec![
        ("batches", all.clone()),
        ("one Parquet file", parquet("1.parquet")),
        ("three Parquet files", parquet("*.parquet")),
        ("one CSV file", csv("all.csv")),
        ("two CSV files", csv("part-*.csv")),
        ("two sources", concat(&[&all, &csv("all.csv")]).unwrap()),
    ]
}

fn text(rows: &[RecordBatch]) -> String {
    let rows: Vec<_> = rows.iter().filter(|b| b.num_rows() > 0).collect();
    let Some(first) = rows.first() else {
        return "no rows".to_owned();
    };
    let whole = concat_batches(&first.schema(), rows).unwrap();
    pretty_format_batches(&[whole]).unwrap().to_string()
}

/// The same rows in the same order on both.
fn same(what: &str, ballista: &Session, threads: &Session, frame: &Frame) {
    let there = text(&ballista.compute(frame).unwrap());
    let here = text(&threads.compute(frame).unwrap());
    let (there, here): (Vec<_>, Vec<_>) = (there.lines().collect(), here.lines().collect());
    let differ = there.iter().zip(&here).position(|(a, b)| a != b);
    let at = differ.unwrap_or(there.len().min(here.len()));
    assert!(
        there == here,
        "{what}: {} and {} lines, line {at}: {:?} and {:?}",
        there.len(),
        here.len(),
        there.get(at),
        here.get(at)
    );
}

#[test]
fn each_row_of_each_source_is_there_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let threads = Session::open("threads://?workers=2").unwrap();
    let (session, _cluster) = cluster(2);
    for (what, frame) in sources(folder.path(), &threads) {
        let frame = frame.repartition(5);
        assert_eq!(
            frame.count().unwrap().compute_in(&session).unwrap(),
            frame.count().unwrap().compute_in(&threads).unwrap(),
            "{what}"
        );
        same(what, &session, &threads, &frame);
        let some = frame.filter((col("n") % lit(3)).eq(lit(1))).unwrap();
        same(what, &session, &threads, &some);
        // Which rows come first is told only where one source is read.
        if what != "two sources" {
            same(what, &session, &threads, &frame.head(1234).unwrap());
        }
        let groups = frame
            .groupby(["name"])
            .agg([count(lit(1)).alias("rows"), sum(col("n")).alias("sum")])
            .unwrap();
        let groups = groups.sort([col("name").sort(true, true)]).unwrap();
        same(what, &session, &threads, &groups);
    }
    let empty = batches().filter(col("n").lt(lit(0))).unwrap();
    assert_eq!(text(&session.compute(&empty).unwrap()), "no rows");
    let constant = sql("SELECT 1 AS one, 'a' AS a", []).unwrap();
    same("no source", &session, &threads, &constant);
}

#[test]
fn joins_give_each_row_once() {
    let threads = Session::open("threads://?workers=2").unwrap();
    let (session, _cluster) = cluster(2);
    let left = batches().repartition(4);
    let right = batches()
        .filter((col("n") % lit(5)).eq(lit(0)))
        .unwrap()
        .rename([("name", "other")])
        .unwrap();
    for how in [
        JoinHow::Inner,
        JoinHow::Left,
        JoinHow::Right,
        JoinHow::Full,
        JoinHow::Semi,
        JoinHow::Anti,
    ] {
        let joined = left.join(&right, "n", how).unwrap().repartition(4);
        let n = joined
            .columns()
            .into_iter()
            .map(|c| col(c).sort(true, true));
        let joined = joined.sort(n.collect::<Vec<_>>()).unwrap();
        same(&format!("{how:?}"), &session, &threads, &joined);
    }
    // No equal keys: rows of the first side that find nobody must come out once, not once a task.
    let below = |f: &Frame, n: i64| f.filter(col("n").lt(lit(n))).unwrap();
    let (a, b) = (below(&left, 40), below(&right, 30));
    for (how, query) in [
        (
            "left",
            "SELECT a.n, b.n AS m FROM a LEFT JOIN b ON a.n > b.n + 20",
        ),
        (
            "right",
            "SELECT a.n, b.n AS m FROM a RIGHT JOIN b ON a.n > b.n + 20",
        ),
        (
            "exists",
            "SELECT a.n, 0 AS m FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE a.n > b.n + 20)",
        ),
        ("cross", "SELECT a.n, b.n AS m FROM a CROSS JOIN b"),
    ] {
        let query = format!("SELECT * FROM ({query}) ORDER BY n, m");
        let joined = sql(&query, [("a", &a), ("b", &b)]).unwrap().repartition(4);
        same(how, &session, &threads, &joined);
    }
    // The same over sides of several partitions.
    let query = "SELECT * FROM (SELECT a.n, count(b.n) AS m FROM a LEFT JOIN b ON a.n > b.n + 4400 GROUP BY a.n) ORDER BY n";
    let joined = sql(query, [("a", &left), ("b", &right)]).unwrap();
    same("left, large", &session, &threads, &joined.repartition(4));
}

#[test]
fn what_is_computed_can_be_kept_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let threads = Session::open("threads://?workers=2").unwrap();
    let (session, _cluster) = cluster(2);
    let frame = batches().filter(col("n").gt(lit(100))).unwrap();

    let kept = frame.persist_in(&session).unwrap();
    let twice = concat(&[&kept, &kept]).unwrap();
    assert_eq!(
        twice.count().unwrap().compute_in(&session).unwrap(),
        2 * (4543 - 101)
    );

    let path = folder.path().join("kept.parquet");
    let rows = frame.write_parquet_in(&path, &session).unwrap();
    assert_eq!(rows, 4543 - 101);
    let written = Frame::read_parquet(&path).unwrap();
    assert_eq!(
        written.count().unwrap().compute_in(&threads).unwrap(),
        4543 - 101
    );

    // Nothing takes the file's place when the query fails, and nothing is left beside it.
    let bad = folder.path().join("bad.csv");
    std::fs::write(&bad, "n\n1\nx\n").unwrap();
    let options = CsvOptions::new().infer_rows(Some(1));
    let frame = Frame::read_csv_with(&bad, &options).unwrap();
    frame.write_parquet_in(&path, &session).unwrap_err();
    assert_eq!(
        written.count().unwrap().compute_in(&threads).unwrap(),
        4543 - 101
    );
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2);

    let shown = batches()
        .head(3)
        .unwrap()
        .table_in(2, 80, &session)
        .unwrap();
    assert!(shown.contains("2 rows, and more"), "{shown}");
    let words = kept.explain_in(&session).unwrap();
    assert!(words.contains("ballista://"), "{words}");
}

#[test]
fn several_frames_are_computed_at_once() {
    let (session, _cluster) = cluster(2);
    let (a, b) = (batches(), batches().head(10).unwrap());
    let (a, b) = session.compute((&a, &b)).unwrap();
    let rows = |b: &[RecordBatch]| b.iter().map(RecordBatch::num_rows).sum::<usize>();
    assert_eq!((rows(&a), rows(&b)), (4543, 10));
}

//! Reading and writing files: what comes back, in which order, and what is said of files that are not as they should be.

use std::path::{Path, PathBuf};

use kvern_core::{ErrorKind, Session};
use kvern_frame::arrow::array::{Array, Int64Array};
use kvern_frame::arrow::util::pretty::pretty_format_batches;
use kvern_frame::functions::{count, sum};
use kvern_frame::{CsvOptions, DataType, Frame, RecordBatch, Way, col, lit};
use kvern_scheduler_local as _;
use tempfile::TempDir;

#[path = "files/csv.rs"]
mod csv;
#[path = "files/cut.rs"]
mod cut;
#[path = "files/kinds.rs"]
mod kinds;
#[path = "files/odd.rs"]
mod odd;
#[path = "files/round.rs"]
mod round;

fn session() -> Session {
    Session::open("threads://?workers=2").unwrap()
}

fn put(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

fn ints(batches: &[RecordBatch], column: &str) -> Vec<Option<i64>> {
    batches
        .iter()
        .flat_map(|b| {
            let c = b.column_by_name(column).unwrap();
            let c = c.as_any().downcast_ref::<Int64Array>().unwrap();
            (0..c.len())
                .map(|i| c.is_valid(i).then(|| c.value(i)))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What both ways give, which must be the same.
fn both(f: &Frame) -> Vec<RecordBatch> {
    let s = session();
    let local = s.compute(&f.via(Way::Local)).unwrap();
    let tasks = s.compute(&f.via(Way::Tasks).repartition(3)).unwrap();
    assert_eq!(
        pretty_format_batches(&local).unwrap().to_string(),
        pretty_format_batches(&tasks).unwrap().to_string()
    );
    local
}

/// Both ways fail with the same words.
fn fails(f: &Frame) -> kvern_core::Error {
    let s = session();
    let local = s.compute(&f.via(Way::Local)).unwrap_err();
    let tasks = s.compute(&f.via(Way::Tasks).repartition(3)).unwrap_err();
    assert_eq!(
        (local.kind(), local.message()),
        (tasks.kind(), tasks.message())
    );
    local
}

#[test]
fn files_that_are_wrong_are_named() {
    let folder = TempDir::new().unwrap();
    let e = Frame::read_csv(folder.path().join("none.csv")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.message().contains("none.csv: it cannot be read"), "{e}");
    let e = Frame::read_parquet(folder.path().join("*.parquet")).unwrap_err();
    assert!(e.message().contains("matches no file"), "{e}");
    let e = Frame::read_parquet(folder.path()).unwrap_err();
    assert!(
        e.message()
            .contains("holds no file that ends with .parquet"),
        "{e}"
    );
    // Ragged: told when the types are found, or when that row is read.
    let ragged = put(&folder, "ragged.csv", "a,b\n1,2\n3\n4,5\n");
    let e = Frame::read_csv(&ragged).unwrap_err();
    assert!(e.message().contains("ragged.csv: line 3: "), "{e}");
    let mut text = String::from("a,b\n");
    (0..20_000).for_each(|i| text.push_str(&format!("{i},{i}\n")));
    text.push_str("1,2,3\n");
    let ragged = put(&folder, "late.csv", &text);
    let f = Frame::read_csv(&ragged).unwrap();
    let e = fails(&f);
    assert!(
        e.message()
            .contains("late.csv: line 20002: incorrect number of fields"),
        "{e}"
    );
    let zip = put(&folder, "broken.csv.gz", "this is no gzip");
    let e = Frame::read_csv(&zip).unwrap_err();
    assert!(e.message().contains("broken.csv.gz"), "{e}");
    assert!(
        e.kind() == ErrorKind::Io || e.kind() == ErrorKind::Decode,
        "{e:?}"
    );
    let cut = put(&folder, "cut.parquet", "PAR1 and then nothing");
    let e = Frame::read_parquet(&cut).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Decode);
    assert!(
        e.message()
            .contains("cut.parquet: not a whole Parquet file"),
        "{e}"
    );
}

fn numbers(n: i64) -> Frame {
    let path = TempDir::new().unwrap();
    let mut text = String::from("i,half\n");
    (0..n).for_each(|i| text.push_str(&format!("{i},{}\n", i as f64 / 2.0)));
    let csv = path.path().join("n.csv");
    std::fs::write(&csv, text).unwrap();
    let batches = session().compute(&Frame::read_csv(&csv).unwrap()).unwrap();
    Frame::from_batches(batches).unwrap()
}

#[test]
fn parquet_comes_back_in_order_by_both_ways() {
    let folder = TempDir::new().unwrap();
    let f = numbers(50_000);
    for (way, name) in [(Way::Local, "local.parquet"), (Way::Tasks, "tasks.parquet")] {
        let path = folder.path().join(name);
        assert_eq!(
            f.via(way).write_parquet_in(&path, &session()).unwrap(),
            50_000
        );
        let back = Frame::read_parquet(&path).unwrap();
        let want: Vec<_> = (0..50_000).map(Some).collect();
        assert!(ints(&both(&back), "i") == want, "{way:?}");
        assert_eq!(
            back.filter(col("i").lt(lit(10)))
                .unwrap()
                .count()
                .unwrap()
                .compute_in(&session())
                .unwrap(),
            10
        );
    }
    assert_eq!(names(folder.path()), ["local.parquet", "tasks.parquet"]);
    let all = Frame::read_parquet(folder.path()).unwrap();
    assert_eq!(
        all.count().unwrap().compute_in(&session()).unwrap(),
        100_000
    );
    // Half of a file: its end, where the columns are described, is gone.
    let bytes = std::fs::read(folder.path().join("local.parquet")).unwrap();
    let cut = folder.path().join("half.parquet");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let e = Frame::read_parquet(&cut).unwrap_err();
    assert!(
        e.message()
            .contains("half.parquet: not a whole Parquet file"),
        "{e}"
    );
}

#[test]
fn a_parquet_file_that_breaks_after_it_was_opened_is_named() {
    let folder = TempDir::new().unwrap();
    for name in ["a.parquet", "b.parquet"] {
        let path = folder.path().join(name);
        numbers(1000).write_parquet_in(&path, &session()).unwrap();
    }
    let f = Frame::read_parquet(folder.path()).unwrap();
    assert_eq!(f.count().unwrap().compute_in(&session()).unwrap(), 2000);
    let path = folder.path().join("b.parquet");
    let bytes = std::fs::read(&path).unwrap();
    let fails = |what: &str, kind: ErrorKind| {
        for way in [Way::Local, Way::Tasks] {
            let f = f.via(way);
            for e in [
                session().compute(&f).unwrap_err(),
                f.count().unwrap().compute_in(&session()).unwrap_err(),
            ] {
                assert_eq!(e.kind(), kind, "{way:?}: {e}");
                assert!(e.message().contains(what), "{way:?}: {e}");
            }
        }
    };
    for len in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        fails("b.parquet: not a whole Parquet file", ErrorKind::Decode);
    }
    std::fs::remove_file(&path).unwrap();
    fails("b.parquet: it cannot be read", ErrorKind::Io);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(f.count().unwrap().compute_in(&session()).unwrap(), 2000);
}

fn names(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out.parquet");
    numbers(10).write_parquet_in(&path, &session()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let bad = put(&folder, "bad.csv", "i\n1\n2\nthree\n");
    let options = CsvOptions::new().infer_rows(Some(2));
    let f = Frame::read_csv_with(&bad, &options).unwrap();
    for way in [Way::Local, Way::Tasks] {
        let e = f.via(way).write_parquet_in(&path, &session()).unwrap_err();
        assert!(
            e.to_string().contains("bad.csv: line 4: 'three'"),
            "{way:?}: {e}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(names(folder.path()), ["bad.csv", "out.parquet"]);
    }
    numbers(3).write_parquet_in(&path, &session()).unwrap();
    assert_eq!(
        Frame::read_parquet(&path)
            .unwrap()
            .count()
            .unwrap()
            .compute_in(&session())
            .unwrap(),
        3
    );
    let e = numbers(3)
        .write_parquet_in(folder.path().join("no/such/x.parquet"), &session())
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(
        e.message().contains("x.parquet: it cannot be written"),
        "{e}"
    );
}

#[test]
fn parquet_types_widen_and_missing_columns_are_null() {
    let folder = TempDir::new().unwrap();
    let small = numbers(3)
        .select([kvern_frame::cast(col("i"), DataType::Int32).alias("i")])
        .unwrap();
    small
        .write_parquet_in(folder.path().join("1.parquet"), &session())
        .unwrap();
    numbers(2)
        .write_parquet_in(folder.path().join("2.parquet"), &session())
        .unwrap();
    let f = Frame::read_parquet(folder.path()).unwrap();
    assert_eq!(f.columns(), ["i", "half"]);
    assert_eq!(f.schema().field(0).data_type(), &DataType::Int64);
    let got = both(&f);
    assert_eq!(
        ints(&got, "i"),
        [Some(0), Some(1), Some(2), Some(0), Some(1)]
    );
    let nulls = f.agg([count(col("half")).alias("n")]).unwrap();
    assert_eq!(ints(&both(&nulls), "n"), [Some(2)]);
}

#[test]
fn equal_frames_over_files_have_equal_keys_and_changed_files_others() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("n.parquet");
    numbers(1000).write_parquet_in(&path, &session()).unwrap();
    let csv = put(&folder, "n.csv", "i,half\n1,2\n3,4\n");
    let make = || {
        let a = Frame::read_parquet(&path).unwrap();
        let b = Frame::read_csv(&csv).unwrap().select(["i"]).unwrap();
        let f = a.join(&b, "i", kvern_frame::JoinHow::Inner).unwrap();
        f.groupby("i")
            .agg([sum(col("half")).alias("s"), count(lit(1)).alias("n")])
            .unwrap()
    };
    let keys = |f: &Frame| -> Vec<kvern_core::Key> {
        let graph = f.graph().unwrap();
        graph.layers().iter().map(|l| l.key()).collect()
    };
    let first = keys(&make());
    assert_eq!(first, keys(&make()));
    let two = (make(), make());
    let roots = kvern_core::Computation::roots(&(&two.0, &two.1)).unwrap();
    assert_eq!(
        kvern_core::Graph::new(&roots).layers().len(),
        first.len(),
        "equal work is one"
    );
    numbers(1001).write_parquet_in(&path, &session()).unwrap();
    assert_ne!(first.last(), keys(&make()).last());
}

#[test]
fn urls_are_paths_or_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = put(&folder, "a b.csv", "x\n1\n2\n");
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    let f = Frame::read_csv(url.as_str()).unwrap();
    assert_eq!(f.count().unwrap().compute_in(&session()).unwrap(), 2);
    let written = folder.path().join("out.parquet");
    let url = format!("file://{}", written.display());
    f.write_parquet_in(&url, &session()).unwrap();
    assert!(written.is_file());
    for url in ["s3://bucket/x.parquet", "https://example.com/x.csv"] {
        for e in [
            Frame::read_csv(url).unwrap_err(),
            Frame::read_parquet(url).unwrap_err(),
            f.write_parquet_in(url, &session()).unwrap_err(),
        ] {
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            assert!(e.to_string().contains(url), "{e}");
        }
    }
}

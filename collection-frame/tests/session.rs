//! Frames in sessions: which way is chosen, how memory, cancelling and other collections meet them, and what is said of mistakes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kvern_core::delayed::delayed_local;
use kvern_core::events::{Observer, Subscription};
use kvern_core::scheduler::{Description, MemoryUse, Run, Scheduler};
use kvern_core::{Collection, ErrorKind, Handle, Plan, Result, Session, Value, delayed};
use kvern_frame::arrow::array::{ArrayRef, AsArray, Int64Array, StringArray, StringViewArray};
use kvern_frame::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use kvern_frame::functions::{count, sum};
use kvern_frame::{Frame, JoinHow, RecordBatch, Way, col, concat, lit, sql};
use kvern_scheduler_local as _;

fn numbers(from: i64, to: i64) -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
    let name = (from..to).map(|i| format!("name {}", i % 7));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values(name));
    RecordBatch::try_from_iter([("n", n), ("name", name)]).unwrap()
}

fn frame() -> Frame {
    Frame::from_batches([numbers(0, 100), numbers(100, 250)]).unwrap()
}

fn total(batches: &[RecordBatch], column: usize) -> i64 {
    let columns = batches
        .iter()
        .map(|b| b.column(column).as_primitive::<Int64Type>());
    columns.flat_map(|c| c.values().to_vec()).sum()
}

/// A backend that says it runs no closures, and notes which operators it was given.
struct Abroad {
    here: Arc<dyn Scheduler>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Scheduler for Abroad {
    fn describe(&self) -> Description {
        let mut d = self.here.describe();
        d.scheme = "abroad".into();
        d.capabilities.closures = false;
        d
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        let mut seen = self.seen.lock().unwrap();
        for layer in plan.graph().layers() {
            for op in layer.kind().ops() {
                op.check_portable()?;
                seen.push(op.name().to_owned());
            }
        }
        self.here.submit(plan)
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.here.scatter(values)
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.here.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.here.memory()
    }

    fn close(&self) {
        self.here.close();
    }
}

fn abroad() -> (Session, Arc<Mutex<Vec<String>>>) {
    let here = Session::open("threads://?workers=2").unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let scheduler = Arc::new(Abroad {
        here: here.scheduler().clone(),
        seen: seen.clone(),
    });
    // The inner session closes its backend when it is dropped.
    let _kept = std::mem::ManuallyDrop::new(here);
    (
        Session::builder().scheduler(scheduler).build().unwrap(),
        seen,
    )
}

#[test]
fn the_backend_decides_the_way() {
    let f = frame()
        .groupby("name")
        .agg([sum(col("n")).alias("s")])
        .unwrap();
    let want: i64 = (0..250).sum();
    let (session, seen) = abroad();
    assert_eq!(total(&session.compute(&f).unwrap(), 1), want);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    for op in ["frame.stage", "frame.split", "frame.concat"] {
        assert!(seen.iter().any(|s| s == op), "{seen:?}");
    }
    let e = session.compute(&f.via(Way::Local)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert!(
        e.message()
            .contains("abroad:// does not run here: use Way::Tasks"),
        "{e}"
    );
    let (a, b) = session.compute((&f, &f.head(2).unwrap())).unwrap();
    assert_eq!(
        (
            total(&a, 1),
            b.iter().map(RecordBatch::num_rows).sum::<usize>()
        ),
        (want, 2)
    );

    let here = Session::open("threads://?workers=2").unwrap();
    let roots = f.roots_in(&here).unwrap();
    assert_eq!(roots[0].layer.kind().ops()[0].name(), "frame.query");
    assert_eq!(total(&here.compute(&f).unwrap(), 1), want);
}

#[test]
fn frames_meet_functions_in_one_graph() {
    let session = Session::open("threads://?workers=2").unwrap();
    let schema = numbers(0, 0).schema();
    let make = delayed_local(|from: &i64| vec![numbers(*from, *from + 10)]);
    let f = Frame::from_delayed(schema, (0..5).map(|i| make.call((i * 10,)))).unwrap();
    let even = f.filter((col("n") % lit(2)).eq(lit(0))).unwrap();
    let want: i64 = (0..50).filter(|n| n % 2 == 0).sum();
    for way in [Way::Local, Way::Tasks] {
        assert_eq!(
            total(&session.compute(&even.via(way)).unwrap(), 0),
            want,
            "{way:?}"
        );
    }
    // And on again: a function over each partition, and one over all of them.
    let rows = delayed(|p: &Vec<RecordBatch>| total(p, 0));
    let parts: Vec<_> = even
        .to_delayed()
        .unwrap()
        .iter()
        .map(|p| rows.call((p,)))
        .collect();
    assert_eq!(parts.len(), 5);
    let all = delayed(|v: &Vec<i64>| v.iter().sum::<i64>()).call((&parts,));
    assert_eq!(session.compute(&all).unwrap(), want);
    assert_eq!(all.reference().unwrap(), want);
    // Kept in the session, and read from there.
    let kept = even.persist_in(&session).unwrap();
    assert_eq!(kept.count().unwrap().compute_in(&session).unwrap(), 25);
    assert!(session.memory().held > 0);
    assert_eq!(
        session
            .persist(&even)
            .unwrap()
            .count()
            .unwrap()
            .compute_in(&session)
            .unwrap(),
        25
    );
}

#[test]
fn many_small_batches_are_few_partitions_of_one_query() {
    let session = Session::open("threads://?workers=2").unwrap();
    let f = Frame::from_batches((0..101i64).map(|i| numbers(i * 10, (i + 1) * 10))).unwrap();
    let plan = f.explain_in(&session).unwrap();
    assert!(plan.contains("PartsExec: partitions=2 of 101"), "{plan}");
    for way in [Way::Local, Way::Tasks] {
        let got = session.compute(&f.via(way)).unwrap();
        let n = got
            .iter()
            .flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec());
        assert!(n.eq(0..1010), "{way:?}");
        let few = f
            .select("n")
            .unwrap()
            .filter(col("n").gt(lit(1000)))
            .unwrap();
        assert_eq!(
            total(&session.compute(&few.via(way)).unwrap(), 0),
            (1001..1010).sum::<i64>()
        );
    }
}

#[test]
fn a_partition_of_other_columns_is_told_by_name() {
    let session = Session::open("sync://").unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
    let make = delayed_local(|from: &i64| vec![numbers(*from, 5)]);
    let f = Frame::from_delayed(schema.clone(), [make.call((0,))]).unwrap();
    for way in [Way::Local, Way::Tasks] {
        let e = session.compute(&f.via(way)).unwrap_err();
        assert!(
            e.message()
                .contains("has the columns n Int64, name Utf8, expected were x Float64"),
            "{way:?}: {e}"
        );
    }
    let e = Frame::from_partitions(schema, [vec![numbers(0, 1)]]).unwrap_err();
    assert!(
        e.message().contains("partition 0 has the columns n Int64"),
        "{e}"
    );
}

#[test]
fn more_groups_than_memory_are_counted() {
    // A million keys and text beside them: several times the budget, and no task may hold it all.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.parquet");
    let big = Session::open("threads://?workers=2").unwrap();
    let batches = (0..20i64).map(|i| numbers(i * 50_000, (i + 1) * 50_000));
    Frame::from_batches(batches)
        .unwrap()
        .write_parquet_in(&path, &big)
        .unwrap();
    let f = Frame::read_parquet(&path).unwrap();
    let f = f
        .groupby([col("n") * lit(7) % lit(1_000_003), col("name")])
        .agg([count(lit(1)).alias("c")])
        .unwrap()
        .agg([sum(col("c")).alias("all")])
        .unwrap();
    let spill = folder.path().join("spill");
    std::fs::create_dir(&spill).unwrap();
    let url = format!(
        "threads://?workers=2&memory=32MiB&spill-directory={}",
        spill.display()
    );
    let small = Session::open(&url).unwrap();
    for way in [Way::Local, Way::Tasks] {
        let got = small.compute(&f.via(way).repartition(8)).unwrap();
        assert_eq!(total(&got, 0), 1_000_000, "{way:?}");
        let m = small.memory();
        assert!(m.peak <= 32 << 20, "{way:?}: {m:?}");
    }
    assert_eq!(
        std::fs::read_dir(&spill).unwrap().count(),
        0,
        "spilled files are gone"
    );
    // Without a place to go it is an error of its kind, and not the end of the process.
    let tiny = Session::open("threads://?workers=2&memory=2MiB&spill=false").unwrap();
    let e = tiny
        .compute(&f.sort("all").unwrap().via(Way::Local).repartition(2))
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e:?}");
}

#[test]
fn a_cancelled_query_ends_soon() {
    // With threads of its own, and on one.
    for url in ["threads://?workers=2", "threads://?workers=1"] {
        for way in [Way::Local, Way::Tasks] {
            is_cancelled(url, way);
        }
    }
}

fn is_cancelled(url: &str, way: Way) {
    let session = Session::open(url).unwrap();
    // Such a join looks up once a batch, which is 8,192 rows against all of the other side: few enough for a build without optimisation.
    let rows = Frame::from_batches([numbers(0, 20_000)]).unwrap();
    let other = rows.rename([("n", "m"), ("name", "other")]).unwrap();
    // 400 million pairs.
    let f = rows
        .join(&other, Vec::<&str>::new(), JoinHow::Cross)
        .unwrap()
        .filter((col("n") * col("m")).eq(lit(-1)))
        .unwrap()
        .via(way);
    let run = session.start(&f.roots_in(&session).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    run.cancel();
    let e = run.gather().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled);
    session.close();
    println!("{:?} on {url}, {way:?}", begun.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?} on {url}, {way:?}",
        begun.elapsed()
    );
}

#[test]
fn a_write_that_is_cancelled_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    // With threads of their own, and alone.
    for url in ["threads://?workers=2", "threads://?workers=1"] {
        let session = Session::open(url).unwrap();
        let rows = Frame::from_batches([numbers(0, 60_000)]).unwrap();
        let other = rows.rename([("n", "m"), ("name", "other")]).unwrap();
        let pairs = rows
            .join(&other, Vec::<&str>::new(), JoinHow::Cross)
            .unwrap();
        std::thread::scope(|s| {
            let path = folder.path().join("pairs.parquet");
            let (pairs, session) = (&pairs, &session);
            let writer = s.spawn(move || pairs.write_parquet_in(path, session));
            let end = Instant::now() + Duration::from_secs(60);
            while files() == 0 {
                assert!(Instant::now() < end, "nothing is written");
                std::thread::sleep(Duration::from_millis(1));
            }
            session.close();
            assert_eq!(files(), 0, "of a closed session on {url}");
            let e = writer.join().unwrap().unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
        });
    }
}

#[test]
fn an_async_runtime_that_is_there_is_no_obstacle() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        for url in ["threads://?workers=2", "sync://"] {
            let session = Session::open(url).unwrap();
            let f = sql("SELECT sum(n) FROM t", [("t", &frame())]).unwrap();
            for way in [Way::Local, Way::Tasks] {
                assert_eq!(
                    total(&session.compute(&f.via(way)).unwrap(), 0),
                    (0..250).sum::<i64>()
                );
            }
        }
    });
}

#[test]
fn mistakes_are_told_when_they_are_made() {
    let f = frame();
    let says = |e: kvern_core::Error, words: &str| {
        assert_eq!(e.kind(), ErrorKind::BadInput, "{e:?}");
        assert!(e.message().contains(words), "{words:?} is not in: {e}");
    };
    says(
        f.select(["nam"]).unwrap_err(),
        "there is no column \"nam\"; did you mean \"name\"? (there are: n, name)",
    );
    says(
        f.filter(col("N").gt(lit(1))).unwrap_err(),
        "there is no column \"N\"",
    );
    says(
        f.groupby("name").agg([sum(col("nn"))]).unwrap_err(),
        "did you mean \"n\"?",
    );
    says(f.sort("zz").unwrap_err(), "there is no column \"zz\"");
    says(f.drop(["names"]).unwrap_err(), "did you mean \"name\"?");
    says(
        f.rename([("names", "x")]).unwrap_err(),
        "did you mean \"name\"?",
    );
    says(
        f.join(&f, "naem", JoinHow::Inner).unwrap_err(),
        "did you mean \"name\"?",
    );
    says(
        f.join(&f, Vec::<&str>::new(), JoinHow::Left).unwrap_err(),
        "at least one key",
    );
    says(
        f.join(&f, "n", JoinHow::Cross).unwrap_err(),
        "takes no keys",
    );
    says(
        concat(&[&f, &f.select("n").unwrap()]).unwrap_err(),
        "column \"name\" is in the first frame and not in the second, which has: n",
    );
    says(Frame::from_batches([]).unwrap_err(), "no batch");
    says(
        sql("SELECT * FROM tt", [("t", &f)]).unwrap_err(),
        "there is no table \"tt\"; did you mean \"t\"?",
    );
    says(sql("SELEC 1", [("t", &f)]).unwrap_err(), "SELEC");
    says(
        sql("SELECT summ(n) FROM t", [("t", &f)]).unwrap_err(),
        "sum",
    );
    for text in [
        "DROP TABLE t",
        "INSERT INTO t VALUES (1, 'a')",
        "SET datafusion.execution.batch_size = 1",
    ] {
        let e = sql(text, [("t", &f)]).unwrap_err();
        assert!(
            e.message().contains("not supported") || e.message().contains("Unsupported"),
            "{text}: {e}"
        );
    }
}

#[test]
fn names_count_exactly_and_twins_get_a_suffix() {
    let session = Session::open("sync://").unwrap();
    let odd = frame()
        .rename([("n", "The n.X"), ("name", "Name")])
        .unwrap();
    let got = session
        .compute(&odd.filter(col("The n.X").lt(lit(3))).unwrap())
        .unwrap();
    assert_eq!(total(&got, 0), 3);
    let joined = frame().join(&frame(), "n", JoinHow::Inner).unwrap();
    assert_eq!(joined.columns(), ["n", "name", "name_right"]);
    let again = joined.join(&joined, "n", JoinHow::Inner).unwrap();
    assert_eq!(
        again.columns(),
        [
            "n",
            "name",
            "name_right",
            "name_right_right",
            "name_right_right_right"
        ]
    );
    assert_eq!(again.count().unwrap().compute_in(&session).unwrap(), 250);
}

#[test]
fn describe_and_explain_tell_what_is_there() {
    let session = Session::open("threads://?workers=2").unwrap();
    let d = frame().describe_in(&session).unwrap();
    let text = d.table_in(10, 200, &session).unwrap();
    assert!(
        text.contains("124.5") && text.contains("name 6") && text.contains("2 rows"),
        "{text}"
    );
    let f = frame().groupby("name").agg([sum(col("n"))]).unwrap();
    let e = f.explain_in(&session).unwrap();
    for words in [
        "logical\n",
        "optimised\n",
        "one task, 2 threads\n",
        "exchange frame.split@1 + frame.concat@1",
    ] {
        assert!(e.contains(words), "{words} is not in\n{e}");
    }
}

#[test]
fn text_that_is_dealt_out_weighs_what_is_there() {
    let rows = 20_000i64;
    let text = (0..rows).map(|i| {
        format!(
            "{i} {}",
            "a text that is long enough to be kept beside".repeat(2)
        )
    });
    let text: Vec<String> = text.collect();
    let bytes: usize = text.iter().map(String::len).sum();
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|i| i % 97)));
    let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(&text));
    let plain: ArrayRef = Arc::new(StringArray::from_iter_values(&text));
    let peak = |column: ArrayRef| {
        let s = Session::open("threads://?workers=2").unwrap();
        let batch = RecordBatch::try_from_iter([("k", keys.clone()), ("t", column)]);
        let f = Frame::from_batches([batch.unwrap()]).unwrap();
        let text = "SELECT k, t, row_number() OVER (PARTITION BY k ORDER BY t) AS nth FROM t";
        let f = sql(text, [("t", &f)])
            .unwrap()
            .via(Way::Tasks)
            .repartition(32);
        let kept = f.persist_in(&s).unwrap();
        assert_eq!(kept.count().unwrap().compute_in(&s).unwrap(), rows as u64);
        let m = s.memory();
        (m.held, m.peak)
    };
    let (as_views, as_plain) = (peak(views), peak(plain));
    println!("{bytes} bytes of text: {as_views:?} as views, {as_plain:?} as offsets");
    assert!(as_views.0 < 2 * as_plain.0, "{as_views:?} {as_plain:?}");
    assert!(as_views.1 < 2 * as_plain.1, "{as_views:?} {as_plain:?}");
}

#[test]
fn a_sort_beyond_memory_spills_wherever_temporary_files_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.parquet");
    let big = Session::open("threads://?workers=2").unwrap();
    let rows = 400_000i64;
    let batches = (0..10).map(|b| {
        let of = b * rows / 10..(b + 1) * rows / 10;
        let text = of.map(|i| {
            format!(
                "{:016x} {}",
                (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                "x".repeat(140)
            )
        });
        RecordBatch::try_from_iter([(
            "t",
            Arc::new(StringArray::from_iter_values(text)) as ArrayRef,
        )])
        .unwrap()
    });
    Frame::from_batches(batches)
        .unwrap()
        .write_parquet_in(&path, &big)
        .unwrap();
    let sorted = Frame::read_parquet(&path).unwrap().sort("t").unwrap();
    let small = Session::open("threads://?workers=2&memory=64MiB").unwrap();
    let out = folder.path().join("sorted.parquet");
    assert_eq!(
        sorted
            .via(Way::Local)
            .write_parquet_in(&out, &small)
            .unwrap(),
        rows as u64
    );
    let got = big
        .compute(&Frame::read_parquet(&out).unwrap().head(1).unwrap())
        .unwrap();
    let first = got[0]
        .column(0)
        .as_any()
        .downcast_ref::<StringViewArray>()
        .unwrap()
        .value(0)
        .to_owned();
    assert!(first.starts_with("0000000000000000 x"), "{first}");
    // Told not to, it does not.
    let never = Session::open("threads://?workers=2&memory=64MiB&spill=false").unwrap();
    let e = sorted
        .via(Way::Local)
        .write_parquet_in(&out, &never)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e}");
}

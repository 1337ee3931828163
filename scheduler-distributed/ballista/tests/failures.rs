//! What goes wrong is told with its name and in time, and nothing is left behind.

mod support;

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvern_core::{Collection, ErrorKind, Session};
use kvern_frame::arrow::array::{ArrayRef, Int64Array};
use kvern_frame::{CsvOptions, Frame, RecordBatch, sql};
use support::{cluster, kill, lives};

process_entry!();

/// The most that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn numbers(n: i64) -> Frame {
    let n: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
    Frame::from_batches([RecordBatch::try_from_iter([("n", n)]).unwrap()]).unwrap()
}

/// Waits until something is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn addresses_without_a_scheduler_are_named() {
    let open = |url: &str| Session::open(url).map(|_| ()).unwrap_err();
    let start = Instant::now();
    // Nobody who is not root listens on the first port.
    for address in ["127.0.0.1:1", "no-such-host.invalid:50050"] {
        let e = open(&format!("ballista://{address}"));
        assert_eq!(e.kind(), ErrorKind::Io, "{e}");
        let words = e.to_string();
        assert!(
            words.contains(address) && words.contains("no Ballista scheduler can be reached"),
            "{words}"
        );
    }
    // Somebody who takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let e = open(&format!("ballista://{address}"));
    assert!(e.to_string().contains(&address), "{e}");
    assert!(start.elapsed() < PATIENCE);

    for (url, word) in [
        ("ballista://", "names no cluster"),
        ("ballista://somewhere", "names no cluster"),
        ("ballista://local?executors=0", "at least 1 executor"),
        ("ballista://local?executor=2", "executors"),
        ("ballista://127.0.0.1:1?slots=2", "slots"),
    ] {
        let e = open(url);
        assert_eq!(e.kind(), ErrorKind::Config, "{url}: {e}");
        assert!(e.to_string().contains(word), "{url}: {e}");
    }
}

#[test]
fn broken_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let threads = Session::open("threads://?workers=1").unwrap();
    let (session, _cluster) = cluster(2);
    let path = folder.path().join("whole.parquet");
    numbers(10_000).write_parquet_in(&path, &threads).unwrap();
    let bytes = std::fs::read(&path).unwrap();

    // Cut off: told when the frame is built.
    let cut = folder.path().join("cut.parquet");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let e = Frame::read_parquet(&cut).unwrap_err();
    assert!(e.to_string().contains("cut.parquet"), "{e}");
    let e = Frame::read_parquet(folder.path().join("none.parquet")).unwrap_err();
    assert!(e.to_string().contains("none.parquet"), "{e}");

    // Cut off or gone between the planning and the reading: told by the executors.
    let start = Instant::now();
    let frame = Frame::read_parquet(&path).unwrap();
    let planned = frame.roots_in(&session).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let e = session.start(&planned).unwrap().gather().unwrap_err();
    println!("cut off later: {e}");
    assert!(e.to_string().contains("whole.parquet"), "{e}");
    std::fs::write(&path, &bytes).unwrap();
    let planned = frame.roots_in(&session).unwrap();
    std::fs::remove_file(&path).unwrap();
    let e = session.start(&planned).unwrap().gather().unwrap_err();
    println!("gone later: {e}");
    assert!(e.to_string().contains("whole.parquet"), "{e}");

    // A value that does not fit, far down in a CSV file.
    let bad = folder.path().join("bad.csv");
    std::fs::write(&bad, "n\n1\n2\nx\n4\n").unwrap();
    let options = CsvOptions::new().infer_rows(Some(1));
    let e = session
        .compute(&Frame::read_csv_with(&bad, &options).unwrap())
        .unwrap_err();
    let words = e.to_string();
    assert!(
        words.contains("bad.csv: line 4") && words.contains("\"n\""),
        "{words}"
    );
    assert!(start.elapsed() < PATIENCE);
    // The cluster goes on.
    assert_eq!(numbers(7).count().unwrap().compute_in(&session).unwrap(), 7);
}

#[test]
fn closing_ends_the_processes_and_removes_their_files() {
    let (session, cluster) = cluster(2);
    assert_eq!(
        numbers(100).count().unwrap().compute_in(&session).unwrap(),
        100
    );
    let folder = cluster.folder().unwrap();
    let mut processes = cluster.executor_processes();
    processes.extend(cluster.scheduler_process());
    assert!(folder.exists() && processes.len() == 3 && processes.iter().all(|&p| lives(p)));
    session.close();
    assert!(!folder.exists());
    assert!(!processes.iter().any(|&p| lives(p)));
    let e = session.compute(&numbers(1)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
}

#[test]
fn a_query_is_told_when_no_executor_is_left_and_is_cancelled_when_nobody_waits() {
    let (session, cluster) = cluster(2);
    // Longer than anybody waits.
    let t = numbers(20_000);
    let query = "SELECT sum(a.n * b.n % 7) AS s FROM a CROSS JOIN b";
    let long = sql(query, [("a", &t), ("b", &t)]).unwrap();
    let run = session.start(&long.roots_in(&session).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!run.progress().is_finished());
    let start = Instant::now();
    drop(run);
    assert!(start.elapsed() < Duration::from_secs(5));

    let run = session.start(&long.roots_in(&session).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    for executor in cluster.executor_processes() {
        kill(executor);
    }
    assert!(!run.progress().is_finished());
    let start = Instant::now();
    let e = run.gather().unwrap_err();
    println!("{:.1} s: {e}", start.elapsed().as_secs_f64());
    assert!(start.elapsed() < PATIENCE);
    let words = e.to_string();
    assert!(
        words.contains("ballista://") && words.contains("executor"),
        "{words}"
    );
}

/// A program that opens a cluster, says which processes it has and where their files are, and waits.
#[test]
fn this_program_as_a_parent() {
    if std::env::var_os("KVERN_TEST_PARENT").is_none() {
        return;
    }
    let (session, cluster) = cluster(1);
    assert_eq!(numbers(3).count().unwrap().compute_in(&session).unwrap(), 3);
    let mut processes = cluster.executor_processes();
    processes.extend(cluster.scheduler_process());
    let words = format!("{processes:?}|{}|", cluster.folder().unwrap().display());
    std::fs::write(std::env::var_os("KVERN_TEST_PARENT").unwrap(), words).unwrap();
    std::thread::sleep(PATIENCE);
}

#[test]
fn the_processes_end_with_a_parent_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("note");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "this_program_as_a_parent", "--nocapture"])
        .env("KVERN_TEST_PARENT", &note)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = String::new();
    until("the parent has no cluster", || {
        words = std::fs::read_to_string(&note).unwrap_or_default();
        words.ends_with('|')
    });
    let (processes, place) = words.split_once('|').unwrap();
    let processes: Vec<u32> = processes
        .trim_matches(['[', ']'])
        .split(", ")
        .map(|p| p.parse().unwrap())
        .collect();
    let place = PathBuf::from(place.trim_end_matches('|'));
    assert!(place.is_dir() && processes.len() == 2);
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("processes of the cluster are still there", || {
        !processes.iter().any(|&p| lives(p))
    });
    assert!(!Path::new(&place).exists(), "{}", place.display());
    let mut said = String::new();
    let mut errors = parent.stderr.take().unwrap();
    errors.read_to_string(&mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
}

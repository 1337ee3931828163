//! `kvern ballista`: processes of a cluster that a program finds by address, on this machine and nowhere else.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvern::Session;
use kvern::frame::arrow::array::{ArrayRef, Int64Array};
use kvern::frame::functions::count;
use kvern::frame::{Frame, RecordBatch, col, lit};

const PATIENCE: Duration = Duration::from_secs(60);

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvern"));
    command
        .args(line.split_whitespace())
        .env_clear()
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::null());
    command
}

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Waits until it has ended: whether all was well.
    fn ended(&mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn beyond_this_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "ballista scheduler --listen 0.0.0.0:50050",
        "ballista scheduler --listen [::]:0",
        "ballista executor 127.0.0.1:50050 --listen 0.0.0.0",
    ] {
        let said = command(folder.path(), line).output().unwrap();
        let words = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(1), "{line}: {words}");
        assert!(
            words.contains("not encrypted") && words.contains("127.0.0.1, ::1, localhost"),
            "{line}: {words}"
        );
    }
    let said = command(folder.path(), "ballista executor 127.0.0.1:1")
        .output()
        .unwrap();
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(
        !said.status.success() && words.contains("127.0.0.1:1"),
        "{words}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_program_finds_the_cluster_by_address() {
    let folder = tempfile::tempdir().unwrap();
    let start = |line: &str, out: Stdio| {
        let mut command = command(folder.path(), line);
        Process(command.stdout(out).spawn().unwrap())
    };
    let mut scheduler = start("ballista scheduler --listen 127.0.0.1:0", Stdio::piped());
    let out = BufReader::new(scheduler.0.stdout.take().unwrap());
    let first = out.lines().next().unwrap().unwrap();
    let address = first
        .split_whitespace()
        .find(|w| w.starts_with("127.0.0.1:"))
        .unwrap();
    let line = format!("ballista executor {address} --slots 1");
    let mut executors = [start(&line, Stdio::null()), start(&line, Stdio::null())];

    let session = Session::open(&format!("ballista://{address}?partitions=4")).unwrap();
    let part = |from: i64| {
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + 1000));
        RecordBatch::try_from_iter([("n", n)]).unwrap()
    };
    let frame = Frame::from_batches((0..8).map(|i| part(i * 1000))).unwrap();
    assert_eq!(frame.count().unwrap().compute_in(&session).unwrap(), 8000);
    let groups = frame
        .with_column("rest", col("n") % lit(10))
        .and_then(|f| f.groupby(["rest"]).agg([count(lit(1)).alias("rows")]))
        .unwrap();
    assert_eq!(groups.count().unwrap().compute_in(&session).unwrap(), 10);
    session.close();

    // Told to end, an executor removes its files, and as soon as it has some. (Two of them: the queries may have been answered by one.)
    let folders = || std::fs::read_dir(folder.path()).unwrap().count();
    let end = Instant::now() + PATIENCE;
    while folders() < 2 {
        assert!(
            Instant::now() < end,
            "{} of 2 executors have begun",
            folders()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    for executor in &mut executors {
        let id = executor.0.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        assert!(executor.ended());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

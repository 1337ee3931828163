//! Spilled data leaves nothing behind, however the process ends.

use std::process::Command;

use kvern_core::{Registry, Scheduler, Value};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};

const DIRECTORY: &str = "KVERN_TEST_SPILL_DIRECTORY";

/// Not a test of its own: what the child process of the tests below does.
#[test]
fn child_spills_and_ends_as_asked() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let options = ThreadOptions {
        memory: Some(4 << 20),
        spill_directory: Some(directory.into()),
        ..ThreadOptions::default()
    };
    let s = ThreadScheduler::new(&options, Registry::linked().unwrap().into()).unwrap();
    let values = (0..32)
        .map(|i| Value::new(vec![f64::from(i); 1 << 17]))
        .collect();
    let handles = s.scatter(values).unwrap();
    assert!(s.memory().spilled > 20 << 20, "{:?}", s.memory());
    if std::env::var_os("KVERN_TEST_ABORT").is_some() {
        std::process::abort();
    }
    drop(handles);
}

fn files_left(abort: bool) -> Vec<std::path::PathBuf> {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child_spills_and_ends_as_asked", "--nocapture"]);
    child.env(DIRECTORY, directory.path());
    if abort {
        child.env("KVERN_TEST_ABORT", "1");
    }
    let out = child.output().unwrap();
    assert_eq!(
        out.status.success(),
        !abort,
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    std::fs::read_dir(directory.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect()
}

#[test]
fn nothing_is_left_after_a_clean_end() {
    assert_eq!(files_left(false), Vec::<std::path::PathBuf>::new());
}

#[test]
fn nothing_is_left_after_a_crash() {
    assert_eq!(files_left(true), Vec::<std::path::PathBuf>::new());
}

//! Clusters whose processes are the test program itself.

#![allow(
    dead_code,
    reason = "each file of tests is a program of its own, and takes what it needs"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvern_ballista::{BallistaCluster, BallistaScheduler, LocalOptions};
use kvern_core::{Registry, Scheduler, Session};

/// The test that is a scheduler or an executor where a cluster started it, and nothing elsewhere.
#[macro_export]
macro_rules! process_entry {
    () => {
        #[test]
        fn this_program_as_a_process() {
            kvern_ballista::init();
        }
    };
}

/// How such a cluster is set up: so many executors with one slot each.
pub(crate) fn options(executors: usize) -> LocalOptions {
    let arguments = [
        "--exact",
        "this_program_as_a_process",
        "--nocapture",
        "--test-threads=1",
    ];
    let program = std::env::current_exe().unwrap();
    let mut options = LocalOptions::default();
    options.executors = executors;
    options.slots = 1;
    options.program = Some((program, arguments.map(Into::into).into()));
    options
}

/// A session on such a cluster, and its processes.
pub(crate) fn cluster(executors: usize) -> (Session, Arc<BallistaCluster>) {
    let registry = Arc::new(Registry::linked().unwrap());
    let backend = BallistaScheduler::local(&options(executors), registry.clone()).unwrap();
    let processes = backend.processes().unwrap();
    let session = Session::builder()
        .scheduler(Arc::new(backend) as Arc<dyn Scheduler>)
        .registry(registry)
        .build()
        .unwrap();
    (session, processes)
}

/// Ends a process at once, as the system does when memory is out.
pub(crate) fn kill(process: u32) {
    let status = std::process::Command::new("kill")
        .args(["-9", &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "no process {process}");
}

/// Whether there is such a process; one that has ended and that nobody has asked about counts as gone.
pub(crate) fn lives(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = state.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(Some('Z' | 'X')))
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // Folders come and go while a query runs.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(t) if t.is_dir() => found.extend(files(&entry.path())),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
    found
}

/// Executors that have written something that another task will read.
pub(crate) fn have_written(cluster: &BallistaCluster) -> usize {
    let folder = cluster.folder().unwrap();
    let each = std::fs::read_dir(folder).into_iter().flatten().flatten();
    each.filter(|e| !files(&e.path()).is_empty()).count()
}

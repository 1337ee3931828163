//! What the tests share: every way to compute, and files in a folder of their own.

#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kvern_core::{Collection, Graph, Registry, Result, Session, TaskGraph};
// Linked for its backends.
use kvern_scheduler_local as _;

static SYNC: LazyLock<Session> = LazyLock::new(|| Session::open("sync://").unwrap());
static THREADS: LazyLock<Session> =
    LazyLock::new(|| Session::open("threads://?workers=3").unwrap());

/// The local backends.
pub(crate) fn sessions() -> [(&'static str, Session); 2] {
    [("sync", SYNC.clone()), ("threads", THREADS.clone())]
}

/// What each backend and the reference executor make of it.
pub(crate) fn everywhere<C: Collection>(c: &C) -> Vec<(&'static str, Result<C::Output>)> {
    let reference = || -> Result<C::Output> {
        let tasks = TaskGraph::expand(&Graph::new(&c.roots()?))?;
        c.finish(kvern_core::reference::run(&tasks, &Registry::linked()?)?)
    };
    let mut all = vec![("reference", reference())];
    for (name, session) in sessions() {
        all.push((name, session.compute(c)));
    }
    all
}

/// A folder that goes with the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Writes a file of the folder.
pub(crate) fn write(folder: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The names in a folder, hidden ones too.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A path as it is from the folder of this process: up to the root, and down again.
pub(crate) fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    up.join(path.strip_prefix("/").unwrap())
}

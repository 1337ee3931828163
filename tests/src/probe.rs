//! What tasks tell a case and what a case tells tasks: files, so that it works across processes of one machine as well.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A path in the system's folder for temporary files that nothing else uses.
pub(crate) fn fresh_path(what: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!(
        "kvern-conformance-{}-{}-{n}-{what}",
        std::process::id(),
        nanos()
    ))
}

/// Nanoseconds since 1970, for comparing moments of two processes of one machine.
pub(crate) fn nanos() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| d.as_nanos() as u64)
}

/// A list of lines that running tasks add to. Removed when dropped.
#[derive(Debug)]
pub struct Probe(PathBuf);

impl Probe {
    /// An empty list.
    pub fn new() -> Self {
        Self(fresh_path("probe"))
    }

    /// Where it is: what tasks are given as parameter.
    pub fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    /// The lines so far, in the order in which they were written.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Number of lines so far.
    pub fn count(&self) -> usize {
        fs::read(&self.0).map_or(0, |b| b.iter().filter(|&&c| c == b'\n').count())
    }

    /// Waits until there are that many lines; false if they do not come in time.
    pub fn wait_for(&self, lines: usize, limit: Duration) -> bool {
        eventually(limit, || self.count() >= lines)
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Adds a line to the probe at `path`. One small write in append mode: lines of several threads do not mix.
pub(crate) fn append(path: &str, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

/// A gate that tasks wait at until the case opens it. Dropping it opens it, so that no task is left waiting.
#[derive(Debug)]
pub struct Gate(PathBuf);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        let path = fresh_path("gate");
        let _ = fs::write(&path, b"closed");
        Self(path)
    }

    /// Where it is: what tasks are given as parameter.
    pub fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    /// Lets all tasks through, now and later.
    pub fn open(&self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// Whether the gate at `path` is open.
pub(crate) fn is_open(path: &str) -> bool {
    !Path::new(path).exists()
}

/// Asks again and again until it is so; false if it is not in time.
pub fn eventually(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(50);
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

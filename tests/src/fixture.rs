//! How a backend under test is opened, and how long a case may take with it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kvern_core::Scheduler;
use kvern_core::scheduler::Description;

use crate::probe::fresh_path;

/// What a backend with a memory budget is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// Memory budget for results, in bytes.
    pub memory: u64,
    /// The folder in which the backend is to spill: there, empty, and looked into when the backend is closed.
    pub spill: &'a Path,
}

type Open = dyn Fn() -> Arc<dyn Scheduler> + Send + Sync;
type OpenLimited = dyn Fn(Limits<'_>) -> Arc<dyn Scheduler> + Send + Sync;

/// The backend under test: how to open it. Each case opens its own and drops it at its end. Cheap to clone.
#[derive(Clone)]
pub struct Fixture {
    open: Arc<Open>,
    limited: Option<Arc<OpenLimited>>,
    ordered: bool,
    patience: Duration,
    bound: Duration,
    described: Arc<OnceLock<Description>>,
}

impl Fixture {
    /// A backend that is opened like that: empty, with no runs, using [`registry`](crate::ops::registry) where it needs one.
    pub fn new(open: impl Fn() -> Arc<dyn Scheduler> + Send + Sync + 'static) -> Self {
        Self {
            open: Arc::new(open),
            limited: None,
            ordered: true,
            patience: Duration::from_secs(30),
            bound: Duration::from_secs(120),
            described: Arc::default(),
        }
    }

    /// The backend can also be opened with a memory budget: the cases that need one run.
    #[must_use]
    pub fn limited(
        mut self,
        open: impl Fn(Limits<'_>) -> Arc<dyn Scheduler> + Send + Sync + 'static,
    ) -> Self {
        self.limited = Some(Arc::new(open));
        self
    }

    /// The backend explores orders on purpose, priorities or not, as a test by seed does: what asks for an order is skipped.
    #[must_use]
    pub fn any_order(mut self) -> Self {
        self.ordered = false;
        self
    }

    /// How long a case waits for one thing (a result, an event, memory to be freed) before it fails. 30 s if nothing is said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long a whole case may take before it is given up with a failure that names it. 120 s if nothing is said.
    #[must_use]
    pub fn bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Opens a backend.
    pub fn open(&self) -> Arc<dyn Scheduler> {
        (self.open)()
    }

    /// Opens a backend with a budget of `memory` bytes that spills into a folder of its own.
    ///
    /// # Panics
    /// If the fixture cannot open such a backend, or the folder cannot be made.
    pub fn open_limited(&self, memory: u64) -> Limited {
        let folder = Folder::new();
        let limits = Limits {
            memory,
            spill: &folder.0,
        };
        let Some(open) = &self.limited else {
            panic!("this fixture opens no backend with a memory budget");
        };
        Limited {
            scheduler: open(limits),
            folder,
        }
    }

    /// Whether [`Fixture::open_limited`] works.
    pub fn has_limited(&self) -> bool {
        self.limited.is_some()
    }

    /// Whether ready tasks start by priority and static order.
    pub fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// What the backend says of itself; it is opened once to ask.
    pub fn describe(&self) -> &Description {
        self.described.get_or_init(|| self.open().describe())
    }

    /// See [`Fixture::patience`](Self::patience).
    pub(crate) fn waits(&self) -> Duration {
        self.patience
    }

    /// See [`Fixture::bound`](Self::bound).
    pub(crate) fn ends(&self) -> Duration {
        self.bound
    }
}

/// A backend with a memory budget and the folder that it spills into.
pub struct Limited {
    /// The backend.
    pub scheduler: Arc<dyn Scheduler>,
    folder: Folder,
}

impl Limited {
    /// Files in the spill folder and below, as paths.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.0.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            for path in entries.map(|e| e.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = fresh_path("spill");
        if let Err(e) = std::fs::create_dir_all(&path) {
            panic!("the folder {} cannot be made: {e}", path.display());
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

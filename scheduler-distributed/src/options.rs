//! How a cluster of this machine is set up.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use kvern_store::StoreOptions;
use kvern_store::limits::default_budget;

use crate::server::SchedulerOptions;

/// How a local cluster is set up.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Worker processes.
    pub workers: usize,
    /// Tasks that each runs at once.
    pub threads: usize,
    /// Memory for results in bytes, which the workers share; `None`: 70 % of what this process may use.
    pub memory: Option<u64>,
    /// Whether results must stay in memory.
    pub no_spill: bool,
    /// Folder for spilled results; `None`: the system's for temporary files.
    pub spill_directory: Option<PathBuf>,
    /// Bytes that may be on disk at once, which the workers share.
    pub spill_limit: Option<u64>,
    /// After how long a silence a worker is given up and another started in its place: a worker says every second that it is there, on a
    /// thread that runs no task.
    pub worker_ttl: Duration,
    /// After so many workers lost while they ran it, a task fails.
    pub allowed_failures: u32,
    /// How long tasks wait when no worker is there that may run them, before they fail; none: for ever.
    pub no_workers_timeout: Option<Duration>,
    /// The program that becomes a worker by calling [`init`](crate::init), and its arguments; `None`: this one, without arguments.
    pub program: Option<(PathBuf, Vec<OsString>)>,
}

impl ClusterOptions {
    /// What its workers keep results in, all together.
    pub(crate) fn store(&self) -> StoreOptions {
        StoreOptions {
            budget: self.memory.unwrap_or_else(default_budget),
            spill: !self.no_spill,
            directory: self.spill_directory.clone(),
            spill_limit: self.spill_limit,
        }
    }

    /// What each of them does.
    pub(crate) fn store_of_one(&self) -> StoreOptions {
        let (all, workers) = (self.store(), self.workers.max(1) as u64);
        StoreOptions {
            budget: all.budget / workers,
            spill_limit: all.spill_limit.map(|limit| limit / workers),
            ..all
        }
    }
}

impl Default for ClusterOptions {
    /// A worker with one thread for each core.
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            threads: 1,
            memory: None,
            no_spill: false,
            spill_directory: None,
            spill_limit: None,
            worker_ttl: SchedulerOptions::WORKER_TTL,
            allowed_failures: SchedulerOptions::ALLOWED_FAILURES,
            no_workers_timeout: Some(SchedulerOptions::NO_WORKERS_TIMEOUT),
            program: None,
        }
    }
}

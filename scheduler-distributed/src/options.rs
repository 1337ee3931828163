//! How a cluster of this machine is set up.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::server::SchedulerOptions;

/// How a local cluster is set up.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Worker processes.
    pub workers: usize,
    /// Tasks that each runs at once.
    pub threads: usize,
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

impl Default for ClusterOptions {
    /// A worker with one thread for each core.
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            threads: 1,
            worker_ttl: SchedulerOptions::WORKER_TTL,
            allowed_failures: SchedulerOptions::ALLOWED_FAILURES,
            no_workers_timeout: Some(SchedulerOptions::NO_WORKERS_TIMEOUT),
            program: None,
        }
    }
}

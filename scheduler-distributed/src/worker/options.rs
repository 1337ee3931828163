//! How a worker is set up.

use std::path::PathBuf;
use std::time::Duration;

use kvern_store::StoreOptions;
use kvern_store::limits::default_budget;

use crate::token::Token;

/// How a worker is set up.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// `HOST:PORT` of the scheduler.
    pub scheduler: String,
    /// What the scheduler wants to be told.
    pub token: Token,
    /// A name for people.
    pub name: String,
    /// Tasks that run at once.
    pub threads: usize,
    /// Memory for results in bytes.
    pub memory: u64,
    /// Whether results must stay in memory.
    pub no_spill: bool,
    /// Folder for spilled results; `None`: the system's for temporary files.
    pub spill_directory: Option<PathBuf>,
    /// Bytes that may be on disk at once.
    pub spill_limit: Option<u64>,
    /// Where results can be fetched: loopback, any port if it is 0.
    pub data_address: String,
    /// How long to wait for a scheduler that is not there yet.
    pub wait: Duration,
    /// Whether what it does is written to stderr, as for a worker that was started by hand.
    pub verbose: bool,
}

impl WorkerOptions {
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.verbose {
            eprintln!("kvern worker: {}", what());
        }
    }

    pub(super) fn store(&self) -> StoreOptions {
        StoreOptions {
            budget: self.memory,
            spill: !self.no_spill,
            directory: self.spill_directory.clone(),
            spill_limit: self.spill_limit,
        }
    }

    /// A worker of the scheduler there with one thread for each core, and 70 % of the memory that the process may use.
    pub fn new(scheduler: impl Into<String>, token: Token) -> Self {
        Self {
            scheduler: scheduler.into(),
            token,
            name: format!("worker-{}", std::process::id()),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: default_budget(),
            no_spill: false,
            spill_directory: None,
            spill_limit: None,
            data_address: "127.0.0.1:0".to_owned(),
            wait: Duration::ZERO,
            verbose: false,
        }
    }
}

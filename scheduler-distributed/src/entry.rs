//! How a program becomes a worker: `cluster://` starts the program itself again, so that workers know all its operators and closures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvern_core::{ErrorKind, Registry, Result};

use crate::token::Token;
use crate::worker::{WorkerOptions, run_worker};

/// Says that this process is to be a worker, and of which scheduler.
pub(crate) const WORKER_VARIABLE: &str = "KVERN_WORKER";
/// Its name.
pub(crate) const NAME_VARIABLE: &str = "KVERN_WORKER_NAME";
/// How many tasks it runs at once.
pub(crate) const THREADS_VARIABLE: &str = "KVERN_WORKER_THREADS";

/// Whether this process is a worker already: a task of it may open a cluster of its own.
static IS_WORKER: AtomicBool = AtomicBool::new(false);

/// If this process was started as a worker of a local cluster, is one until the cluster is closed and then ends the process; else does
/// nothing. Programs that open `cluster://` call it first in `main`, so that nothing of the program runs twice:
///
/// ```no_run
/// kvern_scheduler_distributed::init();
/// // … the program …
/// ```
///
/// A program that does not call it becomes a worker where it opens its cluster; what stands before that runs in every worker, too.
pub fn init() {
    let Ok(scheduler) = std::env::var(WORKER_VARIABLE) else {
        return;
    };
    if IS_WORKER.swap(true, Ordering::SeqCst) {
        return;
    }
    let code = match be_worker(scheduler) {
        Ok(()) => 0,
        // The usual end: the program that started us closed its cluster, or is gone.
        Err(e) if e.kind() == ErrorKind::Lost => 0,
        Err(e) => {
            eprintln!("kvern worker: {e}");
            1
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "what follows in main is another process's work; a worker spills nothing that would stay"
    )]
    std::process::exit(code);
}

fn be_worker(scheduler: String) -> Result<()> {
    let mut options = WorkerOptions::new(scheduler, Token::from_environment()?);
    if let Ok(name) = std::env::var(NAME_VARIABLE) {
        options.name = name;
    }
    if let Some(threads) = std::env::var(THREADS_VARIABLE)
        .ok()
        .and_then(|t| t.parse().ok())
    {
        options.threads = threads;
    }
    run_worker(&options, Arc::new(Registry::linked()?))
}

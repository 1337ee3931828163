//! The roles of a cluster: commands that go on until they are ended.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use kvern::cluster::{
    SchedulerOptions, SchedulerServer, TOKEN_VARIABLE, Token, WorkerOptions, run_worker,
};
use kvern::core::Registry;
use kvern::{ErrorKind, Result};

use crate::output::{FAILED, Output};

/// Runs a scheduler on this thread.
pub(crate) fn scheduler(listen: String, worker_ttl: Option<Duration>) -> Output {
    ended(run_scheduler(listen, worker_ttl))
}

fn run_scheduler(listen: String, worker_ttl: Option<Duration>) -> Result<()> {
    let token = match std::env::var(TOKEN_VARIABLE) {
        Ok(text) => Token::from_text(&text)?,
        Err(_) => Token::random()?,
    };
    let mut options = SchedulerOptions::new(listen, token.clone());
    options.worker_ttl = worker_ttl.unwrap_or(options.worker_ttl);
    let server = SchedulerServer::start(&options, Arc::new(Registry::linked()?))?;
    let address = server.address();
    let mut out = std::io::stdout().lock();
    // If there is nobody to read it, it runs all the same.
    let _ = writeln!(
        out,
        "kvern scheduler listens on {address} (this machine only)\n\n  \
         export {TOKEN_VARIABLE}={}\n  \
         kvern worker {address}                    for each worker\n  \
         Session::open(\"tcp://{address}\")        in programs",
        token.text()
    );
    let _ = out.flush();
    drop(out);
    server.wait();
    Ok(())
}

/// Runs a worker on this thread.
pub(crate) fn worker(scheduler: String, threads: Option<usize>, name: Option<String>) -> Output {
    let run = || {
        let mut options = WorkerOptions::new(scheduler, Token::from_environment()?);
        options.threads = threads.unwrap_or(options.threads);
        options.name = name.unwrap_or(options.name);
        match run_worker(&options, Arc::new(Registry::linked()?)) {
            // The usual end.
            Err(e) if e.kind() == ErrorKind::Lost => {
                eprintln!("kvern worker: {e}");
                Ok(())
            }
            other => other,
        }
    };
    ended(run())
}

fn ended(result: Result<()>) -> Output {
    match result {
        Ok(()) => Output::success(""),
        Err(e) => Output::failure(FAILED, e.to_string()),
    }
}

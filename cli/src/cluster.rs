//! The roles of a cluster: commands that go on until they are ended.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use kvern::cluster::{
    SchedulerOptions, SchedulerServer, TOKEN_VARIABLE, Token, WorkerOptions, run_worker, token_for,
};
use kvern::core::Registry;
use kvern::core::config::{Config, ConfigError};
use kvern::core::text::ByteAmount;
use kvern::scheduler_local::limits::available_memory;
use kvern::{Error, ErrorKind, Result};

use crate::output::{FAILED, Output};

/// Runs a scheduler on this thread.
pub(crate) fn scheduler(asked: SchedulerArguments) -> Output {
    ended(run_scheduler(asked))
}

/// What the command line says of a scheduler; the configuration says the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SchedulerArguments {
    pub(crate) listen: String,
    pub(crate) worker_ttl: Option<Duration>,
    pub(crate) allowed_failures: Option<u32>,
    pub(crate) no_workers_timeout: Option<Duration>,
}

/// What the command line says of a worker.
#[derive(Debug, PartialEq)]
pub(crate) struct WorkerArguments {
    pub(crate) scheduler: String,
    pub(crate) threads: Option<usize>,
    pub(crate) name: Option<String>,
    pub(crate) listen: Option<String>,
    pub(crate) wait: Option<Duration>,
    pub(crate) memory: Option<ByteAmount>,
    pub(crate) spill: Option<String>,
}

fn run_scheduler(asked: SchedulerArguments) -> Result<()> {
    let registry = Arc::new(Registry::linked()?);
    let config = Config::load(&*registry).map_err(config_error)?;
    let token = match std::env::var(TOKEN_VARIABLE) {
        Ok(text) => Token::from_text(&text)?,
        Err(_) => Token::random()?,
    };
    let mut options = SchedulerOptions::new(asked.listen, token.clone());
    options.worker_ttl = asked.worker_ttl.unwrap_or(options.worker_ttl);
    options.allowed_failures = match asked.allowed_failures {
        Some(most) => most,
        None => {
            let most: u64 = config
                .get("cluster.allowed-failures")
                .map_err(config_error)?;
            u32::try_from(most).unwrap_or(u32::MAX)
        }
    };
    let limit = match asked.no_workers_timeout {
        Some(limit) => limit,
        None => config
            .get("cluster.no-workers-timeout")
            .map_err(config_error)?,
    };
    options.no_workers_timeout = Some(limit).filter(|l| !l.is_zero());
    options.verbose = true;
    let server = SchedulerServer::start(&options, registry)?;
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
    server.wait()
}

fn config_error(e: ConfigError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}

/// Runs a worker on this thread.
pub(crate) fn worker(asked: WorkerArguments) -> Output {
    let run = || {
        let token = token_for(&asked.scheduler)?;
        let mut options = WorkerOptions::new(asked.scheduler, token);
        options.threads = asked.threads.unwrap_or(options.threads);
        options.name = asked.name.unwrap_or(options.name);
        options.data_address = asked.listen.unwrap_or(options.data_address);
        options.wait = asked.wait.unwrap_or(WAIT);
        let all = available_memory().unwrap_or(u64::MAX);
        options.memory = asked.memory.map_or(options.memory, |m| m.of(all));
        options.no_spill = asked.spill.as_deref() == Some("off");
        options.spill_directory = asked.spill.filter(|s| s != "off").map(Into::into);
        options.verbose = true;
        run_worker(&options, Arc::new(Registry::linked()?))
    };
    ended(run())
}

/// How long a worker waits for its scheduler if nothing is said: who starts both need not take care which comes first.
const WAIT: Duration = Duration::from_secs(300);

fn ended(result: Result<()>) -> Output {
    match result {
        Ok(()) => Output::success(""),
        Err(e) => Output::failure(FAILED, e.to_string()),
    }
}

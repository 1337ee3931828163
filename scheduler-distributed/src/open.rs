//! From a URL to a backend: `cluster://?workers=4&threads=1&memory=8GiB&worker-ttl=60s` and `tcp://127.0.0.1:8786`.

use std::sync::{Arc, Once};
use std::time::Duration;

use kvern_core::config::ConfigError;
use kvern_core::scheduler::OpenContext;
use kvern_core::url::{SchedulerUrl, UrlError};
use kvern_core::{Error, ErrorKind, Result, Scheduler};
use kvern_store::StoreOptions;

use crate::client::ClusterClient;
use crate::entry;
use crate::local::LocalCluster;
use crate::net::address::token_for;
use crate::options::ClusterOptions;
use crate::token::Token;

kvern_core::register_backend! {
    scheme: "cluster",
    about: "worker processes on this machine, started and ended with the session",
    rank: -1,
    open: open_cluster,
}

kvern_core::register_backend! {
    scheme: "tcp",
    about: "a cluster that runs already, by the address of its scheduler",
    rank: -1,
    open: open_tcp,
}

fn open_cluster(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    // A program that did not say so before becomes a worker here at the latest.
    entry::init_late();
    if !entry::was_called() {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            eprintln!(
                "kvern: this program opens {url} and has not called kvern::init() first in main: each worker runs main again up to here, \
                 with all that it prints and writes on the way"
            );
        });
    }
    url.expect_local().map_err(url_error)?;
    let mut query = url.query();
    let config = &context.config;
    let mut options = ClusterOptions::default();
    let most: Option<u64> = query.get("allowed-failures").map_err(url_error)?;
    let most = match most {
        Some(most) => most,
        None => config
            .get("cluster.allowed-failures")
            .map_err(config_error)?,
    };
    // What does not fit is refused with the rest that makes no sense.
    options.allowed_failures = u32::try_from(most).unwrap_or(u32::MAX);
    let limit: Option<Duration> = query.get("no-workers-timeout").map_err(url_error)?;
    let limit = match limit {
        Some(limit) => limit,
        None => config
            .get("cluster.no-workers-timeout")
            .map_err(config_error)?,
    };
    options.no_workers_timeout = Some(limit).filter(|l| !l.is_zero());
    if let Some(workers) = query.get("workers").map_err(url_error)? {
        options.workers = workers;
    }
    if let Some(threads) = query.get("threads").map_err(url_error)? {
        options.threads = threads;
    }
    if let Some(ttl) = query.get("worker-ttl").map_err(url_error)? {
        options.worker_ttl = ttl;
    }
    let store = StoreOptions::of_url(&mut query, context)?;
    options.memory = Some(store.budget);
    options.no_spill = !store.spill;
    options.spill_directory = store.directory;
    options.spill_limit = store.spill_limit;
    query.finish().map_err(url_error)?;
    Ok(Arc::new(LocalCluster::start(
        &options,
        context.registry.clone(),
    )?))
}

fn open_tcp(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    let (host, port) = url.expect_address().map_err(url_error)?;
    let address = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let mut query = url.query();
    let token: Option<String> = query.get("token").map_err(url_error)?;
    query.finish().map_err(url_error)?;
    let token = match token {
        Some(text) => Token::from_text(&text)?,
        None => token_for(&address)?,
    };
    Ok(Arc::new(ClusterClient::connect(
        &address,
        &token,
        context.registry.clone(),
    )?))
}

fn config_error(e: ConfigError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}

fn url_error(e: UrlError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}

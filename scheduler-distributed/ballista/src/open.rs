//! From a URL to a backend: `ballista://127.0.0.1:50050?partitions=16` and `ballista://local?executors=2&slots=1`.

use std::sync::Arc;

use kvern_core::scheduler::OpenContext;
use kvern_core::url::{SchedulerUrl, UrlError};
use kvern_core::{Error, ErrorKind, Result, Scheduler};

use crate::backend::BallistaScheduler;
use crate::local::LocalOptions;

kvern_core::register_backend! {
    scheme: "ballista",
    about: "frames on an Apache Ballista cluster, by the address of its scheduler or started here (local)",
    rank: -1,
    open: open,
}

/// The host that stands for processes of our own.
const LOCAL: &str = "local";

fn open(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    if url.host() == Some(LOCAL) && url.port().is_none() {
        return open_local(url, context);
    }
    let Some((host, port)) = url.host().zip(url.port()) else {
        let words = format!(
            "{url} names no cluster: ballista://HOST:PORT is one that runs, ballista://local starts one on this machine"
        );
        return Err(Error::new(ErrorKind::Config, words));
    };
    let address = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let mut query = url.query();
    let partitions = query.get("partitions").map_err(url_error)?;
    query.finish().map_err(url_error)?;
    Ok(Arc::new(BallistaScheduler::connect(
        &address,
        partitions,
        context.registry.clone(),
    )?))
}

fn open_local(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    // A program that did not say so before becomes one of the processes here at the latest.
    crate::entry::init_late();
    let mut query = url.query();
    let mut options = LocalOptions::default();
    if let Some(executors) = query.get("executors").map_err(url_error)? {
        options.executors = executors;
    }
    if let Some(slots) = query.get("slots").map_err(url_error)? {
        options.slots = slots;
    }
    options.partitions = query.get("partitions").map_err(url_error)?;
    query.finish().map_err(url_error)?;
    Ok(Arc::new(BallistaScheduler::local(
        &options,
        context.registry.clone(),
    )?))
}

fn url_error(e: UrlError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}

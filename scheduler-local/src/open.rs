//! From a URL and the configuration to a backend.

use std::sync::Arc;

use kvern_core::scheduler::OpenContext;
use kvern_core::url::{SchedulerUrl, UrlError};
use kvern_core::{Error, ErrorKind, Result, Scheduler};
use kvern_store::{StoreOptions, configured};

use crate::serial::SyncScheduler;
use crate::threads::{ThreadScheduler, available_cores};

kvern_core::register_backend! {
    scheme: "threads",
    about: "the threads of this process, with a memory budget and spilling",
    rank: 10,
    open: open_threads,
}

kvern_core::register_backend! {
    scheme: "sync",
    about: "one task after another on the calling thread, in the same order each time",
    rank: 1,
    open: open_sync,
}

fn open_threads(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    url.expect_local().map_err(url_error)?;
    let mut query = url.query();
    let workers: Option<usize> = query.get("workers").map_err(url_error)?;
    let options = StoreOptions::of_url(&mut query, context)?;
    query.finish().map_err(url_error)?;
    let workers = match workers {
        Some(0) => {
            return Err(Error::new(
                ErrorKind::Config,
                format!("{url}: workers=0, at least 1 is needed"),
            ));
        }
        Some(n) => n,
        None => configured(context, "threads.workers")?.unwrap_or_else(available_cores),
    };
    Ok(Arc::new(ThreadScheduler::with_store(
        workers,
        options,
        context.registry.clone(),
    )?))
}

fn open_sync(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    url.expect_local().map_err(url_error)?;
    let mut query = url.query();
    let seed: Option<u64> = query.get("seed").map_err(url_error)?;
    let options = StoreOptions::of_url(&mut query, context)?;
    query.finish().map_err(url_error)?;
    Ok(Arc::new(SyncScheduler::with_store(
        seed,
        options,
        context.registry.clone(),
    )))
}

fn url_error(e: UrlError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}

//! From a URL and the configuration to a backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvern_core::config::ConfigError;
use kvern_core::scheduler::OpenContext;
use kvern_core::text::{ByteAmount, format_bytes};
use kvern_core::url::{SchedulerUrl, UrlError};
use kvern_core::{BackendEntry, Error, ErrorKind, Result, Scheduler};

use crate::memory::MemoryOptions;
use crate::memory::limits::{available_cores, available_memory, default_budget};
use crate::serial::SyncScheduler;
use crate::threads::ThreadScheduler;

kvern_core::__private::inventory::submit! {
    BackendEntry {
        scheme: "threads",
        about: "the threads of this process, with a memory budget and spilling",
        source: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
        rank: 10,
        open: open_threads,
    }
}

kvern_core::__private::inventory::submit! {
    BackendEntry {
        scheme: "sync",
        about: "one task after another on the calling thread, in the same order each time",
        source: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
        rank: 1,
        open: open_sync,
    }
}

fn open_threads(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    url.expect_local().map_err(url_error)?;
    let mut query = url.query();
    let workers: Option<usize> = query.get("workers").map_err(url_error)?;
    let options = memory_options(&mut query, context)?;
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
    Ok(Arc::new(ThreadScheduler::with_memory(
        workers,
        options,
        context.registry.clone(),
    )?))
}

fn open_sync(url: &SchedulerUrl, context: &OpenContext) -> Result<Arc<dyn Scheduler>> {
    url.expect_local().map_err(url_error)?;
    let mut query = url.query();
    let seed: Option<u64> = query.get("seed").map_err(url_error)?;
    let options = memory_options(&mut query, context)?;
    query.finish().map_err(url_error)?;
    Ok(Arc::new(SyncScheduler::with_memory(
        seed,
        options,
        context.registry.clone(),
    )))
}

/// `memory`, `spill`, `spill-limit` and `spill-directory` of the URL, else of the configuration.
fn memory_options(
    query: &mut kvern_core::url::Query<'_>,
    context: &OpenContext,
) -> Result<MemoryOptions> {
    let amount: Option<ByteAmount> = query.get("memory").map_err(url_error)?;
    let spill: Option<bool> = query.get("spill").map_err(url_error)?;
    let limit: Option<ByteAmount> = query.get("spill-limit").map_err(url_error)?;
    let directory: Option<PathBuf> = query.get("spill-directory").map_err(url_error)?;
    let amount = match amount {
        Some(a) => Some(a),
        None => configured(context, "memory.limit")?,
    };
    let available = available_memory().unwrap_or(u64::MAX);
    let spill = match spill {
        Some(s) => s,
        None => configured(context, "memory.spill")?.unwrap_or(true),
    };
    let directory = match directory {
        Some(d) => Some(d),
        None => configured(context, "spill.directory")?,
    };
    let budget = amount.map_or_else(default_budget, |a| a.of(available));
    if budget > available {
        let words = format!(
            "the memory limit is {}, more than the {} that this process may use: it would be ended by the system before anything is spilled. \
             At most memory=100% is allowed (the key memory.limit)",
            format_bytes(budget),
            format_bytes(available)
        );
        return Err(Error::new(ErrorKind::Config, words));
    }
    if let Some(directory) = directory.as_deref().filter(|_| spill) {
        check_directory(directory)?;
    }
    Ok(MemoryOptions {
        budget,
        spill,
        directory,
        spill_limit: match limit {
            Some(l) => Some(l.of(available)),
            None => configured(context, "spill.limit")?,
        },
    })
}

/// A folder in which nothing can be spilled is told now, and not when memory is short.
fn check_directory(directory: &Path) -> Result<()> {
    let cannot = |why: std::io::Error| {
        let words = format!(
            "the spill folder {} cannot be used: {why} (spill-directory in the URL, or the key spill.directory; it must exist and be writable)",
            directory.display()
        );
        Error::with_source(ErrorKind::Config, words, why)
    };
    let about = directory.metadata().map_err(cannot)?;
    if !about.is_dir() {
        return Err(cannot(std::io::ErrorKind::NotADirectory.into()));
    }
    // A file without a name, gone when it is closed.
    tempfile::tempfile_in(directory).map(drop).map_err(cannot)
}

/// A configured value; `None` for `auto`.
fn configured<T: kvern_core::config::FromValue>(
    context: &OpenContext,
    key: &str,
) -> Result<Option<T>> {
    let auto = matches!(
        context.config.value(key).map_err(config_error)?,
        kvern_core::config::Value::Auto
    );
    if auto {
        Ok(None)
    } else {
        context.config.get(key).map(Some).map_err(config_error)
    }
}

fn config_error(e: ConfigError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}

fn url_error(e: UrlError) -> Error {
    Error::with_source(ErrorKind::Config, e.to_string(), e)
}

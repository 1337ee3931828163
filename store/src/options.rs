//! From a URL and the configuration to a store's options: the same parameters for every backend that keeps values.

use std::path::{Path, PathBuf};

use kvern_core::config::{ConfigError, FromValue};
use kvern_core::scheduler::OpenContext;
use kvern_core::text::{ByteAmount, format_bytes};
use kvern_core::url::{Query, UrlError};
use kvern_core::{Error, ErrorKind, Result};

use crate::limits::{available_memory, default_budget};
use crate::store::StoreOptions;

impl StoreOptions {
    /// `memory`, `spill`, `spill-limit` and `spill-directory` of the URL, else of the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for what cannot be read, a budget beyond what this process may use, and a folder in which nothing can be spilled.
    pub fn of_url(query: &mut Query<'_>, context: &OpenContext) -> Result<Self> {
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
        let options = Self {
            budget: amount.map_or_else(default_budget, |a| a.of(available)),
            spill,
            directory,
            spill_limit: match limit {
                Some(l) => Some(l.of(available)),
                None => configured(context, "spill.limit")?,
            },
        };
        options.check()?;
        Ok(options)
    }

    /// Refuses what would fail only when memory is short.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a budget beyond what this process may use, and a folder in which nothing can be spilled.
    pub fn check(&self) -> Result<()> {
        if self.budget == 0 {
            let message = "the memory limit is 0, which has room for no result: name an amount such as 512MiB, a share such as 50%, or nothing (the key \
                           memory.limit)";
            return Err(Error::new(ErrorKind::Config, message));
        }
        let available = available_memory().unwrap_or(u64::MAX);
        if self.budget > available {
            let message = format!(
                "the memory limit is {}, more than the {} that this process may use: it would be ended by the system before anything is spilled. \
                 At most memory=100% is allowed (the key memory.limit)",
                format_bytes(self.budget),
                format_bytes(available)
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        match self.directory.as_deref().filter(|_| self.spill) {
            Some(directory) => check_directory(directory),
            None => Ok(()),
        }
    }
}

fn check_directory(directory: &Path) -> Result<()> {
    let cannot = |why: std::io::Error| {
        let message = format!(
            "the spill folder {} cannot be used: {why} (spill-directory in the URL, or the key spill.directory; it must exist and be writable)",
            directory.display()
        );
        Error::with_source(ErrorKind::Config, message, why)
    };
    let about = directory.metadata().map_err(cannot)?;
    if !about.is_dir() {
        return Err(cannot(std::io::ErrorKind::NotADirectory.into()));
    }
    // A file without a name, gone when it is closed.
    tempfile::tempfile_in(directory).map(drop).map_err(cannot)
}

/// A configured value; `None` for `auto`.
///
/// # Errors
/// [`ErrorKind::Config`] for a key that is not known, or a value of another kind.
pub fn configured<T: FromValue>(context: &OpenContext, key: &str) -> Result<Option<T>> {
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

//! Scheduler URLs: `threads://?workers=4&memory=8GiB`, `tcp://host:8786`, `unix:///run/kvern.sock`.
//!
//! ```text
//! name [ :// [ host [ :port ] ] [ /path ] [ ?key=value&… ] ]
//! ```
//!
//! The form is that of RFC 3986 without user, password and fragment. A name alone, `threads`, is `threads://`. In hosts,
//! paths, keys and values `%20` stands for a space and so on; `+` is a plus.

use std::fmt;

use crate::base::text::shorten;

mod address;
mod error;
mod local;
mod parse;
mod percent;
mod query;

pub use address::{resolve, resolve_loopback};
pub use error::UrlError;
pub use local::local_path;
pub use query::{FromText, Query};

/// A scheduler URL, taken apart.
///
/// ```
/// use kvern_core::url::SchedulerUrl;
///
/// let url = SchedulerUrl::parse("threads://?workers=4&memory=8GiB")?;
/// let mut query = url.query();
/// let workers: Option<usize> = query.get("workers")?;
/// let memory: Option<u64> = query.get("memory")?;
/// query.finish()?; // an error if there were any other key
/// assert_eq!((url.scheme(), workers, memory), ("threads", Some(4), Some(8 << 30)));
/// # Ok::<(), kvern_core::url::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerUrl {
    scheme: String,
    host: Option<String>,
    port: Option<u16>,
    path: String,
    query: Vec<(String, String)>,
}

impl SchedulerUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    ///
    /// [`UrlError::Malformed`].
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        parse::parts(url.trim()).map_err(|reason| UrlError::Malformed {
            url: shorten(url).into_owned(),
            reason,
        })
    }

    /// The backend's name: what stands before `://`, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host, if there is one; an IPv6 address without its brackets.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The port, if there is one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path with its leading `/`, or nothing.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The keys and values after the `?`, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Reads the keys and values after the `?` by type.
    pub fn query(&self) -> Query<'_> {
        Query::new(self)
    }

    /// For a backend on this machine: refuses a host, a port and a path.
    ///
    /// # Errors
    ///
    /// [`UrlError::Part`] that says so.
    pub fn expect_local(&self) -> Result<(), UrlError> {
        if self.host.is_none() && self.port.is_none() && self.path.is_empty() {
            return Ok(());
        }
        Err(self.part("runs on this machine and takes no host, port or path"))
    }

    /// For a backend that is reached over a network: its host and port.
    ///
    /// # Errors
    ///
    /// [`UrlError::Part`] if either is missing.
    pub fn expect_address(&self) -> Result<(&str, u16), UrlError> {
        self.host()
            .zip(self.port)
            .ok_or_else(|| self.part("needs a host and a port, as in name://host:8786"))
    }

    fn part(&self, rule: &'static str) -> UrlError {
        UrlError::Part {
            url: self.to_string(),
            scheme: self.scheme.clone(),
            rule,
        }
    }
}

/// The URL in its shortest form, which parses to an equal one.
impl fmt::Display for SchedulerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]")?,
            Some(host) => percent::encode(f, host, "")?,
            None => {}
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        percent::encode(f, &self.path, "/:")?;
        for (at, (key, value)) in self.query.iter().enumerate() {
            f.write_str(if at == 0 { "?" } else { "&" })?;
            percent::encode(f, key, "/:")?;
            f.write_str("=")?;
            percent::encode(f, value, "/:")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for SchedulerUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

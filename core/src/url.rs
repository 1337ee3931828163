//! Scheduler URLs: `threads://?workers=4&memory=8GiB`, `tcp://host:8786`, `unix:///run/kvern.sock`.
//!
//! ```text
//! name [ :// [ host [ :port ] ] [ /path ] [ ?key=value&… ] ]
//! ```
//!
//! The form is that of RFC 3986 without user, password and fragment. A name alone, `threads`, is `threads://`. In hosts,
//! paths, keys and values `%20` stands for a space and so on; `+` is a plus.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::text::{
    ByteAmount, TextError, nearest, parse_byte_amount, parse_bytes, parse_duration, shorten,
};

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

/// What is wrong with a scheduler URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The text has not the form of a scheduler URL.
    #[error("scheduler URL {url:?}: {reason}")]
    Malformed {
        /// The text as it was given, cut if it is long.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key of the query is not one that the backend knows.
    #[error("scheduler URL {url:?}: {scheme} knows no {key:?}{}; it knows {known}", hint(.nearest))]
    UnknownKey {
        /// The URL.
        url: String,
        /// The backend's name.
        scheme: String,
        /// The key.
        key: String,
        /// The nearest one that the backend knows.
        nearest: Option<String>,
        /// All that it knows, in words.
        known: String,
    },
    /// The value of a key cannot be read as what the key takes.
    #[error("scheduler URL {url:?}: {key}={value:?} is not {expected}: {reason}")]
    WrongValue {
        /// The URL.
        url: String,
        /// The key.
        key: String,
        /// The value, cut if it is long.
        value: String,
        /// What it should be.
        expected: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// The backend needs a part that the URL does not have, or has no use for one that it has.
    #[error("scheduler URL {url:?}: {scheme} {rule}")]
    Part {
        /// The URL.
        url: String,
        /// The backend's name.
        scheme: String,
        /// What the backend needs, as the rest of a sentence.
        rule: &'static str,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}

impl SchedulerUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    ///
    /// [`UrlError::Malformed`].
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        parts(url.trim()).map_err(|reason| UrlError::Malformed {
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
        Query {
            url: self,
            asked: Vec::new(),
        }
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
            Some(host) => encode(f, host, "")?,
            None => {}
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        encode(f, &self.path, "/:")?;
        for (at, (key, value)) in self.query.iter().enumerate() {
            f.write_str(if at == 0 { "?" } else { "&" })?;
            encode(f, key, "/:")?;
            f.write_str("=")?;
            encode(f, value, "/:")?;
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

/// Reads a URL's keys by type, and notes which were asked for.
///
/// Ask for every key that the backend knows, then call [`Query::finish`].
#[derive(Debug)]
#[must_use = "a query that is not finished lets a misspelt key pass"]
pub struct Query<'a> {
    url: &'a SchedulerUrl,
    asked: Vec<&'static str>,
}

impl Query<'_> {
    /// The value of a key, or `None` if the URL does not have it.
    ///
    /// # Errors
    ///
    /// [`UrlError::WrongValue`] if the value does not read as a `T`.
    pub fn get<T: FromText>(&mut self, key: &'static str) -> Result<Option<T>, UrlError> {
        self.asked.push(key);
        let Some((_, value)) = self.url.query.iter().find(|(name, _)| name == key) else {
            return Ok(None);
        };
        T::from_text(value)
            .map(Some)
            .map_err(|reason| UrlError::WrongValue {
                url: self.url.to_string(),
                key: key.to_owned(),
                value: shorten(value).into_owned(),
                expected: T::EXPECTED,
                reason,
            })
    }

    /// Refuses keys that nobody asked for.
    ///
    /// # Errors
    ///
    /// [`UrlError::UnknownKey`] for the first one.
    pub fn finish(self) -> Result<(), UrlError> {
        let unknown = self
            .url
            .query
            .iter()
            .find(|(key, _)| !self.asked.contains(&key.as_str()));
        let Some((key, _)) = unknown else {
            return Ok(());
        };
        Err(UrlError::UnknownKey {
            url: self.url.to_string(),
            scheme: self.url.scheme.clone(),
            key: shorten(key).into_owned(),
            nearest: nearest(key, self.asked.iter().copied()).map(str::to_owned),
            known: match self.asked.as_slice() {
                [] => "no keys".to_owned(),
                asked => asked.join(", "),
            },
        })
    }
}

/// A type that a value of a URL's query can be read as.
pub trait FromText: Sized {
    /// What the text should be, with an article.
    const EXPECTED: &'static str;

    /// Reads the text, or says why it is not what it should be.
    ///
    /// # Errors
    ///
    /// The reason, as part of a sentence.
    fn from_text(text: &str) -> Result<Self, String>;
}

fn reason(error: &TextError) -> String {
    match error.advice() {
        "" => error.reason().to_owned(),
        advice => format!("{}; {advice}", error.reason()),
    }
}

macro_rules! from_text {
    ($($type:ty, $expected:literal: $text:ident => $read:expr;)+) => {$(
        impl FromText for $type {
            const EXPECTED: &'static str = $expected;

            fn from_text($text: &str) -> Result<Self, String> {
                $read
            }
        }
    )+};
}

from_text! {
    bool, "true or false": text => match text {
        "true" | "on" | "yes" | "1" | "" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err("it is neither".to_owned()),
    };
    usize, "a whole number": text => text.parse().map_err(|e: std::num::ParseIntError| e.to_string());
    i64, "a whole number": text => text.parse().map_err(|e: std::num::ParseIntError| e.to_string());
    f64, "a number": text => match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("write it as 0.5".to_owned()),
    };
    u64, "a number, or a number of bytes": text => parse_bytes(text).map_err(|e| reason(&e));
    ByteAmount, "a number of bytes or a share of memory": text => parse_byte_amount(text).map_err(|e| reason(&e));
    Duration, "a duration": text => parse_duration(text).map_err(|e| reason(&e));
    String, "a text": text => Ok(text.to_owned());
    PathBuf, "a path": text => match text {
        "" => Err("it is empty".to_owned()),
        text => Ok(text.into()),
    };
}

fn parts(url: &str) -> Result<SchedulerUrl, String> {
    let (scheme, rest) = match url.split_once("://") {
        Some(parts) => parts,
        None if url.contains([':', '/', '?']) => {
            return Err("a scheduler URL is name://, as in threads://?workers=4".to_owned());
        }
        None => (url, ""),
    };
    let scheme = scheme.to_ascii_lowercase();
    let well_named = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    if !well_named {
        return Err(format!(
            "the name {:?} must be letters, digits, +, - and ., and begin with a letter",
            shorten(&scheme)
        ));
    }
    if rest.contains('#') {
        return Err(
            "a scheduler URL has no part after a #; a # in a value is written %23".to_owned(),
        );
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (address, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    if address.contains('@') {
        return Err("a scheduler URL has no user or password".to_owned());
    }
    let (host, port) = split_address(address)?;
    let host = decode(host)?;
    if !address.starts_with('[') && host.contains([':', '[', ']']) {
        return Err(format!("{:?} is not a host", shorten(&host)));
    }
    Ok(SchedulerUrl {
        scheme,
        host: Some(host).filter(|host| !host.is_empty()),
        port,
        path: decode(path)?,
        query: pairs(query)?,
    })
}

fn split_address(address: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest
                .split_once(']')
                .ok_or("the [ before an IPv6 address has no ]")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("{:?} is not an IPv6 address", shorten(host)));
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("after the ] only :port may stand".to_owned()),
            }
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port
        .map(|port| {
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            port.parse().ok().filter(|_| digits).ok_or_else(|| {
                format!(
                    "the port {:?} is not a number from 0 to 65535; an IPv6 address stands in [ ]",
                    shorten(port)
                )
            })
        })
        .transpose()?;
    Ok((host, port))
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key)?, decode(value)?);
        if key.is_empty() {
            return Err(format!("{:?} has no key before the =", shorten(pair)));
        }
        if pairs.iter().any(|(name, _)| *name == key) {
            return Err(format!("the key {:?} stands there twice", shorten(&key)));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Percent-decoding, RFC 3986 section 2.1.
fn decode(text: &str) -> Result<String, String> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        let code = digit(0)
            .zip(digit(1))
            .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        let Some(code) = code else {
            return Err(format!(
                "in {:?} a % is not followed by two hexadecimal digits; a % itself is written %25",
                shorten(text)
            ));
        };
        bytes.push(code);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| format!("{:?} does not decode to UTF-8", shorten(text)))
}

/// Percent-encodes what is not unreserved (RFC 3986 section 2.3) nor in `also`.
fn encode(f: &mut fmt::Formatter<'_>, text: &str, also: &str) -> fmt::Result {
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || also.contains(c) {
            write!(f, "{c}")?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

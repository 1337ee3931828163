//! From a text to the parts of a URL.

use super::SchedulerUrl;
use super::percent::decode;
use crate::base::text::shorten;

pub(super) fn parts(url: &str) -> Result<SchedulerUrl, String> {
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

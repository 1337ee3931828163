//! Addresses that somebody wrote, to connect to or to listen on. Without encryption only this machine can be trusted, so listening beyond
//! loopback is refused.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use crate::base::error::{Error, ErrorKind, Result};

/// The address that somebody wrote, as `HOST:PORT`. `usual` is the port of the example in the error.
///
/// # Errors
/// [`ErrorKind::Config`] for what is no address.
pub fn resolve(text: &str, usual: u16) -> Result<SocketAddr> {
    let mut found = text.to_socket_addrs().map_err(|e| {
        let words = format!(
            "{text:?} is no address: HOST:PORT is expected, such as 127.0.0.1:{usual} ({e})"
        );
        Error::with_source(ErrorKind::Config, words, e)
    })?;
    found
        .next()
        .ok_or_else(|| Error::new(ErrorKind::Config, format!("{text:?} names no address")))
}

/// The address that somebody wrote, if it is one of this machine's own; `danger` says what others could do who reached it.
///
/// # Errors
/// [`ErrorKind::Config`] for what is no address; [`ErrorKind::Unsupported`] for one that others can reach.
pub fn resolve_loopback(text: &str, usual: u16, danger: &str) -> Result<SocketAddr> {
    let address = resolve(text, usual)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    let all = match address.ip() {
        IpAddr::V4(v4) => v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    let what = if all {
        "every network of this machine"
    } else {
        "a network"
    };
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "{text} would be reached from {what}, and {danger}. Only loopback addresses can be listened on (127.0.0.1, ::1, localhost) until \
             there is TLS; to use it from another machine, forward the port under the same number, and those of workers (ssh -L \
             {port}:{text})",
            port = address.port()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_nothing_else() {
        let listen = |text| resolve_loopback(text, 8786, "connections are not encrypted yet");
        for good in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:8786"] {
            assert!(listen(good).is_ok(), "{good}");
        }
        for (bad, from) in [
            ("0.0.0.0:8786", "every network"),
            ("[::]:0", "every network"),
            ("192.168.1.2:80", "a network"),
            ("[2001:db8::1]:80", "a network"),
        ] {
            let e = listen(bad).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{bad}");
            let words = e.to_string();
            assert!(
                words.contains("not encrypted") && words.contains(bad) && words.contains(from),
                "{words}"
            );
        }
        let e = listen("127.0.0.1").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config);
        assert!(e.to_string().contains("such as 127.0.0.1:8786"), "{e}");
    }
}

//! Where may be listened, and whom to connect to.

use std::net::SocketAddr;

use kvern_core::{Error, ErrorKind, Result, url};

use crate::token::Token;

/// The usual port of a scheduler.
const USUAL: u16 = 8786;

/// The address that somebody wrote, to listen on.
///
/// # Errors
/// As [`url::resolve_loopback`].
pub(crate) fn listen_on(text: &str) -> Result<SocketAddr> {
    let danger =
        "connections are not encrypted yet: anybody there could read results and run tasks";
    url::resolve_loopback(text, USUAL, danger)
}

/// The address that somebody wrote, to connect to.
///
/// # Errors
/// As [`url::resolve`]; [`ErrorKind::Unsupported`] for another machine's: whoever is on the way would read the token.
pub(crate) fn connect_to(text: &str) -> Result<SocketAddr> {
    let address = url::resolve(text, USUAL)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    let words = format!(
        "{text} is not this machine, and connections are not encrypted yet: the token and all data could be read on the way. Only loopback \
         addresses can be connected to (127.0.0.1, ::1, localhost) until there is TLS; to use a cluster on another machine, run the program \
         there, or start its workers with ports of their own (kvern worker --listen 127.0.0.1:8801) and forward the port of the scheduler and \
         those of all workers under the same numbers (ssh -L {USUAL}:127.0.0.1:{USUAL} -L 8801:127.0.0.1:8801)"
    );
    Err(Error::new(ErrorKind::Unsupported, words))
}

/// The token for the scheduler at an address, from the environment. Whether it may be connected to at all is asked first: a token would not help
/// where it may not.
///
/// # Errors
/// [`ErrorKind::Config`] for what is no address, and without a token; [`ErrorKind::Unsupported`] for another machine's.
pub fn token_for(scheduler: &str) -> Result<Token> {
    connect_to(scheduler)?;
    Token::from_environment()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_no_other() {
        assert!(listen_on("[::1]:0").is_ok());
        let e = listen_on("0.0.0.0:8786").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        assert!(e.to_string().contains("not encrypted"), "{e}");
        assert!(connect_to("localhost:8786").is_ok() && connect_to("[::1]:8786").is_ok());
        for there in ["192.0.2.1:8786", "0.0.0.0:8786", "[2001:db8::1]:8786"] {
            let e = connect_to(there).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            let words = e.to_string();
            assert!(words.contains(there) && words.contains("token"), "{words}");
        }
    }
}

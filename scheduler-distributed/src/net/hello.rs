//! The first words on a connection, on both sides.

use std::io;
use std::time::Duration;

use kvern_core::{Error, ErrorKind, Result};
use kvern_machine::wire::{
    Answer, Hello, Role, decode_answer, decode_hello, encode_answer, encode_hello,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{address, frame};
use crate::token::Token;

/// How long somebody may take to say who they are (in a test so long that whoever is let go before was so for another reason).
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 300 } else { 5 });

/// Connects to a listener of kvern's and says who we are.
///
/// # Errors
/// [`ErrorKind::Io`] if nobody listens there, [`ErrorKind::Config`] if we are refused, with the reason.
pub(crate) async fn connect(
    to: &str,
    role: Role,
    name: &str,
    token: &Token,
) -> Result<(TcpStream, Answer)> {
    let unreachable =
        |e: io::Error| Error::with_source(ErrorKind::Io, format!("cannot connect to {to}: {e}"), e);
    let slow = |_| {
        Error::new(
            ErrorKind::Timeout,
            format!("{to} did not answer within {PATIENCE:?}"),
        )
    };
    let address = address::connect_to(to)?;
    let mut stream = timeout(PATIENCE, TcpStream::connect(address))
        .await
        .map_err(slow)?
        .map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let hello = Hello {
        role,
        token: token.text().to_owned(),
        build: build(),
        name: name.to_owned(),
    };
    let bytes = frame::framed(|b| {
        b.extend(encode_hello(&hello));
        Ok(())
    })
    .map_err(unreachable)?;
    frame::send(&mut stream, &bytes)
        .await
        .map_err(unreachable)?;
    let answer = timeout(PATIENCE, frame::read(&mut stream, frame::MAX_HELLO))
        .await
        .map_err(slow)?
        .map_err(unreachable)?
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Io,
                format!("{to} closed the connection without an answer"),
            )
        })?;
    match decode_answer(&answer) {
        Ok(Answer::Refused(why)) => Err(Error::new(
            ErrorKind::Config,
            format!("{to} refuses this process: {why}"),
        )),
        Ok(answer) => Ok((stream, answer)),
        Err(e) => Err(Error::with_source(
            ErrorKind::Config,
            format!("{to}: {e}"),
            e,
        )),
    }
}

/// Hears who connects. Whoever does not know the token is refused, after so long as `guessed` says, and nothing else that they say is looked
/// at.
///
/// # Errors
/// Why the connection came to nothing; the other side has been told.
pub(crate) async fn accept(
    stream: &mut TcpStream,
    token: &Token,
    guessed: impl FnOnce() -> Duration,
) -> Result<Hello, String> {
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let first = timeout(PATIENCE, frame::read(stream, frame::MAX_HELLO)).await;
    let bytes = match first {
        Err(_) => return Err(format!("said nothing for {PATIENCE:?}")),
        Ok(Err(e)) => return Err(e.to_string()),
        Ok(Ok(None)) => return Err("closed at once".into()),
        Ok(Ok(Some(bytes))) => bytes,
    };
    let why = match decode_hello(&bytes) {
        Err(e) => e.to_string(),
        Ok(hello) if !token.matches(&hello.token) => {
            tokio::time::sleep(guessed()).await;
            "the token is wrong".to_owned()
        }
        Ok(hello) => return Ok(hello),
    };
    // Whoever cannot be answered is gone already.
    let _ = answer(stream, &Answer::Refused(why.clone())).await;
    Err(why)
}

/// Answers a hello.
pub(crate) async fn answer(stream: &mut TcpStream, answer: &Answer) -> io::Result<()> {
    let bytes = frame::framed(|b| {
        b.extend(encode_answer(answer));
        Ok(())
    })?;
    frame::send(stream, &bytes).await
}

/// Which build this is, as a text.
pub(crate) fn build() -> String {
    kvern_core::travel::build_id().map_or_else(String::new, |b| b.to_string())
}

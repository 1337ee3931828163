//! Batches of messages over one connection: what is said while a frame is being written goes into the next one.
//!
//! Who must be known to live says something now and then though there is nothing to say: an empty batch, a beat. Who listens for beats counts
//! seconds in which it was awake itself: of two processes that were stopped together and go on together, neither thinks that the other has been
//! silent.

use std::io;
use std::pin::pin;
use std::time::Duration;

use kvern_machine::wire::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::frame;

/// How often a beat is said and listened for.
const BEAT: Duration = Duration::from_secs(1);

/// The most messages in one frame: the receiver begins with the first before the last has been written.
const BATCH: usize = 4096;

/// Writes what comes until nobody can say anything more.
pub(crate) async fn write<T: Serialize>(
    mut to: impl AsyncWrite + Unpin,
    mut messages: UnboundedReceiver<T>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        send(&mut to, &mut batch).await?;
    }
    Ok(())
}

/// The same, with a beat whenever nothing else is said for a while.
pub(crate) async fn write_with_beats<T: Serialize>(
    mut to: impl AsyncWrite + Unpin,
    mut messages: UnboundedReceiver<T>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        match timeout(BEAT, messages.recv_many(&mut batch, BATCH)).await {
            Ok(0) => return Ok(()),
            Ok(_) | Err(_) => send(&mut to, &mut batch).await?,
        }
    }
}

async fn send<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    batch: &mut Vec<T>,
) -> io::Result<()> {
    let bytes = frame::framed(|b| {
        b.extend(encode(batch));
        Ok(())
    })?;
    batch.clear();
    frame::send(to, &bytes).await
}

/// Reads the next batch of somebody who must say something, beats if nothing else, at least so often.
///
/// # Errors
/// As [`read`]; [`io::ErrorKind::TimedOut`] when nothing has come for so long.
pub(crate) async fn read_of_the_living<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    silence: Duration,
) -> io::Result<Option<Vec<T>>> {
    let most = (silence.as_secs_f64() / BEAT.as_secs_f64()).ceil() as u64;
    let mut batch = pin!(read(from));
    for _ in 0..most {
        if let Ok(read) = timeout(BEAT, batch.as_mut()).await {
            return read;
        }
    }
    let words = format!("it has said nothing for {silence:?}");
    Err(io::Error::new(io::ErrorKind::TimedOut, words))
}

/// Reads the next batch; `None`: the other side has closed.
pub(crate) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<Vec<T>>> {
    let Some(bytes) = frame::read(from, frame::MAX_CONTROL).await? else {
        return Ok(None);
    };
    decode(&bytes)
        .map(Some)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

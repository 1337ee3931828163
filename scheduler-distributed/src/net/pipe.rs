//! Batches of messages over one connection: what is said while a frame is being written goes into the next one.

use std::io;

use kvern_machine::wire::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;

use super::frame;

/// The most messages in one frame: the receiver begins with the first before the last has been written.
const BATCH: usize = 4096;

/// Writes what comes until nobody can say anything more.
pub(crate) async fn write<T: Serialize>(
    mut to: impl AsyncWrite + Unpin,
    mut messages: UnboundedReceiver<T>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        let bytes = frame::framed(|b| {
            b.extend(encode(&batch));
            Ok(())
        })?;
        batch.clear();
        frame::send(&mut to, &bytes).await?;
    }
    Ok(())
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

//! Batches of messages over one connection: what is said while a frame is being written goes into the next one. A connection has two halves
//! and one life: whoever reads from it watches its writer, too, and ends with it.
//!
//! Who must be known to live says something now and then though there is nothing to say: an empty batch, a beat. Who listens for beats counts
//! seconds in which it was awake itself: of two processes that were stopped together and go on together, neither thinks that the other has been
//! silent.

use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use kvern_machine::wire::{Packer, decode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::frame;

/// How often a beat is said and listened for.
const BEAT: Duration = Duration::from_secs(1);

/// The most messages that are taken up at once.
const BATCH: usize = 4096;

/// Writes what comes until nobody can say anything more.
///
/// # Errors
/// If the other side is gone, or something that is to be said is too large: nothing later can be said then, so the connection must end.
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
///
/// # Errors
/// As [`write`].
pub(crate) async fn write_with_beats<T: Serialize>(
    mut to: impl AsyncWrite + Unpin,
    mut messages: UnboundedReceiver<T>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        match timeout(BEAT, messages.recv_many(&mut batch, BATCH)).await {
            Ok(0) => return Ok(()),
            Ok(_) => send(&mut to, &mut batch).await?,
            Err(_) => frame::send(&mut to, &Packer::default().frame()).await?,
        }
    }
}

/// Sends messages in as many frames as their bytes take.
async fn send<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    batch: &mut Vec<T>,
) -> io::Result<()> {
    let mut packer = Packer::default();
    for message in batch.drain(..) {
        let full = packer.push(&message, frame::MAX_CONTROL);
        let full = full.map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        // What was said is not kept while it is being sent.
        drop(message);
        if let Some(full) = full {
            frame::send(to, &full).await?;
        }
    }
    match packer.finish() {
        Some(rest) => frame::send(to, &rest).await,
        None => Ok(()),
    }
}

/// Whichever of two comes to an end first; the other is dropped where it stands.
pub(crate) async fn first<A: Future, B: Future>(a: A, b: B) -> First<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(out) = a.as_mut().poll(cx) {
            return Poll::Ready(First::A(out));
        }
        b.as_mut().poll(cx).map(First::B)
    })
    .await
}

/// See [`first`].
pub(crate) enum First<A, B> {
    A(A),
    B(B),
}

/// Why a connection is over whose writer has ended: what was said after it would never arrive.
pub(crate) fn writer_ended(end: io::Result<()>) -> String {
    match end {
        Ok(()) => "nothing more is said to it".to_owned(),
        Err(e) => format!("it could not be told what was to be said: {e}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use kvern_machine::wire::{FromClient, MOST_BYTES};
    use kvern_machine::{ClientId, GraphId, Payload};
    use tokio::sync::mpsc::unbounded_channel;

    fn run<F: Future>(f: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(f)
    }

    fn submit(bytes: usize) -> FromClient {
        FromClient::Submit {
            graph: GraphId::new(ClientId(1), 1),
            body: Payload::from(vec![7; bytes]),
        }
    }

    /// More in one batch than a frame may have: many small ones, middling ones, and some that are larger than a frame of several may be.
    #[test]
    fn what_is_said_at_once_goes_in_frames_that_can_be_read() {
        let sizes: Vec<usize> = (0..9000usize)
            .map(|n| match n % 3000 {
                2999 => MOST_BYTES + 10,
                n if n % 50 == 0 => 300_000,
                n => n % 40,
            })
            .collect();
        run(async {
            let (say, messages) = unbounded_channel();
            for &size in &sizes {
                say.send(submit(size)).unwrap();
            }
            drop(say);
            let (to, mut from) = tokio::io::duplex(1 << 20);
            let reader = async {
                let (mut got, mut frames) = (Vec::new(), 0);
                while let Some(batch) = read::<FromClient>(&mut from).await.unwrap() {
                    frames += 1;
                    got.extend(batch.iter().map(|m| match m {
                        FromClient::Submit { body, .. } => body.len(),
                        other => panic!("{other:?}"),
                    }));
                }
                (got, frames)
            };
            let writer = async {
                write(to, messages).await.unwrap();
                std::future::pending::<()>().await;
            };
            let First::A((got, frames)) = first(reader, writer).await else {
                unreachable!()
            };
            assert!(got == sizes, "{} of {} came", got.len(), sizes.len());
            // Some 57 MB, in pieces of at most 4.2 MB each.
            assert!((14..60).contains(&frames), "{frames} frames");
        });
    }

    #[test]
    fn a_message_that_no_frame_can_hold_ends_the_writer() {
        run(async {
            let (say, messages) = unbounded_channel();
            say.send(submit(10)).unwrap();
            say.send(submit(frame::MAX_CONTROL)).unwrap();
            let (to, from) = tokio::io::duplex(1 << 10);
            // `say` still stands: only the message ends it.
            let e = write(to, messages).await.unwrap_err();
            assert!(e.to_string().contains("larger than a frame"), "{e}");
            drop((say, from));
        });
    }

    #[test]
    fn more_messages_than_a_frame_may_have_are_refused() {
        let many = vec![FromClient::AskMemory; 5000];
        let bytes = kvern_machine::wire::encode(&many);
        let wire = frame::framed(|b| {
            b.extend(bytes);
            Ok(())
        })
        .unwrap();
        let e = run(read::<FromClient>(&mut &wire[..])).unwrap_err();
        assert!(e.to_string().contains("5000 messages, at most 4096"), "{e}");
    }
}

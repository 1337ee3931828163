//! Values on their way to another process: lent where they lie, received into their own memory.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use kvern_core::bulk::{Lent, Room};
pub(crate) use kvern_core::panics::discard;
use kvern_core::{Error, ErrorKind, Registry, Result, Value, panics};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// A value that is to leave.
pub(crate) enum Parcel {
    /// It is lent when it leaves.
    Value(Value),
    /// Its type cannot lend it: written already.
    Written(Lent<'static>),
}

impl Parcel {
    /// Packs a value.
    ///
    /// # Errors
    /// If it cannot leave this process.
    pub(crate) fn new(registry: &Registry, value: &Value) -> Result<Self> {
        let lent = lend(registry, value)?;
        Ok(match lent.body {
            Cow::Borrowed(_) => Self::Value(value.clone()),
            Cow::Owned(body) => Self::Written(Lent {
                head: lent.head,
                body: Cow::Owned(body),
            }),
        })
    }

    /// The two pieces.
    pub(crate) fn open(&self, registry: &Registry) -> Result<Lent<'_>> {
        match self {
            Self::Value(value) => lend(registry, value),
            Self::Written(lent) => Ok(Lent {
                head: lent.head.clone(),
                body: Cow::Borrowed(&lent.body),
            }),
        }
    }
}

/// [`Registry::lend`], with what a type's own code does caught.
pub(crate) fn lend<'a>(registry: &Registry, value: &'a Value) -> Result<Lent<'a>> {
    caught(|| registry.lend(value)).map_err(|e| match e.kind() {
        ErrorKind::Panic => {
            let words = format!("writing a value of type {} panicked", value.type_name());
            Error::with_source(ErrorKind::NotPortable, words, e)
        }
        _ => e,
    })
}

/// Reads a value from its encoded form.
pub(crate) fn decode(registry: &Registry, bytes: &[u8]) -> Result<Value> {
    reading(|| registry.decode(bytes))
}

/// Runs somebody else's code; its panic is an error of [`ErrorKind::Panic`].
pub(crate) fn caught<R>(f: impl FnOnce() -> Result<R>) -> Result<R> {
    panics::caught(f).unwrap_or_else(|p| Err(p.into()))
}

fn reading<R>(read: impl FnOnce() -> Result<R>) -> Result<R> {
    caught(read).map_err(|e| match e.kind() {
        ErrorKind::Panic => Error::with_source(ErrorKind::Decode, "reading a value panicked", e),
        _ => e,
    })
}

/// Reads a body of `length` bytes: the value that it makes with its head, or why it makes none. All of it is read in any case, so that what
/// follows on the stream is understood.
pub(crate) async fn receive(
    from: &mut (impl AsyncRead + Unpin),
    registry: &Registry,
    head: &[u8],
    length: u64,
) -> io::Result<Result<Value>> {
    receive_within(PATIENCE, from, registry, head, length).await
}

async fn receive_within(
    patience: Duration,
    from: &mut (impl AsyncRead + Unpin),
    registry: &Registry,
    head: &[u8],
    length: u64,
) -> io::Result<Result<Value>> {
    let mut left = length;
    let outcome = match usize::try_from(length) {
        Ok(length) => match reading(|| registry.room(head, length)) {
            Ok(room) => read_into(patience, from, room, &mut left).await?,
            Err(e) => Err(e),
        },
        Err(e) => Err(Error::with_source(
            ErrorKind::Decode,
            format!("a value of {length} bytes"),
            e,
        )),
    };
    pass_over_within(patience, from, left).await?;
    Ok(outcome)
}

/// Reads a body of `length` bytes that nobody wants.
pub(crate) async fn pass_over(from: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<()> {
    pass_over_within(PATIENCE, from, length).await
}

async fn pass_over_within(
    patience: Duration,
    from: &mut (impl AsyncRead + Unpin),
    mut left: u64,
) -> io::Result<()> {
    let mut passed_over = [0; 8192];
    while left > 0 {
        let most = usize::try_from(left).map_or(passed_over.len(), |n| n.min(passed_over.len()));
        within(patience, from.read_exact(&mut passed_over[..most])).await?;
        left -= most as u64;
    }
    Ok(())
}

/// How long the other side may take for its next bytes, at most a part of a value, before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What comes soon, or an error.
pub(crate) async fn soon<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    within(PATIENCE, what).await
}

async fn within<T>(patience: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| {
        let words = format!("the other side has sent nothing for {patience:?}");
        io::Error::new(io::ErrorKind::TimedOut, words)
    };
    timeout(patience, what).await.map_err(late)?
}

async fn read_into(
    patience: Duration,
    from: &mut (impl AsyncRead + Unpin),
    mut room: Box<dyn Room>,
    left: &mut u64,
) -> io::Result<Result<Value>> {
    while *left > 0 {
        let part = match reading(|| Ok(room.next())) {
            Ok([]) => {
                let words = format!("a type made room for {left} bytes less than were sent");
                return Ok(Err(Error::new(ErrorKind::Decode, words)));
            }
            Ok(part) => part,
            Err(e) => return Ok(Err(e)),
        };
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(part.len());
        within(patience, from.read_exact(&mut part[..most])).await?;
        *left -= most as u64;
    }
    Ok(reading(|| room.fill()))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn run<F: Future>(f: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(f)
    }

    #[test]
    fn parcels_arrive_and_a_bad_one_does_not_spoil_the_next() {
        let r = Registry::linked().unwrap();
        let values = [
            Value::new(vec![2.5f64; 1 << 18]),
            Value::new("text".to_owned()),
            Value::new(7u64),
        ];
        let mut wire = Vec::new();
        let mut heads = Vec::new();
        for v in &values {
            let parcel = Parcel::new(&r, v).unwrap();
            let lent = parcel.open(&r).unwrap();
            wire.extend_from_slice(&lent.body);
            heads.push((lent.head, lent.body.len() as u64));
        }
        // The first once more, under the head of another type.
        let first = heads[0].1 as usize;
        wire.extend_from_within(..first);
        let mut from = &wire[..];
        for (v, (head, length)) in values.iter().zip(&heads) {
            let got = run(receive(&mut from, &r, head, *length)).unwrap().unwrap();
            assert_eq!(got.describe(), v.describe());
            assert_eq!(got.nbytes(), v.nbytes());
        }
        let wrong = run(receive(&mut from, &r, b"\x07nothing", heads[0].1)).unwrap();
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::NotRegistered);
        assert!(from.is_empty(), "what cannot be read is passed over");
        let cut = run(receive(
            &mut &wire[..first - 1],
            &r,
            &heads[0].0,
            heads[0].1,
        ));
        assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_sender_that_stalls_is_given_up_and_a_slow_one_is_not() {
        let r = Registry::linked().unwrap();
        let value = Value::new(vec![1u8; 4 << 20]);
        let lent = r.lend(&value).unwrap();
        let (head, body) = (lent.head, lent.body.into_owned());
        let patience = Duration::from_secs(2);
        let arrive = |all: usize, pause: Duration| {
            let (head, body) = (head.clone(), body[..all].to_vec());
            let r = &r;
            run(async move {
                let (mut to, mut from) = tokio::io::duplex(1 << 16);
                let sender = tokio::spawn(async move {
                    for part in body.chunks(1 << 18) {
                        tokio::time::sleep(pause).await;
                        to.write_all(part).await.unwrap();
                    }
                    std::future::pending::<()>().await;
                });
                let got = receive_within(patience, &mut from, r, &head, 4 << 20).await;
                sender.abort();
                got
            })
        };
        // Parts that take longer than the patience as a whole, and each a small part of it.
        let slow = arrive(4 << 20, patience / 12).unwrap().unwrap();
        assert_eq!(slow.nbytes(), value.nbytes());
        let stalled = arrive(3 << 20, Duration::ZERO).unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        assert!(stalled.to_string().contains("nothing for 2s"), "{stalled}");
    }

    #[test]
    fn values_that_cannot_leave_say_so_before() {
        struct Own;
        let e = Parcel::new(&Registry::linked().unwrap(), &Value::new(Own)).err();
        assert_eq!(e.unwrap().kind(), ErrorKind::NotPortable);
    }
}

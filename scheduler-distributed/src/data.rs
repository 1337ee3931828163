//! Bulk data: values between workers, and between clients and workers. A question is a frame, and so is each answer; the body of a value
//! follows its frame raw, from the memory of one process into the memory of the other.

use std::io;
use std::sync::Arc;

use kvern_core::error::ErrorRecord;
use kvern_core::{Error, Registry, Result, Value};
use kvern_machine::wire::{Answer, DataReply, DataRequest, Hello, MOST_NAMES, Role};
use kvern_machine::{TaskRef, WorkerId};
use kvern_store::{Lent, Reserved};
use serde::Serialize;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::net::guests::Guests;
use crate::net::{frame, hello};
use crate::parcel::{self, Parcel};
use crate::token::Token;

/// An object that was asked for.
pub(crate) enum Object {
    /// Its value, or why what came cannot be read.
    Value(Result<Value>),
    /// It is not there.
    Gone,
    /// It is there and cannot be sent.
    Refused(Error),
}

fn write<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    frame::framed(|b| {
        b.extend(postcard::to_allocvec(message).map_err(io::Error::other)?);
        Ok(())
    })
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// The most objects that are asked for in one question.
pub(crate) const MOST_AT_ONCE: usize = 1 << 16;
const _: () = assert!(MOST_AT_ONCE <= MOST_NAMES);

/// A connection to a worker's data.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    worker: WorkerId,
}

impl Connection {
    pub(crate) async fn open(
        address: &str,
        worker: WorkerId,
        role: Role,
        token: &Token,
    ) -> Result<Self> {
        let (stream, _) = hello::connect(address, role, "data", token).await?;
        Ok(Self {
            stream: BufReader::with_capacity(64 << 10, stream),
            worker,
        })
    }

    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Asks for objects; [`Connection::next`] gives them one after the other.
    pub(crate) async fn ask(&mut self, objects: &[TaskRef]) -> io::Result<()> {
        let question = write(&DataRequest::Get(objects.to_vec()))?;
        frame::send(self.stream.get_mut(), &question).await
    }

    /// The next object that was asked for.
    pub(crate) async fn next(&mut self, registry: &Registry) -> io::Result<Object> {
        let (object, _) = self.next_into(registry, |_| Ok(())).await?;
        Ok(object)
    }

    /// The same, after `expect` has made room for so many bytes; what it gave comes along.
    pub(crate) async fn next_into<R>(
        &mut self,
        registry: &Registry,
        expect: impl FnOnce(u64) -> Result<R>,
    ) -> io::Result<(Object, Option<R>)> {
        match self.reply().await? {
            DataReply::Object { head, length } => match expect(length) {
                Ok(room) => parcel::receive(&mut self.stream, registry, &head, length)
                    .await
                    .map(|value| (Object::Value(value), Some(room))),
                Err(e) => {
                    parcel::pass_over(&mut self.stream, length).await?;
                    Ok((Object::Refused(e), None))
                }
            },
            DataReply::Gone => Ok((Object::Gone, None)),
            DataReply::Refused(why) => Ok((Object::Refused(why.into()), None)),
            DataReply::Kept => Err(unexpected()),
        }
    }

    /// Has a value kept there; or why it cannot be.
    pub(crate) async fn put(
        &mut self,
        object: TaskRef,
        value: &Parcel,
        registry: &Registry,
    ) -> io::Result<Result<()>> {
        let lent = match value.open(registry) {
            Ok(lent) => lent,
            Err(e) => return Ok(Err(e)),
        };
        let message = write(&DataRequest::Put {
            object,
            head: lent.head,
            length: lent.body.len() as u64,
        })?;
        send_both(self.stream.get_mut(), &message, &lent.body).await?;
        match self.reply().await? {
            DataReply::Kept => Ok(Ok(())),
            DataReply::Refused(why) => Ok(Err(why.into())),
            _ => Err(unexpected()),
        }
    }

    async fn reply(&mut self) -> io::Result<DataReply> {
        let bytes = parcel::soon(frame::read(&mut self.stream, frame::MAX_CONTROL))
            .await?
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        parse(&bytes)
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer to another question")
}

/// What a worker keeps, as those who ask for it see it. Called on the data thread.
pub(crate) trait Keeper: Send + Sync {
    /// The value, and what is held while it is being sent; `None`: it is not here.
    fn get(&self, object: TaskRef) -> Option<Result<(Value, Vec<Lent>)>>;

    /// Makes room for a value that comes.
    ///
    /// # Errors
    /// Why it cannot be kept.
    fn expect(&self, bytes: u64) -> Result<Reserved>;

    /// Keeps a value that room was made for.
    fn put(&self, object: TaskRef, value: Value, room: Reserved);

    /// What the names in values mean.
    fn registry(&self) -> &Registry;
}

/// Answers whoever connects and knows the token.
pub(crate) async fn serve(listener: TcpListener, keeper: Arc<dyn Keeper>, token: Token) {
    let enter = move |stream, who| {
        let keeper = keeper.clone();
        async move {
            // Whoever asked sees its connection end, and says so to the scheduler.
            let _ = answer(stream, who, keeper.as_ref()).await;
        }
    };
    let guests = Guests::new("worker", token);
    guests.receive(listener, |_| (), enter).await;
}

async fn answer(mut stream: TcpStream, who: Hello, keeper: &dyn Keeper) -> io::Result<()> {
    if !matches!(who.role, Role::DataClient(_) | Role::DataWorker(_)) {
        let why = "this is a worker's data address: clients and workers connect to the scheduler";
        return hello::answer(&mut stream, &Answer::Refused(why.into())).await;
    }
    hello::answer(&mut stream, &Answer::Data).await?;
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    while let Some(bytes) = frame::read(&mut stream, frame::MAX_CONTROL).await? {
        match parse(&bytes)? {
            DataRequest::Get(objects) => {
                for object in objects {
                    send(stream.get_mut(), keeper, object).await?;
                }
            }
            DataRequest::Put {
                object,
                head,
                length,
            } => {
                let received = match keeper.expect(length) {
                    Ok(room) => parcel::receive(&mut stream, keeper.registry(), &head, length)
                        .await?
                        .map(|value| (value, room)),
                    Err(e) => {
                        parcel::pass_over(&mut stream, length).await?;
                        Err(e)
                    }
                };
                let reply = match received {
                    Ok((value, room)) => {
                        keeper.put(object, value, room);
                        DataReply::Kept
                    }
                    Err(e) => DataReply::Refused(ErrorRecord::from(&e)),
                };
                frame::send(stream.get_mut(), &write(&reply)?).await?;
            }
        }
    }
    Ok(())
}

async fn send(to: &mut TcpStream, keeper: &dyn Keeper, object: TaskRef) -> io::Result<()> {
    let refused = |e| write(&DataReply::Refused(ErrorRecord::from(e)));
    let (value, _lent) = match keeper.get(object) {
        None => return frame::send(to, &write(&DataReply::Gone)?).await,
        Some(Err(e)) => return frame::send(to, &refused(&e)?).await,
        Some(Ok(there)) => there,
    };
    let sent = match parcel::lend(keeper.registry(), &value) {
        Err(e) => frame::send(to, &refused(&e)?).await,
        Ok(lent) => {
            let message = write(&DataReply::Object {
                head: lent.head,
                length: lent.body.len() as u64,
            })?;
            send_both(to, &message, &lent.body).await
        }
    };
    // It may be the last hold on it.
    parcel::discard(value);
    sent
}

/// Small bodies go out together with their frame: one packet and not two.
async fn send_both(to: &mut TcpStream, message: &[u8], body: &[u8]) -> io::Result<()> {
    if body.len() < 4096 {
        return frame::send(to, &[message, body].concat()).await;
    }
    to.write_all(message).await?;
    frame::send(to, body).await
}

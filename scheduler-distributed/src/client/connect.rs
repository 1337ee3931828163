//! The threads of a client: one for the scheduler's connection, one for bulk data, one that calls the user's callbacks and observers.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use kvern_core::{Error, ErrorKind, Registry, Result};
use kvern_machine::wire::{Answer, Role, ToClient};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use super::fetch;
use super::link::{Fetch, Link, Told};
use crate::net::pipe::{First, first};
use crate::net::{hello, pipe};
use crate::parcel::caught;
use crate::token::Token;

/// A connection and its threads.
pub(crate) struct Connection {
    link: Arc<Link>,
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the thread of the connection needs once the scheduler has answered.
type Opened = (Arc<Link>, UnboundedReceiver<Fetch>, mpsc::Receiver<Told>);

impl Connection {
    /// Connects and starts the threads.
    pub(crate) fn open(address: &str, token: &Token, registry: Arc<Registry>) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (opened, answer) = mpsc::channel::<Result<Opened>>();
        let (to, secret, stop_control) = (address.to_owned(), token.clone(), stopped.clone());
        let control = spawn("kvern-client", move || {
            crate::net::run(async move {
                match begin(&to, &secret, registry).await {
                    Err(e) => drop(opened.send(Err(e))),
                    Ok((stream, messages, link, rest)) => {
                        let _over = Over(link.clone(), "its thread");
                        let ready = (link.clone(), rest.0, rest.1);
                        if opened.send(Ok(ready)).is_ok() {
                            converse(stream, messages, &link, stop_control).await;
                        }
                    }
                }
            });
        })?;
        let gone = || Error::new(ErrorKind::Internal, "the thread of the connection ended");
        let (link, fetches, tells) = answer.recv().unwrap_or_else(|_| Err(gone()))?;
        let (data_link, secret) = (link.clone(), token.clone());
        let data = spawn("kvern-client-data", move || {
            let _over = Over(data_link.clone(), "the thread for its data");
            crate::net::run(fetch::serve(data_link, secret, fetches, stopped));
        })?;
        let call_link = Arc::downgrade(&link);
        let calls = spawn("kvern-client-calls", move || {
            for told in tells {
                // A callback or a value's destructor may panic: that is its own business.
                let _ = caught(|| {
                    match told {
                        Told::Call(tell) => tell.tell(),
                        Told::Event(interest, event) => {
                            if let Some(link) = call_link.upgrade() {
                                link.observers().tell(interest, &event);
                            }
                        }
                    }
                    Ok(())
                });
            }
        })?;
        let connection = Self {
            link,
            stop,
            threads: Mutex::new(vec![control, data]),
        };
        // Ends with the link, which callbacks may hold: nobody waits for it.
        drop(calls);
        Ok(connection)
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Tasks that the cluster can run at once.
    pub(crate) fn slots(&self) -> u32 {
        self.link.slots().unwrap_or(1)
    }

    /// Ends the connection and waits for its threads, unless one of them asks.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let me = std::thread::current().id();
        for t in threads {
            if t.thread().id() != me {
                let _ = t.join();
            }
        }
    }
}

/// A thread without which whoever waits would wait for ever: when it ends, however that is, the connection is over.
struct Over(Arc<Link>, &'static str);

impl Drop for Over {
    fn drop(&mut self) {
        // Where all is over already, which is the rule, this says nothing.
        let lost = self.0.lost(&format!("{} ended", self.1));
        self.0.end(&lost);
    }
}

fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(f)
        .map_err(|e| {
            Error::with_source(ErrorKind::Io, format!("a thread cannot be started: {e}"), e)
        })
}

type Begun = (
    TcpStream,
    UnboundedReceiver<kvern_machine::wire::FromClient>,
    Arc<Link>,
    (UnboundedReceiver<Fetch>, mpsc::Receiver<Told>),
);

async fn begin(address: &str, token: &Token, registry: Arc<Registry>) -> Result<Begun> {
    let name = format!("client-{}", std::process::id());
    let (stream, answer) = hello::connect(address, Role::Client, &name, token).await?;
    let Answer::Client { client, .. } = answer else {
        return Err(Error::new(
            ErrorKind::Config,
            format!("{address} is not a scheduler: it answers {answer:?}"),
        ));
    };
    let (out, messages) = unbounded_channel();
    let (fetches, to_fetch) = unbounded_channel();
    let (tells, told) = mpsc::channel();
    let link = Arc::new(Link::new(
        client,
        address.to_owned(),
        registry,
        out,
        fetches,
        tells,
    ));
    Ok((stream, messages, link, (to_fetch, told)))
}

/// Speaks and listens until one side ends it.
async fn converse(
    stream: TcpStream,
    messages: UnboundedReceiver<kvern_machine::wire::FromClient>,
    link: &Arc<Link>,
    mut stop: watch::Receiver<bool>,
) {
    let (mut from, to) = stream.into_split();
    let hears = async {
        loop {
            match pipe::read::<ToClient>(&mut from).await {
                Ok(Some(batch)) => batch.into_iter().for_each(|m| link.hear(m)),
                Ok(None) => return "it closed the connection".to_owned(),
                Err(e) => return e.to_string(),
            }
        }
    };
    let told = async {
        // An error means that the client is gone without a word.
        while !*stop.borrow_and_update() {
            if stop.changed().await.is_err() {
                break;
            }
        }
    };
    let why = match first(told, first(hears, pipe::write(to, messages))).await {
        First::A(()) => "the client closed it".to_owned(),
        First::B(First::A(why)) => why,
        // What is asked later would never be answered.
        First::B(First::B(end)) => pipe::writer_ended(end),
    };
    let lost = link.lost(&why);
    link.end(&lost);
}

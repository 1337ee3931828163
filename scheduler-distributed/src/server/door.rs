//! Connections of a scheduler: who comes, what they say, and that they are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kvern_core::{Error, ErrorKind, Graph, Registry, Result};
use kvern_machine::scheduler::WorkerInfo;
use kvern_machine::wire::{Answer, FromClient, FromWorker, Hello, Role, ToClient, ToWorker};
use kvern_machine::{ClientId, Epoch, GraphId, GraphSpec, WorkerId};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::roll::Roll;
use super::spec;
use crate::net::pipe::{First, first};
use crate::net::{hello, pipe};
use crate::parcel::caught;

/// Graphs of more tasks than this are expanded on a thread of their own, so that nobody else waits.
const AT_ONCE: u64 = 2_000;

/// Something that a connection brings.
pub(super) enum Incoming {
    Client(ClientId, UnboundedSender<ToClient>),
    ClientSays(ClientId, Vec<FromClient>),
    /// A graph that was expanded, or why it could not be.
    Submit(ClientId, GraphId, Result<Box<GraphSpec>>),
    ClientGone(ClientId),
    Worker(WorkerId, WorkerInfo, UnboundedSender<ToWorker>),
    WorkerSays(WorkerId, Vec<FromWorker>),
    WorkerGone(WorkerId, String),
    /// What keeps workers from coming.
    Trouble(String),
    /// The scheduler is to end.
    Stop,
}

/// What every connection needs.
pub(super) struct Door {
    pub(super) registry: Arc<Registry>,
    pub(super) clients: AtomicU32,
    pub(super) workers: AtomicU32,
    pub(super) epoch: Epoch,
    /// How long a worker may be silent.
    pub(super) ttl: Duration,
    pub(super) roll: Roll,
    /// Whether each coming and leaving is told.
    pub(super) verbose: bool,
    pub(super) into: UnboundedSender<Incoming>,
}

impl Door {
    fn tell(&self, what: impl FnOnce() -> String) {
        if self.verbose {
            eprintln!("kvern scheduler: {}", what());
        }
    }
}

/// Says that somebody is gone, however its connection came to its end.
struct Farewell<'a> {
    door: &'a Door,
    last: Option<Incoming>,
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        if let Some(last) = self.last.take() {
            let _ = self.door.into.send(last);
        }
    }
}

/// Somebody whose first words were right.
pub(super) async fn enter(mut stream: TcpStream, said: Hello, door: &Door) {
    match said.role {
        Role::Client => {
            let client = ClientId(door.clients.fetch_add(1, Ordering::Relaxed) + 1);
            let answer = Answer::Client {
                client,
                epoch: door.epoch,
            };
            if hello::answer(&mut stream, &answer).await.is_ok() {
                converse_with_client(stream, client, &said.build, door).await;
            }
        }
        Role::Worker {
            slots,
            memory,
            data_address,
            ..
        } => {
            let worker = WorkerId(door.workers.fetch_add(1, Ordering::Relaxed) + 1);
            let answer = Answer::Worker {
                worker,
                epoch: door.epoch,
            };
            let info = WorkerInfo {
                name: said.name,
                slots: slots.max(1),
                memory,
                address: data_address,
                build: said.build,
            };
            if hello::answer(&mut stream, &answer).await.is_ok() {
                converse_with_worker(stream, worker, info, door).await;
            }
        }
        Role::DataClient(_) | Role::DataWorker(_) => {
            let why = "this is the scheduler: results are fetched from workers";
            let _ = hello::answer(&mut stream, &Answer::Refused(why.into())).await;
        }
    }
}

async fn converse_with_client(stream: TcpStream, client: ClientId, build: &str, door: &Door) {
    let (from, to) = stream.into_split();
    let (say, messages) = unbounded_channel();
    if door.into.send(Incoming::Client(client, say)).is_err() {
        return;
    }
    let _gone = Farewell {
        door,
        last: Some(Incoming::ClientGone(client)),
    };
    let hears = hear_client(from, client, build, door);
    // Who cannot be told anything any more must not wait for answers.
    if let First::B(Err(e)) = first(hears, pipe::write(to, messages)).await {
        door.tell(|| {
            format!("client {client} is let go: it cannot be told what was to be said: {e}")
        });
    }
}

async fn hear_client(
    mut from: tokio::net::tcp::OwnedReadHalf,
    client: ClientId,
    build: &str,
    door: &Door,
) {
    let tell = |what| door.into.send(what).is_ok();
    while let Ok(Some(batch)) = pipe::read::<FromClient>(&mut from).await {
        let mut said = Vec::with_capacity(batch.len());
        for message in batch {
            let FromClient::Submit { graph, body } = message else {
                said.push(message);
                continue;
            };
            // What was said before a graph goes before it.
            let before = std::mem::take(&mut said);
            if !before.is_empty() && !tell(Incoming::ClientSays(client, before)) {
                return;
            }
            let expanded = expand(body.as_slice(), build, door).await;
            if !tell(Incoming::Submit(client, graph, expanded)) {
                return;
            }
        }
        if !said.is_empty() && !tell(Incoming::ClientSays(client, said)) {
            return;
        }
    }
}

async fn expand(body: &[u8], build: &str, door: &Door) -> Result<Box<GraphSpec>> {
    // Layers are somebody else's code.
    let graph = caught(|| Graph::decode(body, &door.registry)).map_err(at_expanding)?;
    let (build, tasks) = (build.to_owned(), graph.tasks());
    let expand = move || caught(|| spec::spec(&graph, build).map(Box::new));
    let spec = if tasks <= AT_ONCE {
        expand()
    } else {
        let thread = tokio::task::spawn_blocking(expand).await;
        thread.unwrap_or_else(|e| Err(Error::new(ErrorKind::Internal, e.to_string())))
    };
    spec.map_err(at_expanding)
}

fn at_expanding(e: Error) -> Error {
    match e.kind() {
        ErrorKind::Panic => {
            let words = format!("expanding the graph {}", e.message());
            Error::new(ErrorKind::Panic, words)
        }
        _ => e,
    }
}

async fn converse_with_worker(stream: TcpStream, worker: WorkerId, info: WorkerInfo, door: &Door) {
    let (mut from, to) = stream.into_split();
    let (say, messages) = unbounded_channel();
    let (name, came) = (info.name.clone(), Instant::now());
    let what = format!(
        "worker {name} ({worker}, tasks at once: {}, data at {}",
        info.slots, info.address
    );
    if door.into.send(Incoming::Worker(worker, info, say)).is_err() {
        return;
    }
    door.roll.comes(&name);
    door.tell(|| format!("{what}) has come"));
    let mut gone = Farewell {
        door,
        last: Some(Incoming::WorkerGone(
            worker,
            "its connection broke off".into(),
        )),
    };
    let hears = async {
        loop {
            match pipe::read_of_the_living::<FromWorker>(&mut from, door.ttl).await {
                Ok(Some(batch)) if batch.is_empty() => {}
                Ok(Some(batch)) => {
                    if door.into.send(Incoming::WorkerSays(worker, batch)).is_err() {
                        return "the scheduler ends".to_owned();
                    }
                }
                Ok(None) => return "its connection ended".to_owned(),
                Err(e) if e.kind() == std::io::ErrorKind::TimedOut => {
                    door.roll.is_silent(name.clone(), came);
                    return e.to_string();
                }
                Err(e) => return format!("its connection broke: {e}"),
            }
        }
    };
    // Who cannot be told anything any more must not be counted on.
    let why = match first(hears, pipe::write(to, messages)).await {
        First::A(why) => why,
        First::B(end) => pipe::writer_ended(end),
    };
    door.tell(|| format!("{what}) has gone after {:.1?}: {why}", came.elapsed()));
    gone.last = Some(Incoming::WorkerGone(worker, why));
}

//! The scheduler: listens for clients and workers, and carries out what the machine ([`kvern_machine::Scheduler`]) decides.
//!
//! Everything happens on one thread: the machine takes less than a microsecond a task, and what waits is the network.

mod spec;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvern_core::error::ErrorRecord;
use kvern_core::{Error, ErrorKind, Graph, Registry, Result};
use kvern_machine::scheduler::{Config, Effect, Event, WorkerInfo};
use kvern_machine::wire::{Answer, FromClient, FromWorker, Hello, Role, ToClient, ToWorker};
use kvern_machine::{ClientId, Epoch, GraphSpec, Outbox, Scheduler, Tick, WorkerId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::net::{address, hello, pipe};
use crate::token::Token;

/// Graphs of more tasks than this are expanded on a thread of their own, so that nobody else waits.
const AT_ONCE: u64 = 2_000;

/// How a scheduler is set up.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// Where it listens: a loopback address; port 0 takes any that is free.
    pub listen: String,
    /// What clients and workers must know.
    pub token: Token,
    /// A worker that has said nothing for so long is given up, as if its connection had ended. At least [`SchedulerOptions::LEAST_TTL`].
    pub worker_ttl: Duration,
}

impl SchedulerOptions {
    /// How long a worker may be silent if nothing else is said.
    pub const WORKER_TTL: Duration = Duration::from_secs(60);

    /// Workers say that they are there every second; some patience must be left for a busy machine.
    pub const LEAST_TTL: Duration = Duration::from_secs(3);

    /// Listening there, for those who know the token.
    pub fn new(listen: impl Into<String>, token: Token) -> Self {
        Self {
            listen: listen.into(),
            token,
            worker_ttl: Self::WORKER_TTL,
        }
    }
}

/// Workers that were given up for their silence, and may hang: their names, and when they had come. For whoever looks after their processes;
/// nothing is kept where nobody does.
pub(crate) type Silent = Arc<Mutex<Option<Vec<(String, Instant)>>>>;

/// A scheduler that runs in this process, on a thread of its own. Dropping it stops it.
pub struct SchedulerServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    workers: Arc<Mutex<usize>>,
    silent: Silent,
    thread: Option<JoinHandle<()>>,
}

impl SchedulerServer {
    /// Starts listening.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for an address beyond loopback, [`ErrorKind::Io`] if it cannot be listened on, [`ErrorKind::Config`] for a
    /// patience with workers that is too short.
    pub fn start(options: &SchedulerOptions, registry: Arc<Registry>) -> Result<Self> {
        let wanted = address::listen_on(&options.listen)?;
        let (ttl, least) = (options.worker_ttl, SchedulerOptions::LEAST_TTL);
        if ttl < least {
            let words = format!(
                "worker-ttl is {ttl:?}, and at least {least:?} is allowed: workers say that they live once a second"
            );
            return Err(Error::new(ErrorKind::Config, words));
        }
        let cannot = |e: std::io::Error| {
            Error::with_source(ErrorKind::Io, format!("cannot listen on {wanted}: {e}"), e)
        };
        let listener = std::net::TcpListener::bind(wanted).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (stop, stopped) = watch::channel(false);
        let workers = Arc::new(Mutex::new(0));
        let silent = Silent::default();
        let (into, incoming) = unbounded_channel();
        let door = Door {
            token: options.token.clone(),
            registry,
            clients: AtomicU32::new(0),
            workers: AtomicU32::new(0),
            epoch: Epoch(1),
            ttl,
            silent: silent.clone(),
            into,
        };
        let count = workers.clone();
        let (ready, begun) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("kvern-scheduler".into())
            .spawn(move || {
                crate::client::run(async move {
                    match TcpListener::from_std(listener) {
                        Err(e) => drop(ready.send(Err(e))),
                        Ok(listener) => {
                            let _ = ready.send(Ok(()));
                            serve(listener, door, incoming, count, stopped).await;
                        }
                    }
                });
            })
            .map_err(cannot)?;
        let ended = || std::io::Error::other("its thread ended");
        begun
            .recv()
            .unwrap_or_else(|_| Err(ended()))
            .map_err(cannot)?;
        Ok(Self {
            address,
            stop,
            workers,
            silent,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Workers that are there.
    pub fn workers(&self) -> usize {
        *self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on those that are given up for their silence are remembered there.
    pub(crate) fn silent(&self) -> Silent {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.get_or_insert_default();
        self.silent.clone()
    }

    /// Waits until it is stopped by other means: for a process that is nothing but a scheduler.
    pub fn wait(mut self) {
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

impl Drop for SchedulerServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

/// Something that a connection brings.
enum Incoming {
    Client(ClientId, UnboundedSender<ToClient>),
    ClientSays(ClientId, Vec<FromClient>),
    /// A graph that was expanded, or why it could not be.
    Submit(ClientId, kvern_machine::GraphId, Result<Box<GraphSpec>>),
    ClientGone(ClientId),
    Worker(WorkerId, WorkerInfo, UnboundedSender<ToWorker>),
    WorkerSays(WorkerId, Vec<FromWorker>),
    WorkerGone(WorkerId, String),
}

/// What every connection needs.
struct Door {
    token: Token,
    registry: Arc<Registry>,
    clients: AtomicU32,
    workers: AtomicU32,
    epoch: Epoch,
    /// How long a worker may be silent.
    ttl: Duration,
    silent: Silent,
    into: UnboundedSender<Incoming>,
}

async fn serve(
    listener: TcpListener,
    door: Door,
    incoming: UnboundedReceiver<Incoming>,
    count: Arc<Mutex<usize>>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::spawn(accept(listener, Arc::new(door)));
    let shell = Shell {
        machine: Scheduler::new(Config::default()),
        began: Instant::now(),
        clients: HashMap::new(),
        workers: HashMap::new(),
        count,
        out: Outbox::new(),
    };
    let work = tokio::spawn(shell.run(incoming));
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            break;
        }
    }
    // The end of the runtime ends all tasks, and with them their connections.
    work.abort();
}

async fn accept(listener: TcpListener, door: Arc<Door>) {
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // Out of file descriptors, for instance: others may close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let door = door.clone();
        tokio::spawn(async move {
            let mut stream = stream;
            match hello::accept(&mut stream, &door.token).await {
                Ok(said) => enter(stream, said, &door).await,
                Err(why) => {
                    eprintln!("kvern scheduler: a connection from {from} was refused: {why}");
                }
            }
        });
    }
}

async fn enter(mut stream: TcpStream, said: Hello, door: &Arc<Door>) {
    match said.role {
        Role::Client => {
            let client = ClientId(door.clients.fetch_add(1, Ordering::Relaxed) + 1);
            let answer = Answer::Client {
                client,
                epoch: door.epoch,
            };
            if hello::answer(&mut stream, &answer).await.is_ok() {
                converse_with_client(stream, client, door).await;
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

async fn converse_with_client(stream: TcpStream, client: ClientId, door: &Arc<Door>) {
    let (mut from, to) = stream.into_split();
    let (say, messages) = unbounded_channel();
    tokio::spawn(pipe::write(to, messages));
    let tell = |what| door.into.send(what).is_ok();
    if !tell(Incoming::Client(client, say)) {
        return;
    }
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
            let expanded = expand(body.as_slice(), door).await;
            if !tell(Incoming::Submit(client, graph, expanded)) {
                return;
            }
        }
        if !said.is_empty() && !tell(Incoming::ClientSays(client, said)) {
            return;
        }
    }
    tell(Incoming::ClientGone(client));
}

async fn expand(body: &[u8], door: &Door) -> Result<Box<GraphSpec>> {
    // Layers are somebody else's code.
    let panicked = || Err(Error::new(ErrorKind::Panic, "expanding the graph panicked"));
    let decoded = catch_unwind(AssertUnwindSafe(|| Graph::decode(body, &door.registry)));
    let graph = match decoded {
        Ok(graph) => graph?,
        Err(_) => return panicked(),
    };
    if graph.tasks() <= AT_ONCE {
        let spec = catch_unwind(AssertUnwindSafe(|| spec::spec(&graph).map(Box::new)));
        return spec.unwrap_or_else(|_| panicked());
    }
    tokio::task::spawn_blocking(move || spec::spec(&graph).map(Box::new))
        .await
        .unwrap_or_else(|_| panicked())
}

async fn converse_with_worker(
    stream: TcpStream,
    worker: WorkerId,
    info: WorkerInfo,
    door: &Arc<Door>,
) {
    let (mut from, to) = stream.into_split();
    let (say, messages) = unbounded_channel();
    tokio::spawn(pipe::write(to, messages));
    let (name, came) = (info.name.clone(), Instant::now());
    if door.into.send(Incoming::Worker(worker, info, say)).is_err() {
        return;
    }
    let why = loop {
        match pipe::read_of_the_living::<FromWorker>(&mut from, door.ttl).await {
            Ok(Some(batch)) if batch.is_empty() => {}
            Ok(Some(batch)) => {
                if door.into.send(Incoming::WorkerSays(worker, batch)).is_err() {
                    return;
                }
            }
            Ok(None) => break "its connection ended".to_owned(),
            Err(e) if e.kind() == std::io::ErrorKind::TimedOut => {
                let mut silent = door.silent.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(silent) = silent.as_mut() {
                    silent.push((name, came));
                }
                break e.to_string();
            }
            Err(e) => break format!("its connection broke: {e}"),
        }
    };
    let _ = door.into.send(Incoming::WorkerGone(worker, why));
}

/// What surrounds the machine.
struct Shell {
    machine: Scheduler,
    began: Instant,
    clients: HashMap<ClientId, UnboundedSender<ToClient>>,
    workers: HashMap<WorkerId, UnboundedSender<ToWorker>>,
    count: Arc<Mutex<usize>>,
    out: Outbox<Effect>,
}

impl Shell {
    async fn run(mut self, mut incoming: UnboundedReceiver<Incoming>) {
        let mut batch = Vec::new();
        loop {
            let next = incoming.recv_many(&mut batch, 1024);
            let heard = match self.machine.next_deadline() {
                None => Some(next.await),
                Some(at) => {
                    let left = Duration::from_nanos(at.since(self.now()));
                    tokio::time::timeout(left, next).await.ok()
                }
            };
            match heard {
                Some(0) => return,
                Some(_) => batch.drain(..).for_each(|what| self.take_in(what)),
                None => self.handle(Event::Timer),
            }
            self.flush();
        }
    }

    fn now(&self) -> Tick {
        Tick(self.began.elapsed().as_nanos() as u64)
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        self.machine.handle(now, event, &mut self.out);
    }

    fn take_in(&mut self, what: Incoming) {
        match what {
            Incoming::Client(client, say) => {
                self.clients.insert(client, say);
                self.handle(Event::ClientJoined(client));
            }
            Incoming::ClientSays(client, said) => {
                for message in said {
                    self.handle(Event::FromClient(client, message));
                }
            }
            Incoming::Submit(client, graph, Ok(spec)) => self.handle(Event::Submit {
                client,
                graph,
                spec,
            }),
            Incoming::Submit(client, graph, Err(e)) => {
                let error = ErrorRecord::from(&e);
                self.to_client(client, ToClient::Refused { graph, error });
            }
            Incoming::ClientGone(client) => {
                self.clients.remove(&client);
                self.handle(Event::ClientGone(client));
            }
            Incoming::Worker(worker, info, say) => {
                self.workers.insert(worker, say);
                self.counted();
                self.handle(Event::WorkerJoined(worker, info));
            }
            Incoming::WorkerSays(worker, said) => {
                for message in said {
                    match message {
                        FromWorker::Log {
                            task,
                            key,
                            operator,
                            message,
                        } => {
                            let line = ToClient::Log {
                                key,
                                operator,
                                message,
                            };
                            self.to_client(task.graph.client(), line);
                        }
                        other => self.handle(Event::FromWorker(worker, other)),
                    }
                }
            }
            Incoming::WorkerGone(worker, why) => {
                if self.workers.remove(&worker).is_some() {
                    self.counted();
                    self.handle(Event::WorkerLost { worker, why });
                }
            }
        }
    }

    fn counted(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) = self.workers.len();
    }

    /// Says something to a client; to one that is gone, nothing.
    fn to_client(&self, client: ClientId, message: ToClient) {
        if let Some(say) = self.clients.get(&client) {
            let _ = say.send(message);
        }
    }

    /// Does what the machine wants done.
    fn flush(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        for effect in out.drain() {
            match effect {
                Effect::ToClient(client, message) => self.to_client(client, message),
                Effect::ToWorker(worker, message) => {
                    if let Some(say) = self.workers.get(&worker) {
                        let _ = say.send(message);
                    }
                }
                Effect::Disconnect(worker) => {
                    self.workers.remove(&worker);
                    self.counted();
                }
                // Nothing of a graph is kept but what the machine has.
                Effect::Forget(_) => {}
            }
        }
        self.out = out;
    }
}

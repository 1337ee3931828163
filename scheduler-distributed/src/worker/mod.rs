//! A worker: a process that runs tasks and keeps their results.
//!
//! The machine ([`kvern_machine::Worker`]) decides, behind a lock: on the thread that talks to the scheduler, and on that of a task that
//! has ended, which so finds its next one without waking anybody. Tasks run on a pool (`pool`), bulk data goes over a thread of its own,
//! so that a large value holds up neither.

mod execute;
mod fetch;
mod late;
mod nested;
mod options;
pub(crate) mod pool;
mod record;
mod running;
mod store;
mod watch;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use kvern_core::text::format_bytes;
use kvern_core::{Error, ErrorKind, Key, Registry, Result, Value};
use kvern_machine::wire::{Answer, FromWorker, Role, Spilled, ToWorker};
use kvern_machine::worker::{Config, Effect, Event, Outcome};
use kvern_machine::{Attempt, FetchId, Outbox, TaskRef, Tick, Worker, WorkerId};
use kvern_store::Reserved;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};

use crate::client::ClusterClient;
use crate::data;
use crate::net::pipe::{First, first};
use crate::net::{address, hello, pipe};
use crate::parcel::discard;
use execute::{Executor, Job};
use late::Late;
use nested::Nested;
pub use options::WorkerOptions;
use pool::Pool;
use store::{Kept, Overseer, Store};
use watch::Watch;

/// Something that happened on another thread of the worker.
pub(crate) enum Happened {
    Executed {
        task: TaskRef,
        attempt: Attempt,
        outcome: Outcome,
        nanos: u64,
    },
    Seceded {
        task: TaskRef,
        attempt: Attempt,
    },
    Rejoined {
        task: TaskRef,
        attempt: Attempt,
    },
    Log {
        task: TaskRef,
        key: Key,
        operator: String,
        message: String,
    },
    Put {
        object: TaskRef,
        value: Value,
        /// Given back once the value counts by itself.
        room: Reserved,
    },
    /// A value went to disk, or came back.
    Moved {
        object: TaskRef,
        bytes: u64,
        back: bool,
    },
    Fetched {
        fetch: FetchId,
        got: Vec<(TaskRef, u64)>,
        gone: Vec<TaskRef>,
        /// Whether all was asked for: else the peer broke off.
        whole: bool,
    },
}

/// Runs a worker on this thread until the scheduler ends, and says so.
///
/// # Errors
/// [`ErrorKind::Io`] or [`ErrorKind::Config`] if it cannot begin, [`ErrorKind::Lost`] when the scheduler breaks off without a word.
pub fn run_worker(options: &WorkerOptions, registry: Arc<Registry>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::with_source(ErrorKind::Io, "no event loop can be made", e))?;
    runtime.block_on(work(options, registry))
}

async fn work(options: &WorkerOptions, registry: Arc<Registry>) -> Result<()> {
    let of_store = options.store();
    of_store.check()?;
    let data = listen(&options.data_address).await?;
    let data_address = data.local_addr().map_err(no_listener)?.to_string();
    let role = Role::Worker {
        slots: options.threads as u32,
        memory: options.memory,
        data_address: data_address.clone(),
        last_epoch: None,
    };
    let (stream, answer) = find(options, &role).await?;
    let Answer::Worker { worker, .. } = answer else {
        let words = format!(
            "{} is not a scheduler: it answers {answer:?}",
            options.scheduler
        );
        return Err(Error::new(ErrorKind::Config, words));
    };
    options.tell(|| {
        format!(
            "{} is {worker} of the scheduler at {}, tasks at once: {}, memory for results: {}, data at {data_address}",
            options.name,
            options.scheduler,
            options.threads,
            format_bytes(options.memory)
        )
    });
    let (happens, happened) = unbounded_channel();
    let store = Arc::new(Store::new(of_store, registry.clone(), happens));
    let (fetches, data_ends) = serve_data(data, &store, worker, options)?;
    let (scheduler, token) = (options.scheduler.clone(), options.token.clone());
    let connect = move || {
        ClusterClient::connect(&scheduler, &token, registry.clone()).map(ClusterClient::for_tasks)
    };
    // Threads of tasks do not keep the shell alive: it ends with the connection, and the pool with it.
    let shell: Arc<OnceLock<Weak<Mutex<Shell>>>> = Arc::default();
    let of_tasks = shell.clone();
    let tell = move |what| {
        if let Some(shell) = of_tasks.get().and_then(Weak::upgrade) {
            with(&shell, |s| s.happened(what));
        }
    };
    let nested = Arc::new(Nested::new(connect));
    // A thread that a task starts computes where the task does.
    let home = nested.clone();
    kvern_core::set_home(move || Ok(home.clone()));
    let executor = Arc::new(Executor::new(store.clone(), tell, nested));
    let leftovers = executor.leftovers.clone();
    let (runs, waits, refuses) = (executor.clone(), executor.clone(), executor.clone());
    let uses = pool::Uses {
        run: Box::new(move |job: Job, seat: &crate::seat::Seat| runs.run(&job, seat)),
        waits: Box::new(move |begins| waits.waits(begins)),
        refuse: Box::new(move |job: Job, why| refuses.refuse(&job, why)),
        spawn: pool::threads(),
    };
    let pool = Pool::new(options.threads.max(1), uses)
        .map_err(|e| Error::with_source(ErrorKind::Io, "a thread cannot be started", e))?;
    let looks = Arc::new(Notify::new());
    let (say, messages) = unbounded_channel();
    let all = Arc::new(Mutex::new(Shell {
        machine: Worker::new(worker, Config::new(options.threads as u32)),
        epoch: Instant::now(),
        store: store.clone(),
        told: Spilled::default(),
        executor,
        pool,
        fetches,
        running: HashMap::new(),
        late: Late::new(options.threads),
        looks: looks.clone(),
        out: Outbox::new(),
        replaced: Vec::new(),
        say,
    }));
    let _ = shell.set(Arc::downgrade(&all));
    let overseer: Arc<dyn Overseer> = all.clone();
    store.oversee(Arc::downgrade(&overseer));
    drop(overseer);
    let runs = run(&all, stream, messages, happened, &options.scheduler);
    let over = match first(runs, first(look_at_late(&all, &looks), data_ends)).await {
        First::A(end) => end,
        First::B(First::A(e)) => Err(e),
        First::B(First::B(_)) => Err(Error::new(
            ErrorKind::Internal,
            "a defect of kvern: the thread for values has ended",
        )),
    };
    // Running tasks may ask whether they should stop: nobody wants their results any more.
    let running = std::mem::take(&mut lock(&all).running);
    running.into_values().for_each(|w| w.stop.cancel());
    // They are not waited for: the process is about to end.
    leftovers.remove();
    if over.is_ok() {
        options.tell(|| format!("the scheduler at {} has ended", options.scheduler));
    }
    over
}

/// Gives up what is late, whenever something is; comes to an end when that is too much.
async fn look_at_late(shell: &Mutex<Shell>, looks: &Notify) -> Error {
    loop {
        let due = lock(shell).late.next_due();
        let pause = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        first(pause, looks.notified()).await;
        let mut enough = Ok(());
        with(shell, |s| enough = s.give_up_late(Instant::now()));
        if let Err(e) = enough {
            return e;
        }
    }
}

/// Connects to the scheduler, as soon as there is one.
async fn find(options: &WorkerOptions, role: &Role) -> Result<(TcpStream, Answer)> {
    let end = Instant::now() + options.wait;
    let mut pause = Duration::ZERO;
    loop {
        let found = hello::connect(
            &options.scheduler,
            role.clone(),
            &options.name,
            &options.token,
        );
        match found.await {
            Err(e)
                if matches!(e.kind(), ErrorKind::Io | ErrorKind::Timeout)
                    && Instant::now() < end =>
            {
                if pause.is_zero() {
                    let wait = options.wait;
                    options.tell(|| {
                        format!("{e}; it waits until a scheduler is there, at most {wait:?}")
                    });
                }
                pause = (pause * 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
                tokio::time::sleep(pause).await;
            }
            other => return other,
        }
    }
}

async fn listen(on: &str) -> Result<TcpListener> {
    TcpListener::bind(address::listen_on(on)?)
        .await
        .map_err(no_listener)
}

fn no_listener(e: std::io::Error) -> Error {
    Error::with_source(
        ErrorKind::Io,
        format!("cannot listen for those who fetch results: {e}"),
        e,
    )
}

/// Starts the thread for bulk data; gives where it is told what to fetch, and what is closed when it ends.
fn serve_data(
    listener: TcpListener,
    store: &Arc<Store>,
    worker: WorkerId,
    options: &WorkerOptions,
) -> Result<(UnboundedSender<fetch::Order>, oneshot::Receiver<()>)> {
    let (orders, to_fetch) = unbounded_channel();
    let (ends, ended) = oneshot::channel();
    let listener = listener.into_std().map_err(no_listener)?;
    let (store, token) = (store.clone(), options.token.clone());
    std::thread::Builder::new()
        .name("kvern-worker-data".into())
        .spawn(move || {
            // Whichever of the two ends, nobody would get values any more.
            let _ends: oneshot::Sender<()> = ends;
            crate::net::run(async move {
                let keeper = store.clone();
                if let Ok(listener) = TcpListener::from_std(listener) {
                    let serves = data::serve(listener, keeper, token.clone());
                    first(serves, fetch::serve(store, worker, token, to_fetch)).await;
                }
            });
        })
        .map_err(|e| Error::with_source(ErrorKind::Io, "a thread cannot be started", e))?;
    Ok((orders, ended))
}

/// What surrounds the machine.
struct Shell {
    machine: Worker,
    epoch: Instant,
    store: Arc<Store>,
    /// What the scheduler was told of the disk.
    told: Spilled,
    executor: Arc<Executor>,
    pool: Pool<Job>,
    fetches: UnboundedSender<fetch::Order>,
    /// How a running task is told to stop.
    running: HashMap<(TaskRef, Attempt), Arc<Watch>>,
    /// When running tasks are given up.
    late: Late,
    /// Wakes whoever looks at them.
    looks: Arc<Notify>,
    out: Outbox<Effect>,
    /// Values in whose place others were put: to be dropped without the lock.
    replaced: Vec<Option<Kept>>,
    /// What the scheduler is told.
    say: UnboundedSender<FromWorker>,
}

fn lock(shell: &Mutex<Shell>) -> MutexGuard<'_, Shell> {
    shell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets something happen, and does what the machine wants done then.
fn with(shell: &Mutex<Shell>, happen: impl FnOnce(&mut Shell)) {
    let mut dropped = Vec::new();
    {
        let mut shell = lock(shell);
        happen(&mut shell);
        shell.flush(&mut dropped);
    }
    // Without the lock: nobody knows how long it takes, or what else it does.
    let freed = !dropped.is_empty();
    dropped.into_iter().for_each(discard);
    if freed {
        lock(shell).tell_spilled();
    }
}

impl Overseer for Mutex<Shell> {
    fn next_use(&self, object: TaskRef, pieces: Option<&Range<u32>>) -> Option<i64> {
        lock(self).machine.next_use(object, pieces)
    }

    fn moved(&self, object: TaskRef, bytes: u64, back: bool) {
        with(self, |s| {
            s.happened(Happened::Moved {
                object,
                bytes,
                back,
            });
        });
    }
}

/// Hears the scheduler and the thread for bulk data until the scheduler is gone.
async fn run(
    shell: &Mutex<Shell>,
    stream: TcpStream,
    messages: UnboundedReceiver<FromWorker>,
    mut happened: UnboundedReceiver<Happened>,
    scheduler: &str,
) -> Result<()> {
    let (mut from, to) = stream.into_split();
    let (hear, mut heard) = unbounded_channel();
    let reads = async move {
        loop {
            match pipe::read::<ToWorker>(&mut from).await {
                Ok(Some(batch)) => {
                    if hear.send(batch).is_err() {
                        return String::new();
                    }
                }
                Ok(None) => return "it closed the connection".to_owned(),
                Err(e) => return e.to_string(),
            }
        }
    };
    // What is not said of a task that has ended, the scheduler would wait for without an end.
    let talks = tokio::spawn(async move {
        match first(reads, pipe::write_with_beats(to, messages)).await {
            First::A(why) => why,
            First::B(end) => pipe::writer_ended(end),
        }
    });
    let mut batch = Vec::new();
    loop {
        let said = either(&mut heard, &mut happened, &mut batch).await;
        let Some(said) = said else { break };
        let leaves = said.iter().any(|m| matches!(m, ToWorker::Leave));
        with(shell, |s| {
            for message in said {
                s.handle(Event::FromScheduler(message));
            }
            batch.drain(..).for_each(|what| s.happened(what));
        });
        if leaves {
            return Ok(());
        }
    }
    let why = talks.await.unwrap_or_else(|e| e.to_string());
    Err(Error::new(
        ErrorKind::Lost,
        format!("the scheduler at {scheduler} is gone: {why}"),
    ))
}

impl Shell {
    fn now(&self) -> Tick {
        Tick(self.epoch.elapsed().as_nanos() as u64)
    }

    fn happened(&mut self, what: Happened) {
        let event = match what {
            Happened::Executed {
                task,
                attempt,
                outcome,
                nanos,
            } => {
                self.running.remove(&(task, attempt));
                self.late.forget(task, attempt);
                Event::Executed {
                    task,
                    attempt,
                    outcome,
                    nanos,
                }
            }
            Happened::Seceded { task, attempt } => Event::Seceded { task, attempt },
            Happened::Rejoined { task, attempt } => Event::Rejoined { task, attempt },
            // Kept now and not before: what the machine had dropped meanwhile under this name would have taken it along.
            Happened::Put {
                object,
                value,
                room,
            } => {
                let bytes = value.nbytes();
                self.replaced.push(self.store.replace(object, Ok(value)));
                drop(room);
                Event::Put { object, bytes }
            }
            Happened::Moved {
                object,
                bytes,
                back,
            } => {
                let moved = FromWorker::Moved {
                    object,
                    bytes,
                    back,
                };
                let _ = self.say.send(moved);
                return;
            }
            Happened::Fetched {
                fetch,
                got,
                gone,
                whole: true,
            } => Event::Fetched { fetch, got, gone },
            Happened::Fetched { fetch, got, .. } => Event::FetchFailed { fetch, got },
            Happened::Log {
                task,
                key,
                operator,
                message,
            } => {
                let _ = self.say.send(FromWorker::Log {
                    task,
                    key,
                    operator,
                    message,
                });
                return;
            }
        };
        self.handle(event);
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        self.machine.handle(now, event, &mut self.out);
    }

    /// Gives up running tasks that are late.
    ///
    /// # Errors
    /// If so many threads go on with what nobody wants any more that this process is better replaced.
    fn give_up_late(&mut self, now: Instant) -> Result<()> {
        while let Some((task, attempt, why)) = self.late.pop(now) {
            let Some(watch) = self.running.remove(&(task, attempt)) else {
                continue;
            };
            let Some(adrift) = self.executor.give_up(&watch) else {
                // It has come to its end meanwhile, and is about to say so.
                self.running.insert((task, attempt), watch);
                continue;
            };
            let error = watch.blame(why.error());
            let (outcome, nanos) = (Outcome::Failed(record::record(&error)), why.nanos());
            self.handle(Event::Executed {
                task,
                attempt,
                outcome,
                nanos,
            });
            self.late.check(adrift)?;
        }
        Ok(())
    }

    /// Tells the scheduler what is on disk, if that has changed.
    fn tell_spilled(&mut self) {
        let now = self.store.values().spilled();
        let now = Spilled {
            memory: now.memory,
            disk: now.disk,
            total: now.total,
        };
        if now != self.told {
            self.told = now;
            let _ = self.say.send(FromWorker::Spilled(now));
        }
    }

    /// Does what the machine wants done; what it drops is the caller's to drop.
    fn flush(&mut self, dropped: &mut Vec<Option<Kept>>) {
        // Before the news of results: what made room for them is not in memory any more.
        self.tell_spilled();
        dropped.append(&mut self.replaced);
        let due = self.late.next_due();
        let mut jobs = Vec::new();
        for effect in self.out.drain() {
            match effect {
                Effect::ToScheduler(message) => {
                    let _ = self.say.send(message);
                }
                Effect::LearnGraph { graph, shared } => self.executor.learn(graph, &shared),
                Effect::ForgetGraph(graph) => self.executor.forget(graph),
                Effect::Execute(assign) => {
                    let watch = Arc::<Watch>::default();
                    let (task, attempt) = (assign.task, assign.attempt);
                    self.running.insert((task, attempt), watch.clone());
                    if let Some(limit) = self.executor.limit(&assign, &watch) {
                        self.late.limit(task, attempt, limit);
                    }
                    jobs.push(Job::new(assign, watch, &self.store));
                }
                Effect::Stop { task, attempt } => {
                    if let Some(watch) = self.running.get(&(task, attempt)) {
                        watch.stop.cancel();
                        self.late.stopped(task, attempt);
                    }
                }
                Effect::Fetch {
                    fetch,
                    peer,
                    objects,
                } => {
                    let _ = self.fetches.send(fetch::Order::Get {
                        fetch,
                        peer,
                        objects,
                    });
                }
                Effect::Drop(object) => dropped.push(self.store.take(object)),
                Effect::Peer { worker, address } => {
                    let _ = self.fetches.send(fetch::Order::Peer { worker, address });
                }
                Effect::PeerLost(worker) => {
                    let _ = self.fetches.send(fetch::Order::PeerLost(worker));
                }
            }
        }
        if self
            .late
            .next_due()
            .is_some_and(|at| due.is_none_or(|d| at < d))
        {
            self.looks.notify_one();
        }
        if !jobs.is_empty() {
            self.pool.push(jobs);
        }
    }
}

/// What the scheduler says or what happens here, whichever comes first; `None`: the scheduler is gone.
async fn either(
    heard: &mut UnboundedReceiver<Vec<ToWorker>>,
    happened: &mut UnboundedReceiver<Happened>,
    batch: &mut Vec<Happened>,
) -> Option<Vec<ToWorker>> {
    use std::task::Poll;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(said) = heard.poll_recv(cx) {
            return Poll::Ready(said);
        }
        match happened.poll_recv_many(cx, batch, 1024) {
            Poll::Ready(_) => Poll::Ready(Some(Vec::new())),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

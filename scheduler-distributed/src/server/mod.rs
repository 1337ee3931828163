//! The scheduler: listens for clients and workers, and carries out what the machine ([`kvern_machine::Scheduler`]) decides.
//!
//! Everything happens on one thread: the machine takes less than a microsecond a task, and what waits is the network. `door` has the
//! connections, `shell` what surrounds the machine, `roll` who has come and gone.

mod door;
mod roll;
mod shell;
mod spec;

use std::net::SocketAddr;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use kvern_core::{Error, ErrorKind, Registry, Result};
use kvern_machine::Epoch;
use kvern_machine::scheduler::Config;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::net::address;
use crate::net::guests::Guests;
use crate::net::pipe::{First, first};
use crate::token::Token;
use door::{Door, Incoming};
pub(crate) use roll::Roll;
use shell::Shell;

/// How a scheduler is set up.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// Where it listens: a loopback address; port 0 takes any that is free.
    pub listen: String,
    /// What clients and workers must know.
    pub token: Token,
    /// A worker that has said nothing for so long is given up, as if its connection had ended. At least [`SchedulerOptions::LEAST_TTL`].
    pub worker_ttl: Duration,
    /// After so many workers lost while they ran it, a task fails. At least 1.
    pub allowed_failures: u32,
    /// How long tasks wait when no worker is there that may run them, before they fail; none: for ever. Their clients are told after some
    /// seconds.
    pub no_workers_timeout: Option<Duration>,
    /// Whether each coming and leaving of a worker is written to stderr, as for a scheduler that is a process of its own.
    pub verbose: bool,
}

impl SchedulerOptions {
    /// How long a worker may be silent if nothing else is said.
    pub const WORKER_TTL: Duration = Duration::from_secs(60);

    /// Workers say that they are there every second; some patience must be left for a busy machine.
    pub const LEAST_TTL: Duration = Duration::from_secs(3);

    /// Workers that a task may take with it if nothing else is said.
    pub const ALLOWED_FAILURES: u32 = 3;

    /// How long tasks wait for workers if nothing else is said.
    pub const NO_WORKERS_TIMEOUT: Duration = Duration::from_secs(600);

    /// Listening there, for those who know the token.
    pub fn new(listen: impl Into<String>, token: Token) -> Self {
        Self {
            listen: listen.into(),
            token,
            worker_ttl: Self::WORKER_TTL,
            allowed_failures: Self::ALLOWED_FAILURES,
            no_workers_timeout: Some(Self::NO_WORKERS_TIMEOUT),
            verbose: false,
        }
    }

    /// # Errors
    /// [`ErrorKind::Config`] for what makes no sense.
    fn check(&self) -> Result<()> {
        let (ttl, least) = (self.worker_ttl, Self::LEAST_TTL);
        let wrong = |words| Err(Error::new(ErrorKind::Config, words));
        if ttl < least {
            return wrong(format!(
                "worker-ttl is {ttl:?}, and at least {least:?} is allowed: workers say that they live once a second"
            ));
        }
        // The machine counts them in quarters, in a byte.
        if !(1..=60).contains(&self.allowed_failures) {
            return wrong(format!(
                "allowed-failures is {}, and 1 to 60 are allowed: so many workers may be lost with a task before it fails",
                self.allowed_failures
            ));
        }
        Ok(())
    }

    fn machine(&self) -> Config {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let mut config = Config {
            charges: self.allowed_failures,
            no_workers: self.no_workers_timeout.map(nanos),
            ..Config::default()
        };
        if let Some(limit) = config.no_workers {
            config.told = config.told.min(limit / 2);
        }
        config
    }
}

/// A scheduler that runs in this process, on a thread of its own. Dropping it stops it.
pub struct SchedulerServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    /// Closed when it has ended, however that was.
    ended: watch::Receiver<()>,
    workers: Arc<Mutex<usize>>,
    roll: Roll,
    into: UnboundedSender<Incoming>,
    thread: Option<JoinHandle<()>>,
}

impl SchedulerServer {
    /// Starts listening.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for an address beyond loopback, [`ErrorKind::Io`] if it cannot be listened on, [`ErrorKind::Config`] for
    /// options that make no sense.
    pub fn start(options: &SchedulerOptions, registry: Arc<Registry>) -> Result<Self> {
        let wanted = address::listen_on(&options.listen)?;
        options.check()?;
        let cannot = |e: std::io::Error| {
            Error::with_source(ErrorKind::Io, format!("cannot listen on {wanted}: {e}"), e)
        };
        let listener = std::net::TcpListener::bind(wanted).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (stop, stopped) = watch::channel(false);
        let (ends, ended) = watch::channel(());
        let workers = Arc::new(Mutex::new(0));
        let roll = Roll::default();
        let (into, incoming) = unbounded_channel();
        let door = Door {
            registry,
            clients: AtomicU32::new(0),
            workers: AtomicU32::new(0),
            epoch: Epoch(1),
            ttl: options.worker_ttl,
            roll: roll.clone(),
            verbose: options.verbose,
            into: into.clone(),
        };
        let guests = Guests::new("scheduler", options.token.clone());
        let shell = Shell::new(options.machine(), workers.clone());
        let (ready, begun) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("kvern-scheduler".into())
            .spawn(move || {
                let _ends = ends;
                crate::net::run(async move {
                    match TcpListener::from_std(listener) {
                        Err(e) => drop(ready.send(Err(e))),
                        Ok(listener) => {
                            let _ = ready.send(Ok(()));
                            serve(listener, guests, door, shell, incoming, stopped).await;
                        }
                    }
                });
            })
            .map_err(cannot)?;
        let over = || std::io::Error::other("its thread ended");
        begun
            .recv()
            .unwrap_or_else(|_| Err(over()))
            .map_err(cannot)?;
        Ok(Self {
            address,
            stop,
            ended,
            workers,
            roll,
            into,
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

    /// Who has come and gone, from now on.
    pub(crate) fn roll(&self) -> Roll {
        self.roll.watch();
        self.roll.clone()
    }

    /// How it is told what keeps workers from coming.
    pub(crate) fn trouble(&self) -> Trouble {
        Trouble(self.into.clone())
    }

    /// Waits until the process is told to end (by Ctrl-C, or a signal to terminate), and ends orderly: workers and clients are told. For a
    /// process that is nothing but a scheduler.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if it ends by itself, which it should not; [`ErrorKind::Io`] if signals cannot be listened for.
    pub fn wait(self) -> Result<()> {
        let cannot =
            |e: std::io::Error| Error::with_source(ErrorKind::Io, "signals cannot be heard", e);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot)?;
        let mut ended = self.ended.clone();
        runtime.block_on(async {
            let told = told_to_end().map_err(cannot)?;
            match first(told, ended.changed()).await {
                First::A(()) => Ok(()),
                First::B(_) => Err(Error::new(
                    ErrorKind::Internal,
                    "the scheduler ended by itself: what it wrote before says why",
                )),
            }
        })
    }
}

/// Comes when the process is told to end.
#[cfg(unix)]
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        first(interrupt.recv(), terminate.recv()).await;
    })
}

#[cfg(not(unix))]
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Tells a scheduler what keeps workers from coming.
#[derive(Clone)]
pub(crate) struct Trouble(UnboundedSender<Incoming>);

impl Trouble {
    pub(crate) fn tell(&self, words: String) {
        let _ = self.0.send(Incoming::Trouble(words));
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

/// How long workers and clients may take to hear that the scheduler ends.
const FAREWELL: Duration = Duration::from_millis(500);

async fn serve(
    listener: TcpListener,
    guests: Arc<Guests>,
    door: Door,
    shell: Shell,
    incoming: UnboundedReceiver<Incoming>,
    mut stop: watch::Receiver<bool>,
) {
    let door = Arc::new(door);
    let (into, roll) = (door.into.clone(), door.roll.clone());
    let open = Arc::downgrade(&door);
    let enter = move |stream, said| {
        let door = door.clone();
        async move { door::enter(stream, said, &door).await }
    };
    let mut comes = tokio::spawn(async move {
        let trouble = |e: &std::io::Error| {
            roll.has_trouble(format!(
                "the scheduler could not take its connection in: {e}"
            ));
        };
        guests.receive(listener, trouble, enter).await;
    });
    let mut work = tokio::spawn(shell.run(incoming));
    let told = async {
        while !*stop.borrow_and_update() {
            if stop.changed().await.is_err() {
                break;
            }
        }
    };
    // None of the three ends before it is told to, unless something is wrong: all who wait must hear of it, and do when the runtime ends.
    match first(told, first(&mut comes, &mut work)).await {
        First::A(()) => {
            comes.abort();
            let _ = into.send(Incoming::Stop);
            let _ = tokio::time::timeout(FAREWELL, work).await;
            // Connections end when the last word has been said.
            let end = tokio::time::Instant::now() + FAREWELL;
            while open.strong_count() > 0 && tokio::time::Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        First::B(First::A(end)) => unexpected("nobody is let in any more", end),
        First::B(First::B(end)) => unexpected("nothing is decided any more", end),
    }
}

fn unexpected(what: &str, end: Result<(), tokio::task::JoinError>) {
    let why = end.map_or_else(|e| e.to_string(), |()| "it ended".to_owned());
    eprintln!("kvern scheduler: a defect of kvern: {what}: {why}");
}

#[cfg(test)]
mod tests;

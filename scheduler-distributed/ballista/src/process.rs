//! A scheduler and an executor of Ballista in this process, with the codec of frames: pushed tasks, short heartbeats, and on loopback only,
//! since connections carry no password and are not encrypted.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::{SchedulerConfig, TaskDistributionPolicy};
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion::execution::SessionStateBuilder;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use kvern_core::url::{resolve, resolve_loopback};
use kvern_core::{Error, ErrorKind, Result};
use tokio::runtime::Runtime;

use crate::codec::Codec;
use crate::error::chain;
use crate::job::MESSAGE;
use crate::slots::Slots;

/// The usual port of a scheduler.
const USUAL: u16 = 50050;

/// How long the scheduler of an executor may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long after it was told to end an executor is told again, and how often.
#[cfg(unix)]
const AGAIN: Duration = Duration::from_millis(200);
#[cfg(unix)]
const TIMES: u32 = 50;

/// How a scheduler is run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SchedulerOptions {
    /// Where it listens: a loopback address; port 0 takes any that is free.
    pub listen: String,
    /// After how many seconds of silence an executor counts as lost.
    pub silence: u64,
    /// With how many executors it says that it is ready (`GET /readyz`).
    pub executors: usize,
}

impl SchedulerOptions {
    /// Listening there.
    pub fn new(listen: impl Into<String>) -> Self {
        Self {
            listen: listen.into(),
            silence: 30,
            executors: 1,
        }
    }

    /// For executors of the same program, whose silence means that they are gone.
    pub(crate) fn local() -> Self {
        Self {
            // Of a machine that is busy with something else: one that has gone is found by what it does not answer.
            silence: 10,
            ..Self::new("127.0.0.1:0")
        }
    }
}

/// How an executor is run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExecutorOptions {
    /// The address of its scheduler.
    pub scheduler: String,
    /// Where its rows can be fetched and its tasks come in: a loopback address without a port.
    pub listen: String,
    /// How many partitions it computes at once.
    pub slots: usize,
    /// Where the folder for its files is made, which is removed at its end; `None`: among the system's temporary files.
    pub folder: Option<PathBuf>,
    /// Which part of this machine's memory its operators may take before they spill.
    pub memory_share: f64,
    /// How often, in seconds, it tells its scheduler that it is there.
    pub heartbeat: u64,
}

impl ExecutorOptions {
    /// Of the scheduler there, with a slot for each core.
    pub fn new(scheduler: impl Into<String>) -> Self {
        Self {
            scheduler: scheduler.into(),
            listen: "127.0.0.1".to_owned(),
            slots: std::thread::available_parallelism().map_or(1, usize::from),
            folder: None,
            memory_share: 0.7,
            heartbeat: 5,
        }
    }

    /// Beside its scheduler.
    pub(crate) fn local(scheduler: String) -> Self {
        Self {
            heartbeat: 1,
            ..Self::new(scheduler)
        }
    }
}

/// Runs a scheduler on this thread, for as long as the process lives. `listening` is told its address before the first connection.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for an address that others can reach, [`ErrorKind::Config`] for what is no address, [`ErrorKind::Io`] if it
/// cannot be listened on.
pub fn run_scheduler(
    options: &SchedulerOptions,
    listening: impl FnOnce(SocketAddr) -> Result<()>,
) -> Result<()> {
    let listener = listen(&options.listen)?;
    let wrong = |e: std::io::Error| {
        let words = format!("{} cannot be listened on: {e}", options.listen);
        Error::with_source(ErrorKind::Io, words, e)
    };
    let address = listener.local_addr().map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    let config = Arc::new(SchedulerConfig {
        external_host: host(&address),
        bind_host: host(&address),
        bind_port: address.port(),
        scheduling_policy: TaskSchedulingPolicy::PushStaged,
        task_distribution: TaskDistributionPolicy::RoundRobin,
        executor_timeout_seconds: options.silence,
        expire_dead_executor_interval_seconds: (options.silence / 4).max(1),
        no_executors_grace_period_seconds: options.silence,
        min_ready_executors: options.executors,
        grpc_server_max_decoding_message_size: MESSAGE as u32,
        grpc_server_max_encoding_message_size: MESSAGE as u32,
        grpc_client_max_message_size: MESSAGE as u32,
        override_physical_codec: Some(Arc::new(Codec::new()?)),
        ..SchedulerConfig::default()
    });
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(wrong)?;
        let cluster = BallistaCluster::new_from_config(&config)
            .await
            .map_err(|e| stopped("scheduler", &e))?;
        let slots = Arc::new(Slots::over(cluster.cluster_state()));
        let cluster = BallistaCluster::new(slots, cluster.job_state());
        let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, config)
            .await
            .map_err(|e| stopped("scheduler", &e))?;
        listening(address)?;
        start_grpc_service_with_listener(listener, scheduler)
            .await
            .map_err(|e| stopped("scheduler", &e))
    })
}

/// Runs an executor on this thread until it is told to end (SIGTERM, SIGINT) or its scheduler has been silent for five heartbeats.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for an address that others can reach, [`ErrorKind::Config`] for no slot or what is no address,
/// [`ErrorKind::Io`] if the scheduler cannot be reached or files cannot be made.
pub fn run_executor(options: &ExecutorOptions) -> Result<()> {
    if options.slots == 0 {
        let words = "an executor needs at least 1 slot, not 0";
        return Err(Error::new(ErrorKind::Config, words));
    }
    let scheduler = resolve(&options.scheduler, USUAL)?;
    let (data, tasks) = free_ports(&options.listen)?;
    let runtime = runtime()?;
    // Before there is anything to be removed.
    let place = Place::default();
    runtime.block_on(async { tell_again(&place) })?;
    let folder = temporary(options.folder.as_deref())?;
    let _ = place.set(folder.path().to_owned());
    // Ballista would wait for it without an end.
    TcpStream::connect_timeout(&scheduler, CONNECT).map_err(|e| {
        let words = format!("no scheduler can be reached at {}: {e}", options.scheduler);
        Error::with_source(ErrorKind::Io, words, e)
    })?;
    let config = Arc::new(ExecutorProcessConfig {
        bind_host: host(&data),
        external_host: Some(host(&data)),
        port: data.port(),
        grpc_port: tasks.port(),
        scheduler_host: host(&scheduler),
        scheduler_port: scheduler.port(),
        scheduler_connect_timeout_seconds: CONNECT.as_secs() as u16,
        vcores: options.slots,
        task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
        work_dir: Some(folder.path().display().to_string()),
        executor_heartbeat_interval_seconds: options.heartbeat,
        grpc_max_decoding_message_size: MESSAGE as u32,
        grpc_max_encoding_message_size: MESSAGE as u32,
        memory_pool_fraction: options.memory_share,
        override_physical_codec: Some(Arc::new(Codec::new()?)),
        override_function_registry: Some(Arc::new(functions())),
        ..ExecutorProcessConfig::default()
    });
    let ended = runtime.block_on(start_executor_process(config));
    ended.map_err(|e| {
        let e = stopped("executor", &e);
        let words = format!("of the scheduler at {}: {}", options.scheduler, e.message());
        Error::with_source(ErrorKind::Io, words, e)
    })
}

/// The functions that plans name: all of DataFusion's. Ballista's own table lacks those of lists and structs.
fn functions() -> BallistaFunctionRegistry {
    let state = SessionStateBuilder::new().with_default_features().build();
    BallistaFunctionRegistry::from(&state)
}

/// Where the files of an executor are, once it has some.
type Place = Arc<OnceLock<PathBuf>>;

/// From here on SIGTERM and SIGINT end this process only as Ballista hears them, which removes its files, and Ballista listens when all else
/// is done: so it is told again what it may have missed, for a while. Whoever tells it once more after that ends it at once.
#[cfg(unix)]
fn tell_again(place: &Place) -> Result<()> {
    use rustix::process::{Signal, getpid, kill_process};
    use tokio::signal::unix::{SignalKind, signal};
    for (kind, own) in [
        (SignalKind::terminate(), Signal::TERM),
        (SignalKind::interrupt(), Signal::INT),
    ] {
        let mut told = signal(kind).map_err(|e| {
            let words = format!("the executor cannot listen for signals: {e}");
            Error::with_source(ErrorKind::Io, words, e)
        })?;
        let place = place.clone();
        tokio::spawn(async move {
            told.recv().await;
            for _ in 0..TIMES {
                tokio::time::sleep(AGAIN).await;
                let _ = kill_process(getpid(), own);
            }
            // The last of our own.
            while tokio::time::timeout(AGAIN, told.recv()).await.is_ok() {}
            told.recv().await;
            if let Some(folder) = place.get() {
                let _ = std::fs::remove_dir_all(folder);
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "nothing else ends this process: Ballista's own end was waited for"
            )]
            std::process::exit(128 + own.as_raw());
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn tell_again(_place: &Place) -> Result<()> {
    Ok(())
}

fn runtime() -> Result<Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread()
        // What computes has threads of its own.
        .worker_threads(2)
        .enable_all()
        .build();
    built.map_err(|e| {
        Error::with_source(ErrorKind::Io, format!("no thread could be started: {e}"), e)
    })
}

fn stopped(what: &str, e: &ballista_core::error::BallistaError) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("the {what} cannot go on: {}", chain(e)),
    )
}

fn temporary(within: Option<&Path>) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("kvern-ballista-");
    let made = match within {
        Some(folder) => builder.tempdir_in(folder),
        None => builder.tempdir(),
    };
    made.map_err(|e| {
        let place = within.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let words = format!("{}: no folder can be made there: {e}", place.display());
        Error::with_source(ErrorKind::Io, words, e)
    })
}

/// The address without its port, as URLs have it.
fn host(address: &SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// A socket at the address that somebody wrote, if nobody else can reach it.
fn listen(text: &str) -> Result<TcpListener> {
    let danger = "Ballista's connections have no password and are not encrypted: anybody there could read files of this machine and run queries";
    let address = resolve_loopback(text, USUAL, danger)?;
    TcpListener::bind(address).map_err(|e| {
        Error::with_source(
            ErrorKind::Io,
            format!("{text} cannot be listened on: {e}"),
            e,
        )
    })
}

/// Two ports that are free now. Ballista wants to know them before it listens, so another process may be faster; then it says so and ends. So
/// they are none of those that the system gives to whoever asks for any.
fn free_ports(host: &str) -> Result<(SocketAddr, SocketAddr)> {
    let (one, two) = (free_port(host)?, free_port(host)?);
    let of = |l: &TcpListener| {
        l.local_addr().map_err(|e| {
            let words = format!("{host} cannot be listened on: {e}");
            Error::with_source(ErrorKind::Io, words, e)
        })
    };
    Ok((of(&one)?, of(&two)?))
}

fn free_port(host: &str) -> Result<TcpListener> {
    const TRIES: u32 = 100;
    // Where nobody can listen at all, that is the error.
    let any = listen(&format!("{host}:0"))?;
    for _ in 0..TRIES {
        // A random number of the standard library.
        let random = RandomState::new().build_hasher().finish();
        let port = 20_000 + random % 10_000;
        if let Ok(listener) = listen(&format!("{host}:{port}")) {
            return Ok(listener);
        }
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_nothing_else() {
        for bad in [
            "0.0.0.0:50050",
            "[::]:0",
            "192.168.1.2:80",
            "[2001:db8::1]:80",
        ] {
            let listening = |a| Err(Error::bad_input(format!("it listens on {a}")));
            let e = run_scheduler(&SchedulerOptions::new(bad), listening).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{bad}: {e}");
            let words = e.to_string();
            assert!(
                words.contains("not encrypted") && words.contains(bad),
                "{words}"
            );
        }
        for bad in ["0.0.0.0", "[::]", "10.0.0.1"] {
            let mut options = ExecutorOptions::new("127.0.0.1:50050");
            options.listen = bad.to_owned();
            let e = run_executor(&options).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported, "{bad}");
            let words = e.to_string();
            assert!(words.contains("TLS") && words.contains(bad), "{words}");
        }
        assert!(listen("127.0.0.1:0").is_ok());
    }

    #[test]
    fn what_is_no_address_is_told_apart() {
        let e = run_scheduler(&SchedulerOptions::new("127.0.0.1"), |_| Ok(())).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Config);
        assert!(e.to_string().contains("HOST:PORT is expected"), "{e}");
        let mut options = ExecutorOptions::new("127.0.0.1:1");
        options.slots = 0;
        let e = run_executor(&options).unwrap_err();
        assert!(e.to_string().contains("at least 1 slot"), "{e}");
    }
}

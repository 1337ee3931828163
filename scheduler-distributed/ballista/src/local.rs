//! A cluster of processes on this machine: a scheduler and executors that are this program, started again.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::{Error, ErrorKind, Result};
use tempfile::TempDir;

use crate::entry::{
    ADDRESS_FILE, EXECUTOR, EXECUTORS_VARIABLE, FOLDER_VARIABLE, ROLE_VARIABLE, SCHEDULER,
    SCHEDULER_VARIABLE, SLOTS_VARIABLE,
};

/// How long the processes may take to start.
const START: Duration = Duration::from_secs(60);

/// How long they may take to end before they are killed.
const END: Duration = Duration::from_secs(2);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(10);

/// How a local cluster is set up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LocalOptions {
    /// Executor processes.
    pub executors: usize,
    /// Partitions that each computes at once.
    pub slots: usize,
    /// Into how many partitions scans and shuffles are cut; `None`: twice as many as there are slots.
    pub partitions: Option<usize>,
    /// The program that becomes one of the processes by calling [`init`](crate::init), and its arguments; `None`: this one, without
    /// arguments.
    pub program: Option<(PathBuf, Vec<OsString>)>,
}

impl Default for LocalOptions {
    /// Two executors that share the cores.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            executors: 2,
            slots: cores.div_ceil(2),
            partitions: None,
            program: None,
        }
    }
}

/// A Ballista scheduler and executors as child processes. They end when it is dropped, and also when this process is killed: each reads an
/// input that nobody else holds open.
pub struct BallistaCluster {
    address: String,
    executors: Mutex<Vec<Child>>,
    scheduler: Mutex<Option<Child>>,
    folder: Mutex<Option<TempDir>>,
}

impl BallistaCluster {
    /// Starts it, and waits until all executors are there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for no executors or slots; [`ErrorKind::Io`] if a process cannot be started or ends at once;
    /// [`ErrorKind::Timeout`] if the processes do not report in time.
    pub fn start(options: &LocalOptions) -> Result<Self> {
        let LocalOptions {
            executors, slots, ..
        } = *options;
        if executors == 0 || slots == 0 {
            let words = format!(
                "a Ballista cluster needs at least 1 executor with 1 slot, not {executors} with {slots}"
            );
            return Err(Error::new(ErrorKind::Config, words));
        }
        let folder = tempfile::Builder::new()
            .prefix("kvern-ballista-")
            .tempdir()
            .map_err(|e| cannot("there is no folder for its files", e))?;
        let place = folder.path().to_owned();
        let mut cluster = Self {
            address: String::new(),
            executors: Mutex::default(),
            scheduler: Mutex::default(),
            folder: Mutex::new(Some(folder)),
        };
        let start = |role: &str, more: &[(&str, &str)]| {
            let (program, arguments) = program(options)?;
            Command::new(&program)
                .args(arguments)
                .env(ROLE_VARIABLE, role)
                .env(FOLDER_VARIABLE, &place)
                .env(EXECUTORS_VARIABLE, executors.to_string())
                .env(SLOTS_VARIABLE, slots.to_string())
                .envs(more.iter().copied())
                // Held open for as long as this process lives.
                .stdin(Stdio::piped())
                // What it prints must not come between what the program prints for other programs.
                .stdout(std::io::stderr())
                .spawn()
                .map_err(|e| cannot(&program.display().to_string(), e))
        };
        let end = Instant::now() + START;
        *lock(&cluster.scheduler) = Some(start(SCHEDULER, &[])?);
        let file = place.join(ADDRESS_FILE);
        cluster.address =
            cluster.wait(end, "the scheduler", || std::fs::read_to_string(&file).ok())?;
        for _ in 0..executors {
            let child = start(EXECUTOR, &[(SCHEDULER_VARIABLE, cluster.address.as_str())])?;
            lock(&cluster.executors).push(child);
        }
        let what = format!("all of {executors} executors");
        cluster.wait(end, &what, || ready(&cluster.address).then_some(()))?;
        Ok(cluster)
    }

    /// The address of its scheduler, as in `ballista://HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process ids of the executors: for those who watch them, or kill one to see what happens.
    pub fn executor_processes(&self) -> Vec<u32> {
        lock(&self.executors).iter().map(Child::id).collect()
    }

    /// The process id of the scheduler, if it has not been ended.
    pub fn scheduler_process(&self) -> Option<u32> {
        lock(&self.scheduler).as_ref().map(Child::id)
    }

    /// Where the processes have their files, until they are ended.
    pub fn folder(&self) -> Option<PathBuf> {
        lock(&self.folder).as_ref().map(|f| f.path().to_owned())
    }

    /// Ends the processes and removes their files. Done by dropping, too.
    pub fn close(&self) {
        let mut children = std::mem::take(&mut *lock(&self.executors));
        children.extend(lock(&self.scheduler).take());
        for child in &mut children {
            drop(child.stdin.take());
        }
        let end = Instant::now() + END;
        while !children.is_empty() && Instant::now() < end {
            children.retain_mut(|c| matches!(c.try_wait(), Ok(None)));
            std::thread::sleep(LOOK);
        }
        for mut child in children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // They remove it, too, when they end; what one of them wrote meanwhile is removed here.
        if let Some(folder) = lock(&self.folder).take() {
            let _ = folder.close();
        }
    }

    /// Waits for something that processes do, as long as they live.
    fn wait<T>(&self, end: Instant, what: &str, mut there: impl FnMut() -> Option<T>) -> Result<T> {
        const INIT: &str = "the program must call kvern::init() first in main, or open its cluster whenever it is run without arguments";
        loop {
            if let Some(found) = there() {
                return Ok(found);
            }
            let mut scheduler = lock(&self.scheduler);
            let mut executors = lock(&self.executors);
            for child in scheduler.iter_mut().chain(executors.iter_mut()) {
                if let Ok(Some(status)) = child.try_wait() {
                    let words = format!(
                        "a process of the cluster ended before {what} reported ({status}): {INIT}"
                    );
                    return Err(Error::new(ErrorKind::Io, words));
                }
            }
            drop((scheduler, executors));
            if Instant::now() > end {
                let words = format!("{what} did not report within {START:?}: {INIT}");
                return Err(Error::new(ErrorKind::Timeout, words));
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for BallistaCluster {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cannot(what: &str, e: std::io::Error) -> Error {
    let words = format!("a process of the cluster cannot be started: {what}: {e}");
    Error::with_source(ErrorKind::Io, words, e)
}

fn program(options: &LocalOptions) -> Result<(PathBuf, Vec<OsString>)> {
    match &options.program {
        Some((program, arguments)) => Ok((program.clone(), arguments.clone())),
        None => {
            let own = std::env::current_exe();
            Ok((
                own.map_err(|e| cannot("this program cannot be found", e))?,
                Vec::new(),
            ))
        }
    }
}

/// Whether the scheduler says that its executors are there.
fn ready(address: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            connection,
            "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut first = [0; 12];
        connection.read_exact(&mut first)?;
        Ok(&first == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

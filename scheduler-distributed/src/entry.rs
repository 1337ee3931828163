//! How a program becomes a worker: `cluster://` starts the program itself again, so that workers know all its operators and closures.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvern_core::{ErrorKind, Registry, Result};

use crate::token::Token;
use crate::worker::{WorkerOptions, run_worker};

/// Says that this process is to be a worker, and of which scheduler.
pub(crate) const WORKER_VARIABLE: &str = "KVERN_WORKER";
/// Its name.
pub(crate) const NAME_VARIABLE: &str = "KVERN_WORKER_NAME";
/// How many tasks it runs at once.
pub(crate) const THREADS_VARIABLE: &str = "KVERN_WORKER_THREADS";
/// How many bytes of memory it has for results.
pub(crate) const MEMORY_VARIABLE: &str = "KVERN_WORKER_MEMORY";
/// Where it spills: a folder; empty: nowhere. Not set: the system's folder for temporary files.
pub(crate) const SPILL_VARIABLE: &str = "KVERN_WORKER_SPILL";
/// How many bytes it may spill.
pub(crate) const SPILL_LIMIT_VARIABLE: &str = "KVERN_WORKER_SPILL_LIMIT";
/// What its scheduler wants to be told. Not the variable that users set for schedulers of their own, which tasks may read.
pub(crate) const SECRET_VARIABLE: &str = "KVERN_WORKER_TOKEN";

const VARIABLES: [&str; 7] = [
    WORKER_VARIABLE,
    NAME_VARIABLE,
    THREADS_VARIABLE,
    MEMORY_VARIABLE,
    SPILL_VARIABLE,
    SPILL_LIMIT_VARIABLE,
    SECRET_VARIABLE,
];

/// The exit code of a worker that could not begin, or not go on; it has written why to stderr.
pub(crate) const FAILED: i32 = 70;

/// Whether the program has called [`init`].
static CALLED: AtomicBool = AtomicBool::new(false);

/// Whether this process is a worker already: a task of it may open a cluster of its own.
static IS_WORKER: AtomicBool = AtomicBool::new(false);

/// If this process was started as a worker of a local cluster, is one until the cluster is closed and then ends the process; else does
/// nothing. Programs that open `cluster://` call it first in `main`, so that nothing of the program runs twice:
///
/// ```no_run
/// kvern_scheduler_distributed::init();
/// // … the program …
/// ```
///
/// A program that does not call it becomes a worker where it opens its cluster; what stands before that runs in every worker, too.
///
/// What a worker is told by its environment (`KVERN_WORKER` and others) is taken out of it at once, so that programs which tasks start are not
/// workers as well. So call it while nothing else in the process reads the environment from C code on another thread.
pub fn init() {
    CALLED.store(true, Ordering::SeqCst);
    become_worker(true);
}

/// Whether the program has called [`init`] before it opened a cluster.
pub(crate) fn was_called() -> bool {
    CALLED.load(Ordering::SeqCst)
}

/// The same where a cluster is opened, for programs that did not call it.
pub(crate) fn init_late() {
    become_worker(is_alone());
}

fn become_worker(may_forget: bool) {
    let Ok(scheduler) = std::env::var(WORKER_VARIABLE) else {
        return;
    };
    if IS_WORKER.swap(true, Ordering::SeqCst) {
        return;
    }
    let told = Told::of_environment(scheduler);
    stay_on_ctrl_c();
    if may_forget {
        for variable in VARIABLES {
            #[expect(
                clippy::disallowed_methods,
                reason = "what this process was told must not reach the programs that its tasks start"
            )]
            // SAFETY: what must not be is that another thread reads or writes the environment meanwhile without Rust's lock, which is to say
            // from C. This runs first in `main`, as `init` asks for, or where no other thread is.
            unsafe {
                std::env::remove_var(variable);
            };
        }
    } else {
        eprintln!(
            "kvern worker: this program has not called kvern::init() first in main: programs that its tasks start would be workers, too"
        );
    }
    let code = match told.be_worker() {
        Ok(()) => 0,
        // The program that started us is gone.
        Err(e) if e.kind() == ErrorKind::Lost => 0,
        Err(e) => {
            eprintln!("kvern worker: {e}");
            FAILED
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "what follows in main is another process's work; what a worker has spilled goes with its file, which has no name"
    )]
    std::process::exit(code);
}

/// A terminal's Ctrl-C reaches the workers of a program as well as the program, which may want to tell them first, and keep what they have.
/// They go with it, whatever it does. The signal is caught and not ignored: programs that tasks start would inherit that.
#[cfg(unix)]
fn stay_on_ctrl_c() {
    use tokio::signal::unix::{SignalKind, signal};
    let catch = || -> std::io::Result<()> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build()?;
        let _inside = runtime.enter();
        // Stays caught when the stream is gone.
        signal(SignalKind::interrupt()).map(drop)
    };
    // Without it Ctrl-C ends the worker, and the program, at once.
    let _ = catch();
}

#[cfg(not(unix))]
fn stay_on_ctrl_c() {}

/// Whether this thread is the only one of the process, as far as can be known.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// What this process was told by its environment.
struct Told {
    scheduler: String,
    name: Option<String>,
    threads: Option<String>,
    memory: Option<String>,
    spill: Option<OsString>,
    spill_limit: Option<String>,
    secret: Option<String>,
}

impl Told {
    fn of_environment(scheduler: String) -> Self {
        let of = |variable: &str| std::env::var(variable).ok();
        Self {
            scheduler,
            name: of(NAME_VARIABLE),
            threads: of(THREADS_VARIABLE),
            memory: of(MEMORY_VARIABLE),
            spill: std::env::var_os(SPILL_VARIABLE),
            spill_limit: of(SPILL_LIMIT_VARIABLE),
            secret: of(SECRET_VARIABLE),
        }
    }

    fn be_worker(self) -> Result<()> {
        let token = match self.secret {
            Some(secret) => Token::from_text(&secret)?,
            None => Token::from_environment()?,
        };
        let mut options = WorkerOptions::new(self.scheduler, token);
        if let Some(name) = self.name {
            options.name = name;
        }
        if let Some(threads) = self.threads.and_then(|t| t.parse().ok()) {
            options.threads = threads;
        }
        if let Some(memory) = self.memory.and_then(|m| m.parse().ok()) {
            options.memory = memory;
        }
        options.no_spill = self.spill.as_ref().is_some_and(|folder| folder.is_empty());
        options.spill_directory = self.spill.filter(|f| !f.is_empty()).map(Into::into);
        options.spill_limit = self.spill_limit.and_then(|l| l.parse().ok());
        run_worker(&options, Arc::new(Registry::linked()?))
    }
}

//! How a program becomes a scheduler or an executor: `ballista://local` starts the program itself again, so that executors know all its
//! operators.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use kvern_core::{Error, ErrorKind, Result};

use crate::process::{ExecutorOptions, SchedulerOptions, run_executor, run_scheduler};

/// Says that this process is to be one of a local cluster, and which.
pub(crate) const ROLE_VARIABLE: &str = "KVERN_BALLISTA";
/// The folder for its files.
pub(crate) const FOLDER_VARIABLE: &str = "KVERN_BALLISTA_FOLDER";
/// An executor's scheduler.
pub(crate) const SCHEDULER_VARIABLE: &str = "KVERN_BALLISTA_SCHEDULER";
/// How many executors there will be.
pub(crate) const EXECUTORS_VARIABLE: &str = "KVERN_BALLISTA_EXECUTORS";
/// How many partitions an executor computes at once.
pub(crate) const SLOTS_VARIABLE: &str = "KVERN_BALLISTA_SLOTS";

/// The roles.
pub(crate) const SCHEDULER: &str = "scheduler";
pub(crate) const EXECUTOR: &str = "executor";

/// Where in its folder a scheduler writes down its address.
pub(crate) const ADDRESS_FILE: &str = "scheduler.address";

/// Whether this process is one of them already.
static IS_ONE: AtomicBool = AtomicBool::new(false);

/// If this process was started as the scheduler or an executor of `ballista://local`, is one until the cluster is closed or the program
/// that opened it is gone, and then ends the process; else does nothing. Programs that open `ballista://local` call it first in `main`, so
/// that nothing of the program runs twice:
///
/// ```no_run
/// kvern_ballista::init();
/// // … the program …
/// ```
///
/// A program that does not call it becomes one where it opens its cluster; what stands before that runs in every process, too.
pub fn init() {
    let Ok(role) = std::env::var(ROLE_VARIABLE) else {
        return;
    };
    if IS_ONE.swap(true, Ordering::SeqCst) {
        return;
    }
    end_with_parent();
    let code = match be(&role) {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("kvern ballista {role}: {e}");
            1
        }
    };
    end(code);
}

/// The program that started this process holds the other end of its input: when that is closed, whatever happened to the program, this
/// process ends, too. Its files lie in the folder of the cluster.
fn end_with_parent() {
    std::thread::spawn(|| {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 64];
        // Nothing is ever said.
        while matches!(input.read(&mut buffer), Ok(n) if n > 0) {}
        if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
            // If the program was killed, nobody else removes it. The processes of a cluster all try, and one finds it.
            let _ = std::fs::remove_dir_all(folder);
        }
        end(0);
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "what follows in main is another process's work; the files of this one lie in a folder that is removed before"
)]
fn end(code: i32) -> ! {
    std::process::exit(code)
}

fn be(role: &str) -> Result<()> {
    let folder = PathBuf::from(variable::<String>(FOLDER_VARIABLE)?);
    let executors = variable(EXECUTORS_VARIABLE)?;
    match role {
        SCHEDULER => {
            stay_on_ctrl_c();
            let options = SchedulerOptions {
                executors,
                ..SchedulerOptions::local()
            };
            run_scheduler(&options, |address| note(&folder, &address.to_string()))
        }
        EXECUTOR => {
            let mut options = ExecutorOptions::local(variable(SCHEDULER_VARIABLE)?);
            options.slots = variable(SLOTS_VARIABLE)?;
            options.folder = Some(folder);
            // The executors of a machine share its memory.
            options.memory_share /= executors.max(1) as f64;
            run_executor(&options)
        }
        other => Err(Error::new(
            ErrorKind::Config,
            format!("{ROLE_VARIABLE}={other} is neither {SCHEDULER} nor {EXECUTOR}"),
        )),
    }
}

/// A terminal's Ctrl-C reaches this process as well as the program that started it, which may want to cancel its queries first. This one goes
/// with it, whatever it does. Executors end by themselves, which nobody notices before their scheduler does.
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
    // Without it Ctrl-C ends this process, and the program, at once.
    let _ = catch();
}

#[cfg(not(unix))]
fn stay_on_ctrl_c() {}

/// Writes the address down so that who reads it finds all of it or nothing.
fn note(folder: &Path, address: &str) -> Result<()> {
    let write = || {
        let half = folder.join("scheduler.half");
        std::fs::write(&half, address)?;
        std::fs::rename(&half, folder.join(ADDRESS_FILE))
    };
    write().map_err(|e: std::io::Error| {
        let words = format!("{}: the address cannot be written: {e}", folder.display());
        Error::with_source(ErrorKind::Io, words, e)
    })
}

fn variable<T: std::str::FromStr>(name: &str) -> Result<T> {
    let text = std::env::var(name).unwrap_or_default();
    text.parse().map_err(|_| {
        Error::new(
            ErrorKind::Config,
            format!("{name}={text:?} does not say what is needed"),
        )
    })
}

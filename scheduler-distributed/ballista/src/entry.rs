//! How a program becomes a scheduler or an executor: `ballista://local` starts the program itself again, so that executors know all its
//! operators.

use std::ffi::OsString;
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

const VARIABLES: [&str; 5] = [
    ROLE_VARIABLE,
    FOLDER_VARIABLE,
    SCHEDULER_VARIABLE,
    EXECUTORS_VARIABLE,
    SLOTS_VARIABLE,
];

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
///
/// What a process is told by its environment (`KVERN_BALLISTA` and others) is taken out of it at once, so that programs which it starts are not
/// processes of the cluster as well. So call it while nothing else in the process reads the environment from C code on another thread.
pub fn init() {
    become_one(true);
}

/// The same where a cluster is opened, for programs that did not call it.
pub(crate) fn init_late() {
    become_one(is_alone());
}

fn become_one(may_forget: bool) {
    let Ok(role) = std::env::var(ROLE_VARIABLE) else {
        return;
    };
    if IS_ONE.swap(true, Ordering::SeqCst) {
        return;
    }
    let told = Told::take(role, may_forget);
    if !may_forget {
        eprintln!(
            "kvern ballista: this program has not called kvern::init() first in main: programs that this process starts would be processes of the \
             cluster, too"
        );
    }
    end_with_parent(told.folder.clone());
    let code = match be(&told) {
        Ok(()) => 0,
        Err(e) => {
            eprintln!("kvern ballista {}: {e}", told.role);
            1
        }
    };
    end(code);
}

/// Whether this thread is the only one of the process, as far as can be known.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// What this process was told by its environment.
struct Told {
    role: String,
    folder: Option<OsString>,
    scheduler: Option<String>,
    executors: Option<String>,
    slots: Option<String>,
}

impl Told {
    /// Reads it, and takes it out of the environment if that may be.
    fn take(role: String, may_forget: bool) -> Self {
        let [scheduler, executors, slots] =
            [SCHEDULER_VARIABLE, EXECUTORS_VARIABLE, SLOTS_VARIABLE].map(|v| std::env::var(v).ok());
        let told = Self {
            role,
            folder: std::env::var_os(FOLDER_VARIABLE),
            scheduler,
            executors,
            slots,
        };
        for variable in VARIABLES.into_iter().filter(|_| may_forget) {
            #[expect(
                clippy::disallowed_methods,
                reason = "what this process was told must not reach the programs that it starts"
            )]
            // SAFETY: what must not be is that another thread reads or writes the environment meanwhile without Rust's lock, which is to say
            // from C. This runs first in `main`, as `init` asks for, or where no other thread is.
            unsafe {
                std::env::remove_var(variable);
            };
        }
        told
    }
}

/// The program that started this process holds the other end of its input: when that is closed, whatever happened to the program, this
/// process ends, too. Its files lie in the folder of the cluster.
fn end_with_parent(folder: Option<OsString>) {
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 64];
        // Nothing is ever said.
        while matches!(input.read(&mut buffer), Ok(n) if n > 0) {}
        if let Some(folder) = folder {
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

fn be(told: &Told) -> Result<()> {
    let folder = told.folder.clone().map(PathBuf::from);
    let folder = folder.ok_or_else(|| unsaid(FOLDER_VARIABLE, ""))?;
    let executors = number(EXECUTORS_VARIABLE, &told.executors)?;
    match told.role.as_str() {
        SCHEDULER => {
            stay_on_ctrl_c();
            let options = SchedulerOptions {
                executors,
                ..SchedulerOptions::local()
            };
            run_scheduler(&options, |address| note(&folder, &address.to_string()))
        }
        EXECUTOR => {
            let scheduler = told.scheduler.clone();
            let scheduler = scheduler.ok_or_else(|| unsaid(SCHEDULER_VARIABLE, ""))?;
            let mut options = ExecutorOptions::local(scheduler);
            options.slots = number(SLOTS_VARIABLE, &told.slots)?;
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

fn number(name: &str, text: &Option<String>) -> Result<usize> {
    let text = text.as_deref().unwrap_or_default();
    text.parse().map_err(|_| unsaid(name, text))
}

fn unsaid(name: &str, text: &str) -> Error {
    let words = format!("{name}={text:?} does not say what is needed");
    Error::new(ErrorKind::Config, words)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const CHILD: &str = "KVERN_TEST_OF_WHAT_IS_TOLD";

    /// In a process of its own, with one thread that could read the environment: a program that it starts sees nothing of it.
    #[test]
    fn what_a_process_is_told_does_not_reach_those_that_it_starts() {
        let ours = |text: &str| {
            text.lines()
                .filter(|l| l.starts_with("KVERN_BALLISTA"))
                .count()
        };
        if std::env::var_os(CHILD).is_some() {
            let told = Told::take(EXECUTOR.to_owned(), true);
            let words = [&told.scheduler, &told.executors, &told.slots].map(Option::as_deref);
            assert_eq!(words, [Some("127.0.0.1:1"), Some("2"), Some("3")]);
            assert_eq!(told.folder.as_deref(), Some("/tmp/nowhere".as_ref()));
            let said = Command::new("env").output().unwrap();
            assert_eq!(ours(&String::from_utf8_lossy(&said.stdout)), 0);
            return;
        }
        let said = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("entry::tests::what_a_process_is_told_does_not_reach_those_that_it_starts")
            .env(CHILD, "1")
            .env(ROLE_VARIABLE, EXECUTOR)
            .env(SCHEDULER_VARIABLE, "127.0.0.1:1")
            .env(FOLDER_VARIABLE, "/tmp/nowhere")
            .env(EXECUTORS_VARIABLE, "2")
            .env(SLOTS_VARIABLE, "3")
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&said.stdout);
        assert!(
            said.status.success(),
            "{out}{}",
            String::from_utf8_lossy(&said.stderr)
        );
        assert!(out.contains("1 passed"), "{out}");
    }
}

//! What goes wrong on purpose: panics that panic, tasks that do not stop, programs that are gone from their disk, wishes that nobody can
//! fulfil, limits of the system.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvern_core::{Annotations, ErrorKind, Registry, Scheduler, Session, delayed};
use kvern_scheduler_distributed::{ClusterOptions, LocalCluster};

worker_entry!();

const PATIENCE: Duration = Duration::from_secs(60);

fn open(options: &ClusterOptions) -> (Session, Arc<LocalCluster>) {
    let registry = Arc::new(Registry::linked().unwrap());
    let cluster = Arc::new(LocalCluster::start(options, registry.clone()).unwrap());
    let scheduler: Arc<dyn Scheduler> = cluster.clone();
    let session = Session::builder().scheduler(scheduler).registry(registry);
    (session.build().unwrap(), cluster)
}

fn session(workers: usize) -> (Session, Arc<LocalCluster>) {
    open(&support::options(workers, 1))
}

fn kill(process: u32) {
    let status = Command::new("kill")
        .args(["-9", &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// A folder of its own for a test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kvern-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// This program's test of that name as another program, in which a variable is set.
fn test_of(program: &Path, name: &str, variable: &str, value: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(variable, value);
    command
}

/// Panics when it is dropped, and the panic is such a thing again.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::panic_any(Self(self.0 - 1));
        }
    }
}

#[test]
fn a_panic_whose_payload_panics_is_an_error_and_costs_no_slot() {
    let (s, cluster) = session(1);
    let before = cluster.worker_processes();
    for n in 0..3u64 {
        let bomb = |_: &u64| -> u64 { std::panic::panic_any(Bomb(3)) };
        let bomb = s.submit(bomb, (n,)).unwrap();
        let e = bomb.wait_timeout(PATIENCE).expect("an answer").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Panic, "{e}");
        let next = s.submit(|x: &u64| x + 1, (n,)).unwrap();
        assert_eq!(
            next.wait_timeout(PATIENCE).expect("an answer").unwrap(),
            n + 1
        );
    }
    assert_eq!(cluster.worker_processes(), before, "nobody was lost by it");
}

/// Waits until there is a file of this name, and does not look whether it is to stop.
fn stubborn(gate: &String) -> u64 {
    let end = Instant::now() + 2 * PATIENCE;
    while !Path::new(gate).exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    7
}

#[test]
fn a_time_limit_is_told_when_it_is_over_and_the_slot_is_free() {
    let folder = Folder::new("limit");
    let gate = folder.path("gate").display().to_string();
    let (s, cluster) = session(1);
    let before = cluster.worker_processes();
    let slow = delayed(stubborn).call((gate.clone(),));
    let limit = Duration::from_millis(300);
    let e = s
        .compute(&slow.annotate(Annotations::new().timeout(limit)))
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Timeout, "{e}");
    assert!(e.to_string().contains("300"), "{e}");
    // It goes on, on the only slot of the only worker; others run all the same.
    let one = s.submit(|x: &u64| x + 1, (1u64,)).unwrap();
    assert_eq!(one.wait_timeout(PATIENCE).expect("an answer").unwrap(), 2);
    std::fs::write(&gate, "").unwrap();
    // Once it has ended, nothing of it comes up again.
    let many = s.map(|x: &u64| x * x, (0..50u64).map(|x| (x,))).unwrap();
    assert_eq!(s.gather(&many).unwrap()[49], 2401);
    assert_eq!(cluster.worker_processes(), before);
    // A limit that is kept costs nothing.
    let quick = delayed(|x: &u64| *x).call((5u64,));
    let quick = quick.annotate(Annotations::new().timeout(PATIENCE));
    assert_eq!(s.compute(&quick).unwrap(), 5);
}

#[test]
fn a_task_that_does_not_stop_when_it_is_cancelled_gives_its_slot_back() {
    let folder = Folder::new("stuck");
    let gate = folder.path("gate").display().to_string();
    let (s, cluster) = session(1);
    let before = cluster.worker_processes();
    let stuck = s.submit(stubborn, (gate.clone(),)).unwrap();
    let next = s.submit(|x: &u64| x + 1, (1u64,)).unwrap();
    assert!(next.wait_timeout(Duration::from_millis(50)).is_none());
    stuck.cancel();
    assert_eq!(next.wait_timeout(PATIENCE).expect("an answer").unwrap(), 2);
    assert_eq!(cluster.worker_processes(), before);
    std::fs::write(&gate, "").unwrap();
}

#[test]
fn annotations_are_honoured_or_refused() {
    let options = ClusterOptions {
        no_workers_timeout: Some(Duration::from_secs(1)),
        ..support::options(2, 1)
    };
    let (s, cluster) = open(&options);
    let who = delayed(|_: &u64| std::process::id());
    let processes = cluster.worker_processes();
    for (n, name) in ["worker-0", "worker-1"].into_iter().enumerate() {
        for x in 0..8u64 {
            let there = who.call((x,)).annotate(Annotations::new().workers([name]));
            assert_eq!(s.compute(&there).unwrap(), processes[n], "{name}");
        }
    }
    let nobody = Annotations::new().workers(["nobody"]);
    let e = s.compute(&who.call((0u64,)).annotate(nobody)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Timeout, "{e}");
    for words in ["nobody", "annotation `workers`", "no-workers-timeout"] {
        assert!(e.to_string().contains(words), "{words}: {e}");
    }
    let some = Annotations::new().memory(1 << 20);
    s.compute(&who.call((0u64,)).annotate(some)).unwrap();
    for (wish, kind, words) in [
        (
            Annotations::new().resource("gpu", 1.0),
            ErrorKind::Unsupported,
            "resources (gpu=1); it honours priority",
        ),
        (
            Annotations::new().memory(1 << 50),
            ErrorKind::OutOfMemory,
            "1PiB annotated",
        ),
    ] {
        let e = s.compute(&who.call((0u64,)).annotate(wish)).unwrap_err();
        assert_eq!(e.kind(), kind, "{e}");
        assert!(e.to_string().contains(words), "{words}: {e}");
    }
}

#[test]
fn what_a_worker_was_told_by_its_environment_does_not_reach_what_its_tasks_start() {
    let (s, _cluster) = session(1);
    let seen = |_: &u64| -> String {
        let child = std::process::Command::new("env").output().unwrap();
        String::from_utf8_lossy(&child.stdout)
            .lines()
            .filter(|l| l.starts_with("KVERN_"))
            .collect()
    };
    let seen = s.submit(seen, (1u64,)).unwrap();
    assert_eq!(seen.wait_timeout(PATIENCE).unwrap().unwrap(), "");
}

#[test]
fn a_thread_that_a_task_starts_computes_on_the_cluster() {
    let (s, cluster) = session(2);
    let asked = |x: &u64| -> (String, u64) {
        let x = *x;
        let thread = std::thread::spawn(move || {
            let here = Session::current().unwrap();
            let twice = here.submit(|x: &u64| 2 * x, (x,)).unwrap();
            (here.describe().scheme, twice.wait().unwrap())
        });
        thread.join().unwrap()
    };
    let asked = s.submit(asked, (21u64,)).unwrap();
    let (scheme, twice) = asked.wait_timeout(PATIENCE).expect("an answer").unwrap();
    assert_eq!((scheme.as_str(), twice), ("tcp", 42));
    drop(cluster);
}

#[test]
fn so_many_lost_workers_are_allowed_as_is_said() {
    let options = ClusterOptions {
        allowed_failures: 1,
        ..support::options(1, 1)
    };
    let (s, _cluster) = open(&options);
    let poison = |_: &u64| -> u64 {
        // Late enough that it is known to run.
        std::thread::sleep(Duration::from_millis(200));
        std::process::abort()
    };
    let poison = s.submit(poison, (1u64,)).unwrap();
    let e = poison.wait_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(e.to_string().contains("1 workers were lost"), "{e}");
}

#[test]
fn more_workers_than_can_be_are_refused_before_any_is_started() {
    let e = Session::open("cluster://?workers=10000000")
        .map(drop)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Config, "{e}");
    assert!(e.to_string().contains("at most"), "{e}");
}

const FEW: &str = "KVERN_TEST_FEW_FILES";

#[test]
fn the_limit_of_open_files_is_named() {
    if std::env::var_os(FEW).is_some() {
        let registry = Arc::new(Registry::linked().unwrap());
        let e = LocalCluster::start(&support::options(30, 1), registry)
            .map(drop)
            .unwrap_err();
        println!("SAID {e}");
        return;
    }
    let here = std::env::current_exe().unwrap();
    let words = format!(
        "ulimit -n 64 && exec '{}' --exact the_limit_of_open_files_is_named --nocapture --test-threads=1",
        here.display()
    );
    let said = Command::new("sh")
        .args(["-c", &words])
        .env(FEW, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(
        said.contains("SAID") && said.contains("ulimit -n"),
        "{said}"
    );
}

const GONE: &str = "KVERN_TEST_GONE";

/// The body of the next tests, in a process of a program file of its own.
fn loses_its_file(what: &str) {
    let here = std::env::current_exe().unwrap();
    let (s, cluster) = session(1);
    let first = cluster.worker_processes()[0];
    std::fs::remove_file(&here).unwrap();
    if what == "replaced" {
        // Something else has its name by now, which would be no worker at all.
        std::fs::copy("/bin/true", &here).unwrap();
    }
    kill(first);
    let one = s
        .submit(|x: &u64| (x + 1, std::process::id()), (1u64,))
        .unwrap();
    let (two, process) = one.wait_timeout(PATIENCE).expect("a worker").unwrap();
    assert!(two == 2 && process != first);
    println!("FOLLOWED");
}

#[test]
fn a_worker_is_followed_by_another_though_the_program_file_is_gone_or_another() {
    if let Ok(what) = std::env::var(GONE) {
        return loses_its_file(&what);
    }
    for what in ["deleted", "replaced"] {
        let folder = Folder::new(what);
        let program = folder.path("program");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let name = "a_worker_is_followed_by_another_though_the_program_file_is_gone_or_another";
        let said = test_of(&program, name, GONE, what).output().unwrap();
        let words = String::from_utf8_lossy(&said.stdout);
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(
            said.status.success() && words.contains("FOLLOWED"),
            "{what}: {words}{errors}"
        );
        // What became of the first is told.
        for part in [
            "worker-0 (process",
            "was killed by signal 9 (SIGKILL)",
            "runs again",
        ] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }
}

#[test]
fn a_worker_that_cannot_be_started_again_is_told_to_those_who_wait() {
    let folder = Folder::new("unstartable");
    let program = folder.path("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut options = ClusterOptions {
        no_workers_timeout: Some(Duration::from_secs(1)),
        ..support::options(1, 1)
    };
    if let Some((path, _)) = &mut options.program {
        path.clone_from(&program);
    }
    let (s, cluster) = open(&options);
    std::fs::remove_file(&program).unwrap();
    kill(cluster.worker_processes()[0]);
    // Until the loss is noticed the task may come to the one that is gone.
    let one = s.submit(|x: &u64| x + 1, (1u64,)).unwrap();
    let e = one.wait_timeout(PATIENCE).expect("it is told").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Timeout, "{e}");
    let said = e.to_string();
    for words in [
        "no workers",
        "worker-0",
        "cannot be started",
        "program",
        "No such file",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // And so are values that are to be put on a worker.
    let sum = |v: &Vec<u64>| v.iter().sum::<u64>();
    let large = s.submit(sum, (vec![1u64; 20_000],)).unwrap();
    let e = large
        .wait_timeout(PATIENCE)
        .expect("it is told")
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Timeout, "{e}");
}

//! What the stories share: sessions on every backend, and programs that are the same on all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kvern::cluster::{ClusterOptions, LocalCluster};
use kvern::core::{Registry, Scheduler};
use kvern::prelude::*;

/// The test that is a worker where a cluster started it, and nothing elsewhere.
#[macro_export]
macro_rules! worker_entry {
    () => {
        #[test]
        fn this_program_as_a_worker() {
            kvern::init();
        }
    };
}

/// A cluster whose workers are this test program.
///
/// # Panics
/// If it cannot be started.
pub fn cluster(workers: usize) -> (Session, Arc<LocalCluster>) {
    let arguments = [
        "--exact",
        "this_program_as_a_worker",
        "--nocapture",
        "--test-threads=1",
    ];
    let program = std::env::current_exe().expect("a program has a path");
    let options = ClusterOptions {
        workers,
        program: Some((program, arguments.map(Into::into).into())),
        ..ClusterOptions::default()
    };
    let registry = Arc::new(Registry::linked().expect("linked names are unique"));
    let cluster = Arc::new(LocalCluster::start(&options, registry.clone()).expect("it starts"));
    let session = Session::builder()
        .scheduler(cluster.clone() as Arc<dyn Scheduler>)
        .registry(registry)
        .build()
        .expect("a session");
    (session, cluster)
}

/// Ends a process at once, as the system does when memory is out.
///
/// # Panics
/// If there is no such process.
pub fn kill(process: u32) {
    let status = std::process::Command::new("kill")
        .args(["-9", &process.to_string()])
        .status()
        .expect("kill is there");
    assert!(status.success(), "no process {process}");
}

/// Runs a program and kills a worker when one part of so many is done. A run that was over before the worker was gone shows nothing, so
/// it is tried again, with the worker that has followed.
///
/// # Panics
/// If no run can be caught in the middle, or one fails.
pub fn kill_in_the_middle<C: Collection>(
    session: &Session,
    cluster: &LocalCluster,
    part: u64,
    program: impl Fn() -> C,
) -> C::Output {
    const TRIES: u32 = 10;
    const PATIENCE: Duration = Duration::from_secs(120);
    for _ in 0..TRIES {
        let what = program();
        let roots = what.roots_in(session).expect("roots");
        let run = session.start(&roots).expect("a run");
        let end = Instant::now() + PATIENCE;
        while run.progress().done * part < run.progress().total {
            assert!(Instant::now() < end, "no progress: {:?}", run.progress());
            std::thread::sleep(Duration::from_micros(200));
        }
        // The one that follows the last try's may be starting.
        let victim = loop {
            if let Some(&first) = cluster.worker_processes().first() {
                break first;
            }
            assert!(Instant::now() < end, "no worker is left");
            std::thread::sleep(Duration::from_millis(1));
        };
        kill(victim);
        let p = run.progress();
        let values = run.gather().expect("what was lost is made again");
        if p.is_finished() {
            continue;
        }
        println!("killed after {} of {} tasks", p.done, p.total);
        return what.finish(values).expect("the value");
    }
    panic!("{TRIES} runs were over before a worker could be killed");
}

//! Workers that hang: they are given up, killed and followed by others, and one that is only busy is not.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kvern_core::{ErrorKind, Registry, Scheduler, Session};
use kvern_scheduler_distributed::{ClusterOptions, LocalCluster};

worker_entry!();

const PATIENCE: Duration = Duration::from_secs(60);

fn session(workers: usize, ttl: Duration) -> (Session, Arc<LocalCluster>) {
    let registry = Arc::new(Registry::linked().unwrap());
    let options = ClusterOptions {
        worker_ttl: ttl,
        ..support::options(workers, 1)
    };
    let cluster = Arc::new(LocalCluster::start(&options, registry.clone()).unwrap());
    let scheduler: Arc<dyn Scheduler> = cluster.clone();
    let session = Session::builder().scheduler(scheduler).registry(registry);
    (session.build().unwrap(), cluster)
}

fn signal(name: &str, process: u32) {
    let status = std::process::Command::new("kill")
        .args([name, &process.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_worker_that_hangs_is_followed_by_another() {
    for workers in [1, 2] {
        let (s, cluster) = session(workers, Duration::from_secs(3));
        // Large enough to stay where they are made: what the hanging one has cannot be fetched, and is made again.
        let slow = |x: &u64| {
            std::thread::sleep(Duration::from_millis(20));
            vec![x * x; 20_000]
        };
        let squares = s.map(slow, (0..100u64).map(|x| (x,))).unwrap();
        let hung = cluster.worker_processes()[0];
        squares[10].wait_timeout(PATIENCE).unwrap().unwrap();
        signal("-STOP", hung);
        for (x, square) in squares.iter().enumerate() {
            let square = square.wait_timeout(PATIENCE).expect("it hangs").unwrap();
            assert_eq!(square, [(x * x) as u64; 20_000]);
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let now = cluster.worker_processes();
            if now.len() == workers && !now.contains(&hung) {
                break;
            }
            assert!(Instant::now() < end, "{now:?} with {hung}, which hangs");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_worker_that_is_busy_is_not_given_up() {
    let (s, cluster) = session(1, Duration::from_secs(4));
    let before = cluster.worker_processes();
    // No thread of the worker but that of the task is at rest.
    let busy = |seconds: &u64| {
        let end = Instant::now() + Duration::from_secs(*seconds);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        std::process::id()
    };
    let ran = s.submit(busy, (6u64,)).unwrap();
    let ran = ran.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!((before, cluster.worker_processes()), (vec![ran], vec![ran]));
}

#[test]
fn a_patience_that_no_worker_can_meet_is_refused() {
    let e = Session::open("cluster://?workers=1&worker-ttl=1s")
        .map(drop)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Config);
    let words = "worker-ttl is 1s, and at least 3s";
    assert!(e.message().contains(words), "{e}");
}

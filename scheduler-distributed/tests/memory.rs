//! The memory of workers: what is wrong with it is said when the cluster starts, what is too large is refused, and a worker that is killed leaves
//! nothing on its disk.

use std::time::{Duration, Instant};

use kvern_core::{ErrorKind, Registry, Scheduler, Session, Value};
use kvern_scheduler_distributed::{ClusterOptions, LocalCluster};

mod support;

worker_entry!();

const MIB: usize = 1 << 20;

fn start(options: &ClusterOptions) -> kvern_core::Result<LocalCluster> {
    let registry = std::sync::Arc::new(Registry::linked()?);
    LocalCluster::start(options, registry)
}

#[test]
fn what_cannot_be_is_said_at_the_start() {
    let nowhere = ClusterOptions {
        spill_directory: Some("/proc/nowhere".into()),
        ..support::options(1, 1)
    };
    let too_much = ClusterOptions {
        memory: Some(1 << 60),
        ..support::options(1, 1)
    };
    for (options, message) in [(nowhere, "/proc/nowhere"), (too_much, "1024PiB")] {
        let e = start(&options).err().expect("it must not start");
        assert_eq!(e.kind(), ErrorKind::Config, "{e}");
        assert!(e.to_string().contains(message), "{e}");
    }
    for (url, message) in [
        ("cluster://?memory=lots", "memory"),
        ("cluster://?memroy=1GiB", "did you mean"),
        ("cluster://?spill=perhaps", "spill"),
    ] {
        let e = Session::open(url).expect_err("it must not open");
        assert_eq!(e.kind(), ErrorKind::Config, "{url}: {e}");
        assert!(e.to_string().contains(message), "{url}: {e}");
    }
}

#[test]
fn a_value_over_the_whole_budget_is_refused_and_others_are_kept() {
    let options = ClusterOptions {
        memory: Some(4 * MIB as u64),
        ..support::options(1, 1)
    };
    let cluster = start(&options).unwrap();
    let values = [MIB, 5 * MIB, MIB].map(|n| Value::new(vec![7u8; n]));
    let handles = cluster.scatter(values.to_vec()).unwrap();
    for (handle, n) in handles.iter().zip([Some(MIB), None, Some(MIB)]) {
        let got = handle.wait_timeout(Duration::from_secs(60)).unwrap();
        match (got, n) {
            (Ok(v), Some(n)) => assert_eq!(v.downcast_ref::<Vec<u8>>().map(Vec::len), Some(n)),
            (Err(e), None) => {
                let said = e.to_string();
                assert!(
                    said.contains("5MiB is larger than the whole memory budget of 4MiB"),
                    "{said}"
                );
            }
            (got, n) => panic!("{n:?}: {got:?}"),
        }
    }
}

#[test]
fn values_without_room_on_the_disk_are_an_error_that_names_the_limit() {
    let options = ClusterOptions {
        memory: Some(4 * MIB as u64),
        spill_limit: Some(2 * MIB as u64),
        ..support::options(1, 1)
    };
    let cluster = std::sync::Arc::new(start(&options).unwrap());
    let session = Session::builder()
        .scheduler(cluster.clone())
        .build()
        .unwrap();
    let make = |n: &u64| vec![*n as u8; 1 << 20];
    let made = session.map(make, (0..12u64).map(|n| (n,))).unwrap();
    // All are wanted: one that nobody holds would make room when it has been fetched.
    let e = session.gather(made.clone()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Spill, "{e}");
    assert!(e.to_string().contains("spill.limit"), "{e}");
    drop(made);
    // What fits goes on.
    let one = session.submit(make, (1u64,)).unwrap();
    assert_eq!(one.wait().unwrap().len(), MIB);
}

#[test]
fn a_killed_worker_leaves_nothing_and_what_it_had_is_made_again() {
    let folder = std::env::temp_dir().join(format!("kvern-spill-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let options = ClusterOptions {
        memory: Some(4 * MIB as u64),
        spill_directory: Some(folder.clone()),
        ..support::options(1, 1)
    };
    let cluster = std::sync::Arc::new(start(&options).unwrap());
    let session = Session::builder()
        .scheduler(cluster.clone())
        .build()
        .unwrap();
    let make = |n: &u64| vec![*n as u8; 1 << 20];
    let made = session.map(make, (0..16u64).map(|n| (n,))).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while cluster.memory().held < 16 {
        assert!(Instant::now() < patience, "{:?}", cluster.memory());
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = cluster.memory();
    assert!(before.spilled >= 11 * MIB as u64, "{before:?}");
    assert!(before.live <= 4 * MIB as u64, "{before:?}");
    let worker = cluster.worker_processes()[0];
    let killed = std::process::Command::new("kill")
        .args(["-9", &worker.to_string()])
        .status();
    assert!(killed.unwrap().success());
    let got = session.gather(made).unwrap();
    for (n, list) in got.iter().enumerate() {
        assert!(
            list.len() == MIB && list.iter().all(|&b| b == n as u8),
            "{n}"
        );
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    drop((session, cluster));
    std::fs::remove_dir(&folder).unwrap();
}

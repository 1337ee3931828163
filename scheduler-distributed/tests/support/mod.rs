//! Clusters whose workers are the test program itself.

use std::sync::Arc;

use kvern_core::Registry;
use kvern_scheduler_distributed::{ClusterOptions, LocalCluster};

/// What workers run of the test program: the test of this name, which each file has ([`worker_entry!`]).
const ENTRY: &str = "this_program_as_a_worker";

/// So many processes with so many threads each.
pub(crate) fn options(workers: usize, threads: usize) -> ClusterOptions {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", ENTRY, "--nocapture", "--test-threads=1"];
    ClusterOptions {
        workers,
        threads,
        program: Some((program, arguments.map(Into::into).into())),
        ..ClusterOptions::default()
    }
}

/// A cluster of them.
#[allow(
    dead_code,
    reason = "each test file is a program, and one needs only the options"
)]
pub(crate) fn cluster(workers: usize, threads: usize, registry: Arc<Registry>) -> LocalCluster {
    LocalCluster::start(&options(workers, threads), registry).unwrap()
}

/// The test that is a worker where a cluster started it, and nothing elsewhere.
#[macro_export]
macro_rules! worker_entry {
    () => {
        #[test]
        fn this_program_as_a_worker() {
            kvern_scheduler_distributed::init();
        }
    };
}

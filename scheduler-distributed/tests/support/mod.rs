//! Clusters whose workers are the test program itself.

use std::sync::Arc;

use kvern_core::Registry;
use kvern_scheduler_distributed::{ClusterOptions, LocalCluster};

/// What workers run of the test program: the test of this name, which each file has ([`worker_entry!`]).
const ENTRY: &str = "this_program_as_a_worker";

/// A cluster of so many processes with so many threads each.
pub(crate) fn cluster(workers: usize, threads: usize, registry: Arc<Registry>) -> LocalCluster {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", ENTRY, "--nocapture", "--test-threads=1"];
    let options = ClusterOptions {
        workers,
        threads,
        program: Some((program, arguments.map(Into::into).into())),
    };
    LocalCluster::start(&options, registry).unwrap()
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

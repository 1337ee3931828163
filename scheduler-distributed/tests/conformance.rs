//! The cluster passes the suite that every backend passes.

use std::sync::Arc;
use std::time::Duration;

use kvern_conformance::{Fixture, Limits, conformance, ops};
use kvern_core::Scheduler;
use kvern_scheduler_distributed::{ClusterOptions, LocalCluster};

mod support;

worker_entry!();

fn open(workers: usize, threads: usize) -> Arc<dyn Scheduler> {
    Arc::new(support::cluster(workers, threads, ops::registry()))
}

/// The workers share the memory.
fn limited(workers: usize, threads: usize, limits: Limits<'_>) -> Arc<dyn Scheduler> {
    let options = ClusterOptions {
        memory: Some(limits.memory),
        spill_directory: Some(limits.spill.to_owned()),
        ..support::options(workers, threads)
    };
    Arc::new(LocalCluster::start(&options, ops::registry()).unwrap())
}

/// A link of a chain is a round trip to another process: 50,000 of them, without optimisation on a busy machine, outlast the
/// patience that threads need.
fn fixture(workers: usize, threads: usize) -> Fixture {
    // Of a share of the budget the threads of each worker would have in hand nearly all: one worker has the whole.
    let sharing = if threads > 1 { 1 } else { workers };
    Fixture::new(move || open(workers, threads))
        .limited(move |limits| limited(sharing, threads, limits))
        .patience(Duration::from_secs(120))
        .bound(Duration::from_secs(240))
}

conformance!(two_workers, fixture = super::fixture(2, 1));

conformance!(one_worker, fixture = super::fixture(1, 1));

conformance!(threads_in_workers, fixture = super::fixture(2, 2));

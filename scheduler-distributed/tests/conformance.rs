//! The cluster passes the suite that every backend passes.

use std::sync::Arc;
use std::time::Duration;

use kvern_conformance::{Fixture, conformance, ops};
use kvern_core::Scheduler;

mod support;

worker_entry!();

fn open(workers: usize, threads: usize) -> Arc<dyn Scheduler> {
    Arc::new(support::cluster(workers, threads, ops::registry()))
}

/// A link of a chain is a round trip to another process: 50,000 of them, without optimisation on a busy machine, outlast the
/// patience that threads need.
fn fixture(workers: usize, threads: usize) -> Fixture {
    Fixture::new(move || open(workers, threads))
        .patience(Duration::from_secs(120))
        .bound(Duration::from_secs(240))
}

conformance!(two_workers, fixture = super::fixture(2, 1));

conformance!(one_worker, fixture = super::fixture(1, 1));

conformance!(threads_in_workers, fixture = super::fixture(2, 2));

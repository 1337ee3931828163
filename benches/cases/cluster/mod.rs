//! `cluster`: what the cluster costs, on worker processes of this machine over loopback TCP.

mod functions;
mod graphs;

use std::sync::Arc;

use kvern_core::{Registry, Result, Session};
use kvern_scheduler_distributed::{ClusterOptions, LocalCluster};

use crate::catalog::{Entry, Outcome, Role};
use crate::options::Options;

/// The cases of this area.
pub(crate) const ENTRIES: &[Entry] = &[
    ours(
        "a1_independent",
        "1,000,000 tasks that read nothing, 2 workers with 1 thread",
        graphs::independent,
    ),
    ours("a2_chain", "a chain of 20,000, 2 workers", graphs::chain),
    ours(
        "a3_tree",
        "a binary tree over 2^18 leaves, 2 workers",
        graphs::tree,
    ),
    ours(
        "a4_stencil",
        "100 steps of 2,500 tiles, three reads a task, 2 workers",
        graphs::stencil,
    ),
    ours(
        "f_startup",
        "starting 4 workers, one task, closing",
        functions::startup,
    ),
    ours(
        "f_latency",
        "submit -> result, one at a time, 4 workers",
        functions::latency,
    ),
    ours(
        "f_map_10k",
        "10,000 mapped functions and their results, 4 workers",
        functions::map,
    ),
    ours(
        "f_scatter_16",
        "1 GB in 16 arrays, client -> workers",
        functions::scatter,
    ),
    ours(
        "f_gather_16",
        "1 GB in 16 arrays, workers -> client",
        functions::gather,
    ),
    ours(
        "f_worker_to_worker",
        "1 GB in 16 arrays on 4 workers, read by one of them",
        functions::worker_to_worker,
    ),
];

const fn ours(case: &'static str, about: &'static str, run: fn(&Options) -> Outcome) -> Entry {
    Entry {
        area: "cluster",
        case,
        who: "kvern-cluster",
        role: Role::Ours,
        about,
        run,
    }
}

/// A cluster whose workers are this program.
fn session(workers: usize) -> Result<Session> {
    let registry = Arc::new(Registry::linked()?);
    let options = ClusterOptions {
        workers,
        threads: 1,
        ..ClusterOptions::default()
    };
    let cluster = LocalCluster::start(&options, registry.clone())?;
    Session::builder()
        .scheduler(Arc::new(cluster))
        .registry(registry)
        .build()
}

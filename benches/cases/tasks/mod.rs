//! `tasks`: what the scheduler itself costs, on graphs whose tasks do nearly nothing and with fusion switched off.

mod bytes;
mod cancel;
mod latency;
mod prepare;
mod throughput;

use std::sync::Arc;

use kvern_core::{Registry, Result, Scheduler};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};

use crate::catalog::{Entry, Role};
use crate::options::Options;
use crate::shapes::Shape;

/// Two, as for every peer.
const WORKERS: usize = 2;

/// The cases of this area.
pub(crate) const ENTRIES: &[Entry] = &[
    entry(
        "a0_prepare",
        "kvern",
        Role::Ours,
        "building, optimising and ordering each graph",
        prepare::prepare,
    ),
    entry(
        "a0_exchange",
        "kvern",
        Role::Ours,
        "planning an exchange of 1,000 to 1,000 partitions",
        prepare::exchange,
    ),
    entry(
        "a0_order",
        "kvern",
        Role::Ours,
        "the static order of the a4 graph alone",
        prepare::order,
    ),
    entry(
        "a1_independent",
        "kvern",
        Role::Ours,
        "1,000,000 tasks that read nothing",
        throughput::independent,
    ),
    entry(
        "a1_independent",
        "kvern-sync",
        Role::Variant,
        "the same on sync://",
        throughput::independent_sync,
    ),
    entry(
        "a1_independent",
        "rayon-spawn",
        Role::Limit,
        "rayon spawning the same closures in one scope",
        throughput::independent_limit,
    ),
    entry(
        "a2_chain",
        "kvern",
        Role::Ours,
        "a chain of 100,000",
        throughput::chain,
    ),
    entry(
        "a2_chain",
        "kvern-sync",
        Role::Variant,
        "the same on sync://",
        throughput::chain_sync,
    ),
    entry(
        "a2_chain",
        "counters-1t",
        Role::Limit,
        "a hand-written loop over dependency counters",
        throughput::chain_limit,
    ),
    entry(
        "a3_tree",
        "kvern",
        Role::Ours,
        "a binary tree over 2^20 leaves",
        throughput::tree,
    ),
    entry(
        "a3_tree",
        "kvern-sync",
        Role::Variant,
        "the same on sync://",
        throughput::tree_sync,
    ),
    entry(
        "a3_tree",
        "counters-1t",
        Role::Limit,
        "a hand-written loop over dependency counters",
        throughput::tree_limit,
    ),
    entry(
        "a4_stencil",
        "kvern",
        Role::Ours,
        "200 steps of 5,000 tiles, three reads a task",
        throughput::stencil,
    ),
    entry(
        "a4_stencil",
        "kvern-sync",
        Role::Variant,
        "the same on sync://",
        throughput::stencil_sync,
    ),
    entry(
        "a4_stencil",
        "counters-1t",
        Role::Limit,
        "a hand-written loop over dependency counters",
        throughput::stencil_limit,
    ),
    entry(
        "a5_latency",
        "kvern",
        Role::Ours,
        "one task, from submit to its result",
        latency::kvern,
    ),
    entry(
        "a5_latency",
        "condvar",
        Role::Limit,
        "two threads waking each other",
        latency::limit,
    ),
    entry(
        "a6_cancel",
        "kvern",
        Role::Ours,
        "from cancel to the end of the run",
        cancel::kvern,
    ),
    entry(
        "a7_flat",
        "kvern",
        Role::Ours,
        "the cost of a task from 10^4 to 10^7 tasks",
        throughput::flat,
    ),
    entry(
        "a8_bytes",
        "kvern",
        Role::Ours,
        "bytes a task of a submitted graph",
        bytes::kvern,
    ),
];

const fn entry(
    case: &'static str,
    who: &'static str,
    role: Role,
    about: &'static str,
    run: fn(&Options) -> crate::catalog::Outcome,
) -> Entry {
    Entry {
        area: "tasks",
        case,
        who,
        role,
        about,
        run,
    }
}

/// The threaded backend, two workers.
fn threads(registry: &Arc<Registry>) -> Result<Box<dyn Scheduler>> {
    let options = ThreadOptions {
        workers: Some(WORKERS),
        ..ThreadOptions::default()
    };
    Ok(Box::new(ThreadScheduler::new(&options, registry.clone())?))
}

/// The four graphs at the sizes of the issue: what a row is called, and its shape.
fn shapes(options: &Options) -> [(&'static str, Shape); 4] {
    [
        ("independent", independent(options)),
        ("chain", chain(options)),
        ("tree", tree(options)),
        ("stencil", stencil(options)),
    ]
}

fn independent(options: &Options) -> Shape {
    Shape::Independent(options.size(1_000_000, 100))
}

fn chain(options: &Options) -> Shape {
    Shape::Chain(options.size(100_000, 100))
}

fn tree(options: &Options) -> Shape {
    // A power of two, as the formula needs.
    Shape::Tree(options.size(1 << 20, 128).next_power_of_two())
}

fn stencil(options: &Options) -> Shape {
    Shape::Stencil {
        steps: options.size(200, 2),
        tiles: 5000,
    }
}

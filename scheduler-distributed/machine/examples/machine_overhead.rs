//! What a task costs the scheduler's machine, and what it takes there: map, chain, tree and stencil, from 10^4 to 10^6 tasks.
//!
//! The workers do nothing and answer at once, so all the time is the machine's:
//! `cargo run --release -p kvern-machine --example machine_overhead [WORKERS...]`.

use std::collections::VecDeque;
use std::time::Instant;

use kvern_core::Key;
use kvern_machine::scheduler::{Config, Effect, Event, WorkerInfo};
use kvern_machine::wire::{FromClient, FromWorker, ToClient, ToWorker};
use kvern_machine::{ClientId, GraphId, GraphSpec, Outbox, Scheduler, Tick, WorkerId};

/// Time of this thread on a processor, so that what else runs on the machine does not count; wall time where that is not known.
struct Stopwatch(Option<u64>, Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(on_cpu(), Instant::now())
    }

    fn nanos(&self) -> f64 {
        match (self.0, on_cpu()) {
            (Some(from), Some(to)) => (to - from) as f64,
            _ => self.1.elapsed().as_nanos() as f64,
        }
    }
}

fn on_cpu() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

const CLIENT: ClientId = ClientId(1);

fn main() -> Result<(), String> {
    let mut workers = Vec::new();
    for arg in std::env::args().skip(1) {
        workers.push(
            arg.parse::<u32>()
                .map_err(|_| format!("{arg:?} is no number of workers"))?,
        );
    }
    if workers.is_empty() {
        workers = vec![4, 64, 1000];
    }
    println!("Nanoseconds are time on a processor.\n");
    println!(
        "| graph | tasks | workers | submit ns/task | run ns/task | release ns/task | bytes/task |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, make) in SHAPES {
        for tasks in [10_000, 100_000, 1_000_000] {
            for &w in &workers {
                measure(name, make(tasks), w)?;
            }
        }
    }
    Ok(())
}

type Shape = fn(u32) -> GraphSpec;

const SHAPES: &[(&str, Shape)] = &[
    ("map", map),
    ("chain", chain),
    ("tree", tree),
    ("stencil", stencil),
];

fn measure(name: &str, spec: GraphSpec, workers: u32) -> Result<(), String> {
    let tasks = spec.len() as f64;
    let mut scheduler = Scheduler::new(Config::default());
    let mut out = Outbox::new();
    let now = Tick(0);
    scheduler.handle(now, Event::ClientJoined(CLIENT), &mut out);
    for w in 1..=workers {
        let info = WorkerInfo {
            name: format!("w{w}"),
            slots: 2,
            memory: 1 << 30,
            build: String::new(),
            address: String::new(),
        };
        scheduler.handle(now, Event::WorkerJoined(WorkerId(w), info), &mut out);
    }
    let graph = GraphId::new(CLIENT, 1);
    let spec = Box::new(spec);
    let begun = Stopwatch::start();
    scheduler.handle(
        now,
        Event::Submit {
            client: CLIENT,
            graph,
            spec,
        },
        &mut out,
    );
    let submitted = begun.nanos();
    let bytes = scheduler.footprint() as f64 / tasks;
    // What the workers answer: each task begins and ends at once. The time goes on as if a task took 20 us.
    let mut answers: VecDeque<(WorkerId, FromWorker)> = VecDeque::new();
    let mut done = false;
    let mut clock = 0;
    let begun = Stopwatch::start();
    loop {
        for effect in out.drain() {
            match effect {
                Effect::ToWorker(worker, ToWorker::Assign(assign)) => {
                    let (task, attempt) = (assign.task, assign.attempt);
                    answers.push_back((worker, FromWorker::Started { task, attempt }));
                    let end = FromWorker::Done {
                        task,
                        attempt,
                        bytes: 8,
                        nanos: 20_000,
                        inline: None,
                    };
                    answers.push_back((worker, end));
                }
                Effect::ToClient(_, ToClient::GraphDone { .. }) => done = true,
                _ => {}
            }
        }
        let Some((worker, message)) = answers.pop_front() else {
            break;
        };
        clock += 10;
        scheduler.handle(Tick(clock), Event::FromWorker(worker, message), &mut out);
    }
    let ran = begun.nanos();
    if !done {
        return Err(format!(
            "{name}: {:?} is not done",
            scheduler.progress(graph)
        ));
    }
    let begun = Stopwatch::start();
    let release = FromClient::ReleaseAll { graph };
    scheduler.handle(Tick(clock), Event::FromClient(CLIENT, release), &mut out);
    let released = begun.nanos();
    if scheduler.graphs() > 0 {
        return Err(format!("{name}: something is left"));
    }
    println!(
        "| {name} | {tasks} | {workers} | {:.0} | {:.0} | {:.0} | {bytes:.0} |",
        submitted / tasks,
        ran / tasks,
        released / tasks,
    );
    Ok(())
}

/// A graph whose tasks read what `deps` says; wanted are those that nobody reads.
fn graph(tasks: u32, deps: impl Fn(u32, &mut Vec<u32>)) -> GraphSpec {
    let mut spec = GraphSpec {
        dep_off: vec![0],
        bytes: vec![8; tasks as usize],
        position: (0..tasks).collect(),
        op: vec![0; tasks as usize],
        block: (0..tasks).collect(),
        ..GraphSpec::default()
    };
    let layer = Key::builder("overhead").finish();
    let mut read = vec![false; tasks as usize];
    for t in 0..tasks {
        let from = spec.deps.len();
        deps(t, &mut spec.deps);
        spec.deps[from..]
            .iter()
            .for_each(|d| read[*d as usize] = true);
        spec.dep_off.push(spec.deps.len() as u32);
        spec.keys.push(layer.child(u64::from(t)));
    }
    spec.outputs = (0..tasks).filter(|t| !read[*t as usize]).collect();
    spec
}

fn map(tasks: u32) -> GraphSpec {
    graph(tasks, |_, _| {})
}

fn chain(tasks: u32) -> GraphSpec {
    // A hundred of them side by side, one link of each after the other.
    graph(tasks, |t, deps| deps.extend(t.checked_sub(100)))
}

fn tree(tasks: u32) -> GraphSpec {
    let leaves = tasks / 2;
    let spec = graph(tasks, |t, deps| {
        if t > leaves {
            let first = (t - leaves - 1) * 2;
            deps.extend([first, first + 1]);
        }
    });
    // Depth first, as the static order has it: a task as soon as what it reads is there.
    let mut position = vec![0; tasks as usize];
    let mut next = 0;
    let mut open: Vec<(u32, usize)> = spec.outputs.iter().rev().map(|o| (*o, 0)).collect();
    while let Some((t, at)) = open.pop() {
        match spec.deps(t).get(at) {
            Some(&d) => open.extend([(t, at + 1), (d, 0)]),
            None => {
                position[t as usize] = next;
                next += 1;
            }
        }
    }
    GraphSpec { position, ..spec }
}

fn stencil(tasks: u32) -> GraphSpec {
    // Rows of a thousand; each reads its three neighbours in the row before.
    graph(tasks, |t, deps| {
        let (row, at) = (t / 1000, t % 1000);
        if row > 0 {
            let from = at.saturating_sub(1)..=(at + 1).min(999);
            deps.extend(from.map(|a| (row - 1) * 1000 + a));
        }
    })
}

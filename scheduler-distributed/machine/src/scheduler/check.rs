//! Every invariant of the scheduler's machine, recomputed from scratch.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::state::State;
use super::task::{At, Kind};
use super::{MemoryUse, Progress, Scheduler};
use crate::ids::{Attempt, TaskRef, WorkerId};

macro_rules! hold {
    ($cond:expr, $($words:tt)*) => {
        if !$cond {
            return Err(format!($($words)*));
        }
    };
}

/// The first invariant that does not hold.
pub(super) fn check(s: &Scheduler) -> Result<(), String> {
    if let Some(broken) = &s.broken {
        return Err(broken.clone());
    }
    hold!(s.work.is_empty(), "work is left: {:?}", s.work);
    hold!(
        s.reaching.is_empty(),
        "{:?} are still to be looked at",
        s.reaching
    );
    hold!(
        s.fitting.unsure.is_empty(),
        "{:?} are still to be looked at",
        s.fitting.unsure
    );
    let mut running = BTreeMap::new();
    for graph in s.graphs.iter().flatten() {
        let runs = graph.tasks.iter().filter(|t| t.state == State::Running);
        let runs = runs.count() as u32;
        hold!(
            runs == graph.running,
            "of {} {runs} run, not {}",
            graph.id,
            graph.running
        );
        if runs > 0 {
            *running.entry(graph.priority).or_default() += runs;
        }
    }
    hold!(
        running == s.running,
        "by priority {running:?} run, not {:?}",
        s.running
    );
    for task in s.parked.tasks() {
        hold!(
            s.state(task) == Some(State::Parked),
            "{task} is looked at again, and is {:?}",
            s.state(task)
        );
    }
    let attempts = check_workers(s)?;
    let mut memory = MemoryUse {
        peak: s.memory.peak,
        spilled: each_worker(s).map(|(_, w)| w.spilled.disk).sum(),
        spilled_total: s.memory.spilled_total,
        ..MemoryUse::default()
    };
    let on_disk: u64 = each_worker(s).map(|(_, w)| w.spilled.memory).sum();
    hold!(
        on_disk == s.on_disk,
        "{on_disk} bytes are on disk, not {}",
        s.on_disk
    );
    let mut held: BTreeMap<WorkerId, u64> = BTreeMap::new();
    let mut pins: BTreeMap<u32, u32> = BTreeMap::new();
    let mut ahead: BTreeMap<WorkerId, u32> = BTreeMap::new();
    for (slot, graph) in s.graphs.iter().enumerate() {
        let Some(graph) = graph else { continue };
        let slot = slot as u32;
        hold!(
            s.by_id.get(&graph.id) == Some(&slot),
            "{} has lost its slot",
            graph.id
        );
        let known = s
            .clients
            .get(&graph.client)
            .is_none_or(|c| c.graphs.contains(&graph.id));
        hold!(known, "{} does not know {}", graph.client, graph.id);
        check_graph(s, slot, graph)?;
        check_tasks(s, slot, graph, &attempts)?;
        for (t, task) in graph.tasks.iter().enumerate() {
            if task.state == State::Ahead {
                *ahead.entry(task.worker).or_default() += 1;
            }
            if task.state == State::Stored && task.kind.is_held() {
                memory.live += task.bytes;
                memory.held += u64::from(task.bytes > 0);
                for &w in graph.holders(t as u32) {
                    *held.entry(w).or_default() += task.bytes;
                }
            }
        }
        for source in graph.sources.values().flatten() {
            *pins.entry(source.slot).or_default() += 1;
        }
    }
    hold!(
        memory == s.memory,
        "memory is {memory:?}, not {:?}",
        s.memory
    );
    for (w, entry) in each_worker(s) {
        let sum = held.get(&w).copied().unwrap_or(0);
        hold!(
            entry.bytes == sum,
            "{w} holds {sum} bytes, not {}",
            entry.bytes
        );
        let sum = ahead.get(&w).copied().unwrap_or(0);
        hold!(
            entry.ahead == sum && sum <= s.config.ahead,
            "{sum} are ahead at {w}, not {}",
            entry.ahead
        );
    }
    for (slot, graph) in s.graphs.iter().enumerate() {
        let Some(graph) = graph else { continue };
        let sum = pins.get(&(slot as u32)).copied().unwrap_or(0);
        hold!(
            graph.pins == sum,
            "{} has {sum} pins, not {}",
            graph.id,
            graph.pins
        );
    }
    hold!(
        s.by_id.len() == s.graphs.iter().flatten().count(),
        "the table of graphs is not that of slots"
    );
    Ok(())
}

fn each_worker(s: &Scheduler) -> impl Iterator<Item = (WorkerId, &super::Entry)> {
    let all = s.workers.iter().enumerate();
    all.filter_map(|(i, w)| w.as_ref().map(|w| (WorkerId(i as u32), w)))
}

type Attempts = BTreeMap<(TaskRef, Attempt), (WorkerId, bool, bool)>;

/// The lists of workers, and all attempts: where, started, aborted.
fn check_workers(s: &Scheduler) -> Result<Attempts, String> {
    let mut attempts = BTreeMap::new();
    let (mut room, mut surplus) = (BTreeSet::new(), BTreeSet::new());
    let mut coming: BTreeMap<WorkerId, u32> = BTreeMap::new();
    for (w, entry) in each_worker(s) {
        for g in &entry.given {
            let new = attempts
                .insert((g.task, g.attempt), (w, g.started, g.aborted))
                .is_none();
            hold!(new, "{} {} is at two workers", g.task, g.attempt);
            if g.thief.0 > 0 && s.worker(g.thief).is_some() {
                *coming.entry(g.thief).or_default() += 1;
            }
        }
        let seceded = entry.given.iter().filter(|g| g.seceded).count() as u32;
        hold!(
            seceded == entry.seceded,
            "{w} has {seceded} seceded, not {}",
            entry.seceded
        );
        hold!(
            seceded == 0 || s.stuck_at.is_some(),
            "tasks at {w} wait for others, and nobody looks after these"
        );
        if entry.has_room(&s.config) {
            room.insert((entry.load(), w));
        }
        let rests = entry
            .rests
            .is_some_and(|until| s.resting.contains(&(until, w)));
        hold!(
            rests == entry.rests.is_some(),
            "{w} rests until {:?}, and nobody ends that",
            entry.rests
        );
        if entry.queued() > entry.slots() {
            surplus.insert((entry.load(), w));
        }
    }
    for (w, entry) in each_worker(s) {
        let sum = coming.get(&w).copied().unwrap_or(0);
        hold!(
            entry.coming == sum,
            "{sum} come to {w}, not {}",
            entry.coming
        );
    }
    let listed: BTreeSet<_> = s.fitting.room.iter().flatten().copied().collect();
    hold!(room == listed, "room is {room:?}, not {listed:?}");
    let of_build = |(_, w): &(u32, WorkerId), build| s.worker(*w).is_some_and(|w| w.build == build);
    for (build, room) in s.fitting.room.iter().enumerate() {
        let own = room.iter().all(|w| of_build(w, build as u32));
        hold!(own, "room of build {build} is {room:?}");
    }
    hold!(
        surplus == s.surplus,
        "surplus is {surplus:?}, not {:?}",
        s.surplus
    );
    Ok(attempts)
}

fn check_graph(s: &Scheduler, slot: u32, graph: &Graph) -> Result<(), String> {
    let id = graph.id;
    let wants: u64 = graph.tasks.iter().map(|t| u64::from(t.wants)).sum();
    hold!(
        wants == graph.wants,
        "{id} is wanted {wants} times, not {}",
        graph.wants
    );
    let given = each_worker(s).flat_map(|(_, w)| &w.given);
    let active = given.filter(|g| g.task.graph == id).count();
    hold!(
        active == graph.active as usize,
        "{id} has {active} attempts, not {}",
        graph.active
    );
    let pending = graph.tasks.iter().filter(|t| t.state.pending()).count() as u32;
    hold!(
        pending == graph.pending,
        "{id} has {pending} pending tasks, not {}",
        graph.pending
    );
    let ready = graph
        .tasks
        .iter()
        .filter(|t| t.state == State::Ready)
        .count();
    hold!(
        ready == graph.classes.iter().map(|c| c.ready.len()).sum::<usize>(),
        "{id} has {ready} ready tasks, its classes say otherwise"
    );
    hold!(
        ready == 0 || graph.in_ring,
        "{id} has ready tasks and no turn"
    );
    let turns = s.rings.values().flatten().filter(|r| **r == slot).count();
    hold!(
        turns == usize::from(graph.in_ring),
        "{id} has {turns} turns"
    );
    for (n, class) in graph.classes.iter().enumerate() {
        if class.ready.is_empty() {
            continue;
        }
        let n = n as u16;
        let free = s.least_loaded(slot, n, &[]);
        hold!(
            free.is_none(),
            "{id} has ready tasks while there is room at {free:?}"
        );
        let there = s.is_fitting_there(graph, class);
        hold!(
            there != s.fitting.is_stranded(slot, n),
            "{id} has ready tasks of class {n}: fitting workers {there}, stranded the same"
        );
    }
    let counted = graph.tasks.iter().filter(|t| t.counted).count() as u32;
    let Progress {
        done,
        failed,
        cancelled,
        ..
    } = graph.progress;
    hold!(
        counted == done + failed + cancelled,
        "{id} counts {counted}: {:?}",
        graph.progress
    );
    let over = wants == 0 && graph.pins == 0 && active == 0;
    hold!(!over, "{id} should have been forgotten");
    hold!(s.news.is_sound(), "{id}: progress is to be told at no time");
    hold!(
        graph.done_told || !graph.progress.is_finished() || active > 0,
        "{id} is done, and nobody was told"
    );
    for ((task, client), count) in &graph.foreign {
        hold!(
            *count > 0 && s.clients.contains_key(client),
            "{id}: {client} is gone"
        );
        hold!(
            *count <= graph.task(*task).wants,
            "{id}: {client} wants too much"
        );
    }
    Ok(())
}

fn check_tasks(s: &Scheduler, slot: u32, graph: &Graph, attempts: &Attempts) -> Result<(), String> {
    let mut refs = vec![0u32; graph.len()];
    for t in 0..graph.len() as u32 {
        let task = graph.task(t);
        if task.kind == Kind::Task && task.state.pending() {
            graph.deps(t).iter().for_each(|&d| refs[d as usize] += 1);
        }
    }
    for (t, proxy) in &graph.watchers {
        let of = s.graph(proxy.slot).task(proxy.task);
        if of.state.pending() || of.state == State::Stored {
            refs[*t as usize] += 1;
        }
    }
    for t in 0..graph.len() as u32 {
        let (task, name) = (graph.task(t), graph.name(t));
        let state = task.state;
        hold!(
            refs[t as usize] == task.refs,
            "{name} has {} refs, not {}",
            refs[t as usize],
            task.refs
        );
        let kept = state == State::Stored && s.is_kept(At { slot, task: t });
        hold!(
            task.needed() || kept || !(state.pending() || state == State::Stored),
            "{name} is {state:?}, and nobody needs it"
        );
        hold!(
            task.counted || state.pending(),
            "{name} is {state:?} and not counted"
        );
        hold!(
            graph.classes[graph.class_of(t) as usize]
                .ready
                .contains(graph.rank(t))
                == (state == State::Ready),
            "{name} is {state:?}; the ready set says otherwise"
        );
        let holders = graph.holders(t);
        let own = state == State::Stored && task.kind.is_held();
        hold!(
            own != holders.is_empty(),
            "{name} is {state:?} with holders {holders:?}"
        );
        hold!(holders.is_sorted(), "{name}: holders {holders:?}");
        for h in holders {
            hold!(s.worker(*h).is_some(), "{name}: {h} is gone");
        }
        check_state(s, graph, t)?;
        let at = attempts.get(&(name, task.attempt));
        let (here, running) = match at {
            Some((w, started, false)) => (*w == task.worker, *started),
            _ => (false, false),
        };
        hold!(
            here == state.at_worker(),
            "{name} is {state:?} with attempt {at:?}"
        );
        hold!(
            running == (state == State::Running),
            "{name} is {state:?} with attempt {at:?}"
        );
    }
    Ok(())
}

/// A task that lacks inputs knows how many.
fn check_missing(graph: &Graph, t: u32) -> Result<(), String> {
    let (missing, counted) = (graph.count_missing(t), graph.task(t).missing);
    let name = graph.name(t);
    hold!(
        missing > 0 && missing == counted,
        "{name}: {missing}, not {counted}"
    );
    Ok(())
}

fn check_state(s: &Scheduler, graph: &Graph, t: u32) -> Result<(), String> {
    let (task, name) = (graph.task(t), graph.name(t));
    match (task.kind, task.state) {
        (Kind::Task, State::Waiting) => {
            check_missing(graph, t)?;
            for &d in graph.deps(t) {
                let input = graph.task(d).state;
                hold!(
                    input.pending() || input == State::Stored,
                    "{name} waits for {d}, which is {input:?}"
                );
            }
        }
        (Kind::Task, State::Ready) => {
            hold!(
                graph.count_missing(t) == 0,
                "{name} is ready and lacks inputs"
            );
        }
        (Kind::Task, State::Ahead) => {
            check_missing(graph, t)?;
            for &d in graph.deps(t) {
                let input = graph.task(d);
                let made_there = input.kind == Kind::Task
                    && input.state.being_made()
                    && input.worker == task.worker;
                hold!(
                    input.state == State::Stored || made_there,
                    "{name} waits at {} for {d}, which is {:?} at {}",
                    task.worker,
                    input.state,
                    input.worker
                );
            }
        }
        (Kind::Task, State::Parked) => {
            hold!(
                s.parked.tasks().any(|p| p == name),
                "{name} is parked for ever"
            );
        }
        (Kind::Proxy, State::Waiting | State::Stored) => {
            let Some(Some(source)) = graph.sources.get(&t) else {
                return Err(format!("{name} is a proxy of nothing"));
            };
            let of = s.graph(source.slot).task(source.task);
            hold!(
                (of.state == State::Stored) == (task.state == State::Stored),
                "{name} is {:?}, its source {:?}",
                task.state,
                of.state
            );
            hold!(
                of.state.pending() || of.state == State::Stored,
                "{name} waits for nothing"
            );
            hold!(
                task.state != State::Stored || task.bytes == of.bytes,
                "{name}: bytes"
            );
        }
        (Kind::Scattered | Kind::Backed, State::Waiting) => {
            hold!(
                s.worker(task.worker).is_some() || s.homeless.contains(&name),
                "{name} waits for a lost worker"
            );
        }
        _ => {}
    }
    Ok(())
}

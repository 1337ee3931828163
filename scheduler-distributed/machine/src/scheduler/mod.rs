//! The scheduler's machine: all graphs, tasks, workers and clients, and what to do with them.
//!
//! Where to look: [`state`] has the states of a task and every change between them, `life` makes the changes and what follows from
//! them, `place` decides which worker gets a task, `ahead` which ones it gets before they can run, `steal` when one must give it back, `stuck`
//! when one is to begin without a slot,
//! `lose` what happens when a worker is gone, `backed` how data comes again, `fit` which workers a task may run on, and what becomes of it when
//! there is none.
//! Messages come in at `submit`, `clients` and `updates`.

mod ahead;
mod backed;
mod check;
mod clients;
mod event;
mod fit;
mod forget;
mod graph;
mod life;
mod lose;
mod missing;
mod parked;
mod place;
mod progress;
mod ready;
mod rest;
pub mod state;
mod steal;
mod stuck;
mod submit;
mod task;
mod updates;
mod words;
mod workers;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use event::{Config, Effect, Event, MemoryUse, Progress, WorkerInfo};

use crate::broken::Broken;
use crate::ids::{ClientId, GraphId, OutputRef, TaskRef, Tick, WorkerId};
use crate::outbox::Outbox;
use crate::story::{Line, Log};
use crate::wire::Spilled;
use graph::Graph;
use life::WorkList;
use state::State;
use task::At;
use workers::{Asked, Client, Entry};

/// All graphs, tasks, workers and clients, and what to do with them.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    now: Tick,
    log: Log,
    /// Graphs by slot; a slot is used again.
    graphs: Vec<Option<Graph>>,
    free_slots: Vec<u32>,
    by_id: BTreeMap<GraphId, u32>,
    clients: BTreeMap<ClientId, Client>,
    /// Workers by number.
    workers: Vec<Option<Entry>>,
    /// Workers by what tasks ask of them, and which of them can be given a task.
    fitting: fit::Fitting,
    /// Workers that rest, and until when.
    resting: BTreeSet<(Tick, WorkerId)>,
    /// Workers that have more than their slots take, by load.
    surplus: BTreeSet<(u32, WorkerId)>,
    /// Graphs with ready tasks, by priority; of one priority each in turn has one placed, so that a small one does not wait for the whole of a large
    /// one.
    rings: BTreeMap<Reverse<i32>, VecDeque<u32>>,
    /// How many tasks run, by the priority of their graphs.
    running: BTreeMap<i32, u32>,
    /// When parked tasks are looked at again.
    parked: parked::Parked,
    /// Tasks whose inputs could not be reached.
    missing: BTreeMap<TaskRef, missing::Missing>,
    /// Inputs that could not be reached: how often a holder has said since that it has them.
    confirmed: BTreeMap<TaskRef, u32>,
    /// The workers that were lost while they ran a task, in words.
    charged: BTreeMap<TaskRef, Vec<String>>,
    /// Questions to workers that clients wait for.
    asked: BTreeSet<Asked>,
    /// Backed data that waits for a worker to be put on: there is none.
    homeless: BTreeSet<TaskRef>,
    /// What results take, on disk or not.
    memory: MemoryUse,
    /// Of that, what is on workers' disks, as it was in memory.
    on_disk: u64,
    /// How far graphs are, to be told.
    news: progress::News,
    /// Mean time of all tasks in nanoseconds.
    mean: u64,
    /// When it is worth a look whether an idle worker can take something over.
    steal_at: Option<Tick>,
    /// When it is worth a look whether what tasks wait for is stuck.
    stuck_at: Option<Tick>,
    /// Workers whose tips are to be looked at.
    reaching: Vec<WorkerId>,
    /// What follows from what was just done.
    work: WorkList,
    scratch: place::Scratch,
    broken: Option<String>,
}

impl Scheduler {
    /// One that knows nobody.
    pub fn new(config: Config) -> Self {
        let log = Log::new(config.remember);
        Self {
            config,
            now: Tick(0),
            log,
            graphs: Vec::new(),
            free_slots: Vec::new(),
            by_id: BTreeMap::new(),
            clients: BTreeMap::new(),
            workers: Vec::new(),
            fitting: fit::Fitting::default(),
            resting: BTreeSet::new(),
            surplus: BTreeSet::new(),
            rings: BTreeMap::new(),
            running: BTreeMap::new(),
            parked: parked::Parked::default(),
            missing: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            charged: BTreeMap::new(),
            asked: BTreeSet::new(),
            homeless: BTreeSet::new(),
            memory: MemoryUse::default(),
            on_disk: 0,
            news: progress::News::default(),
            mean: 0,
            steal_at: None,
            stuck_at: None,
            reaching: Vec::new(),
            work: WorkList::default(),
            scratch: place::Scratch::default(),
            broken: None,
        }
    }

    /// Takes in what happened and puts what must be done into `out`. Never fails and never panics, whatever peers say: what makes
    /// no sense is ignored or answered with an error.
    pub fn handle(&mut self, now: Tick, event: Event, out: &mut Outbox<Effect>) {
        self.now = self.now.max(now);
        self.end_rests();
        match event {
            Event::ClientJoined(client) => {
                self.clients.entry(client).or_default();
            }
            Event::ClientGone(client) => self.client_gone(client, out),
            Event::Submit {
                client,
                graph,
                spec,
            } => self.submit(client, graph, *spec, out),
            Event::FromClient(client, message) => self.hear_client(client, message, out),
            Event::WorkerJoined(worker, info) => self.worker_joined(worker, info, out),
            Event::WorkerLost { worker, why } => self.worker_lost(worker, &why, out),
            Event::FromWorker(worker, message) => self.hear_worker(worker, message, out),
            Event::Trouble(words) => self.fitting.trouble = Some(words),
            Event::Timer => {}
        }
        self.settle(out);
        self.unpark(out);
        self.strand();
        self.settle(out);
        self.tell_stranded(out);
        self.place(out);
        self.free_the_stuck(out);
        self.steal(out);
        self.send_ahead(out);
        self.tell_progress(out);
    }

    /// When [`Event::Timer`] is due, if at all.
    pub fn next_deadline(&self) -> Option<Tick> {
        let rested = self.resting.first().map(|(at, _)| *at);
        let all = [
            self.parked.next(),
            self.steal_at,
            self.stuck_at,
            rested,
            self.fitting.next_due(),
            self.news.deadline(),
        ];
        all.into_iter().flatten().min()
    }

    /// How far a graph is, if it is known.
    pub fn progress(&self, graph: GraphId) -> Option<Progress> {
        self.by_id
            .get(&graph)
            .map(|&slot| self.graph(slot).progress)
    }

    /// What results take.
    pub fn memory(&self) -> MemoryUse {
        MemoryUse {
            live: self.in_memory(),
            ..self.memory
        }
    }

    /// Bytes of results that are not on a disk. A copy that is there while another is not counts as if both were.
    fn in_memory(&self) -> u64 {
        self.memory.live.saturating_sub(self.on_disk)
    }

    /// What a worker has on disk has changed.
    fn spilled(&mut self, worker: WorkerId, now: Spilled) {
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        let before = std::mem::replace(&mut entry.spilled, now);
        // What a worker says is believed, and must not end the scheduler however large it is.
        let changed = |sum: u64, was: u64, is: u64| sum.wrapping_sub(was).wrapping_add(is);
        self.on_disk = changed(self.on_disk, before.memory, now.memory);
        let memory = &mut self.memory;
        memory.spilled = changed(memory.spilled, before.disk, now.disk);
        let more = now.total.saturating_sub(before.total);
        memory.spilled_total = memory.spilled_total.wrapping_add(more);
        self.memory.peak = self.memory.peak.max(self.in_memory());
    }

    /// Which task makes an output.
    pub fn output(&self, of: OutputRef) -> Option<TaskRef> {
        let graph = self.graph(*self.by_id.get(&of.graph)?);
        let task = graph.outputs.get(of.output as usize)?;
        Some(graph.name(*task))
    }

    /// In which state a task is, if its graph is known.
    pub fn state(&self, task: TaskRef) -> Option<State> {
        let at = self.locate(task)?;
        Some(self.graph(at.slot).task(at.task).state)
    }

    /// Graphs that are known.
    pub fn graphs(&self) -> usize {
        self.by_id.len()
    }

    /// Bytes that all graphs take in the machine.
    pub fn footprint(&self) -> usize {
        self.graphs.iter().flatten().map(Graph::footprint).sum()
    }

    /// What is remembered of a task, oldest first.
    pub fn story(&self, task: TaskRef) -> Vec<Line> {
        self.log.of(task)
    }

    /// All that is remembered, of whatever task, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &Line> {
        self.log.lines()
    }

    /// Recomputes every invariant from scratch: for tests, it takes time.
    ///
    /// # Errors
    /// The first one that does not hold.
    pub fn check(&self) -> Result<(), Broken> {
        check::check(self).map_err(Broken)
    }

    fn graph(&self, slot: u32) -> &Graph {
        self.graphs[slot as usize]
            .as_ref()
            .unwrap_or_else(|| gone(slot))
    }

    fn graph_mut(&mut self, slot: u32) -> &mut Graph {
        self.graphs[slot as usize]
            .as_mut()
            .unwrap_or_else(|| gone(slot))
    }

    /// Where a task is kept.
    fn locate(&self, task: TaskRef) -> Option<At> {
        let slot = *self.by_id.get(&task.graph)?;
        (task.piece().is_none() && (task.task as usize) < self.graph(slot).len()).then_some(At {
            slot,
            task: task.task,
        })
    }

    fn name(&self, at: At) -> TaskRef {
        self.graph(at.slot).name(at.task)
    }

    fn worker(&self, worker: WorkerId) -> Option<&Entry> {
        self.workers.get(worker.0 as usize)?.as_ref()
    }

    fn worker_mut(&mut self, worker: WorkerId) -> Option<&mut Entry> {
        self.workers.get_mut(worker.0 as usize)?.as_mut()
    }
}

/// Slots are only kept where the graph is pinned, wanted or active; a slot without a graph is a defect of this crate.
#[cold]
fn gone(slot: u32) -> ! {
    unreachable!("slot {slot} has no graph")
}

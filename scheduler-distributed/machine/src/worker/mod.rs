//! The worker's machine: one worker's attempts and objects.
//!
//! Where to look: [`attempt`] and [`object`] have the states of both and every change between them; `messages` takes in what the
//! scheduler says, `run` starts and ends attempts, `fetch` gets objects from peers.

pub mod attempt;
mod check;
mod event;
mod fetch;
mod messages;
pub mod object;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use event::{Config, Effect, Event, Outcome};

use crate::broken::Broken;
use crate::ids::{Attempt, FetchId, TaskRef, Tick, WorkerId};
use crate::outbox::Outbox;
use crate::story::{Line, Log};
use attempt::{AttemptState, Try};
use fetch::Peer;
use object::{Object, ObjectState};

/// One worker's attempts and objects.
#[derive(Debug)]
pub struct Worker {
    id: WorkerId,
    config: Config,
    now: Tick,
    log: Log,
    tries: BTreeMap<(TaskRef, Attempt), Try>,
    /// Those that can run, in the order in which they do.
    runnable: BTreeSet<(i64, TaskRef, Attempt)>,
    /// Those of them that begin whether a slot is free or not.
    beyond: BTreeSet<(TaskRef, Attempt)>,
    /// Slots taken up. More than there are, where tasks that had waited for others went on at once, or some began without a slot.
    occupied: u32,
    objects: BTreeMap<TaskRef, Object>,
    live: u64,
    peers: BTreeMap<WorkerId, Peer>,
    /// Peers that could be asked for something now.
    idle_peers: BTreeSet<WorkerId>,
    fetches: BTreeMap<FetchId, (WorkerId, Vec<TaskRef>)>,
    /// Objects that attempts wait for here, and an attempt that was to make them is over.
    unmade: Vec<TaskRef>,
    next_fetch: u64,
    broken: Option<String>,
}

impl Worker {
    /// A worker that was just given its number.
    pub fn new(id: WorkerId, config: Config) -> Self {
        let log = Log::new(config.remember);
        Self {
            id,
            config,
            now: Tick(0),
            log,
            tries: BTreeMap::new(),
            runnable: BTreeSet::new(),
            beyond: BTreeSet::new(),
            occupied: 0,
            objects: BTreeMap::new(),
            live: 0,
            peers: BTreeMap::new(),
            idle_peers: BTreeSet::new(),
            fetches: BTreeMap::new(),
            unmade: Vec::new(),
            next_fetch: 1,
            broken: None,
        }
    }

    /// Takes in what happened and puts what must be done into `out`. Never fails and never panics.
    pub fn handle(&mut self, now: Tick, event: Event, out: &mut Outbox<Effect>) {
        self.now = self.now.max(now);
        match event {
            Event::FromScheduler(message) => self.hear(message, out),
            Event::Executed {
                task,
                attempt,
                outcome,
                nanos,
            } => self.executed(task, attempt, outcome, nanos, out),
            Event::Seceded { task, attempt } => self.seceded(task, attempt, out),
            Event::Rejoined { task, attempt } => self.rejoined(task, attempt, out),
            Event::Fetched { fetch, got, gone } => {
                let _ = gone;
                self.fetched(fetch, &got, out);
            }
            Event::FetchFailed { fetch, got } => self.fetched(fetch, &got, out),
            Event::Put { object, bytes } => self.put(object, bytes, out),
        }
        self.give_back(out);
        self.start(out);
        self.ask(out);
    }

    /// When to call again; today never: what must time out, fetches, the shell times out.
    pub fn next_deadline(&self) -> Option<Tick> {
        None
    }

    /// When an object is read next, or one of these pieces of it: the lowest priority number of the attempts that wait here to read it; none if none
    /// does.
    pub fn next_use(&self, object: TaskRef, pieces: Option<&Range<u32>>) -> Option<i64> {
        let needed_by = &self.objects.get(&object)?.needed_by;
        let tries = needed_by.iter().filter_map(|key| self.tries.get(key));
        let reads = |t: &Try| match (pieces, t.assign.as_ref().and_then(|a| a.piece)) {
            (Some(pieces), Some(piece)) => pieces.contains(&piece),
            _ => true,
        };
        let waiting = tries.filter(|t| !t.state.executing() && reads(t));
        waiting.map(|t| t.priority).min()
    }

    /// Its number.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Bytes of the objects that are in the store.
    pub fn live_bytes(&self) -> u64 {
        self.live
    }

    /// Objects that are in the store.
    pub fn held(&self) -> usize {
        self.objects.values().filter(|o| o.state.in_store()).count()
    }

    /// Whether it has nothing, does nothing and waits for nothing.
    pub fn is_empty(&self) -> bool {
        self.tries.is_empty() && self.objects.is_empty() && self.fetches.is_empty()
    }

    /// In which state an attempt is, if it is known.
    pub fn attempt(&self, task: TaskRef, attempt: Attempt) -> Option<AttemptState> {
        self.tries.get(&(task, attempt)).map(|t| t.state)
    }

    /// In which state an object is; `Absent` if it is not known.
    pub fn object(&self, object: TaskRef) -> ObjectState {
        self.objects
            .get(&object)
            .map_or(ObjectState::Absent, |o| o.state)
    }

    /// What is remembered of a task and its object, oldest first.
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
}

//! What the scheduler remembers of one graph: its tasks and edges in dense arrays, and small tables of what few tasks have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kvern_core::error::ErrorRecord;
use kvern_core::{Key, Piece};

use super::event::Progress;
use super::fit::Class;
use super::ready::ReadySet;
use super::state::State;
use super::task::{At, Kind, Task};
use super::workers::Bits;
use crate::ids::{Attempt, ClientId, GraphId, TaskRef, WorkerId};
use crate::payload::Payload;
use crate::spec::{Datum, GraphSpec};

/// One graph.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) id: GraphId,
    pub(crate) client: ClientId,
    pub(crate) tasks: Vec<Task>,
    dep_off: Vec<u32>,
    deps: Vec<u32>,
    rev_off: Vec<u32>,
    rev: Vec<u32>,
    op: Vec<u32>,
    block: Vec<u32>,
    piece: Vec<Option<Piece>>,
    annotation: Vec<u32>,
    /// Nanoseconds before a second try, by annotation.
    backoff: Vec<u64>,
    /// How often tasks that wait before they are tried again have failed.
    failures: BTreeMap<u32, u32>,
    keys: Vec<Key>,
    impure: Vec<bool>,
    /// Task to rank in the static order, and back.
    rank: Vec<u32>,
    by_rank: Vec<u32>,
    /// The tasks that can run, by the workers that may run them.
    pub(crate) classes: Vec<Class>,
    /// The class of each task; empty: there is one.
    class: Vec<u16>,
    /// The number of its client's build.
    pub(crate) build: u32,
    /// What it comes before, and after what.
    pub(crate) priority: i32,
    /// Whether the graph stands in the ring of those with ready tasks.
    pub(crate) in_ring: bool,
    pub(crate) outputs: Vec<u32>,
    pub(crate) shared: Payload,
    pub(crate) literals: BTreeMap<u32, Payload>,
    /// Where the proxies look: the task that makes the object, none if there was none at the submit.
    pub(crate) sources: BTreeMap<u32, Option<At>>,
    /// All holders of objects that have more than one, sorted.
    pub(crate) holders: BTreeMap<u32, Vec<WorkerId>>,
    pub(crate) errors: Vec<Arc<ErrorRecord>>,
    /// Proxies in other graphs, by the task of this one that they look at.
    pub(crate) watchers: BTreeSet<(u32, At)>,
    /// Wants of clients other than the graph's own.
    pub(crate) foreign: BTreeMap<(u32, ClientId), u32>,
    /// All wants together.
    pub(crate) wants: u64,
    /// Proxies of other graphs that look here: while there are any, lost objects may have to be made again.
    pub(crate) pins: u32,
    /// Tasks still to be done, or to be done again.
    pub(crate) pending: u32,
    /// Attempts at workers, aborted ones included.
    pub(crate) active: u32,
    /// Tasks that run, those that wait for others included.
    pub(crate) running: u32,
    /// Whether a task of it was begun beyond the slots.
    pub(crate) beyond: bool,
    pub(crate) progress: Progress,
    pub(crate) cancelled: bool,
    pub(crate) failure_told: bool,
    pub(crate) done_told: bool,
    /// Workers that know what the numbers of this graph mean.
    pub(crate) introduced: Bits,
}

impl Graph {
    /// A graph none of whose tasks has been looked at: all are `Waiting`, and literals are stored. The spec must have been checked.
    pub(crate) fn new(id: GraphId, client: ClientId, build: u32, spec: GraphSpec) -> Self {
        let n = spec.len();
        let (classes, class) = classes(&spec);
        let (rev_off, rev) = spec.dependents();
        let (rank, by_rank) = ranks(spec.position);
        let mut tasks: Vec<Task> = (0..n)
            .map(|t| Task {
                bytes: spec.bytes[t],
                missing: 0,
                refs: rev_off[t + 1] - rev_off[t],
                wants: 0,
                attempt: Attempt(0),
                worker: WorkerId(0),
                holder: WorkerId(0),
                error: 0,
                retries: spec.retries.get(t).copied().unwrap_or(0),
                charges: 0,
                state: State::Waiting,
                kind: Kind::Task,
                counted: false,
                shared: false,
                led: false,
            })
            .collect();
        for &t in &spec.outputs {
            tasks[t as usize].wants += 1;
        }
        let data = spec.data.len() as u32;
        let (mut literals, mut sources) = (BTreeMap::new(), BTreeMap::new());
        for (t, datum) in spec.data {
            let task = &mut tasks[t as usize];
            match datum {
                Datum::Literal(payload) => {
                    task.kind = Kind::Literal;
                    task.state = State::Stored;
                    literals.insert(t, payload);
                }
                Datum::External(_) => {
                    task.kind = Kind::Proxy;
                    sources.insert(t, None);
                }
                Datum::Scattered(worker) => {
                    task.kind = Kind::Scattered;
                    task.worker = worker;
                }
                Datum::Backed(worker) => {
                    task.kind = Kind::Backed;
                    task.worker = worker;
                }
            }
        }
        Self {
            id,
            client,
            pending: (n - literals.len()) as u32,
            tasks,
            dep_off: spec.dep_off,
            deps: spec.deps,
            rev_off,
            rev,
            op: spec.op,
            block: spec.block,
            piece: spec.piece,
            annotation: spec.annotation,
            backoff: spec.backoff,
            failures: BTreeMap::new(),
            keys: spec.keys,
            impure: spec.impure,
            rank,
            by_rank,
            classes,
            class,
            build,
            priority: spec.priority,
            in_ring: false,
            wants: spec.outputs.len() as u64,
            outputs: spec.outputs,
            shared: spec.shared,
            literals,
            sources,
            holders: BTreeMap::new(),
            errors: Vec::new(),
            watchers: BTreeSet::new(),
            foreign: BTreeMap::new(),
            pins: 0,
            active: 0,
            running: 0,
            beyond: false,
            progress: Progress {
                total: n as u32,
                data,
                ..Progress::default()
            },
            cancelled: false,
            failure_told: false,
            done_told: false,
            introduced: Bits::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn name(&self, task: u32) -> TaskRef {
        TaskRef::new(self.id, task)
    }

    pub(crate) fn task(&self, task: u32) -> &Task {
        &self.tasks[task as usize]
    }

    pub(crate) fn task_mut(&mut self, task: u32) -> &mut Task {
        &mut self.tasks[task as usize]
    }

    pub(crate) fn dep_range(&self, task: u32) -> std::ops::Range<usize> {
        self.dep_off[task as usize] as usize..self.dep_off[task as usize + 1] as usize
    }

    /// What stands at a place of [`Graph::dep_range`].
    pub(crate) fn dep(&self, at: usize) -> u32 {
        self.deps[at]
    }

    pub(crate) fn deps(&self, task: u32) -> &[u32] {
        &self.deps[self.dep_range(task)]
    }

    pub(crate) fn dependent_range(&self, task: u32) -> std::ops::Range<usize> {
        self.rev_off[task as usize] as usize..self.rev_off[task as usize + 1] as usize
    }

    /// What stands at a place of [`Graph::dependent_range`].
    pub(crate) fn dependent(&self, at: usize) -> u32 {
        self.rev[at]
    }

    pub(crate) fn key(&self, task: u32) -> Key {
        self.keys[task as usize]
    }

    pub(crate) fn op(&self, task: u32) -> u32 {
        self.op[task as usize]
    }

    pub(crate) fn block(&self, task: u32) -> u32 {
        self.block.get(task as usize).copied().unwrap_or(0)
    }

    /// Which piece of all that it reads a task is given.
    pub(crate) fn piece(&self, task: u32) -> Option<Piece> {
        self.piece.get(task as usize).copied().flatten()
    }

    /// Bytes of what a task is given of an input.
    pub(crate) fn input_bytes(&self, task: u32, input: u32) -> u64 {
        let bytes = self.task(input).bytes;
        self.piece(task).map_or(bytes, |piece| piece.share(bytes))
    }

    pub(crate) fn annotation(&self, task: u32) -> u32 {
        self.annotation.get(task as usize).copied().unwrap_or(0)
    }

    /// A task has failed and is tried again: nanoseconds until then.
    pub(crate) fn pause(&mut self, task: u32) -> u64 {
        let annotation = self.annotation(task) as usize;
        let Some(&first) = self.backoff.get(annotation).filter(|n| **n > 0) else {
            return 0;
        };
        let failures = self.failures.entry(task).or_default();
        let pause = first.saturating_mul(1 << (*failures).min(20));
        *failures += 1;
        pause
    }

    pub(crate) fn is_impure(&self, task: u32) -> bool {
        self.impure
            .get(self.op(task) as usize)
            .copied()
            .unwrap_or(false)
    }

    pub(crate) fn rank(&self, task: u32) -> u32 {
        self.rank[task as usize]
    }

    /// The task of a rank in the static order.
    pub(crate) fn by_rank(&self, rank: u32) -> u32 {
        self.by_rank[rank as usize]
    }

    /// Which class a task is of.
    pub(crate) fn class_of(&self, task: u32) -> u16 {
        self.class.get(task as usize).copied().unwrap_or(0)
    }

    /// The tasks like this one that can run.
    pub(crate) fn ready_like(&mut self, task: u32) -> &mut ReadySet {
        let class = self.class_of(task);
        &mut self.classes[class as usize].ready
    }

    /// Whether any task can run.
    pub(crate) fn has_ready(&self) -> bool {
        self.classes.iter().any(|c| !c.ready.is_empty())
    }

    /// Edges of a task to inputs that are not there.
    pub(crate) fn count_missing(&self, task: u32) -> u32 {
        let there = |d: &&u32| self.task(**d).state != State::Stored;
        self.deps(task).iter().filter(there).count() as u32
    }

    /// The first input of a task that will never be there, with why.
    pub(crate) fn failed_input(&self, task: u32) -> Option<Arc<ErrorRecord>> {
        let failed = self
            .deps(task)
            .iter()
            .find(|&&d| matches!(self.task(d).state, State::Failed | State::Cancelled))?;
        self.error(*failed)
    }

    /// Why a task failed.
    pub(crate) fn error(&self, task: u32) -> Option<Arc<ErrorRecord>> {
        match self.task(task).state {
            State::Failed => self.errors.get(self.task(task).error as usize).cloned(),
            State::Cancelled => Some(Arc::new(super::words::cancelled())),
            _ => None,
        }
    }

    /// Keeps an error, once if the last one was the same.
    pub(crate) fn keep_error(&mut self, error: &Arc<ErrorRecord>) -> u32 {
        if !self
            .errors
            .last()
            .is_some_and(|last| Arc::ptr_eq(last, error))
        {
            self.errors.push(error.clone());
        }
        self.errors.len() as u32 - 1
    }

    /// Who has an object, sorted.
    pub(crate) fn holders(&self, task: u32) -> &[WorkerId] {
        let of = self.task(task);
        if of.shared {
            return self.holders.get(&task).map_or(&[], Vec::as_slice);
        }
        match of.holder {
            WorkerId(0) => &[],
            _ => std::slice::from_ref(&of.holder),
        }
    }

    /// One more has an object; true if it is new.
    pub(crate) fn add_holder(&mut self, task: u32, worker: WorkerId) -> bool {
        let of = &mut self.tasks[task as usize];
        if of.holder.0 == 0 {
            of.holder = worker;
            return true;
        }
        if !of.shared && of.holder == worker {
            return false;
        }
        let first = of.holder;
        let all = self.holders.entry(task).or_insert_with(|| vec![first]);
        let Err(at) = all.binary_search(&worker) else {
            return false;
        };
        all.insert(at, worker);
        of.shared = true;
        of.holder = all[0];
        true
    }

    /// One fewer; true if it was one.
    pub(crate) fn remove_holder(&mut self, task: u32, worker: WorkerId) -> bool {
        let of = &mut self.tasks[task as usize];
        if !of.shared {
            let was = of.holder == worker && worker.0 != 0;
            if was {
                of.holder = WorkerId(0);
            }
            return was;
        }
        let Some(all) = self.holders.get_mut(&task) else {
            return false;
        };
        let Ok(at) = all.binary_search(&worker) else {
            return false;
        };
        all.remove(at);
        of.holder = all[0];
        if all.len() == 1 {
            of.shared = false;
            self.holders.remove(&task);
        }
        true
    }

    /// Takes all holders away.
    pub(crate) fn take_holders(&mut self, task: u32) -> Vec<WorkerId> {
        let of = &mut self.tasks[task as usize];
        let first = std::mem::take(&mut of.holder);
        if std::mem::take(&mut of.shared) {
            return self.holders.remove(&task).unwrap_or_default();
        }
        if first.0 == 0 {
            Vec::new()
        } else {
            vec![first]
        }
    }

    /// How often the graph's own client wants an object.
    pub(crate) fn own_wants(&self, task: u32) -> u32 {
        let all = self.task(task).wants;
        if self.foreign.is_empty() {
            return all;
        }
        let range = (task, ClientId(0))..=(task, ClientId(u32::MAX));
        all - self.foreign.range(range).map(|(_, n)| n).sum::<u32>()
    }

    /// Who wants an object, the own client first.
    pub(crate) fn wanting(&self, task: u32) -> Vec<ClientId> {
        let mut all = Vec::new();
        if self.task(task).wants == 0 {
            return all;
        }
        if self.own_wants(task) > 0 {
            all.push(self.client);
        }
        let range = (task, ClientId(0))..=(task, ClientId(u32::MAX));
        all.extend(self.foreign.range(range).map(|((_, c), _)| *c));
        all
    }

    /// Bytes that the graph takes in the machine.
    pub(crate) fn footprint(&self) -> usize {
        let words = [
            &self.dep_off,
            &self.deps,
            &self.rev_off,
            &self.rev,
            &self.op,
            &self.block,
            &self.annotation,
            &self.rank,
            &self.by_rank,
            &self.outputs,
        ];
        self.tasks.capacity() * size_of::<Task>()
            + words.iter().map(|w| w.capacity() * 4).sum::<usize>()
            + self.keys.capacity() * size_of::<Key>()
            + self.class.capacity() * 2
            + self.classes.iter().map(|c| c.ready.footprint()).sum::<usize>()
            // Tables of what few tasks have: entries at what a B-tree needs for them at worst.
            + 64 * (self.literals.len() + self.sources.len() + self.holders.len())
            + 32 * (self.watchers.len() + self.foreign.len())
    }
}

/// What tasks ask of their workers, each once, and by task.
fn classes(spec: &GraphSpec) -> (Vec<Class>, Vec<u16>) {
    let n = spec.len();
    let new = |bound, only: &[String]| Class {
        bound,
        only: only.to_vec(),
        ready: ReadySet::new(n),
    };
    let plain = !spec.bound.contains(&true) && spec.only.iter().all(Vec::is_empty);
    if plain || spec.build.is_empty() && spec.only.iter().all(Vec::is_empty) {
        return (vec![new(false, &[])], Vec::new());
    }
    let (mut all, mut of) = (Vec::<Class>::new(), Vec::with_capacity(n));
    let mut known: BTreeMap<(bool, &[String]), u16> = BTreeMap::new();
    for t in 0..n {
        let bound = spec
            .bound
            .get(spec.op[t] as usize)
            .copied()
            .unwrap_or(false);
        let bound = bound && !spec.build.is_empty();
        let annotation = spec.annotation.get(t).copied().unwrap_or(0);
        let only = spec
            .only
            .get(annotation as usize)
            .map_or(&[][..], Vec::as_slice);
        let class = *known.entry((bound, only)).or_insert_with(|| {
            all.push(new(bound, only));
            (all.len() - 1) as u16
        });
        of.push(class);
    }
    if all.is_empty() {
        all.push(new(false, &[]));
    }
    (all, of)
}

/// Task to rank and back. Positions are numbers from 0 without gaps unless somebody made them up.
fn ranks(position: Vec<u32>) -> (Vec<u32>, Vec<u32>) {
    let n = position.len();
    let mut by_rank = vec![u32::MAX; n];
    for (t, &p) in position.iter().enumerate() {
        match by_rank.get_mut(p as usize) {
            Some(at) if *at == u32::MAX => *at = t as u32,
            _ => {
                by_rank = (0..n as u32).collect();
                by_rank.sort_by_key(|&t| position[t as usize]);
                let mut rank = vec![0; n];
                for (r, &t) in by_rank.iter().enumerate() {
                    rank[t as usize] = r as u32;
                }
                return (rank, by_rank);
            }
        }
    }
    (position, by_rank)
}

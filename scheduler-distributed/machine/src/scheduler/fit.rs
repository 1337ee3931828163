//! Which workers a task may run on: those of its program's build, where its code exists in no other, and those whose names it names.
//!
//! Tasks of a graph that may run on the same workers make a class; most graphs have one, whose tasks may run anywhere. A class with tasks that
//! could run, and without a single worker that may run them, is stranded: its client is told after a while, and its tasks fail after a limit.
//! Until then a worker may come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::graph::Graph;
use super::life::Work;
use super::ready::ReadySet;
use super::state::State;
use super::task::{At, Kind};
use super::{Effect, Scheduler, words};
use crate::ids::{Tick, WorkerId};
use crate::outbox::Outbox;
use crate::wire::ToClient;

/// Tasks of a graph that may run on the same workers.
#[derive(Debug)]
pub(crate) struct Class {
    /// Only processes of the client's own build have the code.
    pub(crate) bound: bool,
    /// Only workers of these names; empty: any.
    pub(crate) only: Vec<String>,
    /// Those that can run, by rank.
    pub(crate) ready: ReadySet,
}

/// As what data that waits for a worker to be put on stands beside the classes of its graph.
const DATA: u16 = u16::MAX;

/// Workers by what tasks ask of them.
#[derive(Debug)]
pub(super) struct Fitting {
    /// Numbers of builds. 0 is that of whoever does not know theirs.
    numbers: BTreeMap<String, u32>,
    /// By build: those with room, the least loaded first.
    pub(super) room: Vec<BTreeSet<(u32, WorkerId)>>,
    /// Builds of which a worker is there.
    builds: Vec<u32>,
    /// By build: how many are there.
    there: Vec<u32>,
    /// By build: whether there ever was one.
    seen: Vec<bool>,
    names: BTreeMap<String, BTreeSet<WorkerId>>,
    /// Workers that are there.
    all: u32,
    /// Classes that have begun to have tasks which could run (true), or whose workers may be gone.
    pub(super) unsure: Vec<(u32, u16, bool)>,
    /// Classes with tasks and without workers, and when something is done about it next.
    stranded: BTreeMap<(u32, u16), Stranded>,
    due: BTreeSet<(Tick, u32, u16)>,
    /// What keeps workers from coming, as far as the shell knows.
    pub(super) trouble: Option<String>,
}

#[derive(Debug)]
struct Stranded {
    due: Tick,
    told: bool,
}

impl Default for Fitting {
    fn default() -> Self {
        Self {
            numbers: BTreeMap::from([(String::new(), 0)]),
            room: vec![BTreeSet::new()],
            builds: Vec::new(),
            there: vec![0],
            seen: vec![false],
            names: BTreeMap::new(),
            all: 0,
            unsure: Vec::new(),
            stranded: BTreeMap::new(),
            due: BTreeSet::new(),
            trouble: None,
        }
    }
}

impl Fitting {
    /// The number of a build.
    pub(super) fn number(&mut self, build: &str) -> u32 {
        if let Some(&number) = self.numbers.get(build) {
            return number;
        }
        let number = self.there.len() as u32;
        self.numbers.insert(build.to_owned(), number);
        self.room.push(BTreeSet::new());
        self.there.push(0);
        self.seen.push(false);
        number
    }

    pub(super) fn joined(&mut self, worker: WorkerId, build: u32, name: &str) {
        self.all += 1;
        self.there[build as usize] += 1;
        if self.there[build as usize] == 1 {
            self.builds.push(build);
        }
        self.seen[build as usize] = true;
        let names = self.names.entry(name.to_owned()).or_default();
        names.insert(worker);
    }

    pub(super) fn lost(&mut self, worker: WorkerId, build: u32, name: &str) {
        self.all -= 1;
        self.there[build as usize] -= 1;
        if self.there[build as usize] == 0 {
            self.builds.retain(|b| *b != build);
        }
        if let Some(names) = self.names.get_mut(name) {
            names.remove(&worker);
            if names.is_empty() {
                self.names.remove(name);
            }
        }
    }

    /// The least loaded worker with room of any build; nearly always there is one build.
    fn least(&self) -> Option<WorkerId> {
        let first = |&build: &u32| self.room[build as usize].first();
        self.builds.iter().filter_map(first).min().map(|(_, w)| *w)
    }

    /// Whether any worker has room.
    pub(super) fn has_room(&self) -> bool {
        self.builds
            .iter()
            .any(|&b| !self.room[b as usize].is_empty())
    }

    /// Builds of which a worker is there, in no order that matters.
    pub(super) fn builds(&self) -> usize {
        self.builds.len()
    }

    /// One of them.
    pub(super) fn build(&self, n: usize) -> Option<usize> {
        self.builds.get(n).map(|b| *b as usize)
    }

    /// How many workers of a build are there.
    pub(super) fn there(&self, build: u32) -> u32 {
        self.there[build as usize]
    }

    fn strand(&mut self, key: (u32, u16), due: Tick) {
        if let std::collections::btree_map::Entry::Vacant(place) = self.stranded.entry(key) {
            place.insert(Stranded { due, told: false });
            self.due.insert((due, key.0, key.1));
        }
    }

    fn not_stranded(&mut self, key: (u32, u16)) {
        if let Some(s) = self.stranded.remove(&key) {
            self.due.remove(&(s.due, key.0, key.1));
        }
    }

    /// A graph's slot is free.
    pub(super) fn forget(&mut self, slot: u32) {
        let of_graph = self.stranded.range((slot, 0)..=(slot, u16::MAX));
        let keys: Vec<_> = of_graph.map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.not_stranded(key));
        self.unsure.retain(|(s, _, _)| *s != slot);
    }

    /// When something must be done about a class without workers.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.due.first().map(|(at, _, _)| *at)
    }

    pub(super) fn is_stranded(&self, slot: u32, class: u16) -> bool {
        self.stranded.contains_key(&(slot, class))
    }
}

impl Graph {
    /// From now on all its tasks run on workers of its client's build alone.
    fn bind(&mut self) {
        self.classes.iter_mut().for_each(|c| c.bound = true);
    }

    fn class(&self, class: u16) -> Option<&Class> {
        self.classes.get(class as usize)
    }

    fn first_of(&self, class: u16) -> Option<u32> {
        self.classes[class as usize].ready.first()
    }
}

impl Scheduler {
    /// Whether a worker may run the tasks of a class.
    fn fits(&self, graph: &Graph, class: &Class, worker: WorkerId) -> bool {
        self.worker(worker).is_some_and(|w| {
            (!class.bound || w.build == graph.build)
                && (class.only.is_empty() || class.only.contains(&w.info.name))
        })
    }

    /// Whether a worker may run a task.
    pub(super) fn may_run(&self, at: At, worker: WorkerId) -> bool {
        let graph = self.graph(at.slot);
        let class = &graph.classes[graph.class_of(at.task) as usize];
        (!class.bound && class.only.is_empty()) || self.fits(graph, class, worker)
    }

    /// The least loaded worker with room that may run the tasks of a class and is none of these.
    pub(super) fn least_loaded(
        &self,
        slot: u32,
        class: u16,
        avoided: &[WorkerId],
    ) -> Option<WorkerId> {
        let graph = self.graph(slot);
        let class = graph.class(class)?;
        let fine = |w: &WorkerId| !avoided.contains(w);
        let first = |build: u32| {
            let room = &self.fitting.room[build as usize];
            room.iter().find(|(_, w)| fine(w)).copied()
        };
        if class.only.is_empty() && class.bound {
            return first(graph.build).map(|(_, w)| w);
        }
        if class.only.is_empty() {
            if avoided.is_empty() {
                return self.fitting.least();
            }
            let all = self.fitting.builds.iter();
            return all.filter_map(|&b| first(b)).min().map(|(_, w)| w);
        }
        let named = class.only.iter().filter_map(|n| self.fitting.names.get(n));
        let listed = named.flatten().copied().filter(fine).filter_map(|w| {
            let load = self.worker(w)?.listed?;
            self.fits(graph, class, w).then_some((load, w))
        });
        listed.min().map(|(_, w)| w)
    }

    /// The task of a graph that comes first among those that can run and for which there is room. Somebody has room.
    pub(super) fn next_of(&self, slot: u32) -> Option<At> {
        let graph = self.graph(slot);
        if let [class] = &graph.classes[..]
            && !class.bound
            && class.only.is_empty()
        {
            let task = graph.by_rank(class.ready.first()?);
            return Some(At { slot, task });
        }
        let ranks = (0..graph.classes.len() as u16).filter_map(|class| {
            let rank = graph.first_of(class)?;
            self.least_loaded(slot, class, &[]).map(|_| rank)
        });
        let rank = ranks.min()?;
        let task = graph.by_rank(rank);
        Some(At { slot, task })
    }

    /// Whether a task of a graph that could run on this worker comes before this rank.
    pub(super) fn waits_before(&self, slot: u32, rank: u32, worker: WorkerId) -> bool {
        let graph = self.graph(slot);
        graph.classes.iter().any(|class| {
            class.ready.first().is_some_and(|first| first < rank)
                && ((!class.bound && class.only.is_empty()) || self.fits(graph, class, worker))
        })
    }

    /// Whether a worker is there, busy or not, that may run the tasks of a class.
    pub(super) fn is_fitting_there(&self, graph: &Graph, class: &Class) -> bool {
        if !class.only.is_empty() {
            let named = class.only.iter().filter_map(|n| self.fitting.names.get(n));
            return named.flatten().any(|&w| self.fits(graph, class, w));
        }
        match class.bound {
            true => self.fitting.there(graph.build) > 0,
            false => self.fitting.all > 0,
        }
    }

    /// Whether an error of a worker says that the code or the types of a graph are not there, as they would be in a process of its client's own
    /// build. If so, the graph goes to none of another build any more, and the attempt does not count.
    pub(super) fn is_misplaced(
        &mut self,
        at: At,
        worker: WorkerId,
        kind: kvern_core::ErrorKind,
    ) -> bool {
        use kvern_core::ErrorKind::{Decode, NotPortable, NotRegistered};
        let graph = self.graph(at.slot);
        let theirs = self.worker(worker).map(|w| w.build);
        let elsewhere =
            graph.build != 0 && theirs != Some(graph.build) && self.fitting.there(graph.build) > 0;
        if !elsewhere || !matches!(kind, NotRegistered | NotPortable | Decode) {
            return false;
        }
        // What such an operator has done before its result could not leave, it must not do again.
        if graph.is_impure(at.task) && kind != NotRegistered {
            return false;
        }
        self.graph_mut(at.slot).bind();
        self.all_unsure(Some(at.slot));
        true
    }

    /// The workers have changed, or what a graph asks of them: all classes with tasks that could run are looked at.
    pub(super) fn all_unsure(&mut self, only: Option<u32>) {
        for (slot, graph) in self.graphs.iter().enumerate() {
            let slot = slot as u32;
            let Some(graph) = graph else { continue };
            if only.is_some_and(|s| s != slot) || !graph.in_ring {
                continue;
            }
            let ready = graph.classes.iter().enumerate();
            let ready = ready.filter(|(_, c)| !c.ready.is_empty());
            let unsure = &mut self.fitting.unsure;
            unsure.extend(ready.map(|(n, _)| (slot, n as u16, false)));
        }
    }

    /// Notes which classes have no worker any more, or never had.
    pub(super) fn strand(&mut self) {
        while let Some((slot, n, begins)) = self.fitting.unsure.pop() {
            let Some(Some(graph)) = self.graphs.get(slot as usize) else {
                continue;
            };
            let Some(class) = graph.class(n).filter(|c| !c.ready.is_empty()) else {
                continue;
            };
            let there = self.is_fitting_there(graph, class);
            if there || begins {
                self.fitting.not_stranded((slot, n));
            }
            if there {
                continue;
            }
            let due = self.now.after(self.config.told);
            self.fitting.strand((slot, n), due);
        }
    }

    /// Data of a graph waits for a worker to be put on.
    pub(super) fn strand_data(&mut self, slot: u32) {
        let due = self.now.after(self.config.told);
        self.fitting.strand((slot, DATA), due);
    }

    /// A worker has come: classes that it may run are not stranded any more.
    pub(super) fn look_at_stranded(&mut self) {
        let all: Vec<(u32, u16)> = self.fitting.stranded.keys().copied().collect();
        for (slot, n) in all {
            let Some(Some(graph)) = self.graphs.get(slot as usize) else {
                continue;
            };
            let class = graph.class(n);
            // Whatever it is, data can be put there.
            if n == DATA || class.is_none_or(|c| self.is_fitting_there(graph, c)) {
                self.fitting.not_stranded((slot, n));
            }
        }
    }

    /// Tells clients of tasks that wait for workers, and ends the wait of those that have waited long enough.
    pub(super) fn tell_stranded(&mut self, out: &mut Outbox<Effect>) {
        while let Some(&(due, slot, n)) = self.fitting.due.first() {
            if due > self.now {
                return;
            }
            let key = (slot, n);
            let waiting = self.stranded_tasks(slot, n);
            let told = self.fitting.stranded.get(&key).is_some_and(|s| s.told);
            self.fitting.not_stranded(key);
            let Some(&first) = waiting.first() else {
                // Done with by other means; it is looked at anew when there is something again.
                continue;
            };
            let words = self.why_stranded(slot, n, waiting.len());
            let first = self.graph(slot).key(first);
            let error = match (self.is_forgotten(slot, n), told) {
                (true, _) => Some(words::no_such_build(first, self.fitting.all)),
                (false, true) => Some(words::no_workers(first, &words)),
                (false, false) => None,
            };
            if let Some(error) = error.map(Arc::new) {
                for task in waiting {
                    self.work.push(Work::Fail(At { slot, task }, error.clone()));
                }
                self.settle(out);
                continue;
            }
            let graph = self.graph(slot);
            let limit = self.config.no_workers;
            let message = ToClient::NoWorkers {
                graph: graph.id,
                tasks: waiting.len() as u32,
                words: words::until(&words, limit),
            };
            out.push(Effect::ToClient(graph.client, message));
            let due = match limit {
                Some(limit) => self.now.after(limit.saturating_sub(self.config.told)),
                None => Tick(u64::MAX),
            };
            let stranded = Stranded { due, told: true };
            self.fitting.stranded.insert(key, stranded);
            if limit.is_some() {
                self.fitting.due.insert((due, slot, n));
            }
        }
    }

    /// The tasks of a class that could run; of data, what waits for a worker.
    fn stranded_tasks(&self, slot: u32, class: u16) -> Vec<u32> {
        let Some(Some(graph)) = self.graphs.get(slot as usize) else {
            return Vec::new();
        };
        if class == DATA {
            let homeless = self.homeless.iter().filter(|t| t.graph == graph.id);
            let waits = |t: &u32| {
                let task = graph.task(*t);
                task.kind == Kind::Backed && task.state == State::Waiting
            };
            return homeless.map(|t| t.task).filter(waits).collect();
        }
        let Some(class) = graph.class(class) else {
            return Vec::new();
        };
        let ranks = class.ready.iter();
        ranks.map(|rank| graph.by_rank(rank)).collect()
    }

    /// Whether others are there, and of the build that a class is bound to none has ever been: somebody has forgotten it, and it need not be
    /// waited for.
    fn is_forgotten(&self, slot: u32, class: u16) -> bool {
        let graph = self.graph(slot);
        let seen = self.fitting.seen[graph.build as usize];
        let bound = graph.class(class).is_some_and(|c| c.bound);
        bound && !seen && self.fitting.all > 0
    }

    fn why_stranded(&self, slot: u32, class: u16, tasks: usize) -> String {
        let graph = self.graph(slot);
        let (bound, only) = match graph.class(class) {
            Some(class) => (class.bound, &class.only[..]),
            None => (false, &[][..]),
        };
        let trouble = self.fitting.trouble.as_deref();
        words::stranded(tasks, self.fitting.all, bound, only, trouble)
    }
}

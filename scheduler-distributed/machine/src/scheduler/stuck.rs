//! What tasks wait for, and what gets no slot: it is begun beyond the slots.
//!
//! A task that waits for others gives up its slot, and may hold a lock that whatever takes the slot wants. Then nothing comes to an end, no slot
//! comes free, and what it waits for would never run. So where nothing of a graph that tasks wait for runs, and nothing has come to an end for a
//! while where it could, one of its tasks is begun all the same; and the next one when that has ended, since all others may be stuck until the graph
//! is done.
//!
//! One graph at a time, the newest first: it is what the deepest task waits for. And the more has begun so without having ended, the later comes the
//! next: slots may as well be taken by tasks that are merely long.

use super::state::State;
use super::task::At;
use super::{Effect, Scheduler};
use crate::ids::{GraphId, WorkerId};
use crate::outbox::Outbox;
use crate::wire::ToWorker;

/// A task that can be begun: at a worker that has it, or is to get it.
struct Stuck {
    at: At,
    worker: WorkerId,
    /// The worker has it.
    given: bool,
}

impl Scheduler {
    /// A task waits for others from now on.
    pub(super) fn mind_the_stuck(&mut self) {
        let at = self.now.after(self.config.stuck);
        self.stuck_at.get_or_insert(at);
    }

    /// Begins a task beyond the slots, if it is time and one is stuck.
    pub(super) fn free_the_stuck(&mut self, out: &mut Outbox<Effect>) {
        if self.stuck_at.is_none_or(|at| at > self.now) {
            return;
        }
        if self.workers.iter().flatten().all(|w| w.seceded == 0) {
            self.stuck_at = None;
            return;
        }
        let given = self.workers.iter().flatten().flat_map(|w| &w.given);
        let mut before = given
            .filter(|g| g.beyond && !g.seceded && !g.aborted)
            .count() as u32;
        if let Some(stuck) = self.stuck() {
            self.begin(&stuck, out);
            before += 1;
        }
        self.stuck_at = Some(self.now.after(self.config.stuck << before.min(6)));
    }

    /// The task to begin.
    fn stuck(&self) -> Option<Stuck> {
        let for_tasks = self.clients.values().filter(|c| c.for_tasks);
        let mut graphs = for_tasks.flat_map(|c| c.graphs.iter().rev());
        graphs.find_map(|graph| self.stuck_in(*graph))
    }

    /// The first task of a graph that could run, if none does and nothing goes on where it could.
    fn stuck_in(&self, graph: GraphId) -> Option<Stuck> {
        let slot = *self.by_id.get(&graph)?;
        let graph = self.graph(slot);
        if graph.running > 0 || graph.cancelled || (graph.active == 0 && !graph.has_ready()) {
            return None;
        }
        // A graph that is at it stays at it.
        let patience = if graph.beyond { 0 } else { self.config.stuck };
        let still = |worker: WorkerId| {
            self.worker(worker)
                .is_some_and(|w| w.moved.after(patience) <= self.now)
        };
        let mut first: Option<(u32, Stuck)> = None;
        for (n, entry) in self.workers.iter().enumerate() {
            for given in entry.iter().flat_map(|e| &e.given) {
                if given.task.graph != graph.id || given.aborted || given.started {
                    continue;
                }
                let task = given.task.task;
                let is_full = entry.as_ref().is_some_and(|e| e.queued() > e.slots());
                if given.beyond || !is_full || graph.task(task).state == State::Retracting {
                    // It is on its way.
                    return None;
                }
                let rank = graph.rank(task);
                if graph.task(task).state == State::Assigned
                    && first.as_ref().is_none_or(|f| rank < f.0)
                {
                    let (at, worker) = (At { slot, task }, WorkerId(n as u32));
                    let given = true;
                    first = Some((rank, Stuck { at, worker, given }));
                }
            }
        }
        if let Some((_, stuck)) = first {
            return still(stuck.worker).then_some(stuck);
        }
        let ready = graph.classes.iter().filter_map(|c| c.ready.first());
        let at = At {
            slot,
            task: graph.by_rank(ready.min()?),
        };
        let mut best: Option<(u32, WorkerId)> = None;
        for (n, entry) in self.workers.iter().enumerate() {
            let worker = WorkerId(n as u32);
            let Some(entry) = entry.as_ref().filter(|_| self.may_run(at, worker)) else {
                continue;
            };
            // Where things go on its turn comes.
            if entry.listed.is_some() || !still(worker) {
                return None;
            }
            if entry.rests.is_none() {
                let this = (entry.load(), worker);
                best = Some(best.map_or(this, |b| b.min(this)));
            }
        }
        let (_, worker) = best?;
        let given = false;
        Some(Stuck { at, worker, given })
    }

    fn begin(&mut self, stuck: &Stuck, out: &mut Outbox<Effect>) {
        let &Stuck { at, worker, given } = stuck;
        if !given {
            self.assign(at, worker, out);
        }
        let graph = self.graph_mut(at.slot);
        graph.beyond = true;
        let (task, attempt) = (graph.name(at.task), graph.task(at.task).attempt);
        if let Some(entry) = self.worker_mut(worker)
            && let Some(i) = entry.find(task, attempt)
        {
            entry.given[i].beyond = true;
            out.push(Effect::ToWorker(worker, ToWorker::Begin { task, attempt }));
        }
    }
}

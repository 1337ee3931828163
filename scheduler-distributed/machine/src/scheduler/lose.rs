//! A worker is gone: what only it had is made again if it is needed, and what it was given goes to others.

use std::sync::Arc;

use super::life::Work;
use super::state::State;
use super::task::{At, Kind};
use super::workers::Given;
use super::{Effect, Scheduler, words};
use crate::ids::{TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::wire::{Spilled, ToClient, ToWorker};

/// What part an attempt may have had in the end of its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It ran.
    Ran,
    /// It was next to run.
    Perhaps,
    /// Others came before it.
    Waited,
}

impl Part {
    /// How heavily it counts. A task that ends its process at once may do so before it is known to have begun, each time anew; one that is
    /// next when its workers are lost for other reasons is not soon blamed for it.
    fn points(self) -> u8 {
        match self {
            Self::Ran => 4,
            Self::Perhaps => 1,
            Self::Waited => 0,
        }
    }
}

impl Scheduler {
    pub(super) fn worker_lost(&mut self, worker: WorkerId, why: &str, out: &mut Outbox<Effect>) {
        // Its disk is gone with it.
        self.spilled(worker, Spilled::default());
        let Some(entry) = self
            .workers
            .get_mut(worker.0 as usize)
            .and_then(Option::take)
        else {
            return;
        };
        if let Some(load) = entry.listed {
            self.fitting.room[entry.build as usize].remove(&(load, worker));
        }
        self.fitting.lost(worker, entry.build, &entry.info.name);
        self.not_resting(worker, &entry);
        if let Some(load) = entry.surplus {
            self.surplus.remove(&(load, worker));
        }
        out.push(Effect::Disconnect(worker));
        self.tell_peers(worker, out);
        self.all_unsure(None);
        let slots = entry.slots() as usize;
        let name = entry.info.name;
        for at in self.take_objects(worker) {
            let task = self.graph(at.slot).task(at.task);
            if task.kind == Kind::Backed && task.state == State::Waiting {
                self.put_again(at, WorkerId(0), out);
            } else if task.kind == Kind::Scattered && task.state == State::Waiting {
                let error = words::scattered_lost(self.graph(at.slot).key(at.task), &name, why);
                self.work.push(Work::Fail(at, Arc::new(error)));
            } else if task.state == State::Stored {
                self.lost(at, why, &name, out);
            }
        }
        let doubtful = self.doubtful(&entry.given, slots);
        for given in entry.given {
            self.not_coming(given.thief);
            let part = match given.started {
                true => Part::Ran,
                false if doubtful.contains(&given.task) => Part::Perhaps,
                false => Part::Waited,
            };
            self.attempt_lost(&given, part, &format!("{name}: {why}"));
        }
        self.take_answers(worker, out);
    }

    /// Objects whose last holder was this one, and data that a client was to put there.
    fn take_objects(&mut self, worker: WorkerId) -> Vec<At> {
        let mut gone = Vec::new();
        for (slot, graph) in self.graphs.iter_mut().enumerate() {
            let Some(graph) = graph else { continue };
            graph.introduced.remove(worker.0);
            for t in 0..graph.len() as u32 {
                let task = graph.task(t);
                let at = At {
                    slot: slot as u32,
                    task: t,
                };
                let awaited =
                    task.kind.is_put() && task.state == State::Waiting && task.worker == worker;
                let may_hold = task.holder == worker || task.shared;
                if awaited
                    || (may_hold && graph.remove_holder(t, worker) && graph.holders(t).is_empty())
                {
                    gone.push(at);
                }
            }
        }
        gone
    }

    /// Those that came next on each slot of a worker: it may have begun them and have had no time left to say so.
    fn doubtful(&self, given: &[Given], slots: usize) -> Vec<TaskRef> {
        let waited = given.iter().filter(|g| !g.started && !g.aborted);
        let mut order: Vec<(u32, TaskRef)> = waited
            .filter_map(|g| self.locate(g.task).map(|at| (at, g.task)))
            .map(|(at, task)| (self.graph(at.slot).rank(at.task), task))
            .collect();
        order.sort_unstable();
        order.truncate(slots);
        order.into_iter().map(|(_, task)| task).collect()
    }

    /// A worker took an attempt with it. If it was running, it may be to blame.
    fn attempt_lost(&mut self, given: &Given, part: Part, how: &str) {
        self.attempt_ended(given.task);
        let Some(at) = self.locate(given.task) else {
            return;
        };
        // What else was lost may have made it needless already.
        let task = self.graph(at.slot).task(at.task);
        if given.aborted || !task.state.at_worker() || task.attempt != given.attempt {
            return;
        }
        let limit = self
            .config
            .charges
            .saturating_mul(Part::Ran.points().into());
        let limit = limit.min(u8::MAX.into());
        let graph = self.graph_mut(at.slot);
        let key = graph.key(at.task);
        let impure = graph.is_impure(at.task);
        let task = graph.task_mut(at.task);
        if part != Part::Waited {
            task.charges = task.charges.saturating_add(part.points());
            let (charges, attempts) = (u32::from(task.charges), task.attempt.0);
            // What an operator that must not run twice has done before the end, nobody knows.
            let spent = impure && task.retries == 0;
            task.retries -= u16::from(impure && !spent);
            let workers = self.charged.entry(given.task).or_default();
            workers.push(how.to_owned());
            if charges >= limit {
                let error = words::killed(key, attempts, workers);
                self.work.push(Work::Fail(at, Arc::new(error)));
                return;
            }
            if spent {
                let error = match part {
                    Part::Ran => words::impure_lost(key),
                    Part::Perhaps | Part::Waited => words::impure_doubtful(key),
                };
                self.work.push(Work::Fail(at, Arc::new(error)));
                return;
            }
        }
        let why = match part {
            Part::Ran => "tried again",
            Part::Perhaps | Part::Waited => "given back",
        };
        self.set(at, State::Waiting, why);
        self.reconsider(at);
    }

    fn tell_peers(&mut self, worker: WorkerId, out: &mut Outbox<Effect>) {
        for (i, other) in self.workers.iter_mut().enumerate() {
            if other.as_mut().is_some_and(|o| o.peers.remove(worker.0)) {
                let to = WorkerId(i as u32);
                out.push(Effect::ToWorker(to, ToWorker::PeerLost(worker)));
            }
        }
        for (&client, entry) in &mut self.clients {
            if entry.peers.remove(worker.0) {
                out.push(Effect::ToClient(client, ToClient::PeerLost(worker)));
            }
        }
    }

    /// Clients that waited for an answer of this worker hear what there is to say without it.
    fn take_answers(&mut self, worker: WorkerId, out: &mut Outbox<Effect>) {
        let waiting: Vec<_> = self
            .asked
            .iter()
            .filter(|a| a.worker == worker)
            .copied()
            .collect();
        for asked in waiting {
            self.asked.remove(&asked);
            if let Some(at) = self.locate(asked.task) {
                self.tell_where(asked.client, at, out);
            }
        }
    }
}

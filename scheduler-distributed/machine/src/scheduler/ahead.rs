//! Tasks that a worker gets before they can run, since it makes itself what they still lack: a chain whose links stay on one worker
//! needs no message there and back for each of them.
//!
//! - A task goes ahead only to the worker that is to make all of its inputs that are not there, and only if the others are no more to
//!   fetch than what is made there.
//! - Each task at a worker leads one other there at most. So what is ahead is never wider than what was placed: of what reads one result
//!   one goes ahead, the rest is spread when the result is there.
//! - It takes up no room: placing and stealing look past it. And nothing is sent while a task that could run comes first.
//! - If what it waits for will not be made there, it is asked back, not stopped: had it started all the same, it would run twice.

use std::cmp::Reverse;

use super::state::State;
use super::task::{At, Kind};
use super::{Effect, Scheduler};
use crate::ids::WorkerId;
use crate::outbox::Outbox;
use crate::wire::ToWorker;

/// So many readers of a task are looked at for one that can go ahead.
const READERS: usize = 16;

/// A task that reads more than this does not go ahead: it would take long to find out whether it can.
const INPUTS: usize = 32;

impl Scheduler {
    /// Sends tasks ahead where something has changed.
    pub(super) fn send_ahead(&mut self, out: &mut Outbox<Effect>) {
        while let Some(worker) = self.reaching.pop() {
            if let Some(entry) = self.worker_mut(worker) {
                entry.reaching = false;
                self.reach(worker, out);
            }
        }
    }

    /// Sends tasks ahead to a worker, as many as it may have.
    fn reach(&mut self, worker: WorkerId, out: &mut Outbox<Effect>) {
        while let Some(entry) = self.worker(worker) {
            if entry.ahead >= entry.reach(&self.config) {
                return;
            }
            let Some(&(tip, attempt)) = entry.tips.front() else {
                return;
            };
            let graph = self.graphs[tip.slot as usize].as_ref();
            let task = graph.and_then(|g| g.tasks.get(tip.task as usize));
            let leads = task.is_some_and(|t| {
                t.state.being_made() && t.worker == worker && t.attempt == attempt && !t.led
            });
            if leads {
                if self.comes_first(tip, worker) {
                    return;
                }
                if let Some(next) = self.follower(tip, worker) {
                    if self.comes_first(next, worker) {
                        return;
                    }
                    self.graph_mut(tip.slot).task_mut(tip.task).led = true;
                    let why = "sent along with what it reads";
                    self.give(next, worker, State::Ahead, why, out);
                }
            }
            if let Some(entry) = self.worker_mut(worker) {
                entry.tips.pop_front();
            }
        }
    }

    /// Whether a task that could run should run before this one, or belongs to another graph, whose turn it may be.
    fn comes_first(&self, at: At, worker: WorkerId) -> bool {
        let graph = self.graph(at.slot);
        let rank = graph.rank(at.task);
        let rings = self.rings.range(..=Reverse(graph.priority));
        rings.flat_map(|(_, ring)| ring).any(|&slot| {
            let rank = if slot == at.slot { rank } else { u32::MAX };
            self.waits_before(slot, rank, worker)
        })
    }

    /// Of the tasks that read one that a worker is to make, the first that can wait for it there.
    fn follower(&self, tip: At, worker: WorkerId) -> Option<At> {
        let graph = self.graph(tip.slot);
        let mut best: Option<(u32, u32)> = None;
        for i in graph.dependent_range(tip.task).take(READERS) {
            let task = graph.dependent(i);
            let rank = graph.rank(task);
            if graph.task(task).state == State::Waiting
                && best.is_none_or(|(first, _)| rank < first)
                && self.can_wait_at(At { task, ..tip }, worker)
            {
                best = Some((rank, task));
            }
        }
        best.map(|(_, task)| At { task, ..tip })
    }

    /// Whether a worker is to make all that a task lacks, and no more is to be fetched than that and what it has.
    fn can_wait_at(&self, at: At, worker: WorkerId) -> bool {
        let graph = self.graph(at.slot);
        let deps = graph.deps(at.task);
        if deps.len() > INPUTS {
            return false;
        }
        let (mut here, mut elsewhere) = (0u64, 0u64);
        for &dep in deps {
            let input = graph.task(dep);
            // Small ones cost a message as well.
            let bytes = graph.input_bytes(at.task, dep).saturating_add(4096);
            let is_here = match (input.kind, input.state) {
                (Kind::Literal, _) => continue,
                (_, State::Stored) => {
                    let from = self.source(At { task: dep, ..at });
                    self.graph(from.slot).holders(from.task).contains(&worker)
                }
                (Kind::Task, state) if state.being_made() && input.worker == worker => true,
                _ => return false,
            };
            let side = if is_here { &mut here } else { &mut elsewhere };
            *side = side.saturating_add(bytes);
        }
        let avoids = || {
            let missing = self.missing.get(&self.name(at));
            missing.is_some_and(|m| m.from.contains(&worker))
        };
        elsewhere <= here && (self.missing.is_empty() || !avoids()) && self.may_run(at, worker)
    }

    /// A task waits for one last input: it may be sent to the worker that makes it.
    pub(super) fn tip_of_last(&mut self, at: At) {
        let graph = self.graph(at.slot);
        let deps = graph.deps(at.task);
        if deps.len() > INPUTS {
            return;
        }
        let there = |d: &&u32| graph.task(**d).state == State::Stored;
        let Some(&last) = deps.iter().find(|d| !there(d)) else {
            return;
        };
        let task = graph.task(last);
        if task.kind == Kind::Task && task.state.being_made() && !task.led {
            let worker = task.worker;
            self.add_tip(At { task: last, ..at }, worker);
        }
    }

    /// A worker was given a task: something may be sent after it.
    pub(super) fn add_tip(&mut self, at: At, worker: WorkerId) {
        let graph = self.graph(at.slot);
        if graph.dependent_range(at.task).is_empty() {
            return;
        }
        let attempt = graph.task(at.task).attempt;
        let most = 2 * (self.config.prefill + self.config.ahead) as usize;
        if let Some(entry) = self.worker_mut(worker) {
            // Where other tasks came first for so long, those at the front are over.
            if entry.tips.len() >= most {
                entry.tips.pop_front();
            }
            entry.tips.push_back((at, attempt));
        }
        self.look_ahead(worker);
    }

    /// Something may be sent ahead to a worker now that could not before.
    pub(super) fn look_ahead(&mut self, worker: WorkerId) {
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        if !entry.tips.is_empty() && !std::mem::replace(&mut entry.reaching, true) {
            self.reaching.push(worker);
        }
    }

    /// One more or one fewer is ahead at a worker.
    pub(super) fn count_ahead(&mut self, worker: WorkerId, more: bool) {
        // The entry of one that was lost is gone, and the count with it.
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        if more {
            entry.ahead += 1;
        } else {
            entry.ahead -= 1;
            self.look_ahead(worker);
        }
        self.relist(worker);
    }

    /// What reads a task, and waits where that will not be made, is asked back.
    pub(super) fn recall_readers(&mut self, at: At, out: &mut Outbox<Effect>) {
        for i in self.graph(at.slot).dependent_range(at.task) {
            let task = self.graph(at.slot).dependent(i);
            self.recall(At { task, ..at }, out);
        }
    }

    /// Asks a task back if it is ahead. If it has started all the same, with all its inputs, it stays where it is.
    pub(super) fn recall(&mut self, at: At, out: &mut Outbox<Effect>) {
        let graph = self.graph(at.slot);
        let task = graph.task(at.task);
        if task.state != State::Ahead {
            return;
        }
        let (worker, attempt, task) = (task.worker, task.attempt, graph.name(at.task));
        self.set(at, State::Retracting, "what it waits for goes elsewhere");
        let retract = ToWorker::Retract { task, attempt };
        out.push(Effect::ToWorker(worker, retract));
    }
}

//! What workers say.

use std::sync::Arc;

use kvern_core::error::ErrorRecord;

use super::life::Work;
use super::state::State;
use super::task::{At, Kind};
use super::workers::{Asked, Entry, Given};
use super::{Effect, Scheduler, WorkerInfo};
use crate::ids::{Attempt, ClientId, GraphId, TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::wire::{FromWorker, ToClient, ToWorker};

impl Scheduler {
    pub(super) fn worker_joined(
        &mut self,
        worker: WorkerId,
        info: WorkerInfo,
        out: &mut Outbox<Effect>,
    ) {
        let index = worker.0 as usize;
        if self.workers.len() <= index {
            self.workers.resize_with(index + 1, || None);
        }
        if worker.0 > 0 && self.workers[index].is_none() {
            let build = self.fitting.number(&info.build);
            self.fitting.joined(worker, build, &info.name);
            self.fitting.trouble = None;
            self.workers[index] = Some(Entry::new(info, build, self.now));
            self.relist(worker);
            self.look_at_stranded();
            self.house_the_homeless(out);
        }
    }

    pub(super) fn hear_worker(
        &mut self,
        worker: WorkerId,
        message: FromWorker,
        out: &mut Outbox<Effect>,
    ) {
        if self.worker(worker).is_none() {
            // It was given up and does not know it yet.
            out.push(Effect::Disconnect(worker));
            return;
        }
        match message {
            FromWorker::Started { task, attempt } => self.started(worker, task, attempt, out),
            FromWorker::Done {
                task,
                attempt,
                bytes,
                nanos,
                inline,
            } => {
                let given = self.take_given(worker, task, attempt);
                self.went_well(worker);
                self.learn(worker, nanos);
                let at = self.locate(task);
                match (given, at) {
                    (Some(Given { aborted: false, .. }), Some(at)) => {
                        let finished = || ToClient::TaskFinished {
                            task,
                            worker,
                            nanos,
                            bytes,
                        };
                        self.tell_task(at.slot, worker, finished, out);
                        self.made(at, worker, bytes, inline.as_ref(), out);
                    }
                    // Not the attempt that counts, but an object all the same: as good as any other copy.
                    _ => self.have(worker, task, bytes, out),
                }
            }
            FromWorker::Failed {
                task,
                attempt,
                error,
            } => self.attempt_failed(worker, task, attempt, error, out),
            FromWorker::InputMissing {
                task,
                attempt,
                object,
                tried,
            } => self.input_missing(worker, task, attempt, object.whole(), &tried, out),
            FromWorker::Aborted { task, attempt } | FromWorker::Retracted { task, attempt } => {
                self.given_back(worker, task, attempt, out);
            }
            FromWorker::Seceded { task, attempt } => self.seceded(worker, task, attempt, true),
            FromWorker::Rejoined { task, attempt } => self.seceded(worker, task, attempt, false),
            FromWorker::Have { object, bytes } => {
                self.have(worker, object, bytes, out);
                self.answered(worker, object, out);
            }
            FromWorker::Spilled(now) => self.spilled(worker, now),
            FromWorker::Moved {
                object,
                bytes,
                back,
            } => {
                if let Some(at) = self.locate(object.whole()) {
                    let key = self.graph(at.slot).key(at.task);
                    self.tell_run(at.slot, || ToClient::Moved { key, bytes, back }, out);
                }
            }
            // Passed on by the shell.
            FromWorker::Log { .. } => {}
            FromWorker::Gone(object) => {
                self.replica_gone(worker, object, out);
                self.answered(worker, object, out);
            }
        }
    }

    /// Ends an attempt at a worker.
    pub(super) fn take_given(
        &mut self,
        worker: WorkerId,
        task: TaskRef,
        attempt: Attempt,
    ) -> Option<Given> {
        let now = self.now;
        let entry = self.worker_mut(worker)?;
        let i = entry.find(task, attempt)?;
        let given = entry.given.swap_remove(i);
        entry.seceded -= u32::from(given.seceded);
        entry.moved = now;
        self.not_coming(given.thief);
        self.relist(worker);
        if given.beyond {
            self.stuck_at = Some(now);
        }
        self.attempt_ended(task);
        Some(given)
    }

    /// One attempt fewer in a graph.
    pub(super) fn attempt_ended(&mut self, task: TaskRef) {
        let Some(&slot) = self.by_id.get(&task.graph) else {
            return;
        };
        let graph = self.graph_mut(slot);
        graph.active -= 1;
        if graph.active == 0 {
            self.work.push(Work::Graph(slot));
        }
    }

    fn learn(&mut self, worker: WorkerId, nanos: u64) {
        self.mean = match self.mean {
            0 => nanos,
            mean => mean - mean / 8 + nanos / 8,
        };
        if let Some(Some(entry)) = self.workers.get_mut(worker.0 as usize) {
            entry.learn(nanos, &self.config);
            self.relist(worker);
        }
    }

    fn started(
        &mut self,
        worker: WorkerId,
        task: TaskRef,
        attempt: Attempt,
        out: &mut Outbox<Effect>,
    ) {
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        let Some(i) = entry.find(task, attempt) else {
            return;
        };
        let given = &mut entry.given[i];
        let again = std::mem::replace(&mut given.started, true);
        let (aborted, thief) = (given.aborted, std::mem::take(&mut given.thief));
        self.not_coming(thief);
        self.relist(worker);
        if let (Some(at), false, false) = (self.locate(task), aborted, again) {
            self.set(at, State::Running, "started");
            let started = || ToClient::TaskStarted { task, worker };
            self.tell_task(at.slot, worker, started, out);
        }
    }

    /// A worker has the object of a task that it was given.
    fn made(
        &mut self,
        at: At,
        worker: WorkerId,
        bytes: u64,
        inline: Option<&Payload>,
        out: &mut Outbox<Effect>,
    ) {
        let name = self.name(at);
        self.missing.remove(&name);
        self.graph_mut(at.slot).task_mut(at.task).bytes = bytes;
        self.add_holder(at, worker);
        self.stored(at, "done", inline, out);
    }

    fn attempt_failed(
        &mut self,
        worker: WorkerId,
        task: TaskRef,
        attempt: Attempt,
        error: ErrorRecord,
        out: &mut Outbox<Effect>,
    ) {
        let given = self.take_given(worker, task, attempt);
        let (Some(Given { aborted: false, .. }), Some(at)) = (given, self.locate(task)) else {
            return;
        };
        if self.is_misplaced(at, worker, error.kind) {
            self.set(at, State::Waiting, "tried again");
            self.reconsider(at);
            return;
        }
        self.went_wrong(worker);
        let client = self.graph(at.slot).client;
        let of = self.graph_mut(at.slot).task_mut(at.task);
        let retried = of.retries > 0 && error.kind.may_pass();
        of.retries -= u16::from(retried);
        let told = ToClient::TaskFailed {
            task,
            error: error.clone(),
            retried,
        };
        out.push(Effect::ToClient(client, told));
        if !retried {
            self.work.push(Work::Fail(at, Arc::new(error)));
            return;
        }
        match self.graph_mut(at.slot).pause(at.task) {
            0 => {
                self.set(at, State::Waiting, "tried again");
                self.reconsider(at);
            }
            pause => self.park(at, pause, "tried again after a while"),
        }
    }

    /// An attempt was given back without having come to an end.
    fn given_back(
        &mut self,
        worker: WorkerId,
        task: TaskRef,
        attempt: Attempt,
        out: &mut Outbox<Effect>,
    ) {
        let Some(given) = self.take_given(worker, task, attempt) else {
            return;
        };
        let Some(at) = self.locate(task) else {
            return;
        };
        if given.aborted {
            return;
        }
        self.set(at, State::Waiting, "given back");
        self.reconsider(at);
        self.hand_to_thief(at, given.thief, out);
    }

    fn seceded(&mut self, worker: WorkerId, task: TaskRef, attempt: Attempt, to: bool) {
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        let Some(i) = entry.find(task, attempt) else {
            return;
        };
        if std::mem::replace(&mut entry.given[i].seceded, to) == to {
            return;
        }
        if to {
            entry.seceded += 1;
            self.mind_the_stuck();
        } else {
            entry.seceded -= 1;
        }
        self.relist(worker);
    }

    /// A worker says that it has an object: one that it fetched, that a client put there, or the result of a stale attempt.
    fn have(&mut self, worker: WorkerId, object: TaskRef, bytes: u64, out: &mut Outbox<Effect>) {
        let at = self.locate(object);
        let of = at.map(|at| self.graph(at.slot).task(at.task));
        match (at, of.map(|t| (t.kind, t.state, t.attempt.0 > 0))) {
            (Some(at), Some((kind, State::Stored, _))) if kind.is_held() => {
                self.confirmed(at, worker);
                self.add_holder(at, worker);
            }
            (Some(at), Some((kind, State::Waiting, _))) if kind.is_put() => {
                let task = self.graph_mut(at.slot).task_mut(at.task);
                task.bytes = bytes;
                task.charges = 0;
                self.add_holder(at, worker);
                self.stored(at, "a worker has the object", None, out);
            }
            // A copy of what was taken to be lost, or the work of an attempt that was given up.
            (Some(at), Some((Kind::Task, state, true))) if state.pending() => {
                if state.at_worker() {
                    self.abort(at, out);
                }
                self.made(at, worker, bytes, None, out);
            }
            _ => out.push(Effect::ToWorker(worker, ToWorker::Free(object))),
        }
    }

    fn replica_gone(&mut self, worker: WorkerId, object: TaskRef, out: &mut Outbox<Effect>) {
        let Some(at) = self.locate(object) else {
            return;
        };
        if !self.remove_holder(at, worker) {
            return;
        }
        let graph = self.graph(at.slot);
        if graph.task(at.task).state == State::Stored && graph.holders(at.task).is_empty() {
            let name = self
                .worker(worker)
                .map_or_else(String::new, |w| w.info.name.clone());
            self.lost(at, "it does not have it any more", &name, out);
        }
    }

    /// Tells the clients that waited for the answer to a probe.
    fn answered(&mut self, worker: WorkerId, data: TaskRef, out: &mut Outbox<Effect>) {
        if self.asked.is_empty() {
            return;
        }
        let least = Asked {
            worker,
            data,
            client: ClientId(0),
            task: TaskRef::new(GraphId::new(ClientId(0), 0), 0),
        };
        let of_both = |a: &&Asked| a.worker == worker && a.data == data;
        let waiting: Vec<Asked> = self
            .asked
            .range(least..)
            .take_while(of_both)
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

//! The life of a task: every change of state goes through [`Scheduler::set`], which keeps references, sizes and the ready sets
//! right; what follows from a change is put on a list and worked off, so that nothing recurses.

use std::cmp::Reverse;
use std::sync::Arc;

use kvern_core::ErrorKind;
use kvern_core::error::ErrorRecord;

use super::state::{State, allowed};
use super::task::{At, Kind};
use super::{Effect, Scheduler, words};
use crate::ids::{TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::story::Line;
use crate::wire::{ToClient, ToWorker};

/// What is still to be looked at.
#[derive(Debug)]
pub(super) enum Work {
    /// Whether anybody still needs this.
    Check(At),
    /// This fails, if it is still to be done.
    Fail(At, Arc<ErrorRecord>),
    /// This was released and is needed again.
    Revive(At),
    /// This is not made where it was to be: what waits for it there is asked back.
    Recall(At),
    /// Whether this graph is done, or can be forgotten.
    Graph(u32),
}

/// What is still to be looked at, in the order that makes least work: failures first, since what reads something that failed
/// needs nothing; then what is needed again, since that holds on to things; and only then what nobody may need.
#[derive(Debug, Default)]
pub(super) struct WorkList {
    fails: Vec<(At, Arc<ErrorRecord>)>,
    revives: Vec<At>,
    recalls: Vec<At>,
    checks: Vec<At>,
    graphs: Vec<u32>,
}

impl WorkList {
    pub(super) fn push(&mut self, work: Work) {
        match work {
            Work::Fail(at, error) => self.fails.push((at, error)),
            Work::Revive(at) => self.revives.push(at),
            Work::Recall(at) => self.recalls.push(at),
            Work::Check(at) => self.checks.push(at),
            Work::Graph(slot) => self.graphs.push(slot),
        }
    }

    fn pop(&mut self) -> Option<Work> {
        if let Some((at, error)) = self.fails.pop() {
            return Some(Work::Fail(at, error));
        }
        let revive = self.revives.pop().map(Work::Revive);
        let recall = |list: &mut Self| list.recalls.pop().map(Work::Recall);
        let check = |list: &mut Self| list.checks.pop().map(Work::Check);
        let graph = |list: &mut Self| list.graphs.pop().map(Work::Graph);
        revive
            .or_else(|| recall(self))
            .or_else(|| check(self))
            .or_else(|| graph(self))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fails.is_empty()
            && self.revives.is_empty()
            && self.recalls.is_empty()
            && self.checks.is_empty()
            && self.graphs.is_empty()
    }
}

/// How a task stands in its graph's progress.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Done,
    Failed,
    Cancelled,
}

impl Scheduler {
    /// Works off what follows from what was done.
    pub(super) fn settle(&mut self, out: &mut Outbox<Effect>) {
        while let Some(work) = self.work.pop() {
            let (Work::Check(At { slot, .. })
            | Work::Fail(At { slot, .. }, _)
            | Work::Revive(At { slot, .. })
            | Work::Recall(At { slot, .. })
            | Work::Graph(slot)) = work;
            if self.graphs[slot as usize].is_none() {
                // Forgotten by what was worked off before.
                continue;
            }
            match work {
                Work::Check(at) => self.check_need(at, out),
                Work::Fail(at, error) => self.fail(at, &error, out),
                Work::Revive(at) => self.revive(at, out),
                Work::Recall(at) => self.recall_readers(at, out),
                Work::Graph(slot) => self.look_at_graph(slot, out),
            }
        }
    }

    /// Changes a task's state.
    pub(super) fn set(&mut self, at: At, to: State, why: &'static str) {
        let graph = self.graphs[at.slot as usize]
            .as_mut()
            .unwrap_or_else(|| super::gone(at.slot));
        let task = graph.task_mut(at.task);
        let (from, kind, bytes) = (task.state, task.kind, task.bytes);
        task.state = to;
        let line = Line {
            at: self.now,
            of: TaskRef::new(graph.id, at.task),
            from: from.name(),
            to: to.name(),
            why,
            worker: graph.task(at.task).worker,
            attempt: graph.task(at.task).attempt,
        };
        self.log.add(line);
        if !allowed(from, to) {
            self.broken
                .get_or_insert_with(|| format!("no such change: {line}"));
        }
        if from.being_made() && !to.being_made() && to != State::Stored {
            self.work.push(Work::Recall(at));
        }
        let (runs, ran) = (to == State::Running, from == State::Running);
        graph.running = graph.running + u32::from(runs) - u32::from(ran);
        if runs != ran {
            let count = self.running.entry(graph.priority).or_default();
            *count = *count + u32::from(runs) - u32::from(ran);
            if *count == 0 {
                self.running.remove(&graph.priority);
            }
        }
        if from == State::Parked {
            self.parked.remove(line.of);
        }
        let rank = graph.rank(at.task);
        if from == State::Ready {
            graph.ready_like(at.task).remove(rank);
        }
        if to == State::Ready {
            let ready = graph.ready_like(at.task);
            ready.insert(rank);
            if ready.len() == 1 {
                let class = graph.class_of(at.task);
                self.fitting.unsure.push((at.slot, class, true));
            }
            if !graph.in_ring {
                graph.in_ring = true;
                let ring = self.rings.entry(Reverse(graph.priority)).or_default();
                ring.push_back(at.slot);
            }
        }
        if from.pending() != to.pending() {
            if to.pending() {
                graph.pending += 1;
            } else {
                graph.pending -= 1;
                if graph.pending == 0 {
                    self.work.push(Work::Graph(at.slot));
                }
            }
        }
        if kind.is_held() && bytes > 0 {
            if to == State::Stored {
                self.memory.live += bytes;
                self.memory.held += 1;
                self.memory.peak = self.memory.peak.max(self.in_memory());
            } else if from == State::Stored {
                self.memory.live -= bytes;
                self.memory.held -= 1;
            }
        }
        match kind {
            Kind::Task if from.pending() != to.pending() => self.hold_inputs(at, to.pending()),
            Kind::Proxy => {
                let alive = |s: State| s.pending() || s == State::Stored;
                if alive(from) != alive(to) {
                    self.hold_source(at, alive(to));
                }
            }
            _ => {}
        }
        if from == State::Ahead || to == State::Ahead {
            self.count_ahead(line.worker, to == State::Ahead);
        }
    }

    /// A task begins or ceases to need its inputs.
    fn hold_inputs(&mut self, at: At, hold: bool) {
        let graph = self.graphs[at.slot as usize]
            .as_mut()
            .unwrap_or_else(|| super::gone(at.slot));
        for i in graph.dep_range(at.task) {
            let dep = At {
                slot: at.slot,
                task: graph.dep(i),
            };
            let input = graph.task_mut(dep.task);
            if hold {
                input.refs += 1;
                if input.state == State::Released {
                    self.work.push(Work::Revive(dep));
                }
            } else {
                input.refs -= 1;
                if !input.needed() {
                    self.work.push(Work::Check(dep));
                }
            }
        }
    }

    /// A proxy begins or ceases to need the object that it looks at.
    pub(super) fn hold_source(&mut self, at: At, hold: bool) {
        let Some(Some(source)) = self.graph(at.slot).sources.get(&at.task).copied() else {
            return;
        };
        let task = self.graph_mut(source.slot).task_mut(source.task);
        if hold {
            task.refs += 1;
            if task.state == State::Released {
                self.work.push(Work::Revive(source));
            }
        } else {
            task.refs -= 1;
            if !task.needed() {
                self.work.push(Work::Check(source));
            }
        }
    }

    /// An object is there: those who read it and those who want it get to know. Its holder is known already.
    pub(super) fn stored(
        &mut self,
        at: At,
        why: &'static str,
        inline: Option<&Payload>,
        out: &mut Outbox<Effect>,
    ) {
        self.set(at, State::Stored, why);
        self.count(at, End::Done);
        self.tell_stored(at, inline, out);
        self.ready_dependents(at);
        let graph = self.graph(at.slot);
        if !graph.watchers.is_empty() {
            let bytes = graph.task(at.task).bytes;
            for proxy in self.watchers(at) {
                let task = self.graph_mut(proxy.slot).task_mut(proxy.task);
                if task.state == State::Waiting {
                    task.bytes = bytes;
                    // Proxies look at what makes an object, never at proxies: this goes one deep.
                    self.stored(proxy, why, inline, out);
                }
            }
        }
        if !self.graph(at.slot).task(at.task).needed() {
            self.work.push(Work::Check(at));
        }
    }

    /// The proxies that look at a task.
    pub(super) fn watchers(&self, at: At) -> Vec<At> {
        let ends = (
            At { slot: 0, task: 0 },
            At {
                slot: u32::MAX,
                task: u32::MAX,
            },
        );
        let range = (at.task, ends.0)..=(at.task, ends.1);
        self.graph(at.slot)
            .watchers
            .range(range)
            .map(|(_, p)| *p)
            .collect()
    }

    fn ready_dependents(&mut self, at: At) {
        for i in self.graph(at.slot).dependent_range(at.task) {
            let graph = self.graph_mut(at.slot);
            let reader = graph.dependent(i);
            let task = graph.task_mut(reader);
            let to = match task.state {
                State::Waiting => State::Ready,
                State::Ahead => State::Assigned,
                _ => continue,
            };
            task.missing -= 1;
            let missing = task.missing;
            let reader = At { task: reader, ..at };
            if missing == 0 {
                self.set(reader, to, "all inputs are there");
            } else if missing == 1 && to == State::Ready {
                self.tip_of_last(reader);
            }
        }
    }

    /// An object that was there is not any more: those who had it among what is there wait again, those who were told are told.
    pub(super) fn unready_dependents(&mut self, at: At, out: &mut Outbox<Effect>) {
        for i in self.graph(at.slot).dependent_range(at.task) {
            let graph = self.graph_mut(at.slot);
            let reader = graph.dependent(i);
            let task = graph.task_mut(reader);
            match task.state {
                State::Waiting => task.missing += 1,
                State::Ready => {
                    task.missing = 1;
                    let reader = At { task: reader, ..at };
                    self.set(reader, State::Waiting, "an input was lost");
                }
                State::Ahead => self.recall(At { task: reader, ..at }, out),
                // Those at workers may have the input with them; if not, they will say so.
                _ => {}
            }
        }
        let task = self.name(at);
        for client in self.graph(at.slot).wanting(at.task) {
            out.push(Effect::ToClient(client, ToClient::Lost { task }));
        }
        for proxy in self.watchers(at) {
            if self.graph(proxy.slot).task(proxy.task).state == State::Stored {
                self.set(proxy, State::Waiting, "an input was lost");
                self.unready_dependents(proxy, out);
            }
        }
    }

    /// A task that is `Waiting` becomes `Ready` if all is there, or fails with what it reads.
    pub(super) fn reconsider(&mut self, at: At) {
        let graph = self.graph_mut(at.slot);
        if let Some(error) = graph.failed_input(at.task) {
            // Nothing else will make it ready meanwhile.
            graph.task_mut(at.task).missing = u32::MAX / 2;
            self.work.push(Work::Fail(at, error));
            return;
        }
        let missing = graph.count_missing(at.task);
        graph.task_mut(at.task).missing = missing;
        if missing == 0 {
            self.set(at, State::Ready, "all inputs are there");
        } else if missing == 1 {
            self.tip_of_last(at);
        }
    }

    /// The last holder of an object is gone.
    pub(super) fn lost(&mut self, at: At, why: &str, worker: &str, out: &mut Outbox<Effect>) {
        let graph = self.graph_mut(at.slot);
        let key = graph.key(at.task);
        let (impure, cancelled) = (graph.is_impure(at.task), graph.cancelled);
        let task = graph.task_mut(at.task);
        if task.kind == Kind::Backed && !cancelled {
            self.set(at, State::Waiting, "lost, and needed");
            self.unready_dependents(at, out);
            self.put_again(at, WorkerId(0), out);
            return;
        }
        let error = if task.kind == Kind::Scattered {
            Some(words::scattered_lost(key, worker, why))
        } else if cancelled {
            Some(words::cancelled_lost(key))
        } else if impure && task.retries == 0 {
            Some(words::impure_lost(key))
        } else {
            task.retries -= u16::from(impure);
            None
        };
        if let Some(error) = error {
            self.unready_dependents(at, out);
            self.fail(at, &Arc::new(error), out);
            return;
        }
        self.set(at, State::Waiting, "lost, and needed");
        self.unready_dependents(at, out);
        self.reconsider(at);
    }

    /// Somebody needs an object that had been released, or never been made.
    fn revive(&mut self, at: At, out: &mut Outbox<Effect>) {
        let graph = self.graph_mut(at.slot);
        let key = graph.key(at.task);
        let (impure, cancelled) = (graph.is_impure(at.task), graph.cancelled);
        let task = graph.task_mut(at.task);
        if task.state != State::Released || !task.needed() {
            return;
        }
        let kind = task.kind;
        let spent = impure && task.retries == 0 && task.attempt.0 > 0;
        if impure && !spent && task.attempt.0 > 0 {
            task.retries -= 1;
        }
        self.set(at, State::Waiting, "needed again");
        match kind {
            Kind::Literal => {}
            Kind::Scattered => {
                let error = words::scattered_lost(key, "?", "it was released");
                self.work.push(Work::Fail(at, Arc::new(error)));
            }
            Kind::Proxy => self.look_at_source(at, out),
            Kind::Backed if !cancelled => self.put_again(at, WorkerId(0), out),
            Kind::Task | Kind::Backed if cancelled => {
                self.work
                    .push(Work::Fail(at, Arc::new(words::cancelled_lost(key))));
            }
            Kind::Task if spent => {
                self.work
                    .push(Work::Fail(at, Arc::new(words::impure_lost(key))));
            }
            Kind::Task | Kind::Backed => self.reconsider(at),
        }
    }

    /// A waiting proxy takes over how its source stands.
    pub(super) fn look_at_source(&mut self, at: At, out: &mut Outbox<Effect>) {
        let Some(Some(source)) = self.graph(at.slot).sources.get(&at.task).copied() else {
            return;
        };
        let graph = self.graph(source.slot);
        let (state, bytes) = (graph.task(source.task).state, graph.task(source.task).bytes);
        if state == State::Stored {
            self.graph_mut(at.slot).task_mut(at.task).bytes = bytes;
            self.stored(at, "a worker has the object", None, out);
        } else if let Some(error) = graph.error(source.task) {
            self.work.push(Work::Fail(at, error));
        }
    }

    /// A task fails, and with it what waits for it.
    fn fail(&mut self, at: At, error: &Arc<ErrorRecord>, out: &mut Outbox<Effect>) {
        let state = self.graph(at.slot).task(at.task).state;
        if !state.pending() && state != State::Stored {
            return;
        }
        if state.at_worker() {
            self.abort(at, out);
        }
        let graph = self.graph_mut(at.slot);
        let index = graph.keep_error(error);
        graph.task_mut(at.task).error = index;
        graph.take_holders(at.task);
        self.set(at, State::Failed, "failed");
        let cancelled = error.kind == ErrorKind::Cancelled;
        self.count(
            at,
            if cancelled {
                End::Cancelled
            } else {
                End::Failed
            },
        );
        let graph = self.graph_mut(at.slot);
        let (client, id) = (graph.client, graph.id);
        if !graph.cancelled && !std::mem::replace(&mut graph.failure_told, true) {
            let error = (**error).clone();
            let first = ToClient::FirstFailure { graph: id, error };
            out.push(Effect::ToClient(client, first));
        }
        self.tell_failed(at, error, out);
        self.fail_readers(at, error);
    }

    /// Those who wait for a task that failed or was cancelled fail with it.
    pub(super) fn fail_readers(&mut self, at: At, error: &Arc<ErrorRecord>) {
        for i in self.graph(at.slot).dependent_range(at.task) {
            let graph = self.graph(at.slot);
            let reader = At {
                task: graph.dependent(i),
                ..at
            };
            if matches!(graph.task(reader.task).state, State::Waiting | State::Ahead) {
                self.work.push(Work::Fail(reader, error.clone()));
            }
        }
        for proxy in self.watchers(at) {
            self.work.push(Work::Fail(proxy, error.clone()));
        }
    }

    /// Lets go of what nobody needs.
    fn check_need(&mut self, at: At, out: &mut Outbox<Effect>) {
        let graph = self.graph(at.slot);
        let task = graph.task(at.task);
        let state = task.state;
        if task.needed() || (state == State::Stored && self.is_kept(at)) {
            return;
        }
        if state == State::Stored {
            self.release(at, out);
        } else if state.pending() {
            if state.at_worker() {
                self.abort(at, out);
            }
            self.set(at, State::Released, "nobody needs it");
            self.count(at, End::Cancelled);
        }
    }

    /// Whether an object must stay as long as its graph does, needed or not: it could not be made again if what was made of it is
    /// lost. Literals cost next to nothing and are kept, too.
    pub(super) fn is_kept(&self, at: At) -> bool {
        let graph = self.graph(at.slot);
        match graph.task(at.task).kind {
            Kind::Literal => true,
            Kind::Scattered | Kind::Backed => {
                self.is_put_once(at) && !graph.dependent_range(at.task).is_empty()
            }
            Kind::Proxy => {
                let source = graph.sources.get(&at.task).copied().flatten();
                source.is_some_and(|s| {
                    let source = self.graph(s.slot);
                    !graph.dependent_range(at.task).is_empty()
                        && (self.is_put_once(s) || source.is_impure(s.task) || source.cancelled)
                })
            }
            Kind::Task => false,
        }
    }

    /// Whether a client put this there and will not do so again.
    fn is_put_once(&self, at: At) -> bool {
        let graph = self.graph(at.slot);
        match graph.task(at.task).kind {
            Kind::Scattered => true,
            Kind::Backed => !self.clients.contains_key(&graph.client),
            _ => false,
        }
    }

    /// Frees an object everywhere.
    pub(super) fn release(&mut self, at: At, out: &mut Outbox<Effect>) {
        let name = self.name(at);
        let graph = self.graph_mut(at.slot);
        let bytes = graph.task(at.task).bytes;
        for worker in graph.take_holders(at.task) {
            if let Some(entry) = self.worker_mut(worker) {
                entry.bytes -= bytes;
            }
            out.push(Effect::ToWorker(worker, ToWorker::Free(name)));
        }
        self.set(at, State::Released, "nobody needs it");
    }

    /// Tells the worker that has a task to stop it. Its answer ends the attempt.
    pub(super) fn abort(&mut self, at: At, out: &mut Outbox<Effect>) {
        let graph = self.graph(at.slot);
        let (task, name) = (graph.task(at.task), graph.name(at.task));
        let (worker, attempt) = (task.worker, task.attempt);
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        let Some(i) = entry.find(name, attempt) else {
            return;
        };
        entry.given[i].aborted = true;
        let thief = std::mem::take(&mut entry.given[i].thief);
        self.not_coming(thief);
        let abort = ToWorker::Abort {
            task: name,
            attempt,
        };
        out.push(Effect::ToWorker(worker, abort));
    }

    /// One more worker has an object.
    pub(super) fn add_holder(&mut self, at: At, worker: WorkerId) {
        let graph = self.graph_mut(at.slot);
        let bytes = graph.task(at.task).bytes;
        if graph.add_holder(at.task, worker)
            && let Some(entry) = self.worker_mut(worker)
        {
            entry.bytes += bytes;
        }
    }

    /// One worker fewer has an object; true if it was one.
    pub(super) fn remove_holder(&mut self, at: At, worker: WorkerId) -> bool {
        let graph = self.graph_mut(at.slot);
        let bytes = graph.task(at.task).bytes;
        let was = graph.remove_holder(at.task, worker);
        if was && let Some(entry) = self.worker_mut(worker) {
            entry.bytes -= bytes;
        }
        was
    }
}

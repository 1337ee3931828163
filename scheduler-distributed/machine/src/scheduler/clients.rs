//! What clients say, and what is said to them.

use kvern_core::error::ErrorRecord;

use super::life::Work;
use super::state::State;
use super::task::At;
use super::workers::Asked;
use super::{Effect, Scheduler, words};
use crate::ids::{ClientId, GraphId, OutputRef, TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::wire::{AboutWorker, FromClient, Interest, ToClient, ToWorker};

impl Scheduler {
    pub(super) fn hear_client(
        &mut self,
        client: ClientId,
        message: FromClient,
        out: &mut Outbox<Effect>,
    ) {
        if !self.clients.contains_key(&client) {
            return;
        }
        match message {
            FromClient::Submit { .. } => {}
            FromClient::Want { graph, outputs } => {
                // Each is answered: nobody wants more of a graph at once than it has.
                let slot = self.by_id.get(&graph);
                let has = slot.map_or(0, |&slot| self.graph(slot).outputs.len());
                let wanted = outputs.iter().take(has.max(1));
                for &output in wanted {
                    self.want(client, OutputRef { graph, output }, out);
                }
            }
            FromClient::Release { graph, outputs } => {
                for output in outputs {
                    if let Some(task) = self.output(OutputRef { graph, output }) {
                        self.unwant(client, task);
                    }
                }
            }
            FromClient::ReleaseAll { graph } => self.unwant_all(client, graph),
            FromClient::Cancel { graph } => {
                if graph.client() == client
                    && let Some(&slot) = self.by_id.get(&graph)
                {
                    self.cancel(slot, out);
                }
            }
            FromClient::CannotFetch { data, task, worker } => {
                self.cannot_fetch(client, data, task, worker, out);
            }
            FromClient::AskProgress { graph } => {
                let p = self.progress(graph).unwrap_or_default();
                let answer = ToClient::Progress {
                    graph,
                    total: p.total,
                    done: p.done,
                    failed: p.failed,
                    cancelled: p.cancelled,
                    bytes: p.bytes,
                };
                out.push(Effect::ToClient(client, answer));
            }
            FromClient::AskMemory => {
                let m = self.memory();
                let answer = ToClient::Memory {
                    live: m.live,
                    peak: m.peak,
                    held: m.held,
                    spilled: m.spilled,
                    spilled_total: m.spilled_total,
                };
                out.push(Effect::ToClient(client, answer));
            }
            FromClient::AskWorkers => {
                let all = self.workers.iter().enumerate().filter_map(|(i, w)| {
                    w.as_ref().map(|w| AboutWorker {
                        worker: WorkerId(i as u32),
                        address: w.info.address.clone(),
                        slots: w.info.slots,
                        memory: w.info.memory,
                    })
                });
                out.push(Effect::ToClient(client, ToClient::Workers(all.collect())));
            }
            FromClient::Subscribe(interest) => {
                if let Some(entry) = self.clients.get_mut(&client) {
                    entry.interest = interest;
                }
            }
            FromClient::ForTasks => {
                if let Some(entry) = self.clients.get_mut(&client) {
                    entry.for_tasks = true;
                }
            }
            FromClient::NotPut {
                task,
                worker,
                error,
            } => {
                if task.graph.client() == client
                    && let Some(at) = self.locate(task)
                {
                    self.not_put(at, worker, error, out);
                }
            }
        }
    }

    fn want(&mut self, client: ClientId, of: OutputRef, out: &mut Outbox<Effect>) {
        let task = self.output(of);
        let Some((task, at)) = task.and_then(|t| Some((t, self.locate(t)?))) else {
            want_failed(client, of, words::unknown_output(of), out);
            return;
        };
        if self.graph(at.slot).task(at.task).state == State::Released {
            want_failed(client, of, words::released(), out);
            return;
        }
        let graph = self.graph_mut(at.slot);
        graph.wants += 1;
        graph.task_mut(at.task).wants += 1;
        if graph.client != client {
            *graph.foreign.entry((at.task, client)).or_default() += 1;
            if let Some(entry) = self.clients.get_mut(&client) {
                entry.foreign.insert(task);
            }
        }
        self.tell_where(client, at, out);
    }

    fn unwant(&mut self, client: ClientId, task: TaskRef) {
        let Some(at) = self.locate(task) else {
            return;
        };
        let graph = self.graph_mut(at.slot);
        if graph.client == client {
            if graph.own_wants(at.task) == 0 {
                return;
            }
        } else {
            let Some(count) = graph.foreign.get_mut(&(at.task, client)) else {
                return;
            };
            *count -= 1;
            if *count == 0 {
                graph.foreign.remove(&(at.task, client));
                if let Some(entry) = self.clients.get_mut(&client) {
                    entry.foreign.remove(&task);
                }
            }
        }
        self.drop_wants(at, 1);
    }

    fn drop_wants(&mut self, at: At, count: u32) {
        let graph = self.graph_mut(at.slot);
        graph.wants -= u64::from(count);
        let over = graph.wants == 0;
        let task = graph.task_mut(at.task);
        task.wants -= count;
        if over {
            self.work.push(Work::Graph(at.slot));
        }
        if !self.graph(at.slot).task(at.task).needed() {
            self.work.push(Work::Check(at));
        }
    }

    fn unwant_all(&mut self, client: ClientId, graph: GraphId) {
        let Some(&slot) = self.by_id.get(&graph) else {
            return;
        };
        if self.graph(slot).client != client {
            return;
        }
        for i in 0..self.graph(slot).outputs.len() {
            let graph = self.graph(slot);
            let task = graph.outputs[i];
            if graph.own_wants(task) > 0 {
                self.drop_wants(At { slot, task }, 1);
            }
        }
    }

    pub(super) fn client_gone(&mut self, client: ClientId, out: &mut Outbox<Effect>) {
        let Some(entry) = self.clients.remove(&client) else {
            return;
        };
        self.asked.retain(|a| a.client != client);
        for task in entry.foreign {
            let Some(at) = self.locate(task) else {
                continue;
            };
            if let Some(count) = self.graph_mut(at.slot).foreign.remove(&(at.task, client)) {
                self.drop_wants(at, count);
            }
        }
        for id in entry.graphs {
            let Some(&slot) = self.by_id.get(&id) else {
                continue;
            };
            self.cancel(slot, out);
            for task in 0..self.graph(slot).len() as u32 {
                let wants = self.graph(slot).own_wants(task);
                if wants > 0 {
                    self.drop_wants(At { slot, task }, wants);
                }
            }
            // A graph that wants nothing any more, or never did, goes as well.
            self.work.push(Work::Graph(slot));
        }
    }

    fn cannot_fetch(
        &mut self,
        client: ClientId,
        data: TaskRef,
        task: TaskRef,
        worker: WorkerId,
        out: &mut Outbox<Effect>,
    ) {
        let Some(at) = self.locate(task) else {
            let error = words::released();
            out.push(Effect::ToClient(client, ToClient::Failed { task, error }));
            return;
        };
        let source = self.source(at);
        let graph = self.graph(source.slot);
        let there =
            graph.task(source.task).state == State::Stored && graph.name(source.task) == data;
        if there && graph.holders(source.task).contains(&worker) {
            let asked = Asked {
                worker,
                data,
                client,
                task,
            };
            self.asked.insert(asked);
            out.push(Effect::ToWorker(worker, ToWorker::Probe(data)));
        } else {
            self.tell_where(client, at, out);
        }
    }

    /// What makes the object of a task: the task, or what it looks at in another graph.
    pub(super) fn source(&self, at: At) -> At {
        match self.graph(at.slot).sources.get(&at.task) {
            Some(Some(source)) => *source,
            _ => at,
        }
    }

    /// Tells one client how a task stands, if there is anything to tell.
    pub(super) fn tell_where(&mut self, client: ClientId, at: At, out: &mut Outbox<Effect>) {
        let graph = self.graph(at.slot);
        let task = graph.name(at.task);
        match graph.task(at.task).state {
            State::Stored => self.say_stored(client, at, None, out),
            State::Failed | State::Cancelled => {
                if let Some(error) = graph.error(at.task) {
                    let error = (*error).clone();
                    out.push(Effect::ToClient(client, ToClient::Failed { task, error }));
                }
            }
            State::Released => {
                let error = words::released();
                out.push(Effect::ToClient(client, ToClient::Failed { task, error }));
            }
            _ => {}
        }
    }

    /// Tells all who want it that an object is there.
    pub(super) fn tell_stored(
        &mut self,
        at: At,
        inline: Option<&Payload>,
        out: &mut Outbox<Effect>,
    ) {
        let graph = self.graph(at.slot);
        if graph.task(at.task).wants == 0 {
            return;
        }
        for client in graph.wanting(at.task) {
            self.say_stored(client, at, inline, out);
        }
    }

    fn say_stored(
        &mut self,
        client: ClientId,
        at: At,
        inline: Option<&Payload>,
        out: &mut Outbox<Effect>,
    ) {
        let source = self.source(at);
        let graph = self.graph(source.slot);
        let literal = graph.literals.get(&source.task);
        let message = ToClient::Stored {
            task: self.name(at),
            data: graph.name(source.task),
            bytes: graph.task(source.task).bytes,
            holders: graph.holders(source.task).to_vec(),
            inline: inline.or(literal).cloned(),
        };
        for &worker in &self.graph(source.slot).holders(source.task).to_vec() {
            self.introduce_to_client(client, worker, out);
        }
        out.push(Effect::ToClient(client, message));
    }

    pub(super) fn tell_failed(&self, at: At, error: &ErrorRecord, out: &mut Outbox<Effect>) {
        let graph = self.graph(at.slot);
        for client in graph.wanting(at.task) {
            let failed = ToClient::Failed {
                task: graph.name(at.task),
                error: error.clone(),
            };
            out.push(Effect::ToClient(client, failed));
        }
    }

    /// Tells the owner of a graph what becomes of its results, if it wants to hear how far it is.
    pub(super) fn tell_run(
        &self,
        slot: u32,
        message: impl FnOnce() -> ToClient,
        out: &mut Outbox<Effect>,
    ) {
        let client = self.graph(slot).client;
        let interest = self.clients.get(&client).map(|c| c.interest);
        if interest >= Some(Interest::Progress) {
            out.push(Effect::ToClient(client, message()));
        }
    }

    /// Tells the owner of a graph of one of its tasks, if it wants to hear of single tasks.
    pub(super) fn tell_task(
        &mut self,
        slot: u32,
        worker: WorkerId,
        message: impl FnOnce() -> ToClient,
        out: &mut Outbox<Effect>,
    ) {
        let client = self.graph(slot).client;
        let interest = self.clients.get(&client).map(|c| c.interest);
        if interest == Some(Interest::Tasks) {
            self.introduce_to_client(client, worker, out);
            out.push(Effect::ToClient(client, message()));
        }
    }
}

fn want_failed(client: ClientId, of: OutputRef, error: ErrorRecord, out: &mut Outbox<Effect>) {
    let failed = ToClient::WantFailed {
        graph: of.graph,
        output: of.output,
        error,
    };
    out.push(Effect::ToClient(client, failed));
}

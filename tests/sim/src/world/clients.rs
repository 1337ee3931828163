//! The clients' shells: graphs are submitted, results fetched and compared, and released in the end.

use std::collections::BTreeSet;

use kvern_core::ErrorKind;
use kvern_core::error::ErrorRecord;
use kvern_machine::wire::{FromClient, ToClient};
use kvern_machine::{ClientId, Datum, GraphId, OutputRef, TaskRef, WorkerId};

use super::{NESTED, What, World};
use crate::client::{Todo, View};
use crate::graphs::{Act, Offer, make, value};
use crate::net::Node;

impl World {
    pub(super) fn say(&mut self, client: ClientId, message: FromClient) {
        let item = What::ToScheduler(client, message);
        self.net
            .send(Node::Client(client), Node::Scheduler, false, item);
    }

    /// A client submits its next graph.
    pub(super) fn next_graph(&mut self, id: ClientId) -> Result<(), String> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        if client.left == 0 {
            self.maybe_finished(id);
            return Ok(());
        }
        client.left -= 1;
        client.count += 1;
        let graph = GraphId::new(id, client.count);
        let workers: Vec<WorkerId> = self.hosts.keys().copied().collect();
        let offers = self.offers(id);
        let mut made = make(&mut self.rng, graph, self.plan.wild, &offers, &workers);
        let mut reads = BTreeSet::new();
        for (task, datum) in &made.spec.data {
            if let Datum::External(of) = datum {
                reads.insert(of.graph);
                reads.extend(self.reads.get(&of.graph).into_iter().flatten().copied());
                made.answers[*task as usize].foreign |= of.graph.client() != id;
            }
        }
        self.reads.insert(graph, reads);
        self.stats.tasks += made.spec.len() as u64 - made.spec.data.len() as u64;
        if let Some(client) = self.clients.get_mut(&id) {
            client.submitted(graph, &made.spec.outputs);
        }
        let spec = Box::new(made.spec.clone());
        self.made.insert(graph, made);
        let item = What::Submit(id, graph, spec);
        self.net
            .send(Node::Client(id), Node::Scheduler, false, item);
        let pause = self.rng.below(self.plan.latency * 6);
        self.net.after(pause, What::NextGraph(id));
        Ok(())
    }

    /// Outputs that a new graph may read: the client's own, and sometimes others'.
    fn offers(&mut self, id: ClientId) -> Vec<Offer> {
        let any = self.rng.one_in(4);
        let mut offers = Vec::new();
        for (graph, made) in &self.made {
            if graph.client() != id && !any {
                continue;
            }
            for (output, task) in made.spec.outputs.iter().enumerate() {
                let mut answer = made.answers[*task as usize];
                answer.foreign |= graph.client() != id;
                offers.push(Offer {
                    output: OutputRef {
                        graph: *graph,
                        output: output as u32,
                    },
                    answer,
                });
            }
        }
        offers
    }

    pub(super) fn tell_client(&mut self, id: ClientId, message: ToClient) -> Result<(), String> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        let named = match &message {
            ToClient::Stored { holders, .. } => holders.as_slice(),
            ToClient::Put { worker, .. } => std::slice::from_ref(worker),
            _ => &[],
        };
        if let Some(h) = named.iter().find(|h| !client.peers.contains(h)) {
            return Err(format!(
                "{id} was told of {h} before where it is: {message:?}"
            ));
        }
        if let ToClient::Forgotten(graph) = &message {
            self.forgotten.insert(*graph);
        }
        match client.hear(message, value) {
            Some(Todo::Fetch {
                question,
                task,
                data,
                worker,
            }) => {
                let pause = self.rng.below(self.plan.latency * 4);
                self.net.after(
                    pause,
                    What::Fetch {
                        client: id,
                        question,
                        task,
                        data,
                        worker,
                    },
                );
            }
            Some(Todo::Got(task, value)) => self.resolved(id, task, Ok(value))?,
            Some(Todo::Failed(task, error)) => self.resolved(id, task, Err(error))?,
            Some(Todo::Put(graph)) => {
                let scatter = self.made.get(&graph).map(|m| m.scatter.clone());
                for (task, worker, value) in scatter.unwrap_or_default() {
                    self.put_on(id, worker, TaskRef::new(graph, task), value);
                }
            }
            Some(Todo::PutAgain(task, worker)) => {
                let made = self.made.get(&task.graph);
                let value = made.and_then(|m| m.scatter.iter().find(|(t, ..)| *t == task.task));
                let Some((.., value)) = value.copied() else {
                    return Err(format!("{id} was asked to put {task}"));
                };
                if self.forgotten.contains(&task.graph) {
                    return Err(format!("{id} was asked for {task}, which was forgotten"));
                }
                self.stats.put_again += 1;
                self.put_on(id, worker, task, value);
            }
            Some(Todo::Refused(graph, error)) => {
                return Err(format!("{graph} was refused: {}", error.message));
            }
            None => {}
        }
        self.maybe_finished(id);
        Ok(())
    }

    fn put_on(&mut self, client: ClientId, worker: WorkerId, object: TaskRef, value: u64) {
        let item = What::Put {
            worker,
            object,
            value,
            bytes: 8 + value % 1000,
        };
        self.net
            .send(Node::Client(client), Node::Worker(worker), true, item);
    }

    pub(super) fn client_asks(
        &mut self,
        id: ClientId,
        question: u64,
        task: TaskRef,
        data: TaskRef,
        worker: WorkerId,
    ) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        if !matches!(client.views.get(&task), Some(View::Fetching(q)) if *q == question) {
            return;
        }
        self.get(Node::Client(id), worker, question, vec![data]);
    }

    /// A holder has answered a client, or has not.
    pub(super) fn client_answered(
        &mut self,
        id: ClientId,
        question: u64,
        got: Option<Vec<(TaskRef, u64, u64)>>,
        asked: (WorkerId, TaskRef),
    ) -> Result<(), String> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        let Some((task, view)) = client
            .views
            .iter_mut()
            .find(|(_, v)| matches!(v, View::Fetching(q) if *q == question))
        else {
            return Ok(());
        };
        let task = *task;
        if let Some([(_, value, _)]) = got.as_deref() {
            *view = View::Got(*value);
            let value = *value;
            self.resolved(id, task, Ok(value))?;
        } else {
            *view = View::Pending;
            let (worker, data) = asked;
            self.say(id, FromClient::CannotFetch { data, task, worker });
        }
        self.maybe_finished(id);
        Ok(())
    }

    /// A client knows how a result it wanted came out: it must be what the serial answer says.
    fn resolved(
        &mut self,
        id: ClientId,
        task: TaskRef,
        result: Result<u64, ErrorRecord>,
    ) -> Result<(), String> {
        if id.0 >= NESTED {
            return self.nested_resolved(id, task, result);
        }
        let Some(made) = self.made.get(&task.graph) else {
            return Err(format!("{task} belongs to no graph"));
        };
        let answer = made.answers[task.task as usize];
        match result {
            Ok(value) if answer.value == Some(value) => self.stats.right += 1,
            Ok(value) => return Err(format!("{task} is {value:x}, not {:x?}", answer.value)),
            Err(error) => {
                self.excuse(task, &error)?;
                self.stats.errors += 1;
            }
        }
        Ok(())
    }

    /// Whether an error may be what came of a task.
    fn excuse(&self, task: TaskRef, error: &ErrorRecord) -> Result<(), String> {
        let answer = self.made[&task.graph].answers[task.task as usize];
        let tainted = |g: &GraphId| self.tainted.contains(g);
        let reads = self.reads.get(&task.graph);
        let reads_tainted = reads.is_some_and(|r| r.iter().any(tainted));
        // One that ran when its worker was lost counts four, and one that may have been about to counts one, of twelve.
        let ran = u64::from(self.struck.values().copied().max().unwrap_or_default());
        let struck = 4 * ran + (self.stats.lost - ran) >= 12;
        let fine = match error.kind {
            ErrorKind::Task if error.message.contains("on purpose") => answer.fails,
            ErrorKind::Task if error.message.contains("were lost") => answer.poison || struck,
            ErrorKind::Cancelled => tainted(&task.graph) || reads_tainted || answer.foreign,
            ErrorKind::Lost => self.scattered_gone(task) || tainted(&task.graph) || reads_tainted,
            _ => false,
        };
        match fine {
            true => Ok(()),
            false => Err(format!("{task} fails, and should be {answer:?}: {error:?}")),
        }
    }

    /// Whether the worker of some scattered data that a task reads, however far away, was lost.
    fn scattered_gone(&self, task: TaskRef) -> bool {
        let (mut todo, mut seen) = (vec![task], BTreeSet::new());
        while let Some(task) = todo.pop() {
            let Some(made) = self.made.get(&task.graph).filter(|_| seen.insert(task)) else {
                continue;
            };
            let of_this = made.spec.data.iter().find(|(t, _)| *t == task.task);
            let lost = |w: &WorkerId| self.given_up.contains(w) || !self.hosts.contains_key(w);
            match of_this {
                Some((_, Datum::Scattered(worker))) if lost(worker) => return true,
                Some((_, Datum::Backed(_))) if self.unput.get(&task).is_some_and(|n| *n >= 3) => {
                    return true;
                }
                _ => {}
            }
            todo.extend(made.inputs(&self.made, task));
        }
        false
    }

    /// A client that has everything releases it and goes away quietly.
    pub(super) fn maybe_finished(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if id.0 >= NESTED || client.finished || !client.satisfied() {
            return;
        }
        client.finished = true;
        let graphs: Vec<GraphId> = client.graphs.keys().copied().collect();
        let foreign: Vec<(GraphId, u32)> = client.foreign.keys().copied().collect();
        client.views.clear();
        for (graph, output) in foreign {
            let outputs = vec![output];
            self.say(id, FromClient::Release { graph, outputs });
        }
        for graph in graphs {
            self.tainted.insert(graph);
            if self.rng.one_in(2) {
                self.say(id, FromClient::ReleaseAll { graph });
            } else {
                let n = self.made[&graph].spec.outputs.len() as u32;
                for output in 0..n {
                    let outputs = vec![output];
                    self.say(id, FromClient::Release { graph, outputs });
                }
            }
        }
    }

    /// What a task of a graph does.
    pub(super) fn act(&self, task: TaskRef) -> Act {
        match self.made.get(&task.graph) {
            Some(made) => Act::of(made.spec.op[task.task as usize]),
            None => Act::Hash,
        }
    }
}

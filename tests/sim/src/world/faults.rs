//! What goes wrong.

use std::collections::BTreeSet;

use kvern_machine::scheduler::Event;
use kvern_machine::wire::FromClient;
use kvern_machine::{ClientId, TaskRef, WorkerId};

use super::{NESTED, What, World, nested_client};
use crate::client::View;
use crate::net::Node;
use crate::plan::Fault;

impl World {
    pub(super) fn fault(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Crash { worker, again } => {
                if let Some(id) = self.pick(worker) {
                    self.crash(id, again);
                }
            }
            Fault::OneWay { from, to, lasts } => {
                if let (Some(from), Some(to)) = (self.node(from), self.node(to)) {
                    self.net.wall(from, to, lasts);
                }
            }
            Fault::Declared { worker } => {
                if let Some(id) = self.pick(worker) {
                    return self.noticed(id);
                }
            }
            Fault::Slow { worker, times } => {
                if let Some(id) = self.pick(worker)
                    && let Some(host) = self.hosts.get_mut(&id)
                {
                    host.slow = times;
                }
            }
            Fault::Join => self.net.after(1, What::Joins(1)),
            Fault::LostFetches { one_in, lasts } => self.lossy = (one_in, self.net.now() + lasts),
            Fault::Cancel { client, graph } => self.cancel(client, graph),
            Fault::Release {
                client,
                graph,
                output,
            } => self.release(client, graph, output),
            Fault::Want {
                client,
                graph,
                output,
            } => self.want(client, graph, output),
            Fault::Vanish { client } => self.vanish(client),
        }
        Ok(())
    }

    fn pick(&self, n: u64) -> Option<WorkerId> {
        let all: Vec<WorkerId> = self.hosts.keys().copied().collect();
        (!all.is_empty()).then(|| all[(n % all.len() as u64) as usize])
    }

    fn node(&self, n: u64) -> Option<Node> {
        match n {
            0 => Some(Node::Scheduler),
            n => self.pick(n - 1).map(Node::Worker),
        }
    }

    fn pick_client(&self, n: u64) -> Option<ClientId> {
        let all = self
            .clients
            .values()
            .filter(|c| c.id.0 < NESTED && !c.finished);
        let all: Vec<ClientId> = all.map(|c| c.id).collect();
        (!all.is_empty()).then(|| all[(n % all.len() as u64) as usize])
    }

    /// A worker's process ends. What it has sent may or may not arrive; another one joins later.
    pub(super) fn crash(&mut self, id: WorkerId, again: u64) {
        let Some(host) = self.hosts.remove(&id) else {
            return;
        };
        let cut = self.net.now() + self.rng.below(self.plan.latency);
        self.crashed.insert(id, cut);
        let pause = self.rng.below(self.plan.latency * 4);
        self.gone.insert(id, host);
        self.net.after(pause, What::Noticed(id));
        let slots = self.gone[&id].slots;
        self.net.after(pause + again + 1, What::Joins(slots));
    }

    /// Messages that a process had sent before its end, but that did not get through.
    pub(super) fn never_arrives(&self, id: WorkerId) -> bool {
        self.crashed
            .get(&id)
            .is_some_and(|cut| self.net.now() > *cut)
    }

    /// The scheduler gives a worker up, alive or not.
    pub(super) fn noticed(&mut self, id: WorkerId) -> Result<(), String> {
        self.stats.lost += 1;
        self.given_up.insert(id);
        let host = self.gone.remove(&id);
        let host = host.as_ref().or(self.hosts.get(&id));
        let objects = host
            .map(|h| h.store.keys().copied().collect())
            .unwrap_or_default();
        self.excuse_losses(id, objects);
        let why = "the connection was reset".to_owned();
        self.schedule(Event::WorkerLost { worker: id, why })?;
        self.schedule(Event::ClientGone(nested_client(id)))?;
        Ok(())
    }

    /// What may have to be run again for the loss of a worker: what it was running, what only it had, and what it takes to make
    /// that again.
    fn excuse_losses(&mut self, id: WorkerId, objects: Vec<TaskRef>) {
        for (task, _) in self.started.remove(&id).unwrap_or_default() {
            *self.struck.entry(task).or_default() += 1;
        }
        let begun = self.begun.remove(&id).unwrap_or_default();
        // What a running task took out of the store is lost with it.
        // So is what the scheduler was told of and a task took before another was to read it again: it cannot be asked any more.
        let told = self.told.iter().filter(|(w, _)| *w == id);
        let told: BTreeSet<_> = told.map(|(_, o)| *o).chain(objects).collect();
        let roots = told.into_iter().chain(begun.into_iter().map(|(t, _)| t));
        self.excuse_lineage(id, roots.collect());
    }

    /// These are gone from a worker: they, and what it takes to make them, may be run again.
    pub(super) fn excuse_lineage(&mut self, id: WorkerId, mut todo: Vec<TaskRef>) {
        let elsewhere = |task: &TaskRef| {
            let counts = |w: &WorkerId| *w != id && !self.given_up.contains(w);
            let known = |w: &WorkerId| self.told.contains(&(*w, *task));
            self.hosts
                .iter()
                .any(|(w, h)| counts(w) && known(w) && h.store.contains_key(task))
        };
        let mut seen = std::collections::BTreeSet::new();
        while let Some(task) = todo.pop() {
            if elsewhere(&task) || !seen.insert(task) {
                continue;
            }
            let Some(made) = self.made.get(&task.graph) else {
                continue;
            };
            todo.extend(made.inputs(&self.made, task));
        }
        seen.into_iter().for_each(|task| self.excuse_run(task));
    }

    /// A worker finds out that it was given up: its process starts anew.
    pub(super) fn closed(&mut self, id: WorkerId) {
        if let Some(host) = self.hosts.remove(&id) {
            self.crashed.insert(id, 0);
            self.clients.remove(&nested_client(id));
            self.nested.retain(|_, n| n.worker != id);
            self.net.after(self.plan.latency, What::Joins(host.slots));
        }
    }

    fn cancel(&mut self, client: u64, graph: u64) {
        let Some(id) = self.pick_client(client) else {
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let n = client.graphs.len().max(1) as u64;
        let Some((&graph, own)) = client.graphs.iter_mut().nth((graph % n) as usize) else {
            return;
        };
        own.cancelled = true;
        self.tainted.insert(graph);
        self.say(id, FromClient::Cancel { graph });
    }

    fn release(&mut self, client: u64, graph: u64, output: u64) {
        let Some(id) = self.pick_client(client) else {
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let n = client.graphs.len().max(1) as u64;
        let Some((&graph, own)) = client.graphs.iter_mut().nth((graph % n) as usize) else {
            return;
        };
        let outputs = &self.made[&graph].spec.outputs;
        if outputs.is_empty() {
            return;
        }
        let output = (output % outputs.len() as u64) as u32;
        let task = outputs[output as usize];
        if let Some(count) = own.wants.get_mut(&task)
            && *count > 0
        {
            *count -= 1;
            self.tainted.insert(graph);
            let outputs = vec![output];
            self.say(id, FromClient::Release { graph, outputs });
            self.maybe_finished(id);
        }
    }

    fn want(&mut self, client: u64, graph: u64, output: u64) {
        let Some(id) = self.pick_client(client) else {
            return;
        };
        let n = self.made.len().max(1) as u64;
        let Some((&graph, made)) = self.made.iter().nth((graph % n) as usize) else {
            return;
        };
        if made.spec.outputs.is_empty() || graph.client() == id {
            return;
        }
        let output = (output % made.spec.outputs.len() as u64) as u32;
        let task = TaskRef::new(graph, made.spec.outputs[output as usize]);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.foreign.insert((graph, output), task).is_some() {
            return;
        }
        client.views.entry(task).or_insert(View::Pending);
        let outputs = vec![output];
        self.say(id, FromClient::Want { graph, outputs });
    }

    fn vanish(&mut self, client: u64) {
        let Some(id) = self.pick_client(client) else {
            return;
        };
        if let Some(client) = self.clients.remove(&id) {
            self.tainted.extend(client.graphs.keys());
        }
        self.net.send(
            Node::Client(id),
            Node::Scheduler,
            false,
            What::ClientGone(id),
        );
    }
}

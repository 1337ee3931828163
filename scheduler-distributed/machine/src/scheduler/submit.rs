//! A new graph: checked, linked to the graphs that it reads, and started.

use std::sync::Arc;

use super::graph::Graph;
use super::life::{End, Work};
use super::state::State;
use super::task::{At, Kind};
use super::{Effect, Scheduler, words};
use crate::ids::{ClientId, GraphId, OutputRef, WorkerId};
use crate::outbox::Outbox;
use crate::spec::{Datum, GraphSpec};
use crate::wire::ToClient;

impl Scheduler {
    pub(super) fn submit(
        &mut self,
        client: ClientId,
        id: GraphId,
        spec: GraphSpec,
        out: &mut Outbox<Effect>,
    ) {
        if !self.clients.contains_key(&client) {
            return;
        }
        let why = if id.client() != client {
            Some(format!(
                "its number {id} belongs to another client than {client}"
            ))
        } else if self.by_id.contains_key(&id) {
            Some(format!("its number {id} is taken"))
        } else {
            spec.check().err().map(|e| e.to_string())
        };
        if let Some(why) = why {
            let error = words::refused(why);
            let refused = ToClient::Refused { graph: id, error };
            out.push(Effect::ToClient(client, refused));
            return;
        }
        let externals: Vec<(u32, OutputRef)> = spec
            .data
            .iter()
            .filter_map(|(t, d)| match d {
                Datum::External(of) => Some((*t, *of)),
                _ => None,
            })
            .collect();
        let build = self.fitting.number(&spec.build);
        let mut graph = Graph::new(id, client, build, spec);
        // A task waits for it, and would wait behind others like itself, which would come to wait as well.
        if self.clients.get(&client).is_some_and(|c| c.for_tasks)
            && let Some((&highest, _)) = self.running.last_key_value()
        {
            graph.priority = graph.priority.max(highest);
        }
        out.push(Effect::ToClient(
            client,
            ToClient::Accepted {
                graph: id,
                tasks: graph.len() as u32,
                data: graph.progress.data,
                bytes: graph
                    .tasks
                    .iter()
                    .map(|t| t.bytes)
                    .fold(0, u64::saturating_add),
                outputs: graph.outputs.clone(),
            },
        ));
        let slot = self.keep(graph);
        self.link(slot, &externals);
        self.start(slot, &externals, out);
    }

    fn keep(&mut self, graph: Graph) -> u32 {
        let (id, client) = (graph.id, graph.client);
        let slot = self.free_slots.pop().unwrap_or(self.graphs.len() as u32);
        if slot as usize == self.graphs.len() {
            self.graphs.push(Some(graph));
        } else {
            self.graphs[slot as usize] = Some(graph);
        }
        self.by_id.insert(id, slot);
        if let Some(client) = self.clients.get_mut(&client) {
            client.graphs.insert(id);
        }
        slot
    }

    /// Finds what the proxies look at: always a task that makes its object, so that chains of graphs do not make chains of proxies.
    fn link(&mut self, slot: u32, externals: &[(u32, OutputRef)]) {
        for &(task, of) in externals {
            let at = At { slot, task };
            let found = self.output(of).and_then(|t| self.locate(t));
            // What was released is not made again for somebody who comes late.
            let found = found.filter(|f| self.graph(f.slot).task(f.task).state != State::Released);
            let source = found.and_then(|f| {
                let graph = self.graph(f.slot);
                match graph.sources.get(&f.task) {
                    // One that failed or was cancelled stays so, whatever has become of what it looked at.
                    Some(source) if graph.error(f.task).is_none() => *source,
                    _ => Some(f),
                }
            });
            self.graph_mut(slot).sources.insert(task, source);
            if let Some(source) = source {
                let graph = self.graph_mut(source.slot);
                graph.pins += 1;
                graph.watchers.insert((source.task, at));
                self.hold_source(at, true);
            }
        }
    }

    fn start(&mut self, slot: u32, externals: &[(u32, OutputRef)], out: &mut Outbox<Effect>) {
        // What each waits for is known before anything is told to be there.
        for task in 0..self.graph(slot).len() as u32 {
            let at = At { slot, task };
            let of = self.graph(slot).task(task);
            match of.kind {
                Kind::Literal => {
                    self.count(at, End::Done);
                    self.tell_stored(at, None, out);
                }
                Kind::Scattered if self.worker(of.worker).is_none() => {
                    let name = of.worker.to_string();
                    let key = self.graph(slot).key(task);
                    let error = words::scattered_lost(key, &name, "it is not there any more");
                    self.work.push(Work::Fail(at, Arc::new(error)));
                }
                Kind::Backed if self.worker(of.worker).is_none() => {
                    self.put_again(at, WorkerId(0), out);
                }
                Kind::Scattered | Kind::Backed | Kind::Proxy => {}
                Kind::Task => {
                    let missing = self.graph(slot).count_missing(task);
                    self.graph_mut(slot).task_mut(task).missing = missing;
                    if missing == 0 {
                        self.set(at, State::Ready, "all inputs are there");
                    }
                }
            }
            if !self.graph(slot).task(task).needed() {
                self.work.push(Work::Check(at));
            }
        }
        for &(task, of) in externals {
            let at = At { slot, task };
            match self.graph(slot).sources.get(&task) {
                Some(Some(_)) => self.look_at_source(at, out),
                _ => self
                    .work
                    .push(Work::Fail(at, Arc::new(words::unknown_output(of)))),
            }
        }
        self.work.push(Work::Graph(slot));
    }

    /// Tells a client or a worker where a worker is reached, before it is named to them for the first time.
    pub(super) fn introduce_to_client(
        &mut self,
        client: ClientId,
        worker: WorkerId,
        out: &mut Outbox<Effect>,
    ) {
        let Some(to) = self.clients.get_mut(&client) else {
            return;
        };
        if !to.peers.insert(worker.0) {
            return;
        }
        if let Some(entry) = self.worker(worker) {
            let (address, name) = (entry.info.address.clone(), entry.info.name.clone());
            let peer = ToClient::Peer {
                worker,
                address,
                name,
            };
            out.push(Effect::ToClient(client, peer));
        }
    }
}

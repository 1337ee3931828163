//! Graphs that are cancelled, done or not needed any more.

use std::cmp::Reverse;
use std::sync::Arc;

use super::life::{End, Work};
use super::state::State;
use super::task::{At, Kind};
use super::{Effect, Scheduler, words};
use crate::ids::{TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::wire::{ToClient, ToWorker};

impl Scheduler {
    /// What has not started never does; what runs is told to stop; what is there stays.
    pub(super) fn cancel(&mut self, slot: u32, out: &mut Outbox<Effect>) {
        let graph = self.graph_mut(slot);
        if graph.cancelled || (graph.progress.is_finished() && graph.active == 0) {
            return;
        }
        graph.cancelled = true;
        let error = Arc::new(words::cancelled());
        for task in 0..graph.len() as u32 {
            let at = At { slot, task };
            let state = self.graph(slot).task(task).state;
            if !state.pending() {
                continue;
            }
            if state.at_worker() {
                self.abort(at, out);
            }
            self.set(at, State::Cancelled, "cancelled");
            self.count(at, End::Cancelled);
            self.tell_failed(at, &error, out);
            for proxy in self.watchers(at) {
                self.work.push(Work::Fail(proxy, error.clone()));
            }
        }
        self.work.push(Work::Graph(slot));
    }

    /// Says that a graph is done, once; forgets it when nothing of it can be asked for any more.
    pub(super) fn look_at_graph(&mut self, slot: u32, out: &mut Outbox<Effect>) {
        let Some(Some(graph)) = self.graphs.get_mut(slot as usize) else {
            return;
        };
        if graph.active > 0 {
            return;
        }
        if graph.progress.is_finished() && !std::mem::replace(&mut graph.done_told, true) {
            let done = ToClient::GraphDone {
                graph: graph.id,
                done: graph.progress.done,
                failed: graph.progress.failed,
                cancelled: graph.progress.cancelled,
                bytes: graph.progress.bytes,
            };
            out.push(Effect::ToClient(graph.client, done));
        }
        if graph.wants == 0 && graph.pins == 0 {
            self.let_go(slot, out);
        }
    }

    /// Nobody wants anything of a graph. Tasks that nobody needs go one by one as what reads them does; once all have, it is forgotten.
    fn let_go(&mut self, slot: u32, out: &mut Outbox<Effect>) {
        if self.graph(slot).pending > 0 {
            return;
        }
        for task in 0..self.graph(slot).len() as u32 {
            let at = At { slot, task };
            let of = self.graph(slot).task(task);
            if of.state == State::Stored && of.kind != Kind::Literal {
                self.release(at, out);
            }
        }
        let Some(graph) = self.graphs[slot as usize].take() else {
            return;
        };
        self.by_id.remove(&graph.id);
        self.free_slots.push(slot);
        self.fitting.forget(slot);
        if graph.in_ring {
            let ring = self.rings.get_mut(&Reverse(graph.priority));
            ring.into_iter().for_each(|r| r.retain(|s| *s != slot));
        }
        if let Some(client) = self.clients.get_mut(&graph.client) {
            client.graphs.remove(&graph.id);
            if graph.tasks.iter().any(|t| t.kind == Kind::Backed) {
                let forgotten = ToClient::Forgotten(graph.id);
                out.push(Effect::ToClient(graph.client, forgotten));
            }
        }
        for (task, source) in &graph.sources {
            let Some(source) = source else { continue };
            let Some(Some(other)) = self.graphs.get_mut(source.slot as usize) else {
                continue;
            };
            other.pins -= 1;
            other
                .watchers
                .remove(&(source.task, At { slot, task: *task }));
            if other.pins == 0 {
                self.work.push(Work::Graph(source.slot));
            }
        }
        for worker in graph.introduced.iter() {
            let forget = ToWorker::Forget(graph.id);
            out.push(Effect::ToWorker(WorkerId(worker), forget));
        }
        let range = TaskRef::new(graph.id, 0)..=TaskRef::new(graph.id, u32::MAX);
        forget_range(&mut self.missing, &range);
        forget_range(&mut self.confirmed, &range);
        forget_range(&mut self.charged, &range);
        self.homeless.retain(|t| t.graph != graph.id);
        out.push(Effect::Forget(graph.id));
    }
}

fn forget_range<V>(
    map: &mut std::collections::BTreeMap<TaskRef, V>,
    range: &std::ops::RangeInclusive<TaskRef>,
) {
    if map.is_empty() {
        return;
    }
    let keys: Vec<TaskRef> = map.range(range.clone()).map(|(k, _)| *k).collect();
    for key in keys {
        map.remove(&key);
    }
}

//! Backed data: values that a graph brought along and its client still has. What is lost of them, or was let go and is needed again, the client
//! puts on a worker again.

use std::sync::Arc;

use kvern_core::error::ErrorRecord;

use super::life::Work;
use super::state::State;
use super::task::{At, Kind};
use super::{Effect, Scheduler, words};
use crate::ids::WorkerId;
use crate::outbox::Outbox;
use crate::wire::ToClient;

impl Scheduler {
    /// Has the client put a waiting value on some worker, not on `not` if there is another. Where there is no worker at all, the first that
    /// joins gets it.
    pub(super) fn put_again(&mut self, at: At, not: WorkerId, out: &mut Outbox<Effect>) {
        let graph = self.graph(at.slot);
        let (client, key, task) = (graph.client, graph.key(at.task), graph.name(at.task));
        if !self.clients.contains_key(&client) {
            let error = words::client_gone(key);
            self.work.push(Work::Fail(at, Arc::new(error)));
            return;
        }
        let worker = self.some_worker(at.task, not);
        self.graph_mut(at.slot).task_mut(at.task).worker = worker;
        if worker.0 == 0 {
            self.homeless.insert(task);
            self.strand_data(at.slot);
            return;
        }
        self.introduce_to_client(client, worker, out);
        out.push(Effect::ToClient(client, ToClient::Put { task, worker }));
    }

    /// A worker for a value: many values that are lost at once come to different ones.
    fn some_worker(&self, task: u32, not: WorkerId) -> WorkerId {
        let here = |w: &WorkerId| self.worker(*w).is_some();
        let mut all = (1..self.workers.len() as u32).map(WorkerId).filter(here);
        let others: Vec<WorkerId> = all.clone().filter(|w| *w != not).collect();
        match others.len() {
            0 => all.next_back().unwrap_or_default(),
            n => others[task as usize % n],
        }
    }

    /// A worker is there: what waited for one comes to it.
    pub(super) fn house_the_homeless(&mut self, out: &mut Outbox<Effect>) {
        for task in std::mem::take(&mut self.homeless) {
            let Some(at) = self.locate(task) else {
                continue;
            };
            let of = self.graph(at.slot).task(at.task);
            if of.state == State::Waiting && self.worker(of.worker).is_none() {
                self.put_again(at, WorkerId(0), out);
            }
        }
    }

    /// A client has not put one of its values where it was to be: `unreachable`, or nowhere.
    pub(super) fn not_put(
        &mut self,
        at: At,
        unreachable: Option<WorkerId>,
        error: ErrorRecord,
        out: &mut Outbox<Effect>,
    ) {
        let limit = self.config.charges;
        let task = self.graph_mut(at.slot).task_mut(at.task);
        // What a worker has said that it has is there, whatever else went wrong.
        if !task.kind.is_put() || task.state != State::Waiting {
            return;
        }
        if let Some(worker) = unreachable {
            if task.worker != worker {
                // It is to be somewhere else by now.
                return;
            }
            task.charges = task.charges.saturating_add(1);
            if task.kind == Kind::Backed && u32::from(task.charges) < limit {
                self.put_again(at, worker, out);
                return;
            }
        }
        self.work.push(Work::Fail(at, Arc::new(error)));
    }
}

//! Values that graphs brought: kept here until the scheduler has forgotten the graph, so that what is lost of them can be put on a worker again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kvern_core::Value;
use kvern_machine::{GraphId, TaskRef, WorkerId};

/// See the module.
#[derive(Default)]
pub(crate) struct Backed(Mutex<HashMap<GraphId, Vec<Entry>>>);

/// One value of a graph; they stand in the order of its outputs.
struct Entry {
    /// Which task it is; known once the graph is accepted.
    task: Option<u32>,
    /// Where it is to be.
    worker: WorkerId,
    /// None: it is not here yet.
    value: Option<Value>,
    /// Workers whose connection broke while they were given it.
    broken: Vec<WorkerId>,
}

impl Backed {
    fn lock(&self) -> MutexGuard<'_, HashMap<GraphId, Vec<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A graph that is about to be submitted will bring these, and has chosen a worker for each.
    pub(crate) fn keep(
        &self,
        graph: GraphId,
        values: impl Iterator<Item = (WorkerId, Option<Value>)>,
    ) {
        let entry = |(worker, value)| Entry {
            task: None,
            worker,
            value,
            broken: Vec::new(),
        };
        self.lock().insert(graph, values.map(entry).collect());
    }

    /// The graph is accepted: these tasks are its outputs.
    pub(crate) fn accepted(&self, graph: GraphId, outputs: &[u32]) {
        if let Some(entries) = self.lock().get_mut(&graph) {
            for (entry, &task) in entries.iter_mut().zip(outputs) {
                entry.task = Some(task);
            }
        }
    }

    /// A value that was not here yet has come. Where it is to be put: not where it was to be at first, if that worker is gone.
    pub(crate) fn came(&self, task: TaskRef, value: Value) -> Option<WorkerId> {
        let mut all = self.lock();
        let entry = find(all.get_mut(&task.graph)?, task)?;
        entry.value = Some(value);
        Some(entry.worker)
    }

    /// A value is to be on another worker now. The value, if it is here.
    pub(crate) fn moved(&self, task: TaskRef, worker: WorkerId) -> Option<Value> {
        let mut all = self.lock();
        let entry = find(all.get_mut(&task.graph)?, task)?;
        entry.worker = worker;
        entry.value.clone()
    }

    /// A worker's connection broke while it was given a value. All with which that has happened; `None`: it is no value of these.
    pub(crate) fn broke(&self, task: TaskRef, worker: WorkerId) -> Option<Vec<WorkerId>> {
        let mut all = self.lock();
        let entry = find(all.get_mut(&task.graph)?, task)?;
        entry.broken.push(worker);
        Some(entry.broken.clone())
    }

    /// Whether it is a value of these.
    pub(crate) fn has(&self, task: TaskRef) -> bool {
        let mut all = self.lock();
        let entries = all.get_mut(&task.graph);
        entries.is_some_and(|e| find(e, task).is_some())
    }

    /// The values of a graph will not be asked for any more.
    pub(crate) fn forget(&self, graph: GraphId) {
        let entries = self.lock().remove(&graph);
        // Destructors of values are somebody else's code: not under the lock.
        crate::parcel::discard(entries);
    }

    /// No value will be.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.lock());
        crate::parcel::discard(all);
    }
}

fn find(entries: &mut [Entry], task: TaskRef) -> Option<&mut Entry> {
    let is_it = |e: &Entry| e.task == Some(task.task);
    // A graph of nothing but values has them in order.
    let index = match entries.get(task.task as usize).is_some_and(is_it) {
        true => task.task as usize,
        false => entries.iter().position(is_it)?,
    };
    entries.get_mut(index)
}

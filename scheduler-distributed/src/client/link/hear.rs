//! What a client hears from the scheduler, and whom it tells.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvern_core::events::{Event, Interest};
use kvern_core::scheduler::{MemoryUse, Progress};
use kvern_core::{Error, Key, Result, TaskGraph, Value};
use kvern_machine::wire::{FromClient, Interest as WireInterest, Progressed, ToClient};
use kvern_machine::{GraphId, Payload, TaskRef, WorkerId};

use super::{Link, Open};
use crate::client::running::{Accepted, ClusterRun, Place};
use crate::parcel::{self, Parcel};

impl Link {
    /// Something that the scheduler says.
    pub(crate) fn hear(self: &Arc<Self>, message: ToClient) {
        match message {
            ToClient::Accepted {
                graph,
                tasks,
                data,
                bytes,
                outputs,
            } => self.accepted(graph, [tasks, data], bytes, outputs),
            ToClient::Refused { graph, error } => {
                self.backed().forget(graph);
                if let Some(s) = self.lock().submits.remove(&graph) {
                    let _ = s.reply.send(Err(error.into()));
                }
            }
            ToClient::Stored {
                task,
                data,
                holders,
                inline,
                ..
            } => self.stored(task, Place { data, holders }, inline),
            ToClient::Failed { task, error } => self.arrived(task, Err(error.into())),
            // This client counts its wants itself and never asks for more than the submit did.
            ToClient::WantFailed { .. } => {}
            ToClient::Lost { task } => {
                if let Some(run) = self.run(task.graph) {
                    run.not_there(task.task);
                }
            }
            ToClient::Put { task, worker } => {
                if let Some(value) = self.backed().moved(task, worker) {
                    self.put(worker, task, Parcel::Value(value));
                }
            }
            ToClient::Forgotten(graph) => self.backed().forget(graph),
            ToClient::FirstFailure { graph, error } => {
                let error = Error::from(error);
                if let Some(open) = self.lock().open.get_mut(&graph) {
                    open.first_error.get_or_insert(error.clone());
                }
                if let Some(run) = self.run(graph) {
                    run.failed_first(error);
                }
            }
            ToClient::GraphDone {
                graph,
                done,
                failed,
                cancelled,
                bytes,
            } => self.graph_done(graph, [done, failed, cancelled], bytes),
            ToClient::Progressed(graphs) => self.progressed(&graphs),
            ToClient::Progress {
                graph,
                total,
                done,
                failed,
                cancelled,
                bytes,
            } => {
                let progress = Progress {
                    total: u64::from(total),
                    // Known to the run, which asks.
                    data: 0,
                    done: u64::from(done),
                    failed: u64::from(failed + cancelled),
                    bytes,
                };
                let mut state = self.lock();
                if let Some(asked) = state.progress.get_mut(&graph) {
                    if let Some(reply) = asked.pop_front() {
                        let _ = reply.send(progress);
                    }
                    if asked.is_empty() {
                        state.progress.remove(&graph);
                    }
                }
            }
            ToClient::Memory {
                live,
                peak,
                held,
                spilled,
                spilled_total,
            } => {
                if let Some(reply) = self.lock().memory.pop_front() {
                    let _ = reply.send(MemoryUse {
                        live,
                        peak,
                        held,
                        spilled,
                        spilled_total,
                    });
                }
            }
            ToClient::Workers(workers) => {
                let memory = workers.iter().map(|w| w.memory).max().unwrap_or(0);
                self.memory.store(memory, Ordering::Relaxed);
                let mut state = self.lock();
                for w in &workers {
                    state.know(w.worker, w.address.clone());
                }
                if let Some(reply) = state.workers.pop_front() {
                    let _ = reply.send(workers);
                }
            }
            ToClient::Moved { key, bytes, back } => {
                let event = match back {
                    false => Event::Spilled { key, bytes },
                    true => Event::Unspilled { key, bytes },
                };
                self.event(Interest::Runs, event);
            }
            ToClient::Peer {
                worker, address, ..
            } => self.lock().know(worker, address),
            ToClient::PeerLost(worker) => {
                self.lock().peers.remove(&worker);
            }
            ToClient::NoWorkers { words, .. } => {
                self.waits
                    .say(|| format!("kvern: {words} (the scheduler is at {})", self.address()));
                let event = Event::Log {
                    key: Key::from_words([0, 0]),
                    operator: "cluster".to_owned(),
                    message: words,
                };
                self.event(Interest::Runs, event);
            }
            ToClient::Log {
                key,
                operator,
                message,
            } => {
                let event = Event::Log {
                    key,
                    operator,
                    message,
                };
                self.event(Interest::Runs, event);
            }
            ToClient::TaskStarted { task, worker } => self.task_started(task, worker),
            ToClient::TaskFinished {
                task,
                worker,
                nanos,
                bytes,
            } => self.task_finished(task, worker, nanos, bytes),
            ToClient::TaskFailed {
                task,
                error,
                retried,
            } => {
                let run = self.lock().open.get(&task.graph).map(|o| o.number);
                if let Some(run) = run {
                    let event = Event::TaskFailed {
                        run,
                        error: error.into(),
                        retried,
                    };
                    self.event(Interest::Runs, event);
                }
            }
        }
    }

    fn accepted(
        self: &Arc<Self>,
        graph: GraphId,
        [tasks, data]: [u32; 2],
        bytes: u64,
        outputs: Vec<u32>,
    ) {
        self.backed().accepted(graph, &outputs);
        let mut state = self.lock();
        let Some(submit) = state.submits.remove(&graph) else {
            return;
        };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let accepted = Accepted {
            graph,
            tasks,
            data,
            outputs,
        };
        let open = Open {
            number,
            tasks,
            data,
            submitted: Instant::now(),
            first_error: None,
            cancelled: false,
        };
        let progress = open.progress(0, 0, 0);
        state.open.insert(graph, open);
        let run = Arc::new(ClusterRun::new(self.clone(), accepted, submit.keys));
        state.runs.insert(graph, Arc::downgrade(&run));
        let address = Arc::as_ptr(&run).cast::<()>();
        state.addresses.insert(address.addr(), graph);
        if let Some(e) = submit.expanded {
            state.expanded.insert(graph, e);
        }
        let stopped = state.stopped.clone();
        drop(state);
        let event = Event::RunStarted {
            run: number,
            tasks: u64::from(tasks),
            bytes,
        };
        self.event(Interest::Runs, event);
        // How much there is to do is known from the beginning.
        let event = Event::Progress {
            run: number,
            progress,
        };
        self.event(Interest::Runs, event);
        // It was under way when all was stopped.
        if let Some(why) = stopped {
            run.stopped(&why).into_iter().for_each(|t| self.tell(t));
            self.cancel(graph);
        }
        let _ = submit.reply.send(Ok(run));
    }

    fn stored(&self, task: TaskRef, place: Place, inline: Option<Payload>) {
        if let Some(value) = inline {
            return self.arrived(task, parcel::decode(&self.registry, value.as_slice()));
        }
        let Some(run) = self.run(task.graph) else {
            return;
        };
        let (wanted, tell) = run.made(task.task, place);
        if wanted {
            self.fetch(task.graph, vec![task.task]);
        }
        self.tell(tell);
    }

    /// A result is here, or there is none.
    pub(crate) fn arrived(&self, task: TaskRef, result: Result<Value>) {
        if let Some(tell) = self
            .run(task.graph)
            .and_then(|run| run.arrived(task.task, result))
        {
            self.tell(tell);
        }
    }

    /// A graph is to be stopped.
    pub(crate) fn cancel(&self, graph: GraphId) {
        if let Some(open) = self.lock().open.get_mut(&graph) {
            open.cancelled = true;
        }
        self.send(FromClient::Cancel { graph });
    }

    /// How far graphs are that have not ended.
    fn progressed(&self, graphs: &[Progressed]) {
        if !self.observers.wants(Interest::Runs) {
            self.listen(WireInterest::Results);
            return;
        }
        for p in graphs {
            let of = |open: &Open| (open.number, open.progress(p.done, p.failed, p.bytes));
            let told = self.lock().open.get(&p.graph).map(of);
            if let Some((run, progress)) = told {
                self.event(Interest::Runs, Event::Progress { run, progress });
            }
        }
    }

    fn graph_done(&self, graph: GraphId, [done, failed, cancelled]: [u32; 3], bytes: u64) {
        let open = {
            let mut state = self.lock();
            state.expanded.remove(&graph);
            state.open.remove(&graph)
        };
        let Some(open) = open else { return };
        let (run, took) = (open.number, open.submitted.elapsed());
        let (progress, error) = open.end([done, failed, cancelled], bytes);
        if let Some(held) = self.run(graph) {
            held.ended(progress, error.clone());
        }
        self.event(Interest::Runs, Event::Progress { run, progress });
        let event = Event::RunFinished {
            run,
            progress,
            error,
            took,
        };
        self.event(Interest::Runs, event);
    }

    fn observed(&self, task: TaskRef, worker: WorkerId) -> Option<(u64, Arc<TaskGraph>, u32)> {
        if !self.observers.wants(Interest::Tasks) {
            let less = match self.observers.wants(Interest::Runs) {
                true => WireInterest::Progress,
                false => WireInterest::Results,
            };
            self.listen(less);
            return None;
        }
        let state = self.lock();
        let run = state.open.get(&task.graph)?.number;
        let graph = state.expanded.get(&task.graph)?.clone();
        Some((run, graph, state.peers.get(&worker).map_or(0, |p| p.index)))
    }

    fn task_started(&self, task: TaskRef, worker: WorkerId) {
        if let Some((run, graph, worker)) = self.observed(task, worker) {
            let event = Event::TaskStarted {
                run,
                key: graph.key(task.task),
                operator: graph.op(task.task).name().into(),
                worker,
            };
            self.event(Interest::Tasks, event);
        }
    }

    fn task_finished(&self, task: TaskRef, worker: WorkerId, nanos: u64, bytes: u64) {
        if let Some((run, graph, worker)) = self.observed(task, worker) {
            let event = Event::TaskFinished {
                run,
                key: graph.key(task.task),
                operator: graph.op(task.task).name().into(),
                worker,
                took: Duration::from_nanos(nanos),
                bytes,
            };
            self.event(Interest::Tasks, event);
        }
    }
}

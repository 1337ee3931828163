//! A client's view of its graphs: which outputs it wants, what it was told of them, what it fetched.

use std::collections::{BTreeMap, BTreeSet};

use kvern_core::error::ErrorRecord;
use kvern_machine::wire::ToClient;
use kvern_machine::{ClientId, GraphId, Payload, TaskRef, WorkerId};

/// How a wanted result stands at a client.
#[derive(Debug, Clone)]
pub enum View {
    /// Not known yet.
    Pending,
    /// A holder was asked for it: which question.
    Fetching(u64),
    /// It is here.
    Got(u64),
    /// There is none.
    Failed(ErrorRecord),
}

/// What the client should do about a message.
#[derive(Debug)]
pub enum Todo {
    /// Ask a holder.
    Fetch {
        /// The question's number.
        question: u64,
        /// Whose result it is.
        task: TaskRef,
        /// Its name at the holder.
        data: TaskRef,
        /// Whom.
        worker: WorkerId,
    },
    /// A result came with the message.
    Got(TaskRef, u64),
    /// A result will not come.
    Failed(TaskRef, ErrorRecord),
    /// Data can be put on workers.
    Put(GraphId),
    /// A value that it backs is to be put on that worker.
    PutAgain(TaskRef, WorkerId),
    /// The graph was refused.
    Refused(GraphId, ErrorRecord),
}

/// One graph at its client.
#[derive(Debug, Default)]
pub struct Own {
    /// Wants that were not released, by task.
    pub wants: BTreeMap<u32, u32>,
    /// Whether nothing is left to run.
    pub done: bool,
    /// Whether the client cancelled it.
    pub cancelled: bool,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Its number.
    pub id: ClientId,
    /// Its graphs.
    pub graphs: BTreeMap<GraphId, Own>,
    /// What it wants, its own and others'.
    pub views: BTreeMap<TaskRef, View>,
    /// Wants of other clients' outputs, by output and task.
    pub foreign: BTreeMap<(GraphId, u32), TaskRef>,
    /// Workers it knows.
    pub peers: BTreeSet<WorkerId>,
    /// Graphs it has submitted.
    pub count: u32,
    /// Graphs it is still to submit.
    pub left: u64,
    /// Whether it has released all.
    pub finished: bool,
    /// Whether it asked to be told how far its graphs are.
    pub listens: bool,
    /// What it was told of each: tasks that are over, and bytes.
    heard: BTreeMap<GraphId, (u32, u64)>,
    next_question: u64,
}

impl Client {
    /// A client with so many graphs to submit.
    pub fn new(id: ClientId, left: u64) -> Self {
        Self {
            id,
            graphs: BTreeMap::new(),
            views: BTreeMap::new(),
            foreign: BTreeMap::new(),
            peers: BTreeSet::new(),
            count: 0,
            left,
            finished: false,
            listens: id.0 % 2 == 1,
            heard: BTreeMap::new(),
            next_question: 1,
        }
    }

    /// Remembers a graph that is being submitted.
    pub fn submitted(&mut self, graph: GraphId, outputs: &[u32]) {
        let own = self.graphs.entry(graph).or_default();
        for &task in outputs {
            *own.wants.entry(task).or_default() += 1;
            self.views.insert(TaskRef::new(graph, task), View::Pending);
        }
    }

    /// Whether all it wants is known and all its graphs are over.
    pub fn satisfied(&self) -> bool {
        let known = |(task, view): (&TaskRef, &View)| {
            let wanted = self.wants(*task);
            !wanted || matches!(view, View::Got(_) | View::Failed(_))
        };
        self.left == 0 && self.views.iter().all(known) && self.graphs.values().all(|g| g.done)
    }

    /// Whether it wants a result.
    pub fn wants(&self, task: TaskRef) -> bool {
        let own = self.graphs.get(&task.graph);
        own.is_some_and(|g| g.wants.get(&task.task).is_some_and(|n| *n > 0))
            || self.foreign.values().any(|t| *t == task)
    }

    /// Takes in what the scheduler says.
    ///
    /// # Panics
    /// If it makes no sense: a graph goes back, or what was not asked for is told.
    pub fn hear(&mut self, message: ToClient, value: impl Fn(&Payload) -> u64) -> Option<Todo> {
        match message {
            ToClient::Accepted { graph, .. } => Some(Todo::Put(graph)),
            ToClient::Refused { graph, error } => Some(Todo::Refused(graph, error)),
            ToClient::Stored {
                task,
                data,
                holders,
                inline,
                ..
            } => {
                let view = self.views.get_mut(&task)?;
                if matches!(view, View::Got(_)) {
                    return None;
                }
                if let Some(payload) = inline {
                    let value = value(&payload);
                    *view = View::Got(value);
                    return Some(Todo::Got(task, value));
                }
                let question = self.next_question;
                self.next_question += 1;
                *view = View::Fetching(question);
                let worker = *holders.get(question as usize % holders.len().max(1))?;
                Some(Todo::Fetch {
                    question,
                    task,
                    data,
                    worker,
                })
            }
            ToClient::Failed { task, error } => {
                let view = self.views.get_mut(&task)?;
                if matches!(view, View::Got(_)) {
                    return None;
                }
                *view = View::Failed(error.clone());
                Some(Todo::Failed(task, error))
            }
            ToClient::WantFailed { graph, output, .. } => {
                if let Some(task) = self.foreign.remove(&(graph, output))
                    && !self.wants(task)
                {
                    self.views.remove(&task);
                }
                None
            }
            ToClient::Lost { task } => {
                let view = self.views.get_mut(&task)?;
                if matches!(view, View::Fetching(_)) {
                    *view = View::Pending;
                }
                None
            }
            ToClient::Put { task, worker } => Some(Todo::PutAgain(task, worker)),
            ToClient::GraphDone { graph, .. } => {
                self.graphs.get_mut(&graph)?.done = true;
                None
            }
            ToClient::Progressed(graphs) => {
                assert!(self.listens, "{:?} did not ask for {graphs:?}", self.id);
                for p in graphs {
                    let now = (p.done + p.failed + p.cancelled, p.bytes);
                    let before = self.heard.insert(p.graph, now).unwrap_or_default();
                    assert!(
                        now.0 > before.0 && now.1 >= before.1,
                        "{before:?} and then {p:?}"
                    );
                    let over = self.graphs.get(&p.graph).is_none_or(|g| g.done);
                    assert!(!over, "{p:?} comes after the end");
                }
                None
            }
            ToClient::Peer { worker, .. } => {
                self.peers.insert(worker);
                None
            }
            ToClient::PeerLost(worker) => {
                self.peers.remove(&worker);
                None
            }
            _ => None,
        }
    }
}

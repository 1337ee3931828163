//! How far graphs are, told to the clients that listen: all that has changed in one message, ten times a second at most.

use std::collections::{BTreeMap, BTreeSet};

use super::life::{End, Work};
use super::task::{At, Kind};
use super::{Effect, Scheduler};
use crate::ids::{ClientId, GraphId, Tick};
use crate::outbox::Outbox;
use crate::wire::{Interest, Progressed, ToClient};

/// Nanoseconds between two such messages to one client.
const BETWEEN: u64 = 100_000_000;

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Graphs of clients that listen, in which something was done since they were told.
    graphs: BTreeSet<GraphId>,
    at: Option<Tick>,
}

impl News {
    /// When it is to be told.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.at
    }

    /// Nothing waits to be told without a time at which it is.
    pub(super) fn is_sound(&self) -> bool {
        self.graphs.is_empty() == self.at.is_none()
    }
}

impl Scheduler {
    /// Takes a task into its graph's progress, once.
    pub(super) fn count(&mut self, at: At, end: End) {
        let graph = self.graph_mut(at.slot);
        let task = graph.task_mut(at.task);
        if std::mem::replace(&mut task.counted, true) {
            return;
        }
        let made = if task.kind == Kind::Task {
            task.bytes
        } else {
            0
        };
        match end {
            End::Done => {
                graph.progress.done += 1;
                graph.progress.bytes = graph.progress.bytes.saturating_add(made);
            }
            End::Failed => graph.progress.failed += 1,
            End::Cancelled => graph.progress.cancelled += 1,
        }
        let (id, over) = (graph.id, graph.progress.is_finished());
        if over {
            self.work.push(Work::Graph(at.slot));
        }
        self.stir(id);
    }

    /// A task of a graph is over.
    fn stir(&mut self, graph: GraphId) {
        let listens = |c: &super::workers::Client| c.interest >= Interest::Progress;
        if self.clients.get(&graph.client()).is_some_and(listens) {
            let at = self.now.after(BETWEEN);
            self.news.graphs.insert(graph);
            self.news.at.get_or_insert(at);
        }
    }

    /// Tells what is due.
    pub(super) fn tell_progress(&mut self, out: &mut Outbox<Effect>) {
        if self.news.at.is_none_or(|at| at > self.now) {
            return;
        }
        let news = std::mem::take(&mut self.news);
        let mut told: BTreeMap<ClientId, Vec<Progressed>> = BTreeMap::new();
        for graph in news.graphs {
            // Of one that is over its end was told, and of one that is forgotten nobody wants to know.
            let Some(p) = self.progress(graph).filter(|p| !p.is_finished()) else {
                continue;
            };
            told.entry(graph.client()).or_default().push(Progressed {
                graph,
                done: p.done,
                failed: p.failed,
                cancelled: p.cancelled,
                bytes: p.bytes,
            });
        }
        for (client, graphs) in told {
            if self.clients.contains_key(&client) {
                out.push(Effect::ToClient(client, ToClient::Progressed(graphs)));
            }
        }
    }
}

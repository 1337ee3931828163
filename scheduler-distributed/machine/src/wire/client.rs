//! Between a client and the scheduler.

use kvern_core::Key;
use kvern_core::error::ErrorRecord;
use serde::{Deserialize, Serialize};

use super::codec::short_list;
use crate::ids::{GraphId, TaskRef, WorkerId};
use crate::payload::Payload;

/// How much a client wants to be told of single tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Interest {
    /// Nothing: only its results.
    #[default]
    Results,
    /// And how far its graphs are, now and then.
    Progress,
    /// And each task's beginning and end.
    Tasks,
}

/// What a client says. Outputs are named by their position, which a client knows before the graph was expanded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum FromClient {
    /// Run this graph; each of its outputs is wanted once for each time it is named. The shell expands `body` and hands the
    /// machine an [`Event::Submit`](crate::scheduler::Event::Submit) instead.
    Submit {
        /// The client's next number.
        graph: GraphId,
        /// The symbolic graph, as the shells encode it.
        body: Payload,
    },
    /// One more wants each of these outputs. Answered by `WantFailed`, or by `Stored` or `Failed` where that is
    /// known already.
    Want {
        /// The graph, which may be another client's.
        graph: GraphId,
        /// Which.
        #[serde(deserialize_with = "short_list")]
        outputs: Vec<u32>,
    },
    /// One fewer wants each of these.
    Release {
        /// The graph.
        graph: GraphId,
        /// Which.
        #[serde(deserialize_with = "short_list")]
        outputs: Vec<u32>,
    },
    /// All outputs of a graph of its own, once each.
    ReleaseAll {
        /// The graph.
        graph: GraphId,
    },
    /// Stop a graph of its own: what has not started never does, what is there stays.
    Cancel {
        /// The graph.
        graph: GraphId,
    },
    /// A holder did not give an object. The scheduler looks after it and says `Stored` or `Failed` again.
    CannotFetch {
        /// What could not be read: [`ToClient::Stored::data`].
        data: TaskRef,
        /// The task whose result it is to this client.
        task: TaskRef,
        /// Who did not give it.
        worker: WorkerId,
    },
    /// How far is it? Answered by `Progress`.
    AskProgress {
        /// The graph.
        graph: GraphId,
    },
    /// What do results take? Answered by `Memory`.
    AskMemory,
    /// Who can be given bytes? Answered by `Workers`.
    AskWorkers,
    /// Tell me how far my graphs are, and of single tasks, or no more.
    Subscribe(Interest),
    /// Data of its own that was not put where it was to be. Who reads it fails; but backed data that could not be put because a worker is not to
    /// be reached comes to another one, a few times.
    NotPut {
        /// Its name.
        task: TaskRef,
        /// The worker that cannot be reached; none: it will not be put anywhere.
        worker: Option<WorkerId>,
        /// Why.
        error: ErrorRecord,
    },
    /// What this client submits, tasks wait for: it is the one with which a worker's tasks submit. Said before anything else.
    ForTasks,
}

/// How far a graph is: as in [`ToClient::GraphDone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "said there")]
pub struct Progressed {
    pub graph: GraphId,
    pub done: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub bytes: u64,
}

/// A worker, as clients know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutWorker {
    /// Its number.
    pub worker: WorkerId,
    /// Where it is reached.
    pub address: String,
    /// How many tasks it runs at once.
    pub slots: u32,
    /// Bytes of memory for results.
    pub memory: u64,
}

/// What the scheduler says to a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ToClient {
    /// A graph is accepted: comes before all else about it.
    Accepted {
        /// The graph.
        graph: GraphId,
        /// How many tasks it has, data included.
        tasks: u32,
        /// How many of them are data.
        data: u32,
        /// Projected bytes of all results.
        bytes: u64,
        /// Which task makes each output.
        outputs: Vec<u32>,
    },
    /// A graph is not accepted; nothing of it will run.
    Refused {
        /// The graph.
        graph: GraphId,
        /// Why.
        error: ErrorRecord,
    },
    /// A wanted result is there. Said again when the holders have changed and the client asked.
    Stored {
        /// The task that makes it.
        task: TaskRef,
        /// Under which name the holders know the bytes: not `task` where that only hands on a result of another graph.
        data: TaskRef,
        /// Its size in memory.
        bytes: u64,
        /// Who has it.
        holders: Vec<WorkerId>,
        /// The encoded value itself, where it is small.
        inline: Option<Payload>,
    },
    /// A wanted result will not be there.
    Failed {
        /// The task that would have made it.
        task: TaskRef,
        /// Why; names the task to blame.
        error: ErrorRecord,
    },
    /// A `Want` came to nothing: the graph is not known, or the result was released. It counts for nothing.
    WantFailed {
        /// The graph.
        graph: GraphId,
        /// The output.
        output: u32,
        /// Why.
        error: ErrorRecord,
    },
    /// A result that was announced is gone and being made again; `Stored` or `Failed` follows.
    Lost {
        /// The task that makes it.
        task: TaskRef,
    },
    /// Put this backed value on that worker: again, or because the one that the graph named is gone.
    Put {
        /// Its name.
        task: TaskRef,
        /// Where it is to be now.
        worker: WorkerId,
    },
    /// No backed value of that graph will be asked for any more.
    Forgotten(GraphId),
    /// A task of the graph failed for good: the first one.
    FirstFailure {
        /// The graph.
        graph: GraphId,
        /// Its error.
        error: ErrorRecord,
    },
    /// No task of the graph is left to run, or running. Said once.
    GraphDone {
        /// The graph.
        graph: GraphId,
        /// Tasks with a value, data included.
        done: u32,
        /// Tasks that failed, or read something that did.
        failed: u32,
        /// Tasks that were cancelled, or that nobody wanted any more.
        cancelled: u32,
        /// Bytes of the values that its tasks have made.
        bytes: u64,
    },
    /// How far graphs of its own are in which something was done since this was said last. Only if subscribed, and ten times a second at most.
    Progressed(Vec<Progressed>),
    /// The answer to `AskProgress`.
    Progress {
        /// The graph.
        graph: GraphId,
        /// Tasks in it; 0 if the graph is not known (any more).
        total: u32,
        /// As in `GraphDone`.
        done: u32,
        /// As in `GraphDone`.
        failed: u32,
        /// As in `GraphDone`.
        cancelled: u32,
        /// As in `GraphDone`.
        bytes: u64,
    },
    /// The answer to `AskMemory`: results on all workers, each counted once however many hold it.
    Memory {
        /// Bytes in memory now: what workers have on disk is not counted.
        live: u64,
        /// The most that `live` has been.
        peak: u64,
        /// Results now, those of no bytes not counted.
        held: u64,
        /// Bytes on disk now.
        spilled: u64,
        /// Bytes that have ever been spilled.
        spilled_total: u64,
    },
    /// The answer to `AskWorkers`.
    Workers(Vec<AboutWorker>),
    /// Where a worker that will be named is reached.
    Peer {
        /// The worker.
        worker: WorkerId,
        /// Its data address.
        address: String,
        /// Its name.
        name: String,
    },
    /// A worker is gone.
    PeerLost(WorkerId),
    /// A task began to run. Only if subscribed, and only for own graphs, like the next.
    TaskStarted {
        /// The task.
        task: TaskRef,
        /// Where.
        worker: WorkerId,
    },
    /// A task made its value.
    TaskFinished {
        /// The task.
        task: TaskRef,
        /// Where.
        worker: WorkerId,
        /// How long it ran.
        nanos: u64,
        /// Bytes of its value.
        bytes: u64,
    },
    /// A task failed. Told whether subscribed or not.
    TaskFailed {
        /// The task.
        task: TaskRef,
        /// Why.
        error: ErrorRecord,
        /// Whether it is tried again.
        retried: bool,
    },
    /// Tasks of a graph wait, and no worker that is there may run them: said once after some seconds, and again when that has changed and
    /// come back.
    NoWorkers {
        /// The graph.
        graph: GraphId,
        /// How many tasks wait.
        tasks: u32,
        /// What they wait for, and how long they will, for people.
        words: String,
    },
    /// A result went to a worker's disk, or came back from there for a task. Only if subscribed, and only for own graphs.
    Moved {
        /// Its content key.
        key: Key,
        /// Its size in memory.
        bytes: u64,
        /// Whether it came back.
        back: bool,
    },
    /// A line that a task logged: said by the scheduler's shell.
    Log {
        /// The task's content key.
        key: Key,
        /// Its operator's name.
        operator: String,
        /// The words.
        message: String,
    },
}

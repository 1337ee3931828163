//! Between a worker and the scheduler.

use kvern_core::Key;
use kvern_core::error::ErrorRecord;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, GraphId, TaskRef, WorkerId};
use crate::payload::Payload;

/// A task for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assign {
    /// The task.
    pub task: TaskRef,
    /// Which try.
    pub attempt: Attempt,
    /// Lower runs first: what its graph's priority says, and within a graph its place in the static order.
    pub priority: i64,
    /// Its content key.
    pub key: Key,
    /// What it runs: explained by [`ToWorker::Graph`].
    pub op: u32,
    /// The block number that its kernel sees.
    pub block: u32,
    /// Which piece it is given of each input that is not a piece already.
    pub piece: Option<u32>,
    /// How it is to be run: explained by [`ToWorker::Graph`].
    pub annotation: u32,
    /// What its result is expected to take in memory: the worker lets it begin when there is room for so much.
    pub bytes: u64,
    /// Its inputs in argument order.
    pub inputs: Vec<Input>,
}

/// An input of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub object: TaskRef,
    /// Its size in memory.
    pub bytes: u64,
    /// Where it is.
    pub source: Source,
    /// Nobody else reads or wants it. In an [`Effect::Execute`](crate::worker::Effect::Execute) it means that the object is the
    /// task's alone: the machine counts it as gone, so the shell must take it out of the store, and the task may change it in place.
    pub last: bool,
}

/// Where an input is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// At these workers, perhaps at the receiver itself.
    Workers(Vec<WorkerId>),
    /// Here.
    Literal(Payload),
}

/// What the scheduler says to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWorker {
    /// What the numbers in tasks of this graph mean: comes before the first of them.
    Graph {
        /// The graph.
        graph: GraphId,
        /// [`GraphSpec::shared`](crate::GraphSpec::shared).
        shared: Payload,
    },
    /// No task of this graph will come any more.
    Forget(GraphId),
    /// Run this when its inputs are there.
    Assign(Assign),
    /// Give this back if it has not started; answered by `Retracted` (or by what the task ends with).
    Retract {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// Stop this, started or not; answered by `Aborted` (or by what the task ends with).
    Abort {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// Nobody needs this object any more.
    Free(TaskRef),
    /// Do you have this object? Answered by `Have` or `Gone`.
    Probe(TaskRef),
    /// Where a worker that will be named is reached.
    Peer {
        /// The worker.
        worker: WorkerId,
        /// Its data address.
        address: String,
    },
    /// A worker is gone: fetch nothing from it.
    PeerLost(WorkerId),
    /// The scheduler ends, and means to: said by its shell, as the last word.
    Leave,
    /// Run this as soon as its inputs are there, even if no slot is free: tasks wait for it, and what is in the slots may wait for them.
    Begin {
        /// The task, which was assigned before.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
}

/// What a worker has on disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spilled {
    /// What the objects took in memory.
    pub memory: u64,
    /// What they take on disk.
    pub disk: u64,
    /// What has ever been spilled, as it was in memory.
    pub total: u64,
}

/// What a worker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum FromWorker {
    /// A task began to run.
    Started {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// A task made its value, which is kept here.
    Done {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
        /// Size of the value in memory.
        bytes: u64,
        /// How long it ran.
        nanos: u64,
        /// The encoded value, where it is small: for clients that wait for it.
        inline: Option<Payload>,
    },
    /// A task failed.
    Failed {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
        /// Why.
        error: ErrorRecord,
    },
    /// A task could not start since an input cannot be had; it is given back.
    InputMissing {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
        /// The input.
        object: TaskRef,
        /// Who was asked for it in vain.
        #[serde(deserialize_with = "super::codec::short_list")]
        tried: Vec<WorkerId>,
    },
    /// A task was stopped as asked; it has no result.
    Aborted {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// A task that had not started is given back as asked.
    Retracted {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// A running task waits for others and does not take up its slot.
    Seceded {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// It goes on.
    Rejoined {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// An object is here: fetched, put by a client, or asked for by `Probe`.
    Have {
        /// The object.
        object: TaskRef,
        /// Its size in memory.
        bytes: u64,
    },
    /// An object that was asked for by `Probe` is not here.
    Gone(TaskRef),
    /// What is on the worker's disk now: said whenever that has changed, before the results that changed it.
    Spilled(Spilled),
    /// An object went to disk, or came back from there for a task: for those who watch.
    Moved {
        /// The object.
        object: TaskRef,
        /// Its size in memory.
        bytes: u64,
        /// Whether it came back.
        back: bool,
    },
    /// A line that a task logged. The scheduler's shell passes it on to the client; the machine ignores it.
    Log {
        /// The task.
        task: TaskRef,
        /// Its content key.
        key: Key,
        /// Its operator's name.
        operator: String,
        /// The words.
        message: String,
    },
}

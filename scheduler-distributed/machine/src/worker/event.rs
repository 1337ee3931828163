//! What happens to a worker's machine, what it wants done, and how it is set up.

use kvern_core::error::ErrorRecord;

use crate::ids::{Attempt, FetchId, TaskRef, WorkerId};
use crate::payload::Payload;
use crate::wire::{Assign, FromWorker, ToWorker};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The scheduler says something.
    FromScheduler(ToWorker),
    /// A task that was to be executed has ended, in whatever way: each [`Effect::Execute`] is answered by exactly one of these.
    Executed {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
        /// How it ended.
        outcome: Outcome,
        /// How long it ran.
        nanos: u64,
    },
    /// A running task waits for tasks that it submitted: its slot is free until it goes on.
    Seceded {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// It goes on, whether a slot is free or not; nothing new starts until there is one.
    Rejoined {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// The end of an [`Effect::Fetch`]: each is answered by exactly one of these. What is in neither list counts as missing.
    Fetched {
        /// Which.
        fetch: FetchId,
        /// What came, with its size in memory; it is in the store now.
        got: Vec<(TaskRef, u64)>,
        /// What the peer said it does not have.
        gone: Vec<TaskRef>,
    },
    /// A fetch came to nothing: the peer cannot be reached, or broke off.
    FetchFailed {
        /// Which.
        fetch: FetchId,
        /// What came before that, as in `Fetched`.
        got: Vec<(TaskRef, u64)>,
    },
    /// A client put an object into the store.
    Put {
        /// Its name.
        object: TaskRef,
        /// Its size in memory.
        bytes: u64,
    },
}

/// How an execution ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// With a value. The shell has put it into the store under the task's name.
    Stored {
        /// Its size in memory.
        bytes: u64,
        /// The encoded value, if it is small enough to be sent along.
        inline: Option<Payload>,
    },
    /// With an error, a panic included.
    Failed(ErrorRecord),
}

/// What the shell must do, in this order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send this to the scheduler.
    ToScheduler(FromWorker),
    /// What the numbers of a graph's tasks mean: keep it until `ForgetGraph`.
    LearnGraph {
        /// The graph.
        graph: crate::ids::GraphId,
        /// What the client's shell encoded.
        shared: Payload,
    },
    /// No task of the graph will be executed any more, once those that run have ended.
    ForgetGraph(crate::ids::GraphId),
    /// Run this task now, on a thread of its own choice; all its inputs are in the store or literals.
    Execute(Assign),
    /// Set the flag that asks a running task to stop.
    Stop {
        /// The task.
        task: TaskRef,
        /// Which try.
        attempt: Attempt,
    },
    /// Ask a peer for objects and put them into the store.
    Fetch {
        /// To be named in the answer.
        fetch: FetchId,
        /// Whom.
        peer: WorkerId,
        /// For what.
        objects: Vec<TaskRef>,
    },
    /// Remove an object from the store.
    Drop(TaskRef),
    /// Where a peer is reached.
    Peer {
        /// The peer.
        worker: WorkerId,
        /// Its data address.
        address: String,
    },
    /// Forget a peer; what is being fetched from it fails now.
    PeerLost(WorkerId),
}

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Tasks that run at once.
    pub slots: u32,
    /// The most bytes in one fetch (an object that is larger goes alone).
    pub fetch_bytes: u64,
    /// The most fetches under way at once; one a peer.
    pub fetches: u32,
    /// How many changes are remembered for [`Worker::story`](super::Worker::story).
    pub remember: usize,
}

impl Config {
    /// A worker with so many slots, and the usual limits.
    pub fn new(slots: u32) -> Self {
        Self {
            slots,
            fetch_bytes: 50_000_000,
            fetches: 50,
            remember: 4096,
        }
    }
}

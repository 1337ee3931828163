//! What the scheduler remembers of one task.

use super::state::State;
use crate::ids::{Attempt, WorkerId};

/// A task in the machine: which graph's slot, which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) slot: u32,
    pub(crate) task: u32,
}

/// What a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Something to run.
    Task,
    /// A value that came with the graph.
    Literal,
    /// An object of another graph.
    Proxy,
    /// Bytes that a client puts on a worker.
    Scattered,
    /// Bytes that a client puts on a worker, and puts there again when they are lost.
    Backed,
}

impl Kind {
    /// Whether a client puts it on a worker.
    pub(crate) fn is_put(self) -> bool {
        matches!(self, Self::Scattered | Self::Backed)
    }

    /// Whether workers hold it under its own name.
    pub(crate) fn is_held(self) -> bool {
        self == Self::Task || self.is_put()
    }
}

/// One task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Size of the object: as projected, and what it is once it was stored.
    pub(crate) bytes: u64,
    /// Edges to inputs that are not there; meaningful while `Waiting` or `Ahead`.
    pub(crate) missing: u32,
    /// Edges from pending tasks, and pending or stored proxies in other graphs.
    pub(crate) refs: u32,
    /// How often clients want the object.
    pub(crate) wants: u32,
    /// The last try.
    pub(crate) attempt: Attempt,
    /// Who has the task, while one has; of data that a client puts there, who is to get it.
    pub(crate) worker: WorkerId,
    /// Who has the object (the first, if more have); 0: nobody.
    pub(crate) holder: WorkerId,
    /// Which of the graph's errors, while `Failed`.
    pub(crate) error: u32,
    /// How often it may still be tried again.
    pub(crate) retries: u16,
    /// Workers lost while they ran it.
    pub(crate) charges: u8,
    pub(crate) state: State,
    pub(crate) kind: Kind,
    /// Whether it stands in the graph's progress.
    pub(crate) counted: bool,
    /// Whether the object has more than one holder: they are in the graph's table.
    pub(crate) shared: bool,
    /// Whether a task was sent after this one, in this attempt: one for one, so that what is sent ahead is never wider than what was
    /// placed.
    pub(crate) led: bool,
}

/// What the issue of the cluster allows is 200 bytes a task with all its edges; this is the fixed part.
const _: () = assert!(size_of::<Task>() <= 48);

impl Task {
    pub(crate) fn needed(&self) -> bool {
        self.refs > 0 || self.wants > 0
    }
}

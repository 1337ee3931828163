//! The states of a task on the scheduler, and every way from one to another.
//!
//! | state | what it means | where the task stands |
//! | --- | --- | --- |
//! | `Waiting` | something that it reads is not there; or data that is not there yet | in its inputs' rows of dependents |
//! | `Ready` | everything it reads is there, and no worker has it | in its graph's ready set |
//! | `Parked` | it could not reach its inputs from where it was, or failed and is to be tried again, after a while | in `parked` |
//! | `Ahead` | a worker has it and is still to make something that it reads | in that worker's list, and in its inputs' rows |
//! | `Assigned` | a worker has it and has not said that it runs | in that worker's list |
//! | `Retracting` | the same, and the worker was asked to give it back: another is to run it, or what it waits for goes elsewhere | in that worker's list |
//! | `Running` | a worker runs it | in that worker's list |
//! | `Stored` | its object is there | in its holders |
//! | `Failed` | it failed, or what it reads did | in its graph's errors |
//! | `Released` | nobody needs its object (any more); what it is to do is kept, so it can be made again | nowhere |
//! | `Cancelled` | its graph was cancelled before it was done | nowhere |

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Something it reads is not there.
    Waiting,
    /// It can run.
    Ready,
    /// It is placed again after a while.
    Parked,
    /// A worker has it, and makes what it reads.
    Ahead,
    /// A worker has it.
    Assigned,
    /// A worker was asked to give it back.
    Retracting,
    /// A worker runs it.
    Running,
    /// Its object is there.
    Stored,
    /// There will be no object.
    Failed,
    /// Nobody needs its object.
    Released,
    /// Its graph was cancelled.
    Cancelled,
}

use State::{
    Ahead, Assigned, Cancelled, Failed, Parked, Ready, Released, Retracting, Running, Stored,
    Waiting,
};

impl State {
    /// Its name in stories.
    pub fn name(self) -> &'static str {
        match self {
            Waiting => "waiting",
            Ready => "ready",
            Parked => "parked",
            Ahead => "ahead",
            Assigned => "assigned",
            Retracting => "retracting",
            Running => "running",
            Stored => "stored",
            Failed => "failed",
            Released => "released",
            Cancelled => "cancelled",
        }
    }

    /// Whether a worker has the task.
    pub fn at_worker(self) -> bool {
        matches!(self, Ahead | Assigned | Retracting | Running)
    }

    /// Whether the object will be at the worker that has the task, unless something goes wrong: what reads it may wait there.
    pub fn being_made(self) -> bool {
        matches!(self, Ahead | Assigned | Running)
    }

    /// Whether the task is still to be done: it holds on to what it reads.
    pub fn pending(self) -> bool {
        matches!(self, Waiting | Ready | Parked) || self.at_worker()
    }
}

/// Every change of state that there is, and what makes it.
pub const EDGES: &[(State, State, &str)] = &[
    (Waiting, Ready, "all inputs are there"),
    (Waiting, Ahead, "sent along with what it reads"),
    (Waiting, Stored, "a worker has the object"),
    (Waiting, Failed, "an input failed"),
    (Waiting, Released, "nobody needs it"),
    (Waiting, Cancelled, "cancelled"),
    (Ready, Assigned, "placed"),
    (Ready, Waiting, "an input was lost"),
    (Ready, Stored, "a worker has the object"),
    (Ready, Failed, "no worker may run it"),
    (Ready, Released, "nobody needs it"),
    (Ready, Cancelled, "cancelled"),
    (Parked, Waiting, "waited long enough"),
    (Parked, Stored, "a worker has the object"),
    (Parked, Released, "nobody needs it"),
    (Parked, Cancelled, "cancelled"),
    (Ahead, Assigned, "all inputs are there"),
    (Ahead, Running, "started"),
    (Ahead, Retracting, "what it waits for goes elsewhere"),
    (Ahead, Waiting, "given back"),
    (Ahead, Parked, "an input could not be reached"),
    (Ahead, Stored, "a worker has the object"),
    (Ahead, Failed, "an input failed"),
    (Ahead, Released, "nobody needs it"),
    (Ahead, Cancelled, "cancelled"),
    (Assigned, Running, "started"),
    (Assigned, Retracting, "wanted elsewhere"),
    (Assigned, Waiting, "given back"),
    (Assigned, Parked, "an input could not be reached"),
    (Assigned, Stored, "done"),
    (Assigned, Failed, "failed"),
    (Assigned, Released, "nobody needs it"),
    (Assigned, Cancelled, "cancelled"),
    (Retracting, Running, "started"),
    (Retracting, Waiting, "given back"),
    (Retracting, Parked, "an input could not be reached"),
    (Retracting, Stored, "done"),
    (Retracting, Failed, "failed"),
    (Retracting, Released, "nobody needs it"),
    (Retracting, Cancelled, "cancelled"),
    (Running, Stored, "done"),
    (Running, Waiting, "tried again"),
    (Running, Parked, "tried again after a while"),
    (Running, Failed, "failed"),
    (Running, Released, "nobody needs it"),
    (Running, Cancelled, "cancelled"),
    (Stored, Waiting, "lost, and needed"),
    (Stored, Failed, "lost for good"),
    (Stored, Released, "nobody needs it"),
    (Released, Waiting, "needed again"),
];

/// Whether there is such a change.
pub(crate) fn allowed(from: State, to: State) -> bool {
    // One row of bits a state, so that the check costs nothing.
    const ROWS: [u16; 11] = rows();
    ROWS[from as usize] & (1 << to as u16) != 0
}

const fn rows() -> [u16; 11] {
    let mut rows = [0u16; 11];
    let mut i = 0;
    while i < EDGES.len() {
        rows[EDGES[i].0 as usize] |= 1 << EDGES[i].1 as u16;
        i += 1;
    }
    rows
}

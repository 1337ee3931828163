//! The states of an attempt on a worker, and every way from one to another.
//!
//! | state | what it means |
//! | --- | --- |
//! | `Fetching` | some of its inputs are not here: they are fetched, or made here |
//! | `Runnable` | all are here; a slot is not free, or somebody else's turn |
//! | `Running` | the shell runs it |
//! | `Seceded` | the same, but it waits for other tasks and takes up no slot |
//! | `Aborting` | it was told to stop; what comes of it is not wanted |
//! | `AbortingSeceded` | the same, while it waits for other tasks |
//! | `Over` | it is forgotten |
//!
//! An attempt knows nothing of fetches: it needs objects, and objects come or do not ([`object`](super::object)).

use crate::ids::TaskRef;
use crate::wire::Assign;

/// Where an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum AttemptState {
    /// Some inputs are not here.
    Fetching,
    /// It can run.
    Runnable,
    /// It runs.
    Running,
    /// It runs and waits for other tasks.
    Seceded,
    /// It runs and was told to stop.
    Aborting,
    /// It waits for other tasks and was told to stop.
    AbortingSeceded,
    /// It is forgotten.
    Over,
}

use AttemptState::{Aborting, AbortingSeceded, Fetching, Over, Runnable, Running, Seceded};

impl AttemptState {
    /// Its name in stories.
    pub fn name(self) -> &'static str {
        match self {
            Fetching => "fetching",
            Runnable => "runnable",
            Running => "running",
            Seceded => "seceded",
            Aborting => "aborting",
            AbortingSeceded => "aborting-seceded",
            Over => "over",
        }
    }

    /// Whether the shell runs it.
    pub fn executing(self) -> bool {
        matches!(self, Running | Seceded | Aborting | AbortingSeceded)
    }

    /// Whether it takes up a slot.
    pub fn in_slot(self) -> bool {
        matches!(self, Running | Aborting)
    }
}

/// Every change of state that there is, and what makes it. A new attempt begins in `Fetching` or `Runnable`.
pub const ATTEMPT_EDGES: &[(AttemptState, AttemptState, &str)] = &[
    (Fetching, Runnable, "all inputs are here"),
    (Fetching, Over, "given back"),
    (
        Runnable,
        Running,
        "a slot is free, or it is begun without one",
    ),
    (Runnable, Over, "given back"),
    (Running, Seceded, "waits for others"),
    (Running, Aborting, "told to stop"),
    (Running, Over, "ended"),
    (Seceded, Running, "goes on"),
    (Seceded, AbortingSeceded, "told to stop"),
    (Seceded, Over, "ended"),
    (Aborting, AbortingSeceded, "waits for others"),
    (Aborting, Over, "ended"),
    (AbortingSeceded, Aborting, "goes on"),
    (AbortingSeceded, Over, "ended"),
];

/// One attempt.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    /// What the shell gets when it starts.
    pub(crate) assign: Option<Assign>,
    pub(crate) priority: i64,
    /// The objects that it reads, each once.
    pub(crate) inputs: Vec<TaskRef>,
    pub(crate) state: AttemptState,
    /// Inputs that are not here, each once.
    pub(crate) missing: u32,
    /// It needs no free slot: others wait for it.
    pub(crate) beyond: bool,
}

//! The states of an object on a worker, and every way from one to another.
//!
//! | state | what it means |
//! | --- | --- |
//! | `Expected` | an attempt needs it, and another one here is to make it |
//! | `Wanted` | an attempt needs it, and it waits for its turn to be fetched |
//! | `InFlight` | a peer was asked for it |
//! | `Unwanted` | a peer was asked for it, and no attempt needs it any more |
//! | `Here` | it is in the store |
//! | `Doomed` | it is in the store, the scheduler frees it, and an attempt still reads it |
//! | `Absent` | it is forgotten |
//!
//! An object knows nothing of why it is needed: attempts that come and go change a count, so that a change of mind while a fetch is
//! under way needs no state of its own in the attempt.

use std::collections::BTreeSet;

use crate::ids::{Attempt, FetchId, TaskRef, WorkerId};

/// Where an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ObjectState {
    /// It is to be made here.
    Expected,
    /// It is to be fetched.
    Wanted,
    /// It is being fetched.
    InFlight,
    /// It is being fetched in vain.
    Unwanted,
    /// It is here.
    Here,
    /// It goes when its last reader has ended.
    Doomed,
    /// It is forgotten.
    Absent,
}

use ObjectState::{Absent, Doomed, Expected, Here, InFlight, Unwanted, Wanted};

impl ObjectState {
    /// Its name in stories.
    pub fn name(self) -> &'static str {
        match self {
            Expected => "expected",
            Wanted => "wanted",
            InFlight => "in-flight",
            Unwanted => "unwanted",
            Here => "here",
            Doomed => "doomed",
            Absent => "absent",
        }
    }

    /// Whether it is in the store.
    pub fn in_store(self) -> bool {
        matches!(self, Here | Doomed)
    }
}

/// Every change of state that there is, and what makes it.
pub const OBJECT_EDGES: &[(ObjectState, ObjectState, &str)] = &[
    (Absent, Expected, "an attempt here is to make it"),
    (Expected, Here, "made or put here"),
    (Expected, Wanted, "another worker has it"),
    (Expected, Absent, "no longer needed, or not made here"),
    (Absent, Wanted, "an attempt needs it"),
    (Absent, Here, "made or put here"),
    (Wanted, InFlight, "a peer is asked"),
    (Wanted, Absent, "no longer needed, or nobody has it"),
    (Wanted, Here, "made or put here"),
    (InFlight, Here, "it came"),
    (InFlight, Wanted, "it did not come"),
    (InFlight, Unwanted, "no longer needed"),
    (Unwanted, InFlight, "needed again"),
    (Unwanted, Here, "made or put here"),
    (Unwanted, Absent, "the fetch ended"),
    (Here, Doomed, "freed, and being read"),
    (
        Here,
        Absent,
        "freed, taken by its last reader, or a piece that nobody here needs",
    ),
    (Doomed, Here, "needed again"),
    (Doomed, Absent, "its last reader took it, or ended"),
];

/// One object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) state: ObjectState,
    /// Its size in memory; before it is here, what it is said to be.
    pub(crate) bytes: u64,
    /// Attempts that need it.
    pub(crate) needed_by: BTreeSet<(TaskRef, Attempt)>,
    /// Who has it and was not asked in vain, the next to be asked first.
    pub(crate) sources: Vec<WorkerId>,
    /// Who was asked in vain.
    pub(crate) tried: Vec<WorkerId>,
    /// Lowest priority number of those that need it: it is fetched in that order.
    pub(crate) priority: i64,
    /// The peer in whose queue it stands, or that was asked.
    pub(crate) peer: WorkerId,
    /// The fetch it is part of.
    pub(crate) fetch: FetchId,
}

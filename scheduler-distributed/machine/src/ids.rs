//! What things are called: dense numbers that are never reused, and time.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id! {
    /// A client's connection. The shell counts them up from 1; a number is never given twice.
    ClientId(u32), "c"
}
id! {
    /// A worker's registration. The shell counts them up from 1; a worker that comes back gets another number.
    WorkerId(u32), "w"
}
id! {
    /// Which try of a task: counted up by the scheduler at each assignment, so that late news of an old try is told apart.
    Attempt(u32), "a"
}
id! {
    /// Which life of the scheduler: higher ones win.
    Epoch(u64), "e"
}
id! {
    /// A batch of results that a worker asks a peer for, numbered by that worker.
    FetchId(u64), "f"
}

/// A submitted graph. The client makes the number ([`GraphId::new`]), so it can name the graph before the scheduler has answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GraphId(u64);

impl GraphId {
    /// The `count`-th graph of a client; the client counts up and never reuses a number.
    pub fn new(client: ClientId, count: u32) -> Self {
        Self(u64::from(client.0) << 32 | u64::from(count))
    }

    /// Whose graph it is.
    pub fn client(self) -> ClientId {
        ClientId((self.0 >> 32) as u32)
    }

    /// Which of its client's graphs it is.
    pub fn count(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for GraphId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.g{}", self.client(), self.count())
    }
}

impl fmt::Debug for GraphId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A task of a graph, and the object that it makes: a task has one result, so one name does for both. Or one piece of that object, on a worker
/// that fetched no more of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskRef {
    /// The graph.
    pub graph: GraphId,
    /// The task's number in it.
    pub task: u32,
    /// One more than the number of a piece; 0: the task, and all of its object.
    piece: u32,
}

impl TaskRef {
    /// Task `task` of `graph`.
    pub fn new(graph: GraphId, task: u32) -> Self {
        Self {
            graph,
            task,
            piece: 0,
        }
    }

    /// A piece of this object.
    #[must_use]
    pub fn of_piece(self, index: u32) -> Self {
        Self {
            piece: index.saturating_add(1),
            ..self
        }
    }

    /// The number of the piece, if it is one.
    pub fn piece(self) -> Option<u32> {
        self.piece.checked_sub(1)
    }

    /// The object that it is, or is a piece of.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { piece: 0, ..self }
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.t{}", self.graph, self.task)?;
        match self.piece() {
            Some(piece) => write!(f, ".p{piece}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A wanted output of a graph: what a client knows before it knows task numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputRef {
    /// The graph.
    pub graph: GraphId,
    /// Position in [`GraphSpec::outputs`](crate::GraphSpec::outputs).
    pub output: u32,
}

/// A moment in nanoseconds since the shell began to count. Only differences mean anything; it never goes back.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Tick(pub u64);

impl Tick {
    /// So many nanoseconds later.
    #[must_use]
    pub fn after(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds since an earlier moment; 0 if it is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

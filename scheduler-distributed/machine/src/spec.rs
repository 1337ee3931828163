//! What a graph is to the scheduler's machine: dense arrays of numbers, and nothing of what its tasks compute.

use kvern_core::{Key, Piece};

use crate::ids::{OutputRef, WorkerId};
use crate::payload::Payload;

/// A graph in the form in which the machine runs it. The shell makes it of an expanded
/// [`TaskGraph`](kvern_core::TaskGraph) and its static order.
///
/// Arrays that say "may be empty" stand for all zeros where they are.
#[derive(Debug, Clone, Default)]
pub struct GraphSpec {
    /// Edges as compressed rows: task `t` reads `deps[dep_off[t]..dep_off[t + 1]]`. One longer than there are tasks.
    pub dep_off: Vec<u32>,
    /// What the tasks read.
    pub deps: Vec<u32>,
    /// Projected bytes of each result; for data, its real bytes.
    pub bytes: Vec<u64>,
    /// Position of each task in the static order, the user's priority taken into account already: lower runs first.
    pub position: Vec<u32>,
    /// Where the graph stands beside others: of higher priority goes first.
    pub priority: i32,
    /// What each task runs: a number that only [`GraphSpec::shared`] explains.
    pub op: Vec<u32>,
    /// The block number that each task's kernel sees; may be empty.
    pub block: Vec<u32>,
    /// Which piece of all that it reads each task is given, none: the whole; may be empty.
    pub piece: Vec<Option<Piece>>,
    /// How each task is to be run: a number that only [`GraphSpec::shared`] explains; may be empty.
    pub annotation: Vec<u32>,
    /// How often each task is tried again after it failed; may be empty.
    pub retries: Vec<u16>,
    /// Nanoseconds between the first failure of what is so annotated and its next try, doubled each further time, by [`GraphSpec::annotation`]; may
    /// be empty.
    pub backoff: Vec<u64>,
    /// Whether an operator must not be run again without being asked to, by [`GraphSpec::op`]; may be empty.
    pub impure: Vec<bool>,
    /// Whether an operator exists only in processes of [`GraphSpec::build`], by [`GraphSpec::op`]; may be empty.
    pub bound: Vec<bool>,
    /// Which build the client runs; empty: not known, and nothing is bound to it.
    pub build: String,
    /// The names of the workers that may run what is so annotated, none where any may, by [`GraphSpec::annotation`]; may be empty.
    pub only: Vec<Vec<String>>,
    /// The content key of each task.
    pub keys: Vec<Key>,
    /// Tasks that are data, by rising task number. They read nothing.
    pub data: Vec<(u32, Datum)>,
    /// The wanted tasks. A task that stands here twice is wanted twice.
    pub outputs: Vec<u32>,
    /// What a worker must know to make sense of `op` and `annotation`; sent once to each worker that gets a task of the graph.
    pub shared: Payload,
}

/// A task that is data.
#[derive(Debug, Clone)]
pub enum Datum {
    /// A small encoded value that comes with the graph and goes out with each task that reads it. It is never lost.
    Literal(Payload),
    /// An output of another graph of this scheduler, finished or not.
    External(OutputRef),
    /// Bytes that the client puts on a worker itself. The task is done when a worker says that it has them, and lost with it.
    Scattered(WorkerId),
    /// The same, but the client keeps the value until the graph is [`Forgotten`](crate::wire::ToClient::Forgotten), and puts it where
    /// [`Put`](crate::wire::ToClient::Put) says, each time it is lost or is needed again after it was let go.
    Backed(WorkerId),
}

/// Why a graph is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// An array has the wrong length.
    #[error("`{array}` has {have} entries; {need} are needed for {tasks} tasks")]
    Length {
        /// Which.
        array: &'static str,
        /// How long it is.
        have: usize,
        /// How long it must be.
        need: usize,
        /// Number of tasks.
        tasks: usize,
    },
    /// The rows of the edges run backwards.
    #[error("the row of task {0} ends before it starts")]
    Rows(u32),
    /// A number names no task.
    #[error("{what} names task {task} of {tasks}")]
    NoTask {
        /// What does.
        what: String,
        /// The number.
        task: u32,
        /// How many there are.
        tasks: usize,
    },
    /// Data must come by rising task number, each once.
    #[error("data item {0} does not come after the one before it")]
    DataOrder(usize),
    /// Data reads nothing.
    #[error("task {0} is data and reads other tasks")]
    DataReads(u32),
    /// A task would be sent with more literals than fit into a message.
    #[error(
        "the small values that task {task} reads take {bytes} bytes, and at most {MOST_LITERALS} go with a task: put them together into fewer, \
         larger values, which are sent once"
    )]
    Literals {
        /// The task.
        task: u32,
        /// Bytes of what it reads.
        bytes: u64,
    },
    /// More kinds of demands on workers than a graph may have.
    #[error(
        "its tasks have {0} different demands on their workers, at most {MOST_CLASSES} are allowed"
    )]
    Demands(usize),
    /// Tasks read each other in a circle.
    #[error("task {0} is part of a cycle, or reads one")]
    Cycle(u32),
}

/// The most bytes of literals that go with a task: it is sent as one message.
const MOST_LITERALS: u64 = 512 << 20;

/// The most lists of names of workers in a graph.
const MOST_CLASSES: usize = 10_000;

impl GraphSpec {
    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.dep_off.len().saturating_sub(1)
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a task reads.
    pub fn deps(&self, task: u32) -> &[u32] {
        &self.deps[self.dep_off[task as usize] as usize..self.dep_off[task as usize + 1] as usize]
    }

    /// Checks everything that the machine relies on. It does so itself at a submit.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        let tasks = self.len();
        self.check_lengths(tasks)?;
        for t in 0..tasks {
            if self.dep_off[t] > self.dep_off[t + 1] {
                return Err(SpecError::Rows(t as u32));
            }
        }
        let named = |what: &str, task: u32| match (task as usize) < tasks {
            true => Ok(()),
            false => Err(SpecError::NoTask {
                what: what.to_owned(),
                task,
                tasks,
            }),
        };
        self.outputs
            .iter()
            .try_for_each(|&t| named("an output", t))?;
        self.deps.iter().try_for_each(|&t| named("an edge", t))?;
        let mut last = None;
        for (i, (t, _)) in self.data.iter().enumerate() {
            named("a data item", *t)?;
            if last.is_some_and(|last| last >= *t) {
                return Err(SpecError::DataOrder(i));
            }
            if !self.deps(*t).is_empty() {
                return Err(SpecError::DataReads(*t));
            }
            last = Some(*t);
        }
        if self.only.len() > MOST_CLASSES {
            return Err(SpecError::Demands(self.only.len()));
        }
        self.check_literals(tasks)?;
        self.check_cycles(tasks)
    }

    fn check_literals(&self, tasks: usize) -> Result<(), SpecError> {
        let largest = self.data.iter().map(|(_, datum)| match datum {
            Datum::Literal(payload) => payload.len() as u64,
            _ => 0,
        });
        let largest = largest.max().unwrap_or(0);
        let reads = |t: u32| self.deps(t).len() as u64;
        let most = (0..tasks as u32).map(reads).max().unwrap_or(0);
        if largest.saturating_mul(most) <= MOST_LITERALS {
            return Ok(());
        }
        let mut bytes = vec![0u64; tasks];
        for (t, datum) in &self.data {
            if let Datum::Literal(payload) = datum {
                bytes[*t as usize] = payload.len() as u64;
            }
        }
        for task in 0..tasks as u32 {
            let sizes = self.deps(task).iter().map(|&d| bytes[d as usize]);
            let bytes = sizes.fold(0, u64::saturating_add);
            if bytes > MOST_LITERALS {
                return Err(SpecError::Literals { task, bytes });
            }
        }
        Ok(())
    }

    fn check_lengths(&self, tasks: usize) -> Result<(), SpecError> {
        let exact = |array, have, need| match have == need {
            true => Ok(()),
            false => Err(SpecError::Length {
                array,
                have,
                need,
                tasks,
            }),
        };
        let may_be_empty = |array, have| {
            if have == 0 {
                Ok(())
            } else {
                exact(array, have, tasks)
            }
        };
        if self.dep_off.is_empty() {
            return exact("dep_off", 0, 1);
        }
        exact("deps", self.deps.len(), self.dep_off[tasks] as usize)?;
        exact("bytes", self.bytes.len(), tasks)?;
        exact("position", self.position.len(), tasks)?;
        exact("op", self.op.len(), tasks)?;
        exact("keys", self.keys.len(), tasks)?;
        may_be_empty("block", self.block.len())?;
        may_be_empty("piece", self.piece.len())?;
        may_be_empty("annotation", self.annotation.len())?;
        may_be_empty("retries", self.retries.len())
    }

    /// Kahn's algorithm (1962), and only where some task reads one that does not come before it.
    fn check_cycles(&self, tasks: usize) -> Result<(), SpecError> {
        let forward = |t: u32| self.deps(t).iter().any(|&d| d >= t);
        if !(0..tasks as u32).any(forward) {
            return Ok(());
        }
        let (off, rows) = self.dependents();
        let mut missing: Vec<u32> = (0..tasks as u32)
            .map(|t| self.deps(t).len() as u32)
            .collect();
        let mut free: Vec<u32> = (0..tasks as u32)
            .filter(|&t| missing[t as usize] == 0)
            .collect();
        while let Some(t) = free.pop() {
            for &r in &rows[off[t as usize] as usize..off[t as usize + 1] as usize] {
                missing[r as usize] -= 1;
                if missing[r as usize] == 0 {
                    free.push(r);
                }
            }
        }
        match missing.iter().position(|&m| m > 0) {
            Some(t) => Err(SpecError::Cycle(t as u32)),
            None => Ok(()),
        }
    }

    /// The reverse edges as compressed rows; a task that reads another twice stands there twice.
    pub(crate) fn dependents(&self) -> (Vec<u32>, Vec<u32>) {
        let tasks = self.len();
        let mut off = vec![0u32; tasks + 1];
        for &d in &self.deps {
            off[d as usize + 1] += 1;
        }
        for i in 0..tasks {
            off[i + 1] += off[i];
        }
        let mut at = off.clone();
        let mut rows = vec![0u32; self.deps.len()];
        for t in 0..tasks as u32 {
            for &d in self.deps(t) {
                rows[at[d as usize] as usize] = t;
                at[d as usize] += 1;
            }
        }
        (off, rows)
    }
}

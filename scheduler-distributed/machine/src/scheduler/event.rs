//! What happens to the scheduler's machine, what it wants done, and how it is set up.

use crate::ids::{ClientId, GraphId, WorkerId};
use crate::spec::GraphSpec;
use crate::wire::{FromClient, FromWorker, ToClient, ToWorker};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A client said hello. The shell counts clients up and never gives a number twice.
    ClientJoined(ClientId),
    /// A client's connection is gone for good: its graphs are cancelled and freed.
    ClientGone(ClientId),
    /// A client's graph, expanded. Follows the order of the client's other messages.
    Submit {
        /// Whose.
        client: ClientId,
        /// Its number.
        graph: GraphId,
        /// What it is.
        spec: Box<GraphSpec>,
    },
    /// A client says something ([`FromClient::Submit`] is ignored: hand over [`Event::Submit`]).
    FromClient(ClientId, FromClient),
    /// A worker said hello. The shell counts workers up and never gives a number twice.
    WorkerJoined(WorkerId, WorkerInfo),
    /// A worker is given up: its connection ended, or it has been silent for too long. What it says later is ignored.
    WorkerLost {
        /// Which.
        worker: WorkerId,
        /// The words for people: what is known of its end.
        why: String,
    },
    /// A worker says something.
    FromWorker(WorkerId, FromWorker),
    /// What keeps workers from coming, in words for people: told to clients whose tasks wait for one. Over when one comes.
    Trouble(String),
    /// The moment that [`Scheduler::next_deadline`](super::Scheduler::next_deadline) named has come.
    Timer,
}

/// What is known of a worker from its hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    /// A name for people.
    pub name: String,
    /// Tasks that it runs at once.
    pub slots: u32,
    /// Bytes of memory for results.
    pub memory: u64,
    /// Where results are fetched from it.
    pub address: String,
    /// Which build of which program it runs; empty: not known.
    pub build: String,
}

/// What the shell must do, in this order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send this to a client. To one that is gone: drop it.
    ToClient(ClientId, ToClient),
    /// Send this to a worker. To one that is gone: drop it.
    ToWorker(WorkerId, ToWorker),
    /// End the connection of a worker that was given up, if it still stands.
    Disconnect(WorkerId),
    /// Drop what the shell keeps of a graph: the machine has forgotten it.
    Forget(GraphId),
}

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Bytes a second that are assumed between two workers.
    pub bandwidth: u64,
    /// Nanoseconds from a task's end on a worker until the next one could arrive from here: what is queued there must last so long.
    pub turnaround: u64,
    /// The most tasks queued at a worker beyond its slots.
    pub prefill: u32,
    /// The most tasks at a worker that wait for what it is still to make.
    pub ahead: u32,
    /// After so many workers lost while they ran it, a task fails.
    ///
    /// One that was next to run counts for a quarter: it may have begun unheard.
    pub charges: u32,
    /// Nanoseconds until a task whose inputs could not be reached is placed again; doubled each time, 64-fold at most.
    pub patience: u64,
    /// After so many times that its inputs could not be reached, from wherever it was placed, though their holders say that they have them, a
    /// task fails.
    pub unreached: u32,
    /// Nanoseconds until clients are told that tasks of theirs wait and no worker is there that may run them.
    pub told: u64,
    /// Nanoseconds until such tasks fail; none: they wait for ever.
    pub no_workers: Option<u64>,
    /// After so many tasks in a row that failed at a worker, while another's last one did not, the worker rests: one that fails quickly is idle
    /// again quickly, and would get most of what there is.
    pub failures: u32,
    /// Nanoseconds that it rests at first; doubled each time, 64-fold at most.
    pub rest: u64,
    /// Nanoseconds for which nothing must have come to an end where a graph that tasks wait for could run, and none of it runs, until one of its
    /// tasks is begun beyond the slots. Twice as long for each that has begun so and not ended, 64-fold at most.
    pub stuck: u64,
    /// How many changes are remembered for [`Scheduler::story`](super::Scheduler::story).
    pub remember: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bandwidth: 500_000_000,
            turnaround: 2_000_000,
            prefill: 64,
            ahead: 48,
            charges: 3,
            patience: 50_000_000,
            // Some 50 seconds with that patience where connections are refused at once, longer where they are not answered.
            unreached: 20,
            told: 5_000_000_000,
            no_workers: None,
            failures: 8,
            rest: 100_000_000,
            stuck: 20_000_000,
            remember: 16_384,
        }
    }
}

/// How far a graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Tasks in it, data included.
    pub total: u32,
    /// Of these, data: literals, values that were put on workers, results of other graphs.
    pub data: u32,
    /// Tasks with a value.
    pub done: u32,
    /// Tasks that failed, or read something that did.
    pub failed: u32,
    /// Tasks that were cancelled, or that nobody wanted any more.
    pub cancelled: u32,
    /// Bytes of the values that its tasks have made.
    pub bytes: u64,
}

impl Progress {
    /// Whether no task is left to run.
    pub fn is_finished(&self) -> bool {
        self.done + self.failed + self.cancelled >= self.total
    }
}

/// What results take on all workers, each counted once however many hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUse {
    /// Bytes in memory now.
    pub live: u64,
    /// The most that `live` has been.
    pub peak: u64,
    /// Results now, those of no bytes not counted.
    pub held: u64,
    /// Bytes on disks now.
    pub spilled: u64,
    /// Bytes that have ever been spilled.
    pub spilled_total: u64,
}

//! What the scheduler remembers of workers and clients.

use std::collections::{BTreeSet, VecDeque};

use super::event::{Config, WorkerInfo};
use super::task::At;
use crate::ids::{Attempt, ClientId, GraphId, TaskRef, Tick, WorkerId};
use crate::wire::{Interest, Spilled};

/// A set of small numbers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Adds one; true if it is new.
    pub(crate) fn insert(&mut self, n: u32) -> bool {
        let (word, bit) = (n as usize / 64, 1u64 << (n % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    pub(crate) fn remove(&mut self, n: u32) -> bool {
        let Some(word) = self.0.get_mut(n as usize / 64) else {
            return false;
        };
        let was = *word & 1 << (n % 64) != 0;
        *word &= !(1 << (n % 64));
        was
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().enumerate().flat_map(|(w, &word)| {
            (0..64)
                .filter(move |b| word & 1 << b != 0)
                .map(move |b| w as u32 * 64 + b)
        })
    }
}

/// An attempt at a worker.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) task: TaskRef,
    pub(crate) attempt: Attempt,
    pub(crate) started: bool,
    /// It waits for other tasks and takes up no slot.
    pub(crate) seceded: bool,
    /// The worker was told to stop it: whatever comes of it is not wanted.
    pub(crate) aborted: bool,
    /// It was begun, or is to begin, whether a slot is free or not.
    pub(crate) beyond: bool,
    /// The worker was asked to give it back for this one.
    pub(crate) thief: WorkerId,
}

/// A worker whose last so many tasks failed gets no more at once than its slots take.
const DOUBT: u32 = 3;

/// One worker.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) info: WorkerInfo,
    pub(crate) given: Vec<Given>,
    /// How many of them have seceded.
    pub(crate) seceded: u32,
    /// Tasks that others were asked to give back for this one.
    pub(crate) coming: u32,
    /// How many of its tasks are `Ahead`.
    pub(crate) ahead: u32,
    /// Attempts here after which something could be sent ahead, in the order in which they came.
    pub(crate) tips: VecDeque<(At, Attempt)>,
    /// Whether it stands in the list of those whose tips are to be looked at.
    pub(crate) reaching: bool,
    /// Bytes of the objects it has.
    pub(crate) bytes: u64,
    /// What of that is on its disk.
    pub(crate) spilled: Spilled,
    /// Mean time of its tasks in nanoseconds, the last ones counting more.
    pub(crate) mean: Option<u64>,
    /// Tasks that it does while a message goes there and back; none while nothing is known of its tasks.
    pub(crate) turn: u32,
    /// Workers it knows the address of.
    pub(crate) peers: Bits,
    /// When a task last came to an end here, or came to an idle worker.
    pub(crate) moved: Tick,
    /// The number of its build.
    pub(crate) build: u32,
    /// Tasks that failed here one after the other.
    pub(crate) failures: u32,
    /// Until when it is given nothing, since its tasks fail.
    pub(crate) rests: Option<Tick>,
    /// As what it stands in the set of those with room, if it does.
    pub(crate) listed: Option<u32>,
    /// As what it stands in the set of those with more than their slots take, if it does.
    pub(crate) surplus: Option<u32>,
}

impl Entry {
    pub(crate) fn new(info: WorkerInfo, build: u32, now: Tick) -> Self {
        Self {
            info,
            given: Vec::new(),
            seceded: 0,
            coming: 0,
            ahead: 0,
            tips: VecDeque::new(),
            reaching: false,
            bytes: 0,
            spilled: Spilled::default(),
            mean: None,
            turn: 0,
            peers: Bits::default(),
            moved: now,
            build,
            failures: 0,
            rests: None,
            listed: None,
            surplus: None,
        }
    }

    pub(crate) fn slots(&self) -> u32 {
        self.info.slots.max(1)
    }

    /// Tasks here that take up slots or wait for one. Those that are ahead wait behind them and take nothing from anybody.
    pub(crate) fn queued(&self) -> u32 {
        // In the middle of an event an attempt may be over and its task not have changed yet.
        (self.given.len() as u32).saturating_sub(self.seceded + self.ahead)
    }

    /// The same, and those that come.
    pub(crate) fn occupied(&self) -> u32 {
        self.queued() + self.coming
    }

    /// The most tasks that may be ahead here.
    pub(crate) fn reach(&self, config: &Config) -> u32 {
        match self.failures {
            0..DOUBT => self.turn.min(config.ahead),
            _ => 0,
        }
    }

    /// The most tasks it is given at once: its slots, and as many as it does while a message goes there and back. A worker of
    /// which nothing is known, or whose tasks are long, gets none beyond its slots, nor does one whose last tasks failed.
    pub(crate) fn cap(&self, config: &Config) -> u32 {
        let beyond = match self.failures {
            0..DOUBT => self.turn.min(config.prefill),
            _ => 0,
        };
        self.slots().saturating_add(beyond)
    }

    /// Whether it can be given a task.
    pub(crate) fn has_room(&self, config: &Config) -> bool {
        self.rests.is_none() && self.occupied() < self.cap(config)
    }

    /// Tasks a slot, in thousandths.
    pub(crate) fn load(&self) -> u32 {
        (u64::from(self.occupied()) * 1000 / u64::from(self.slots())).min(u64::from(u32::MAX))
            as u32
    }

    pub(crate) fn find(&self, task: TaskRef, attempt: Attempt) -> Option<usize> {
        self.given
            .iter()
            .position(|g| g.attempt == attempt && g.task == task)
    }

    /// Takes in how long a task took.
    pub(crate) fn learn(&mut self, nanos: u64, config: &Config) {
        let mean = match self.mean {
            None => nanos,
            Some(mean) => mean - mean / 4 + nanos / 4,
        };
        self.mean = Some(mean);
        let turn = config.turnaround * u64::from(self.slots()) / mean.max(1);
        self.turn = turn.min(u64::from(u32::MAX)) as u32;
    }
}

/// One client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) interest: Interest,
    /// Tasks of a worker wait for what it submits.
    pub(crate) for_tasks: bool,
    pub(crate) graphs: BTreeSet<GraphId>,
    /// Objects of other clients' graphs that it wants.
    pub(crate) foreign: BTreeSet<TaskRef>,
    /// Workers it knows the address of.
    pub(crate) peers: Bits,
}

/// A question about an object that was put to a worker because a client could not read it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) worker: WorkerId,
    pub(crate) data: TaskRef,
    pub(crate) client: ClientId,
    pub(crate) task: TaskRef,
}

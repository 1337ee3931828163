//! Time and the network: what was sent arrives later, in order on each connection, in any order across them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use kvern_machine::{ClientId, WorkerId};

use crate::rng::{Rng, mix};

/// Who sends and receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The scheduler.
    Scheduler,
    /// A worker.
    Worker(WorkerId),
    /// A client.
    Client(ClientId),
}

impl Node {
    fn number(self) -> u64 {
        match self {
            Self::Scheduler => 0,
            Self::Worker(w) => 1 << 32 | u64::from(w.0),
            Self::Client(c) => 2 << 32 | u64::from(c.0),
        }
    }
}

/// A connection between two, in one direction.
#[derive(Debug)]
struct Line {
    rng: Rng,
    last: u64,
}

/// Everything that is going to happen.
#[derive(Debug)]
pub struct Net<T> {
    now: u64,
    count: u64,
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    items: Vec<Option<T>>,
    free: Vec<usize>,
    lines: BTreeMap<(Node, Node, bool), Line>,
    walls: Vec<(Node, Node, u64)>,
    seed: u64,
    latency: u64,
}

impl<T> Net<T> {
    /// An empty one at time 0.
    pub fn new(seed: u64, latency: u64) -> Self {
        Self {
            now: 0,
            count: 0,
            queue: BinaryHeap::new(),
            items: Vec::new(),
            free: Vec::new(),
            lines: BTreeMap::new(),
            walls: Vec::new(),
            seed,
            latency,
        }
    }

    /// Nanoseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Things that are still to happen.
    pub fn pending(&self) -> usize {
        self.queue.len()
    }

    /// Lets something happen after so long.
    pub fn after(&mut self, nanos: u64, item: T) {
        self.at(self.now + nanos, item);
    }

    fn at(&mut self, at: u64, item: T) {
        let index = self.free.pop().unwrap_or(self.items.len());
        if index == self.items.len() {
            self.items.push(Some(item));
        } else {
            self.items[index] = Some(item);
        }
        self.count += 1;
        self.queue.push(Reverse((at, self.count, index)));
    }

    /// Sends something; `data` says on which of the two connections between a pair. Gives the time of arrival.
    pub fn send(&mut self, from: Node, to: Node, data: bool, item: T) -> u64 {
        let stream = mix(from.number()) ^ to.number() << 1 ^ u64::from(data);
        let (seed, latency, now) = (self.seed, self.latency, self.now);
        let line = self.lines.entry((from, to, data)).or_insert_with(|| Line {
            rng: Rng::new(seed, stream),
            last: 0,
        });
        let mut at = now + 1 + line.rng.below(latency);
        if line.rng.one_in(20) {
            at += line.rng.below(latency * 5);
        }
        for (f, t, until) in &self.walls {
            if *f == from && *t == to && at < *until {
                at = *until + line.rng.below(latency);
            }
        }
        at = at.max(line.last + 1);
        line.last = at;
        self.at(at, item);
        at
    }

    /// Nothing gets from one to the other for so long.
    pub fn wall(&mut self, from: Node, to: Node, lasts: u64) {
        self.walls.push((from, to, self.now + lasts));
    }

    /// The next thing; time moves on to it.
    #[expect(
        clippy::should_implement_trait,
        reason = "time moves while it is called, and it can go on after the end"
    )]
    pub fn next(&mut self) -> Option<T> {
        let Reverse((at, _, index)) = self.queue.pop()?;
        self.now = at;
        self.free.push(index);
        self.items[index].take()
    }
}

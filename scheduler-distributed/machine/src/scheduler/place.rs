//! Which worker gets a task.
//!
//! Ready tasks stay here until a worker has room: its slots, and as many beyond them as it runs while a message goes there and
//! back. So what has not started costs no memory anywhere, and priorities hold until the last moment. Graphs of one priority take turns. Among the workers that
//! have inputs of a task and the one with the least to do, the one is taken where it would start first.

use std::cmp::Reverse;
use std::ops::Bound;

use super::state::State;
use super::task::{At, Kind};
use super::workers::Given;
use super::{Effect, Scheduler};
use crate::ids::{Attempt, WorkerId};
use crate::outbox::Outbox;
use crate::wire::{Assign, Input, Source, ToWorker};

/// At most so many holders of an input are looked at, and named to a worker as sources.
const SOURCES: usize = 4;

/// Room for counting bytes by worker that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    bytes: Vec<u64>,
    touched: Vec<WorkerId>,
}

impl Scheduler {
    /// Gives ready tasks to workers as long as there are both.
    pub(super) fn place(&mut self, out: &mut Outbox<Effect>) {
        let mut next = self.rings.first_key_value().map(|(p, _)| *p);
        while let Some(priority) = next
            && self.fitting.has_room()
        {
            self.place_of(priority, out);
            let lower = (Bound::Excluded(priority), Bound::Unbounded);
            next = self.rings.range(lower).next().map(|(p, _)| *p);
        }
    }

    /// The same with the graphs of one priority.
    fn place_of(&mut self, priority: Reverse<i32>, out: &mut Outbox<Effect>) {
        let ring = self.rings.get_mut(&priority);
        let mut ring = ring.map(std::mem::take).unwrap_or_default();
        // How many in a row had tasks, and no worker that may run them had room.
        let mut in_vain = 0;
        while in_vain < ring.len() && self.fitting.has_room() {
            let Some(slot) = ring.pop_front() else {
                break;
            };
            let graph = self.graph_mut(slot);
            if !graph.has_ready() {
                graph.in_ring = false;
                continue;
            }
            ring.push_back(slot);
            let next = self.next_of(slot);
            in_vain += 1;
            if let Some(at) = next
                && let Some(worker) = self.choose(at)
            {
                in_vain = 0;
                self.assign(at, worker, out);
            }
        }
        if ring.is_empty() {
            self.rings.remove(&priority);
        } else {
            self.rings.insert(priority, ring);
        }
    }

    /// The worker with room where the task would start first.
    fn choose(&mut self, at: At) -> Option<WorkerId> {
        let total = self.tally(at);
        let class = self.graph(at.slot).class_of(at.task);
        let avoided = match self.missing.is_empty() {
            true => &[][..],
            false => self
                .missing
                .get(&self.name(at))
                .map_or(&[][..], |m| &m.from),
        };
        // Somebody who is not known to be unable to reach an input, if there is one with room.
        let least = self.least_loaded(at.slot, class, avoided);
        let Some(least) = least.or_else(|| self.least_loaded(at.slot, class, &[])) else {
            self.clear_tally();
            return None;
        };
        let mut best = (self.cost(least, total), least);
        for &worker in &self.scratch.touched {
            let listed = self.worker(worker).is_some_and(|w| w.listed.is_some());
            if listed && !avoided.contains(&worker) && self.may_run(at, worker) {
                best = best.min((self.cost(worker, total), worker));
            }
        }
        self.clear_tally();
        Some(best.1)
    }

    fn clear_tally(&mut self) {
        while let Some(worker) = self.scratch.touched.pop() {
            self.scratch.bytes[worker.0 as usize] = 0;
        }
    }

    /// Counts how many bytes of a task's inputs each worker has; gives how many there are.
    fn tally(&mut self, at: At) -> u64 {
        let mut total = 0u64;
        let Self {
            graphs, scratch, ..
        } = self;
        let get = |slot: u32| {
            graphs[slot as usize]
                .as_ref()
                .unwrap_or_else(|| super::gone(slot))
        };
        let graph = get(at.slot);
        for &dep in graph.deps(at.task) {
            let task = graph.task(dep);
            let holders = match task.kind {
                Kind::Literal => continue,
                Kind::Proxy => {
                    let Some(Some(source)) = graph.sources.get(&dep) else {
                        continue;
                    };
                    let of = get(source.slot);
                    of.holders(source.task)
                }
                _ => graph.holders(dep),
            };
            // Small ones cost a message as well.
            let bytes = graph.input_bytes(at.task, dep) + 4096;
            total = total.saturating_add(bytes);
            let from = if holders.len() > SOURCES {
                at.task as usize
            } else {
                0
            };
            for i in 0..holders.len().min(SOURCES) {
                let worker = holders[(from + i) % holders.len()];
                let index = worker.0 as usize;
                if scratch.bytes.len() <= index {
                    scratch.bytes.resize(index + 1, 0);
                }
                if scratch.bytes[index] == 0 {
                    scratch.touched.push(worker);
                }
                scratch.bytes[index] = scratch.bytes[index].saturating_add(bytes);
            }
        }
        total
    }

    /// Nanoseconds until the task would start there, and bytes there already.
    fn cost(&self, worker: WorkerId, total: u64) -> (u64, u64) {
        let Some(entry) = self.worker(worker) else {
            return (u64::MAX, 0);
        };
        let here = self
            .scratch
            .bytes
            .get(worker.0 as usize)
            .copied()
            .unwrap_or(0);
        let missing = total.saturating_sub(here);
        let transfer = self.transfer(missing);
        let ahead = u64::from((entry.occupied() + 1).saturating_sub(entry.slots()));
        let mean = entry.mean.unwrap_or(self.mean);
        let queue = ahead.saturating_mul(mean) / u64::from(entry.slots());
        (queue.saturating_add(transfer), entry.bytes)
    }

    /// Nanoseconds to move so many bytes.
    pub(super) fn transfer(&self, bytes: u64) -> u64 {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.config.bandwidth.max(1));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    /// Bytes of a task's inputs that a worker does not have.
    pub(super) fn missing_bytes(&mut self, at: At, worker: WorkerId) -> u64 {
        let total = self.tally(at);
        let here = self
            .scratch
            .bytes
            .get(worker.0 as usize)
            .copied()
            .unwrap_or(0);
        self.clear_tally();
        total.saturating_sub(here)
    }

    /// Gives a ready task to a worker.
    pub(super) fn assign(&mut self, at: At, worker: WorkerId, out: &mut Outbox<Effect>) {
        self.give(at, worker, State::Assigned, "placed", out);
    }

    /// Gives a task to a worker: one that can run, or one that waits there for what it reads.
    pub(super) fn give(
        &mut self,
        at: At,
        worker: WorkerId,
        to: State,
        why: &'static str,
        out: &mut Outbox<Effect>,
    ) {
        self.introduce_graph(at.slot, worker, out);
        let inputs = self.inputs(at, worker, out);
        let graph = self.graph_mut(at.slot);
        graph.active += 1;
        let task = graph.task_mut(at.task);
        task.attempt = Attempt(task.attempt.0 + 1);
        task.worker = worker;
        task.led = false;
        let attempt = task.attempt;
        let message = Assign {
            task: graph.name(at.task),
            attempt,
            priority: -i64::from(graph.priority) * (1 << 32) + i64::from(graph.rank(at.task)),
            key: graph.key(at.task),
            op: graph.op(at.task),
            block: graph.block(at.task),
            piece: graph.piece(at.task).map(|piece| piece.index),
            annotation: graph.annotation(at.task),
            bytes: graph.task(at.task).bytes,
            inputs,
        };
        let given = Given {
            task: message.task,
            attempt,
            started: false,
            seceded: false,
            aborted: false,
            beyond: false,
            thief: WorkerId(0),
        };
        let now = self.now;
        if let Some(entry) = self.worker_mut(worker) {
            if entry.given.is_empty() {
                entry.moved = now;
            }
            entry.given.push(given);
        }
        self.set(at, to, why);
        self.relist(worker);
        self.add_tip(at, worker);
        out.push(Effect::ToWorker(worker, ToWorker::Assign(message)));
    }

    fn inputs(&mut self, at: At, worker: WorkerId, out: &mut Outbox<Effect>) -> Vec<Input> {
        let range = self.graph(at.slot).dep_range(at.task);
        let again = self.graph(at.slot).task(at.task).retries > 0;
        let piece = self.graph(at.slot).piece(at.task);
        let mut inputs = Vec::with_capacity(range.len());
        for i in range {
            let dep = At {
                task: self.graph(at.slot).dep(i),
                ..at
            };
            let from = self.source(dep);
            let graph = self.graph(from.slot);
            let source = if let Some(payload) = graph.literals.get(&from.task) {
                Source::Literal(payload.clone())
            } else {
                let holders = graph.holders(from.task);
                // Nobody has it: the worker itself is to make it.
                if holders.is_empty() || holders.binary_search(&worker).is_ok() {
                    Source::Workers(vec![worker])
                } else {
                    let first = if holders.len() > SOURCES {
                        at.task as usize
                    } else {
                        0
                    };
                    let some = (0..holders.len().min(SOURCES))
                        .map(|i| holders[(first + i) % holders.len()]);
                    Source::Workers(some.collect())
                }
            };
            let graph = self.graph(from.slot);
            let object = graph.task(from.task);
            let lone = object.refs == 1 && object.wants == 0;
            let last =
                lone && from == dep && !again && !graph.is_impure(from.task) && !self.is_kept(from);
            // From elsewhere no more comes than the piece, which is the worker's own business: its holders have all of it.
            let is_elsewhere = matches!(&source, Source::Workers(w) if !w.contains(&worker));
            let (name, last) = match piece {
                Some(piece) if is_elsewhere => {
                    (graph.name(from.task).of_piece(piece.index), !again)
                }
                Some(_) => (graph.name(from.task), false),
                None => (graph.name(from.task), last),
            };
            let input = Input {
                object: name,
                bytes: piece.map_or(object.bytes, |piece| piece.share(object.bytes)),
                source,
                // A task that may be tried again after it failed needs its inputs again; and what cannot be made again stays.
                last,
            };
            if let Source::Workers(workers) = &input.source {
                for &peer in workers {
                    self.introduce_peer(worker, peer, out);
                }
            }
            inputs.push(input);
        }
        inputs
    }

    fn introduce_graph(&mut self, slot: u32, worker: WorkerId, out: &mut Outbox<Effect>) {
        let graph = self.graph_mut(slot);
        if graph.introduced.insert(worker.0) {
            let message = ToWorker::Graph {
                graph: graph.id,
                shared: graph.shared.clone(),
            };
            out.push(Effect::ToWorker(worker, message));
        }
    }

    fn introduce_peer(&mut self, worker: WorkerId, peer: WorkerId, out: &mut Outbox<Effect>) {
        if worker == peer {
            return;
        }
        let Some(entry) = self.worker_mut(worker) else {
            return;
        };
        if !entry.peers.insert(peer.0) {
            return;
        }
        if let Some(known) = self.worker(peer) {
            let address = known.info.address.clone();
            let message = ToWorker::Peer {
                worker: peer,
                address,
            };
            out.push(Effect::ToWorker(worker, message));
        }
    }

    /// Puts a worker where it belongs among those with room and those with too much.
    pub(super) fn relist(&mut self, worker: WorkerId) {
        let Some(Some(entry)) = self.workers.get_mut(worker.0 as usize) else {
            return;
        };
        let load = entry.load();
        let listed = entry.has_room(&self.config).then_some(load);
        let room = &mut self.fitting.room[entry.build as usize];
        let surplus = (entry.queued() > entry.slots()).then_some(load);
        if listed != entry.listed {
            if let Some(was) = std::mem::replace(&mut entry.listed, listed) {
                room.remove(&(was, worker));
            }
            if let Some(load) = listed {
                room.insert((load, worker));
            }
        }
        if surplus != entry.surplus {
            if let Some(was) = std::mem::replace(&mut entry.surplus, surplus) {
                self.surplus.remove(&(was, worker));
            }
            if let Some(load) = surplus {
                self.surplus.insert((load, worker));
            }
        }
    }
}

//! Attempts begin, wait for others, and end.

use std::collections::BTreeSet;

use kvern_core::error::ErrorRecord;

use super::attempt::{ATTEMPT_EDGES, AttemptState};
use super::object::ObjectState;
use super::{Effect, Outcome, Worker};
use crate::ids::{Attempt, TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::story::Line;
use crate::wire::{Assign, FromWorker, Input, Source};

impl Worker {
    /// What runs next, and why it may.
    fn next(&mut self) -> Option<(TaskRef, Attempt, &'static str)> {
        if let Some((task, attempt)) = self.beyond.pop_first() {
            if let Some(one) = self.tries.get(&(task, attempt)) {
                self.runnable.remove(&(one.priority, task, attempt));
            }
            return Some((task, attempt, "others wait for it"));
        }
        if self.occupied >= self.config.slots.max(1) {
            return None;
        }
        let (_, task, attempt) = self.runnable.pop_first()?;
        Some((task, attempt, "a slot is free"))
    }

    /// Starts what can run: while slots are free, and what needs none.
    pub(super) fn start(&mut self, out: &mut Outbox<Effect>) {
        while let Some((task, attempt, why)) = self.next() {
            self.move_attempt(task, attempt, AttemptState::Running, why);
            let assign = self
                .tries
                .get_mut(&(task, attempt))
                .and_then(|t| t.assign.take());
            if let Some(mut assign) = assign {
                self.hand_over(&mut assign);
                out.push(Effect::ToScheduler(FromWorker::Started { task, attempt }));
                out.push(Effect::Execute(assign));
            }
        }
    }

    /// Inputs that nobody else needs leave the store with the task that starts; of others it gets to know that they stay.
    fn hand_over(&mut self, assign: &mut Assign) {
        let key = (assign.task, assign.attempt);
        let mut taken = BTreeSet::new();
        let is_object = |i: &&Input| matches!(i.source, Source::Workers(_));
        let objects = assign.inputs.iter().filter(is_object).count();
        // One that reads a piece twice cannot take it twice.
        let once = (self.tries.get(&key)).is_some_and(|one| one.inputs.len() == objects);
        for input in &mut assign.inputs {
            if !input.last || matches!(input.source, Source::Literal(_)) {
                continue;
            }
            let alone = (once || input.object.piece().is_none())
                && self.objects.get(&input.object).is_some_and(|o| {
                    o.state.in_store() && o.needed_by.len() == 1 && o.needed_by.contains(&key)
                });
            if !alone {
                input.last = false;
                continue;
            }
            self.move_object(
                input.object,
                ObjectState::Absent,
                "taken by its last reader",
            );
            taken.insert(input.object);
        }
        if let Some(one) = self.tries.get_mut(&key).filter(|_| !taken.is_empty()) {
            one.inputs.retain(|o| !taken.contains(o));
        }
    }

    pub(super) fn runnable(&mut self, task: TaskRef, attempt: Attempt) {
        self.move_attempt(task, attempt, AttemptState::Runnable, "all inputs are here");
        if let Some(one) = self.tries.get(&(task, attempt)) {
            self.runnable.insert((one.priority, task, attempt));
            if one.beyond {
                self.beyond.insert((task, attempt));
            }
        }
    }

    /// An attempt needs no free slot from now on. If it runs already, or is over, there is nothing to do.
    pub(super) fn begin_beyond(&mut self, task: TaskRef, attempt: Attempt) {
        let Some(one) = self.tries.get_mut(&(task, attempt)) else {
            return;
        };
        one.beyond = true;
        if one.state == AttemptState::Runnable {
            self.beyond.insert((task, attempt));
        }
    }

    /// Changes an attempt's state.
    pub(super) fn move_attempt(
        &mut self,
        task: TaskRef,
        attempt: Attempt,
        to: AttemptState,
        why: &'static str,
    ) {
        let Some(one) = self.tries.get_mut(&(task, attempt)) else {
            return;
        };
        let from = std::mem::replace(&mut one.state, to);
        self.occupied = self.occupied + u32::from(to.in_slot()) - u32::from(from.in_slot());
        let line = Line {
            at: self.now,
            of: task,
            from: from.name(),
            to: to.name(),
            why,
            worker: self.id,
            attempt,
        };
        self.log.add(line);
        if !ATTEMPT_EDGES.iter().any(|e| (e.0, e.1) == (from, to)) {
            self.broken
                .get_or_insert_with(|| format!("no such change: {line}"));
        }
    }

    /// Forgets an attempt that has not started; false if it has, or is not known.
    pub(super) fn drop_waiting(
        &mut self,
        task: TaskRef,
        attempt: Attempt,
        why: &'static str,
        out: &mut Outbox<Effect>,
    ) -> bool {
        let state = self.tries.get(&(task, attempt)).map(|t| t.state);
        let waiting = matches!(state, Some(AttemptState::Fetching | AttemptState::Runnable));
        if waiting {
            self.end(task, attempt, why, out);
        }
        waiting
    }

    fn end(
        &mut self,
        task: TaskRef,
        attempt: Attempt,
        why: &'static str,
        out: &mut Outbox<Effect>,
    ) {
        self.move_attempt(task, attempt, AttemptState::Over, why);
        let Some(one) = self.tries.remove(&(task, attempt)) else {
            return;
        };
        self.runnable.remove(&(one.priority, task, attempt));
        self.beyond.remove(&(task, attempt));
        for object in one.inputs {
            self.unneed(object, task, attempt, out);
        }
        self.look_for_maker(task);
    }

    /// Whether an attempt here is to make an object.
    pub(super) fn is_maker_here(&self, object: TaskRef) -> bool {
        let all = (object, Attempt(0))..=(object, Attempt(u32::MAX));
        let told_to_stop = |s| matches!(s, AttemptState::Aborting | AttemptState::AbortingSeceded);
        self.tries.range(all).any(|(_, t)| !told_to_stop(t.state))
    }

    /// An attempt is over, or is not to be one that counts: those who wait for its object may wait in vain.
    pub(super) fn look_for_maker(&mut self, object: TaskRef) {
        let state = self.objects.get(&object).map(|o| o.state);
        if state == Some(ObjectState::Expected) {
            self.unmade.push(object);
        }
    }

    /// Gives back the attempts that wait for what is not made here any more, and those that wait for them.
    pub(super) fn give_back(&mut self, out: &mut Outbox<Effect>) {
        while let Some(object) = self.unmade.pop() {
            let Some(o) = self.objects.get(&object) else {
                continue;
            };
            if o.state != ObjectState::Expected || self.is_maker_here(object) {
                continue;
            }
            let needed_by: Vec<_> = o.needed_by.iter().copied().collect();
            for (task, attempt) in needed_by {
                self.drop_waiting(task, attempt, "given back", out);
                self.say_missing(task, attempt, object, Vec::new(), out);
            }
        }
    }

    pub(super) fn executed(
        &mut self,
        task: TaskRef,
        attempt: Attempt,
        outcome: Outcome,
        nanos: u64,
        out: &mut Outbox<Effect>,
    ) {
        let state = self.tries.get(&(task, attempt)).map(|t| t.state);
        let Some(state) = state.filter(|s| s.executing()) else {
            return;
        };
        let wanted = matches!(state, AttemptState::Running | AttemptState::Seceded);
        // Inputs are let go after the result is there: it may be one of them that keeps an object of another attempt here.
        match (outcome, wanted) {
            (Outcome::Stored { bytes, inline }, true) => {
                self.made(task, attempt, bytes, nanos, inline, out);
            }
            (Outcome::Failed(error), true) => self.say_failed(task, attempt, error, out),
            (Outcome::Stored { bytes, .. }, false) => {
                match self.objects.get(&task).map(|o| o.state) {
                    Some(s) if s.in_store() => {}
                    // Another attempt here waits for this very object.
                    Some(ObjectState::Expected | ObjectState::Wanted | ObjectState::InFlight) => {
                        self.arrived(task, bytes, "made or put here", out);
                        let have = FromWorker::Have {
                            object: task,
                            bytes,
                        };
                        out.push(Effect::ToScheduler(have));
                    }
                    _ => out.push(Effect::Drop(task)),
                }
                let told = FromWorker::Aborted { task, attempt };
                out.push(Effect::ToScheduler(told));
            }
            (Outcome::Failed(_), false) => {
                let told = FromWorker::Aborted { task, attempt };
                out.push(Effect::ToScheduler(told));
            }
        }
        self.end(task, attempt, "ended", out);
    }

    fn made(
        &mut self,
        task: TaskRef,
        attempt: Attempt,
        bytes: u64,
        nanos: u64,
        inline: Option<Payload>,
        out: &mut Outbox<Effect>,
    ) {
        match self.objects.get(&task).map(|o| o.state) {
            Some(ObjectState::Here) => {}
            Some(ObjectState::Doomed) => {
                self.move_object(task, ObjectState::Here, "needed again");
            }
            _ => self.arrived(task, bytes, "made or put here", out),
        }
        out.push(Effect::ToScheduler(FromWorker::Done {
            task,
            attempt,
            bytes,
            nanos,
            inline,
        }));
    }

    fn say_failed(
        &mut self,
        task: TaskRef,
        attempt: Attempt,
        error: ErrorRecord,
        out: &mut Outbox<Effect>,
    ) {
        out.push(Effect::ToScheduler(FromWorker::Failed {
            task,
            attempt,
            error,
        }));
    }

    pub(super) fn say_missing(
        &mut self,
        task: TaskRef,
        attempt: Attempt,
        object: TaskRef,
        tried: Vec<WorkerId>,
        out: &mut Outbox<Effect>,
    ) {
        out.push(Effect::ToScheduler(FromWorker::InputMissing {
            task,
            attempt,
            object,
            tried,
        }));
    }

    pub(super) fn seceded(&mut self, task: TaskRef, attempt: Attempt, out: &mut Outbox<Effect>) {
        let to = match self.tries.get(&(task, attempt)).map(|t| t.state) {
            Some(AttemptState::Running) => AttemptState::Seceded,
            Some(AttemptState::Aborting) => AttemptState::AbortingSeceded,
            _ => return,
        };
        self.move_attempt(task, attempt, to, "waits for others");
        let told = FromWorker::Seceded { task, attempt };
        out.push(Effect::ToScheduler(told));
    }

    pub(super) fn rejoined(&mut self, task: TaskRef, attempt: Attempt, out: &mut Outbox<Effect>) {
        let to = match self.tries.get(&(task, attempt)).map(|t| t.state) {
            Some(AttemptState::Seceded) => AttemptState::Running,
            Some(AttemptState::AbortingSeceded) => AttemptState::Aborting,
            _ => return,
        };
        self.move_attempt(task, attempt, to, "goes on");
        let told = FromWorker::Rejoined { task, attempt };
        out.push(Effect::ToScheduler(told));
    }
}

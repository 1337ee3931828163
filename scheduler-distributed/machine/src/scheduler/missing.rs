//! Inputs that a worker could not fetch: their tasks wait a while and go elsewhere; at last they fail.

use std::sync::Arc;

use super::life::Work;
use super::state::State;
use super::task::At;
use super::workers::Given;
use super::{Effect, Scheduler, words};
use crate::ids::{Attempt, TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::wire::ToWorker;

/// A task whose inputs could not be reached from where it was.
#[derive(Debug, Default)]
pub(super) struct Missing {
    times: u32,
    /// How many of those times a holder said afterwards that it has the input. One that says nothing may be about to be lost, and with it the
    /// input, which is made again then.
    proven: u32,
    /// The input that was missing the last time, and how often it had been confirmed until then.
    last: Option<(TaskRef, u32)>,
    /// From which workers.
    pub(super) from: Vec<WorkerId>,
}

impl Scheduler {
    pub(super) fn input_missing(
        &mut self,
        worker: WorkerId,
        task: TaskRef,
        attempt: Attempt,
        object: TaskRef,
        tried: &[WorkerId],
        out: &mut Outbox<Effect>,
    ) {
        let given = self.take_given(worker, task, attempt);
        let (Some(Given { aborted: false, .. }), Some(at)) = (given, self.locate(task)) else {
            return;
        };
        // What a worker says of another is a reason to ask that one, not to believe it.
        let input = self.locate(object);
        let there = input.is_some_and(|i| self.graph(i.slot).task(i.task).state == State::Stored);
        let holders = match (input, there) {
            (Some(input), true) => self.graph(input.slot).holders(input.task),
            _ => &[],
        };
        let asked: Vec<WorkerId> = tried
            .iter()
            .copied()
            .filter(|w| holders.contains(w))
            .collect();
        for &holder in &asked {
            out.push(Effect::ToWorker(holder, ToWorker::Probe(object)));
        }
        let running = self.graph(at.slot).task(at.task).state == State::Running;
        let (Some(input), false, false) = (input, asked.is_empty(), running) else {
            // It is being made again, or others have it than were asked.
            self.set(at, State::Waiting, "given back");
            self.reconsider(at);
            return;
        };
        let confirmed = *self.confirmed.entry(object).or_default();
        let missing = self.missing.entry(task).or_default();
        if let Some((last, before)) = missing.last.replace((object, confirmed)) {
            let now = self.confirmed.get(&last).copied().unwrap_or_default();
            missing.proven += u32::from(now > before);
        }
        let doubled = self.config.patience << missing.times.min(6);
        missing.times += 1;
        if !missing.from.contains(&worker) {
            missing.from.push(worker);
        }
        if missing.proven + 1 >= self.config.unreached {
            let times = missing.times;
            let (key, input) = (
                self.graph(at.slot).key(at.task),
                self.graph(input.slot).key(input.task),
            );
            let holders: Vec<String> = asked.iter().map(|w| self.address(*w)).collect();
            let error = words::unreached(key, input, times, &holders, &self.address(worker));
            self.work.push(Work::Fail(at, Arc::new(error)));
            return;
        }
        self.park(at, doubled, "an input could not be reached");
    }

    /// A worker says that it has an object that it was known to have: it may have been asked because somebody could not fetch it.
    pub(super) fn confirmed(&mut self, at: At, worker: WorkerId) {
        if self.confirmed.is_empty() || !self.graph(at.slot).holders(at.task).contains(&worker) {
            return;
        }
        let name = self.name(at);
        if let Some(times) = self.confirmed.get_mut(&name) {
            *times += 1;
        }
    }

    /// Where a worker is reached, for people to read.
    fn address(&self, worker: WorkerId) -> String {
        match self.worker(worker) {
            Some(entry) => format!("{worker} ({})", entry.info.address),
            None => format!("{worker} (gone)"),
        }
    }
}

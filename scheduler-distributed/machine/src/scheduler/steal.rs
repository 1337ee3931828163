//! An idle worker takes over what waits at another.
//!
//! Only where it helps: what waits there will wait longer than a message takes there and back, or nothing has come to an end there for
//! so long; and moving the inputs takes less than the wait. The task is asked back first, so it never runs twice; what was sent ahead
//! after it is asked back with it (`ahead`).

use super::state::State;
use super::task::At;
use super::{Effect, Scheduler};
use crate::ids::{Tick, WorkerId};
use crate::outbox::Outbox;
use crate::wire::ToWorker;

/// So many workers with too much are looked at for one that is idle.
const VICTIMS: usize = 8;

impl Scheduler {
    /// Asks back tasks for idle workers.
    pub(super) fn steal(&mut self, out: &mut Outbox<Effect>) {
        self.steal_at = None;
        // One of each build, since not all may run all tasks; nearly always there is one build.
        for n in 0..self.fitting.builds() {
            let Some(build) = self.fitting.build(n) else {
                return;
            };
            while let Some(thief) = self.idle(build) {
                if self.surplus.is_empty() || !self.steal_for(thief, out) {
                    break;
                }
                // What was sent after the task that is asked back is asked back as well.
                self.settle(out);
            }
        }
    }

    /// A worker of a build with a free slot.
    fn idle(&self, build: usize) -> Option<WorkerId> {
        let (load, worker) = *self.fitting.room[build].first()?;
        (load < 1000).then_some(worker)
    }

    fn steal_for(&mut self, thief: WorkerId, out: &mut Outbox<Effect>) -> bool {
        let victims: Vec<WorkerId> = self
            .surplus
            .iter()
            .rev()
            .take(VICTIMS)
            .map(|(_, w)| *w)
            .collect();
        for victim in victims {
            let Some(entry) = self.worker(victim) else {
                continue;
            };
            let patience = 2 * self.config.turnaround;
            let ahead = u64::from(entry.occupied().saturating_sub(entry.slots()));
            let mean = entry.mean.unwrap_or(self.mean);
            let wait = ahead.saturating_mul(mean) / u64::from(entry.slots());
            let moved = entry.moved;
            if wait <= patience && moved.after(patience) > self.now {
                self.look_again(moved.after(patience));
                continue;
            }
            let Some((i, at)) = self.candidate(victim, thief) else {
                continue;
            };
            let missing = self.missing_bytes(at, thief);
            let transfer = self.transfer(missing);
            let stuck = moved.after(patience.max(transfer));
            if wait <= patience.max(transfer) && stuck > self.now {
                self.look_again(stuck);
                continue;
            }
            self.ask_back(victim, i, at, thief, out);
            return true;
        }
        false
    }

    /// Not now; but if nothing moves there, a little later.
    fn look_again(&mut self, at: Tick) {
        self.steal_at = Some(self.steal_at.map_or(at, |before| before.min(at)));
    }

    /// Of what waits for a slot at a worker and another may run, what it would run last.
    fn candidate(&self, victim: WorkerId, thief: WorkerId) -> Option<(usize, At)> {
        let entry = self.worker(victim)?;
        let waiting = entry
            .given
            .iter()
            .enumerate()
            .filter(|(_, g)| !g.started && !g.aborted && g.thief.0 == 0);
        let ranked = waiting.filter_map(|(i, g)| {
            let at = self.locate(g.task)?;
            let graph = self.graph(at.slot);
            let assigned = graph.task(at.task).state == State::Assigned;
            (assigned && self.may_run(at, thief)).then(|| (graph.rank(at.task), i, at))
        });
        ranked.max().map(|(_, i, at)| (i, at))
    }

    fn ask_back(
        &mut self,
        victim: WorkerId,
        given: usize,
        at: At,
        thief: WorkerId,
        out: &mut Outbox<Effect>,
    ) {
        self.set(at, State::Retracting, "wanted elsewhere");
        let Some(entry) = self.worker_mut(victim) else {
            return;
        };
        let given = &mut entry.given[given];
        given.thief = thief;
        let retract = ToWorker::Retract {
            task: given.task,
            attempt: given.attempt,
        };
        out.push(Effect::ToWorker(victim, retract));
        if let Some(entry) = self.worker_mut(thief) {
            entry.coming += 1;
        }
        self.relist(thief);
    }

    /// What was to come to a worker does not, or has come.
    pub(super) fn not_coming(&mut self, thief: WorkerId) {
        if thief.0 == 0 {
            return;
        }
        if let Some(entry) = self.worker_mut(thief) {
            entry.coming -= 1;
            self.relist(thief);
        }
    }

    /// A task that was given back goes to the one that it was asked back for.
    pub(super) fn hand_to_thief(&mut self, at: At, thief: WorkerId, out: &mut Outbox<Effect>) {
        let ready = self.graph(at.slot).task(at.task).state == State::Ready;
        if ready && self.worker(thief).is_some_and(|w| w.listed.is_some()) {
            self.assign(at, thief, out);
        }
    }
}

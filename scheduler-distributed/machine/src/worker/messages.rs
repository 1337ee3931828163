//! What the scheduler says to a worker.

use super::attempt::{AttemptState, Try};
use super::object::{Object, ObjectState};
use super::{Effect, Worker};
use crate::ids::{Attempt, TaskRef, WorkerId};
use crate::outbox::Outbox;
use crate::wire::{Assign, FromWorker, Source, ToWorker};

impl Worker {
    pub(super) fn hear(&mut self, message: ToWorker, out: &mut Outbox<Effect>) {
        match message {
            ToWorker::Graph { graph, shared } => out.push(Effect::LearnGraph { graph, shared }),
            ToWorker::Forget(graph) => out.push(Effect::ForgetGraph(graph)),
            ToWorker::Assign(assign) => self.assigned(assign, out),
            ToWorker::Retract { task, attempt } => {
                if self.drop_waiting(task, attempt, "given back", out) {
                    let told = FromWorker::Retracted { task, attempt };
                    out.push(Effect::ToScheduler(told));
                }
            }
            ToWorker::Abort { task, attempt } => self.abort(task, attempt, out),
            ToWorker::Begin { task, attempt } => self.begin_beyond(task, attempt),
            ToWorker::Free(object) => self.free(object, out),
            ToWorker::Probe(object) => {
                let told = match self.objects.get(&object) {
                    Some(o) if o.state == ObjectState::Here => FromWorker::Have {
                        object,
                        bytes: o.bytes,
                    },
                    _ => FromWorker::Gone(object),
                };
                out.push(Effect::ToScheduler(told));
            }
            ToWorker::Peer { worker, address } => out.push(Effect::Peer { worker, address }),
            // The shell's: nothing is to be decided any more.
            ToWorker::Leave => {}
            ToWorker::PeerLost(worker) => {
                self.peer_lost(worker, out);
                out.push(Effect::PeerLost(worker));
            }
        }
    }

    fn assigned(&mut self, assign: Assign, out: &mut Outbox<Effect>) {
        let (task, attempt, priority) = (assign.task, assign.attempt, assign.priority);
        if self.tries.contains_key(&(task, attempt)) {
            return;
        }
        let mut inputs = Vec::with_capacity(assign.inputs.len());
        let mut missing = 0;
        let mut unreachable: Option<(TaskRef, Vec<WorkerId>)> = None;
        for input in &assign.inputs {
            let Source::Workers(sources) = &input.source else {
                continue;
            };
            let object = input.object;
            if self
                .objects
                .get(&object)
                .is_some_and(|o| o.needed_by.contains(&(task, attempt)))
            {
                continue;
            }
            let here = match self.objects.get(&object).map(|o| o.state) {
                Some(ObjectState::Here) => true,
                Some(ObjectState::Doomed) => {
                    self.move_object(object, ObjectState::Here, "needed again");
                    // The scheduler takes it to be freed.
                    let bytes = input.bytes;
                    let have = FromWorker::Have { object, bytes };
                    out.push(Effect::ToScheduler(have));
                    true
                }
                _ => {
                    if !self.want(object, input.bytes, sources, priority) {
                        unreachable = Some((object, sources.clone()));
                        break;
                    }
                    false
                }
            };
            if let Some(o) = self.objects.get_mut(&object) {
                o.needed_by.insert((task, attempt));
            }
            inputs.push(object);
            missing += u32::from(!here);
        }
        if let Some((object, tried)) = unreachable {
            for object in inputs {
                self.unneed(object, task, attempt, out);
            }
            self.say_missing(task, attempt, object, tried, out);
            return;
        }
        let one = Try {
            assign: Some(assign),
            priority,
            inputs,
            state: AttemptState::Fetching,
            missing,
            beyond: false,
        };
        self.tries.insert((task, attempt), one);
        if missing == 0 {
            self.runnable(task, attempt);
        }
    }

    /// Sees to it that an object comes or is made here; false if nobody is known to have it.
    fn want(&mut self, object: TaskRef, bytes: u64, sources: &[WorkerId], priority: i64) -> bool {
        let me = self.id;
        let others = sources.iter().copied().filter(|w| *w != me);
        if let Some(o) = self.objects.get_mut(&object) {
            // Under way already. Whom the scheduler names again may be asked again.
            for w in others {
                o.tried.retain(|t| *t != w);
                if !o.sources.contains(&w) && o.peer != w {
                    o.sources.push(w);
                }
            }
            match o.state {
                ObjectState::Unwanted => {
                    o.priority = priority;
                    self.move_object(object, ObjectState::InFlight, "needed again");
                }
                ObjectState::Wanted if priority < o.priority => {
                    self.unqueue(object);
                    if let Some(o) = self.objects.get_mut(&object) {
                        o.priority = priority;
                    }
                    self.queue(object);
                }
                // What another one has need not be waited for.
                ObjectState::Expected if !o.sources.is_empty() => {
                    o.priority = priority.min(o.priority);
                    self.move_object(object, ObjectState::Wanted, "another worker has it");
                    self.queue(object);
                }
                _ => {}
            }
            return true;
        }
        let sources: Vec<WorkerId> = others.collect();
        if sources.is_empty() {
            if self.is_maker_here(object) {
                let o = Object::absent(bytes, sources, priority);
                self.objects.insert(object, o);
                let why = "an attempt here is to make it";
                self.move_object(object, ObjectState::Expected, why);
                return true;
            }
            return false;
        }
        self.objects
            .insert(object, Object::absent(bytes, sources, priority));
        self.move_object(object, ObjectState::Wanted, "an attempt needs it");
        self.queue(object);
        true
    }

    fn abort(&mut self, task: TaskRef, attempt: Attempt, out: &mut Outbox<Effect>) {
        let Some(one) = self.tries.get(&(task, attempt)) else {
            // It has ended, and the scheduler was told how.
            return;
        };
        let to = match one.state {
            AttemptState::Running => AttemptState::Aborting,
            AttemptState::Seceded => AttemptState::AbortingSeceded,
            AttemptState::Fetching | AttemptState::Runnable => {
                self.drop_waiting(task, attempt, "given back", out);
                let told = FromWorker::Aborted { task, attempt };
                out.push(Effect::ToScheduler(told));
                return;
            }
            _ => return,
        };
        self.move_attempt(task, attempt, to, "told to stop");
        self.look_for_maker(task);
        out.push(Effect::Stop { task, attempt });
    }

    fn free(&mut self, object: TaskRef, out: &mut Outbox<Effect>) {
        let Some(o) = self.objects.get(&object) else {
            return;
        };
        if o.state != ObjectState::Here {
            return;
        }
        if o.needed_by.is_empty() {
            self.drop_object(object, "freed", out);
        } else {
            self.move_object(object, ObjectState::Doomed, "freed, and being read");
        }
    }

    fn put_here(&mut self, object: TaskRef, bytes: u64, out: &mut Outbox<Effect>) {
        self.arrived(object, bytes, "made or put here", out);
    }

    pub(super) fn put(&mut self, object: TaskRef, bytes: u64, out: &mut Outbox<Effect>) {
        match self.objects.get(&object).map(|o| o.state) {
            Some(ObjectState::Here) => {}
            // The scheduler had let go of it and has asked for it again.
            Some(ObjectState::Doomed) => {
                self.move_object(object, ObjectState::Here, "needed again");
            }
            _ => self.put_here(object, bytes, out),
        }
        // Said in any case: the scheduler waits for it. If it freed the object before that and the word is still on its way here, it will
        // find the object gone when it asks for it.
        let have = FromWorker::Have { object, bytes };
        out.push(Effect::ToScheduler(have));
    }
}

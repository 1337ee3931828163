//! Running one task: inputs out of their slots, the kernel, the result into its slot, readers told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvern_core::error::TaskInfo;
use kvern_core::events::{Event, Interest};
use kvern_core::operator::{Submitter, TaskHost};
use kvern_core::panics;
use kvern_core::unfinished::Leftovers;
use kvern_core::{Annotations, Error, ErrorKind, Kernel, Key, Piece, Result, TaskContext, Value};
use kvern_store::{
    Admitted, Clock, Counted, Made, PieceInHand, Pin, Store, StoredValue, Task, admitted_here,
    run_task,
};

use super::limits::{Limited, Ticket};
use super::{RunCore, Stored, counts_as_held, lend, read_whole};

/// What a worker reuses from task to task.
#[derive(Default)]
pub(crate) struct Scratch {
    inputs: Vec<Value>,
    taken: Taken,
    /// Bytes made since they were last taken into the progress of the run.
    made: u64,
}

/// What an attempt gives back with its inputs.
#[derive(Default)]
struct Taken {
    /// Inputs that a task took out of their slots for itself: bytes to uncount, and whether they were held.
    bytes: u64,
    held: u64,
    /// Of those, what the store counts of large ones.
    counted: Vec<Counted>,
    pinned: Vec<Pin>,
    pieces: Vec<PieceInHand>,
}

impl Scratch {
    /// Takes what was made into the progress of its run.
    pub(crate) fn report(&mut self, run: &RunCore) {
        let made = std::mem::take(&mut self.made);
        if made > 0 {
            run.made.fetch_add(made, Ordering::Relaxed);
        }
    }
}

/// What became of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has a value, or nobody needs one.
    Done,
    /// It has an error.
    Failed,
    /// There is no memory for it now: try again when another task has finished.
    Deferred,
    /// Its time was over, and it was answered for. Its thread is not inside the run any more.
    GivenUp,
}

impl RunCore {
    /// Runs `task`, whose inputs are there, and adds tasks that became ready to `ready`. Call between `enter` and `leave`.
    pub(crate) fn execute(
        &self,
        task: u32,
        worker: u32,
        scratch: &mut Scratch,
        ready: &mut Vec<u32>,
    ) -> Outcome {
        let t = task as usize;
        if self.slots[t].units() == 1 {
            // Only the task's own unit is left: nobody wants it any more.
            self.complete(task, Stored::Empty, ready);
            return Outcome::Done;
        }
        let mut admitted = None;
        if self.managed {
            match self.admit(task) {
                Ok(Some(a)) => admitted = Some(a),
                Ok(None) => return Outcome::Deferred,
                Err(e) => {
                    let e = self.blame(task, e, &[]);
                    self.fail(task, e, ready);
                    return Outcome::Failed;
                }
            }
        }
        let Some(result) = self.run_kernel(task, worker, scratch) else {
            return Outcome::GivenUp;
        };
        // The result is counted itself from here on. The task counts as running until its result is in place: whoever finds no
        // room before that would otherwise think it is alone with values that it cannot see yet.
        if let Some(a) = &mut admitted {
            a.settle();
        }
        let outcome = match result {
            Ok(value) => {
                scratch.made += value.nbytes();
                let stored = self.stored(task, value);
                match self.complete(task, stored, ready) {
                    true => Outcome::Done,
                    // Cancelled in the last moment, and told so to whoever waits for it.
                    false => Outcome::Failed,
                }
            }
            Err(e) => {
                self.fail(task, e, ready);
                Outcome::Failed
            }
        };
        drop(admitted);
        // Actual bytes may exceed projected ones: what is over the budget goes to disk now.
        if self.store.budget().is_over()
            && let Err(e) = self.store.make_room(0)
        {
            self.verdict.stop(|| e);
            // This task is inside: whoever is the last to leave sweeps.
            let _ = self.gate.shut();
        }
        outcome
    }

    pub(super) fn fail(&self, task: u32, e: Error, ready: &mut Vec<u32>) {
        self.verdict.fail(|| e.clone());
        self.complete(task, Stored::Failed(e), ready);
        // Who waits for the whole run hears of the first failure at once.
        self.notify();
    }

    /// Sets memory aside for the task: its projected result, what it was annotated to need, and inputs that come back from disk.
    /// `None`: not now.
    fn admit(&self, task: u32) -> Result<Option<Admitted<'_>>> {
        let mut need = self.tasks.bytes(task);
        if self.annotated {
            need += self
                .tasks
                .annotations(task)
                .and_then(|a| a.memory)
                .unwrap_or(0);
        }
        let piece = self.tasks.piece(task);
        for &d in self.tasks.deps(task) {
            // SAFETY: the task holds a unit of each input, and they are filled since it is ready.
            need += unsafe {
                self.slots[d as usize].look(|s| match (s, piece) {
                    (Stored::Retained(v), _) if v.is_on_disk() => v.nbytes(),
                    (Stored::Pieces(all), Some(piece)) => all.on_disk(piece.index),
                    _ => 0,
                })
            };
        }
        self.store.admit(need, || {
            let inputs = self.tasks.deps(task).iter();
            inputs
                .filter_map(|&d| {
                    // SAFETY: as above.
                    unsafe { self.slots[d as usize].look(|s| retained(s, piece)) }
                })
                .collect()
        })
    }

    /// `None`: it was given up.
    fn run_kernel(&self, task: u32, worker: u32, scratch: &mut Scratch) -> Option<Result<Value>> {
        let annotations = if self.annotated {
            self.tasks.annotations(task).map(Arc::as_ref)
        } else {
            None
        };
        let retries = annotations.map_or(0, |a| a.retries);
        let mut failures = if self.limited {
            self.limits.failures(task)
        } else {
            0
        };
        loop {
            let result = self.attempt(task, worker, scratch, annotations, failures);
            self.release_inputs(scratch);
            let error = match result? {
                Ok(value) => return Some(Ok(value)),
                Err(error) => error,
            };
            // The failure of an input was told when it happened, and trying again cannot help.
            if error.task().is_some_and(|t| t.key != self.tasks.key(task)) {
                return Some(Err(error));
            }
            let retried = failures < retries && error.kind().may_pass() && !self.is_cancelled();
            let event = Event::TaskFailed {
                run: self.id,
                error: error.clone(),
                retried,
            };
            self.observers.tell(Interest::Runs, &event);
            if !retried {
                return Some(Err(error));
            }
            self.pause(pause_after(annotations.and_then(|a| a.backoff), failures));
            if self.is_cancelled() {
                return Some(Err(error));
            }
            failures += 1;
        }
    }

    /// Waits before a task is tried again, unless the run is cancelled meanwhile.
    fn pause(&self, time: Duration) {
        let begun = Instant::now();
        while let Some(left) = time.checked_sub(begun.elapsed())
            && !left.is_zero()
            && !self.is_cancelled()
        {
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
    }

    fn attempt(
        &self,
        task: u32,
        worker: u32,
        scratch: &mut Scratch,
        annotations: Option<&Annotations>,
        failures: u32,
    ) -> Option<Result<Value>> {
        let mut attempt = Attempt {
            run: self,
            task,
            worker,
            annotations,
            failures,
            taken: &mut scratch.taken,
            told: false,
            ticket: None,
        };
        let made = run_task(&mut attempt, &mut scratch.inputs)?;
        let told = attempt.told;
        Some(made.map(|Made { value, took }| {
            if told {
                self.tell_finished(task, worker, took, &value);
            }
            value
        }))
    }

    /// Has an attempt looked after whose time is limited, if it is.
    fn limit(
        &self,
        task: u32,
        begun: Instant,
        annotations: &Annotations,
        failures: u32,
        inputs: &[Value],
    ) -> Option<Ticket> {
        let limited = Limited {
            task,
            limit: annotations.timeout?,
            info: self.info(task, inputs),
            failures,
            tries: annotations.retries.saturating_add(1),
            backoff: annotations.backoff,
            lender: lend::mine(),
            admitted: admitted_here(&self.store),
        };
        self.limits.begin(begun, limited)
    }

    /// Takes the inputs: shared, or for itself where no other reader is left.
    fn acquire_inputs(
        &self,
        task: u32,
        inputs: &mut Vec<Value>,
        given: &mut Taken,
        keep: bool,
    ) -> Result<()> {
        debug_assert!(inputs.is_empty());
        let piece = self.tasks.piece(task);
        for &d in self.tasks.deps(task) {
            let slot = &self.slots[d as usize];
            // Pieces are taken one by one.
            let taken = if keep || piece.is_some() {
                None
            } else {
                // SAFETY: the task holds a unit of each input for each time that it reads it; the inputs are filled, since
                // its pending count came down to 0 through them.
                unsafe { slot.take_if_sole() }
            };
            let value = match taken {
                Some(stored) => {
                    if counts_as_held(&stored) {
                        given.held += 1;
                    }
                    match stored {
                        Stored::Value(v) => {
                            given.bytes += v.nbytes();
                            v
                        }
                        Stored::Foreign(v) => v,
                        Stored::Elsewhere(h) => h.wait()?,
                        Stored::Retained(stored) => {
                            let (v, counted) = stored.take()?;
                            given.counted.push(counted);
                            v
                        }
                        Stored::Pieces(_) => return Err(read_whole()),
                        Stored::Failed(e) => return Err(e),
                        Stored::Empty => {
                            return Err(Error::new(
                                ErrorKind::Internal,
                                "an input was taken twice",
                            ));
                        }
                    }
                }
                // SAFETY: as above.
                None => unsafe {
                    slot.look(|stored| match (stored, piece) {
                        (Stored::Pieces(all), Some(piece)) => {
                            let (value, in_hand) = all.get(piece.index, !keep)?;
                            given.pieces.extend(in_hand);
                            Ok(value)
                        }
                        _ => self.tasks.input(task, share(stored, &mut given.pinned)?),
                    })
                }?,
            };
            inputs.push(value);
        }
        Ok(())
    }

    /// Lets go of the inputs of an attempt.
    fn release_inputs(&self, scratch: &mut Scratch) {
        // What has a destructor of somebody else's may panic; what it belongs to is gone all the same.
        scratch.inputs.drain(..).for_each(panics::discard);
        let taken = &mut scratch.taken;
        if taken.bytes > 0 {
            self.store.budget().uncount(taken.bytes);
        }
        if taken.held > 0 {
            self.store.budget().let_go(taken.held);
        }
        (taken.bytes, taken.held) = (0, 0);
        taken.counted.clear();
        taken.pinned.clear();
        taken.pieces.clear();
    }

    /// Puts a result in place, frees inputs that nobody else reads, and counts down the readers of the result. False: the run was cancelled,
    /// and somebody has been told that this result will never be.
    pub(super) fn complete(&self, task: u32, stored: Stored, ready: &mut Vec<u32>) -> bool {
        let slot = &self.slots[task as usize];
        // SAFETY: the caller runs this task (each is run once) and so holds its own unit.
        let (rest, stands) = unsafe { slot.finish(stored) };
        if let Some(rest) = rest {
            self.uncount(rest);
        }
        let piece = self.tasks.piece(task);
        for &d in self.tasks.deps(task) {
            if let Some(piece) = piece {
                // SAFETY: the task holds a unit of each input, and they are filled since it was ready.
                unsafe {
                    self.slots[d as usize].look(|stored| {
                        if let Stored::Pieces(all) = stored {
                            all.let_go(piece.index);
                        }
                    });
                }
            }
            // SAFETY: one unit for each time the task reads it; it has looked for the last time.
            if let Some(rest) = unsafe { self.slots[d as usize].give_back() } {
                self.uncount(rest);
            }
        }
        for &r in self.readers(task) {
            if self.pending[r as usize].fetch_sub(1, Ordering::AcqRel) == 1 {
                ready.push(r);
            }
        }
        if self.outputs.is_output(task) {
            self.outputs.made(self, task);
        }
        stands
    }

    /// Names the task in an error, with what its inputs were.
    #[cold]
    fn blame(&self, task: u32, e: Error, inputs: &[Value]) -> Error {
        e.at_task(self.info(task, inputs))
    }

    /// What an error says of a task.
    fn info(&self, task: u32, inputs: &[Value]) -> TaskInfo {
        let op = self.tasks.op(task);
        let mut info = TaskInfo::new(self.tasks.key(task), op, self.tasks.block(task), inputs);
        info.inputs = (self.tasks.deps(task).iter().enumerate())
            .map(|(i, &d)| match inputs.get(i) {
                Some(v) if !v.is::<()>() => v.describe(),
                // A kernel may have taken an input apart; then its projected look is all that is left to tell.
                _ => self
                    .tasks
                    .layer_of(d)
                    .meta()
                    .map_or_else(|| self.tasks.op(d).label(), |m| m.describe()),
            })
            .collect();
        info
    }

    #[cold]
    fn tell_started(&self, task: u32, worker: u32) {
        let operator = self.tasks.op(task).name().into();
        let event = Event::TaskStarted {
            run: self.id,
            key: self.tasks.key(task),
            operator,
            worker,
        };
        self.observers.tell(Interest::Tasks, &event);
    }

    #[cold]
    fn tell_finished(&self, task: u32, worker: u32, took: Duration, value: &Value) {
        let (key, operator) = (self.tasks.key(task), self.tasks.op(task).name().into());
        let event = Event::TaskFinished {
            run: self.id,
            key,
            operator,
            worker,
            took,
            bytes: value.nbytes(),
        };
        self.observers.tell(Interest::Tasks, &event);
    }
}

fn retained(stored: &Stored, piece: Option<Piece>) -> Option<Arc<StoredValue>> {
    match (stored, piece) {
        (Stored::Retained(v), _) => Some(v.clone()),
        (Stored::Pieces(all), Some(piece)) => all.stored(piece.index),
        _ => None,
    }
}

/// How long a task waits after it has failed, and so often before.
pub(super) fn pause_after(backoff: Option<Duration>, failures: u32) -> Duration {
    backoff.map_or(Duration::ZERO, |first| {
        first.saturating_mul(1 << failures.min(20))
    })
}

fn share(stored: &Stored, pinned: &mut Vec<Pin>) -> Result<Value> {
    match stored {
        Stored::Value(v) | Stored::Foreign(v) => Ok(v.clone()),
        Stored::Elsewhere(h) => h.wait(),
        Stored::Retained(stored) => {
            let (v, pin) = stored.pin()?;
            pinned.push(pin);
            Ok(v)
        }
        Stored::Pieces(_) => Err(read_whole()),
        Stored::Failed(e) => Err(e.clone()),
        Stored::Empty => Err(Error::new(
            ErrorKind::Internal,
            "an input was freed before its last reader",
        )),
    }
}

/// One attempt at a task of a run.
struct Attempt<'a> {
    run: &'a RunCore,
    task: u32,
    worker: u32,
    annotations: Option<&'a Annotations>,
    /// How often it has failed before.
    failures: u32,
    taken: &'a mut Taken,
    /// Observers hear of single tasks.
    told: bool,
    ticket: Option<Ticket>,
}

impl Task for Attempt<'_> {
    fn acquire_inputs(&mut self, inputs: &mut Vec<Value>) -> Result<()> {
        let keep = self.annotations.is_some_and(|a| self.failures < a.retries);
        self.run.acquire_inputs(self.task, inputs, self.taken, keep)
    }

    fn begin(&mut self, inputs: &[Value]) -> Clock {
        let limit = self.annotations.and_then(|a| a.timeout);
        self.told = self.run.observers.wants(Interest::Tasks);
        let begun = (self.told || limit.is_some()).then(Instant::now);
        if self.told {
            self.run.tell_started(self.task, self.worker);
        }
        if let (Some(begun), Some(a)) = (begun, self.annotations)
            && self.run.limited
        {
            self.ticket = self.run.limit(self.task, begun, a, self.failures, inputs);
        }
        Clock { begun, limit }
    }

    fn kernel(&self) -> Result<&dyn Kernel> {
        Ok(&*self.run.kernels[self.run.tasks.op_index(self.task)])
    }

    fn context<'a>(&'a self, host: &'a dyn TaskHost) -> TaskContext<'a> {
        TaskContext::new(host, &self.run.tasks, self.task)
    }

    fn info(&self, inputs: &[Value]) -> TaskInfo {
        self.run.info(self.task, inputs)
    }

    fn is_cancelled(&self) -> bool {
        self.run.is_cancelled()
    }

    fn why_cancelled(&self) -> Error {
        self.run.why_stopped()
    }

    fn claim(&mut self) -> bool {
        let ticket = self.ticket.take();
        ticket.is_none_or(|t| self.run.limits.end(t, &self.run.store))
    }

    fn check(&self, _value: &Value) -> Result<()> {
        Ok(())
    }

    fn store(&self) -> &Store {
        &self.run.store
    }

    fn log(&self, key: Key, operator: &str, message: &str) {
        let event = Event::Log {
            key,
            operator: operator.to_owned(),
            message: message.to_owned(),
        };
        self.run.observers.tell(Interest::Runs, &event);
    }

    fn leftovers(&self) -> Leftovers {
        self.run.driver.leftovers()
    }

    fn submitter(&self) -> Result<Submitter> {
        let scheduler = self.run.driver.scheduler().ok_or_else(super::cancelled)?;
        let registry = self.run.store.registry().clone();
        Ok(Submitter::new(scheduler, Some(registry)))
    }
}

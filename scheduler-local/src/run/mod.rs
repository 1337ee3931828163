//! One run: the tasks of a submitted plan, how far each is, and who waits for what. Both backends drive it; it knows neither
//! threads nor queues.
//!
//! Code map: [`slot`] where a result waits, [`execute`](RunCore::execute) (`execute.rs`) runs one task, `outputs.rs` is the side
//! that handles see, `gate.rs` how workers and a cancel avoid each other, `verdict.rs` how the run ended, `lend.rs` what a task's thread does
//! while it waits for others, `limits.rs` what becomes of attempts whose time is over, `owner.rs` what the
//! store asks about a result, `carried.rs` what goes along when a thread continues on another stack.

mod carried;
mod execute;
mod gate;
pub(crate) mod lend;
mod limits;
mod outputs;
mod owner;
pub(crate) mod slot;
mod verdict;

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Instant;

use kvern_core::events::{Event, Interest, Observers};
use kvern_core::layer::{Datum, Pending};
use kvern_core::panics;
use kvern_core::plan::Prepared;
use kvern_core::scheduler::{Progress, Scheduler};
use kvern_core::unfinished::Leftovers;
use kvern_core::{Error, ErrorKind, Handle, Kernel, Pieces, Result, TaskGraph, Value};
use kvern_store::{SPILL_MIN, Store, StoredPieces, StoredValue};

pub(crate) use carried::{as_of, of_thread};
pub(crate) use execute::{Outcome, Scratch};
use gate::Gate;
use limits::Limits;
use outputs::Outputs;
pub(crate) use outputs::as_run;
use owner::OfTask;
use slot::Slot;
use verdict::Verdict;

/// What a slot holds.
#[derive(Default)]
pub(crate) enum Stored {
    #[default]
    Empty,
    /// A value that is too small to spill, or not ours to spill. Counted if `execute` counted it.
    Value(Value),
    /// A value of somebody else (data at hand, another run's result): never counted here.
    Foreign(Value),
    /// A large result of another run, fetched by each task that reads it: it may be on disk there, and holding a copy here would
    /// be memory that nobody counts.
    Elsewhere(Arc<dyn Pending>),
    /// A large value under the store's care.
    Retained(Arc<StoredValue>),
    /// What a splitting task made, each piece under the store's care. Its readers let go of their pieces one by one.
    Pieces(StoredPieces),
    Failed(Error),
}

/// What a run needs of the backend that drives it.
pub(crate) trait Driver: Send + Sync {
    /// Tasks became ready outside of any worker (a result of another run arrived).
    fn ready(&self, run: &Arc<RunCore>, tasks: Vec<u32>);

    /// Somebody waits on a thread that runs no task of its own, but may be a part of one (of rayon work that a kernel started): what it lends.
    fn lender(&self) -> Option<Arc<dyn lend::Lender>>;

    /// What running tasks would leave behind, where they are not all waited for.
    fn leftovers(&self) -> Leftovers {
        Leftovers::default()
    }

    /// For tasks that submit tasks.
    fn scheduler(&self) -> Option<Arc<dyn Scheduler>>;

    /// Whether somebody calls [`RunCore::give_up_late`] now and then.
    fn gives_up(&self) -> bool {
        false
    }

    /// The run has no task left, or was cancelled.
    fn finished(&self, run: &Arc<RunCore>);
}

pub(crate) struct RunCore {
    pub(crate) id: u64,
    me: Weak<Self>,
    pub(crate) tasks: TaskGraph,
    kernels: Vec<Arc<dyn Kernel>>,
    /// Position of each task in the static order.
    pub(crate) position: Vec<u32>,
    dependents: (Vec<u32>, Vec<u32>),
    /// Inputs that are not there yet.
    pending: Vec<AtomicU32>,
    slots: Vec<Slot<Stored>>,
    outputs: Outputs,
    annotated: bool,
    /// Some tasks may only run for so long, and somebody looks after that.
    pub(crate) limited: bool,
    limits: Limits,
    /// Tasks whose threads wait for something of this run.
    pub(crate) awaited: AtomicUsize,
    /// Admission by projected bytes is needed: the results could exceed the budget together.
    pub(crate) managed: bool,
    pub(crate) store: Arc<Store>,
    pub(crate) observers: Arc<Observers>,
    driver: Arc<dyn Driver>,
    gate: Gate,
    /// Tasks that have neither finished nor failed, less those that workers have not reported yet.
    remaining: AtomicUsize,
    done: AtomicU64,
    failed: AtomicU64,
    /// Bytes that its tasks have made.
    made: AtomicU64,
    /// Held while observers are told how far the run is: they hear nothing of it after its end.
    telling: Mutex<()>,
    verdict: Verdict,
    waiting: Mutex<()>,
    wake: Condvar,
    started: Instant,
}

impl RunCore {
    /// A run and the tasks that can start at once, in the static order. Data at hand is put in place; results of other runs are
    /// waited for without blocking anybody (see [`RunCore::connect`]).
    pub(crate) fn new(
        id: u64,
        prepared: Prepared,
        store: &Arc<Store>,
        observers: &Arc<Observers>,
        driver: Arc<dyn Driver>,
    ) -> (Arc<Self>, Vec<u32>) {
        let Prepared {
            tasks,
            kernels,
            position,
            ..
        } = prepared;
        let n = tasks.len();
        let dependents = tasks.dependents();
        let pending: Vec<AtomicU32> = (0..n as u32)
            .map(|t| AtomicU32::new(tasks.deps(t).len() as u32))
            .collect();
        let outputs = Outputs::new(tasks.outputs(), n);
        let mut units: Vec<u32> = dependents.0.windows(2).map(|w| w[1] - w[0] + 1).collect();
        for &t in tasks.outputs() {
            units[t as usize] += 1;
        }
        let slots = units.into_iter().map(Slot::new).collect();
        let mut is_data = vec![false; if tasks.data().is_empty() { 0 } else { n }];
        for (t, _) in tasks.data() {
            is_data[*t as usize] = true;
        }
        let mut roots: Vec<u32> = (0..n as u32)
            .filter(|&t| {
                tasks.deps(t).is_empty() && !is_data.get(t as usize).copied().unwrap_or(false)
            })
            .collect();
        roots.sort_unstable_by_key(|&t| position[t as usize]);
        let projected = tasks
            .all_bytes()
            .iter()
            .copied()
            .fold(0, u64::saturating_add);
        let annotated = tasks.is_annotated();
        let has_limit = |t| tasks.annotations(t).is_some_and(|a| a.timeout.is_some());
        let limited = annotated && driver.gives_up() && (0..n as u32).any(has_limit);
        // What tasks were annotated to need besides, if all ran at once.
        let extra = if annotated {
            (0..n as u32)
                .filter_map(|t| tasks.annotations(t).and_then(|a| a.memory))
                .fold(0, u64::saturating_add)
        } else {
            0
        };
        let managed = projected
            .saturating_add(extra)
            .saturating_add(store.budget().live())
            > store.budget().limit();
        let run = Arc::new_cyclic(|me| Self {
            id,
            me: me.clone(),
            tasks,
            kernels,
            position,
            dependents,
            pending,
            slots,
            outputs,
            annotated,
            limited,
            limits: Limits::default(),
            awaited: AtomicUsize::new(0),
            managed,
            store: store.clone(),
            observers: observers.clone(),
            driver,
            gate: Gate::new(),
            remaining: AtomicUsize::new(n),
            done: AtomicU64::new(0),
            telling: Mutex::new(()),
            failed: AtomicU64::new(0),
            made: AtomicU64::new(0),
            verdict: Verdict::default(),
            waiting: Mutex::new(()),
            wake: Condvar::new(),
            started: Instant::now(),
        });
        let event = Event::RunStarted {
            run: id,
            tasks: n as u64,
            bytes: projected,
        };
        observers.tell(Interest::Runs, &event);
        // How much there is to do is known from the beginning.
        run.tell_progress();
        (run, roots)
    }

    /// Puts data in place and subscribes to results of other runs. Returns tasks that became ready at once.
    pub(crate) fn connect(self: &Arc<Self>) -> Vec<u32> {
        let mut ready = Vec::new();
        if self.tasks.is_empty() {
            self.end();
        }
        for (task, datum) in self.tasks.data().to_vec() {
            match datum {
                Datum::Value(v) => self.arrive(task, Stored::Foreign(v), &mut ready),
                Datum::Pending(p) => self.follow(task, p.as_ref()),
            }
        }
        ready
    }

    /// Puts a value that this backend owns from now on in the place of a data task (scatter).
    pub(crate) fn adopt(self: &Arc<Self>, task: u32, value: Value) {
        let stored = self.stored(task, value);
        self.arrive(task, stored, &mut Vec::new());
    }

    fn follow(self: &Arc<Self>, task: u32, pending: &dyn Pending) {
        // Holds no strong reference: a dropped run does not live on in the other run's list of watchers.
        let me = Arc::downgrade(self);
        let then = move |result: Result<Value>| {
            let Some(run) = me.upgrade() else { return };
            let mut ready = Vec::new();
            let stored = match result {
                Err(e) => Stored::Failed(e),
                Ok(v) if v.nbytes() < SPILL_MIN => Stored::Foreign(v),
                Ok(v) => run
                    .elsewhere(task)
                    .map_or(Stored::Foreign(v), Stored::Elsewhere),
            };
            run.arrive(task, stored, &mut ready);
            if !ready.is_empty() {
                run.driver.ready(&run, ready);
            }
        };
        pending.when_done(Box::new(then));
    }

    /// Which run it is, to compare.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The runs whose results it reads, as [`RunCore::address`]es.
    pub(crate) fn reads(&self) -> Vec<usize> {
        let handles = self.tasks.data().iter().filter_map(|(_, d)| match d {
            Datum::Pending(p) => Handle::of(p.as_ref()).map(|h| Arc::as_ptr(h.run()).addr()),
            Datum::Value(_) => None,
        });
        let mut all: Vec<usize> = handles.collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The result of another run that a data task stands for.
    fn elsewhere(&self, task: u32) -> Option<Arc<dyn Pending>> {
        let data = self.tasks.data();
        let at = data.binary_search_by_key(&task, |d| d.0).ok()?;
        match &data[at].1 {
            Datum::Pending(p) => Some(p.clone()),
            Datum::Value(_) => None,
        }
    }

    /// A result that no worker made.
    fn arrive(self: &Arc<Self>, task: u32, stored: Stored, ready: &mut Vec<u32>) {
        if self.enter() {
            let failed = match stored {
                Stored::Failed(e) => {
                    self.fail(task, e, ready);
                    1
                }
                stored => u64::from(!self.complete(task, stored, ready)),
            };
            self.report(1, failed);
        }
        self.leave();
    }

    /// Begins touching slots. False: the run is cancelled, nothing may be touched. Must be followed by [`RunCore::leave`].
    pub(crate) fn enter(&self) -> bool {
        self.gate.enter()
    }

    pub(crate) fn leave(&self) {
        if self.gate.leave() {
            self.sweep();
        }
    }

    /// Counts tasks that finished since the last report; the last report ends the run.
    pub(crate) fn report(&self, finished: usize, failed: u64) {
        if failed > 0 {
            self.failed.fetch_add(failed, Ordering::Relaxed);
        }
        self.done
            .fetch_add(finished as u64 - failed, Ordering::Relaxed);
        // After both: who sees that nothing remains sees them.
        if finished > 0 && self.remaining.fetch_sub(finished, Ordering::AcqRel) == finished {
            self.end();
        }
    }

    /// Tells everybody, once, that nothing more will happen.
    fn end(&self) {
        if !self.verdict.end() {
            return;
        }
        self.notify();
        self.one_at_a_time(|| {
            let progress = self.progress_now();
            // A cancel that came when all was done has changed nothing.
            let error = self
                .verdict
                .first_error()
                .filter(|_| progress.failed > 0)
                .cloned();
            self.tell_progress_as(progress);
            let finished = Event::RunFinished {
                run: self.id,
                progress,
                error,
                took: self.started.elapsed(),
            };
            self.observers.tell(Interest::Runs, &finished);
        });
        if let Some(me) = self.me.upgrade() {
            self.driver.finished(&me);
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.verdict.is_ended()
    }

    /// Tells observers how far the run is, unless it has ended, which was told or is about to be.
    pub(crate) fn tell_progress(&self) {
        self.one_at_a_time(|| {
            if !self.is_ended() {
                self.tell_progress_as(self.progress_now());
            }
        });
    }

    fn tell_progress_as(&self, progress: Progress) {
        let event = Event::Progress {
            run: self.id,
            progress,
        };
        self.observers.tell(Interest::Runs, &event);
    }

    /// Observers must not call the scheduler back, so nobody waits here for himself.
    fn one_at_a_time(&self, tell: impl FnOnce()) {
        let _one = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        tell();
    }

    /// How far the run is. A cancelled run counts what will never run as failed once it is over.
    pub(crate) fn progress_now(&self) -> Progress {
        // First: what is left when a run has ended will never run, and what was left a moment before may have.
        let ended = self.is_ended();
        let total = self.tasks.len() as u64;
        let done = self.done.load(Ordering::Relaxed);
        let failed = self.failed.load(Ordering::Relaxed);
        let failed = if ended { total - done } else { failed };
        Progress {
            total,
            data: self.tasks.data().len() as u64,
            done,
            failed,
            bytes: self.made.load(Ordering::Relaxed),
        }
    }

    /// Wakes those who wait on this run.
    pub(crate) fn notify(&self) {
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }

    /// Stops the run.
    pub(crate) fn cancel_all(&self) {
        self.stop_all(cancelled);
    }

    /// Stops the run for this reason.
    pub(crate) fn stop_all(&self, why: impl FnOnce() -> Error) {
        if self.is_ended() {
            return;
        }
        self.verdict.stop(why);
        let sweeps = self.gate.shut();
        // From here on there is one answer to whoever asks, whatever running tasks give.
        for &task in self.tasks.outputs() {
            self.slots[task as usize].refuse();
        }
        if sweeps {
            self.sweep();
        }
        self.outputs.cancelled(self);
        self.notify();
    }

    /// Whether the run was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.gate.is_shut()
    }

    /// Frees what a cancelled run holds, except results that are wanted from outside. For the one whom the gate tells to.
    fn sweep(&self) {
        for t in 0..self.tasks.len() {
            if !self.outputs.is_output(t as u32) && self.slots[t].is_filled() {
                // SAFETY: the gate is shut and nobody is inside, so no task fills or looks at a slot; whoever enters later sees that
                // it is shut and touches nothing. Handles only look at outputs.
                let stored = unsafe { self.slots[t].sweep() };
                self.uncount(stored);
            }
        }
        self.outputs.cancelled(self);
        self.end();
    }

    /// Takes a dropped result off the counts. (A large value counts its own bytes back.)
    fn uncount(&self, stored: Stored) {
        if let Stored::Value(v) = &stored {
            self.store.budget().uncount(v.nbytes());
        }
        if counts_as_held(&stored) {
            self.store.budget().let_go(1);
        }
        panics::discard(stored);
    }

    /// Counts a value and decides how it is kept.
    fn stored(&self, task: u32, value: Value) -> Stored {
        let bytes = value.nbytes();
        if bytes == 0 {
            return Stored::Value(value);
        }
        let value = match self.in_pieces(task, value) {
            Ok(pieces) => {
                self.store.budget().hold(1);
                return Stored::Pieces(pieces);
            }
            Err(value) => value,
        };
        self.store.budget().count(bytes);
        self.store.budget().hold(1);
        if bytes < SPILL_MIN {
            return Stored::Value(value);
        }
        let owner = OfTask::new(self, task);
        Stored::Retained(self.store.insert(value, owner))
    }

    /// A split whose readers all read pieces, with each piece by itself; else the value as it is.
    fn in_pieces(&self, task: u32, value: Value) -> Result<StoredPieces, Value> {
        if !self.tasks.has_pieces() || self.outputs.is_output(task) {
            return Err(value);
        }
        let reads = |&r: &u32| self.tasks.piece(r).map(|piece| (piece.index, r));
        let Some(mut readers) = (self.readers(task).iter().map(reads)).collect::<Option<Vec<_>>>()
        else {
            return Err(value);
        };
        let pieces: Pieces = value.try_into_inner()?;
        readers.sort_unstable();
        let of = |range: Range<u32>| {
            let from = readers.partition_point(|r| r.0 < range.start);
            let to = readers.partition_point(|r| r.0 < range.end);
            &readers[from..to]
        };
        let count = |piece: u32| of(piece..piece + 1).len() as u32;
        let owner = |range| OfTask::of_pieces(self, task, of(range).iter().map(|r| r.1).collect());
        Ok(self.store.insert_pieces(pieces, count, owner))
    }

    /// The tasks that read a task's result, as often as they do.
    fn readers(&self, task: u32) -> &[u32] {
        let (off, rows) = &self.dependents;
        &rows[off[task as usize] as usize..off[task as usize + 1] as usize]
    }

    /// How the run ended, or that a task has failed. `None`: all is well so far.
    pub(crate) fn over(&self) -> Option<Result<()>> {
        let over = self.verdict.over()?;
        // A cancel that came when all was done has changed nothing.
        if over.is_err() && self.is_ended() && self.progress_now().failed == 0 {
            return Some(Ok(()));
        }
        Some(over)
    }

    /// Why a result that is not there will not be made.
    pub(crate) fn stopped(&self) -> Option<&Error> {
        self.verdict.stopped()
    }
}

/// Scalars take no memory of their own; they are neither counted nor held.
fn counts_as_held(stored: &Stored) -> bool {
    match stored {
        Stored::Value(v) => v.nbytes() > 0,
        Stored::Retained(_) | Stored::Pieces(_) => true,
        _ => false,
    }
}

pub(crate) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was cancelled")
}

/// The error of a backend that takes no more runs.
pub(crate) fn closed(scheme: &str) -> Error {
    Error::new(
        ErrorKind::Cancelled,
        format!("the {scheme}:// backend is closed"),
    )
}

impl Drop for RunCore {
    fn drop(&mut self) {
        // Wanted results of a run whose last handle is gone, and whatever a cancelled run left.
        for t in 0..self.slots.len() {
            // SAFETY: `&mut self`: nobody else has the run.
            let stored = unsafe { self.slots[t].sweep() };
            if !matches!(stored, Stored::Empty) {
                self.uncount(stored);
            }
        }
    }
}

/// A split is only kept in pieces if nobody reads it whole.
#[cold]
fn read_whole() -> Error {
    Error::new(
        ErrorKind::Internal,
        "a result whose pieces are read was read as a whole",
    )
}

/// A value out of a slot for somebody outside.
fn copy_out(stored: &Stored) -> Result<Value> {
    match stored {
        Stored::Value(v) | Stored::Foreign(v) => Ok(v.clone()),
        Stored::Elsewhere(h) => h.wait(),
        Stored::Retained(stored) => stored.read(),
        Stored::Pieces(_) => Err(read_whole()),
        Stored::Failed(e) => Err(e.clone()),
        Stored::Empty => Err(Error::new(
            ErrorKind::Internal,
            "a result was read after it was freed",
        )),
    }
}

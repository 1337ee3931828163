//! The side of a run that handles see: wanted results, who waits for them, who has let go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::panics;
use kvern_core::scheduler::{Progress, ResultState, Run};
use kvern_core::{Error, ErrorKind, Key, Result, Value};

use super::lend::{self, Lender};
use super::{RunCore, Stored, cancelled, copy_out};

/// Between two looks of a task that waits whether anybody runs what it waits for.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

type Watcher = Box<dyn FnOnce(Result<Value>) + Send>;

/// Which tasks are wanted, by whom.
pub(super) struct Outputs {
    /// One bit a task.
    bits: Vec<u64>,
    /// Threads and callbacks that wait for something of this run.
    watched: AtomicUsize,
    inner: Mutex<Inner>,
}

struct Inner {
    /// How often each output is wanted; one unit of its task's slot is out for as long as this is above 0.
    wants: Vec<u32>,
    /// Outputs with wants.
    wanted: usize,
    /// By output.
    watchers: HashMap<u32, Vec<Watcher>>,
}

impl Outputs {
    pub(super) fn new(outputs: &[u32], tasks: usize) -> Self {
        let mut bits = vec![0u64; tasks.div_ceil(64)];
        for &t in outputs {
            bits[t as usize / 64] |= 1 << (t % 64);
        }
        let inner = Inner {
            wants: vec![1; outputs.len()],
            wanted: outputs.len(),
            watchers: HashMap::new(),
        };
        Self {
            bits,
            watched: AtomicUsize::new(0),
            inner: Mutex::new(inner),
        }
    }

    pub(super) fn is_output(&self, task: u32) -> bool {
        self.bits[task as usize / 64] & (1 << (task % 64)) != 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A wanted task has its result: tells who waits, if anybody does.
    pub(super) fn made(&self, run: &RunCore, task: u32) {
        // SeqCst: the slot was filled (SeqCst) before; a waiter raises `watched` (SeqCst) before it looks at the slot.
        if self.watched.load(Ordering::SeqCst) == 0 {
            return;
        }
        self.tell(run, |output| run.tasks.outputs()[output as usize] == task);
        run.notify();
    }

    /// Results that will never be: tells who waits for them.
    pub(super) fn cancelled(&self, run: &RunCore) {
        self.tell(run, |_| true);
    }

    fn tell(&self, run: &RunCore, which: impl Fn(u32) -> bool) {
        let mut due: Vec<(Watcher, Result<Value>)> = Vec::new();
        {
            let mut inner = self.lock();
            let outputs: Vec<u32> = inner
                .watchers
                .keys()
                .copied()
                .filter(|&o| which(o))
                .collect();
            for o in outputs {
                let Some(result) = self.peek(run, &inner, o) else {
                    continue;
                };
                for w in inner.watchers.remove(&o).unwrap_or_default() {
                    due.push((w, result.clone()));
                }
            }
        }
        self.watched.fetch_sub(due.len(), Ordering::SeqCst);
        for (watcher, result) in due {
            // It runs on whichever thread made the result: its panic must not take a worker along.
            let _ = panics::caught(|| watcher(result));
        }
    }

    /// The result of an output if there is one. Under the lock, so that a release cannot free it meanwhile.
    fn peek(&self, run: &RunCore, inner: &Inner, output: u32) -> Option<Result<Value>> {
        let task = run.tasks.outputs()[output as usize];
        let slot = &run.slots[task as usize];
        if inner.wants[output as usize] == 0 {
            return Some(Err(Error::new(
                ErrorKind::Cancelled,
                "the result was released: nobody wanted it any more",
            )));
        }
        if slot.is_filled() {
            // SAFETY: `wants` above 0 means that a unit is out for this output; it is only given back under the same lock.
            return Some(unsafe { slot.look(copy_out) });
        }
        if !run.is_cancelled() {
            return None;
        }
        // Once told that there is none, nobody is told otherwise.
        if slot.refuse() {
            return Some(Err(run.why_stopped()));
        }
        // It came meanwhile. SAFETY: as above.
        Some(unsafe { slot.look(copy_out) })
    }
}

/// What a task that never ran reports when its run was stopped: cancelled, or since the backend cannot go on.
fn as_cancelled(e: Error) -> Error {
    if e.kind() == ErrorKind::Cancelled {
        return e;
    }
    Error::with_source(ErrorKind::Cancelled, format!("the run was stopped: {e}"), e)
}

impl RunCore {
    /// What a task of a run that was stopped has in the place of a result.
    pub(super) fn why_stopped(&self) -> Error {
        as_cancelled(self.stopped().cloned().unwrap_or_else(cancelled))
    }

    /// One want fewer; what nobody else holds comes out, to be dropped outside the lock.
    fn let_go(&self, inner: &mut Inner, output: usize) -> Option<Stored> {
        let wants = &mut inner.wants[output];
        *wants = wants.checked_sub(1)?;
        if *wants > 0 {
            return None;
        }
        inner.wanted -= 1;
        let task = self.tasks.outputs()[output];
        // SAFETY: the unit that stood for this output's wants, given back once as they came down to 0.
        unsafe { self.slots[task as usize].give_back() }
    }

    /// Waits until `done` gives something. `each`: wake at every wanted result, not only at the end of the run and at failures.
    fn wait_for<T>(
        &self,
        each: bool,
        limit: Option<Duration>,
        mut done: impl FnMut() -> Option<Result<T>>,
    ) -> Option<Result<T>> {
        if let Some(v) = done() {
            return Some(v);
        }
        // A limit beyond what the clock can hold is none.
        let deadline = limit.and_then(|l| Instant::now().checked_add(l));
        let each = usize::from(each);
        self.outputs.watched.fetch_add(each, Ordering::SeqCst);
        let found = lend::while_waiting(self, |lender| self.block(lender, deadline, done));
        self.outputs.watched.fetch_sub(each, Ordering::SeqCst);
        found.unwrap_or_else(|e| Some(Err(e)))
    }

    fn block<T>(
        &self,
        lender: Option<&dyn Lender>,
        deadline: Option<Instant>,
        mut done: impl FnMut() -> Option<Result<T>>,
    ) -> Option<Result<T>> {
        if lender.is_none() {
            // Waking a parked thread takes tens of microseconds; most short tasks are over before.
            let spin_until = Instant::now() + Duration::from_micros(20);
            while Instant::now() < spin_until {
                std::hint::spin_loop();
                if let Some(v) = done() {
                    return Some(v);
                }
            }
        }
        let step = lender.map_or(Duration::from_secs(3600), |_| BETWEEN_LOOKS);
        let mut guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(v) = done() {
                return Some(v);
            }
            let now = Instant::now();
            if deadline.is_some_and(|d| now >= d) {
                return None;
            }
            if let Some(e) = lender.and_then(Lender::give_up) {
                return Some(Err(e));
            }
            let left = deadline.map_or(step, |d| step.min(d.saturating_duration_since(now)));
            guard = self
                .wake
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Run for RunCore {
    fn outputs(&self) -> usize {
        self.tasks.outputs().len()
    }

    fn key(&self, output: u32) -> Key {
        self.tasks.key(self.tasks.outputs()[output as usize])
    }

    fn try_get(&self, output: u32) -> Option<Result<Value>> {
        self.outputs.peek(self, &self.outputs.lock(), output)
    }

    fn state(&self, output: u32) -> ResultState {
        let inner = self.outputs.lock();
        let slot = &self.slots[self.tasks.outputs()[output as usize] as usize];
        if inner.wants[output as usize] == 0 {
            return ResultState::Failed;
        }
        // As in `peek`.
        if !slot.is_filled() {
            if !self.is_cancelled() {
                return ResultState::Pending;
            }
            if slot.refuse() {
                return ResultState::Failed;
            }
        }
        // SAFETY: as in `peek`.
        match unsafe { slot.look(|stored| matches!(stored, Stored::Failed(_))) } {
            true => ResultState::Failed,
            false => ResultState::Made,
        }
    }

    fn while_blocked(&self, done: &dyn Fn() -> bool, wait: &dyn Fn()) {
        if !done() {
            // Where nobody can take the place nobody waits: who asks the handle itself is told why.
            let _ = lend::while_waiting(self, |_| wait());
        }
    }

    fn wait(&self, output: u32, limit: Option<Duration>) -> Option<Result<Value>> {
        self.wait_for(true, limit, || self.try_get(output))
    }

    fn when_done(&self, output: u32, then: Watcher) {
        let mut inner = self.outputs.lock();
        self.outputs.watched.fetch_add(1, Ordering::SeqCst);
        match self.outputs.peek(self, &inner, output) {
            None => inner.watchers.entry(output).or_default().push(then),
            Some(result) => {
                drop(inner);
                self.outputs.watched.fetch_sub(1, Ordering::SeqCst);
                then(result);
            }
        }
    }

    fn wait_all(&self, limit: Option<Duration>) -> Option<Result<()>> {
        self.wait_for(false, limit, || self.over())
    }

    fn want(&self, output: u32) {
        let mut inner = self.outputs.lock();
        // Released for good once: the result may be gone, a new want cannot bring it back.
        if inner.wants[output as usize] > 0 {
            inner.wants[output as usize] += 1;
        }
    }

    fn release(&self, output: u32) {
        let (freed, unwanted) = {
            let mut inner = self.outputs.lock();
            let freed = self.let_go(&mut inner, output as usize);
            (freed, inner.wanted == 0 && inner.watchers.is_empty())
        };
        if let Some(stored) = freed {
            self.uncount(stored);
        }
        if unwanted {
            self.cancel_all();
        }
    }

    fn collect(&self) -> Result<Vec<Value>> {
        // One lock for all; what is not there yet (a run that was cancelled, or is not over) is waited for one by one.
        let there = |inner: &Inner, o: u32| self.outputs.peek(self, inner, o);
        let mut values = Vec::with_capacity(self.outputs());
        {
            let inner = self.outputs.lock();
            for o in 0..self.outputs() as u32 {
                match there(&inner, o) {
                    Some(result) => values.push(result?),
                    None => break,
                }
            }
        }
        for o in values.len() as u32..self.outputs() as u32 {
            let lost = || {
                Err(Error::new(
                    ErrorKind::Internal,
                    "a wait without limit timed out",
                ))
            };
            values.push(self.wait(o, None).unwrap_or_else(lost)?);
        }
        Ok(values)
    }

    fn release_all(&self) {
        // In batches, so that what comes out is dropped outside the lock and while it is in the cache.
        const BATCH: usize = 1024;
        let mut freed = Vec::with_capacity(BATCH.min(self.outputs()));
        let mut unwanted = false;
        for first in (0..self.outputs()).step_by(BATCH) {
            {
                let mut inner = self.outputs.lock();
                let end = (first + BATCH).min(self.outputs());
                freed.extend((first..end).filter_map(|o| self.let_go(&mut inner, o)));
                unwanted = inner.wanted == 0 && inner.watchers.is_empty();
            }
            freed.drain(..).for_each(|stored| self.uncount(stored));
        }
        if unwanted {
            self.cancel_all();
        }
    }

    fn cancel(&self) {
        self.cancel_all();
    }

    fn progress(&self) -> Progress {
        self.progress_now()
    }
}

/// For the backends: a run as the protocol sees it.
pub(crate) fn as_run(run: Arc<RunCore>) -> Arc<dyn Run> {
    run
}

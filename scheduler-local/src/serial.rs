//! The `sync://` backend: everything on the calling thread, inside `submit`, in an order that is the same each time. With a seed it
//! explores other orders, each reproducible: a bug that depends on the order is found and found again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use kvern_core::annotations::Demand;
use kvern_core::events::{Interest, Observer, Observers, Subscription};
use kvern_core::scheduler::{Description, MemoryUse};
use kvern_core::{Error, ErrorKind, Handle, Plan, Registry, Result, Run, Scheduler, Value};

use crate::deep;
use crate::memory::{Memory, MemoryOptions};
use crate::run::lend::Lender;
use crate::run::{Driver, Outcome, RunCore, Scratch, as_run};
use crate::scatter;

/// Between two progress events of a run.
const PROGRESS: Duration = Duration::from_millis(100);

/// How [`SyncScheduler`] is set up.
#[derive(Debug, Clone, Default)]
pub struct SyncOptions {
    /// Among the tasks that are ready, pick by this seed, whatever their priority; `None`: by the static order.
    pub seed: Option<u64>,
    /// Memory for results in bytes; `None`: a share of what this process may use.
    pub memory: Option<u64>,
    /// Whether results may go to disk.
    pub no_spill: bool,
}

/// The deterministic backend: `sync://`. Everything runs inside `submit`; with a seed it explores other orders reproducibly.
pub struct SyncScheduler {
    inner: Arc<Inner>,
}

struct Inner {
    me: Weak<Self>,
    seed: Option<u64>,
    memory: Arc<Memory>,
    observers: Arc<Observers>,
    runs: AtomicU64,
    /// Runs that wait for results of others; the rest are over when `submit` returns.
    waiting: Mutex<Vec<Weak<RunCore>>>,
    closed: AtomicBool,
}

impl SyncScheduler {
    /// Opens the backend.
    pub fn new(options: &SyncOptions, registry: Arc<Registry>) -> Self {
        let memory = MemoryOptions {
            budget: options.memory.unwrap_or_else(crate::default_budget),
            spill: !options.no_spill,
            directory: None,
            spill_limit: None,
        };
        Self::with_memory(options.seed, memory, registry)
    }

    pub(crate) fn with_memory(
        seed: Option<u64>,
        options: MemoryOptions,
        registry: Arc<Registry>,
    ) -> Self {
        let observers = Arc::new(Observers::new());
        let memory = Memory::new(options, registry, observers.clone());
        let inner = Arc::new_cyclic(|me| Inner {
            me: me.clone(),
            seed,
            memory,
            observers,
            runs: AtomicU64::new(0),
            waiting: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
        });
        Self { inner }
    }
}

/// Tasks that are ready, and which is next.
enum Ready {
    Ordered(BinaryHeap<Reverse<(u32, u32)>>),
    Seeded(Vec<u32>, u64),
}

impl Ready {
    fn push(&mut self, run: &RunCore, task: u32) {
        match self {
            Self::Ordered(heap) => heap.push(Reverse((run.position[task as usize], task))),
            Self::Seeded(list, _) => list.push(task),
        }
    }

    fn pop(&mut self) -> Option<u32> {
        match self {
            Self::Ordered(heap) => heap.pop().map(|Reverse((_, t))| t),
            Self::Seeded(list, state) => {
                if list.is_empty() {
                    return None;
                }
                // SplitMix64 (Steele, Lea, Flood 2014): each seed is another walk through the possible orders.
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                let pick = ((z ^ (z >> 31)) % list.len() as u64) as usize;
                Some(list.swap_remove(pick))
            }
        }
    }
}

impl Inner {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Weak<RunCore>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drive(&self, run: &Arc<RunCore>, tasks: Vec<u32>) {
        let mut ready = match self.seed {
            None => Ready::Ordered(BinaryHeap::with_capacity(tasks.len())),
            Some(seed) => Ready::Seeded(Vec::with_capacity(tasks.len()), seed ^ run.id),
        };
        tasks.into_iter().for_each(|t| ready.push(run, t));
        let mut told = Instant::now();
        let mut scratch = Scratch::default();
        let mut fresh = Vec::new();
        let mut deferred = Vec::new();
        while let Some(task) = ready.pop() {
            if !run.enter() {
                run.leave();
                break;
            }
            let outcome = run.execute(task, 0, &mut scratch, &mut fresh);
            match outcome {
                // Only while a task of another thread's run holds the memory.
                Outcome::Deferred => deferred.push(task),
                done => {
                    scratch.report(run);
                    run.report(1, u64::from(done == Outcome::Failed));
                    if run.observers.wants(Interest::Runs) && told.elapsed() >= PROGRESS {
                        told = Instant::now();
                        run.tell_progress();
                    }
                }
            }
            run.leave();
            fresh.drain(..).for_each(|t| ready.push(run, t));
            if outcome != Outcome::Deferred || !deferred.is_empty() {
                deferred.drain(..).for_each(|t| ready.push(run, t));
            }
        }
    }
}

impl Driver for Inner {
    fn ready(&self, run: &Arc<RunCore>, tasks: Vec<u32>) {
        self.drive(run, tasks);
    }

    fn lender(&self) -> Option<Arc<dyn Lender>> {
        None
    }

    fn scheduler(&self) -> Option<Arc<dyn Scheduler>> {
        let inner = self.me.upgrade()?;
        Some(Arc::new(SyncScheduler { inner }))
    }

    fn finished(&self, _run: &Arc<RunCore>) {}
}

impl Scheduler for SyncScheduler {
    fn describe(&self) -> Description {
        let mut d = Description::new(
            "sync",
            "one task after another on the calling thread, in the same order each time",
        );
        d.memory_budget = Some(self.inner.memory.budget());
        d.spill_directory = self.inner.memory.directory();
        d.capabilities.closures = true;
        d.capabilities.spill = true;
        d.capabilities.deterministic = true;
        d.capabilities.nested = true;
        d
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        if self.inner.closed.load(Ordering::SeqCst) {
            return Err(closed("sync"));
        }
        plan.graph().check_honoured("sync://", &[Demand::Memory])?;
        let prepared = plan.prepare()?;
        prepared.check_budget(self.inner.memory.budget())?;
        let id = self.inner.runs.fetch_add(1, Ordering::Relaxed) + 1;
        let driver: Arc<dyn Driver> = self.inner.clone();
        let (run, mut tasks) = RunCore::new(
            id,
            prepared,
            &self.inner.memory,
            &self.inner.observers,
            driver,
        );
        tasks.append(&mut run.connect());
        // What a task of this run needs of memory must not wait for the task that submitted it.
        crate::run::as_waiting(&self.inner.memory, || {
            deep::deeper(|| self.inner.drive(&run, tasks))
        })
        .inspect_err(|_| run.cancel_all())?;
        if !run.is_ended() {
            let mut waiting = self.inner.waiting();
            waiting.retain(|w| w.strong_count() > 0);
            waiting.push(Arc::downgrade(&run));
            drop(waiting);
            // Who closed before that has not seen this one.
            if self.inner.closed.load(Ordering::SeqCst) {
                run.cancel_all();
            }
        }
        Ok(as_run(run))
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        if self.inner.closed.load(Ordering::SeqCst) {
            return Err(closed("sync"));
        }
        let id = self.inner.runs.fetch_add(1, Ordering::Relaxed) + 1;
        scatter::scatter(
            id,
            values,
            &self.inner.memory,
            &self.inner.observers,
            self.inner.clone(),
        )
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.inner.observers.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.inner.memory.usage()
    }

    fn close(&self) {
        self.inner.closed.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.inner.waiting());
        waiting
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|run| run.cancel_all());
    }
}

pub(crate) fn closed(scheme: &str) -> Error {
    Error::new(
        ErrorKind::Cancelled,
        format!("the {scheme}:// backend is closed"),
    )
}

//! The `sync://` backend: everything on the calling thread, inside `submit`, in an order that is the same each time. With a seed it
//! explores other orders, each reproducible: a bug that depends on the order is found and found again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use kvern_core::annotations::Demand;
use kvern_core::events::{Interest, Observer, Observers, Subscription};
use kvern_core::scheduler::{Description, MemoryUse};
use kvern_core::unfinished::Leftovers;
use kvern_core::{Error, Handle, Plan, Registry, Result, Run, Scheduler, Value};
use kvern_store::{Store, StoreOptions, as_waiting};

use kvern_store::limits::default_budget;

use crate::deep;
use crate::run::lend::Lender;
use crate::run::{Driver, Outcome, RunCore, Scratch, as_run, closed};
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
    store: Arc<Store>,
    observers: Arc<Observers>,
    runs: AtomicU64,
    /// Runs that are not over, by their numbers: those that somebody drives, and those that wait for results of others.
    open: Mutex<HashMap<u64, Weak<RunCore>>>,
    closed: AtomicBool,
    /// Why nothing is computed any more, if somebody said so.
    stopped: OnceLock<Error>,
    /// What running tasks would leave behind.
    leftovers: Leftovers,
}

impl SyncScheduler {
    /// Opens the backend.
    pub fn new(options: &SyncOptions, registry: Arc<Registry>) -> Self {
        let budget = options.memory.unwrap_or_else(default_budget);
        let store = StoreOptions {
            spill: !options.no_spill,
            ..StoreOptions::new(budget)
        };
        Self::with_store(options.seed, store, registry)
    }

    pub(crate) fn with_store(
        seed: Option<u64>,
        options: StoreOptions,
        registry: Arc<Registry>,
    ) -> Self {
        let observers = Arc::new(Observers::new());
        let store = Store::new(options, registry);
        let inner = Arc::new_cyclic(|me| Inner {
            me: me.clone(),
            seed,
            store,
            observers,
            runs: AtomicU64::new(0),
            open: Mutex::default(),
            closed: AtomicBool::new(false),
            stopped: OnceLock::new(),
            leftovers: Leftovers::default(),
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
    fn lock_open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<RunCore>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::SeqCst) {
            true => Err(self.why()),
            false => Ok(()),
        }
    }

    /// Why nothing is computed any more.
    fn why(&self) -> Error {
        self.stopped
            .get()
            .cloned()
            .unwrap_or_else(|| closed("sync"))
    }

    /// Takes nothing any more, and cancels what is not over.
    fn shut(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let open = std::mem::take(&mut *self.lock_open());
        for run in open.values().filter_map(Weak::upgrade) {
            match self.stopped.get() {
                Some(why) => run.stop_all(|| why.clone()),
                None => run.cancel_all(),
            }
        }
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

    fn leftovers(&self) -> Leftovers {
        self.leftovers.clone()
    }

    fn scheduler(&self) -> Option<Arc<dyn Scheduler>> {
        let inner = self.me.upgrade()?;
        Some(Arc::new(SyncScheduler { inner }))
    }

    fn finished(&self, run: &Arc<RunCore>) {
        self.lock_open().remove(&run.id);
    }
}

impl Scheduler for SyncScheduler {
    fn describe(&self) -> Description {
        let mut d = Description::new(
            "sync",
            "one task after another on the calling thread, in the same order each time",
        );
        d.memory_budget = Some(self.inner.store.budget().limit());
        d.spill_directory = self.inner.store.directory();
        d.capabilities.closures = true;
        d.capabilities.spill = true;
        d.capabilities.deterministic = true;
        d.capabilities.nested = true;
        d
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        self.inner.check_open()?;
        plan.graph().check_honoured("sync://", &[Demand::Memory])?;
        let prepared = plan.prepare()?;
        prepared.check_budget(self.inner.store.budget().limit())?;
        let id = self.inner.runs.fetch_add(1, Ordering::Relaxed) + 1;
        let driver: Arc<dyn Driver> = self.inner.clone();
        let (run, mut tasks) = RunCore::new(
            id,
            prepared,
            &self.inner.store,
            &self.inner.observers,
            driver,
        );
        // Before it begins: another thread may stop it meanwhile.
        self.inner.lock_open().insert(id, Arc::downgrade(&run));
        // Who closed before that has not seen this one.
        if self.inner.closed.load(Ordering::SeqCst) {
            run.stop_all(|| self.inner.why());
        }
        tasks.append(&mut run.connect());
        // What a task of this run needs of memory must not wait for the task that submitted it.
        as_waiting(&self.inner.store, || {
            deep::deeper(|| self.inner.drive(&run, tasks))
        })
        .inspect_err(|_| run.cancel_all())?;
        Ok(as_run(run))
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.inner.check_open()?;
        let id = self.inner.runs.fetch_add(1, Ordering::Relaxed) + 1;
        scatter::scatter(
            id,
            values,
            &self.inner.store,
            &self.inner.observers,
            self.inner.clone(),
        )
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.inner.observers.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.inner.store.usage()
    }

    fn stop(&self, why: &Error) {
        let _first = self.inner.stopped.set(why.clone());
        self.inner.shut();
    }

    fn close(&self) {
        self.inner.shut();
        // Threads that tasks have started may not have noticed yet that these have ended.
        self.inner.leftovers.remove();
    }
}

//! The `threads://` backend: tasks on a rayon pool of this process.
//!
//! Each thread of the pool runs a *worker loop* while there is something to do, and ends it when there is not, so that rayon work
//! that a kernel starts (nested parallelism) finds the idle threads of the same pool: there are never more busy threads than
//! workers. Ready tasks wait in one queue a worker, lowest position in the static order first; a worker keeps the tasks that its
//! own task made ready, since their inputs are warm here, and steals only when it has none.
//!
//! Waking a thread costs far more than a small task. So a second worker is woken for work that is worth it: at once if the plan
//! says so (few tasks, or large ones), by a worker that measures its tasks to be long, or by the [`monitor`], which looks in
//! when a task keeps a worker busy.
//!
//! # Tasks that wait for tasks
//! A task that waits keeps its thread, and lends its place: another thread takes over, one of the pool if one is free, else a
//! [*stand-in*](stand_in). So no task ever runs on top of another, whose locks it may want, and the stack does not grow. When the task goes
//! on there may be one thread too many at work, and the first that is through with its task stops.
//!
//! What is awaited comes first, and a thread that is at it stays with it: all other threads may be stuck, in tasks that want a lock which the
//! waiting task holds. Where nobody is at something awaited, the monitor starts another thread for it. When many tasks wait, no others are
//! begun but those that are awaited: each that waits takes a thread.
//!
//! Code map: [`queue`] who runs which task next, `worker.rs` the loop, [`frame`] what a loop is to a task that waits, [`stand_in`] threads beside
//! the pool, [`monitor`] the clock.

mod frame;
mod monitor;
mod queue;
mod stand_in;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use kvern_core::annotations::Demand;
use kvern_core::events::{Observer, Observers, Subscription};
use kvern_core::scheduler::{Description, GRACE, MemoryUse};
use kvern_core::unfinished::Leftovers;
use kvern_core::{Error, ErrorKind, Handle, Plan, Registry, Result, Run, Scheduler, Value};
use kvern_store::limits::default_budget;
use kvern_store::{Store, StoreOptions};

use crate::run::lend::Lender;
use crate::run::{Driver, RunCore, as_run, closed};
use crate::scatter;
use frame::Frame;
use monitor::Monitor;
use queue::Job;
use stand_in::StandIns;

/// More threads than any machine has use for; a typo beyond it would start threads until the system gives up.
const MOST_WORKERS: usize = 4096;

/// More tasks than this do not wait at once: each has a thread.
const MOST_WAITING: usize = 4096;

/// Tasks that wait, for each worker, from which on no others are begun but those that are awaited.
const CROWD: usize = 8;

/// How [`ThreadScheduler`] is set up.
#[derive(Debug, Clone, Default)]
pub struct ThreadOptions {
    /// Threads that run tasks; `None`: one for each core that this process may use.
    pub workers: Option<usize>,
    /// Memory for results in bytes; `None`: 70 % of what this process may use.
    pub memory: Option<u64>,
    /// Whether results must stay in memory.
    pub no_spill: bool,
    /// Folder for spilled results; `None`: the system's for temporary files.
    pub spill_directory: Option<std::path::PathBuf>,
    /// Bytes that may be on disk at once.
    pub spill_limit: Option<u64>,
    /// Tasks that may wait for others at once, each of which keeps a thread; what waits beyond that is told an error. `None`: 4096.
    pub waiting: Option<usize>,
}

/// The threaded backend: `threads://`. Idle workers end their loop, so that rayon work inside kernels finds the threads.
pub struct ThreadScheduler {
    inner: Arc<Inner>,
    /// Whether dropping this closes the backend (not for the views that tasks get).
    owner: bool,
}

struct Inner {
    me: Weak<Self>,
    pool: rayon::ThreadPool,
    threads: usize,
    store: Arc<Store>,
    observers: Arc<Observers>,
    ids: AtomicU64,
    closed: AtomicBool,
    /// Why nothing is computed any more, if somebody said so, and when.
    stopped: OnceLock<(Error, Instant)>,
    /// What running tasks would leave behind.
    leftovers: Leftovers,
    /// Runs that are not over.
    jobs: Mutex<Vec<Arc<Job>>>,
    /// Raised when `jobs` changes, so that workers look at the list only then.
    generation: AtomicU64,
    /// Worker loops that run or are on their way; not those whose task waits for others.
    workers: AtomicUsize,
    /// Tasks that wait for others.
    blocked: AtomicUsize,
    /// Threads of the pool that have a loop, or are to begin one, or wait.
    on_pool: AtomicUsize,
    /// Counts what goes on while tasks wait, for the monitor.
    moves: AtomicU64,
    stand_ins: StandIns,
    monitor: Monitor,
}

/// How many threads the system lets this process run at once.
pub(crate) fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl ThreadScheduler {
    /// Opens the backend.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for no worker or more than 4096, [`ErrorKind::Io`] if threads cannot be started.
    pub fn new(options: &ThreadOptions, registry: Arc<Registry>) -> Result<Self> {
        let store = StoreOptions {
            budget: options.memory.unwrap_or_else(default_budget),
            spill: !options.no_spill,
            directory: options.spill_directory.clone(),
            spill_limit: options.spill_limit,
        };
        let workers = options.workers.unwrap_or_else(available_cores);
        Self::with(workers, store, registry, options.waiting)
    }

    pub(crate) fn with_store(
        workers: usize,
        options: StoreOptions,
        registry: Arc<Registry>,
    ) -> Result<Self> {
        Self::with(workers, options, registry, None)
    }

    fn with(
        workers: usize,
        options: StoreOptions,
        registry: Arc<Registry>,
        waiting: Option<usize>,
    ) -> Result<Self> {
        if workers == 0 {
            return Err(Error::bad_input(
                "threads:// needs at least 1 worker, got 0",
            ));
        }
        if workers > MOST_WORKERS {
            return Err(Error::bad_input(format!(
                "threads:// starts at most {MOST_WORKERS} workers, got {workers}"
            )));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|i| format!("kvern-{i}"))
            .build();
        let pool = pool.map_err(|e| {
            Error::with_source(
                ErrorKind::Io,
                format!("cannot start {workers} threads: {e}"),
                e,
            )
        })?;
        let observers = Arc::new(Observers::new());
        let store = Store::new(options, registry);
        let inner = Arc::new_cyclic(|me: &Weak<Inner>| Inner {
            me: me.clone(),
            pool,
            threads: workers,
            store,
            observers,
            ids: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            stopped: OnceLock::new(),
            leftovers: Leftovers::default(),
            jobs: Mutex::new(Vec::new()),
            generation: AtomicU64::new(0),
            workers: AtomicUsize::new(0),
            blocked: AtomicUsize::new(0),
            on_pool: AtomicUsize::new(0),
            moves: AtomicU64::new(0),
            stand_ins: StandIns::new(workers, waiting.unwrap_or(MOST_WAITING)),
            monitor: Monitor::new(me.clone()),
        });
        Ok(Self { inner, owner: true })
    }

    /// Flips bytes of all that is spilled, so that tests can see corruption found.
    ///
    /// # Errors
    /// [`ErrorKind::Spill`] if the spill file cannot be changed.
    #[doc(hidden)]
    pub fn corrupt_spill_for_tests(&self) -> Result<()> {
        self.inner.store.corrupt_for_tests()
    }
}

impl Inner {
    fn lock_jobs(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts worker loops until there are `wanted` (at most one a place).
    ///
    /// # Errors
    /// If no thread can be had.
    fn wake(&self, wanted: usize) -> Result<()> {
        let wanted = wanted.min(self.threads);
        let mut workers = self.workers.load(Ordering::SeqCst);
        while workers < wanted {
            match self.workers.compare_exchange(
                workers,
                workers + 1,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Err(now) => workers = now,
                Ok(_) => {
                    workers += 1;
                    self.begin(false)?;
                }
            }
        }
        Ok(())
    }

    /// One more loop, if there is a place. Where no thread can be had the loops that there are do all of it, and the monitor tries again.
    fn wake_one(&self) {
        let _ = self.wake(self.workers.load(Ordering::SeqCst) + 1);
    }

    /// Begins a loop that is counted already. `extra`: for what is awaited only.
    fn begin(&self, extra: bool) -> Result<()> {
        let Some(me) = self.me.upgrade() else {
            return Ok(());
        };
        let free = |n: usize| (n < self.threads).then_some(n + 1);
        let begun = if !extra
            && self
                .on_pool
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, free)
                .is_ok()
        {
            self.pool.spawn(move || worker::run(&me, true, false));
            Ok(())
        } else {
            self.stand_ins.call(me, extra)
        };
        if begun.is_err() {
            self.workers.fetch_sub(1, Ordering::SeqCst);
        }
        begun
    }

    /// Whether so many tasks wait that no others are begun but those that are awaited.
    fn is_crowded(&self) -> bool {
        self.blocked.load(Ordering::SeqCst) >= CROWD * self.threads
    }

    /// Whether some run has a task that a worker could take.
    fn has_ready(&self) -> bool {
        let crowded = self.is_crowded();
        let jobs = self.lock_jobs();
        jobs.iter()
            .any(|j| j.is_runnable() && (!crowded || j.is_favoured()))
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            Err(self.why())
        } else {
            Ok(())
        }
    }

    /// Why nothing is computed any more.
    fn why(&self) -> Error {
        let stopped = self.stopped.get();
        stopped.map_or_else(|| closed("threads"), |(why, _)| why.clone())
    }

    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes nothing any more, and cancels what is not over.
    fn cancel_all(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let jobs = self.lock_jobs().clone();
        for job in &jobs {
            match self.stopped.get() {
                Some((why, _)) => job.run.stop_all(|| why.clone()),
                None => job.run.cancel_all(),
            }
        }
    }

    fn shut(&self) {
        self.cancel_all();
        // A task of ours that closes its own backend must not wait for itself.
        while worker::current(self).is_none() && !self.lock_jobs().is_empty() {
            if let Some((_, since)) = self.stopped.get()
                && since.elapsed() > GRACE
            {
                // Those that are left go with the process.
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        // Also of those that have ended: threads of theirs may not have noticed yet.
        self.leftovers.remove();
        self.monitor.stop();
        self.store.close_if_unused();
    }
}

impl Driver for Inner {
    fn ready(&self, run: &Arc<RunCore>, tasks: Vec<u32>) {
        let job = self
            .lock_jobs()
            .iter()
            .find(|j| Arc::ptr_eq(&j.run, run))
            .cloned();
        if let Some(job) = job {
            job.inject(tasks);
            self.wake_one();
        }
    }

    fn lender(&self) -> Option<Arc<dyn Lender>> {
        self.pool.current_thread_index()?;
        Some(Arc::new(Frame::without_place(self.me.clone())))
    }

    fn gives_up(&self) -> bool {
        true
    }

    fn leftovers(&self) -> Leftovers {
        self.leftovers.clone()
    }

    fn scheduler(&self) -> Option<Arc<dyn Scheduler>> {
        let inner = self.me.upgrade()?;
        Some(Arc::new(ThreadScheduler {
            inner,
            owner: false,
        }))
    }

    fn finished(&self, run: &Arc<RunCore>) {
        let mut jobs = self.lock_jobs();
        let over: Vec<Arc<Job>> = jobs.extract_if(.., |j| Arc::ptr_eq(&j.run, run)).collect();
        self.generation.fetch_add(1, Ordering::SeqCst);
        // Unlocked first: a run may hold handles of another, which ends when they go and comes here as well.
        drop(jobs);
        drop(over);
    }
}

impl Scheduler for ThreadScheduler {
    fn describe(&self) -> Description {
        let mut d = Description::new(
            "threads",
            "the threads of this process, with a memory budget and spilling",
        );
        d.threads = self.inner.threads;
        d.memory_budget = Some(self.inner.store.budget().limit());
        d.spill_directory = self.inner.store.directory();
        d.capabilities.closures = true;
        d.capabilities.spill = true;
        d.capabilities.concurrent = true;
        d.capabilities.nested = true;
        d
    }

    fn submit(&self, plan: Plan) -> Result<Arc<dyn Run>> {
        let inner = &self.inner;
        inner.check_open()?;
        plan.graph()
            .check_honoured("threads://", &[Demand::Memory])?;
        let prepared = plan.prepare()?;
        prepared.check_budget(inner.store.budget().limit())?;
        let driver: Arc<dyn Driver> = inner.clone();
        let (run, roots) = RunCore::new(
            inner.next_id(),
            prepared,
            &inner.store,
            &inner.observers,
            driver,
        );
        let parent = worker::current(inner);
        let job = Arc::new(Job::new(run.clone(), roots, inner.threads, parent));
        inner.lock_jobs().push(job.clone());
        inner.generation.fetch_add(1, Ordering::SeqCst);
        let ready = run.connect();
        if !ready.is_empty() {
            job.inject(ready);
        }
        if run.is_ended() {
            // Data only: it was over before it was in the list.
            inner.finished(&run);
        } else {
            // A close that did not see this run yet has raised the flag before.
            if inner.closed.load(Ordering::SeqCst) {
                run.stop_all(|| inner.why());
            }
            let wanted = if job.is_tiny() {
                1
            } else {
                job.surplus().clamp(1, inner.threads)
            };
            // Without a thread of its own it is run by those that are there.
            let _ = inner.wake(wanted);
            inner.monitor.watch();
        }
        Ok(as_run(run))
    }

    fn scatter(&self, values: Vec<Value>) -> Result<Vec<Handle>> {
        self.inner.check_open()?;
        let inner = &self.inner;
        scatter::scatter(
            inner.next_id(),
            values,
            &inner.store,
            &inner.observers,
            inner.clone(),
        )
    }

    fn subscribe(&self, observer: Arc<dyn Observer>) -> Subscription {
        self.inner.observers.subscribe(observer)
    }

    fn memory(&self) -> MemoryUse {
        self.inner.store.usage()
    }

    fn stop(&self, why: &Error) {
        let _first = self.inner.stopped.set((why.clone(), Instant::now()));
        self.inner.cancel_all();
    }

    fn close(&self) {
        self.inner.shut();
    }
}

impl Drop for ThreadScheduler {
    fn drop(&mut self) {
        if self.owner {
            self.inner.shut();
        }
    }
}

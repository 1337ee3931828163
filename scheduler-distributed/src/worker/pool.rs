//! The threads of a worker: as many tasks run at once as there are permits. A task that waits for other tasks lends its permit to somebody else
//! meanwhile, and one that does not stop when it should loses it.
//!
//! Where no thread can be had, what waits for one is taken up by the threads that there are. If all of these wait themselves, nobody would ever:
//! then, after some patience, jobs are refused, and whoever waits for them is told why.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::panics;

/// How long an idle thread looks for work before it sleeps: waking it takes longer than that, and small tasks come close together.
const LOOK: Duration = Duration::from_micros(30);

/// Idle threads beyond the permits that are kept for the next task that waits.
const SPARE: usize = 4;

/// How often a thread is asked for again where none could be had.
const AGAIN: Duration = Duration::from_millis(20);

/// How long nobody may be able to run what waits before it is refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// Threads that run jobs. Dropping it lets running jobs end and forgets those that have not begun.
pub(crate) struct Pool<J: Send + 'static> {
    shared: Arc<Shared<J>>,
}

/// What a pool does with its jobs.
pub(crate) struct Uses<J> {
    /// Runs one on its thread.
    pub(crate) run: Run<J>,
    /// Told on the thread of a job that it waits for others from now on (true), or goes on.
    pub(crate) waits: Box<dyn Fn(bool) + Send + Sync>,
    /// A job that will not run since no thread can be had.
    pub(crate) refuse: Box<dyn Fn(J, io::Error) + Send + Sync>,
    /// Starts a thread.
    pub(crate) spawn: Spawn,
}

type Run<J> = Box<dyn Fn(J, &Permit) + Send + Sync>;
type Spawn = Box<dyn Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync>;

/// Threads of the system.
pub(crate) fn threads() -> Spawn {
    Box::new(|work| {
        let thread = std::thread::Builder::new().name("kvern-task".into());
        thread.spawn(work).map(drop)
    })
}

struct Shared<J> {
    state: Mutex<State<J>>,
    /// Somebody may begin: a job has come, or a permit.
    begin: Condvar,
    /// A permit is there for a task that has waited.
    rejoin: Condvar,
    /// No thread could be had.
    help: Condvar,
    uses: Uses<J>,
}

struct State<J> {
    queue: VecDeque<J>,
    permits: usize,
    slots: usize,
    idle: usize,
    /// Threads that have been started and have not looked for a job yet.
    starting: usize,
    /// Tasks that have waited and want their permit back; they go first.
    rejoining: usize,
    /// Why no thread could be had for what waits.
    starved: Option<io::Error>,
    closed: bool,
}

/// How a job stands to its permit. Changed under the lock of the pool alone.
const HELD: u8 = 0;
const LENT: u8 = 1;
const LOST: u8 = 2;

/// The permit of a running job.
#[derive(Clone)]
pub(crate) struct Permit {
    pool: Arc<dyn Lend>,
    stands: Arc<AtomicU8>,
}

impl Permit {
    /// Takes the permit away from a job that does not stop: another may run in its place, while its thread goes on for as long as it does.
    pub(crate) fn take_away(&self) {
        self.pool.clone().take_away(&self.stands);
    }
}

/// Lends the permit of the task that this thread runs.
trait Lend: Send + Sync {
    /// Gives the permit to somebody else; false: it was taken away.
    fn lend(self: Arc<Self>, stands: &AtomicU8) -> bool;
    /// Waits for a permit.
    fn take_back(&self, stands: &AtomicU8);
    fn take_away(self: Arc<Self>, stands: &AtomicU8);
}

thread_local! {
    /// The permit of the task that this thread runs.
    static MINE: RefCell<Option<Permit>> = const { RefCell::new(None) };
}

/// Runs `f`, which waits for something; if this thread runs a task of a pool, another task may run meanwhile.
pub(crate) fn while_waiting<R>(f: impl FnOnce() -> R) -> R {
    /// Takes the permit back also when `f` panics.
    struct Back(Option<Permit>);
    impl Drop for Back {
        fn drop(&mut self) {
            if let Some(permit) = self.0.take() {
                permit.pool.take_back(&permit.stands);
                MINE.with_borrow_mut(|m| *m = Some(permit));
            }
        }
    }
    let Some(permit) = MINE.with_borrow_mut(Option::take) else {
        return f();
    };
    if !permit.pool.clone().lend(&permit.stands) {
        return f();
    }
    let _back = Back(Some(permit));
    f()
}

/// Whether this thread runs a task of a pool.
#[cfg(test)]
fn is_task() -> bool {
    MINE.with_borrow(Option::is_some)
}

impl<J: Send + 'static> Pool<J> {
    /// `slots` jobs run at once.
    ///
    /// # Errors
    /// If the thread that looks after the others cannot be started.
    pub(crate) fn new(slots: usize, uses: Uses<J>) -> io::Result<Self> {
        let state = State {
            queue: VecDeque::new(),
            permits: slots,
            slots,
            idle: 0,
            starting: 0,
            rejoining: 0,
            starved: None,
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            begin: Condvar::new(),
            rejoin: Condvar::new(),
            help: Condvar::new(),
            uses,
        });
        let helper = shared.clone();
        std::thread::Builder::new()
            .name("kvern-threads".into())
            .spawn(move || helper.help())?;
        Ok(Self { shared })
    }

    /// Adds jobs behind those that wait.
    pub(crate) fn push(&self, jobs: impl IntoIterator<Item = J>) {
        let mut state = self.shared.lock();
        state.queue.extend(jobs);
        self.shared.ready(state);
    }
}

impl<J> State<J> {
    /// Threads that are needed for what waits and are not there.
    fn missing(&self) -> usize {
        let free = self.permits.saturating_sub(self.rejoining);
        let can = self.queue.len().min(free);
        can.saturating_sub(self.idle + self.starting)
    }

    /// Whether no thread will look for a job by itself: all wait for something.
    fn all_wait(&self) -> bool {
        self.permits == self.slots && self.rejoining == 0 && self.idle + self.starting == 0
    }
}

impl<J: Send + 'static> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes or starts as many threads as can begin.
    fn ready(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>) {
        let free = state.permits.saturating_sub(state.rejoining);
        let missing = state.missing();
        let wake = state.queue.len().min(free) - missing;
        for _ in 0..missing {
            let me = self.clone();
            match (self.uses.spawn)(Box::new(move || me.work())) {
                Ok(()) => state.starting += 1,
                Err(e) => {
                    state.starved = Some(e);
                    self.help.notify_one();
                    break;
                }
            }
        }
        drop(state);
        for _ in 0..wake {
            self.begin.notify_one();
        }
    }

    /// On a thread of its own: where no thread could be had, one is asked for again; jobs that nobody can ever run are refused.
    fn help(self: Arc<Self>) {
        let mut since: Option<Instant> = None;
        let mut state = self.lock();
        loop {
            if state.closed {
                return;
            }
            if state.starved.is_none() || state.missing() == 0 {
                state.starved = None;
                since = None;
                state = self
                    .help
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if !state.all_wait() {
                since = None;
            } else if since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE
                && let Some(job) = state.queue.pop_front()
            {
                let why = state.starved.take();
                drop(state);
                (self.uses.refuse)(job, why.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()));
                state = self.lock();
            }
            let pause = self.help.wait_timeout(state, AGAIN);
            state = pause.unwrap_or_else(PoisonError::into_inner).0;
            if state.missing() > 0 && !state.closed {
                state.starved = None;
                self.ready(state);
                state = self.lock();
            }
        }
    }

    fn work(self: Arc<Self>) {
        self.lock().starting -= 1;
        while let Some(job) = self.next() {
            let permit = Permit {
                pool: self.clone(),
                stands: Arc::new(AtomicU8::new(HELD)),
            };
            MINE.with_borrow_mut(|m| *m = Some(permit.clone()));
            // What it runs catches what tasks do; whatever else there is must not cost the permit.
            let _ = panics::caught(|| (self.uses.run)(job, &permit));
            MINE.with_borrow_mut(Option::take);
            let state = self.lock();
            if permit.stands.swap(LOST, Ordering::Relaxed) == HELD {
                // The next job is looked for by this thread itself.
                let _ = self.give_back(state);
            }
        }
    }

    /// A permit is free: those who come back from waiting are woken first. Gives the state if one is left for those who begin.
    fn give_back<'a>(
        &self,
        mut state: MutexGuard<'a, State<J>>,
    ) -> Option<MutexGuard<'a, State<J>>> {
        state.permits += 1;
        if state.rejoining > 0 {
            self.rejoin.notify_one();
        }
        (state.permits > state.rejoining).then_some(state)
    }

    /// The next job, with a permit; `None`: this thread is not needed any more.
    fn next(&self) -> Option<J> {
        let mut looked: Option<Instant> = None;
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            // Those who come back from waiting go first: they hold values.
            if state.permits > state.rejoining
                && let Some(job) = state.queue.pop_front()
            {
                state.permits -= 1;
                return Some(job);
            }
            if state.idle >= state.slots + SPARE {
                return None;
            }
            let since = *looked.get_or_insert_with(Instant::now);
            state.idle += 1;
            if since.elapsed() < LOOK {
                drop(state);
                std::thread::yield_now();
                state = self.lock();
            } else {
                state = self
                    .begin
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                looked = None;
            }
            state.idle -= 1;
        }
    }
}

impl<J: Send + 'static> Lend for Shared<J> {
    fn lend(self: Arc<Self>, stands: &AtomicU8) -> bool {
        let state = self.lock();
        if stands.load(Ordering::Relaxed) == LOST {
            return false;
        }
        drop(state);
        (self.uses.waits)(true);
        let state = self.lock();
        if stands
            .compare_exchange(HELD, LENT, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            // Taken away just now.
            return false;
        }
        if let Some(state) = self.give_back(state) {
            self.ready(state);
        }
        true
    }

    fn take_back(&self, stands: &AtomicU8) {
        let mut state = self.lock();
        state.rejoining += 1;
        let lent = || stands.load(Ordering::Relaxed) == LENT;
        while state.permits == 0 && lent() {
            state = self
                .rejoin
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.rejoining -= 1;
        if lent() {
            stands.store(HELD, Ordering::Relaxed);
            state.permits -= 1;
            drop(state);
            (self.uses.waits)(false);
        }
    }

    fn take_away(self: Arc<Self>, stands: &AtomicU8) {
        let state = self.lock();
        match stands.swap(LOST, Ordering::Relaxed) {
            HELD => {
                if let Some(state) = self.give_back(state) {
                    self.ready(state);
                }
            }
            LENT => self.rejoin.notify_all(),
            _ => {}
        }
    }
}

impl<J: Send + 'static> Drop for Pool<J> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let forgotten = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.begin.notify_all();
        self.shared.help.notify_all();
        drop(forgotten);
    }
}

#[cfg(test)]
mod tests;

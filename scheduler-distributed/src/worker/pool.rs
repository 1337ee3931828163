//! The threads of a worker: each job that is handed over begins at once, on a thread that has nothing to do or is about to, else on a new one.
//!
//! How many run at once is not decided here but by the machine, which hands over no more than there are slots. So a task that has waited for others
//! goes on at once, whatever runs in its place by then: it may hold a lock that this wants. The machine counts it, and hands over nothing until there
//! are no more than slots again.
//!
//! Where no thread can be had, what waits for one is taken up by the threads that there are. If all of these wait themselves, nobody would ever:
//! then, after some patience, jobs are refused, and whoever waits for them is told why.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::panics;

use crate::seat::{BUSY, LEAVES, MINE, OVER, Seat, Seats, WAITS};

/// How long an idle thread looks for work before it sleeps: waking it takes longer than that, and small tasks come close together.
const LOOK: Duration = Duration::from_micros(30);

/// Idle threads beyond the slots that are kept for the next task that waits.
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

type Run<J> = Box<dyn Fn(J, &Seat) + Send + Sync>;
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
    /// A job has come for somebody who is idle.
    begin: Condvar,
    /// No thread could be had.
    help: Condvar,
    uses: Uses<J>,
}

struct State<J> {
    queue: VecDeque<J>,
    slots: usize,
    idle: usize,
    /// Threads that have been started and have not looked for a job yet.
    starting: usize,
    /// Threads that are through with their job and about to look for the next one.
    leaving: usize,
    /// Threads that are at a job that does not wait for others, and was not given up.
    busy: usize,
    /// Why no thread could be had for what waits.
    starved: Option<io::Error>,
    closed: bool,
}

/// Whether this thread runs a task of a pool.
#[cfg(test)]
fn is_task() -> bool {
    MINE.with_borrow(Option::is_some)
}

impl<J: Send + 'static> Pool<J> {
    /// For as many jobs at once as there are `slots`, as a rule.
    ///
    /// # Errors
    /// If the thread that looks after the others cannot be started.
    pub(crate) fn new(slots: usize, uses: Uses<J>) -> io::Result<Self> {
        let state = State {
            queue: VecDeque::new(),
            slots,
            idle: 0,
            starting: 0,
            leaving: 0,
            busy: 0,
            starved: None,
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            begin: Condvar::new(),
            help: Condvar::new(),
            uses,
        });
        let helper = shared.clone();
        std::thread::Builder::new()
            .name("kvern-threads".into())
            .spawn(move || helper.help())?;
        Ok(Self { shared })
    }

    /// Begins jobs.
    pub(crate) fn push(&self, jobs: impl IntoIterator<Item = J>) {
        let mut state = self.shared.lock();
        state.queue.extend(jobs);
        self.shared.ready(state);
    }
}

impl<J> State<J> {
    /// Jobs that no thread is on its way to.
    fn left(&self) -> usize {
        let coming = self.starting + self.leaving;
        self.queue.len().saturating_sub(coming)
    }

    /// Threads that are needed for what waits and are not there.
    fn missing(&self) -> usize {
        self.left().saturating_sub(self.idle)
    }

    /// Whether no thread will look for a job by itself: all wait for something.
    fn all_wait(&self) -> bool {
        self.busy + self.idle + self.starting + self.leaving == 0
    }
}

impl<J: Send + 'static> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes or starts as many threads as there are jobs.
    fn ready(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>) {
        let missing = state.missing();
        let wake = state.left() - missing;
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
        // Under one lock until it has a job or is idle: in between it would not be counted, and another thread would be asked for.
        let mut state = self.lock();
        state.starting -= 1;
        while let Some(job) = self.next(state) {
            let seat = Seat {
                pool: self.clone(),
                stands: Arc::new(AtomicU8::new(BUSY)),
            };
            MINE.with_borrow_mut(|m| *m = Some(seat.clone()));
            // What it runs catches what tasks do; whatever else there is must not cost the thread.
            let _ = panics::caught(|| (self.uses.run)(job, &seat));
            MINE.with_borrow_mut(Option::take);
            state = self.lock();
            state.end(&seat.stands);
            state.leaving -= usize::from(LEAVES.take());
        }
    }

    /// The next job; `None`: this thread is not needed any more.
    fn next<'a>(&'a self, mut state: MutexGuard<'a, State<J>>) -> Option<J> {
        let mut looked: Option<Instant> = None;
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                state.busy += 1;
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

impl<J> State<J> {
    /// A job is over, unless it was before.
    fn end(&mut self, stands: &AtomicU8) {
        if stands.swap(OVER, Ordering::Relaxed) == BUSY {
            self.busy -= 1;
        }
    }
}

impl<J: Send + 'static> Seats for Shared<J> {
    fn wait(&self, stands: &AtomicU8) -> bool {
        let over = || stands.load(Ordering::Relaxed) == OVER;
        if over() {
            return false;
        }
        // Told first: what the machine begins then may be what this one waits for.
        (self.uses.waits)(true);
        let mut state = self.lock();
        if over() {
            // Given up just now.
            return false;
        }
        stands.store(WAITS, Ordering::Relaxed);
        state.busy -= 1;
        true
    }

    fn go_on(&self, stands: &AtomicU8) {
        let mut state = self.lock();
        if stands.load(Ordering::Relaxed) == WAITS {
            stands.store(BUSY, Ordering::Relaxed);
            state.busy += 1;
            drop(state);
            (self.uses.waits)(false);
        }
    }

    fn take_away(&self, stands: &AtomicU8) {
        self.lock().end(stands);
    }

    fn leave(&self, stands: &AtomicU8) {
        let mut state = self.lock();
        state.end(stands);
        state.leaving += 1;
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

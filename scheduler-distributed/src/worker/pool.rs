//! The threads of a worker: as many tasks run at once as there are permits, and a task that waits for other tasks lends its permit to
//! somebody else meanwhile.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an idle thread looks for work before it sleeps: waking it takes longer than that, and small tasks come close together.
const LOOK: Duration = Duration::from_micros(30);

/// Idle threads beyond the permits that are kept for the next task that waits.
const SPARE: usize = 4;

/// Threads that run jobs. Dropping it lets running jobs end and forgets those that have not begun.
pub(crate) struct Pool<J: Send + 'static> {
    shared: Arc<Shared<J>>,
}

struct Shared<J> {
    state: Mutex<State<J>>,
    /// Somebody may begin: a job has come, or a permit.
    begin: Condvar,
    /// A permit is there for a task that has waited.
    rejoin: Condvar,
    run: Box<dyn Fn(J) + Send + Sync>,
    /// Told on the thread of a job that it waits for others from now on (true), or goes on.
    waits: Box<dyn Fn(bool) + Send + Sync>,
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
    closed: bool,
}

/// Lends the permit of the task that this thread runs.
trait Lend {
    /// Gives the permit to somebody else.
    fn lend(self: Arc<Self>);
    /// Waits for a permit.
    fn take_back(&self);
}

thread_local! {
    /// The pool whose task this thread runs.
    static MINE: RefCell<Option<Arc<dyn Lend>>> = const { RefCell::new(None) };
}

/// Runs `f`, which waits for something; if this thread runs a task of a pool, another task may run meanwhile.
pub(crate) fn while_waiting<R>(f: impl FnOnce() -> R) -> R {
    /// Takes the permit back also when `f` panics.
    struct Back(Option<Arc<dyn Lend>>);
    impl Drop for Back {
        fn drop(&mut self) {
            if let Some(pool) = self.0.take() {
                pool.take_back();
                MINE.with_borrow_mut(|m| *m = Some(pool));
            }
        }
    }
    let Some(pool) = MINE.with_borrow_mut(Option::take) else {
        return f();
    };
    pool.clone().lend();
    let _back = Back(Some(pool));
    f()
}

/// Whether this thread runs a task of a pool.
#[cfg(test)]
fn is_task() -> bool {
    MINE.with_borrow(Option::is_some)
}

impl<J: Send + 'static> Pool<J> {
    /// `slots` jobs run at once, each by a call of `run`.
    pub(crate) fn new(
        slots: usize,
        run: impl Fn(J) + Send + Sync + 'static,
        waits: impl Fn(bool) + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            queue: VecDeque::new(),
            permits: slots,
            slots,
            idle: 0,
            starting: 0,
            rejoining: 0,
            closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                begin: Condvar::new(),
                rejoin: Condvar::new(),
                run: Box::new(run),
                waits: Box::new(waits),
            }),
        }
    }

    /// Adds jobs behind those that wait.
    ///
    /// # Errors
    /// If a thread is needed and cannot be started.
    pub(crate) fn push(&self, jobs: impl IntoIterator<Item = J>) -> std::io::Result<()> {
        let mut state = self.shared.lock();
        state.queue.extend(jobs);
        self.shared.ready(state)
    }
}

impl<J: Send + 'static> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes or starts as many threads as can begin.
    fn ready(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>) -> std::io::Result<()> {
        let free = state.permits.saturating_sub(state.rejoining);
        let can = state.queue.len().min(free);
        let missing = can.saturating_sub(state.idle + state.starting);
        let wake = can - missing;
        for _ in 0..missing {
            let me = self.clone();
            std::thread::Builder::new()
                .name("kvern-task".into())
                .spawn(move || me.work())?;
            state.starting += 1;
        }
        drop(state);
        for _ in 0..wake {
            self.begin.notify_one();
        }
        Ok(())
    }

    fn work(self: Arc<Self>) {
        self.lock().starting -= 1;
        while let Some(job) = self.next() {
            MINE.with_borrow_mut(|m| *m = Some(self.clone() as Arc<dyn Lend>));
            (self.run)(job);
            MINE.with_borrow_mut(Option::take);
            // The next job is looked for by this thread itself.
            let _ = self.give_back();
        }
    }

    /// A permit is free: those who come back from waiting are woken first. Gives the state if one is left for those who begin.
    fn give_back(&self) -> Option<MutexGuard<'_, State<J>>> {
        let mut state = self.lock();
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
    fn lend(self: Arc<Self>) {
        (self.waits)(true);
        if let Some(state) = self.give_back() {
            // Without another thread nobody else runs meanwhile; when this one comes back, all goes on.
            let _ = self.ready(state);
        }
    }

    fn take_back(&self) {
        let mut state = self.lock();
        state.rejoining += 1;
        while state.permits == 0 {
            state = self
                .rejoin
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.rejoining -= 1;
        state.permits -= 1;
        drop(state);
        (self.waits)(false);
    }
}

impl<J: Send + 'static> Drop for Pool<J> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let forgotten = std::mem::take(&mut state.queue);
        drop(state);
        self.shared.begin.notify_all();
        drop(forgotten);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn as_many_at_once_as_there_are_slots() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (tell, told) = channel();
        let (n, m) = (now.clone(), most.clone());
        let run = move |i: usize| {
            m.fetch_max(n.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Until all threads have come, however busy the machine is.
            let end = Instant::now() + PATIENCE;
            while m.load(Ordering::SeqCst) < 3 && Instant::now() < end {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_micros(200));
            n.fetch_sub(1, Ordering::SeqCst);
            let _ = tell.send(i);
        };
        let pool = Pool::new(3, run, |_| ());
        for i in 0..20 {
            pool.push(10 * i..10 * (i + 1)).unwrap();
        }
        let mut all: Vec<usize> = (0..200)
            .map(|_| told.recv_timeout(PATIENCE).unwrap())
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..200));
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn one_slot_carries_jobs_that_wait_for_jobs() {
        type Job = Box<dyn FnOnce() + Send>;
        let pool = Arc::new(Pool::new(1, |job: Job| job(), |_| ()));
        let (tell, told) = channel();
        fn deep(pool: &Arc<Pool<Job>>, n: usize, tell: std::sync::mpsc::Sender<usize>) -> Job {
            let pool = pool.clone();
            Box::new(move || {
                if n > 0 {
                    let (t, wait) = channel();
                    pool.push([deep(&pool, n - 1, t)]).unwrap();
                    let below = while_waiting(|| wait.recv_timeout(PATIENCE).unwrap());
                    assert_eq!(below, n - 1);
                }
                assert!(is_task());
                let _ = tell.send(n);
            })
        }
        let job = deep(&pool, 100, tell);
        pool.push([job]).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 100);
        assert!(!is_task());
    }

    #[test]
    fn dropping_forgets_what_has_not_begun() {
        let ((tell, begun), (open, gate)) = (channel(), channel::<()>());
        let gate = Mutex::new(gate);
        let run = move |i: usize| {
            let _ = tell.send(i);
            let _ = gate.lock().map(|g| g.recv());
        };
        let pool = Pool::new(1, run, |_| ());
        pool.push(0..100).unwrap();
        assert_eq!(begun.recv_timeout(PATIENCE), Ok(0));
        drop(pool);
        drop(open);
        // The thread ends after what it was at, and with it the other end.
        assert_eq!(
            begun.recv_timeout(PATIENCE),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
        );
    }
}

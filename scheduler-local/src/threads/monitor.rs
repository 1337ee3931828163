//! The monitor: a thread that looks in now and then while runs are on. It wakes workers when a long task keeps one busy while
//! others wait behind it, sees to it that somebody is at what tasks wait for, gives up tasks whose time is over, and tells observers how far the
//! runs are.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::Inner;
use super::queue::Job;

const SHORTEST: Duration = Duration::from_micros(200);
const LONGEST: Duration = Duration::from_millis(2);
/// Between two progress events of a run.
const PROGRESS: Duration = Duration::from_millis(100);
/// A worker that has run fewer tasks than this since the last look (at least 200 us ago) runs long ones.
const FEW: u64 = 100;

/// How long nothing goes on before somebody is sent to what tasks wait for.
const STUCK: Duration = Duration::from_millis(5);
/// How long no thread can be had for it before a task that waits is told so.
const HOPELESS: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// No thread yet.
    New,
    Idle,
    Watching,
    Stopped,
}

pub(super) struct Monitor {
    owner: Weak<Inner>,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Monitor {
    pub(super) fn new(owner: Weak<Inner>) -> Self {
        Self {
            owner,
            shared: Arc::new((Mutex::new(State::New), Condvar::new())),
        }
    }

    /// Looks in from now on, until no run is left.
    pub(super) fn watch(&self) {
        let mut state = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Watching | State::Stopped => {}
            State::Idle => {
                *state = State::Watching;
                self.shared.1.notify_one();
            }
            State::New => {
                let (owner, shared) = (self.owner.clone(), self.shared.clone());
                let started = std::thread::Builder::new()
                    .name("kvern-monitor".into())
                    .spawn(move || watch(&owner, &shared));
                // Without it runs are slower to spread, and one that waits for another's memory may wait for that run's end.
                if started.is_ok() {
                    *state = State::Watching;
                }
            }
        }
    }

    pub(super) fn stop(&self) {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Stopped;
        self.shared.1.notify_one();
    }
}

fn watch(owner: &Weak<Inner>, shared: &(Mutex<State>, Condvar)) {
    let mut pause = SHORTEST;
    let mut told = Instant::now();
    let mut rescue = Rescue::default();
    loop {
        {
            let mut state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            while *state == State::Idle {
                state = shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
                pause = SHORTEST;
            }
            if *state == State::Stopped {
                return;
            }
            state = shared
                .1
                .wait_timeout(state, pause)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if *state == State::Stopped {
                return;
            }
        }
        pause = (pause * 2).min(LONGEST);
        let Some(inner) = owner.upgrade() else { return };
        let jobs = inner.lock_jobs().clone();
        let tell = told.elapsed() >= PROGRESS;
        for job in &jobs {
            job.run.give_up_late();
            let ran = job.ran.load(Ordering::Relaxed);
            let few = ran - job.looked.swap(ran, Ordering::Relaxed) < FEW;
            // Tasks that wait for memory count too: a try now and then costs little and nothing can be forgotten.
            let may = !inner.is_crowded() || job.is_favoured();
            if (few || !job.is_tiny()) && job.surplus() > 0 && may {
                inner.wake_one();
            }
            if tell {
                job.run.tell_progress();
            }
        }
        if tell {
            told = Instant::now();
        }
        rescue.look(&inner, &jobs);
        if jobs.is_empty() {
            let mut state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A submit between the look above and this line has put its run into the list before it called `watch`.
            if *state == State::Watching && inner.lock_jobs().is_empty() {
                *state = State::Idle;
            }
        }
    }
}

/// Sees to it that somebody is at what tasks wait for.
#[derive(Default)]
struct Rescue {
    /// What was counted when something was last seen to go on, and when that was.
    last: Option<(u64, Instant)>,
}

impl Rescue {
    fn look(&mut self, inner: &Arc<Inner>, jobs: &[Arc<Job>]) {
        if inner.blocked.load(Ordering::SeqCst) == 0 {
            self.last = None;
            return;
        }
        let moves = inner.moves.load(Ordering::Relaxed);
        let since = match self.last {
            Some((before, since)) if before == moves => since,
            _ => {
                self.last = Some((moves, Instant::now()));
                return;
            }
        };
        if since.elapsed() < STUCK {
            return;
        }
        let left = |j: &&Arc<Job>| j.is_runnable() && j.inside.load(Ordering::SeqCst) == 0;
        let Some(job) = awaited(jobs).find(left) else {
            return;
        };
        job.urgent.store(true, Ordering::Relaxed);
        inner.workers.fetch_add(1, Ordering::SeqCst);
        match inner.begin(true) {
            Ok(()) => self.last = None,
            // Where others are at work one of them may come to it.
            Err(e) if since.elapsed() > HOPELESS => {
                inner.stand_ins.refuse(e);
                job.run.notify();
                self.last = None;
            }
            Err(_) => {}
        }
    }
}

/// The runs that tasks wait for, the newest first, and those whose results they read.
fn awaited(jobs: &[Arc<Job>]) -> impl Iterator<Item = &Arc<Job>> {
    let mut wanted: Vec<bool> = jobs.iter().map(|j| j.is_awaited()).collect();
    // A run reads results of older ones.
    for i in (0..jobs.len()).rev() {
        if wanted[i] {
            for run in jobs[i].run.reads() {
                if let Some(at) = jobs[..i].iter().position(|j| run == j.run.address()) {
                    wanted[at] = true;
                }
            }
        }
    }
    jobs.iter()
        .zip(wanted)
        .rev()
        .filter_map(|(job, wanted)| wanted.then_some(job))
}

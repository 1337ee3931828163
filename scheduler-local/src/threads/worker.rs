//! The worker loop.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvern_store::Admitted;

use super::Inner;
use super::frame::Frame;
use super::queue::Job;
use crate::run::{Outcome, Scratch, lend};

/// How long an idle worker looks around before it ends its loop: less than waking it again would take.
const LINGER: Duration = Duration::from_micros(30);
/// How long a worker stays with one run while others have work too.
const SLICE: Duration = Duration::from_millis(1);
/// Tasks that take less are not worth a second worker.
const TINY: Duration = Duration::from_nanos(1500);
/// Tasks between two looks at the clock, at most.
const LOOK: u32 = 64;

/// How long a worker that has ended an awaited run waits for the task that waited for it.
const SETTLE: Duration = Duration::from_micros(50);

thread_local! {
    /// The loop that this thread runs.
    static CURRENT: RefCell<Option<Arc<Frame>>> = const { RefCell::new(None) };
}

/// The loop of that backend which this thread runs, if it does.
pub(super) fn current(inner: &Inner) -> Option<Arc<Frame>> {
    CURRENT.with_borrow(|c| c.as_ref().filter(|f| f.is_of(inner)).cloned())
}

/// One worker loop: until nothing is ready any more. `extra`: nothing but what is awaited, beside as many loops as there are places.
pub(super) fn run(inner: &Arc<Inner>, on_pool: bool, extra: bool) {
    let mut counts = true;
    // A loop below this one on the same stack looked for rayon work and found this: it will go on itself.
    if current(inner).is_none() {
        let frame = Arc::new(Frame::new(inner));
        let worker = inner.pool.current_thread_index();
        let worker = worker.unwrap_or_else(|| inner.stand_ins.number() % inner.threads);
        let lender = lend::replace(Some(frame.clone()));
        let before = CURRENT.replace(Some(frame.clone()));
        counts = turn(inner, &frame, worker, extra) == End::Idle;
        CURRENT.set(before);
        lend::replace(lender);
    }
    if on_pool {
        inner.on_pool.fetch_sub(1, Ordering::SeqCst);
    }
    if counts {
        inner.workers.fetch_sub(1, Ordering::SeqCst);
    }
    // What became ready between the last look and the line above was told to nobody.
    if inner.has_ready() {
        inner.wake_one();
    }
}

/// How a loop ended.
#[derive(PartialEq)]
enum End {
    /// Nothing was ready any more. It still counts.
    Idle,
    /// There was one too many, or its place was taken since its task did not stop. It does not count any more.
    Surplus,
}

/// Whether there are more loops than places, since a task that waited goes on: then this one is to end, and is not counted any more.
fn retire(inner: &Inner) -> bool {
    let too_many = |n: usize| (n > inner.threads).then(|| n - 1);
    inner.workers.load(Ordering::Relaxed) > inner.threads
        && inner
            .workers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, too_many)
            .is_ok()
}

fn turn(inner: &Inner, frame: &Arc<Frame>, worker: usize, extra: bool) -> End {
    // In the order in which they came, and by priority.
    let mut jobs: Vec<Arc<Job>> = Vec::new();
    let mut turns: Vec<Arc<Job>> = Vec::new();
    let mut generation = u64::MAX;
    let mut scratch = Scratch::default();
    let mut first = 0;
    let mut idle: Option<Instant> = None;
    let on_pool = inner.pool.current_thread_index().is_some();
    let me = Me {
        inner,
        frame,
        worker,
    };
    loop {
        let now = inner.generation.load(Ordering::SeqCst);
        if now != generation {
            generation = now;
            // Two statements: what is dropped by the second may be the last hold on a run, and with it on handles of another run,
            // which then ends and asks for the same lock.
            let listed = inner.lock_jobs().clone();
            jobs = listed;
            turns.clone_from(&jobs);
            turns.sort_by_key(|j| Reverse(j.priority));
        }
        if frame.is_lost() || !extra && retire(inner) {
            return End::Surplus;
        }
        // What is awaited comes first, and of that the newest: it is the deepest.
        let blocked = inner.blocked.load(Ordering::SeqCst) > 0;
        let mut worked = blocked
            && jobs
                .iter()
                .rev()
                .filter(|j| j.is_favoured() && j.is_runnable())
                .any(|job| work(&me, job, &mut scratch, None) && settle(inner, job));
        if extra && !worked {
            return End::Idle;
        }
        if !worked && !inner.is_crowded() {
            let alone = (turns.len() == 1).then_some(generation);
            // Those of one priority take turns; lower ones only where nothing of these is at hand.
            for same in turns.chunk_by(|a, b| a.priority == b.priority) {
                for i in 0..same.len() {
                    worked |= work(&me, &same[(first + i) % same.len()], &mut scratch, alone);
                }
                if worked {
                    break;
                }
            }
            first = first.wrapping_add(1);
        }
        // A stand-in has a rayon pool of its own, and nobody else has work in it.
        let pieces = || on_pool && rayon::yield_now() == Some(rayon::Yield::Executed);
        if worked || pieces() {
            idle = None;
            continue;
        }
        if idle.get_or_insert_with(Instant::now).elapsed() > LINGER {
            return End::Idle;
        }
        // A finished run must not live on in the hands of an idle worker.
        if !jobs.is_empty() && jobs.iter().all(|j| j.run.is_ended()) {
            jobs.clear();
            turns.clear();
        }
        std::hint::spin_loop();
    }
}

/// After the end of a run for which a task waits: gives that task's thread the time to go on, in place of this one.
fn settle(inner: &Inner, job: &Job) -> bool {
    let begun = Instant::now();
    while job.run.is_ended()
        && job.run.awaited.load(Ordering::SeqCst) > 0
        && inner.workers.load(Ordering::SeqCst) <= inner.threads
        && begun.elapsed() < SETTLE
    {
        std::thread::yield_now();
    }
    true
}

/// Who works.
struct Me<'a> {
    inner: &'a Inner,
    frame: &'a Arc<Frame>,
    worker: usize,
}

impl Me<'_> {
    /// Whether to leave off between two tasks of `job`, since tasks wait. `look`: also for others that come first.
    fn is_to_leave(&self, job: &Job, look: bool) -> bool {
        let inner = self.inner;
        inner.moves.fetch_add(1, Ordering::Relaxed);
        let too_many = inner.workers.load(Ordering::Relaxed) > inner.threads;
        if job.is_awaited() {
            // Unless it is left to others that run.
            let at_it = job.inside.load(Ordering::SeqCst);
            return too_many && at_it > job.waiting.load(Ordering::SeqCst) + 1;
        }
        if too_many || inner.is_crowded() {
            return true;
        }
        let first = |j: &Arc<Job>| j.is_favoured() && j.is_runnable();
        look && inner.blocked.load(Ordering::Relaxed) > 0 && inner.lock_jobs().iter().any(first)
    }
}

/// Is at a run for as long as this lives.
struct At<'a>(&'a Frame, &'a Job, Option<Arc<Job>>);

impl<'a> At<'a> {
    fn new(frame: &'a Frame, job: &'a Arc<Job>) -> Self {
        job.inside.fetch_add(1, Ordering::SeqCst);
        let before = frame.at(Some(job.clone()));
        Self(frame, job, before)
    }
}

impl Drop for At<'_> {
    fn drop(&mut self) {
        drop(self.0.at(self.2.take()));
        self.1.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs tasks of a run: until none is at hand, or the slice is over while others wait. True if any ran. `alone`: the
/// generation of the job list in which this run was the only one; a run that comes later does not wait for all of it.
fn work(me: &Me<'_>, job: &Arc<Job>, scratch: &mut Scratch, alone: Option<u64>) -> bool {
    let &Me { inner, worker, .. } = me;
    let run = &job.run;
    if !run.enter() {
        run.leave();
        return false;
    }
    let mut fresh = Vec::new();
    let mut next = job.next(worker, &mut fresh);
    // Only with a task in hand: a worker that looks around in vain must not seem to hold memory.
    let _busy = (next.is_some() && !run.managed).then(|| Admitted::unmanaged(&inner.store));
    let _at = next.is_some().then(|| At::new(me.frame, job));
    let (mut ran, mut unreported, mut failed) = (0u64, 0usize, 0u64);
    let (mut every, mut until) = (1u32, 1u32);
    let begun = if next.is_some() {
        Some(Instant::now())
    } else {
        None
    };
    let mut last = begun;
    while let Some(task) = next {
        match run.execute(task, worker as u32, scratch, &mut fresh) {
            Outcome::Deferred => {
                job.put_back(worker, task);
                job.set_blocked(true);
                break;
            }
            // The monitor has reported it, and left the run in its place.
            Outcome::GivenUp => return true,
            outcome => {
                ran += 1;
                unreported += 1;
                failed += u64::from(outcome == Outcome::Failed);
                if run.limited {
                    // The next one may be long, and nobody is to wait for it.
                    scratch.report(run);
                    run.report(std::mem::take(&mut unreported), std::mem::take(&mut failed));
                }
                if run.managed {
                    job.set_blocked(false);
                }
            }
        }
        next = job.next(worker, &mut fresh);
        until -= 1;
        let mut leave_off = false;
        if inner.blocked.load(Ordering::Relaxed) > 0
            || inner.workers.load(Ordering::Relaxed) > inner.threads
        {
            leave_off = me.is_to_leave(job, until == 0);
        }
        if until == 0 {
            let now = Instant::now();
            let took = last.map_or(Duration::ZERO, |l| now - l) / every;
            last = Some(now);
            job.ran.fetch_add(u64::from(every), Ordering::Relaxed);
            job.set_tiny(took < TINY);
            every = if took < TINY {
                (every * 2).min(LOOK)
            } else {
                (every / 2).max(1)
            };
            until = every;
            scratch.report(run);
            run.report(unreported, failed);
            (unreported, failed) = (0, 0);
            let shared = alone.is_none_or(|g| inner.generation.load(Ordering::Relaxed) != g);
            leave_off |= shared && begun.is_some_and(|b| now - b > SLICE);
        }
        if !job.is_tiny()
            && inner.workers.load(Ordering::Relaxed) < inner.threads
            && job.surplus() > 0
        {
            inner.wake_one();
        }
        if run.is_cancelled() {
            break;
        }
        if leave_off {
            if let Some(task) = next {
                job.put_back(worker, task);
            }
            break;
        }
    }
    scratch.report(run);
    run.report(unreported, failed);
    run.leave();
    ran > 0
}

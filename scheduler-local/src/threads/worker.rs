//! The worker loop, and helping while a task waits for others.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Inner;
use super::queue::Job;
use crate::run::{Outcome, Scratch, unmanaged};

/// How long an idle worker looks around before it ends its loop: less than waking it again would take.
const LINGER: Duration = Duration::from_micros(30);
/// How long a worker stays with one run while others have work too.
const SLICE: Duration = Duration::from_millis(1);
/// Tasks that take less are not worth a second worker.
const TINY: Duration = Duration::from_nanos(1500);
/// Tasks between two looks at the clock, at most.
const LOOK: u32 = 64;

thread_local! {
    /// Which backend's worker this thread is, and which of its workers.
    static CURRENT: Cell<(*const Inner, usize)> = const { Cell::new((std::ptr::null(), 0)) };
}

/// The worker number of this thread in that backend, if it is inside one of its loops.
pub(super) fn current(inner: &Inner) -> Option<usize> {
    let (of, worker) = CURRENT.get();
    std::ptr::eq(of, inner).then_some(worker)
}

/// One worker loop: until nothing is ready any more.
pub(super) fn run(inner: &Arc<Inner>) {
    let worker = inner.pool.current_thread_index().unwrap_or(0);
    // A loop below this one on the same stack looked for rayon work and found this: it will go on itself.
    if current(inner).is_none() {
        let before = CURRENT.replace((Arc::as_ptr(inner), worker));
        turn(inner, worker);
        CURRENT.set(before);
    }
    inner.workers.fetch_sub(1, Ordering::SeqCst);
    // What became ready between the last look and the line above was told to nobody.
    if inner.has_ready() {
        inner.wake(inner.workers.load(Ordering::SeqCst) + 1);
    }
}

fn turn(inner: &Inner, worker: usize) {
    let mut jobs: Vec<Arc<Job>> = Vec::new();
    let mut generation = u64::MAX;
    let mut scratch = Scratch::default();
    let mut first = 0;
    let mut idle: Option<Instant> = None;
    loop {
        let now = inner.generation.load(Ordering::SeqCst);
        if now != generation {
            generation = now;
            // Two statements: what is dropped by the second may be the last hold on a run, and with it on handles of another run,
            // which then ends and asks for the same lock.
            let listed = inner.lock_jobs().clone();
            jobs = listed;
        }
        let mut worked = false;
        for i in 0..jobs.len() {
            let job = &jobs[(first + i) % jobs.len()];
            let alone = (jobs.len() == 1).then_some(generation);
            worked |= work(inner, job, worker, &mut scratch, alone, None);
        }
        first = first.wrapping_add(1);
        if worked || rayon::yield_now() == Some(rayon::Yield::Executed) {
            idle = None;
            continue;
        }
        if idle.get_or_insert_with(Instant::now).elapsed() > LINGER {
            return;
        }
        // A finished run must not live on in the hands of an idle worker.
        if !jobs.is_empty() && jobs.iter().all(|j| j.run.is_ended()) {
            jobs.clear();
        }
        std::hint::spin_loop();
    }
}

/// Runs tasks of a run: until none is at hand, the slice is over while others wait, or `stop`. True if any ran. `alone`: the
/// generation of the job list in which this run was the only one; a run that comes later does not wait for all of it.
fn work(
    inner: &Inner,
    job: &Arc<Job>,
    worker: usize,
    scratch: &mut Scratch,
    alone: Option<u64>,
    stop: Option<&dyn Fn() -> bool>,
) -> bool {
    let run = &job.run;
    if !run.enter() {
        run.leave();
        return false;
    }
    let mut fresh = Vec::new();
    let mut next = job.next(worker, &mut fresh);
    // Only with a task in hand: a worker that looks around in vain must not seem to hold memory.
    let _busy = (next.is_some() && !run.managed).then(|| unmanaged(&inner.memory));
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
            outcome => {
                ran += 1;
                unreported += 1;
                failed += u64::from(outcome == Outcome::Failed);
                if run.managed {
                    job.set_blocked(false);
                }
            }
        }
        next = job.next(worker, &mut fresh);
        until -= 1;
        let mut leave_off = stop.is_some_and(|s| s());
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
            run.report(unreported, failed);
            (unreported, failed) = (0, 0);
            let shared = alone.is_none_or(|g| inner.generation.load(Ordering::Relaxed) != g);
            leave_off |= shared && begun.is_some_and(|b| now - b > SLICE);
        }
        if !job.is_tiny()
            && inner.workers.load(Ordering::Relaxed) < inner.threads
            && job.surplus() > 0
        {
            inner.wake(inner.workers.load(Ordering::Relaxed) + 1);
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
    run.report(unreported, failed);
    run.leave();
    ran > 0
}

/// Runs whatever is ready until `done`: for a task that waits for others on a worker's thread.
pub(super) fn help(inner: &Inner, worker: usize, done: &dyn Fn() -> bool) {
    let mut scratch = Scratch::default();
    let mut idle: Option<Instant> = None;
    while !done() {
        let jobs = inner.lock_jobs().clone();
        // The newest first: a waiting task most likely waits for what was submitted last.
        let worked = jobs
            .iter()
            .rev()
            .any(|job| work(inner, job, worker, &mut scratch, None, Some(done)));
        if worked || rayon::yield_now() == Some(rayon::Yield::Executed) {
            idle = None;
        } else if idle.get_or_insert_with(Instant::now).elapsed() > LINGER {
            // What it waits for runs on another thread; a short sleep leaves that thread the core.
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

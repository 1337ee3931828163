//! Pools whose jobs wait, do not stop, or get no thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::*;
use crate::seat::while_waiting;

const PATIENCE: Duration = Duration::from_secs(20);

/// What only runs jobs.
fn runs<J: 'static>(run: impl Fn(J) + Send + Sync + 'static) -> Uses<J> {
    Uses {
        run: Box::new(move |job, _| run(job)),
        waits: Box::new(|_| ()),
        refuse: Box::new(|_, e| panic!("refused: {e}")),
        spawn: threads(),
    }
}

#[test]
fn a_job_waits_for_no_other_and_a_thread_takes_the_next() {
    let threads_begun = Arc::new(AtomicUsize::new(0));
    let (begun, system) = (threads_begun.clone(), threads());
    let (tell, told) = channel();
    let uses = Uses {
        spawn: Box::new(move |work| {
            begun.fetch_add(1, Ordering::SeqCst);
            system(work)
        }),
        ..runs(move |job: Box<dyn FnOnce() + Send>| job())
    };
    let pool = Pool::new(1, uses).unwrap();
    // However few slots there are: all of these wait for the last.
    let ready = Arc::new(std::sync::Barrier::new(5));
    for _ in 0..5 {
        let (ready, tell) = (ready.clone(), tell.clone());
        let job = move || {
            ready.wait();
            let _ = tell.send(());
        };
        pool.push([Box::new(job) as Box<dyn FnOnce() + Send>]);
    }
    for _ in 0..5 {
        told.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(threads_begun.load(Ordering::SeqCst), 5);
    // One after the other, they need no more.
    let pool = Arc::new(pool);
    fn next(pool: &Arc<Pool<Box<dyn FnOnce() + Send>>>, n: u32, tell: std::sync::mpsc::Sender<()>) {
        let again = pool.clone();
        pool.push([Box::new(move || match n {
            0 => tell.send(()).unwrap_or_default(),
            _ => {
                let seat = MINE.with_borrow(Clone::clone);
                seat.into_iter().for_each(|s| s.leave());
                next(&again, n - 1, tell);
            }
        }) as Box<dyn FnOnce() + Send>]);
    }
    next(&pool, 1000, tell);
    told.recv_timeout(PATIENCE).unwrap();
    assert!(threads_begun.load(Ordering::SeqCst) <= 6);
}

#[test]
fn one_slot_carries_jobs_that_wait_for_jobs() {
    type Job = Box<dyn FnOnce() + Send>;
    let pool = Arc::new(Pool::new(1, runs(|job: Job| job())).unwrap());
    let (tell, told) = channel();
    fn deep(pool: &Arc<Pool<Job>>, n: usize, tell: std::sync::mpsc::Sender<usize>) -> Job {
        let pool = pool.clone();
        Box::new(move || {
            if n > 0 {
                let (t, wait) = channel();
                pool.push([deep(&pool, n - 1, t)]);
                let below = while_waiting(|| wait.recv_timeout(PATIENCE).unwrap());
                assert_eq!(below, n - 1);
            }
            assert!(is_task());
            let _ = tell.send(n);
        })
    }
    let job = deep(&pool, 100, tell);
    pool.push([job]);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 100);
    assert!(!is_task());
}

#[test]
fn dropping_forgets_what_has_not_begun() {
    let ((tell, begun), (open, gate)) = (channel(), channel::<()>());
    let (pool, _refused) = few(1, 1);
    let gate = Arc::new(Mutex::new(gate));
    let all = (0..100).map(|n| {
        let (tell, gate) = (tell.clone(), gate.clone());
        Box::new(move |_: &Seat| {
            let _ = tell.send(n);
            let _ = gate.lock().map(|g| g.recv());
        }) as Job
    });
    pool.push(all);
    drop(tell);
    assert_eq!(begun.recv_timeout(PATIENCE), Ok(0));
    drop(pool);
    drop(open);
    // The thread ends after what it was at, and with it the other end.
    assert_eq!(
        begun.recv_timeout(PATIENCE),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    );
}

type Job = Box<dyn FnOnce(&Seat) + Send>;

/// Jobs that are closures, on a pool that gets no more than so many threads.
fn few(slots: usize, most: usize) -> (Arc<Pool<Job>>, std::sync::mpsc::Receiver<String>) {
    let (tell, refused) = channel();
    let tell = Mutex::new(tell);
    let (system, begun) = (threads(), AtomicUsize::new(0));
    let uses = Uses {
        run: Box::new(|job: Job, seat: &Seat| job(seat)),
        waits: Box::new(|_| ()),
        refuse: Box::new(move |job, e| {
            drop(job);
            let _ = tell.lock().unwrap().send(e.to_string());
        }),
        spawn: Box::new(move |work| {
            if begun.fetch_add(1, Ordering::SeqCst) >= most {
                return Err(io::Error::other("no more threads"));
            }
            system(work)
        }),
    };
    (Arc::new(Pool::new(slots, uses).unwrap()), refused)
}

/// A chain of jobs that wait for each other and is longer than there are threads: the last cannot run, all others are told and end.
#[test]
fn what_nobody_can_run_is_refused_and_not_waited_for() {
    let (pool, refused) = few(1, 3);
    fn deep(pool: &Arc<Pool<Job>>, n: usize, tell: std::sync::mpsc::Sender<usize>) -> Job {
        let pool = pool.clone();
        Box::new(move |_| {
            let (t, wait) = channel();
            pool.push([deep(&pool, n + 1, t)]);
            // What was refused closes the channel.
            let below = while_waiting(|| wait.recv_timeout(PATIENCE));
            assert_ne!(below, Err(std::sync::mpsc::RecvTimeoutError::Timeout));
            let _ = tell.send(below.unwrap_or(n));
        })
    }
    let (tell, told) = channel();
    pool.push([deep(&pool, 1, tell)]);
    assert_eq!(
        told.recv_timeout(PATIENCE),
        Ok(3),
        "three threads, three deep"
    );
    assert_eq!(refused.recv_timeout(PATIENCE).unwrap(), "no more threads");
    // And the pool goes on with the threads that it has.
    let (tell, told) = channel();
    let more = (0..20).map(|n| {
        let tell = tell.clone();
        Box::new(move |_: &Seat| tell.send(n).unwrap_or_default()) as Job
    });
    pool.push(more);
    // On whichever of them is free.
    let mut all: Vec<usize> = (0..20)
        .map(|_| told.recv_timeout(PATIENCE).unwrap())
        .collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..20));
}

#[test]
fn without_another_thread_those_that_run_take_up_what_waits() {
    let (pool, refused) = few(4, 1);
    let (tell, told) = channel();
    let all = (0..50).map(|n| {
        let tell = tell.clone();
        Box::new(move |_: &Seat| tell.send(n).unwrap_or_default()) as Job
    });
    pool.push(all);
    assert!((0..50).all(|n| told.recv_timeout(PATIENCE) == Ok(n)));
    assert!(refused.try_recv().is_err());
}

/// What is given up counts for nothing, and what is over not a second time.
#[test]
fn a_job_that_does_not_stop_is_not_counted() {
    for waits in [false, true] {
        let (pool, _refused) = few(1, 100);
        let ((open, gate), (tell, seats)) = (channel::<()>(), channel());
        let (back, done) = channel();
        pool.push([Box::new(move |seat: &Seat| {
            let stuck = || {
                let _ = tell.send(seat.clone());
                let _ = gate.recv();
            };
            if waits {
                while_waiting(stuck);
            } else {
                stuck();
            }
            // It waits for others late: nobody is told.
            while_waiting(|| ());
            let _ = back.send(());
        }) as Job]);
        let stuck = seats.recv_timeout(PATIENCE).unwrap();
        let busy = || pool.shared.lock().busy;
        assert_eq!(busy(), usize::from(!waits));
        stuck.take_away();
        assert_eq!(busy(), 0);
        // Once is enough.
        stuck.take_away();
        drop(open);
        done.recv_timeout(PATIENCE).unwrap();
        let (tell, told) = channel();
        for n in 0..50 {
            let tell = tell.clone();
            pool.push([Box::new(move |_: &Seat| tell.send(n).unwrap_or_default()) as Job]);
            assert_eq!(told.recv_timeout(PATIENCE), Ok(n));
        }
        let end = Instant::now() + PATIENCE;
        while busy() != 0 {
            assert!(Instant::now() < end, "{} are busy", busy());
            std::thread::yield_now();
        }
    }
}

/// A job that has waited goes on whatever runs by then: the others may be stuck until it does.
#[test]
fn a_job_that_has_waited_goes_on_at_once() {
    let (pool, _refused) = few(1, 100);
    let lock = Arc::new(Mutex::new(()));
    let ((open, gate), (tell, told)) = (channel::<()>(), channel());
    let (mine, over) = (lock.clone(), tell.clone());
    let (holds, held) = channel();
    pool.push([Box::new(move |_: &Seat| {
        let held = mine.lock().unwrap();
        let _ = holds.send(());
        let _ = while_waiting(|| gate.recv());
        drop(held);
        let _ = over.send("first");
    }) as Job]);
    held.recv_timeout(PATIENCE).unwrap();
    let (begun, begins) = channel();
    pool.push([Box::new(move |_: &Seat| {
        let _ = begun.send(());
        drop(lock.lock().unwrap());
        let _ = tell.send("second");
    }) as Job]);
    begins.recv_timeout(PATIENCE).unwrap();
    drop(open);
    let mut all = [0, 1].map(|_| told.recv_timeout(PATIENCE).unwrap());
    all.sort_unstable();
    assert_eq!(all, ["first", "second"]);
}

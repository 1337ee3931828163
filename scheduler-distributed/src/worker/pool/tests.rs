//! Pools whose jobs wait, do not stop, or get no thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::*;

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
    let pool = Pool::new(3, runs(run)).unwrap();
    for i in 0..20 {
        pool.push(10 * i..10 * (i + 1));
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
    let gate = Mutex::new(gate);
    let run = move |i: usize| {
        let _ = tell.send(i);
        let _ = gate.lock().map(|g| g.recv());
    };
    let pool = Pool::new(1, runs(run)).unwrap();
    pool.push(0..100);
    assert_eq!(begun.recv_timeout(PATIENCE), Ok(0));
    drop(pool);
    drop(open);
    // The thread ends after what it was at, and with it the other end.
    assert_eq!(
        begun.recv_timeout(PATIENCE),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
    );
}

type Job = Box<dyn FnOnce(&Permit) + Send>;

/// Jobs that are closures, on a pool that gets no more than so many threads.
fn few(slots: usize, most: usize) -> (Arc<Pool<Job>>, std::sync::mpsc::Receiver<String>) {
    let (tell, refused) = channel();
    let tell = Mutex::new(tell);
    let (system, begun) = (threads(), AtomicUsize::new(0));
    let uses = Uses {
        run: Box::new(|job: Job, permit: &Permit| job(permit)),
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
        Box::new(move |_: &Permit| tell.send(n).unwrap_or_default()) as Job
    });
    pool.push(more);
    assert!((0..20).all(|n| told.recv_timeout(PATIENCE) == Ok(n)));
}

#[test]
fn without_another_thread_those_that_run_take_up_what_waits() {
    let (pool, refused) = few(4, 1);
    let (tell, told) = channel();
    let all = (0..50).map(|n| {
        let tell = tell.clone();
        Box::new(move |_: &Permit| tell.send(n).unwrap_or_default()) as Job
    });
    pool.push(all);
    assert!((0..50).all(|n| told.recv_timeout(PATIENCE) == Ok(n)));
    assert!(refused.try_recv().is_err());
}

#[test]
fn a_job_that_does_not_stop_loses_its_permit_and_keeps_no_other() {
    let (pool, _refused) = few(1, 100);
    let (open, gate) = channel::<()>();
    let (tell, permits) = channel();
    pool.push([Box::new(move |permit: &Permit| {
        let _ = tell.send(permit.clone());
        let _ = gate.recv();
        // It waits for others late: nothing is lent, and nothing taken back.
        while_waiting(|| ());
    }) as Job]);
    let stuck = permits.recv_timeout(PATIENCE).unwrap();
    let (tell, told) = channel();
    let push = |n: usize| {
        let tell = tell.clone();
        pool.push([Box::new(move |_: &Permit| tell.send(n).unwrap_or_default()) as Job]);
    };
    push(1);
    assert!(told.recv_timeout(Duration::from_millis(20)).is_err());
    stuck.take_away();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1));
    // Once is enough.
    stuck.take_away();
    drop(open);
    let settled = || {
        let state = pool.shared.lock();
        (state.permits, state.slots)
    };
    for n in 2..50 {
        push(n);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(n));
    }
    let end = Instant::now() + PATIENCE;
    while settled() != (1, 1) {
        assert!(settled().0 <= 1 && Instant::now() < end, "{:?}", settled());
        std::thread::yield_now();
    }
}

#[test]
fn a_permit_that_is_lent_can_be_taken_away() {
    let (pool, _refused) = few(1, 100);
    let ((open, gate), (tell, permits)) = (channel::<()>(), channel());
    let (back, done) = channel();
    pool.push([Box::new(move |permit: &Permit| {
        let _ = tell.send(permit.clone());
        let _ = while_waiting(|| gate.recv());
        let _ = back.send(());
    }) as Job]);
    let waits = permits.recv_timeout(PATIENCE).unwrap();
    // Another holds the only permit: the first could not come back.
    let ((release, hold), (begun, begins)) = (channel::<()>(), channel());
    pool.push([Box::new(move |_: &Permit| {
        let _ = begun.send(());
        let _ = hold.recv();
    }) as Job]);
    begins.recv_timeout(PATIENCE).unwrap();
    drop(open);
    waits.take_away();
    done.recv_timeout(PATIENCE).unwrap();
    drop(release);
    let end = Instant::now() + PATIENCE;
    while pool.shared.lock().permits != 1 {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
}

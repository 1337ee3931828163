//! Tasks that wait for tasks: another thread takes the place of one that waits, so locks, thread-local values and the stack of a task are
//! its own, however few threads there are.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvern_core::futures::TaskHandle;
use kvern_core::{ErrorKind, Registry, Result, Session, as_completed, delayed};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};
use rayon::prelude::*;

/// Fails, rather than hangs, where something does not end.
fn within<T: Send + 'static>(what: &str, f: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(f()));
    match told.recv_timeout(Duration::from_secs(60)) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("{what}: it does not end"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: it panicked"),
    }
}

fn threads(workers: usize) -> Session {
    Session::open(&format!("threads://?workers={workers}")).unwrap()
}

fn nap(micros: u64) {
    std::thread::sleep(Duration::from_micros(micros));
}

/// Every other task holds a lock that they share while it waits for two tasks of its own.
fn computes_under_a_lock(session: &Session, tasks: u64) -> Result<u64> {
    let lock = Arc::new(Mutex::new(0u64));
    let careful = move |i: &u64| -> u64 {
        if i % 2 == 1 {
            nap(200);
            return *i;
        }
        let mut held = lock.lock().unwrap();
        let slow = delayed(|i: &u64| {
            nap(300);
            *i
        });
        let both = (&slow.call((*i,)), &slow.call((i + 1000,)));
        let both = Session::current().unwrap().compute(both).unwrap();
        *held += 1;
        both.0
    };
    let handles = session.map(careful, (0..tasks).map(|i| (i,)))?;
    Ok(session.gather(handles)?.into_iter().sum())
}

#[test]
fn a_task_computes_while_it_holds_a_lock() {
    for workers in [1, 2, 3, 8] {
        for round in 0..15 {
            let sum = within(&format!("{workers} workers, round {round}"), move || {
                computes_under_a_lock(&threads(workers), 24)
            });
            assert_eq!(sum.unwrap(), (0..24).sum::<u64>());
        }
    }
}

/// The tasks that want the lock are older than what the one that holds it waits for, and that reads results of another run, which
/// nobody waits for: all threads are stuck until somebody is sent to it.
#[test]
fn a_task_that_holds_a_lock_waits_for_a_run_that_waits_for_another() {
    for workers in [1, 2, 4] {
        let sums = within("a chain of runs", move || {
            let s = threads(workers);
            let lock = Arc::new(Mutex::new(()));
            let (give, taken) = channel::<TaskHandle<u64>>();
            let (begun, first) = channel::<()>();
            let (theirs, taken) = (lock.clone(), Mutex::new(taken));
            let holder = s.submit(
                move || {
                    let _held = theirs.lock().unwrap();
                    begun.send(()).unwrap();
                    let handle = taken.lock().unwrap().recv().unwrap();
                    handle.wait().unwrap()
                },
                (),
            )?;
            first.recv().unwrap();
            let wants = move |i: &u64| {
                let _held = lock.lock().unwrap();
                *i
            };
            let wanting = s.map(wants, (0..40u64).map(|i| (i,)))?;
            // Until as many of them are stuck as can be.
            nap(5_000);
            let one = s.submit(|| 1u64, ())?;
            let two = s.submit(|x: &u64| x + 1, (&one,))?;
            let three = s.submit(|x: &u64| x + 1, (&two,))?;
            drop((one, two));
            give.send(three).unwrap();
            Ok::<_, kvern_core::Error>((holder.wait()?, s.gather(wanting)?.iter().sum::<u64>()))
        });
        assert_eq!(sums.unwrap(), (3, (0..40).sum()), "{workers} workers");
    }
}

#[test]
fn thread_local_values_of_a_task_that_waits_are_its_own() {
    thread_local! {
        static MINE: RefCell<u64> = const { RefCell::new(0) };
    }
    fn work(depth: &u64) -> u64 {
        // Borrowed while it waits: a task on top of it would panic.
        MINE.with_borrow_mut(|mine| {
            *mine += 1;
            if *depth == 0 {
                nap(100);
                return 1;
            }
            let s = Session::current().unwrap();
            let below = s.map(work, [(depth - 1,), (depth - 1,)]).unwrap();
            s.gather(below).unwrap().iter().sum()
        })
    }
    for workers in [1, 2, 4] {
        let sum = within("tasks in tasks", move || {
            let s = threads(workers);
            s.gather(s.map(work, (0..8).map(|_| (4u64,)))?)
        });
        assert_eq!(sum.unwrap(), [16; 8]);
    }
}

fn down(n: &u64) -> u64 {
    if *n == 0 {
        return 0;
    }
    1 + delayed(down).call((n - 1,)).compute().unwrap()
}

#[test]
fn three_thousand_deep() {
    for url in ["threads://?workers=2", "sync://"] {
        let deep = within(url, move || {
            Session::open(url)
                .unwrap()
                .compute(&delayed(down).call((3000u64,)))
        });
        assert_eq!(deep.unwrap(), 3000, "{url}");
    }
}

#[test]
fn deeper_than_there_can_be_threads_is_an_error() {
    fn down(n: &u64) -> Result<u64> {
        if *n == 0 {
            return Ok(0);
        }
        let below = kvern_core::delayed::try_delayed(down).call((n - 1,));
        Ok(1 + below.compute()?)
    }
    for workers in [1, 2] {
        let (e, works) = within("too deep", move || {
            let options = ThreadOptions {
                workers: Some(workers),
                waiting: Some(50),
                ..ThreadOptions::default()
            };
            let registry = Arc::new(Registry::linked().unwrap());
            let backend = ThreadScheduler::new(&options, registry).unwrap();
            let builder = Session::builder().scheduler(Arc::new(backend));
            let s = builder.build().unwrap();
            let deep = kvern_core::delayed::try_delayed(down).call((100u64,));
            let e = s.compute(&deep).unwrap_err();
            (e, s.compute(&delayed(|| 5u8).call(())))
        });
        assert_eq!(e.kind(), ErrorKind::Io, "{e}");
        assert!(e.message().contains("more than 50 are not started"), "{e}");
        assert_eq!(works.unwrap(), 5);
    }
    let e = within("too deep for sync", || {
        let deep = kvern_core::delayed::try_delayed(down).call((70_000u64,));
        Session::open("sync://").unwrap().compute(&deep)
    });
    let e = e.unwrap_err();
    assert!(
        e.message().contains("there is no stack for the next"),
        "{e}"
    );
}

#[test]
fn many_tasks_that_wait_take_few_threads() {
    static AT_IT: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    fn outer(i: &u64) -> u64 {
        MOST.fetch_max(AT_IT.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let s = Session::current().unwrap();
        let part = |i: &u64, j: &u64| {
            nap(50 * (j % 3));
            i + j
        };
        let parts = s.map(part, (0..3u64).map(|j| (*i, j))).unwrap();
        let sum = as_completed(parts).map(|p| p.wait().unwrap()).sum();
        AT_IT.fetch_sub(1, Ordering::SeqCst);
        sum
    }
    let workers = 2;
    let sums = within("2,000 tasks that wait", move || {
        let s = threads(workers);
        // The tasks that wait are themselves waited for by a task.
        let all = s.submit(
            || {
                let s = Session::current().unwrap();
                s.gather(s.map(outer, (0..2000u64).map(|i| (i,))).unwrap())
                    .unwrap()
            },
            (),
        )?;
        all.wait()
    });
    assert!(sums.unwrap().into_iter().eq((0..2000).map(|i| 3 * i + 3)));
    let most = MOST.load(Ordering::SeqCst);
    assert!(most <= 12 * workers, "{most} tasks were begun at once");
}

/// Rayon work of a kernel, of which each piece waits for tasks of the same session, and of another.
#[test]
fn pieces_of_a_parallel_kernel_wait_for_tasks() {
    for workers in [1, 2, 3] {
        let sums = within("pieces that wait", move || {
            let s = threads(workers);
            let other = threads(1);
            let square = |x: &u64| {
                nap(100);
                x * x
            };
            let theirs = s.clone();
            let kernel = move |seed: &u64| {
                let pieces = (0..16u64).into_par_iter().map(|i| {
                    let session = if i % 4 == 0 { &other } else { &theirs };
                    session.submit(square, (seed + i,)).unwrap().wait().unwrap()
                });
                pieces.sum::<u64>()
            };
            s.gather(s.map(kernel, (0..6u64).map(|i| (i,)))?)
        });
        let want = |seed: u64| (0..16).map(|i| (seed + i) * (seed + i)).sum::<u64>();
        assert!(sums.unwrap().into_iter().eq((0..6).map(want)), "{workers}");
    }
}

/// While a task waits its place is used: two tasks that each wait for one that the other's thread could run.
#[test]
fn the_place_of_a_task_that_waits_is_used_by_others() {
    let both = within("a place that is lent", || {
        let s = threads(1);
        let (open, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        // It waits for something that ends only when the second task has run, on the one place that there is.
        let other = threads(1);
        let waits = move || {
            let gate = gate.clone();
            let passes = move || gate.lock().unwrap().recv().is_ok();
            other.submit(passes, ()).unwrap().wait().unwrap()
        };
        let first = s.submit(waits, ())?;
        let second = s.submit(move || open.send(()).is_ok(), ())?;
        Ok::<_, kvern_core::Error>((first.wait()?, second.wait()?))
    });
    assert_eq!(both.unwrap(), (true, true));
}

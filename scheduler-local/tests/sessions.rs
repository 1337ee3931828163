//! Which session computes what names none: the newest that is open, and in a task its own.
//!
//! What is current holds for the whole process, so this is one test: tests that run at once would open sessions under each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use kvern_core::{ErrorKind, Session, delayed, op};
use kvern_scheduler_local as _;

/// Which backend runs it: what it says of itself, and a number of its threads.
fn here() -> (String, usize) {
    let session = Session::current().unwrap().describe();
    (session.scheme, session.threads)
}

/// The same, asked by a task of what is current where it is computed.
fn computed() -> (String, usize) {
    delayed(here).call(()).compute().unwrap()
}

#[op(name = "test.sessions.here")]
fn named() -> u64 {
    Session::current().unwrap().describe().threads as u64
}

fn scheme(s: &str, threads: usize) -> (String, usize) {
    (s.to_owned(), threads)
}

#[test]
fn the_newest_open_session_counts_and_a_task_has_its_own() {
    // Nothing is open: the configured one, which stays.
    let first = Session::current().unwrap();
    assert_eq!(here().0, "threads");

    // The first program does what it looks like.
    let three = Session::open("threads://?workers=3").unwrap();
    assert_eq!(
        (here(), computed()),
        (scheme("threads", 3), scheme("threads", 3))
    );
    assert_eq!(named::delayed().compute().unwrap(), 3);
    std::thread::spawn(|| assert_eq!(computed(), scheme("threads", 3)))
        .join()
        .unwrap();

    // Of several the newest counts; one is named; a clone is the same one.
    let serial = Session::open("sync://").unwrap();
    let again = serial.clone();
    assert_eq!(computed(), scheme("sync", 1));
    assert_eq!(
        delayed(here).call(()).compute_in(&three).unwrap(),
        scheme("threads", 3),
        "a task has its own session, whichever is newer"
    );
    assert_eq!(named::delayed().compute_in(&three).unwrap(), 3);
    drop(serial);
    assert_eq!(computed(), scheme("sync", 1), "a clone is left");
    let four = Session::open("threads://?workers=4").unwrap();
    drop(three);
    assert_eq!(computed(), scheme("threads", 4), "an older one was dropped");
    drop(four);
    assert_eq!(computed(), scheme("sync", 1));

    // Closed is as good as dropped.
    again.close();
    assert_eq!(here().0, "threads");
    let e = delayed(here).call(()).compute_in(&again).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
    drop(again);

    // Not current when it is said, and what that one computes is still its own.
    let aside = Session::builder()
        .url("threads://?workers=5")
        .current(false)
        .build()
        .unwrap();
    assert_ne!(computed(), scheme("threads", 5));
    assert_eq!(
        delayed(here).call(()).compute_in(&aside).unwrap(),
        scheme("threads", 5)
    );

    // A thread that a task starts is handed the session; before and after it is as any other.
    let two = Session::open("threads://?workers=2").unwrap();
    let threads = delayed(|| {
        let mine = Session::current().unwrap();
        let (before, inside) = std::thread::scope(|s| {
            let alone = s.spawn(here);
            let handed = s.spawn(|| mine.enter(|| (here(), computed())));
            (alone.join().unwrap(), handed.join().unwrap())
        });
        assert_eq!(inside, (scheme("threads", 5), scheme("threads", 5)));
        before
    });
    assert_eq!(
        threads.call(()).compute_in(&aside).unwrap(),
        scheme("threads", 2)
    );
    aside.enter(|| {
        assert_eq!(here(), scheme("threads", 5));
        two.enter(|| assert_eq!(here(), scheme("threads", 2)));
        assert_eq!(computed(), scheme("threads", 5));
    });
    assert_eq!(here(), scheme("threads", 2));

    // A session that a task opens is the task's business: nobody else computes by it, and the task itself only if it says so.
    let nested = delayed(|| {
        let own = Session::open("sync://?seed=1").unwrap();
        let current = here();
        let named = delayed(here).call(()).compute_in(&own).unwrap();
        let elsewhere = std::thread::spawn(here).join().unwrap();
        (current, named, elsewhere)
    });
    let (current, asked, elsewhere) = nested.call(()).compute().unwrap();
    assert_eq!(current, scheme("threads", 2));
    assert_eq!(asked, scheme("sync", 1));
    assert_eq!(elsewhere, scheme("threads", 2));
    drop(two);

    // A backend that takes no tasks from tasks is an error there, and no reason to compute elsewhere.
    let e = delayed::try_delayed(|| Session::current().map(|_| 1u8))
        .call(())
        .reference()
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");

    many_threads_open_and_drop();
    drop(aside);
    assert_eq!(
        Session::current().unwrap().describe(),
        first.describe(),
        "the configured one has stayed"
    );
}

/// Whoever computes while others open and drop sessions has one to compute with.
fn many_threads_open_and_drop() {
    let _base = Session::open("sync://").unwrap();
    let (start, computed) = (Arc::new(Barrier::new(6)), Arc::new(AtomicU64::new(0)));
    let threads: Vec<_> = (0..6)
        .map(|t| {
            let (start, computed) = (start.clone(), computed.clone());
            std::thread::spawn(move || {
                start.wait();
                for i in 0..60u64 {
                    if t % 2 == 0 {
                        let own = Session::open("sync://").unwrap();
                        let x = delayed(|x: &u64| x + 1).call((i,));
                        assert_eq!(x.compute_in(&own).unwrap(), i + 1);
                        if i % 3 == 0 {
                            own.close();
                        }
                        continue;
                    }
                    // It may be closed by its owner before it has begun: then that is said.
                    match delayed(|x: &u64| x * 2).call((i,)).compute() {
                        Ok(twice) => assert_eq!(twice, i * 2),
                        Err(e) => assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}"),
                    }
                    computed.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(computed.load(Ordering::Relaxed), 180);
    assert_eq!(here(), scheme("sync", 1));
}

//! TPC-H queries 1, 3, 5 and 6 at scale factor 1 on two executors, against the published answers; and with one of them killed.

#[path = "../../../collection-frame/tests/common/mod.rs"]
mod common;
#[path = "../../../collection-frame/tests/common/queries.rs"]
mod queries;
mod support;

use std::time::{Duration, Instant};

use kvern_core::Collection;
use queries::{Tables, calls, check};
use support::{cluster, have_written, kill, lives};

process_entry!();

const PATIENCE: Duration = Duration::from_secs(240);

fn tables() -> Tables {
    Tables::open(env!("CARGO_TARGET_TMPDIR"))
}

#[test]
fn all_answers_are_the_published_ones() {
    let t = tables();
    let (session, _cluster) = cluster(2);
    for number in [1, 3, 5, 6] {
        for (how, frame) in [
            ("calls", calls(&t, number).unwrap()),
            ("sql", t.sql(number)),
        ] {
            let start = Instant::now();
            let rows = session.compute(&frame).unwrap();
            println!("q{number}, {how}: {:.2} s", start.elapsed().as_secs_f64());
            check(number, &format!("{how}, two executors"), &rows);
        }
    }
}

#[test]
fn an_executor_is_killed_in_the_middle() {
    let t = tables();
    // A query that was over before the executor was gone shows nothing.
    let caught = (0..5).any(|_| killed_in_the_middle(&t));
    assert!(
        caught,
        "five queries were over before an executor could be killed"
    );
}

/// Whether the query was still going when one of its two executors was killed.
fn killed_in_the_middle(t: &Tables) -> bool {
    let (session, cluster) = cluster(2);
    let frame = t.sql(5);
    let run = session.start(&frame.roots_in(&session).unwrap()).unwrap();
    let end = Instant::now() + PATIENCE;
    // Both have written rows that tasks of a later stage are to read.
    while have_written(&cluster) < 2 {
        if run.progress().is_finished() {
            return false;
        }
        assert!(Instant::now() < end, "no executor writes anything");
        std::thread::sleep(Duration::from_millis(1));
    }
    let victim = cluster.executor_processes()[1];
    kill(victim);
    if run.progress().is_finished() {
        return false;
    }
    let start = Instant::now();
    let over = run.run().wait_all(Some(PATIENCE));
    assert!(over.is_some(), "the query hangs after the kill");
    let rows = frame.finish(run.gather().unwrap()).unwrap();
    println!("{:.2} s after the kill", start.elapsed().as_secs_f64());
    assert!(!lives(victim));
    check(5, "with an executor killed", &rows);

    // What is left of the cluster goes on.
    check(6, "on one executor", &session.compute(&t.sql(6)).unwrap());
    true
}

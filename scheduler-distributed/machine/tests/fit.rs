//! Which workers a task may run on: builds, names, workers whose tasks fail; and what clients are told when there is none.

mod house;

use house::{CLIENT, House, LONG, W1, W2, W3, error, spec, t};
use kvern_core::ErrorKind;
use kvern_machine::scheduler::state::State::*;
use kvern_machine::scheduler::{Config, Effect, Event};
use kvern_machine::wire::{FromClient, FromWorker, ToClient};
use kvern_machine::{Datum, GraphSpec, Payload, WorkerId};

const SECOND: u64 = 1_000_000_000;

/// Tasks that read nothing and are all wanted; the operator of each by number, of which 1 is a closure of the build `mine`.
fn closures(ops: &[u32]) -> GraphSpec {
    let rows = vec![&[][..]; ops.len()];
    let wanted: Vec<u32> = (0..ops.len() as u32).collect();
    let mut all = spec(&rows, &wanted);
    all.op = ops.to_vec();
    all.bound = vec![false, true];
    all.build = "mine".into();
    all
}

fn failed(h: &House) -> Vec<(u32, ErrorKind, String)> {
    let failed = |m: &&ToClient| match m {
        ToClient::Failed { task, error } => Some((task.task, error.kind, error.message.clone())),
        _ => None,
    };
    h.to_client().iter().filter_map(failed).collect()
}

fn told(h: &House) -> Vec<String> {
    let told = |m: &&ToClient| match m {
        ToClient::NoWorkers { words, .. } => Some(words.clone()),
        _ => None,
    };
    h.to_client().iter().filter_map(told).collect()
}

#[test]
fn closures_run_on_workers_of_their_build_alone() {
    let mut h = House::new(&[]);
    h.join_as(1, 1, "other");
    h.join_as(2, 2, "mine");
    let g = h.submit(closures(&[1, 1, 1, 0, 1]));
    // The one that may run anywhere comes to the other worker, though closures come before it.
    assert_eq!(h.given(t(g, 3)).0, W1);
    for task in [0, 1] {
        assert_eq!(h.given(t(g, task)).0, W2);
    }
    for task in [2, 4] {
        assert_eq!(h.state(t(g, task)), Ready);
    }
    h.done(t(g, 3));
    assert_eq!(h.state(t(g, 2)), Ready, "the idle worker may not run it");
    for task in [0, 1, 2, 4] {
        h.done(t(g, task));
        assert_eq!(h.given(t(g, task)).0, W2);
    }
    assert_eq!(h.machine.progress(g).map(|p| p.done), Some(5));
}

#[test]
fn an_idle_worker_of_another_build_steals_no_closures() {
    let mut h = House::new(&[]);
    h.join_as(1, 1, "mine");
    h.warm(1);
    // As many as a worker of short tasks is given at once.
    let g = h.submit(closures(&[1; 10]));
    assert!((0..10).all(|n| h.given(t(g, n)).0 == W1));
    h.join_as(2, 1, "other");
    h.tick(LONG);
    assert!((0..10).all(|n| h.state(t(g, n)) != Retracting));
    h.join_as(3, 1, "mine");
    h.tick(LONG);
    assert!((0..10).any(|n| h.state(t(g, n)) == Retracting));
}

#[test]
fn code_that_a_worker_of_another_build_lacks_is_run_elsewhere() {
    let mut h = House::new(&[]);
    h.join_as(1, 1, "other");
    h.join_as(2, 1, "mine");
    // Operators with names, which only the client's own program has.
    let g = h.submit(closures(&[0, 0, 0, 0]));
    let lacks = (0..4)
        .map(|n| t(g, n))
        .find(|task| h.state(*task) == Assigned && h.given(*task).0 == W1);
    let lacks = lacks.expect("one comes to each");
    let (worker, attempt) = h.given(lacks);
    let mut why = error("no operator test.mine@1");
    why.kind = ErrorKind::NotRegistered;
    h.worker_says(
        worker,
        FromWorker::Failed {
            task: lacks,
            attempt,
            error: why.clone(),
        },
    );
    assert_eq!(h.state(lacks), Ready, "it waits for the other");
    assert!(failed(&h).is_empty());
    while let Some(next) = (0..4)
        .map(|n| t(g, n))
        .find(|task| h.state(*task) == Assigned)
    {
        assert_eq!(h.given(next).0, W2);
        if next == lacks {
            break;
        }
        h.done(next);
    }
    // Where its own build lacks it, too, it is an error.
    let (worker, attempt) = h.given(lacks);
    h.worker_says(
        worker,
        FromWorker::Failed {
            task: lacks,
            attempt,
            error: why,
        },
    );
    assert_eq!(failed(&h)[0].1, ErrorKind::NotRegistered);
}

#[test]
fn where_a_build_never_was_its_closures_fail_after_a_moment() {
    let mut h = House::new(&[]);
    h.join_as(1, 1, "other");
    let g = h.submit(closures(&[0, 1]));
    h.tick(SECOND);
    assert_eq!(h.state(t(g, 1)), Ready);
    h.tick(5 * SECOND);
    let (task, kind, words) = failed(&h).remove(0);
    assert_eq!((task, kind), (1, ErrorKind::NotPortable));
    assert!(
        words.contains("same build") && words.contains("none of the 1 workers"),
        "{words}"
    );
    assert_eq!(h.state(t(g, 0)), Assigned);
    // Where it was and comes again, they wait.
    h.join_as(2, 1, "mine");
    h.lose(W2);
    let g = h.submit(closures(&[1]));
    h.tick(6 * SECOND);
    assert!(
        told(&h)[0].contains("the same program file"),
        "{:?}",
        told(&h)
    );
    h.join_as(3, 1, "mine");
    assert_eq!(h.given(t(g, 0)).0, W3);
}

#[test]
fn a_task_for_named_workers_waits_for_one_of_them() {
    let mut h = House::new(&[1, 1]);
    let mut two = spec(&[&[], &[], &[]], &[0, 1, 2]);
    two.annotation = vec![1, 0, 1];
    two.only = vec![Vec::new(), vec!["host-3".into(), "host-4".into()]];
    let g = h.submit(two);
    assert_eq!(h.state(t(g, 1)), Assigned);
    assert_eq!(h.state(t(g, 0)), Ready);
    h.tick(5 * SECOND);
    let words = told(&h).remove(0);
    for part in [
        "2 tasks wait",
        "host-3 or host-4",
        "none of the 2 workers",
        "`workers`",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    h.join(3, 1);
    assert_eq!(h.given(t(g, 0)).0, W3);
    assert_eq!(h.state(t(g, 2)), Ready);
    h.done(t(g, 0));
    assert_eq!(h.given(t(g, 2)).0, W3);
}

#[test]
fn waiting_without_workers_is_told_and_ends() {
    let config = Config {
        no_workers: Some(60 * SECOND),
        ..Config::default()
    };
    let mut h = House::with(config, &[1]);
    h.lose(W1);
    let g = h.graph(&[&[], &[], &[0]], &[0, 1, 2]);
    let due = h.machine.next_deadline().expect("it is looked at again");
    assert_eq!(due.0, 5 * SECOND);
    h.tick(5 * SECOND);
    let words = told(&h);
    assert_eq!(words.len(), 1);
    assert!(
        words[0].contains("2 tasks wait, and the cluster has no workers"),
        "{words:?}"
    );
    assert!(words[0].contains("waited for 1m fails"), "{words:?}");
    h.tick(SECOND);
    assert!(told(&h).is_empty(), "it is said once");
    h.event(Event::Trouble("no program is left to start".into()));
    assert_eq!(h.machine.next_deadline().map(|t| t.0), Some(60 * SECOND));
    h.tick(54 * SECOND);
    let all = failed(&h);
    assert_eq!(
        all.iter().map(|f| f.0).collect::<Vec<_>>().len(),
        3,
        "{all:?}"
    );
    for (_, kind, words) in &all {
        assert_eq!(*kind, ErrorKind::Timeout);
        assert!(
            words.contains("no-workers-timeout") && words.contains("no program is left"),
            "{words}"
        );
    }
    assert_eq!(h.machine.progress(g).map(|p| p.failed), Some(3));
    // What comes later waits anew, and a worker ends that.
    let g = h.graph(&[&[]], &[0]);
    h.tick(5 * SECOND);
    assert_eq!(told(&h).len(), 1);
    h.join(2, 1);
    assert_eq!(h.given(t(g, 0)).0, W2);
    assert_eq!(h.machine.next_deadline(), None);
}

#[test]
fn data_without_a_worker_is_told_and_ends() {
    let config = Config {
        no_workers: Some(60 * SECOND),
        ..Config::default()
    };
    let mut h = House::with(config, &[]);
    let mut one = spec(&[&[], &[0]], &[1]);
    one.data.push((0, Datum::Backed(WorkerId(0))));
    let g = h.submit(one);
    h.tick(5 * SECOND);
    assert_eq!(told(&h).len(), 1);
    h.tick(55 * SECOND);
    assert_eq!(failed(&h)[0].1, ErrorKind::Timeout);
    assert_eq!(h.state(t(g, 1)), Failed);
}

#[test]
fn a_worker_that_fails_fast_gets_less_and_not_more() {
    let mut h = House::new(&[1, 1]);
    let n = 200u32;
    let rows = vec![&[][..]; n as usize];
    let wanted: Vec<u32> = (0..n).collect();
    let g = h.graph(&rows, &wanted);
    // What comes to the first worker fails within a millisecond; the second takes twenty for each.
    let mut failures = 0;
    for _ in 0..10_000 {
        h.now += SECOND / 1000;
        let now = h.now;
        let at = |w| {
            (0..n)
                .map(|i| t(g, i))
                .find(|task| h.state(*task) == Assigned && h.given(*task).0 == w)
        };
        let (bad, good) = (at(W1), at(W2));
        if let Some(task) = bad {
            failures += 1;
            h.fail(task);
        }
        if let Some(task) = good
            && now.is_multiple_of(20 * SECOND / 1000)
        {
            h.done_after(task, 20 * SECOND / 1000);
        }
        h.event(Event::Timer);
        if h.machine
            .progress(g)
            .is_some_and(|p| p.done + p.failed == n)
        {
            break;
        }
    }
    let done = h.machine.progress(g).map_or(0, |p| p.done);
    assert_eq!(done + failures, n);
    // Before: all but ten.
    assert!(failures < 24, "{failures} of {n} failed");
}

#[test]
fn where_all_fail_nobody_rests() {
    let mut h = House::new(&[1, 1]);
    let n = 60u32;
    let rows = vec![&[][..]; n as usize];
    let wanted: Vec<u32> = (0..n).collect();
    let g = h.graph(&rows, &wanted);
    for i in 0..n {
        h.fail(t(g, i));
    }
    assert_eq!(h.machine.progress(g).map(|p| p.failed), Some(n));
    assert_eq!(h.machine.next_deadline(), None);
}

#[test]
fn a_worker_that_rests_works_when_it_is_the_only_one() {
    let mut h = House::new(&[1, 1]);
    let n = 40u32;
    let rows = vec![&[][..]; n as usize];
    let wanted: Vec<u32> = (0..n).collect();
    let g = h.graph(&rows, &wanted);
    for _ in 0..8 {
        let bad = (0..n)
            .map(|i| t(g, i))
            .find(|task| h.state(*task) == Assigned && h.given(*task).0 == W1);
        h.fail(bad.expect("it is idle"));
    }
    let at_first = (0..n).any(|i| h.state(t(g, i)) == Assigned && h.given(t(g, i)).0 == W1);
    assert!(!at_first, "it rests");
    h.lose(W2);
    let at_first = (0..n).any(|i| h.state(t(g, i)) == Assigned && h.given(t(g, i)).0 == W1);
    assert!(at_first, "nobody else is there");
}

#[test]
fn more_literals_than_a_message_holds_are_refused() {
    let mut h = House::new(&[1]);
    let reads = vec![0u32; 600];
    let mut big = spec(&[&[], &reads], &[1]);
    big.data
        .push((0, Datum::Literal(Payload::from(vec![0; 1 << 20]))));
    h.submit(big);
    let refused = h.to_client().into_iter().find_map(|m| match m {
        ToClient::Refused { error, .. } => Some(error.message.clone()),
        _ => None,
    });
    let words = refused.expect("it is refused");
    assert!(
        words.contains("task 1") && words.contains("629145600 bytes"),
        "{words}"
    );
}

/// A list of names is answered as far as the graph has outputs, whatever its length.
#[test]
fn more_is_wanted_at_once_than_there_is() {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    let outputs = vec![7; 100_000];
    h.says(FromClient::Want {
        graph: g,
        outputs: outputs.clone(),
    });
    assert_eq!(h.to_client().len(), 2);
    let unknown = kvern_machine::GraphId::new(CLIENT, 99);
    h.says(FromClient::Want {
        graph: unknown,
        outputs,
    });
    assert_eq!(h.to_client().len(), 1);
    assert!(
        h.sent
            .iter()
            .all(|e| matches!(e, Effect::ToClient(CLIENT, _)))
    );
}

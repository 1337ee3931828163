//! Tasks that fail and wait before they are tried again.

mod house;

use house::{House, LONG, W1, W2, spec, t};
use kvern_core::ErrorKind;
use kvern_machine::TaskRef;
use kvern_machine::scheduler::state::State::{Assigned, Cancelled, Failed, Parked, Stored};
use kvern_machine::wire::{FromWorker, ToClient};

const PAUSE: u64 = 1_000_000;

/// One task with so many retries, and a pause before the second try.
fn scene(retries: u16) -> (House, TaskRef) {
    let mut h = House::new(&[1, 1]);
    let mut one = spec(&[&[], &[0]], &[0, 1]);
    one.retries = vec![retries, 0];
    one.annotation = vec![1, 0];
    one.backoff = vec![0, PAUSE];
    let g = h.submit(one);
    (h, t(g, 0))
}

fn fail(h: &mut House, task: TaskRef) {
    h.start(task);
    h.fail(task);
}

#[test]
fn each_pause_is_twice_as_long_and_not_a_moment_shorter() {
    let (mut h, task) = scene(3);
    for n in 0..3 {
        fail(&mut h, task);
        assert_eq!(h.state(task), Parked);
        assert!(
            h.to_client()
                .iter()
                .any(|m| matches!(m, ToClient::TaskFailed { retried: true, .. }))
        );
        let due = h.machine.next_deadline().map(|at| at.0);
        assert_eq!(due, Some(h.now + (PAUSE << n)));
        h.tick((PAUSE << n) - 1);
        assert_eq!(h.state(task), Parked);
        h.tick(1);
        assert_eq!(h.state(task), Assigned);
    }
    // The last one is final, and its reader hears of it.
    fail(&mut h, task);
    assert_eq!(h.state(task), Failed);
    assert_eq!(h.state(t(task.graph, 1)), Failed);
}

#[test]
fn the_try_that_works_counts() {
    let (mut h, task) = scene(1);
    fail(&mut h, task);
    h.tick(PAUSE);
    h.done(task);
    h.done(t(task.graph, 1));
    assert_eq!(h.state(t(task.graph, 1)), Stored);
    assert_eq!(h.machine.next_deadline(), None);
}

#[test]
fn a_pause_is_over_when_the_graph_is_cancelled_or_nobody_wants_the_task() {
    let (mut h, task) = scene(1);
    fail(&mut h, task);
    h.cancel(task.graph);
    assert_eq!(h.state(task), Cancelled);
    assert!(
        h.to_client()
            .iter()
            .any(|m| matches!(m, ToClient::GraphDone { .. }))
    );
    assert_eq!(h.machine.next_deadline(), None, "nothing is waited for");
    let (mut h, task) = scene(1);
    fail(&mut h, task);
    h.release(task.graph, 1);
    h.release(task.graph, 0);
    assert_eq!(h.machine.next_deadline(), None);
    assert_eq!(h.machine.graphs(), 0);
}

/// Other tasks go on meanwhile, on the same worker.
#[test]
fn nobody_else_waits() {
    let (mut h, task) = scene(1);
    fail(&mut h, task);
    let g = h.graph(&[&[], &[], &[]], &[0, 1, 2]);
    for n in 0..3 {
        h.done(t(g, n));
    }
    assert_eq!((h.state(task), h.state(t(g, 2))), (Parked, Stored));
}

/// What it reads is lost while it waits: that is made again, and it is tried then, after its pause.
#[test]
fn an_input_that_is_lost_meanwhile_is_made_again() {
    let mut h = House::new(&[1, 1]);
    let mut one = spec(&[&[], &[0]], &[1]);
    (one.retries, one.backoff) = (vec![0, 1], vec![PAUSE]);
    let g = h.submit(one);
    h.done(t(g, 0));
    let (worker, _) = h.given(t(g, 0));
    fail(&mut h, t(g, 1));
    h.lose(worker);
    h.tick(PAUSE);
    assert_eq!(h.given(t(g, 0)).0, if worker == W1 { W2 } else { W1 });
    h.done(t(g, 0));
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 1)), Stored);
}

/// A moment at which it was looked at again once is no reason to do so in the next pause.
#[test]
fn an_older_pause_does_not_end_a_newer_one() {
    let mut h = House::new(&[1]);
    let mut one = spec(&[&[]], &[0]);
    (one.retries, one.backoff) = (vec![5], vec![LONG]);
    let task = t(h.submit(one), 0);
    fail(&mut h, task);
    // A stale copy comes: nobody waits any more. It is lost, and the next try fails, too.
    let (worker, _) = h.given(task);
    h.have(worker, task);
    assert_eq!(h.state(task), Stored);
    h.tick(LONG / 2);
    h.worker_says(worker, FromWorker::Gone(task));
    fail(&mut h, task);
    assert_eq!(h.state(task), Parked);
    h.tick(LONG);
    assert_eq!(h.state(task), Parked, "the second pause is twice as long");
    h.tick(LONG);
    assert_eq!(h.state(task), Assigned);
}

/// As on the backends of one machine: wrong inputs stay wrong.
#[test]
fn what_will_not_pass_is_not_tried_again() {
    for kind in [
        ErrorKind::BadInput,
        ErrorKind::Cancelled,
        ErrorKind::OutOfMemory,
    ] {
        let (mut h, task) = scene(3);
        h.start(task);
        let (worker, attempt) = h.given(task);
        let mut error = house::error("no");
        error.kind = kind;
        h.worker_says(
            worker,
            FromWorker::Failed {
                task,
                attempt,
                error,
            },
        );
        assert_eq!(h.state(task), Failed, "{kind:?}");
    }
}

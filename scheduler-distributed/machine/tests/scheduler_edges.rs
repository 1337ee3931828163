//! One test for each change of state that a task can make on the scheduler, and one that there are no others.

mod house;

use house::{House, LONG, SHORT, W1, W2, spec, t};
use kvern_machine::TaskRef;
use kvern_machine::scheduler::Config;
use kvern_machine::scheduler::state::EDGES;
use kvern_machine::scheduler::state::State::{self, *};

macro_rules! edges {
    ($($name:ident: $from:ident => $to:ident, $scene:expr;)*) => {
        const TESTED: &[(State, State)] = &[$(($from, $to)),*];
        $(#[test]
        fn $name() {
            let scene: fn() -> (House, TaskRef) = $scene;
            let (house, task) = scene();
            assert!(
                house.saw(task, $from, $to),
                "{:#?}",
                house.machine.story(task).iter().map(ToString::to_string).collect::<Vec<_>>()
            );
        })*
    };
}

#[test]
fn every_edge_has_its_test() {
    for (from, to, why) in EDGES {
        assert!(
            TESTED.contains(&(*from, *to)),
            "{from:?} -> {to:?} ({why}) has no test"
        );
    }
    assert_eq!(EDGES.len(), TESTED.len());
}

/// Two tasks, the second reads the first; both are wanted. One worker with one slot.
fn pair() -> (House, TaskRef, TaskRef) {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[0]], &[0, 1]);
    (h, t(g, 0), t(g, 1))
}

/// A task that waits for a slot.
fn ready() -> (House, TaskRef) {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    assert_eq!(h.state(t(g, 1)), Ready);
    (h, t(g, 1))
}

/// A task at a worker that has not started it; another one is wanted as well.
fn assigned() -> (House, TaskRef) {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[]], &[0, 1]);
    assert_eq!(h.state(t(g, 0)), Assigned);
    (h, t(g, 0))
}

fn running() -> (House, TaskRef) {
    let (mut h, task) = assigned();
    h.start(task);
    assert_eq!(h.state(task), Running);
    (h, task)
}

/// A task whose input its worker did not find.
fn parked() -> (House, TaskRef) {
    let (mut h, first, second) = pair();
    h.done(first);
    h.missing(second, first, &[W1]);
    assert_eq!(h.state(second), Parked);
    (h, second)
}

/// A chain of three at a worker, the first and the last wanted: the second and the third are ahead. Each may be tried again so often.
fn ahead(retries: u16) -> (House, [TaskRef; 3]) {
    let mut h = House::new(&[1]);
    h.warm(1);
    let mut chain = spec(&[&[], &[0], &[1]], &[0, 2]);
    chain.retries = vec![retries; 3];
    let g = h.submit(chain);
    let tasks = [0, 1, 2].map(|i| t(g, i));
    assert_eq!(tasks.map(|t| h.state(t)), [Assigned, Ahead, Ahead]);
    (h, tasks)
}

/// A task in the queue of a busy worker that another one is to take over. It reads the first task.
fn retracting() -> (House, TaskRef, TaskRef) {
    let mut h = House::new(&[1]);
    let g = h.graph(&[&[], &[0], &[0], &[0]], &[0, 1, 2, 3]);
    // Short tasks: more are given than there are slots.
    h.done_after(t(g, 0), 1000);
    h.start(t(g, 1));
    assert_eq!(h.state(t(g, 3)), Assigned);
    h.join(2, 1);
    h.tick(LONG);
    assert_eq!(h.state(t(g, 3)), Retracting);
    (h, t(g, 3), t(g, 0))
}

edges! {
    waiting_ready: Waiting => Ready, || {
        let (mut h, first, second) = pair();
        h.done(first);
        (h, second)
    };
    waiting_ahead: Waiting => Ahead, || {
        let (h, tasks) = ahead(0);
        (h, tasks[1])
    };
    waiting_stored: Waiting => Stored, || {
        let mut h = House::new(&[1]);
        let task = h.scatter();
        h.have(W1, task);
        (h, task)
    };
    waiting_failed: Waiting => Failed, || {
        let (mut h, first, second) = pair();
        h.fail(first);
        (h, second)
    };
    waiting_released: Waiting => Released, || {
        let (mut h, _, second) = pair();
        h.release(second.graph, 1);
        (h, second)
    };
    waiting_cancelled: Waiting => Cancelled, || {
        let (mut h, _, second) = pair();
        h.cancel(second.graph);
        (h, second)
    };
    ready_assigned: Ready => Assigned, assigned;
    ready_waiting: Ready => Waiting, || {
        let mut h = House::new(&[1]);
        let g = h.graph(&[&[], &[], &[0]], &[0, 1, 2]);
        h.done(t(g, 0));
        assert_eq!(h.state(t(g, 2)), Ready);
        h.lose(W1);
        (h, t(g, 2))
    };
    ready_stored: Ready => Stored, || {
        let mut h = House::new(&[1, 1]);
        let g = h.graph(&[&[], &[]], &[0, 1]);
        h.start(t(g, 0));
        h.start(t(g, 1));
        let (lost, _) = h.given(t(g, 0));
        h.lose(lost);
        assert_eq!(h.state(t(g, 0)), Ready);
        let (other, _) = h.given(t(g, 1));
        h.have(other, t(g, 0));
        (h, t(g, 0))
    };
    ready_failed: Ready => Failed, || {
        let config = Config { no_workers: Some(10 * LONG), ..Config::default() };
        let mut h = House::with(config, &[]);
        let g = h.graph(&[&[]], &[0]);
        h.tick(5 * LONG);
        h.tick(5 * LONG);
        (h, t(g, 0))
    };
    ready_released: Ready => Released, || {
        let (mut h, task) = ready();
        h.release(task.graph, 1);
        (h, task)
    };
    ready_cancelled: Ready => Cancelled, || {
        let (mut h, task) = ready();
        h.cancel(task.graph);
        (h, task)
    };
    parked_waiting: Parked => Waiting, || {
        let (mut h, task) = parked();
        h.tick(LONG);
        assert_eq!(h.state(task), Assigned);
        (h, task)
    };
    parked_stored: Parked => Stored, || {
        let (mut h, task) = parked();
        h.have(W1, task);
        (h, task)
    };
    parked_released: Parked => Released, || {
        let (mut h, task) = parked();
        h.release(task.graph, 1);
        (h, task)
    };
    parked_cancelled: Parked => Cancelled, || {
        let (mut h, task) = parked();
        h.cancel(task.graph);
        (h, task)
    };
    ahead_assigned: Ahead => Assigned, || {
        let (mut h, tasks) = ahead(0);
        h.done_after(tasks[0], SHORT);
        assert_eq!((h.state(tasks[1]), h.state(tasks[2])), (Assigned, Ahead));
        (h, tasks[1])
    };
    ahead_running: Ahead => Running, || {
        // A worker that says so is believed.
        let (mut h, tasks) = ahead(0);
        h.start(tasks[1]);
        (h, tasks[1])
    };
    ahead_retracting: Ahead => Retracting, || {
        let (mut h, tasks) = ahead(1);
        h.fail(tasks[0]);
        (h, tasks[1])
    };
    ahead_waiting: Ahead => Waiting, || {
        let (mut h, tasks) = ahead(0);
        h.missing(tasks[1], tasks[0], &[]);
        (h, tasks[1])
    };
    ahead_parked: Ahead => Parked, || {
        let mut h = House::new(&[1]);
        h.warm(1);
        let g = h.graph(&[&[], &[], &[0, 1]], &[0, 2]);
        h.done_after(t(g, 0), SHORT);
        assert_eq!(h.state(t(g, 2)), Ahead);
        h.missing(t(g, 2), t(g, 0), &[W1]);
        (h, t(g, 2))
    };
    ahead_stored: Ahead => Stored, || {
        let (mut h, tasks) = ahead(0);
        h.join(2, 1);
        h.have(W2, tasks[1]);
        (h, tasks[1])
    };
    ahead_failed: Ahead => Failed, || {
        let (mut h, tasks) = ahead(0);
        h.fail(tasks[0]);
        (h, tasks[1])
    };
    ahead_released: Ahead => Released, || {
        let (mut h, tasks) = ahead(0);
        h.release(tasks[2].graph, 1);
        (h, tasks[2])
    };
    ahead_cancelled: Ahead => Cancelled, || {
        let (mut h, tasks) = ahead(0);
        h.cancel(tasks[0].graph);
        (h, tasks[1])
    };
    assigned_running: Assigned => Running, running;
    assigned_retracting: Assigned => Retracting, || {
        let (h, task, _) = retracting();
        (h, task)
    };
    assigned_waiting: Assigned => Waiting, || {
        let (mut h, task) = assigned();
        h.lose(W1);
        (h, task)
    };
    assigned_parked: Assigned => Parked, parked;
    assigned_stored: Assigned => Stored, || {
        let (mut h, task) = assigned();
        h.done(task);
        (h, task)
    };
    assigned_failed: Assigned => Failed, || {
        let (mut h, task) = assigned();
        h.fail(task);
        (h, task)
    };
    assigned_released: Assigned => Released, || {
        let (mut h, task) = assigned();
        h.release(task.graph, 0);
        (h, task)
    };
    assigned_cancelled: Assigned => Cancelled, || {
        let (mut h, task) = assigned();
        h.cancel(task.graph);
        (h, task)
    };
    retracting_running: Retracting => Running, || {
        let (mut h, task, _) = retracting();
        h.start(task);
        (h, task)
    };
    retracting_waiting: Retracting => Waiting, || {
        let (mut h, task, _) = retracting();
        h.retracted(task);
        assert_eq!(h.given(task).0, W2, "it goes where it was wanted");
        (h, task)
    };
    retracting_parked: Retracting => Parked, || {
        let (mut h, task, input) = retracting();
        h.missing(task, input, &[W1]);
        (h, task)
    };
    retracting_stored: Retracting => Stored, || {
        let (mut h, task, _) = retracting();
        h.done(task);
        (h, task)
    };
    retracting_failed: Retracting => Failed, || {
        let (mut h, task, _) = retracting();
        h.fail(task);
        (h, task)
    };
    retracting_released: Retracting => Released, || {
        let (mut h, task, _) = retracting();
        h.release(task.graph, 3);
        (h, task)
    };
    retracting_cancelled: Retracting => Cancelled, || {
        let (mut h, task, _) = retracting();
        h.cancel(task.graph);
        (h, task)
    };
    running_stored: Running => Stored, || {
        let (mut h, task) = running();
        h.done(task);
        (h, task)
    };
    running_waiting: Running => Waiting, || {
        let mut h = House::new(&[1]);
        let mut one = spec(&[&[]], &[0]);
        one.retries = vec![1];
        let g = h.submit(one);
        h.start(t(g, 0));
        h.fail(t(g, 0));
        assert_eq!(h.given(t(g, 0)).1.0, 2);
        h.done(t(g, 0));
        (h, t(g, 0))
    };
    running_parked: Running => Parked, || {
        let mut h = House::new(&[1]);
        let mut one = spec(&[&[]], &[0]);
        (one.retries, one.backoff) = (vec![1], vec![LONG]);
        let g = h.submit(one);
        h.start(t(g, 0));
        h.fail(t(g, 0));
        assert_eq!(h.state(t(g, 0)), Parked);
        (h, t(g, 0))
    };
    running_failed: Running => Failed, || {
        let (mut h, task) = running();
        h.fail(task);
        (h, task)
    };
    running_released: Running => Released, || {
        let (mut h, task) = running();
        h.release(task.graph, 0);
        (h, task)
    };
    running_cancelled: Running => Cancelled, || {
        let (mut h, task) = running();
        h.cancel(task.graph);
        (h, task)
    };
    stored_waiting: Stored => Waiting, || {
        let (mut h, first, _) = pair();
        h.done(first);
        h.lose(W1);
        (h, first)
    };
    stored_failed: Stored => Failed, || {
        let mut h = House::new(&[1]);
        let task = h.scatter();
        h.have(W1, task);
        h.lose(W1);
        (h, task)
    };
    stored_released: Stored => Released, || {
        let (mut h, task) = running();
        h.done(task);
        h.release(task.graph, 0);
        (h, task)
    };
    released_waiting: Released => Waiting, || {
        let mut h = House::new(&[1]);
        let g = h.graph(&[&[], &[0]], &[1]);
        h.done(t(g, 0));
        h.done(t(g, 1));
        assert_eq!(h.state(t(g, 0)), Released);
        h.lose(W1);
        (h, t(g, 0))
    };
}

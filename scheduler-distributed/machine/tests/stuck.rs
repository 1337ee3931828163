//! Tasks that wait for others, and what they wait for gets no slot: it is begun without one.

mod house;

use house::{CLIENT, House, LONG, W1, W2, spec, t};
use kvern_machine::scheduler::state::State::{Assigned, Ready, Running, Stored};
use kvern_machine::scheduler::{Config, Event};
use kvern_machine::wire::{FromClient, FromWorker, ToWorker};
use kvern_machine::{ClientId, GraphId, TaskRef, WorkerId};

const TASKS: ClientId = ClientId(7);

fn stuck() -> u64 {
    Config::default().stuck
}

/// Workers with these slots, on each of which a task waits while the next one of the same graph has its slot, and a graph of so many tasks for which they wait.
fn scene(slots: &[u32], awaited: u32) -> (House, GraphId, GraphId) {
    let mut h = House::new(slots);
    h.event(Event::ClientJoined(TASKS));
    h.event(Event::FromClient(TASKS, FromClient::ForTasks));
    let all: u32 = slots.iter().map(|s| s + 1).sum();
    let rows: Vec<&[u32]> = vec![&[]; all as usize];
    let outer = h.graph(&rows, &(0..all).collect::<Vec<_>>());
    for task in 0..all - slots.len() as u32 {
        h.start(t(outer, task));
    }
    for (n, _) in slots.iter().enumerate() {
        secede(&mut h, t(outer, n as u32));
    }
    for task in 0..all {
        h.start(t(outer, task));
    }
    let rows: Vec<&[u32]> = vec![&[]; awaited as usize];
    let outputs: Vec<u32> = (0..awaited).collect();
    let inner = h.submit_as(TASKS, spec(&rows, &outputs));
    assert!((0..awaited).all(|n| h.state(t(inner, n)) == Ready));
    (h, outer, inner)
}

fn secede(h: &mut House, task: TaskRef) {
    let (worker, attempt) = h.given(task);
    h.worker_says(worker, FromWorker::Seceded { task, attempt });
}

fn begun(h: &House, worker: WorkerId) -> Vec<TaskRef> {
    let begins = h.to_worker(worker).into_iter().filter_map(|m| match m {
        ToWorker::Begin { task, .. } => Some(*task),
        _ => None,
    });
    begins.collect()
}

#[test]
fn what_is_waited_for_begins_without_a_slot_and_one_after_the_other() {
    let (mut h, outer, inner) = scene(&[1], 3);
    h.tick(stuck());
    assert_eq!(begun(&h, W1), [t(inner, 0)]);
    // One at a time, however long it takes.
    h.start(t(inner, 0));
    h.tick(64 * stuck());
    h.tick(64 * stuck());
    assert_eq!(h.state(t(inner, 1)), Ready);
    // The next one at once, since nothing else may go on before the last.
    h.done(t(inner, 0));
    assert_eq!(begun(&h, W1), [t(inner, 1)]);
    h.done(t(inner, 1));
    assert_eq!(begun(&h, W1), [t(inner, 2)]);
    h.done(t(inner, 2));
    let task = t(outer, 0);
    let attempt = h.given(task).1;
    h.worker_says(W1, FromWorker::Rejoined { task, attempt });
    h.done(t(outer, 0));
    h.done(t(outer, 1));
    assert!((0..2).all(|n| h.state(t(outer, n)) == Stored));
    // Nobody waits, and nobody is looked after.
    h.tick(64 * stuck());
    assert_eq!(h.machine.next_deadline(), None);
}

/// It was given to a worker whose tasks were short, and waits there.
#[test]
fn what_waits_at_a_worker_begins_there() {
    let mut h = House::new(&[1]);
    h.event(Event::ClientJoined(TASKS));
    h.event(Event::FromClient(TASKS, FromClient::ForTasks));
    h.warm(1);
    let outer = h.graph(&[&[], &[]], &[0, 1]);
    h.start(t(outer, 0));
    let inner = h.submit_as(TASKS, spec(&[&[], &[]], &[0, 1]));
    assert_eq!(h.state(t(inner, 0)), Assigned);
    secede(&mut h, t(outer, 0));
    h.start(t(outer, 1));
    h.tick(stuck());
    assert_eq!(begun(&h, W1), [t(inner, 0)]);
    h.start(t(inner, 0));
    h.done(t(inner, 0));
    assert_eq!(begun(&h, W1), [t(inner, 1)]);
}

/// What comes to an end somewhere makes room there, and those who wait for a turn get it.
#[test]
fn where_things_go_on_its_turn_is_waited_for() {
    let (mut h, outer, inner) = scene(&[1, 1], 1);
    let (other, _) = h.given(t(outer, 3));
    h.tick(stuck() - 1);
    h.done(t(outer, 3));
    assert_eq!((h.given(t(inner, 0)).0, begun(&h, other).len()), (other, 0));
    h.start(t(inner, 0));
    h.tick(stuck());
    assert!(h.sent.is_empty(), "{:?}", h.sent);
}

/// Slots may be taken by tasks that are only long: the more has begun beside them, the later the next.
#[test]
fn long_tasks_are_not_joined_by_ever_more() {
    let (mut h, _, _) = scene(&[1], 1);
    let mut inner = Vec::new();
    for _ in 0..200 {
        inner.push(t(h.submit_as(TASKS, spec(&[&[]], &[0])), 0));
    }
    let mut count = 0;
    for _ in 0..640 {
        h.tick(stuck());
        for task in begun(&h, W1) {
            h.start(task);
            count += 1;
        }
    }
    // 1 + 2 + 4 + … + 64 + 64 + …
    assert!((10..=20).contains(&count), "{count} began");
}

/// Graphs of people wait for their turn, and nothing is done where no task waits.
#[test]
fn only_for_tasks_that_wait() {
    let mut h = House::new(&[1]);
    let first = h.graph(&[&[]], &[0]);
    h.start(t(first, 0));
    let second = h.graph(&[&[]], &[0]);
    h.tick(1000 * stuck());
    assert_eq!(h.state(t(second, 0)), Ready);
    let (mut h, _, inner) = scene(&[1], 1);
    let people = h.graph(&[&[]], &[0]);
    h.tick(stuck());
    assert_eq!(begun(&h, W1), [t(inner, 0)]);
    h.start(t(inner, 0));
    h.tick(64 * stuck());
    assert_eq!(
        (h.state(t(people, 0)), h.state(t(inner, 0))),
        (Ready, Running)
    );
    h.event(Event::ClientGone(CLIENT));
}

/// The worker on which it was begun is lost: it begins elsewhere.
#[test]
fn a_worker_that_is_lost_takes_nothing_along() {
    let (mut h, _, inner) = scene(&[1, 1], 2);
    h.tick(stuck());
    let (worker, _) = h.given(t(inner, 0));
    assert_eq!(begun(&h, worker), [t(inner, 0)]);
    let other = if worker == W1 { W2 } else { W1 };
    h.lose(worker);
    for _ in 0..3 {
        h.tick(LONG);
    }
    let (now, _) = h.given(t(inner, 0));
    assert_eq!(now, other);
    h.start(t(inner, 0));
    h.done(t(inner, 0));
    assert_eq!(h.state(t(inner, 0)), Stored);
}

/// Tasks of a high priority that wait for others would all begin before these.
#[test]
fn what_tasks_wait_for_does_not_wait_behind_them() {
    let mut h = House::new(&[1]);
    h.event(Event::ClientJoined(TASKS));
    h.event(Event::FromClient(TASKS, FromClient::ForTasks));
    let rows: Vec<&[u32]> = vec![&[]; 100];
    let mut outer = spec(&rows, &(0..100).collect::<Vec<_>>());
    outer.priority = 5;
    let outer = h.submit(outer);
    let mut begun = 0;
    while begun < 100 && h.state(t(outer, begun)) == Assigned {
        h.start(t(outer, begun));
        let inner = h.submit_as(TASKS, spec(&[&[]], &[0]));
        secede(&mut h, t(outer, begun));
        begun += 1;
        if h.state(t(inner, 0)) == Assigned {
            break;
        }
    }
    assert!(
        begun < 10,
        "{begun} tasks wait before one that they wait for runs"
    );
}

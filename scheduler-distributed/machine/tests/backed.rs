//! Data that a graph brought and its client still has: it comes again, whatever is lost.

mod house;

use house::{CLIENT, House, LONG, W1, W2, error, spec, t};
use kvern_core::ErrorKind;
use kvern_core::error::ErrorRecord;
use kvern_machine::scheduler::state::State::*;
use kvern_machine::scheduler::{Effect, Event};
use kvern_machine::wire::{FromClient, ToClient, ToWorker};
use kvern_machine::{ClientId, Datum, GraphId, GraphSpec, OutputRef, TaskRef, WorkerId};

/// A backed value for the first worker, and a task that reads it.
fn reader() -> GraphSpec {
    let mut two = spec(&[&[], &[0]], &[1]);
    two.data.push((0, Datum::Backed(W1)));
    two
}

/// Where the client was last asked to put a value.
fn put(h: &House, task: TaskRef) -> Option<WorkerId> {
    h.to_client().into_iter().find_map(|m| match m {
        ToClient::Put { task: of, worker } if *of == task => Some(*worker),
        _ => None,
    })
}

fn failed(h: &House, task: TaskRef) -> Option<ErrorRecord> {
    h.to_client().into_iter().find_map(|m| match m {
        ToClient::Failed { task: of, error } if *of == task => Some(error.clone()),
        _ => None,
    })
}

fn unreachable(h: &mut House, task: TaskRef, worker: WorkerId) {
    h.says(FromClient::NotPut {
        task,
        worker: Some(worker),
        error: error("nobody answers there"),
    });
}

#[test]
fn what_was_there_and_is_lost_comes_to_another_worker() {
    let mut h = House::new(&[1, 1]);
    let g = h.submit(reader());
    h.have(W1, t(g, 0));
    h.start(t(g, 1));
    h.lose(W1);
    assert_eq!(put(&h, t(g, 0)), Some(W2));
    let known = |m: &&ToClient| matches!(m, ToClient::Peer { worker: W2, .. });
    assert!(h.to_client().iter().any(known), "it is told where that is");
    assert_eq!((h.state(t(g, 0)), h.state(t(g, 1))), (Waiting, Waiting));
    h.have(W2, t(g, 0));
    assert_eq!(h.given(t(g, 1)).0, W2);
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 1)), Stored);
}

#[test]
fn what_was_on_its_way_to_a_worker_that_is_lost_comes_to_another() {
    let mut h = House::new(&[1, 1]);
    let g = h.submit(reader());
    h.lose(W1);
    assert_eq!(put(&h, t(g, 0)), Some(W2));
    // What is heard of the one that is gone counts no more.
    unreachable(&mut h, t(g, 0), W1);
    assert_eq!(put(&h, t(g, 0)), None);
    h.have(W2, t(g, 0));
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 1)), Stored);
}

#[test]
fn a_graph_that_names_a_worker_that_is_gone_is_told_of_another() {
    let mut h = House::new(&[1, 1]);
    h.lose(W1);
    let g = h.submit(reader());
    assert_eq!(put(&h, t(g, 0)), Some(W2));
}

#[test]
fn where_there_is_no_worker_the_next_one_gets_it() {
    let mut h = House::new(&[1]);
    let g = h.submit(reader());
    let other = h.submit(reader());
    h.have(W1, t(g, 0));
    h.lose(W1);
    assert_eq!(put(&h, t(g, 0)), None);
    h.says(FromClient::ReleaseAll { graph: other });
    h.join(2, 1);
    assert_eq!(put(&h, t(g, 0)), Some(W2));
    assert_eq!(put(&h, t(other, 0)), None, "nobody needs it");
    h.have(W2, t(g, 0));
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 1)), Stored);
}

#[test]
fn what_was_read_is_let_go_and_comes_again_with_what_is_made_of_it() {
    let mut h = House::new(&[1, 1]);
    let data = h.submit({
        let mut one = spec(&[&[]], &[0]);
        one.data.push((0, Datum::Backed(W1)));
        one
    });
    let mut two = spec(&[&[], &[0]], &[1]);
    let output = OutputRef {
        graph: data,
        output: 0,
    };
    two.data.push((0, Datum::External(output)));
    let g = h.submit(two);
    h.says(FromClient::ReleaseAll { graph: data });
    h.have(W1, t(data, 0));
    h.done(t(g, 1));
    assert_eq!(h.state(t(data, 0)), Released, "the client has it");
    assert!(h.to_worker(W1).contains(&&ToWorker::Free(t(data, 0))));
    h.lose(W1);
    assert_eq!(put(&h, t(data, 0)), Some(W2));
    h.have(W2, t(data, 0));
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 1)), Stored);
    h.says(FromClient::ReleaseAll { graph: g });
    let forgotten = |of: GraphId| {
        h.to_client()
            .iter()
            .any(|m| matches!(m, ToClient::Forgotten(g) if *g == of))
    };
    assert!(forgotten(data), "the client may let go of it");
    assert!(!forgotten(g), "it has nothing of that one");
}

#[test]
fn a_worker_that_cannot_be_reached_is_passed_over_but_not_for_ever() {
    let mut h = House::new(&[1, 1]);
    let g = h.submit(reader());
    unreachable(&mut h, t(g, 0), W1);
    assert_eq!(put(&h, t(g, 0)), Some(W2));
    unreachable(&mut h, t(g, 0), W2);
    assert_eq!(put(&h, t(g, 0)), Some(W1));
    unreachable(&mut h, t(g, 0), W1);
    assert_eq!(put(&h, t(g, 0)), None);
    let e = failed(&h, t(g, 1)).unwrap();
    assert_eq!(e.message, "nobody answers there");
}

#[test]
fn workers_that_are_lost_before_they_have_it_do_not_count() {
    let mut h = House::new(&[1]);
    let g = h.submit(reader());
    for worker in 1..10 {
        h.lose(WorkerId(worker));
        h.join(worker + 1, 1);
        assert_eq!(put(&h, t(g, 0)), Some(WorkerId(worker + 1)));
    }
    h.have(WorkerId(10), t(g, 0));
    h.done(t(g, 1));
    assert_eq!(h.state(t(g, 1)), Stored);
}

#[test]
fn a_worker_that_does_not_take_it_says_why() {
    let mut h = House::new(&[1, 1]);
    let g = h.submit(reader());
    h.says(FromClient::NotPut {
        task: t(g, 0),
        worker: None,
        error: error("too odd to be kept"),
    });
    assert_eq!(put(&h, t(g, 0)), None);
    assert_eq!(failed(&h, t(g, 1)).unwrap().message, "too odd to be kept");
}

#[test]
fn what_a_client_that_is_gone_had_brought_stays_with_the_worker_and_is_lost_with_it() {
    let mut h = House::new(&[1, 1]);
    let other = ClientId(2);
    h.event(Event::ClientJoined(other));
    let mut one = spec(&[&[]], &[0]);
    one.data.push((0, Datum::Backed(W1)));
    let data = h.submit_as(other, one);
    let mut two = spec(&[&[], &[0]], &[1]);
    let output = OutputRef {
        graph: data,
        output: 0,
    };
    two.data.push((0, Datum::External(output)));
    let g = h.submit(two);
    h.have(W1, t(data, 0));
    h.event(Event::ClientGone(other));
    h.missing(t(g, 1), t(data, 0), &[W1]);
    h.tick(LONG);
    h.done(t(g, 1));
    assert_eq!(h.state(t(data, 0)), Stored, "it cannot come again");
    h.lose(W2);
    h.lose(W1);
    let put = |e: &Effect| matches!(e, Effect::ToClient(c, ToClient::Put { .. }) if *c != CLIENT);
    assert!(!h.sent.iter().any(put));
    let e = failed(&h, t(g, 1)).unwrap();
    assert_eq!(e.kind, ErrorKind::Lost);
    assert!(e.message.contains("the client"), "{}", e.message);
}

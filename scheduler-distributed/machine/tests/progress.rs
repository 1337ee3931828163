//! How far graphs are is told to those who listen, in one message for all their graphs, ten times a second at most, and to nobody else.

mod house;

use house::{House, t};
use kvern_machine::wire::{FromClient, Interest, Progressed, ToClient};
use kvern_machine::{Datum, GraphId, Payload};

const TENTH: u64 = 100_000_000;

fn told(h: &House) -> Vec<Vec<Progressed>> {
    let all = h.to_client().into_iter().filter_map(|m| match m {
        ToClient::Progressed(graphs) => Some(graphs.clone()),
        _ => None,
    });
    all.collect()
}

fn five(h: &mut House) -> GraphId {
    h.graph(&[&[], &[], &[], &[], &[]], &[0, 1, 2, 3, 4])
}

#[test]
fn nobody_is_told_who_does_not_listen() {
    let mut h = House::new(&[8]);
    let g = five(&mut h);
    for task in 0..4 {
        h.done(t(g, task));
        h.tick(TENTH);
        assert!(told(&h).is_empty());
    }
}

#[test]
fn many_changes_are_one_message() {
    let mut h = House::new(&[16]);
    h.says(FromClient::Subscribe(Interest::Progress));
    let (a, b) = (five(&mut h), five(&mut h));
    h.done(t(a, 0));
    h.done(t(b, 0));
    h.done(t(b, 1));
    h.fail(t(b, 2));
    assert!(told(&h).is_empty(), "at once");
    h.tick(TENTH / 2);
    h.done(t(a, 1));
    assert!(told(&h).is_empty(), "too soon");
    h.tick(TENTH / 2);
    let all = told(&h);
    assert_eq!(all.len(), 1, "{all:?}");
    let counts = |p: &Progressed| (p.graph, p.done, p.failed, p.cancelled);
    let counts: Vec<_> = all[0].iter().map(counts).collect();
    assert_eq!(counts, [(a, 2, 0, 0), (b, 2, 1, 0)]);
    assert!(all[0].iter().all(|p| p.bytes > 0), "{all:?}");
    // Nothing has changed since.
    h.tick(10 * TENTH);
    assert!(told(&h).is_empty());
    // And nothing more is told once nobody listens.
    h.says(FromClient::Subscribe(Interest::Results));
    h.done(t(a, 2));
    h.tick(TENTH);
    assert!(told(&h).is_empty());
}

#[test]
fn the_end_is_told_once_and_values_at_hand_are_told_apart() {
    let mut h = House::new(&[8]);
    h.says(FromClient::Subscribe(Interest::Progress));
    let mut spec = house::spec(&[&[], &[0], &[0]], &[1, 2]);
    spec.data = vec![(0, Datum::Literal(Payload::from(vec![1, 2, 3])))];
    let g = h.submit(spec);
    let accepted = h.to_client().into_iter().find_map(|m| match m {
        ToClient::Accepted { tasks, data, .. } => Some((*tasks, *data)),
        _ => None,
    });
    assert_eq!(accepted, Some((3, 1)));
    h.done(t(g, 1));
    h.done(t(g, 2));
    h.tick(TENTH);
    assert!(told(&h).is_empty(), "its end was told already");
}

//! Inputs that a worker cannot fetch from another: tried elsewhere, later, and not for ever.

mod house;

use house::{House, LONG, t};
use kvern_core::ErrorKind;
use kvern_machine::scheduler::state::State::{Failed, Parked, Released, Stored};
use kvern_machine::wire::{ToClient, ToWorker};
use kvern_machine::{GraphId, TaskRef, WorkerId};

/// Two workers with an input each, of a task at one of them.
struct Apart {
    h: House,
    g: GraphId,
    inputs: [TaskRef; 2],
    places: [WorkerId; 2],
}

impl Apart {
    fn new() -> Self {
        let mut h = House::new(&[1, 1]);
        let g = h.graph(&[&[], &[], &[0, 1]], &[2]);
        let inputs = [t(g, 0), t(g, 1)];
        let places = inputs.map(|input| h.given(input).0);
        assert_ne!(places[0], places[1]);
        inputs.into_iter().for_each(|input| h.done(input));
        Self {
            h,
            g,
            inputs,
            places,
        }
    }

    fn task(&self) -> TaskRef {
        t(self.g, 2)
    }

    /// The task's worker cannot get the other's input: which, and whose.
    fn miss(&mut self) -> (TaskRef, WorkerId) {
        let (worker, _) = self.h.given(self.task());
        let far = usize::from(worker == self.places[0]);
        let (input, place) = (self.inputs[far], self.places[far]);
        self.h.missing(self.task(), input, &[place]);
        (input, place)
    }
}

/// Two workers that both live for the scheduler and cannot reach each other: what needs something of both is not tried for ever.
#[test]
fn inputs_that_nobody_can_bring_together() {
    let mut a = Apart::new();
    let mut tries = 1;
    let (mut input, mut place) = a.miss();
    while a.h.state(a.task()) != Failed {
        assert!(tries < 1000, "tried for ever");
        assert!(a.h.to_worker(place).contains(&&ToWorker::Probe(input)));
        a.h.have(place, input);
        a.h.tick(64 * LONG);
        tries += 1;
        (input, place) = a.miss();
    }
    let told = a.h.to_client().into_iter().find_map(|m| match m {
        ToClient::Failed { error, .. } => Some(error.clone()),
        _ => None,
    });
    let told = told.expect("the client is told");
    assert_eq!((told.kind, tries), (ErrorKind::Lost, 20));
    for words in ["20 tries", "w1 (10.0.0.1:1)", "w2 (10.0.0.2:1)"] {
        assert!(told.message.contains(words), "{}", told.message);
    }
    assert_eq!(a.h.state(a.inputs[0]), Released);
}

/// A holder that does not answer may be about to be lost: what it has is made again then.
#[test]
fn inputs_of_a_worker_that_hangs_are_waited_for() {
    let mut a = Apart::new();
    for _ in 0..100 {
        a.miss();
        assert_eq!(a.h.state(a.task()), Parked);
        a.h.tick(64 * LONG);
    }
    a.h.lose(a.places[1]);
    a.h.done(a.inputs[1]);
    a.h.done(a.task());
    assert_eq!(a.h.state(a.task()), Stored);
}

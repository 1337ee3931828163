//! One test for each change of state of an attempt and of an object on a worker, and one that there are no others.

use kvern_core::Key;
use kvern_machine::wire::{Assign, FromWorker, Input, Source, ToWorker};
use kvern_machine::worker::attempt::ATTEMPT_EDGES;
use kvern_machine::worker::attempt::AttemptState::{self, *};
use kvern_machine::worker::object::OBJECT_EDGES;
use kvern_machine::worker::object::ObjectState::{self, *};
use kvern_machine::worker::{Config, Effect, Event, Outcome};
use kvern_machine::{Attempt, ClientId, FetchId, GraphId, Outbox, TaskRef, Tick, Worker, WorkerId};

/// A worker's machine with one slot, checked after every event.
struct Shop {
    machine: Worker,
    sent: Vec<Effect>,
    fetch: Option<FetchId>,
}

fn t(task: u32) -> TaskRef {
    TaskRef::new(GraphId::new(ClientId(1), 1), task)
}

const ME: WorkerId = WorkerId(1);
const PEER: WorkerId = WorkerId(2);
const OTHER: WorkerId = WorkerId(3);

impl Shop {
    fn new() -> Self {
        Self {
            machine: Worker::new(WorkerId(1), Config::new(1)),
            sent: Vec::new(),
            fetch: None,
        }
    }

    fn event(&mut self, event: Event) {
        let mut out = Outbox::new();
        let words = format!("{event:?}");
        self.machine.handle(Tick(0), event, &mut out);
        if let Err(e) = self.machine.check() {
            panic!("{e} after {words}");
        }
        self.sent = out.drain().collect();
        for effect in &self.sent {
            if let Effect::Fetch { fetch, .. } = effect {
                self.fetch = Some(*fetch);
            }
        }
    }

    fn hear(&mut self, message: ToWorker) {
        self.event(Event::FromScheduler(message));
    }

    fn assign(&mut self, task: u32, inputs: &[(u32, &[WorkerId])]) {
        self.assign_try(task, 1, inputs);
    }

    fn assign_try(&mut self, task: u32, attempt: u32, inputs: &[(u32, &[WorkerId])]) {
        let inputs = inputs.iter().map(|(object, workers)| Input {
            object: t(*object),
            bytes: 10,
            source: Source::Workers(workers.to_vec()),
            last: false,
        });
        self.hear(ToWorker::Assign(Assign {
            task: t(task),
            attempt: Attempt(attempt),
            priority: task.into(),
            key: Key::builder("test").finish(),
            op: 0,
            block: 0,
            piece: None,
            annotation: 0,
            bytes: 8,
            inputs: inputs.collect(),
        }));
    }

    fn ends(&mut self, task: u32) {
        self.ends_try(task, 1);
    }

    fn ends_try(&mut self, task: u32, attempt: u32) {
        self.event(Event::Executed {
            task: t(task),
            attempt: Attempt(attempt),
            outcome: Outcome::Stored {
                bytes: 10,
                inline: None,
            },
            nanos: 1,
        });
    }

    fn abort(&mut self, task: u32) {
        let attempt = Attempt(1);
        self.hear(ToWorker::Abort {
            task: t(task),
            attempt,
        });
    }

    fn secede(&mut self, task: u32) {
        let attempt = Attempt(1);
        self.event(Event::Seceded {
            task: t(task),
            attempt,
        });
    }

    fn rejoin(&mut self, task: u32) {
        let attempt = Attempt(1);
        self.event(Event::Rejoined {
            task: t(task),
            attempt,
        });
    }

    fn comes(&mut self, objects: &[u32]) {
        let Some(fetch) = self.fetch else {
            panic!("nothing was asked for");
        };
        self.event(Event::Fetched {
            fetch,
            got: objects.iter().map(|o| (t(*o), 10)).collect(),
            gone: Vec::new(),
        });
    }

    fn put(&mut self, object: u32) {
        self.event(Event::Put {
            object: t(object),
            bytes: 10,
        });
    }

    fn saw(&self, task: u32, from: &str, to: &str) -> bool {
        self.machine
            .story(t(task))
            .iter()
            .any(|l| l.from == from && l.to == to)
    }

    fn said(&self, what: impl Fn(&FromWorker) -> bool) -> bool {
        self.sent
            .iter()
            .any(|e| matches!(e, Effect::ToScheduler(m) if what(m)))
    }
}

macro_rules! edges {
    ($table:ident, $tested:ident, $state:ty; $($name:ident: $from:ident => $to:ident of $task:literal, $scene:expr;)*) => {
        const $tested: &[($state, $state)] = &[$(($from, $to)),*];
        $(#[test]
        fn $name() {
            let mut shop = Shop::new();
            let scene: fn(&mut Shop) = $scene;
            scene(&mut shop);
            let story = shop.machine.story(t($task));
            assert!(shop.saw($task, $from.name(), $to.name()), "{story:#?}");
        })*
    };
}

edges! { ATTEMPT_EDGES, ATTEMPTS_TESTED, AttemptState;
    fetching_runnable: Fetching => Runnable of 1, |s| {
        s.assign(1, &[(0, &[PEER])]);
        s.comes(&[0]);
        assert_eq!(s.machine.attempt(t(1), Attempt(1)), Some(Running));
    };
    fetching_over: Fetching => Over of 1, |s| {
        s.assign(1, &[(0, &[PEER])]);
        s.comes(&[]);
        let tried = vec![PEER];
        assert!(s.said(|m| matches!(m, FromWorker::InputMissing { tried: t, .. } if *t == tried)));
        assert!(s.machine.is_empty());
    };
    runnable_running: Runnable => Running of 1, |s| s.assign(1, &[]);
    runnable_over: Runnable => Over of 2, |s| {
        s.assign(1, &[]);
        s.assign(2, &[]);
        let (task, attempt) = (t(2), Attempt(1));
        s.hear(ToWorker::Retract { task, attempt });
        assert!(s.said(|m| matches!(m, FromWorker::Retracted { .. })));
    };
    running_seceded: Running => Seceded of 1, |s| {
        s.assign(1, &[]);
        s.assign(2, &[]);
        s.secede(1);
        assert_eq!(s.machine.attempt(t(2), Attempt(1)), Some(Running), "the slot is free");
    };
    running_aborting: Running => Aborting of 1, |s| {
        s.assign(1, &[]);
        s.abort(1);
        assert!(s.sent.iter().any(|e| matches!(e, Effect::Stop { .. })));
    };
    running_over: Running => Over of 1, |s| {
        s.assign(1, &[]);
        s.ends(1);
        assert!(s.said(|m| matches!(m, FromWorker::Done { .. })));
        assert_eq!(s.machine.object(t(1)), Here);
    };
    seceded_running: Seceded => Running of 1, |s| {
        s.assign(1, &[]);
        s.secede(1);
        s.assign(2, &[]);
        s.rejoin(1);
        s.assign(3, &[]);
        s.ends(2);
        assert_eq!(s.machine.attempt(t(3), Attempt(1)), Some(Runnable), "the slot is taken");
    };
    seceded_aborting: Seceded => AbortingSeceded of 1, |s| {
        s.assign(1, &[]);
        s.secede(1);
        s.abort(1);
    };
    seceded_over: Seceded => Over of 1, |s| {
        s.assign(1, &[]);
        s.secede(1);
        s.ends(1);
    };
    aborting_seceded: Aborting => AbortingSeceded of 1, |s| {
        s.assign(1, &[]);
        s.abort(1);
        s.secede(1);
    };
    aborting_over: Aborting => Over of 1, |s| {
        s.assign(1, &[]);
        s.abort(1);
        s.ends(1);
        assert!(s.said(|m| matches!(m, FromWorker::Aborted { .. })));
        assert!(s.sent.iter().any(|e| matches!(e, Effect::Drop(o) if *o == t(1))), "its value goes");
    };
    aborting_seceded_aborting: AbortingSeceded => Aborting of 1, |s| {
        s.assign(1, &[]);
        s.secede(1);
        s.abort(1);
        s.rejoin(1);
    };
    aborting_seceded_over: AbortingSeceded => Over of 1, |s| {
        s.assign(1, &[]);
        s.secede(1);
        s.abort(1);
        s.ends(1);
    };
}

edges! { OBJECT_EDGES, OBJECTS_TESTED, ObjectState;
    absent_expected: Absent => Expected of 1, |s| {
        s.assign(1, &[]);
        s.assign(2, &[(1, &[ME])]);
        assert_eq!(s.machine.attempt(t(2), Attempt(1)), Some(Fetching));
    };
    expected_here: Expected => Here of 1, |s| {
        s.assign(1, &[]);
        s.assign(2, &[(1, &[ME])]);
        s.ends(1);
        assert_eq!(s.machine.attempt(t(2), Attempt(1)), Some(Running), "at once");
    };
    expected_wanted: Expected => Wanted of 1, |s| {
        s.assign(1, &[]);
        s.assign(2, &[(1, &[ME])]);
        s.assign(3, &[(1, &[PEER])]);
        s.comes(&[1]);
        s.abort(1);
        s.ends(1);
        assert_eq!(s.machine.attempt(t(2), Attempt(1)), Some(Running));
    };
    expected_absent: Expected => Absent of 1, |s| {
        s.assign(1, &[]);
        s.assign(2, &[(1, &[ME])]);
        s.abort(2);
        assert!(s.said(|m| matches!(m, FromWorker::Aborted { .. })));
    };
    absent_wanted: Absent => Wanted of 0, |s| s.assign(1, &[(0, &[PEER])]);
    absent_here: Absent => Here of 0, |s| s.put(0);
    wanted_in_flight: Wanted => InFlight of 0, |s| s.assign(1, &[(0, &[PEER])]);
    wanted_absent: Wanted => Absent of 0, |s| {
        // The peer is being asked for something else.
        s.assign(2, &[(5, &[PEER])]);
        s.assign(1, &[(0, &[PEER])]);
        assert_eq!(s.machine.object(t(0)), Wanted);
        s.abort(1);
    };
    wanted_here: Wanted => Here of 0, |s| {
        s.assign(2, &[(5, &[PEER])]);
        s.assign(1, &[(0, &[PEER])]);
        s.put(0);
        assert_eq!(s.machine.attempt(t(1), Attempt(1)), Some(Running));
    };
    in_flight_here: InFlight => Here of 0, |s| {
        s.assign(1, &[(0, &[PEER])]);
        s.comes(&[0]);
        assert!(s.said(|m| matches!(m, FromWorker::Have { .. })));
    };
    in_flight_wanted: InFlight => Wanted of 0, |s| {
        s.assign(1, &[(0, &[PEER, OTHER])]);
        s.comes(&[]);
        assert_eq!(s.machine.object(t(0)), InFlight, "the other one is asked");
    };
    in_flight_unwanted: InFlight => Unwanted of 0, |s| {
        s.assign(1, &[(0, &[PEER])]);
        s.abort(1);
    };
    unwanted_in_flight: Unwanted => InFlight of 0, |s| {
        s.assign(1, &[(0, &[PEER])]);
        s.abort(1);
        s.assign(2, &[(0, &[PEER])]);
    };
    unwanted_here: Unwanted => Here of 0, |s| {
        s.assign(1, &[(0, &[PEER])]);
        s.abort(1);
        s.put(0);
    };
    unwanted_absent: Unwanted => Absent of 0, |s| {
        s.assign(1, &[(0, &[PEER])]);
        s.abort(1);
        s.comes(&[0]);
        assert!(s.sent.iter().any(|e| matches!(e, Effect::Drop(o) if *o == t(0))));
        assert!(s.machine.is_empty());
    };
    here_doomed: Here => Doomed of 0, |s| {
        s.put(0);
        s.assign(1, &[(0, &[WorkerId(1)])]);
        s.hear(ToWorker::Free(t(0)));
        assert!(s.sent.is_empty(), "it is being read");
    };
    here_absent: Here => Absent of 0, |s| {
        s.put(0);
        s.hear(ToWorker::Free(t(0)));
        assert!(s.machine.is_empty() && s.machine.live_bytes() == 0);
    };
    doomed_here: Doomed => Here of 0, |s| {
        s.put(0);
        s.assign(1, &[(0, &[WorkerId(1)])]);
        s.hear(ToWorker::Free(t(0)));
        s.assign(2, &[(0, &[PEER])]);
        assert!(s.said(|m| matches!(m, FromWorker::Have { .. })), "the scheduler is told");
    };
    doomed_absent: Doomed => Absent of 0, |s| {
        s.put(0);
        s.assign(1, &[(0, &[WorkerId(1)])]);
        s.hear(ToWorker::Free(t(0)));
        s.ends(1);
        assert!(s.sent.iter().any(|e| matches!(e, Effect::Drop(o) if *o == t(0))));
    };
}

#[test]
fn every_edge_has_its_test() {
    for (from, to, why) in ATTEMPT_EDGES {
        assert!(
            ATTEMPTS_TESTED.contains(&(*from, *to)),
            "{from:?} -> {to:?} ({why})"
        );
    }
    for (from, to, why) in OBJECT_EDGES {
        assert!(
            OBJECTS_TESTED.contains(&(*from, *to)),
            "{from:?} -> {to:?} ({why})"
        );
    }
    assert_eq!(ATTEMPT_EDGES.len(), ATTEMPTS_TESTED.len());
    assert_eq!(OBJECT_EDGES.len(), OBJECTS_TESTED.len());
}

#[test]
fn the_last_reader_takes_its_input() {
    let mut s = Shop::new();
    s.put(0);
    let mut assign = Assign {
        task: t(1),
        attempt: Attempt(1),
        priority: 1,
        key: Key::builder("test").finish(),
        op: 0,
        block: 0,
        piece: None,
        annotation: 0,
        bytes: 8,
        inputs: vec![Input {
            object: t(0),
            bytes: 10,
            source: Source::Workers(vec![WorkerId(1)]),
            last: true,
        }],
    };
    s.hear(ToWorker::Assign(assign.clone()));
    let told = s
        .sent
        .iter()
        .any(|e| matches!(e, Effect::Execute(a) if a.inputs[0].last));
    assert!(told && s.machine.object(t(0)) == Absent && s.machine.live_bytes() == 0);
    // Two that read it, whatever the scheduler thought when it gave them away: it stays.
    s.put(5);
    s.secede(1);
    s.assign(2, &[(5, &[WorkerId(1)])]);
    assign.task = t(3);
    assign.inputs[0].object = t(5);
    s.hear(ToWorker::Assign(assign));
    s.secede(2);
    let told = s
        .sent
        .iter()
        .any(|e| matches!(e, Effect::Execute(a) if !a.inputs[0].last));
    assert!(told && s.machine.object(t(5)) == Here, "{:?}", s.sent);
}

#[test]
fn an_attempt_that_came_too_late_is_not_mixed_up_with_the_next() {
    let mut s = Shop::new();
    s.assign_try(1, 1, &[]);
    s.abort(1);
    s.assign_try(1, 2, &[]);
    assert_eq!(
        s.machine.attempt(t(1), Attempt(2)),
        Some(Runnable),
        "the first still has the slot"
    );
    s.ends_try(1, 1);
    assert_eq!(s.machine.attempt(t(1), Attempt(2)), Some(Running));
    s.ends_try(1, 2);
    assert!(s.said(|m| matches!(
        m,
        FromWorker::Done {
            attempt: Attempt(2),
            ..
        }
    )));
}

#[test]
fn what_others_wait_for_needs_no_slot() {
    let begin = |s: &mut Shop, task: u32| {
        let attempt = Attempt(1);
        let task = t(task);
        s.hear(ToWorker::Begin { task, attempt });
    };
    let state = |s: &Shop, task: u32| s.machine.attempt(t(task), Attempt(1));
    let mut s = Shop::new();
    s.assign(1, &[]);
    s.assign(2, &[]);
    s.assign(3, &[(0, &[PEER])]);
    assert_eq!(state(&s, 2), Some(Runnable), "the only slot is taken");
    begin(&mut s, 2);
    assert_eq!(state(&s, 2), Some(Running));
    // It begins once it has all that it reads; one that runs or is not known changes nothing.
    begin(&mut s, 3);
    begin(&mut s, 1);
    begin(&mut s, 9);
    assert_eq!(state(&s, 3), Some(Fetching));
    s.comes(&[0]);
    assert_eq!(state(&s, 3), Some(Running));
    // Nothing else begins until there are no more than slots again.
    s.assign(4, &[]);
    s.ends(1);
    s.ends(2);
    assert_eq!(state(&s, 4), Some(Runnable));
    s.ends(3);
    assert_eq!(state(&s, 4), Some(Running));
    // One that had waited for others takes no free slot either.
    s.secede(4);
    s.assign(5, &[]);
    s.rejoin(4);
    assert_eq!([state(&s, 4), state(&s, 5)], [Some(Running); 2]);
}

/// A client puts again what the scheduler had freed: it is told so wherever the word of the freeing is.
#[test]
fn what_is_put_again_is_there_again() {
    let put = |s: &mut Shop| {
        s.event(Event::Put {
            object: t(5),
            bytes: 10,
        });
    };
    let has = |m: &FromWorker| matches!(m, FromWorker::Have { object, .. } if *object == t(5));
    let mut s = Shop::new();
    put(&mut s);
    s.assign(1, &[(5, &[ME])]);
    s.hear(ToWorker::Free(t(5)));
    assert_eq!(s.machine.object(t(5)), Doomed);
    put(&mut s);
    assert!(s.said(has), "{:?}", s.sent);
    s.ends(1);
    assert_eq!(s.machine.object(t(5)), Here, "it outlives its reader");
    // The other order: it is put before it is heard that it was freed.
    put(&mut s);
    assert!(s.said(has), "{:?}", s.sent);
    s.hear(ToWorker::Free(t(5)));
    assert_eq!(s.machine.object(t(5)), Absent);
    s.hear(ToWorker::Probe(t(5)));
    assert!(s.said(|m| matches!(m, FromWorker::Gone(_))), "{:?}", s.sent);
}

//! A worker that has tasks which wait for what it is to make itself.

use kvern_core::error::ErrorRecord;
use kvern_core::{ErrorKind, Key};
use kvern_machine::wire::{Assign, FromWorker, Input, Source, ToWorker};
use kvern_machine::worker::object::ObjectState;
use kvern_machine::worker::{Config, Effect, Event, Outcome};
use kvern_machine::{Attempt, ClientId, FetchId, GraphId, Outbox, TaskRef, Tick, Worker, WorkerId};

const ME: WorkerId = WorkerId(1);
const PEER: WorkerId = WorkerId(2);
const ONE: Attempt = Attempt(1);

fn t(task: u32) -> TaskRef {
    TaskRef::new(GraphId::new(ClientId(1), 1), task)
}

/// One slot; checked after every event, which gives what is to be done.
struct Shop(Worker);

impl Shop {
    fn new() -> Self {
        Self(Worker::new(ME, Config::new(1)))
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut out = Outbox::new();
        let words = format!("{event:?}");
        self.0.handle(Tick(0), event, &mut out);
        if let Err(e) = self.0.check() {
            panic!("{e} after {words}");
        }
        out.drain().collect()
    }

    fn hear(&mut self, message: ToWorker) -> Vec<Effect> {
        self.event(Event::FromScheduler(message))
    }

    fn assign(&mut self, task: u32, inputs: &[(u32, WorkerId)]) -> Vec<Effect> {
        let inputs = inputs.iter().map(|(object, worker)| Input {
            object: t(*object),
            bytes: 10,
            source: Source::Workers(vec![*worker]),
            last: true,
        });
        self.hear(ToWorker::Assign(Assign {
            task: t(task),
            attempt: ONE,
            priority: task.into(),
            key: Key::builder("test").finish(),
            op: 0,
            block: 0,
            piece: None,
            annotation: 0,
            bytes: 8,
            inputs: inputs.collect(),
        }))
    }

    /// A chain from 0 to 3, the first running.
    fn chain() -> Self {
        let mut shop = Self::new();
        shop.assign(0, &[]);
        for i in 1..4 {
            assert!(shop.assign(i, &[(i - 1, ME)]).is_empty(), "it waits");
        }
        shop
    }

    fn ends(&mut self, task: u32, fails: bool) -> Vec<Effect> {
        let error = ErrorRecord {
            kind: ErrorKind::Task,
            message: "no".into(),
            task: None,
            causes: Vec::new(),
        };
        let stored = Outcome::Stored {
            bytes: 10,
            inline: None,
        };
        self.event(Event::Executed {
            task: t(task),
            attempt: ONE,
            outcome: if fails {
                Outcome::Failed(error)
            } else {
                stored
            },
            nanos: 1,
        })
    }
}

/// What the scheduler is told, in short.
fn said(effects: &[Effect]) -> Vec<(&'static str, u32)> {
    let all = effects.iter().filter_map(|e| match e {
        Effect::ToScheduler(m) => Some(match m {
            FromWorker::Started { task, .. } => ("started", task.task),
            FromWorker::Done { task, .. } => ("done", task.task),
            FromWorker::Failed { task, .. } => ("failed", task.task),
            FromWorker::Aborted { task, .. } => ("aborted", task.task),
            FromWorker::Retracted { task, .. } => ("retracted", task.task),
            FromWorker::InputMissing { task, .. } => ("missing", task.task),
            _ => ("?", 0),
        }),
        _ => None,
    });
    all.collect()
}

#[test]
fn the_next_link_starts_in_the_same_breath() {
    let mut s = Shop::chain();
    for i in 0..3 {
        let effects = s.ends(i, false);
        assert_eq!(said(&effects), [("done", i), ("started", i + 1)]);
        let executed = effects.iter().find_map(|e| match e {
            Effect::Execute(a) => Some(a),
            _ => None,
        });
        let executed = executed.map(|a| (a.task, a.inputs[0].last));
        assert_eq!(executed, Some((t(i + 1), true)), "it takes its input");
        assert_eq!(s.0.object(t(i)), ObjectState::Absent);
    }
    s.ends(3, false);
    s.hear(ToWorker::Free(t(3)));
    assert!(s.0.is_empty());
}

#[test]
fn a_link_fails_and_what_waits_is_given_back() {
    let mut s = Shop::chain();
    s.ends(0, false);
    let effects = s.ends(1, true);
    let all = [("failed", 1), ("missing", 2), ("missing", 3)];
    assert_eq!(said(&effects), all, "the cause first");
    assert!(s.0.is_empty());
}

#[test]
fn a_link_is_given_back_or_stopped_and_what_waits_with_it() {
    for retract in [true, false] {
        let mut s = Shop::chain();
        let (task, attempt) = (t(1), ONE);
        let (effects, word) = if retract {
            (s.hear(ToWorker::Retract { task, attempt }), "retracted")
        } else {
            (s.hear(ToWorker::Abort { task, attempt }), "aborted")
        };
        let all = [(word, 1), ("missing", 2), ("missing", 3)];
        assert_eq!(said(&effects), all);
        assert_eq!(said(&s.ends(0, false)), [("done", 0)]);
    }
}

#[test]
fn what_runs_is_told_to_stop_and_nobody_waits_for_it() {
    let mut s = Shop::chain();
    let (task, attempt) = (t(0), ONE);
    let effects = s.hear(ToWorker::Abort { task, attempt });
    let all = [("missing", 1), ("missing", 2), ("missing", 3)];
    assert_eq!(said(&effects), all);
    assert_eq!(said(&s.assign(4, &[(0, ME)])), [("missing", 4)]);
    assert_eq!(said(&s.ends(0, false)), [("aborted", 0)]);
    assert!(s.0.is_empty());
}

#[test]
fn nobody_makes_it_here() {
    let mut s = Shop::new();
    assert_eq!(said(&s.assign(1, &[(0, ME)])), [("missing", 1)]);
    assert!(s.0.is_empty());
}

#[test]
fn one_is_fetched_beside_one_that_is_made() {
    for made_first in [true, false] {
        let mut s = Shop::new();
        s.assign(0, &[]);
        let effects = s.assign(2, &[(0, ME), (1, PEER)]);
        assert!(
            matches!(effects.as_slice(), [Effect::Fetch { peer: PEER, .. }]),
            "while the other is being made: {effects:?}"
        );
        let fetched = Event::Fetched {
            fetch: FetchId(1),
            got: vec![(t(1), 10)],
            gone: Vec::new(),
        };
        let last = if made_first {
            assert_eq!(said(&s.ends(0, false)), [("done", 0)]);
            s.event(fetched)
        } else {
            s.event(fetched);
            s.ends(0, false)
        };
        assert!(said(&last).contains(&("started", 2)));
    }
}

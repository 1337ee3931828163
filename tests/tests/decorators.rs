//! What the decorators add: counts, a log that can be replayed, decisions by seed.

mod plain_backend;

use std::sync::Arc;

use kvern_conformance::decorators::{Flaky, Outcome, Recorded, Traced};
use kvern_conformance::{graphs, ops};
use kvern_core::optimize::Passes;
use kvern_core::{
    ErrorKind, Graph, Handle, OpRef, Plan, Root, RunHandle, Scheduler, TaskList, Value,
};
use plain_backend::Plain;

fn submit(on: &dyn Scheduler, roots: &[Root]) -> RunHandle {
    let plan = Plan::new(Graph::new(roots), ops::registry(), Passes::none()).unwrap();
    RunHandle::new(on.submit(plan).unwrap())
}

fn wide(op: OpRef, n: usize) -> Root {
    let mut list = TaskList::new();
    let op = list.op(op);
    let all: Vec<_> = (0..n).map(|_| list.task(op, [])).collect();
    Root::all(&list.finish(all))
}

fn finish(run: &RunHandle) {
    run.handles().iter().map(Handle::wait).for_each(drop);
}

#[test]
fn traced_counts_and_times_every_call() {
    let traced = Traced::new(Arc::new(Plain::default()));
    let run = submit(&*traced, &[wide(ops::nap(3_000, 1), 2)]);
    let handle = run.handle(1);
    handle.wait().unwrap();
    handle.wait().unwrap();
    run.cancel();
    drop((run, handle));
    let calls = traced.calls();
    let count = |name| calls.get(name).map_or(0, |c| c.count);
    assert_eq!((count("submit"), count("wait"), count("cancel")), (1, 2, 1));
    // The submit's wants are taken over by the run's handle; one more handle was made, and all were dropped.
    assert_eq!((count("want"), count("release")), (1, 3));
    let submit = calls["submit"];
    assert!(
        submit.total.as_millis() >= 6 && submit.longest == submit.total,
        "{submit:?}"
    );
}

/// A plain backend whose results are changed on the way, to be found by a replay.
fn record() -> Arc<Recorded> {
    let recorded = Recorded::new(Arc::new(Plain::default()));
    for seed in 0..5 {
        finish(&submit(&*recorded, &graphs::random(seed + 40, 80)));
    }
    finish(&submit(
        &*recorded,
        &[wide(ops::fail(ErrorKind::Io, "no"), 2)],
    ));
    finish(&submit(
        &*recorded,
        &[wide(OpRef::local("here", |_, _| Ok(Value::UNIT)), 2)],
    ));
    recorded
}

#[test]
fn a_recording_replays_on_another_backend() {
    let recording = record().recording();
    assert_eq!(recording.len(), 7);
    assert!(
        recording.replayable() < 7,
        "a closure cannot leave the process"
    );
    assert!(recording.replayable() >= 1);
    let other: Arc<dyn Scheduler> = Flaky::new(Arc::new(Plain::default()), 3);
    let differences = recording.replay(&other, &ops::registry()).unwrap();
    assert_eq!(differences, []);
}

#[test]
fn a_replay_finds_what_differs() {
    // `flaky` fails the first time and works the second: the replay's answer is another than the recorded one.
    let probe = kvern_conformance::Probe::new();
    let recorded = Recorded::new(Arc::new(Plain::default()));
    let run = submit(&*recorded, &[wide(ops::flaky(&probe.path(), 1), 1)]);
    finish(&run);
    drop(run);
    let recording = recorded.recording();
    assert_eq!((recording.len(), recording.replayable()), (1, 1));
    assert_eq!(recording.calls(0, "release"), 2);
    let other: Arc<dyn Scheduler> = Arc::new(Plain::default());
    let differences = recording.replay(&other, &ops::registry()).unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].recorded, Outcome::Failed(ErrorKind::Task));
    assert!(matches!(differences[0].replayed, Outcome::Value(_)));
}

#[test]
fn a_recording_keeps_no_result_alive() {
    let recorded = Recorded::new(Arc::new(Plain::default()));
    let run = submit(&*recorded, &[wide(ops::make_bytes(1000, 1), 3)]);
    finish(&run);
    assert_eq!(recorded.memory().held, 3);
    drop(run);
    assert_eq!(recorded.memory().held, 0);
}

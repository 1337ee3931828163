//! Growth: graphs that read results of other runs, finished or not, values handed to the backend, and tasks that submit tasks.

use std::sync::Arc;

use kvern_core::layer::{Data, Edge};
use kvern_core::{ErrorKind, Handle, Layer, OpRef, Root, Scheduler, TaskList, Value};

use crate::check::{expect_error, number, reference, same, submit, wide};
use crate::fixture::Fixture;
use crate::ops;
use crate::probe::Gate;

/// `tasks` tasks, each reading all those results in order.
fn reading(handles: Vec<Handle>, op: OpRef, tasks: usize) -> Arc<Layer> {
    let inputs = handles.len() as u32;
    let data = Layer::new(Data::handles(handles), Vec::new());
    let mut list = TaskList::new();
    let op = list.op(op);
    let edges = |output| Edge::Input { slot: 0, output };
    let all: Vec<_> = (0..tasks)
        .map(|_| list.task_with(op, (0..inputs).map(edges)))
        .collect();
    Layer::new(list.into_kind(all), vec![data])
}

/// A graph reads finished results of another run, which is gone by then; also twice the same, and hands them through as results.
pub fn results_of_a_finished_run(fx: &Fixture) {
    let scheduler = fx.open();
    let first = wide(&ops::mix_block(1), 10);
    let run = submit(&scheduler, &[Root::all(&first)]);
    let want = fx.values("first run", &run);
    let mut handles = run.handles();
    handles.push(run.handle(0));
    drop(run);
    let layer = reading(handles, ops::mix_block(2), 3);
    let data = layer.inputs()[0].clone();
    let run = submit(&scheduler, &[Root::all(&layer), Root::all(&data)]);
    let expected = reference(&[Root::all(&layer)]).unwrap_or_default();
    for (i, w) in expected.iter().chain(&want).enumerate() {
        assert!(
            same(&fx.value("second run", &run.handle(i)), w),
            "result {i}"
        );
    }
    drop((run, layer, data, expected));
    fx.freed("both runs", &scheduler);
}

/// A graph reads results that are not there yet: it runs when they are.
pub fn results_of_an_unfinished_run(fx: &Fixture) {
    let scheduler = fx.open();
    let gate = Gate::closed();
    let first = submit(
        &scheduler,
        &[Root::all(&wide(&ops::gate(&gate.path(), ""), 2))],
    );
    let second = submit(
        &scheduler,
        &[Root::all(&reading(first.handles(), ops::mix(2), 4))],
    );
    drop(first);
    assert!(
        second.handle(0).try_get().is_none(),
        "a result before what it reads"
    );
    gate.open();
    let got = fx.values("second run", &second);
    assert!(got.iter().all(|v| same(v, &got[0])));
    drop((got, second));
    fx.freed("both runs", &scheduler);
}

/// A hundred graphs, each reading the one before, submitted one after another without waiting.
pub fn a_hundred_runs_in_a_row(fx: &Fixture) {
    let scheduler = fx.open();
    let mut run = submit(&scheduler, &[Root::all(&wide(&ops::nap(20_000, 1), 3))]);
    let mut want = reference(&[Root::all(&wide(&ops::nap(0, 1), 3))]).unwrap_or_default();
    for i in 0..100 {
        run = submit(
            &scheduler,
            &[Root::all(&reading(run.handles(), ops::mix_block(i), 3))],
        );
        let data = Layer::new(Data::values(want), Vec::new());
        let mut list = TaskList::new();
        let op = list.op(ops::mix_block(i));
        let edges = |output| Edge::Input { slot: 0, output };
        let all: Vec<_> = (0..3)
            .map(|_| list.task_with(op, (0..3).map(edges)))
            .collect();
        want = reference(&[Root::all(&Layer::new(list.into_kind(all), vec![data]))])
            .unwrap_or_default();
    }
    let got = fx.values("the last run", &run);
    assert!(
        got.len() == 3 && got.iter().zip(&want).all(|(g, w)| same(g, w)),
        "{got:?}, not {want:?}"
    );
    drop((run, got));
    fx.freed("a hundred runs", &scheduler);
}

/// A failure reaches graphs that read it in later runs, with the task to blame.
pub fn errors_flow_on(fx: &Fixture) {
    let scheduler = fx.open();
    let bad = submit(
        &scheduler,
        &[Root::all(&wide(&ops::fail(ErrorKind::Io, "no"), 1))],
    );
    let blamed = bad.handle(0).key();
    let next = submit(
        &scheduler,
        &[Root::all(&reading(bad.handles(), ops::mix(1), 2))],
    );
    let last = submit(
        &scheduler,
        &[Root::all(&reading(next.handles(), ops::mix(1), 1))],
    );
    let e = expect_error(
        "two runs on",
        fx.result("two runs on", &last.handle(0)),
        ErrorKind::Io,
    );
    assert_eq!(e.task().map(|t| t.key), Some(blamed), "{e:?}");
    assert_eq!(e.message(), "no");
    // Handed through as a result, read by no task: the run has failed all the same.
    let data = Layer::new(Data::handles(bad.handles()), Vec::new());
    let through = submit(&scheduler, &[Root::all(&data)]);
    let e = expect_error(
        "the whole run",
        fx.finish("handed through", &through),
        ErrorKind::Io,
    );
    assert_eq!(e.task().map(|t| t.key), Some(blamed), "{e:?}");
    drop((bad, next, last, through));
    fx.still_works(&scheduler);
}

/// A cancel reaches graphs that wait for results of the cancelled run.
pub fn cancels_flow_on(fx: &Fixture) {
    let scheduler = fx.open();
    let gate = Gate::closed();
    let first = submit(
        &scheduler,
        &[Root::all(&wide(&ops::gate(&gate.path(), ""), 1))],
    );
    let next = submit(
        &scheduler,
        &[Root::all(&reading(first.handles(), ops::mix(1), 1))],
    );
    first.cancel();
    gate.open();
    expect_error(
        "the next run",
        fx.result("the next run", &next.handle(0)),
        ErrorKind::Cancelled,
    );
    drop((first, next));
    fx.still_works(&scheduler);
}

/// Values handed to the backend come back the same, are counted, can be read by graphs, and are freed with their handles.
pub fn scattered_values(fx: &Fixture) {
    let scheduler = fx.open();
    let values: Vec<Value> = (1..=5u8)
        .map(|i| Value::new(vec![i; 1000 * i as usize]))
        .collect();
    let bytes: u64 = values.iter().map(Value::nbytes).sum();
    let handles = match scheduler.scatter(values.clone()) {
        Ok(h) => h,
        Err(e) => panic!("scatter: {e:?}"),
    };
    assert_eq!(handles.len(), 5);
    for (h, v) in handles.iter().zip(&values) {
        assert!(same(&fx.value("scattered", h), v));
    }
    let m = scheduler.memory();
    assert_eq!((m.held, m.live + m.spilled), (5, bytes), "{m:?}");
    let layer = reading(handles.clone(), ops::sum_bytes(), 2);
    let run = submit(&scheduler, &[Root::all(&layer)]);
    let want = reference(&[Root::all(&layer)]).unwrap_or_default();
    drop((handles, layer));
    let got = fx.values("reading scattered values", &run);
    assert!(got.iter().zip(&want).all(|(g, w)| same(g, w)));
    drop(run);
    fx.freed("scattered values", &scheduler);
    assert!(
        matches!(scheduler.scatter(Vec::new()), Ok(h) if h.is_empty()),
        "scattering nothing"
    );
}

/// Results of one backend are read by graphs of another.
pub fn results_of_another_backend(fx: &Fixture) {
    let (one, other): (Arc<dyn Scheduler>, _) = (fx.open(), fx.open());
    let layer = wide(&ops::nap(2_000, 4), 3);
    let run = submit(&one, &[Root::all(&layer)]);
    let there = submit(
        &other,
        &[Root::all(&reading(run.handles(), ops::mix(5), 1))],
    );
    drop(run);
    let got = fx.value("across", &there.handle(0));
    let local = Layer::new(
        Data::values(reference(&[Root::all(&layer)]).unwrap_or_default()),
        Vec::new(),
    );
    let mut list = TaskList::new();
    let op = list.op(ops::mix(5));
    let task = list.task_with(op, (0..3).map(|output| Edge::Input { slot: 0, output }));
    let want = reference(&[Root::all(&Layer::new(list.into_kind([task]), vec![local]))]);
    assert!(matches!(want, Ok(w) if same(&w[0], &got)), "{got:?}");
    drop((there, got));
    fx.freed("the first backend", &one);
    fx.freed("the second backend", &other);
}

/// A result of one backend that a graph of another waits for, and that never comes: the reader is told why.
pub fn errors_of_another_backend(fx: &Fixture) {
    let (one, other): (Arc<dyn Scheduler>, _) = (fx.open(), fx.open());
    let gate = Gate::closed();
    let mut list = TaskList::new();
    let wait = list.op(ops::gate(&gate.path(), ""));
    let fail = list.op(ops::fail(ErrorKind::Io, "no such luck"));
    let first = list.task(wait, []);
    let bad = list.task(fail, [first]);
    let run = submit(&one, &[Root::all(&list.finish([bad]))]);
    let there = submit(
        &other,
        &[Root::all(&reading(run.handles(), ops::mix(5), 1))],
    );
    gate.open();
    let e = expect_error(
        "across",
        fx.result("across", &there.handle(0)),
        ErrorKind::Io,
    );
    assert!(e.message().contains("no such luck"), "{e:?}");
    drop((run, there));
    fx.still_works(&one);
    fx.still_works(&other);
}

/// Tasks submit tasks that submit tasks, and wait for them.
pub fn tasks_submit_tasks(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(&scheduler, &[Root::all(&wide(&ops::spawn(4, 3), 2))]);
    for h in run.handles() {
        assert_eq!(number(&fx.value("spawned", &h)), 1 + 3 + 9 + 27 + 81);
    }
    drop(run);
    fx.still_works(&scheduler);
}

/// A hundred tasks deep, each waiting for the next, however few threads there are.
pub fn a_hundred_deep(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(&scheduler, &[Root::all(&wide(&ops::spawn(100, 1), 1))]);
    assert_eq!(number(&fx.value("spawned", &run.handle(0))), 101);
    drop(run);
    fx.still_works(&scheduler);
}

/// A thousand tasks deep: what waits for tasks takes no stack from them.
pub fn a_thousand_deep(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(&scheduler, &[Root::all(&wide(&ops::spawn(1000, 1), 1))]);
    assert_eq!(number(&fx.value("spawned", &run.handle(0))), 1001);
    drop(run);
    fx.still_works(&scheduler);
}

/// Tasks that wait for others while they hold a lock, beside tasks that want it: what one waits for is run, whoever else is stuck.
pub fn waiting_under_a_lock(fx: &Fixture) {
    let scheduler = fx.open();
    for round in 0..4 {
        let careful = Root::all(&wide(&ops::careful(500), 12));
        let plain = Root::all(&wide(&ops::nap(300, round), 12));
        let run = submit(&scheduler, &[careful, plain]);
        for i in 0..12 {
            assert_eq!(number(&fx.value("under a lock", &run.handle(i))), 2);
        }
        fx.values("beside them", &run);
    }
    fx.still_works(&scheduler);
}

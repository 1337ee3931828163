//! Errors and panics of operators: what they say, whom they reach, and that the backend lives on.

use std::sync::Arc;
use std::time::Duration;

use kvern_core::error::TaskInfo;
use kvern_core::{Annotations, Error, ErrorKind, Layer, OpRef, Root, TaskList};

use crate::check::{assert_same, chain, expect_error, reference, submit, wide};
use crate::fixture::Fixture;
use crate::ops;
use crate::probe::{Gate, Probe};

/// Two inputs of different types, a task that goes wrong over them, and a reader of a reader of it.
fn over_inputs(bad: OpRef) -> Arc<Layer> {
    let mut list = TaskList::new();
    let (bytes, number) = (list.op(ops::make_bytes(64, 1)), list.op(ops::block()));
    let (bad, mix) = (list.op(bad), list.op(ops::mix(1)));
    let inputs = [list.task(bytes, []), list.task(number, [])];
    let failed = list.task(bad, inputs);
    let reader = list.task(mix, [failed, inputs[1]]);
    let end = list.task(mix, [reader]);
    list.finish([failed, end, inputs[1]])
}

fn task(e: &Error) -> &TaskInfo {
    match e.task() {
        Some(t) => t,
        None => panic!("the error names no task: {e:?}"),
    }
}

fn causes(e: &Error) -> Vec<String> {
    let mut out = Vec::new();
    let mut cause = std::error::Error::source(e);
    while let Some(c) = cause {
        out.push(c.to_string());
        cause = c.source();
    }
    out
}

/// An operator's error comes with its kind, its words and its causes, and names key, `operator@version` and what the inputs were.
pub fn an_error_names_its_task(fx: &Fixture) {
    let scheduler = fx.open();
    let roots = [Root::all(&over_inputs(ops::fail(
        ErrorKind::Io,
        "no such thing",
    )))];
    let want = expect_error("the reference", reference(&roots), ErrorKind::Io);
    let run = submit(&scheduler, &roots);
    let got = expect_error(
        "a failing task",
        fx.result("error", &run.handle(0)),
        ErrorKind::Io,
    );
    assert_eq!(task(&got), task(&want), "the task that is blamed");
    assert_eq!(task(&got).operator, "conformance.fail@1");
    assert_eq!(task(&got).inputs.len(), 2);
    assert_eq!(task(&got).key, run.handle(0).key());
    assert_eq!(got.message(), "no such thing");
    assert!(
        causes(&got).iter().any(|c| c.contains("the root of it")),
        "{got:?}"
    );
    drop((got, run));
    fx.still_works(&scheduler);
}

/// Every kind of error arrives as what it is.
pub fn kinds_are_kept(fx: &Fixture) {
    let scheduler = fx.open();
    use ErrorKind::{BadInput, Decode, Io, Lost, NotPortable, Spill, Task, Timeout, Unsupported};
    for kind in [
        BadInput,
        Task,
        Io,
        Decode,
        Lost,
        NotPortable,
        Spill,
        Timeout,
        Unsupported,
    ] {
        let run = submit(
            &scheduler,
            &[Root::all(&wide(&ops::fail(kind, "words"), 1))],
        );
        let e = expect_error(kind.name(), fx.result(kind.name(), &run.handle(0)), kind);
        assert_eq!(e.message(), "words");
    }
}

/// What reads a failed task fails with that task's error, however far away it is; what does not read it arrives.
pub fn readers_fail_with_the_task_to_blame(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(
        &scheduler,
        &[Root::all(&over_inputs(ops::fail(ErrorKind::Task, "no")))],
    );
    let of_task = expect_error("task", fx.result("task", &run.handle(0)), ErrorKind::Task);
    let of_end = expect_error(
        "reader",
        fx.result("reader", &run.handle(1)),
        ErrorKind::Task,
    );
    assert_eq!(task(&of_end), task(&of_task), "the task that is blamed");
    assert_eq!(of_end.message(), "no");
    fx.value(
        "a result that does not read the failed task",
        &run.handle(2),
    );
}

/// A failure does not stop the rest of its run: results that do not read it arrive, before and after.
pub fn independent_results_arrive(fx: &Fixture) {
    let scheduler = fx.open();
    let good = wide(&ops::nap(200, 3), 40);
    let bad = wide(&ops::fail(ErrorKind::Task, "no"), 10);
    let run = submit(&scheduler, &[Root::all(&bad), Root::all(&good)]);
    let want = match reference(&[Root::all(&good)]) {
        Ok(v) => v,
        Err(e) => panic!("{e:?}"),
    };
    let got: Vec<_> = (10..50)
        .map(|i| fx.value("independent", &run.handle(i)))
        .collect();
    assert_same("independent results", &got, &want);
    for i in 0..10 {
        expect_error(
            "failed",
            fx.result("failed", &run.handle(i)),
            ErrorKind::Task,
        );
    }
}

/// `wait_all` tells the first failure, and says that all is well only if it is.
pub fn wait_all_tells_the_failure(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(
        &scheduler,
        &[Root::all(&over_inputs(ops::fail(ErrorKind::Task, "no")))],
    );
    let e = expect_error("wait_all", fx.finish("wait_all", &run), ErrorKind::Task);
    assert_eq!(task(&e).key, run.handle(0).key());
    let run = submit(&scheduler, &[Root::all(&wide(&ops::block(), 3))]);
    assert!(fx.finish("wait_all", &run).is_ok());
}

/// `gather` returns the first failure and cancels what is left of the run.
pub fn gather_cancels_the_rest(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let bad = wide(&ops::fail(ErrorKind::Task, "first"), 1);
    let mut list = TaskList::new();
    let slow = list.op(ops::nap(20_000, 1));
    let late = list.op(ops::touch(&probe.path(), "late"));
    let slow: Vec<_> = (0..200).map(|_| list.task(slow, [])).collect();
    let end = list.task(late, slow);
    let bad = Root::all(&bad.annotated(Annotations::new().priority(9)));
    let run = submit(&scheduler, &[bad, Root::all(&list.finish([end]))]);
    let inner = run.run().clone();
    let e = expect_error("gather", run.gather(), ErrorKind::Task);
    assert_eq!(e.message(), "first");
    let end = inner.wait(1, Some(fx.waits()));
    match end {
        Some(r) => drop(expect_error("the rest", r, ErrorKind::Cancelled)),
        None => panic!("the rest of a gathered run is neither cancelled nor there"),
    }
    assert_eq!(probe.count(), 0, "a task of the cancelled rest ran");
}

/// A panic is that task's error, with its words.
pub fn a_panic_is_an_error(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(
        &scheduler,
        &[Root::all(&over_inputs(ops::panic_text("out of luck")))],
    );
    for i in [0, 1] {
        let e = expect_error(
            "panic",
            fx.result("panic", &run.handle(i)),
            ErrorKind::Panic,
        );
        assert!(
            e.message().contains("out of luck"),
            "the words are lost: {e:?}"
        );
        assert_eq!(task(&e).key, run.handle(0).key());
        assert_eq!(task(&e).operator, "conformance.panic-text@1");
        assert_eq!(task(&e).inputs.len(), 2, "{e:?}");
    }
    fx.value("a result beside the panic", &run.handle(2));
    drop(run);
    fx.still_works(&scheduler);
}

/// A panic whose payload is no text is an error all the same.
pub fn a_panic_without_words(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(&scheduler, &[Root::all(&wide(&ops::panic_value(7), 3))]);
    for h in run.handles() {
        let e = expect_error("panic", fx.result("panic", &h), ErrorKind::Panic);
        assert!(!e.message().is_empty());
        assert_eq!(task(&e).operator, "conformance.panic-value@1");
    }
    drop(run);
    fx.still_works(&scheduler);
}

/// A panic whose payload panics when it is dropped is an error like any other: the thread, and the process, live on.
pub fn a_panic_that_panics_when_dropped(fx: &Fixture) {
    let scheduler = fx.open();
    for deep in [1, 3] {
        let run = submit(&scheduler, &[Root::all(&wide(&ops::panic_bomb(deep), 8))]);
        for h in run.handles() {
            let e = expect_error("panic", fx.result("panic", &h), ErrorKind::Panic);
            assert_eq!(task(&e).operator, "conformance.panic-bomb@1");
        }
        drop(run);
        fx.still_works(&scheduler);
    }
}

/// A hundred panics among good tasks, again and again: no thread is lost, no lock is left closed.
pub fn a_hundred_panics(fx: &Fixture) {
    let scheduler = fx.open();
    for _ in 0..5 {
        let bad = Root::all(&wide(&ops::panic_text("again"), 100));
        let good = Root::all(&wide(&ops::mix_block(2), 100));
        let run = submit(&scheduler, &[bad, good.clone()]);
        let want = reference(&[good]).unwrap_or_default();
        let got: Vec<_> = (100..200)
            .map(|i| fx.value("good", &run.handle(i)))
            .collect();
        assert_same("tasks beside panics", &got, &want);
        for i in 0..100 {
            expect_error("bad", fx.result("bad", &run.handle(i)), ErrorKind::Panic);
        }
    }
    fx.still_works(&scheduler);
}

fn flaky(probe: &Probe, failures: u64, retries: u32) -> Root {
    let layer = chain(&[
        ops::constant(3),
        ops::flaky(&probe.path(), failures),
        ops::mix(1),
    ]);
    Root::all(&layer.annotated(Annotations::new().retries(retries)))
}

/// A task annotated with retries is tried again so often, and its readers see the attempt that worked.
pub fn retries_are_made(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let run = submit(&scheduler, &[flaky(&probe, 2, 2)]);
    let got = fx.value("two failures, two retries", &run.handle(0));
    assert_eq!(probe.count(), 3, "attempts");
    let again = Probe::new();
    let want = fx.value(
        "no failure",
        &submit(&scheduler, &[flaky(&again, 0, 0)]).handle(0),
    );
    assert_eq!(again.count(), 1, "attempts of a task that works at once");
    assert_same("the attempt that worked", &[got], &[want]);
}

/// Without retries one failure is final; with too few, the last attempt's error is told.
pub fn retries_are_counted(fx: &Fixture) {
    let scheduler = fx.open();
    for (retries, words) in [(0, "attempt 1 fails"), (2, "attempt 3 fails")] {
        let probe = Probe::new();
        let run = submit(&scheduler, &[flaky(&probe, 9, retries)]);
        let e = expect_error(
            "too few",
            fx.result("too few", &run.handle(0)),
            ErrorKind::Task,
        );
        assert_eq!(e.message(), words);
        assert_eq!(probe.count() as u32, retries + 1, "attempts");
    }
    fx.freed("failed retries", &scheduler);
}

/// A task that does not stop when its time is over is answered for all the same, and so are its readers; the run is over, and others have its place.
pub fn a_time_limit_is_told_at_once(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, probe) = (Gate::closed(), Probe::new());
    let limit = Annotations::new().timeout(Duration::from_millis(30));
    let mut list = TaskList::new();
    let (stuck, mix) = (
        list.op(ops::gate(&gate.path(), &probe.path())),
        list.op(ops::mix(1)),
    );
    let stuck = list.task(stuck, []);
    let reader = list.task(mix, [stuck]);
    let layer = list.finish([stuck, reader]).annotated(limit);
    let others = wide(&ops::mix_block(4), 30);
    let run = submit(&scheduler, &[Root::all(&layer), Root::all(&others)]);
    for i in 0..2 {
        let e = expect_error(
            "out of time",
            fx.result("out of time", &run.handle(i)),
            ErrorKind::Timeout,
        );
        assert_eq!(task(&e).operator, "conformance.gate@1");
        assert_eq!(task(&e).key, run.handle(0).key());
        assert!(e.message().contains("time limit of 30.0ms"), "{e}");
    }
    for i in 2..32 {
        fx.value("beside it", &run.handle(i));
    }
    fx.until("the run is over", || run.progress().is_finished());
    let p = run.progress();
    assert_eq!((p.total, p.done, p.failed), (32, 30, 2), "{p:?}");
    drop(run);
    // Its thread still waits.
    fx.still_works(&scheduler);
    assert!(probe.count() <= 1, "attempts");
    gate.open();
    fx.still_works(&scheduler);
}

/// A task whose time is over is told so when it asks, and what it says then is that error.
pub fn a_time_limit_is_told_to_the_task(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let limit = Annotations::new().timeout(Duration::from_millis(500));
    let layer = wide(&ops::wait_for_cancel(&probe.path()), 1).annotated(limit);
    let run = submit(&scheduler, &[Root::all(&layer)]);
    let e = expect_error(
        "out of time",
        fx.result("out of time", &run.handle(0)),
        ErrorKind::Timeout,
    );
    assert!(e.message().contains("time limit"), "{e}");
    assert!(probe.wait_for(2, fx.waits()), "the task was never told");
    drop(run);
    fx.still_works(&scheduler);
}

/// A task that does not stop is tried again elsewhere, while its thread goes on.
pub fn what_was_given_up_is_tried_again(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, probe) = (Gate::closed(), Probe::new());
    // Long enough for the second attempt on a busy machine; the first waits for longer than any.
    let limit = Annotations::new()
        .timeout(Duration::from_secs(2))
        .retries(3);
    let layer = chain(&[
        ops::constant(3),
        ops::gate_at_first(&gate.path(), &probe.path()),
        ops::mix(1),
    ]);
    let run = submit(&scheduler, &[Root::all(&layer.annotated(limit))]);
    fx.value("the second attempt", &run.handle(0));
    let lines = probe.lines();
    assert!(!lines.iter().any(|l| l == "left alone"), "{lines:?}");
    fx.until("the run is over", || run.progress().is_finished());
    drop(run);
    // A backend can be closed although its thread waits.
    drop(scheduler);
    gate.open();
}

/// A failed task waits before it is tried again, each time twice as long, by the instants that its attempts tell.
pub fn a_retry_waits(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let pause = Duration::from_millis(40);
    let layer = wide(&ops::flaky(&probe.path(), 3), 1);
    let layer = layer.annotated(Annotations::new().retries(3).backoff(pause));
    let run = submit(&scheduler, &[Root::all(&layer)]);
    fx.value("the fourth attempt", &run.handle(0));
    let at: Vec<u64> = probe.lines().iter().flat_map(|l| l.parse()).collect();
    assert_eq!(at.len(), 4, "attempts");
    for (n, between) in at.windows(2).enumerate() {
        let waited = Duration::from_nanos(between[1] - between[0]);
        assert!(waited >= pause * (1 << n), "{waited:?} after failure {n}");
    }
    drop(run);
    fx.still_works(&scheduler);
}

/// A run whose task waits for its next try is over as soon as it is cancelled.
pub fn a_cancel_does_not_wait_for_a_retry(fx: &Fixture) {
    let scheduler = fx.open();
    let probe = Probe::new();
    let layer = wide(&ops::flaky(&probe.path(), 9), 1);
    let hour = Duration::from_secs(3600);
    let layer = layer.annotated(Annotations::new().retries(9).backoff(hour));
    let run = submit(&scheduler, &[Root::all(&layer)]);
    assert!(probe.wait_for(1, fx.waits()), "it was never tried");
    run.cancel();
    expect_error(
        "cancelled",
        fx.result("cancelled", &run.handle(0)),
        ErrorKind::Cancelled,
    );
    fx.until("the run is over", || run.progress().is_finished());
    assert_eq!(probe.count(), 1, "attempts");
    drop(run);
    fx.still_works(&scheduler);
}

/// Progress counts what failed and what could not run for it.
pub fn progress_counts_failures(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(
        &scheduler,
        &[Root::all(&over_inputs(ops::fail(ErrorKind::Task, "no")))],
    );
    for h in run.handles() {
        drop(fx.result("a result", &h));
    }
    fx.until("all tasks are accounted for", || {
        run.progress().is_finished()
    });
    let p = run.progress();
    assert_eq!((p.total, p.done, p.failed), (5, 2, 3), "{p:?}");
}

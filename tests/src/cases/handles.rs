//! Handles: waiting, futures, callbacks, and results kept exactly as long as somebody wants them.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use kvern_core::{ErrorKind, Handle, Root, TaskList};

use crate::check::{block_on, expect_error, number, reference, same, submit, wide};
use crate::fixture::Fixture;
use crate::ops;
use crate::probe::Gate;

const SHORT: Duration = Duration::from_millis(20);

/// A result can be asked for in every way, any number of times, and is the same.
pub fn all_ways_agree(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(&scheduler, &[Root::all(&wide(&ops::mix_block(1), 3))]);
    let h = run.handle(1);
    let value = fx.value("wait_timeout", &h);
    let ways = [h.wait(), h.wait(), h.clone().wait()];
    assert!(ways.iter().all(|w| matches!(w, Ok(v) if same(v, &value))));
    assert!(
        matches!(h.try_get(), Some(Ok(v)) if same(&v, &value)),
        "try_get after wait"
    );
    assert!(h.is_done());
    assert!(
        matches!(h.run().wait(1, Some(Duration::ZERO)), Some(Ok(_))),
        "a wait of no time"
    );
    assert!(matches!(block_on(h.future(), fx.waits()), Some(Ok(v)) if same(&v, &value)));
    assert!(matches!(block_on(h.into_future(), fx.waits()), Some(Ok(v)) if same(&v, &value)));
}

/// While a result is not there, nothing says that it is, and a bounded wait ends in time without disturbing it.
pub fn unfinished_results_are_not_there(fx: &Fixture) {
    let scheduler = fx.open();
    let gate = Gate::closed();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::gate(&gate.path(), ""), 1))],
    );
    let h = run.handle(0);
    assert!(h.try_get().is_none() && !h.is_done());
    let start = Instant::now();
    assert!(
        h.wait_timeout(SHORT).is_none(),
        "a wait that timed out gave a result"
    );
    assert!(
        start.elapsed() >= SHORT,
        "the wait ended early, after {:?}",
        start.elapsed()
    );
    assert!(
        run.run().wait_all(Some(SHORT)).is_none(),
        "an unfinished run was over"
    );
    assert!(h.run().wait(0, Some(Duration::ZERO)).is_none());
    assert!(!run.progress().is_finished());
    gate.open();
    fx.value("after the gate opened", &h);
}

/// Futures work on any executor: they wake whoever polls them, also one who polls for the first time after the end.
pub fn futures_wake(fx: &Fixture) {
    let scheduler = fx.open();
    let gate = Gate::closed();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::gate(&gate.path(), ""), 4))],
    );
    let futures: Vec<_> = run.handles().iter().map(Handle::future).collect();
    assert!(
        block_on(run.handle(0).future(), SHORT).is_none(),
        "a future was ready too early"
    );
    gate.open();
    for f in futures {
        match block_on(f, fx.waits()) {
            Some(Ok(_)) => {}
            other => panic!("a future gave {other:?}"),
        }
    }
}

/// Futures tell errors.
pub fn futures_tell_errors(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::fail(ErrorKind::Io, "no"), 1))],
    );
    match block_on(run.handle(0).future(), fx.waits()) {
        Some(r) => drop(expect_error("future", r, ErrorKind::Io)),
        None => panic!("a failed task's future is never ready"),
    }
}

/// Callbacks set before and after the end are called once each, with the result.
pub fn callbacks_are_called_once(fx: &Fixture) {
    let scheduler = fx.open();
    let layer = wide(&ops::nap(1_000, 4), 3);
    let run = submit(&scheduler, &[Root::all(&layer)]);
    let calls: Arc<[AtomicUsize; 3]> = Arc::default();
    let (tell, told) = channel();
    let add = |h: &Handle, i: usize| {
        let (calls, tell) = (calls.clone(), tell.clone());
        h.when_done(move |r| {
            calls[i].fetch_add(1, Ordering::SeqCst);
            let _ = tell.send((i, r));
        });
    };
    let handles = run.handles();
    for _ in 0..50 {
        handles.iter().enumerate().for_each(|(i, h)| add(h, i));
    }
    let want = match reference(&[Root::all(&layer)]) {
        Ok(v) => v,
        Err(e) => panic!("{e:?}"),
    };
    handles.iter().for_each(|h| drop(fx.value("result", h)));
    for _ in 0..50 {
        handles.iter().enumerate().for_each(|(i, h)| add(h, i));
    }
    for _ in 0..300 {
        match told.recv_timeout(fx.waits()) {
            Ok((i, Ok(v))) if same(&v, &want[i]) => {}
            other => panic!("a callback was told {other:?}"),
        }
    }
    assert!(
        told.recv_timeout(SHORT).is_err(),
        "a callback was called twice"
    );
    assert!(
        calls.iter().all(|c| c.load(Ordering::SeqCst) == 100),
        "{calls:?}"
    );
}

/// Callbacks are told of errors and of a cancel, too: nobody waits for ever.
pub fn callbacks_hear_of_failure(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::fail(ErrorKind::Task, "no"), 1))],
    );
    let (tell, told) = channel();
    run.handle(0).when_done(move |r| drop(tell.send(r)));
    drop(fx.result("the failure", &run.handle(0)));
    match told.recv_timeout(fx.waits()) {
        Ok(r) => drop(expect_error("callback", r, ErrorKind::Task)),
        Err(_) => panic!("the callback of a failed task was never called"),
    }
}

/// The callback of a cancelled result is called with the cancellation.
pub fn callbacks_hear_of_cancel(fx: &Fixture) {
    let scheduler = fx.open();
    let gate = Gate::closed();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::gate(&gate.path(), ""), 1))],
    );
    let (tell, told) = channel();
    run.handle(0).when_done(move |r| drop(tell.send(r)));
    run.cancel();
    gate.open();
    match told.recv_timeout(fx.waits()) {
        Ok(r) => drop(expect_error("callback", r, ErrorKind::Cancelled)),
        Err(_) => panic!("the callback of a cancelled result was never called"),
    }
}

/// Many threads wait for one result.
pub fn many_threads_wait(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(&scheduler, &[Root::all(&wide(&ops::nap(5_000, 1), 1))]);
    let h = run.handle(0);
    std::thread::scope(|s| {
        for _ in 0..16 {
            s.spawn(|| fx.value("from a thread", &h.clone()));
        }
    });
}

/// Handles keep their results when the run's own handle is gone, and only theirs.
pub fn handles_outlive_the_run_handle(fx: &Fixture) {
    let scheduler = fx.open();
    let layer = wide(&ops::make_bytes(1000, 3), 5);
    let run = submit(&scheduler, &[Root::all(&layer)]);
    let (one, other) = (run.handle(1), run.handle(3));
    drop(run);
    let want = reference(&[Root::all(&layer)]).unwrap_or_default();
    assert!(same(&fx.value("kept", &one), &want[1]) && same(&fx.value("kept", &other), &want[3]));
    fx.until("the results without handles are freed", || {
        scheduler.memory().held == 2
    });
    let second = one.clone();
    drop(one);
    assert!(same(&fx.value("by the clone", &second), &want[1]));
    drop((second, other));
    fx.freed("the last handles are gone", &scheduler);
}

/// Memory is given back with the last handle on it, not before and not later; a value that was taken stays with its taker.
pub fn dropping_handles_frees(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::make_bytes(10_000, 3), 8))],
    );
    let values = fx.values("bytes", &run);
    let bytes = values[0].nbytes();
    fx.until("all results are held", || scheduler.memory().held == 8);
    let mut handles = run.handles();
    drop(run);
    assert_eq!(scheduler.memory().held, 8, "handles keep their results");
    for left in (0..8).rev() {
        handles.pop();
        fx.until("one more is freed", || scheduler.memory().held == left);
        let m = scheduler.memory();
        assert_eq!(m.live + m.spilled, left * bytes, "{m:?}");
    }
    assert_eq!(values[7].nbytes(), bytes);
    fx.freed("all handles are gone", &scheduler);
}

/// `want` and `release` count: a result is kept until it is released as often as it is wanted, the submit's own want included.
pub fn wants_are_counted(fx: &Fixture) {
    let scheduler = fx.open();
    let handle = submit(&scheduler, &[Root::all(&wide(&ops::make_bytes(500, 1), 2))]);
    fx.values("bytes", &handle);
    let run = handle.run().clone();
    run.want(0);
    run.want(0);
    // Releases what the submit wanted.
    drop(handle);
    fx.until("the other result is freed", || scheduler.memory().held == 1);
    run.release(0);
    assert!(
        matches!(run.wait(0, Some(fx.waits())), Some(Ok(_))),
        "released too early"
    );
    run.release(0);
    fx.freed("released as often as wanted", &scheduler);
}

/// A result that was never asked for is freed like any other, also if it is released before it is made.
pub fn results_released_early(fx: &Fixture) {
    let scheduler = fx.open();
    let mut list = TaskList::new();
    let (slow, bytes) = (
        list.op(ops::nap(3_000, 1)),
        list.op(ops::make_bytes(5_000, 1)),
    );
    let first = list.task(slow, []);
    let results: Vec<_> = (0..10).map(|_| list.task(bytes, [first])).collect();
    let run = submit(&scheduler, &[Root::all(&list.finish(results))]);
    let kept = run.handle(9);
    drop(run);
    fx.value("the one that is kept", &kept);
    fx.until("the others are freed", || scheduler.memory().held == 1);
    drop(kept);
    fx.freed("all released", &scheduler);
}

/// The same output wanted in two places is two wants.
pub fn an_output_in_two_places(fx: &Fixture) {
    let scheduler = fx.open();
    let layer = wide(&ops::block(), 2);
    let run = submit(&scheduler, &[Root::all(&layer), Root::all(&layer)]);
    let late = run.handle(3);
    drop(run);
    assert_eq!(number(&fx.value("second place", &late)), 1);
    drop(late);
    fx.freed("both places are gone", &scheduler);
}

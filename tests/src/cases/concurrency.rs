//! Many at once: submitters, runs, backends; and closing in the middle of it.

use std::time::Duration;

use kvern_core::layer::TaskId;
use kvern_core::{Error, ErrorKind, OpRef, Root, TaskList, Value};

use crate::check::{assert_same, expect_error, plan, reference, submit, wide};
use crate::fixture::Fixture;
use crate::probe::{Gate, Probe};
use crate::{graphs, ops};

/// Eight threads submit 25 graphs each and get their own results.
pub fn many_threads_submit(fx: &Fixture) {
    let scheduler = fx.open();
    std::thread::scope(|s| {
        for t in 0..8 {
            let scheduler = &scheduler;
            s.spawn(move || {
                for i in 0..25 {
                    let roots = graphs::random(5_000 + 100 * t + i, 60);
                    let want = reference(&roots).unwrap_or_default();
                    let run = submit(scheduler, &roots);
                    assert_same("of a thread", &fx.values("of a thread", &run), &want);
                }
            });
        }
    });
    fx.still_works(&scheduler);
}

/// As many tasks as the backend has threads run at the same time.
pub fn tasks_run_at_once(fx: &Fixture) {
    let scheduler = fx.open();
    let threads = scheduler.describe().threads.min(4);
    let (gate, probe) = (Gate::closed(), Probe::new());
    let run = submit(
        &scheduler,
        &[Root::all(&wide(
            &ops::gate(&gate.path(), &probe.path()),
            threads,
        ))],
    );
    assert!(
        probe.wait_for(threads, fx.waits()),
        "{} of {threads} tasks run at once",
        probe.count()
    );
    gate.open();
    fx.values("results", &run);
}

/// A run that is stuck in one task does not keep others from running on the other threads.
pub fn a_stuck_run_holds_nobody(fx: &Fixture) {
    let scheduler = fx.open();
    let gate = Gate::closed();
    let stuck = submit(
        &scheduler,
        &[Root::all(&wide(&ops::gate(&gate.path(), ""), 1))],
    );
    for seed in 0..10 {
        fx.values(
            "beside a stuck run",
            &submit(&scheduler, &graphs::random(seed, 100)),
        );
    }
    assert!(!stuck.handle(0).is_done());
    gate.open();
    fx.values("the stuck run", &stuck);
}

/// A small run that is submitted behind a huge one is done before it: runs share the backend.
pub fn a_small_run_behind_a_huge_one(fx: &Fixture) {
    let scheduler = fx.open();
    let threads = scheduler.describe().threads.clamp(1, 64);
    let huge = submit(
        &scheduler,
        &[Root::all(&wide(&ops::nap(2_000, 1), 600 * threads))],
    );
    std::thread::sleep(Duration::from_millis(10));
    let small = submit(&scheduler, &[graphs::chain(5)]);
    fx.values("the small run", &small);
    let p = huge.progress();
    assert!(
        !p.is_finished(),
        "the small run waited for the whole huge one"
    );
    println!(
        "the small run was done after {} of {} tasks of the huge one",
        p.done, p.total
    );
    huge.cancel();
    drop((huge, small));
    fx.still_works(&scheduler);
}

/// Closing cancels what runs, waits for it and frees everything; nobody waits for ever.
pub fn closing_while_running(fx: &Fixture) {
    let scheduler = fx.open();
    let (told, after) = (Probe::new(), Probe::new());
    let mut list = TaskList::new();
    let (wait, touch) = (
        list.op(ops::wait_for_cancel(&told.path())),
        list.op(ops::touch(&after.path(), "t")),
    );
    let first = list.task(wait, []);
    let rest: Vec<TaskId> = (0..20).map(|_| list.task(touch, [first])).collect();
    let run = submit(
        &scheduler,
        &[Root::all(&list.finish(rest.into_iter().chain([first])))],
    );
    assert!(told.wait_for(1, fx.waits()), "the task does not start");
    let waiter = {
        let (handle, limit) = (run.handle(3), fx.waits());
        std::thread::spawn(move || handle.wait_timeout(limit))
    };
    scheduler.close();
    assert_eq!(
        told.count(),
        2,
        "close did not wait for the running task: {:?}",
        told.lines()
    );
    match waiter.join() {
        Ok(Some(r)) => drop(expect_error("one who waited", r, ErrorKind::Cancelled)),
        other => panic!("one who waited for a result got {other:?}"),
    }
    for h in run.handles() {
        expect_error(
            "after close",
            fx.result("after close", &h),
            ErrorKind::Cancelled,
        );
    }
    assert_eq!(after.count(), 0, "a task ran after close");
    let m = scheduler.memory();
    assert_eq!((m.live, m.held, m.spilled), (0, 0, 0), "{m:?}");
}

/// A backend that is stopped answers at once, in the words that it was given, whatever its tasks do; and closing it does not wait for one that
/// never asks.
pub fn stopping_waits_for_nobody(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, begun, told) = (Gate::closed(), Probe::new(), Probe::new());
    let mut list = TaskList::new();
    let (deaf, good) = (
        list.op(ops::gate(&gate.path(), &begun.path())),
        list.op(ops::wait_for_cancel(&told.path())),
    );
    let mut tasks = vec![list.task(deaf, [])];
    // Where there is a place beside the other.
    let asks = scheduler.describe().threads > 1;
    if asks {
        tasks.push(list.task(good, []));
    }
    let run = submit(&scheduler, &[Root::all(&list.finish(tasks))]);
    assert!(begun.wait_for(1, fx.waits()), "a task does not start");
    assert!(
        !asks || told.wait_for(1, fx.waits()),
        "the other does not start"
    );
    let waiter = {
        let (handle, limit) = (run.handle(0), fx.waits());
        std::thread::spawn(move || handle.wait_timeout(limit))
    };
    let words = "the machine goes down";
    let why = Error::new(ErrorKind::Cancelled, words);
    scheduler.stop(&why);
    let Ok(Some(waited)) = waiter.join() else {
        panic!("one who waited for a task that never asks got nothing");
    };
    let answers = run.handles().into_iter().map(|h| fx.result("stopped", &h));
    let mut answers: Vec<_> = answers.chain([waited]).collect();
    answers.push(fx.finish("stopped", &run).map(|()| Value::UNIT));
    let more = wide(&ops::block(), 2);
    answers.push(
        scheduler
            .submit(plan(&[Root::all(&more)]))
            .map(|_| Value::UNIT),
    );
    answers.push(
        scheduler
            .scatter(vec![Value::new(1u64)])
            .map(|_| Value::UNIT),
    );
    for answer in answers {
        let e = expect_error("stopped", answer, ErrorKind::Cancelled);
        assert!(e.message().contains(words), "{e}");
    }
    assert!(
        !asks || told.wait_for(2, fx.waits()),
        "a running task was not told"
    );
    // On a thread of its own: it must not be this one that hangs.
    let (closed, is_closed) = std::sync::mpsc::channel();
    let closes = std::thread::spawn(move || {
        scheduler.close();
        let _ = closed.send(());
    });
    let in_time = is_closed.recv_timeout(fx.waits()).is_ok();
    gate.open();
    assert!(in_time, "close waits for a task that never asks");
    assert!(closes.join().is_ok());
}

/// A closed backend refuses work with an error, is closed again without harm, and answers everything else.
pub fn a_closed_backend_refuses(fx: &Fixture) {
    let scheduler = fx.open();
    let run = submit(&scheduler, &[Root::all(&wide(&ops::mix_block(1), 5))]);
    fx.values("before", &run);
    scheduler.close();
    scheduler.close();
    let again = scheduler.submit(plan(&[Root::all(&wide(&ops::block(), 2))]));
    assert!(again.is_err(), "a closed backend took work");
    assert!(
        scheduler
            .scatter(vec![kvern_core::Value::new(1u64)])
            .is_err(),
        "a closed backend took a value"
    );
    // What becomes of results that were there is the backend's choice, but there is an answer.
    drop(fx.result("after close", &run.handle(0)));
    drop(run);
    fx.freed("a closed backend", &scheduler);
    assert!(!scheduler.describe().scheme.is_empty());
}

/// Dropping the last reference to a backend closes it: handles that are left get an answer.
pub fn dropping_closes(fx: &Fixture) {
    let scheduler = fx.open();
    let told = Probe::new();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::wait_for_cancel(&told.path()), 1))],
    );
    assert!(told.wait_for(1, fx.waits()), "the task does not start");
    let handle = run.handle(0);
    drop(scheduler);
    expect_error(
        "left over",
        fx.result("left over", &handle),
        ErrorKind::Cancelled,
    );
    drop(run);
    drop(handle);
}

/// Two backends of one kind live side by side: memory, events and closing of one do not touch the other.
pub fn two_backends(fx: &Fixture) {
    let (one, other) = (fx.open(), fx.open());
    let op: OpRef = ops::make_bytes(1000, 1);
    let (a, b) = (
        submit(&one, &[Root::all(&wide(&op, 3))]),
        submit(&other, &[Root::all(&wide(&op, 5))]),
    );
    fx.values("one", &a);
    fx.values("other", &b);
    fx.until("counted apart", || {
        one.memory().held == 3 && other.memory().held == 5
    });
    one.close();
    fx.values("other, after the first is closed", &b);
    drop((a, b));
    fx.still_works(&other);
}

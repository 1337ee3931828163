//! Cancelling: nothing starts afterwards, what runs is asked to stop, what is there stays, and nothing is leaked.

use std::time::Duration;

use kvern_core::{ErrorKind, Root, TaskList};

use crate::check::{expect_error, reference, same, submit, wide};
use crate::fixture::Fixture;
use crate::probe::{Gate, Probe, nanos};
use crate::rng::Rng;
use crate::{graphs, ops};

/// A gate, and tasks that only run once it has been passed.
fn behind(gate: &Gate, begun: &Probe, after: &Probe) -> Root {
    let mut list = TaskList::new();
    let first = list.op(ops::gate(&gate.path(), &begun.path()));
    let touch = list.op(ops::touch(&after.path(), "after"));
    let first = list.task(first, []);
    let later: Vec<_> = (0..50).map(|_| list.task(touch, [first])).collect();
    Root::all(&list.finish(later))
}

/// Tasks that have not started when the run is cancelled never do; their results are the cancellation.
pub fn nothing_starts_afterwards(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, begun, after) = (Gate::closed(), Probe::new(), Probe::new());
    let run = submit(&scheduler, &[behind(&gate, &begun, &after)]);
    assert!(
        begun.wait_for(1, fx.waits()),
        "the first task does not start"
    );
    run.cancel();
    for h in run.handles() {
        expect_error(
            "cancelled",
            fx.result("cancelled", &h),
            ErrorKind::Cancelled,
        );
    }
    gate.open();
    expect_error(
        "wait_all",
        fx.finish("cancelled run", &run),
        ErrorKind::Cancelled,
    );
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(after.count(), 0, "tasks started after the cancel");
    fx.until("the run is over", || run.progress().is_finished());
    drop(run);
    fx.still_works(&scheduler);
}

/// A run that is cancelled right after its submit, before or while its first tasks start.
pub fn at_once(fx: &Fixture) {
    let scheduler = fx.open();
    for _ in 0..20 {
        let probe = Probe::new();
        let run = submit(
            &scheduler,
            &[Root::all(&wide(&ops::touch(&probe.path(), "t"), 500))],
        );
        run.cancel();
        run.cancel();
        for h in run.handles() {
            if let Err(e) = fx.result("a result", &h) {
                assert_eq!(e.kind(), ErrorKind::Cancelled, "{e:?}");
            }
        }
        fx.until("the run is over", || run.progress().is_finished());
        let ran = probe.count();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(probe.count(), ran, "tasks ran after all results were there");
    }
    fx.still_works(&scheduler);
}

/// Cancelling a run that is over changes nothing: its results stay.
pub fn afterwards(fx: &Fixture) {
    let scheduler = fx.open();
    let layer = wide(&ops::make_bytes(100, 2), 5);
    let run = submit(&scheduler, &[Root::all(&layer)]);
    let want = fx.values("before", &run);
    assert!(fx.finish("a run", &run).is_ok());
    run.cancel();
    let got = fx.values("after", &run);
    assert!(got.iter().zip(&want).all(|(a, b)| same(a, b)));
    assert!(
        fx.finish("a run that was over", &run).is_ok(),
        "a finished run was cancelled"
    );
    drop(run);
    fx.freed("a cancelled run", &scheduler);
}

/// A running task that looks at its cancel flag sees it soon (50 ms is the aim; never within 2 s in five times fails, as
/// a busy machine is slow for once), and only then the run is over.
pub fn a_running_task_is_told(fx: &Fixture) {
    let scheduler = fx.open();
    let (mut quickest, mut slowest) = (u64::MAX, 0);
    for _ in 0..5 {
        let probe = Probe::new();
        let run = submit(
            &scheduler,
            &[Root::all(&wide(&ops::wait_for_cancel(&probe.path()), 1))],
        );
        assert!(probe.wait_for(1, fx.waits()), "the task does not start");
        let at = nanos();
        run.cancel();
        expect_error(
            "told",
            fx.result("told", &run.handle(0)),
            ErrorKind::Cancelled,
        );
        assert!(probe.wait_for(2, fx.waits()), "the task was never told");
        let seen = probe
            .lines()
            .iter()
            .find_map(|l| l.strip_prefix("seen ")?.parse::<u64>().ok());
        let Some(seen) = seen else {
            panic!("the task was never told: {:?}", probe.lines());
        };
        let took = seen.saturating_sub(at);
        (quickest, slowest) = (quickest.min(took), slowest.max(took));
    }
    println!(
        "a running task saw the cancel after {:?} at most",
        Duration::from_nanos(slowest)
    );
    assert!(
        quickest < 2_000_000_000,
        "the cancel was seen after {quickest} ns at best"
    );
    fx.still_works(&scheduler);
}

/// Results that are there before the cancel stay.
pub fn results_that_are_there_stay(fx: &Fixture) {
    let scheduler = fx.open();
    let gate = Gate::closed();
    let mut list = TaskList::new();
    let (quick, slow) = (
        list.op(ops::mix_block(3)),
        list.op(ops::gate(&gate.path(), "")),
    );
    let quick: Vec<_> = (0..10).map(|_| list.task(quick, [])).collect();
    let slow = list.task(slow, quick.iter().copied());
    let run = submit(
        &scheduler,
        &[Root::all(&list.finish(quick.into_iter().chain([slow])))],
    );
    let there: Vec<_> = (0..10).map(|i| fx.value("quick", &run.handle(i))).collect();
    run.cancel();
    expect_error(
        "slow",
        fx.result("slow", &run.handle(10)),
        ErrorKind::Cancelled,
    );
    for (i, v) in there.iter().enumerate() {
        assert!(same(
            &fx.value("quick, after the cancel", &run.handle(i)),
            v
        ));
    }
    gate.open();
    drop(run);
    fx.freed("a cancelled run", &scheduler);
}

/// Cancelling one of two runs of the same graph leaves the other alone.
pub fn only_that_run(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, begun, after) = (Gate::closed(), Probe::new(), Probe::new());
    let root = behind(&gate, &begun, &after);
    let (one, other) = (
        submit(&scheduler, std::slice::from_ref(&root)),
        submit(&scheduler, &[root]),
    );
    assert!(begun.wait_for(1, fx.waits()));
    one.cancel();
    expect_error(
        "the cancelled run",
        fx.result("cancelled", &one.handle(0)),
        ErrorKind::Cancelled,
    );
    gate.open();
    fx.values("the other run", &other);
}

/// Dropping the run's handle and all others on it stops it and frees it.
pub fn dropping_cancels(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, begun, after) = (Gate::closed(), Probe::new(), Probe::new());
    let run = submit(&scheduler, &[behind(&gate, &begun, &after)]);
    assert!(
        begun.wait_for(1, fx.waits()),
        "the first task does not start"
    );
    let handle = run.handle(0);
    drop(run);
    drop(handle);
    // Nobody is told when a backend in other processes has heard of that. It hears in order, though: when it has taken another
    // run, it has.
    drop(submit(&scheduler, &[graphs::chain(1)]));
    gate.open();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(after.count(), 0, "a run that nobody wants went on");
    let told = Probe::new();
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::wait_for_cancel(&told.path()), 1))],
    );
    assert!(told.wait_for(1, fx.waits()), "the task does not start");
    drop(run);
    fx.until("the running task of a dropped run is told", || {
        told.count() == 2
    });
    assert!(told.lines()[1].starts_with("seen"), "{:?}", told.lines());
    fx.still_works(&scheduler);
}

/// 200 runs of random graphs, cancelled at random moments: each result is right or the cancellation, and nothing is left.
pub fn a_storm(fx: &Fixture) {
    let scheduler = fx.open();
    let mut rng = Rng::new(77);
    let pool: Vec<_> = (0..8)
        .map(|seed| {
            let roots = graphs::random(1000 + seed, 200);
            let want = reference(&roots).unwrap_or_default();
            (roots, want)
        })
        .collect();
    let (mut right, mut cancelled) = (0, 0);
    for i in 0..200 {
        let (roots, want) = &pool[rng.below(8) as usize];
        let run = submit(&scheduler, roots);
        let pause = Duration::from_micros(rng.below(1500));
        match rng.below(3) {
            0 => std::thread::sleep(pause),
            1 => drop(run.run().wait_all(Some(pause))),
            _ => {}
        }
        let handles = run.handles();
        if rng.one_in(4) {
            drop(run);
            continue;
        }
        run.cancel();
        for (h, w) in handles.iter().zip(want) {
            match fx.result("a result", h) {
                Ok(v) if same(&v, w) => right += 1,
                Ok(v) => panic!("run {i}: {v:?} instead of {w:?}"),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Cancelled, "run {i}: {e:?}");
                    cancelled += 1;
                }
            }
        }
    }
    println!("storm: {right} results were right, {cancelled} cancelled");
    fx.still_works(&scheduler);
}

/// A run that is cancelled after one of its tasks failed: the task's own error stays, and is the run's; what was not made yet is cancelled, and is
/// not told as the failure of another task.
pub fn after_a_failure(fx: &Fixture) {
    let scheduler = fx.open();
    let (gate, begun) = (Gate::closed(), Probe::new());
    let mut list = TaskList::new();
    let fail = list.op(ops::fail(ErrorKind::Io, "no such luck"));
    let wait = list.op(ops::gate(&gate.path(), &begun.path()));
    let mix = list.op(ops::mix(1));
    let bad = list.task(fail, []);
    let slow = list.task(wait, []);
    let later = list.task(mix, [slow]);
    let run = submit(&scheduler, &[Root::all(&list.finish([bad, slow, later]))]);
    let failed = || fx.result("failed", &run.handle(0));
    expect_error("failed", failed(), ErrorKind::Io);
    assert!(begun.wait_for(1, fx.waits()), "the task does not start");
    run.cancel();
    for i in [1, 2] {
        let e = expect_error(
            "cancelled",
            fx.result("cancelled", &run.handle(i)),
            ErrorKind::Cancelled,
        );
        assert_eq!(e.message(), "the run was cancelled", "{e:?}");
        assert!(std::error::Error::source(&e).is_none(), "{e:?}");
        assert!(e.task().is_none(), "{e:?}");
    }
    let e = expect_error("failed", failed(), ErrorKind::Io);
    assert_eq!(e.message(), "no such luck");
    expect_error("wait_all", fx.finish("cancelled run", &run), ErrorKind::Io);
    gate.open();
    drop(run);
    fx.still_works(&scheduler);
}

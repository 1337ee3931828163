//! Events: each told once, in an order that makes sense, to everyone who listens and nobody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kvern_core::events::{Event, Interest, Observer};
use kvern_core::layer::{Data, Edge};
use kvern_core::scheduler::Progress;
use kvern_core::{Annotations, ErrorKind, Layer, Root, TaskList, Value};

use crate::check::{submit, wide};
use crate::fixture::Fixture;
use crate::ops;
use crate::probe::Probe;
use crate::watch::{Watcher, is_end};

/// Every run begins and ends once, in that order, with a number of its own, its tasks counted and how it ended.
pub fn runs_begin_and_end(fx: &Fixture) {
    let scheduler = fx.open();
    let watcher = Watcher::new(Interest::Runs);
    let _told = scheduler.subscribe(watcher.clone());
    for tasks in [1, 20, 300] {
        let run = submit(&scheduler, &[Root::all(&wide(&ops::mix_block(1), tasks))]);
        fx.values("results", &run);
    }
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::fail(ErrorKind::Task, "no"), 2))],
    );
    drop(fx.result("failure", &run.handle(0)));
    fx.until("four runs end", || watcher.count(is_end) == 4);
    let mut open: HashMap<u64, u64> = HashMap::new();
    let mut sizes = Vec::new();
    for e in watcher.events() {
        match e {
            Event::RunStarted { run, tasks, .. } => {
                assert!(run >= 1, "runs count from 1");
                assert!(open.insert(run, tasks).is_none(), "run {run} began twice");
            }
            Event::RunFinished {
                run,
                progress,
                error,
                ..
            } => {
                let tasks = open.get(&run).copied();
                assert_eq!(
                    tasks,
                    Some(progress.total),
                    "run {run} ended, tasks at its beginning"
                );
                assert!(progress.is_finished(), "run {run}: {progress:?}");
                assert_eq!(error.is_some(), progress.failed > 0, "run {run}: {error:?}");
                sizes.push((progress.done, progress.failed));
            }
            Event::TaskStarted { .. } | Event::TaskFinished { .. } => {
                panic!("one who asked for runs was told of tasks: {e:?}")
            }
            _ => {}
        }
    }
    sizes.sort_unstable();
    assert_eq!(
        (open.len(), sizes),
        (4, vec![(0, 2), (1, 0), (20, 0), (300, 0)])
    );
}

/// A run that has nothing to do begins and ends, too.
pub fn an_empty_run_ends(fx: &Fixture) {
    let scheduler = fx.open();
    let watcher = Watcher::new(Interest::Runs);
    let _told = scheduler.subscribe(watcher.clone());
    drop(submit(&scheduler, &[]));
    fx.until("the run ends", || watcher.count(is_end) == 1);
    assert_eq!(
        watcher.count(|e| matches!(e, Event::RunStarted { tasks: 0, .. })),
        1
    );
}

/// One who asks for tasks is told the beginning and then the end of each, once, with operator, key and bytes, within its run.
pub fn tasks_begin_and_end(fx: &Fixture) {
    let scheduler = fx.open();
    let watcher = Watcher::new(Interest::Tasks);
    let _told = scheduler.subscribe(watcher.clone());
    let run = submit(
        &scheduler,
        &[Root::all(&wide(&ops::make_bytes(100, 3), 200))],
    );
    let keys: Vec<_> = run.handles().iter().map(kvern_core::Handle::key).collect();
    let bytes = fx.values("bytes", &run)[0].nbytes();
    fx.until("the run ends", || watcher.count(is_end) == 1);
    let mut state: HashMap<_, u8> = keys.iter().map(|&k| (k, 0)).collect();
    let threads = scheduler.describe().threads as u32;
    let mut running = false;
    for e in watcher.events() {
        match e {
            Event::RunStarted { .. } => running = true,
            Event::RunFinished { .. } => running = false,
            Event::TaskStarted {
                key,
                operator,
                worker,
                ..
            } => {
                assert!(running, "a task began outside of its run");
                assert_eq!(&*operator, "conformance.make-bytes");
                assert!(worker < threads, "worker {worker} of {threads}");
                assert_eq!(
                    state.insert(key, 1),
                    Some(0),
                    "a task began twice, or is not of the graph"
                );
            }
            Event::TaskFinished {
                key,
                operator,
                bytes: b,
                ..
            } => {
                assert!(running, "a task ended outside of its run");
                assert_eq!((&*operator, b), ("conformance.make-bytes", bytes));
                assert_eq!(
                    state.insert(key, 2),
                    Some(1),
                    "a task ended that had not begun"
                );
            }
            _ => {}
        }
    }
    assert!(
        state.values().all(|&s| s == 2),
        "some tasks were not told of"
    );
}

/// A failure is told with its error; each attempt of a task with retries says whether it is tried again.
pub fn failures_are_told(fx: &Fixture) {
    let scheduler = fx.open();
    let watcher = Watcher::new(Interest::Runs);
    let _told = scheduler.subscribe(watcher.clone());
    let probe = Probe::new();
    let layer = wide(&ops::flaky(&probe.path(), 9), 1).annotated(Annotations::new().retries(2));
    let run = submit(&scheduler, &[Root::all(&layer)]);
    drop(fx.result("failure", &run.handle(0)));
    fx.until("the run ends", || watcher.count(is_end) == 1);
    let events = watcher.events();
    let told = events.iter().filter_map(|e| match e {
        Event::TaskFailed { error, retried, .. } => Some((error.message(), *retried)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            ("attempt 1 fails", true),
            ("attempt 2 fails", true),
            ("attempt 3 fails", false)
        ]
    );
    let end = events.iter().find_map(|e| match e {
        Event::RunFinished { error, .. } => error.clone(),
        _ => None,
    });
    assert!(
        end.is_some_and(|e| e.message() == "attempt 3 fails"),
        "the run's end tells no error"
    );
}

struct Panics(AtomicUsize);

impl Observer for Panics {
    fn interest(&self) -> Interest {
        Interest::Tasks
    }

    fn event(&self, _: &Event) {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::panic::resume_unwind(Box::new("an observer's panic"));
    }
}

/// An observer that panics hears nothing more; the run and other observers do not notice.
pub fn an_observer_that_panics(fx: &Fixture) {
    let scheduler = fx.open();
    let (bad, good) = (
        Arc::new(Panics(AtomicUsize::new(0))),
        Watcher::new(Interest::Tasks),
    );
    let _bad = scheduler.subscribe(bad.clone());
    let _good = scheduler.subscribe(good.clone());
    let run = submit(&scheduler, &[Root::all(&wide(&ops::mix_block(1), 50))]);
    fx.values("results", &run);
    fx.until("the run ends", || good.count(is_end) == 1);
    assert_eq!(
        bad.0.load(Ordering::SeqCst),
        1,
        "events told to an observer that panicked"
    );
    assert_eq!(good.count(|e| matches!(e, Event::TaskFinished { .. })), 50);
    drop(run);
    fx.still_works(&scheduler);
}

/// Dropping the subscription ends it; others go on.
pub fn unsubscribing(fx: &Fixture) {
    let scheduler = fx.open();
    let (gone, stays) = (Watcher::new(Interest::Tasks), Watcher::new(Interest::Runs));
    let subscription = scheduler.subscribe(gone.clone());
    let _stays = scheduler.subscribe(stays.clone());
    let small = [Root::all(&wide(&ops::mix_block(1), 5))];
    fx.values("first", &submit(&scheduler, &small));
    fx.until("the first run ends", || {
        gone.count(is_end) == 1 && stays.count(is_end) == 1
    });
    drop(subscription);
    let heard = gone.events().len();
    fx.values("second", &submit(&scheduler, &small));
    fx.until("the second run ends", || stays.count(is_end) == 2);
    assert_eq!(gone.events().len(), heard, "told after unsubscribing");
}

/// Progress only grows, never says more than there is, and ends complete.
pub fn progress_grows(fx: &Fixture) {
    let scheduler = fx.open();
    let watcher = Watcher::new(Interest::Runs);
    let _told = scheduler.subscribe(watcher.clone());
    let run = submit(&scheduler, &[Root::all(&wide(&ops::nap(1_000, 1), 200))]);
    let grows = |last: Progress, next: Progress| {
        assert_eq!(next.total, 200);
        assert!(
            next.done >= last.done && next.failed == 0,
            "{last:?} then {next:?}"
        );
        assert!(next.done + next.failed <= next.total, "{next:?}");
        next
    };
    let mut last = Progress::default();
    while run
        .run()
        .wait_all(Some(std::time::Duration::from_millis(2)))
        .is_none()
    {
        last = grows(last, run.progress());
    }
    fx.until("all tasks are done", || run.progress().done == 200);
    assert!(grows(last, run.progress()).is_finished());
    fx.until("the run ends", || watcher.count(is_end) == 1);
    let mut last = Progress::default();
    for e in watcher.events() {
        if let Event::Progress { progress, .. } = e {
            last = grows(last, progress);
        }
    }
    assert_eq!(last.done, 200, "the last progress event is not the end");
}

/// Values at hand are told apart from what is computed, and so are the bytes that were made.
pub fn progress_tells_values_apart(fx: &Fixture) {
    let scheduler = fx.open();
    let values: Vec<Value> = (0..3u64).map(Value::new).collect();
    let at_hand = Layer::new(Data::values(values), Vec::new());
    let mut list = TaskList::new();
    let (sum, make) = (list.op(ops::mix(1)), list.op(ops::make_bytes(1000, 1)));
    let sum = list.task_with(sum, (0..3).map(|output| Edge::Input { slot: 0, output }));
    let made: Vec<_> = (0..4).map(|_| list.task(make, [])).collect();
    let kind = list.into_kind(made.into_iter().chain([sum]));
    let run = submit(&scheduler, &[Root::all(&Layer::new(kind, vec![at_hand]))]);
    fx.values("results", &run);
    fx.until("all is done", || run.progress().is_finished());
    let p = run.progress();
    assert_eq!((p.total, p.data, p.done, p.failed), (8, 3, 8, 0), "{p:?}");
    assert_eq!(p.tasks(), (5, 5), "{p:?}");
}

/// Who listens hears how far a run is while it runs, and at its end how many bytes it has made.
pub fn progress_is_told_while_it_runs(fx: &Fixture) {
    let scheduler = fx.open();
    let watcher = Watcher::new(Interest::Runs);
    let _told = scheduler.subscribe(watcher.clone());
    let naps = 12 * scheduler.describe().threads.min(8);
    let naps = Root::all(&wide(&ops::nap(50_000, 1), naps));
    let made = Root::all(&wide(&ops::make_bytes(1000, 1), 4));
    let run = submit(&scheduler, &[naps, made]);
    fx.values("results", &run);
    fx.until("the run ends", || watcher.count(is_end) == 1);
    let events = watcher.events();
    let told = events.iter().filter_map(|e| match e {
        Event::Progress { progress, .. } => Some(*progress),
        _ => None,
    });
    let told: Vec<Progress> = told.collect();
    assert_eq!(
        told.first().map(|p| (p.done, p.bytes)),
        Some((0, 0)),
        "{told:?}"
    );
    let meanwhile = told.iter().filter(|p| p.done > 0 && !p.is_finished());
    assert!(meanwhile.count() >= 2, "{told:?}");
    assert!(told.last().is_some_and(|p| p.bytes >= 4000), "{told:?}");
    assert!(told.is_sorted_by_key(|p| (p.done, p.bytes)), "{told:?}");
}

/// Lines that tasks log reach observers, with key and operator.
pub fn logs_are_told(fx: &Fixture) {
    let scheduler = fx.open();
    let watcher = Watcher::new(Interest::Runs);
    let _told = scheduler.subscribe(watcher.clone());
    let run = submit(&scheduler, &[Root::all(&wide(&ops::log("a line"), 3))]);
    fx.values("results", &run);
    let mut keys: Vec<_> = run.handles().iter().map(kvern_core::Handle::key).collect();
    fx.until("three lines", || {
        watcher.count(|e| matches!(e, Event::Log { .. })) == 3
    });
    let mut told = Vec::new();
    for e in watcher.events() {
        if let Event::Log {
            key,
            operator,
            message,
        } = e
        {
            assert_eq!(
                (operator.as_str(), message.as_str()),
                ("conformance.log", "a line")
            );
            told.push(key);
        }
    }
    keys.sort();
    told.sort();
    assert_eq!(told, keys);
}

/// What goes to disk and comes back for a task is told.
pub fn spills_are_told(fx: &Fixture) {
    const SIZE: u64 = 1 << 16;
    let limited = fx.open_limited(4 * SIZE);
    let watcher = Watcher::new(Interest::Runs);
    let _told = limited.scheduler.subscribe(watcher.clone());
    let mut list = TaskList::new();
    let (make, sum) = (list.op(ops::make_bytes(SIZE, 1)), list.op(ops::sum_bytes()));
    let made: Vec<_> = (0..16).map(|_| list.task(make, [])).collect();
    made.iter().for_each(|&t| list.project(t, SIZE + 24));
    let sums: Vec<_> = made.iter().map(|&t| list.task(sum, [t])).collect();
    let all = list.task(sum, sums);
    // Every block is read again once all of them are known.
    let again: Vec<_> = made.iter().map(|&t| list.task(sum, [t, all])).collect();
    let run = submit(&limited.scheduler, &[Root::all(&list.finish(again))]);
    fx.values("sums", &run);
    let out = watcher.count(|e| matches!(e, Event::Spilled { .. }));
    let back = watcher.count(|e| matches!(e, Event::Unspilled { .. }));
    // Where a backend has several processes, a block that a task elsewhere reads is sent from the disk and stays there.
    assert!(
        out >= 10 && back >= 5,
        "{out} blocks were told to be spilled, {back} to come back"
    );
}

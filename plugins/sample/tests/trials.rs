//! What a host must survive: panics, waiting, hunger, many threads. Loaded from the file, or linked with the feature `linked`.

mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use kvern::ErrorKind;
use kvern::array::Array;
use kvern::array::kernels::AnyChunk;
use kvern::core::events::{Event, Interest, Observer};
use kvern::core::{TaskContext, Value};
use serde_json::json;
use support::{Tasks, op, run, session};

fn chunk(values: &[f64]) -> Value {
    Value::new(AnyChunk::from(
        ndarray::aview1(values).into_dyn().to_owned(),
    ))
}

#[test]
fn a_panic_is_the_error_of_its_task_and_the_operator_works_on() {
    let guarded = op("sample.guarded", json!({"limit": 10.0}));
    for url in ["sync://", "threads://?workers=2"] {
        let session = session(url);
        for _ in 0..3 {
            let e = run(&session, &guarded, vec![chunk(&[1.0, 11.5])]).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Panic, "{e}");
            assert!(
                e.to_string()
                    .contains("sample.guarded: it panicked: 11.5 is above the limit of 10"),
                "{e}"
            );
            let good = run(&session, &guarded, vec![chunk(&[1.0, 9.5])]).unwrap();
            assert!(good.is::<AnyChunk>());
        }
    }
}

#[test]
fn one_chunk_of_an_array_panics_and_the_session_lives() {
    let guarded = op("sample.guarded", json!({"limit": 50.0}));
    let session = session("threads://?workers=2");
    let x = Array::<f64>::arange(0.0, 100.0, 1.0, 10).unwrap();
    let e = x
        .apply::<f64>(&guarded)
        .unwrap()
        .compute_in(&session)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Panic, "{e}");
    let sum = (&x / 2.0).apply::<f64>(&guarded).unwrap().sum(()).unwrap();
    assert_eq!(sum.item_in(&session).unwrap(), 2475.0);
}

#[test]
fn it_stops_when_the_run_is_cancelled() {
    let wait = op("sample.wait", json!(null));
    let session = session("threads://?workers=2");
    let tasks = Tasks(vec![(wait, vec![chunk(&[1.0])])]);
    let handle = session
        .start(&kvern::core::Collection::roots(&tasks).unwrap())
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    handle.cancel();
    let e = handle.gather().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
    session.close();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn memory_that_is_not_there_is_refused() {
    let session = session("threads://?workers=1&memory=32MiB&spill=false");
    let hungry = |bytes: u64| op("sample.hungry", json!({ "bytes": bytes }));
    assert!(run(&session, &hungry(1 << 20), vec![chunk(&[1.0])]).is_ok());
    let e = run(&session, &hungry(1 << 40), vec![chunk(&[1.0])]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e}");
    // What was set aside is given back: many times a part of the budget fits.
    for _ in 0..50 {
        run(&session, &hungry(8 << 20), vec![chunk(&[1.0])]).unwrap();
    }
}

struct Lines(Mutex<Vec<String>>);

impl Observer for Lines {
    fn interest(&self) -> Interest {
        Interest::Runs
    }

    fn event(&self, event: &Event) {
        if let Event::Log { message, .. } = event {
            self.0.lock().unwrap().push(message.clone());
        }
    }
}

#[test]
fn what_it_logs_is_in_the_log_of_the_run() {
    let session = session("threads://?workers=1");
    let lines = std::sync::Arc::new(Lines(Mutex::new(Vec::new())));
    let subscription = session.subscribe(lines.clone());
    let tasks = Tasks(vec![(op("sample.wait", json!(null)), vec![chunk(&[1.0])])]);
    let handle = session
        .start(&kvern::core::Collection::roots(&tasks).unwrap())
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let said = || {
        lines
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|l| l.contains("waiting"))
    };
    while !said() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    handle.cancel();
    let _ = handle.gather();
    drop(subscription);
    let all = lines.0.lock().unwrap().clone();
    assert!(
        all.iter()
            .any(|l| l.starts_with("[info] ") && l.ends_with(": waiting")),
        "{all:?}"
    );
}

/// 8 threads, 1,000 calls each, of one kernel at once: right answers, and everything is given back.
#[test]
fn eight_threads_a_thousand_calls() {
    struct Quiet;
    impl kvern::core::operator::TaskHost for Quiet {
        fn is_cancelled(&self) -> bool {
            false
        }
        fn reserve(&self, _: u64) -> kvern::Result<()> {
            Ok(())
        }
        fn unreserve(&self, _: u64) {}
        fn log(&self, _: kvern::core::Key, _: &str, _: &str) {}
    }
    let registry = support::registry();
    let scale = op("sample.scale", json!({"factor": 3.0}));
    let center = op("sample.center", json!(null));
    let live = op("sample.live", json!(null));
    let graph = support::graph_of(&scale);
    let count = || {
        let kernel = registry.resolve(&live).unwrap();
        let v = kernel
            .run(&mut [], &TaskContext::new(&Quiet, &graph, 0))
            .unwrap();
        let chunk = v.downcast_ref::<AnyChunk>().unwrap().clone();
        chunk.peek::<i64>().unwrap().first().copied().unwrap()
    };
    let before = count();
    let kernels = [
        registry.resolve(&scale).unwrap(),
        registry.resolve(&center).unwrap(),
    ];
    std::thread::scope(|scope| {
        for t in 0..8u32 {
            let (kernels, graph) = (&kernels, &graph);
            scope.spawn(move || {
                let ctx = TaskContext::new(&Quiet, graph, 0);
                for n in 0..1000u32 {
                    let (a, b) = (f64::from(t) - 0.5, f64::from(n));
                    let mut inputs = [chunk(&[a, b, a + b])];
                    let which = (n % 2) as usize;
                    let v = kernels[which].run(&mut inputs, &ctx).unwrap();
                    let got = v.downcast_ref::<AnyChunk>().unwrap().peek::<f64>().unwrap();
                    let mean = (a + b + (a + b)) / 3.0;
                    let want = match which {
                        0 => [a * 3.0, b * 3.0, (a + b) * 3.0],
                        _ => [a - mean, b - mean, a + b - mean],
                    };
                    for (g, w) in got.iter().zip(want) {
                        assert!((g - w).abs() < 1e-9, "{g} {w}");
                    }
                }
            });
        }
    });
    assert_eq!(count(), before);
}

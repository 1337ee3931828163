//! What users hand in may be extreme or fail in odd places: limits of time without end, needs beyond any budget, callbacks and
//! destructors that panic, a task that computes in another backend. The backend says so or goes on; it neither stops nor aborts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kvern_core::delayed::delayed_local;
use kvern_core::layer::Blockwise;
use kvern_core::{
    Annotations, BlockBytes, Collection, ErrorKind, Grid, Layer, OpRef, Result, Root, Session,
    TaskContext, Value, delayed,
};

// Linked for its backends.
use kvern_scheduler_local as _;

const URLS: [&str; 2] = ["threads://?workers=2&memory=10MiB", "sync://?memory=10MiB"];

#[test]
fn limits_of_time_without_end_are_no_limits() {
    for url in URLS {
        let session = Session::open(url).unwrap();
        let slow = delayed(|| {
            std::thread::sleep(Duration::from_millis(20));
            1i64
        });
        let call = slow
            .call(())
            .annotate(Annotations::new().timeout(Duration::MAX));
        let run = session.start(&call.roots().unwrap()).unwrap();
        let got = run.handle(0).wait_timeout(Duration::MAX).unwrap().unwrap();
        assert_eq!(got.downcast_ref::<i64>(), Some(&1), "{url}");
    }
}

#[test]
fn annotated_memory_is_held_against_the_budget() {
    for url in URLS {
        let session = Session::open(url).unwrap();
        let one = delayed(|| 1i64);
        let huge = one.call(()).annotate(Annotations::new().memory(1 << 40));
        let e = session.compute(&huge).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{url}: {e}");
        assert!(e.to_string().contains("1TiB annotated"), "{url}: {e}");
    }
}

#[test]
fn tasks_with_annotated_memory_do_not_run_together_beyond_the_budget() {
    static NOW: AtomicI64 = AtomicI64::new(0);
    static MOST: AtomicI64 = AtomicI64::new(0);
    let session = Session::open("threads://?workers=4&memory=100MiB").unwrap();
    let work = delayed(|x: &i64| {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(10));
        NOW.fetch_sub(1, Ordering::SeqCst);
        *x
    });
    let needs = Annotations::new().memory(80 << 20);
    let all: Vec<_> = (0..6i64)
        .map(|i| work.call((i,)).annotate(needs.clone()))
        .collect();
    let sum = delayed(|all: &Vec<i64>| all.iter().sum::<i64>());
    assert_eq!(session.compute(&sum.call((&all,))).unwrap(), 15);
    assert_eq!(MOST.load(Ordering::SeqCst), 1);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a destructor that panics on purpose");
        }
    }
}

#[test]
fn a_destructor_that_panics_takes_no_worker_along() {
    for url in URLS {
        let session = Session::open(url).unwrap();
        let make = delayed_local(|| std::sync::Arc::new(Bomb));
        let read = delayed(|_: &std::sync::Arc<Bomb>| 7i64);
        let bomb = make.call(());
        // Taken by its last reader, and freed by the run.
        assert_eq!(session.compute(&read.call((&bomb,))).unwrap(), 7, "{url}");
        let twice = delayed(|a: &i64, b: &i64| a + b);
        let both = twice.call((&read.call((&bomb,)), &read.call((&bomb,))));
        assert_eq!(session.compute(&both).unwrap(), 14, "{url}");
    }
}

#[test]
fn a_callback_that_panics_takes_no_worker_along() {
    let session = Session::open(URLS[0]).unwrap();
    let slow = delayed(|| {
        std::thread::sleep(Duration::from_millis(50));
        1i64
    });
    let run = session.start(&slow.call(()).roots().unwrap()).unwrap();
    run.handle(0)
        .when_done(|_| panic!("a callback that panics on purpose"));
    assert!(run.handle(0).wait().is_ok());
    assert_eq!(session.compute(&slow.call(())).unwrap(), 1);
}

/// Four results of 512 KiB that one more task reads: more than a budget of 1 MiB without spilling can hold.
fn too_much() -> std::sync::Arc<Layer> {
    let grid = Grid::new([4]);
    let make = OpRef::local("make", |_: &mut [Value], _: &TaskContext<'_>| {
        Ok(Value::new(vec![1.0f64; 1 << 16]))
    });
    let bytes = BlockBytes::Each(1 << 19);
    Layer::new(Blockwise::source(make, grid, bytes), vec![])
}

#[test]
fn a_task_that_computes_in_another_backend_waits_only_for_its_own() {
    let compute = |url: &str| -> Result<()> {
        let inner = Session::open(url)?;
        inner.start(&[Root::all(&too_much())])?.gather().map(|_| ())
    };
    let grid = Grid::new([4]);
    let outer_op = OpRef::local("outer", move |_: &mut [Value], _: &TaskContext<'_>| {
        let e = compute("sync://?memory=1MiB&spill=false").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e}");
        let e = compute("threads://?workers=1&memory=1MiB&spill=false").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{e}");
        Ok(Value::new(1i64))
    });
    // Its own run is under admission, too: 16 MiB are projected.
    let each = BlockBytes::Each(4 << 20);
    let layer = Layer::new(Blockwise::source(outer_op, grid, each), vec![]);
    for url in URLS {
        let session = Session::open(url).unwrap();
        let values = session.start(&[Root::all(&layer)]).unwrap().gather();
        assert_eq!(values.unwrap().len(), 4, "{url}");
    }
}

#[test]
fn a_number_of_workers_that_is_a_typo_is_named() {
    let e = Session::open("threads://?workers=99999").err().unwrap();
    assert!(
        e.to_string().contains("at most 4096 workers, got 99999"),
        "{e}"
    );
}

#[test]
fn closing_sync_cancels_what_waits_for_others() {
    let threads = Session::open("threads://?workers=1").unwrap();
    let sync = Session::open("sync://").unwrap();
    let (gate, open) = std::sync::mpsc::channel::<()>();
    let open = std::sync::Mutex::new(open);
    let slow = kvern_core::delayed(move || {
        let _ = open.lock().unwrap().recv();
        1i64
    });
    let slow = threads.persist(&slow.call(())).unwrap();
    let ran = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = ran.clone();
    let reads = kvern_core::delayed(move |x: &i64| {
        seen.store(true, std::sync::atomic::Ordering::SeqCst);
        x + 1
    });
    let run = sync
        .start(&kvern_core::Collection::roots(&reads.call((&slow,))).unwrap())
        .unwrap();
    sync.close();
    let e = run.gather().unwrap_err();
    assert_eq!(e.kind(), kvern_core::ErrorKind::Cancelled, "{e}");
    gate.send(()).unwrap();
    threads.compute(&slow).unwrap();
    assert!(!ran.load(std::sync::atomic::Ordering::SeqCst));
}

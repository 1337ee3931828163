//! The backends by URL, and what only they promise: spilling, refusals, corruption found, orders by seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kvern_core::layer::{BlockArg, Blockwise, TreeBytes, TreeReduction};
use kvern_core::{
    BlockBytes, Delayed, ErrorKind, Grid, Layer, OpRef, Registry, Root, Scheduler, Session,
    TaskContext, Value, delayed,
};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};

const CHUNK: usize = 1 << 17;

/// `n` chunks of 1 MiB; all are made before any is summed, so that they must be held together.
fn wall(n: u32) -> Arc<Layer> {
    let grid = Grid::new([n]);
    let make = OpRef::local("make", |_: &mut [Value], ctx: &TaskContext<'_>| {
        Ok(Value::new(vec![ctx.block() as f64; CHUNK]))
    });
    let source = Layer::new(
        Blockwise::source(make, grid.clone(), BlockBytes::Each((CHUNK * 8) as u64)),
        vec![],
    );
    // Every sum waits for every chunk's first number, so no chunk can be freed early.
    let first = OpRef::local("first", |x: &mut [Value], _: &TaskContext<'_>| {
        Ok(Value::new(x[0].downcast_ref::<Vec<f64>>().unwrap()[0]))
    });
    let add = || {
        OpRef::local("add", |x: &mut [Value], _: &TaskContext<'_>| {
            Ok(Value::new(
                x.iter()
                    .map(|v| *v.downcast_ref::<f64>().unwrap())
                    .sum::<f64>(),
            ))
        })
    };
    let bytes = TreeBytes {
        partial: 8,
        output: 8,
    };
    let all = TreeReduction::new(
        [first, add(), add()],
        grid.clone(),
        vec![BlockArg::same(0, &grid)],
        vec![true],
        8,
        bytes,
    )
    .unwrap();
    let total = Layer::new(all, vec![source.clone()]);
    let check = OpRef::local("check", |x: &mut [Value], _: &TaskContext<'_>| {
        let v = x[0].downcast_ref::<Vec<f64>>().unwrap();
        Ok(Value::new(
            v.iter().sum::<f64>() / x[1].downcast_ref::<f64>().unwrap(),
        ))
    });
    let one = BlockArg {
        slot: 1,
        grid: Grid::new([1]),
        axes: vec![kvern_core::AxisMap::Fixed(0)],
    };
    let args = vec![BlockArg::same(0, &grid), one];
    Layer::new(
        Blockwise::new(check, grid, args, BlockBytes::Each(8)).unwrap(),
        vec![source, total],
    )
}

fn expected(n: u32) -> Vec<f64> {
    let total = (0..n).map(f64::from).sum::<f64>();
    (0..n)
        .map(|i| f64::from(i) * CHUNK as f64 / total)
        .collect()
}

fn floats(values: &[Value]) -> Vec<f64> {
    values
        .iter()
        .map(|v| *v.downcast_ref::<f64>().unwrap())
        .collect()
}

/// A worker may still be letting go of a run whose result is there already.
fn freed(s: &Session, url: &str) {
    for _ in 0..30_000 {
        let m = s.memory();
        if (m.live, m.spilled, m.held) == (0, 0, 0) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{url}: not freed after 30 s: {:?}", s.memory());
}

#[test]
fn what_does_not_fit_is_spilled_and_right() {
    for url in [
        "sync://?memory=8MiB",
        "sync://?memory=8MiB&seed=7",
        "threads://?workers=1&memory=8MiB",
        "threads://?workers=3&memory=8MiB",
    ] {
        let s = Session::open(url).unwrap();
        let values = s.start(&[Root::all(&wall(64))]).unwrap().gather();
        let values = values.unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(floats(&values), expected(64), "{url}");
        let m = s.memory();
        assert!(m.peak <= 9 << 20, "{url}: {m:?}");
        assert!(m.spilled_total >= 50 << 20, "{url}: {m:?}");
        drop(values);
        freed(&s, url);
    }
}

#[test]
fn a_task_that_cannot_fit_is_refused_before_anything_runs() {
    let ran = Arc::new(AtomicUsize::new(0));
    let seen = ran.clone();
    let make = OpRef::local("big.make", move |_: &mut [Value], _: &TaskContext<'_>| {
        seen.fetch_add(1, Ordering::SeqCst);
        Ok(Value::UNIT)
    });
    let layer = Layer::new(
        Blockwise::source(make, Grid::new([3]), BlockBytes::Each(100 << 20)),
        vec![],
    );
    let s = Session::open("threads://?memory=64MiB").unwrap();
    let e = s.start(&[Root::all(&layer)]).unwrap_err();
    assert_eq!(
        (e.kind(), ran.load(Ordering::SeqCst)),
        (ErrorKind::OutOfMemory, 0)
    );
    assert!(
        e.to_string().contains("big.make") && e.to_string().contains("100MiB"),
        "{e}"
    );
}

#[test]
fn without_spilling_the_error_says_so() {
    for url in [
        "sync://?memory=8MiB&spill=false",
        "threads://?memory=8MiB&spill=false",
    ] {
        let s = Session::open(url).unwrap();
        let e = s
            .start(&[Root::all(&wall(64))])
            .unwrap()
            .gather()
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{url}: {e}");
        assert!(e.to_string().contains("spilling is off"), "{e}");
    }
}

#[test]
fn a_full_disk_is_a_clean_error() {
    for url in [
        "sync://?memory=8MiB&spill-limit=4MiB",
        "threads://?memory=8MiB&spill-limit=4MiB",
    ] {
        let s = Session::open(url).unwrap();
        let e = s
            .start(&[Root::all(&wall(64))])
            .unwrap()
            .gather()
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Spill, "{url}: {e}");
        assert!(e.to_string().contains("spill.limit"), "{e}");
        // The backend lives.
        assert_eq!(s.compute(&delayed(|| 5i64).call(())).unwrap(), 5);
        freed(&s, url);
    }
}

#[test]
fn a_corrupt_spill_file_is_found() {
    let options = ThreadOptions {
        workers: Some(2),
        memory: Some(8 << 20),
        ..ThreadOptions::default()
    };
    let scheduler =
        Arc::new(ThreadScheduler::new(&options, Arc::new(Registry::linked().unwrap())).unwrap());
    let values = (0..32)
        .map(|i| Value::new(vec![f64::from(i); CHUNK]))
        .collect();
    let handles = scheduler.scatter(values).unwrap();
    assert!(scheduler.memory().spilled > 16 << 20);
    scheduler.corrupt_spill_for_tests().unwrap();
    let results: Vec<_> = handles.iter().map(|h| h.wait()).collect();
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(errors.len() > 16, "{}", errors.len());
    assert!(
        errors
            .iter()
            .all(|e| e.kind() == ErrorKind::Spill && e.to_string().contains("corrupt")),
        "{errors:?}"
    );
}

#[test]
fn seeds_explore_orders_and_repeat_them() {
    let order = |url: &str| {
        let s = Session::open(url).unwrap();
        let log = Arc::new(std::sync::Mutex::new(Vec::new()));
        let parts: Vec<Delayed<i64>> = (0..20i64)
            .map(|i| {
                let log = log.clone();
                delayed(move || {
                    log.lock().unwrap().push(i);
                    i
                })
                .call(())
            })
            .collect();
        let total = delayed(|v: &Vec<i64>| v.iter().sum::<i64>()).call((&parts,));
        assert_eq!(s.compute(&total).unwrap(), 190);

        log.lock().unwrap().clone()
    };
    assert_eq!(order("sync://"), order("sync://"));
    assert_eq!(order("sync://?seed=3"), order("sync://?seed=3"));
    assert_ne!(order("sync://?seed=3"), order("sync://?seed=4"));
    assert_ne!(order("sync://?seed=3"), order("sync://"));
}

#[test]
fn urls_are_checked() {
    let wrong = |url: &str| Session::open(url).unwrap_err().to_string();
    assert!(
        wrong("thread://").contains("did you mean threads?"),
        "{}",
        wrong("thread://")
    );
    assert!(
        wrong("threads://?wokers=2").contains("workers"),
        "{}",
        wrong("threads://?wokers=2")
    );
    assert!(wrong("threads://?workers=0").contains("at least 1"));
    assert!(wrong("threads://?memory=lots").contains("lots"));
    assert!(
        wrong("threads://far:80").contains("far"),
        "{}",
        wrong("threads://far:80")
    );
}

#[test]
fn several_results_share_their_work() {
    let s = Session::open("threads://?workers=2").unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let shared = delayed(move || {
        seen.fetch_add(1, Ordering::SeqCst);
        10i64
    })
    .call(());
    let a = delayed(|x: &i64| x + 1).call((&shared,));
    let b = delayed(|x: &i64| x.to_string()).call((&shared,));
    assert_eq!(s.compute((&a, &b)).unwrap(), (11, "10".to_owned()));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let kept = s.persist(&shared).unwrap();
    assert_eq!(
        s.compute(&delayed(|x: &i64| x * 3).call((&kept,))).unwrap(),
        30
    );
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

//! Kernels that are parallel themselves share the backend's threads: never more busy threads than workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kvern_core::{Session, delayed};
use kvern_scheduler_local as _;
use rayon::prelude::*;

#[test]
fn nested_parallel_kernels_do_not_oversubscribe() {
    for workers in [1, 2, 3] {
        let s = Session::open(&format!("threads://?workers={workers}")).unwrap();
        let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (mine, top) = (busy.clone(), most.clone());
        let kernel = delayed(move |seed: &u64| {
            (0..64u64)
                .into_par_iter()
                .map(|i| {
                    top.fetch_max(mine.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(100));
                    mine.fetch_sub(1, Ordering::SeqCst);
                    seed * i
                })
                .sum::<u64>()
        });
        let calls: Vec<_> = (0..8u64).map(|i| kernel.call((i,))).collect();
        let sums = s.compute(&calls).unwrap();
        assert_eq!(sums, (0..8u64).map(|i| i * 2016).collect::<Vec<_>>());
        assert!(
            most.load(Ordering::SeqCst) <= workers,
            "{} busy threads of {workers} workers",
            most.load(Ordering::SeqCst)
        );
    }
}

#[test]
fn one_parallel_kernel_finds_the_idle_threads() {
    let s = Session::open("threads://?workers=2").unwrap();
    let seen = Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    let mine = seen.clone();
    let kernel = delayed(move || {
        (0..200u64).into_par_iter().for_each(|_| {
            mine.lock().unwrap().insert(std::thread::current().id());
            // Until the other thread has come, however busy the machine is.
            let end = Instant::now() + Duration::from_secs(20);
            while mine.lock().unwrap().len() < 2 && Instant::now() < end {
                std::thread::sleep(Duration::from_micros(200));
            }
        });
    });
    s.compute(&kernel.call(())).unwrap();
    assert_eq!(
        seen.lock().unwrap().len(),
        2,
        "the second worker's thread should have helped"
    );
}

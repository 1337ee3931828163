//! The same programs, another URL.

use kvern::bag::{Bag, read_text};
use kvern::prelude::*;
use kvern_e2e::{cluster, worker_entry};

worker_entry!();

/// Runs a program on the threads of this process and on workers, and compares.
fn same<T: PartialEq + std::fmt::Debug>(program: impl Fn(&Session) -> kvern::Result<T>) -> T {
    let here = program(&Session::open("threads://?workers=2").unwrap()).unwrap();
    let (session, _cluster) = cluster(2);
    let there = program(&session).unwrap();
    assert_eq!(here, there);
    there
}

#[test]
fn arrays() {
    let norm = same(|session| {
        let x = Array::<f64>::linspace(0.0, 1.0, 200_000, 20_000)?;
        let z = (&x - &x.mean(())?) / x.std(())?;
        Ok(session.compute(&(&z * &z).mean(())?)?[[]])
    });
    assert!((norm - 1.0).abs() < 1e-9, "{norm}");
    same(|session| {
        let x = Array::<f64>::linspace(0.0, 1.0, 160_000, 4_000)?.reshape([400, 400])?;
        let x = x.rechunk([100, 100])?;
        let product = x.transpose().matmul(&x)?;
        let corner = product.slice((..50, 350..))?;
        let columns = x.rechunk([400, 50])?.sum(0)?;
        session.compute((&corner, &columns))
    });
    // Values that come from this process, large ones too.
    same(|session| {
        let n = 300_000;
        let x = Array::from_ndarray(ndarray::Array1::from_iter((0..n).map(f64::from)), 50_000)?;
        session.compute(&(&x * 2.0).sum(())?).map(|v| v[[]])
    });
}

#[test]
fn kept_results_are_read_where_they_are() {
    same(|session| {
        let x = Array::<f64>::linspace(0.0, 1.0, 100_000, 10_000)?.sin();
        let kept = session.persist(&x)?;
        let (low, high) = session.compute((&kept.min(())?, &kept.max(())?))?;
        Ok((low[[]], high[[]]))
    });
}

#[test]
fn bags() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..4 {
        let text: String = (0..2_000)
            .map(|n| format!("w{} w{} stone\n", n % 7, (n * i) % 11))
            .collect();
        std::fs::write(folder.path().join(format!("{i}.txt")), text).unwrap();
    }
    let pattern = folder.path().join("*.txt").display().to_string();
    let top = same(|session| {
        let words = read_text(&pattern)?.words().frequencies();
        session.compute(&words.topk_by_key(3, |pair: &(String, u64)| pair.1))
    });
    assert_eq!(top[0], ("stone".to_owned(), 8_000));
    same(|session| {
        let even = Bag::from_sequence(0..10_000u64, 8)
            .filter(|n: &u64| n.is_multiple_of(2))
            .map(|n: u64| n * n);
        session.compute(&even.sum())
    });
}

/// A function that gives something else each time, in each process: results of one run agree all the same.
#[test]
fn results_of_one_run_agree() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let roll = |n: u64| {
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) << 20 | u64::from(std::process::id());
        (n ^ calls).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
    };
    let (session, _cluster) = cluster(2);
    let rolled = Bag::from_sequence(0..10_000u64, 8).map(roll);
    let even = rolled.filter(|n: &u64| n.is_multiple_of(2));
    let pairs = rolled.zip(&rolled.map(|n: u64| n + 1)).unwrap();
    let apart = pairs.filter(|p: &(u64, u64)| p.0 + 1 != p.1);
    let (items, sum, evens, groups, apart) = session
        .compute((
            &rolled,
            &rolled.sum(),
            &even.count(),
            &rolled.groupby(3, |n: &u64| n % 5).count(),
            &apart.count(),
        ))
        .unwrap();
    assert_eq!(sum, items.iter().sum::<u64>());
    let want = items.iter().filter(|n| n.is_multiple_of(2)).count();
    assert_eq!((evens, groups, apart), (want as u64, 5, 0));
}

#[test]
fn a_bag_whose_closures_capture_says_so_at_the_submit() {
    let (session, _cluster) = cluster(1);
    let k = std::hint::black_box(3u64);
    let bag = Bag::from_sequence(0..10u64, 2).map(move |n: u64| n * k);
    let e = session.compute(&bag.sum()).unwrap_err();
    assert_eq!(e.kind(), kvern::ErrorKind::NotPortable);
    assert!(e.to_string().contains("captures 8 bytes"), "{e}");
    assert!(e.to_string().contains("map_with"), "{e}");
}

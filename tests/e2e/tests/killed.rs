//! A worker is killed in the middle of each kind of work: the answer is right all the same.

use kvern::bag::{Bag, Compression, read_text};
use kvern::prelude::*;
use kvern_e2e::{cluster, kill, kill_in_the_middle, worker_entry};

worker_entry!();

/// Runs a program on the threads of this process, and on three workers of which one is killed when a quarter is done.
fn survives<C: Collection>(program: impl Fn() -> kvern::Result<C>) -> (C::Output, C::Output) {
    let here = Session::open("threads://?workers=2")
        .unwrap()
        .compute(&program().unwrap())
        .unwrap();
    let (session, cluster) = cluster(3);
    let there = kill_in_the_middle(&session, &cluster, 4, || program().unwrap());
    (here, there)
}

#[test]
fn arrays() {
    let (here, there) = survives(|| {
        let x = Array::<f64>::linspace(0.0, 1.0, 160_000, 8_000)?.reshape([400, 400])?;
        let x = (x.rechunk([40, 40])? * 3.0).sin();
        x.transpose().matmul(&x)?.rechunk([400, 20])?.sum(0)
    });
    let worst = (&here - &there)
        .mapv(f64::abs)
        .into_iter()
        .fold(0.0, f64::max);
    assert!(worst < 1e-6, "{worst}");
}

/// Values that are in this program's memory and too large to go with each task that reads them.
#[test]
fn what_a_graph_brings() {
    let mut n = 0u32;
    let numbers = ndarray::Array2::from_shape_simple_fn((600, 600), || {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(n >> 8)
    });
    let (here, there) = survives(|| {
        let x = Array::from_ndarray(numbers.clone(), [100, 100])?;
        let mut sum = x.rechunk([40, 600])?.sum(0)?;
        // Read again and again, so that some of it has been let go when the worker is killed.
        for step in 1..8 {
            let turned = (&x * f64::from(step)).transpose().rechunk([60, 60])?;
            sum += turned.sum(1)?;
        }
        Ok(sum)
    });
    assert_eq!(here, there);
}

#[test]
fn bags() {
    let (here, there) = survives(|| {
        let slow = |n: u64| {
            if n.is_multiple_of(50) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            n % 97
        };
        Ok(Bag::from_sequence(0..20_000u64, 60).map(slow).frequencies())
    });
    let sorted = |mut v: Vec<(u64, u64)>| {
        v.sort_unstable();
        v
    };
    assert_eq!(sorted(here), sorted(there));
}

#[test]
fn functions() {
    let (here, there) = survives(|| {
        let slow = delayed(|a: &u64, b: &u64| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            a.wrapping_mul(31).wrapping_add(*b)
        });
        // Eight chains that meet.
        let mut chains: Vec<Delayed<u64>> = (0..8u64).map(Delayed::value).collect();
        for step in 0..20u64 {
            chains = chains.iter().map(|c| slow.call((c, step))).collect();
        }
        let all = delayed(|all: &Vec<u64>| {
            all.iter()
                .fold(0u64, |a, b| a.wrapping_mul(7).wrapping_add(*b))
        });
        Ok(all.call((&chains,)))
    });
    assert_eq!(here, there);
}

#[test]
fn a_bag_that_is_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let (session, cluster) = cluster(3);
    let slow = |n: u64| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        n * 3
    };
    let numbers = Bag::from_sequence(0..1_000u64, 50).map(slow);
    let target = folder.path().join("out");
    // Whether a file, finished or not, stands in the folder that will be the target.
    let begun = || {
        let hidden = std::fs::read_dir(folder.path()).unwrap().flatten();
        hidden
            .flat_map(|h| std::fs::read_dir(h.path().join("files")))
            .flatten()
            .count()
            > 9
    };
    std::thread::scope(|s| {
        let killer = s.spawn(|| {
            let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while !begun() {
                assert!(std::time::Instant::now() < end, "nothing is written");
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            kill(cluster.worker_processes()[0]);
            assert!(
                !target.exists(),
                "it was written before the worker was killed"
            );
        });
        let files = numbers.write_text_in(&target, Compression::None, &session);
        assert_eq!(files.unwrap().len(), 50);
        killer.join().unwrap();
    });
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 50);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let back = read_text(target.join("*")).unwrap();
    let lines = session.compute(&back.strings()).unwrap();
    let want: Vec<String> = (0..1_000u64).map(|n| (n * 3).to_string()).collect();
    assert_eq!(lines, want);
}

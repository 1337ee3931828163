//! Under a budget: partitions are counted, spilled and read again.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kvern_bag::Bag;
use kvern_core::Session;
use serde::{Deserialize, Serialize};
use support::sessions;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Thing {
    Text { text: String },
    Numbers { numbers: Vec<u32> },
}

fn thing(i: u64) -> Thing {
    match i % 2 {
        0 => Thing::Text {
            text: format!("{i:>200}"),
        },
        _ => Thing::Numbers {
            numbers: vec![i as u32; 50],
        },
    }
}

#[test]
fn partitions_of_any_type_are_spilled_and_come_back() {
    // About 8 MB under 2 MiB.
    let session = Session::open("threads://?workers=2&memory=2MiB").unwrap();
    let bag = Bag::range(30_000, 64).map(thing);
    let kept = bag.persist_in(&session).unwrap();
    assert_eq!(kept.count().compute_in(&session).unwrap(), 30_000);
    let memory = session.memory();
    assert!(memory.spilled > 2 << 20, "{memory:?}");
    assert!(memory.peak < 4 << 20, "{memory:?}");
    for step in [1usize, 7] {
        let all = kept.map_partitions(move |items| items.step_by(step));
        assert_eq!(
            all.compute_in(&session).unwrap(),
            Bag::range(30_000, 64)
                .map_partitions(move |i| i.step_by(step))
                .map(thing)
                .reference()
                .unwrap()
        );
    }
}

#[test]
fn a_reduction_over_more_than_the_budget_keeps_little() {
    let session = Session::open("threads://?workers=2&memory=4MiB").unwrap();
    // 100 MB that are never whole.
    let bag = Bag::range(500_000, 200).map(thing);
    let texts = bag.fold(
        0u64,
        |n, t| n + u64::from(matches!(t, Thing::Text { .. })),
        |a, b| a + b,
    );
    assert_eq!(texts.compute_in(&session).unwrap(), 250_000);
    assert_eq!(session.memory().spilled_total, 0);
}

#[test]
fn groups_larger_than_the_budget_go_through_the_disk() {
    // About 40 MB of items in 40,000 groups under 16 MiB: 16 partitions in 8 pieces each of more than 256 KiB.
    let session = Session::open("threads://?workers=2&memory=16MiB").unwrap();
    let bag = Bag::range(160_000, 16).map(|x| (x % 40_000, x, format!("{x:>180}")));
    let groups = bag.groupby(8, |x| x.0).map(|(k, items)| {
        assert!(items.iter().all(|x| x.0 == k) && items.is_sorted());
        items.len() as u64
    });
    let fours = groups.frequencies().compute_in(&session).unwrap();
    assert_eq!(fours, [(4, 40_000)]);
    let memory = session.memory();
    assert!(memory.spilled_total > 8 << 20, "{memory:?}");
    assert!(memory.peak < 24 << 20, "{memory:?}");
    let distinct = bag.map(|x| format!("{} {:>150}", x.0, "")).distinct_into(8);
    assert_eq!(distinct.count().compute_in(&session).unwrap(), 40_000);
}

#[test]
fn take_runs_as_few_partitions_as_needed() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    for (name, session) in sessions() {
        let (opened, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (o, s) = (opened.clone(), seen.clone());
        let bag = Bag::from_fn(100, move |i| {
            o.fetch_add(1, Ordering::Relaxed);
            0..i.min(4) * 100_000
        })
        .map(move |x| {
            s.fetch_add(1, Ordering::Relaxed);
            x
        });
        // The first is empty; two more are looked at, each only so far.
        assert_eq!(bag.take_in(5, &session).unwrap(), [0, 1, 2, 3, 4], "{name}");
        assert_eq!(
            (opened.load(Ordering::Relaxed), seen.load(Ordering::Relaxed)),
            (3, 10)
        );
        assert_eq!(bag.take_in(0, &session).unwrap(), [0usize; 0]);
        assert_eq!(opened.load(Ordering::Relaxed), 3);
    }
}

#[test]
fn a_few_items_are_taken_from_a_partition_that_is_larger_than_the_budget() {
    let session = Session::open("threads://?workers=2&memory=4MiB").unwrap();
    // 80 MB in one partition, and the same behind another bag.
    let large = Bag::range(10_000_000, 1);
    let first = large.filter(|x| *x > 5);
    assert_eq!(first.take_in(2, &session).unwrap(), [6, 7]);
    let both = kvern_bag::concat(&[Bag::range(1, 1), large]);
    assert_eq!(both.take_in(3, &session).unwrap(), [0, 0, 1]);
    // All of them do not fit, and are not begun.
    let e = both.compute_in(&session).unwrap_err();
    assert_eq!(e.kind(), kvern_core::ErrorKind::OutOfMemory, "{e}");
    let e = both.take_in(usize::MAX, &session).unwrap_err();
    assert_eq!(e.kind(), kvern_core::ErrorKind::OutOfMemory, "{e}");
}

/// A log that is compressed well: about 1.4 MB of gzip that are 24 MB of text in 200,000 lines.
fn packed_log(folder: &tempfile::TempDir) -> std::path::PathBuf {
    use std::io::Write as _;
    let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for i in 0..200_000u64 {
        let level = if i % 1000 == 7 { "ERROR" } else { "info" };
        writeln!(
            z,
            "{i:08} {level:>5} {:>100}",
            i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40
        )
        .unwrap();
    }
    support::write(folder, "log.gz", z.finish().unwrap())
}

#[test]
fn a_compressed_file_larger_than_the_budget_is_filtered_in_little_memory() {
    let folder = support::folder();
    let path = packed_log(&folder);
    for url in ["threads://?workers=2&memory=3MiB", "sync://?memory=3MiB"] {
        let session = Session::open(url).unwrap();
        let log = kvern_bag::read_text(&path).unwrap();
        let errors = log.filter(|line: &str| line.contains("ERROR"));
        let got = errors.compute_in(&session).unwrap();
        assert_eq!(got.len(), 200, "{url}");
        assert!(got[0].starts_with("00000007 ERROR"), "{}", got[0]);
        // As items, put in other partitions, kept, counted by key, grouped.
        let cut = errors.map(|l: &str| l.to_owned()).repartition(3);
        assert_eq!(cut.npartitions(), 3);
        assert_eq!(cut.compute_in(&session).unwrap(), got, "{url}");
        let kept = cut.persist_in(&session).unwrap();
        assert_eq!(kept.count().compute_in(&session).unwrap(), 200);
        let levels = log.map(|l: &str| l.split_whitespace().nth(1).map(str::to_owned));
        let levels = levels.frequencies_into(2).compute_in(&session).unwrap();
        assert_eq!(levels.iter().map(|l| l.1).sum::<u64>(), 200_000);
        let groups = errors.map(|l: &str| l.len()).groupby(2, |n| *n);
        assert_eq!(groups.count().compute_in(&session).unwrap(), 1, "{url}");
        let memory = session.memory();
        assert!(memory.peak < 3 << 20, "{url}: {memory:?}");
        // Where all of it must be held, it is what is held that decides.
        for e in [
            log.compute_in(&session).unwrap_err(),
            log.filter(|_: &str| true).compute_in(&session).unwrap_err(),
            log.map(|l: &str| l.to_owned())
                .repartition(4)
                .compute_in(&session)
                .unwrap_err(),
        ] {
            assert_eq!(e.kind(), kvern_core::ErrorKind::OutOfMemory, "{e}");
            let words = e.to_string();
            assert!(
                words.contains("the whole memory budget of 3MiB") && words.contains("log.gz:"),
                "{words}"
            );
        }
    }
    let session = Session::open("threads://?workers=2&memory=200MiB").unwrap();
    let log = kvern_bag::read_text(&path).unwrap();
    assert_eq!(log.compute_in(&session).unwrap().len(), 200_000);
}

#[test]
fn what_tasks_hold_is_set_aside_while_it_grows() {
    use std::sync::Arc;
    // Two tasks of some 6 MiB each under 8 MiB, of which nobody knows how much they will hold, beside 7 MB that can go to disk.
    let session = Session::open("threads://?workers=2&memory=8MiB").unwrap();
    let other = Bag::from_fn(7, |i| vec![i; 120_000]);
    let kept = other.persist_in(&session).unwrap();
    assert_eq!(kept.count().compute_in(&session).unwrap(), 840_000);
    let seen = Arc::new(AtomicU64::new(0));
    let (s, count) = (session.clone(), seen.clone());
    let large = Bag::range(1_000_000, 2).map(move |x| {
        if x % 100_000 == 99_999 {
            count.fetch_max(s.memory().spilled_total, Ordering::Relaxed);
        }
        x
    });
    assert_eq!(large.compute_in(&session).unwrap().len(), 1_000_000);
    let spilled = seen.load(Ordering::Relaxed);
    assert!(spilled > 1 << 20, "{spilled} bytes were spilled meanwhile");
}

#[test]
fn one_pass_and_one_task_a_partition() {
    let bag = Bag::range(1000, 16)
        .map(|x| x + 1)
        .filter(|x| x % 2 == 0)
        .flat_map(|x| [x, x]);
    let text = bag.explain().unwrap();
    assert!(text.contains("projected: 16 tasks"), "{text}");
    let text = bag.sum().explain().unwrap();
    // 16 partitions, two combined, one finished.
    assert!(text.contains("projected: 19 tasks"), "{text}");
}

#[test]
fn nothing_is_run_before_compute() {
    let bag = Bag::from_fn(3, |_| -> std::vec::IntoIter<u8> { panic!("too early") });
    let later = bag
        .map(|x| x + 1)
        .filter(|_| true)
        .repartition(2)
        .frequencies();
    assert_eq!(later.npartitions(), 1);
    let e = later.reference().unwrap_err();
    assert!(e.to_string().contains("in partition 0: too early"), "{e}");
}

#[test]
fn a_cancelled_run_stops_in_the_middle_of_a_partition() {
    let session = Session::open("threads://?workers=1").unwrap();
    // Ends by itself after a while, so that a defect is a failure and not a test that hangs.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let endless = Bag::from_fn(1, move |_| {
        (0u64..).take_while(move |x| x % 1024 != 0 || std::time::Instant::now() < end)
    });
    let run = session
        .start(&kvern_core::Collection::roots(&endless.count()).unwrap())
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let begun = std::time::Instant::now();
    session.close();
    let e = run.gather().unwrap_err();
    assert_eq!(e.kind(), kvern_core::ErrorKind::Cancelled, "{e}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
}

/// One that would work through what is at hand first would take more than a minute.
#[test]
fn a_cancelled_run_stops_though_each_item_takes_long() {
    static BEGUN: AtomicU64 = AtomicU64::new(0);
    let session = Session::open("threads://?workers=1").unwrap();
    let slow = Bag::from_sequence(0..4000u64, 1).map(|n| {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(20));
        n
    });
    let run = session
        .start(&kvern_core::Collection::roots(&slow.count()).unwrap())
        .unwrap();
    while BEGUN.load(Ordering::Relaxed) < 10 {
        std::thread::sleep(Duration::from_millis(1));
    }
    session.close();
    let e = run.gather().unwrap_err();
    assert_eq!(e.kind(), kvern_core::ErrorKind::Cancelled, "{e}");
    let items = BEGUN.load(Ordering::Relaxed);
    assert!(items < 400, "{items} of 4000 items were worked on");
}

#[test]
fn sums_that_do_not_fit_and_items_without_order_are_errors() {
    let big = Bag::from_sequence([i64::MAX, 1], 2);
    let e = big.sum().reference().unwrap_err();
    assert!(e.to_string().contains("does not fit a i64"), "{e}");
    assert_eq!(
        Bag::from_sequence([200u8, 100], 1)
            .sum()
            .reference()
            .unwrap(),
        300
    );
    let nan = Bag::from_sequence([1.0, f64::NAN], 2);
    assert!(
        nan.max()
            .reference()
            .unwrap_err()
            .to_string()
            .contains("no order")
    );
    assert!(Bag::from_sequence([f64::NAN], 1).min().reference().is_err());
    assert_eq!(
        Bag::<f64>::from_sequence([], 3).mean().reference().unwrap(),
        None
    );
}

#[test]
fn an_error_passes_through_a_function_that_pulls() {
    let bad = Bag::range(10, 2).try_map(|x| if x == 7 { Err("seven") } else { Ok(x) });
    // Whatever the function makes of items that end early.
    let counted = bad.map_partitions(|items| [items.count()]);
    for (name, result) in support::everywhere(&counted) {
        let e = result.unwrap_err();
        assert!(
            e.to_string().contains("in partition 1: seven"),
            "{name}: {e}"
        );
    }
    let doubled = bad.map_partitions(|items| items.map(|x| x * 2)).max();
    assert!(
        doubled
            .reference()
            .unwrap_err()
            .to_string()
            .contains("seven")
    );
    // What is never looked at does not fail.
    let first = bad.map_partitions(|items| items.take(0)).count();
    assert_eq!(first.reference().unwrap(), 0);
}

#[test]
fn zips_must_fit() {
    let a = Bag::range(10, 3);
    let pairs = a.zip(&a.map(|x| x * 2)).unwrap();
    assert_eq!(
        pairs
            .filter(|(a, b)| a * 2 == *b)
            .count()
            .reference()
            .unwrap(),
        10
    );
    assert_eq!(a.zip(&a).unwrap().count().reference().unwrap(), 10);
    assert!(
        a.zip(&Bag::range(10, 2))
            .unwrap_err()
            .to_string()
            .contains("3 and 2 partitions")
    );
    let e = a
        .zip(&Bag::range(11, 3))
        .unwrap()
        .count()
        .reference()
        .unwrap_err();
    assert!(
        e.to_string().contains("has 3 items of u64 and 3")
            || e.to_string().contains("items of u64"),
        "{e}"
    );
}

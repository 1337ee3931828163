//! One run passes once over what its results share: functions that give something else each time are called once for each item, and
//! results of one run agree.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use kvern_bag::{Bag, OnBad, TextOptions, concat, read_json_with, read_text_with};
use kvern_core::{ErrorKind, Session};
use support::{folder, sessions, write};

/// Gives another number each time, and counts how often.
#[derive(Clone, Default)]
struct Dice {
    all: Arc<AtomicU64>,
    told: Arc<AtomicU64>,
}

impl Dice {
    fn roll(&self) -> u64 {
        let n = self.all.fetch_add(1, Ordering::Relaxed);
        (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
    }

    /// Since this was last asked.
    fn rolls(&self) -> u64 {
        let all = self.all.load(Ordering::Relaxed);
        all - self.told.swap(all, Ordering::Relaxed)
    }

    fn bag(&self, items: u64, parts: usize) -> Bag<u64> {
        let dice = self.clone();
        Bag::range(items, parts).map(move |_| dice.roll())
    }
}

#[test]
fn two_results_of_one_bag_agree() {
    for (name, session) in sessions() {
        for parts in [1, 4, 20] {
            let dice = Dice::default();
            let bag = dice.bag(1000, parts);
            let (items, sum, max, count) = session
                .compute((&bag, &bag.sum(), &bag.max(), &bag.count()))
                .unwrap();
            assert_eq!(dice.rolls(), 1000, "{name}");
            assert_eq!(sum, items.iter().sum::<u64>(), "{name}");
            assert_eq!((max, count), (items.iter().max().copied(), 1000));
            // Each goes on for itself.
            let even = bag.filter(|x| x % 2 == 0);
            let texts = bag.map(|x| format!("{}", x % 7));
            let (even, half, digits, groups, top, mean, again) = session
                .compute((
                    &even,
                    &even.map(|x| x / 2).sum(),
                    &texts.frequencies(),
                    &bag.groupby(3, |x| x % 7),
                    &bag.topk(3),
                    &bag.mean(),
                    &bag,
                ))
                .unwrap();
            assert_eq!(dice.rolls(), 1000, "{name}");
            assert!(again != items, "another run rolls again");
            let want: Vec<u64> = again.iter().filter(|x| *x % 2 == 0).copied().collect();
            assert_eq!(even, want);
            assert_eq!(half, want.iter().map(|x| x / 2).sum::<u64>());
            let of = |d: u64| again.iter().filter(|x| *x % 7 == d).count() as u64;
            assert!(digits.iter().all(|(d, n)| of(d.parse().unwrap()) == *n));
            assert!(groups.iter().all(|(d, g)| of(*d) == g.len() as u64));
            let mut sorted = again.clone();
            sorted.sort_unstable();
            assert_eq!(top, [sorted[999], sorted[998], sorted[997]]);
            assert_eq!(mean, Some(again.iter().sum::<u64>() as f64 / 1000.0));
        }
    }
}

#[test]
fn one_result_agrees_with_itself() {
    for (name, session) in sessions() {
        let dice = Dice::default();
        let bag = dice.bag(100, 3);
        let pairs = bag.zip(&bag.map(|x| x + 1)).unwrap();
        let wrong = pairs.filter(|(a, b)| a + 1 != *b);
        assert_eq!(session.compute(&wrong.count()).unwrap(), 0, "{name}");
        assert_eq!(dice.rolls(), 100, "{name}");
        assert_eq!(wrong.count().reference().unwrap(), 0);
        assert_eq!(dice.rolls(), 100);
        let twice = concat(&[bag.clone(), Bag::range(5, 2), bag.map(|x| x * 2)]);
        let (items, sum, n) = session
            .compute((&twice, &twice.sum(), &bag.count()))
            .unwrap();
        assert_eq!(dice.rolls(), 100, "{name}");
        let (a, rest) = items.split_at(100);
        let doubled: Vec<u64> = a.iter().map(|x| x * 2).collect();
        assert_eq!(
            (&rest[..5], &rest[5..]),
            (&[0, 1, 2, 3, 4][..], &doubled[..])
        );
        assert_eq!((sum, n), (items.iter().sum(), 100));
        // Behind a reduction, and from what another run keeps.
        let distinct = bag.distinct().map(|x| x % 10);
        let (list, sum) = session.compute((&distinct, &distinct.sum())).unwrap();
        assert_eq!((dice.rolls(), sum), (100, list.iter().sum()));
        let kept = bag.persist_in(&session).unwrap();
        let (list, sum) = session.compute((&kept, &kept.sum())).unwrap();
        assert_eq!((dice.rolls(), sum), (100, list.iter().sum()));
        // Cut anew, which reads several partitions.
        let cut = bag.repartition(5);
        let other = dice.clone();
        let rolled = cut.map(move |x| x ^ other.roll());
        let (list, sum, n) = session
            .compute((&rolled, &rolled.sum(), &cut.count()))
            .unwrap();
        assert_eq!((dice.rolls(), sum, n), (200, list.iter().sum(), 100));
    }
}

#[test]
fn a_source_that_rolls_is_opened_once() {
    for (name, session) in sessions() {
        let dice = Dice::default();
        let rolls = dice.clone();
        let bag = Bag::from_fn(4, move |_| {
            let rolls = rolls.clone();
            (0..25).map(move |_| rolls.roll())
        });
        let (items, sum) = session.compute((&bag, &bag.sum())).unwrap();
        assert_eq!((dice.rolls(), sum), (100, items.iter().sum()), "{name}");
    }
}

#[test]
fn texts_go_to_several_chains() {
    let folder = folder();
    let text: String = (0..500).map(|i| format!("a{i} b c{}\n", i % 3)).collect();
    let path = write(&folder, "t.txt", &text);
    for (name, session) in sessions() {
        for size in [100, 1 << 20] {
            let dice = Dice::default();
            let rolls = dice.clone();
            let lines = read_text_with(&path, &TextOptions::new().blocksize(size)).unwrap();
            let some = lines.filter(move |_| rolls.roll() % 2 == 0);
            let (kept, count, words, n, length) = session
                .compute((
                    &some.strings(),
                    &some.count(),
                    &some.words().frequencies(),
                    &some.map(str::len).sum(),
                    &lines.count(),
                ))
                .unwrap();
            assert_eq!((dice.rolls(), length), (500, 500), "{name}");
            assert_eq!(count, kept.len() as u64);
            assert_eq!(n, kept.iter().map(|l| l.len() as u64).sum::<u64>());
            let b = words.iter().find(|w| w.0 == "b").unwrap();
            assert_eq!(b.1, count);
        }
    }
}

#[test]
fn chains_that_pull_take_the_same_items() {
    for (name, session) in sessions() {
        let dice = Dice::default();
        let bag = dice.bag(20_000, 2);
        let lazy = bag.map_partitions(|items| items.step_by(3));
        let whole = bag.map_partitions(|items| {
            let mut all: Vec<u64> = items.collect();
            all.reverse();
            all
        });
        let count = bag.reduction(|i| i.count() as u64, |n: Vec<u64>| n.iter().sum::<u64>());
        let first = bag.map_partitions(|items| items.take(2));
        let (items, lazy, whole, count, first, any) = session
            .compute((&bag, &lazy, &whole, &count, &first, &bag.any(|_| true)))
            .unwrap();
        assert_eq!((dice.rolls(), count, any), (20_000, 20_000, true), "{name}");
        let (a, b) = items.split_at(10_000);
        let thirds: Vec<u64> = [a, b]
            .iter()
            .flat_map(|p| p.iter().step_by(3).copied())
            .collect();
        assert_eq!(lazy, thirds);
        let turned: Vec<u64> = [a, b]
            .iter()
            .flat_map(|p| p.iter().rev().copied())
            .collect();
        assert_eq!(whole, turned);
        assert_eq!(first, [a[0], a[1], b[0], b[1]]);
    }
}

/// Not every one is looked at where no result wants it.
#[test]
fn nobody_is_asked_for_more_than_is_wanted() {
    let (_, session) = sessions().into_iter().next().unwrap();
    let dice = Dice::default();
    let rolls = dice.clone();
    let endless = Bag::from_fn(1, move |_| {
        let rolls = rolls.clone();
        std::iter::repeat_with(move || rolls.roll())
    });
    let (a, b) = session
        .compute((&endless.any(|x| x % 5 == 0), &endless.all(|x| x % 5 != 0)))
        .unwrap();
    assert!(a && !b);
    assert!(dice.rolls() < 1000);
}

#[test]
fn errors_and_what_was_skipped_are_told_as_ever() {
    let folder = folder();
    let lines: Vec<String> = (0..40)
        .map(|i| {
            if i % 10 == 4 {
                "bad".to_owned()
            } else {
                i.to_string()
            }
        })
        .collect();
    let path = write(&folder, "n.jsonl", lines.join("\n"));
    for (_, session) in sessions() {
        for size in [20, 1000] {
            let options = TextOptions::new().blocksize(size);
            let numbers = read_json_with::<i64>(&path, &options, OnBad::Skip).unwrap();
            let all = numbers.map(|x| x + 1);
            let texts = all.map(|x| x.to_string());
            let ((items, skipped), (sum, more)) = session
                .compute((&all.with_skipped(), &all.sum().with_skipped()))
                .unwrap();
            assert_eq!((items.len(), skipped.records(), more.records()), (36, 4, 4));
            assert_eq!(sum, items.iter().sum::<i64>());
            assert!(skipped.examples()[1].contains("n.jsonl:15"), "{skipped}");
            // The one that goes on, and not the one that ends there, fails: at its line.
            let fails = all.try_map(|x| if x == 28 { Err("no 28") } else { Ok(x) });
            let e = session.compute((&texts.count(), &fails.sum())).unwrap_err();
            assert!(e.to_string().contains("n.jsonl:28: no 28"), "{e}");
            let panics = all.map(|x| assert!(x != 28, "not 28"));
            let e = session.compute((&panics.count(), &all.sum())).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Panic);
            assert!(e.to_string().contains("n.jsonl:28: not 28"), "{e}");
            // What is before the parting.
            let bad = all.try_map(|x| if x > 30 { Err("too large") } else { Ok(x) });
            let e = session.compute((&bad.sum(), &bad.count())).unwrap_err();
            assert!(e.to_string().contains("too large"), "{e}");
        }
    }
}

#[test]
fn files_are_written_beside_other_results() {
    let folder = folder();
    let (_, session) = sessions().into_iter().next().unwrap();
    let dice = Dice::default();
    let both = concat(&[dice.bag(10, 2), Bag::range(1, 1)]);
    let twice = concat(&[both.clone(), both]);
    let target = folder.path().join("out");
    let files = twice
        .write_text_in(&target, kvern_bag::Compression::None, &session)
        .unwrap();
    assert_eq!(dice.rolls(), 10);
    let text = |i: usize| std::fs::read_to_string(&files[i]).unwrap();
    assert_eq!((text(0), text(1)), (text(3), text(4)));
}

/// Of a type of the program's own, of which nothing is known but that it is `Clone`.
#[test]
fn items_of_any_type_are_shared() {
    #[derive(Clone)]
    struct Own(u64);
    for (name, session) in sessions() {
        let dice = Dice::default();
        let roll = dice.clone();
        let own = Bag::range(10, 2).map(move |i| Own(i + (roll.roll() & 1)));
        let all = own.map(|o| o.0).sum();
        let maybe = own.map(|o| (o.0 > 3).then_some(o));
        let some = maybe.flatten().map(|o| o.0).sum();
        let few = own.map(|o| if o.0 > 3 { 0 } else { o.0 }).sum();
        let (all, some, few) = session.compute((&all, &some, &few)).unwrap();
        assert_eq!((all, dice.rolls()), (some + few, 10), "{name}");
    }
}

#[test]
fn chains_may_part_again_and_again() {
    let (_, session) = sessions().into_iter().next().unwrap();
    let dice = Dice::default();
    let mut bag = dice.bag(10, 2);
    let mut sums = Vec::new();
    for _ in 0..50 {
        sums.push(bag.sum());
        let other = dice.clone();
        bag = bag.map(move |x| x + (other.roll() & 1));
    }
    let got = session.compute(&sums).unwrap();
    // Of the last map there is no result.
    assert_eq!(dice.rolls(), 50 * 10);
    assert!(got.is_sorted() && got[49] > got[0], "{got:?}");
    for _ in 0..200 {
        sums.push(bag.sum());
        bag = bag.map(|x| x);
    }
    let e = session.compute(&sums).unwrap_err();
    assert!(e.to_string().contains("more than 100 places"), "{e}");
}

static ALIVE: AtomicI64 = AtomicI64::new(0);
static MOST: AtomicI64 = AtomicI64::new(0);

#[derive(serde::Serialize, serde::Deserialize)]
struct Counted(u64);

impl Counted {
    fn new(n: u64) -> Self {
        let alive = ALIVE.fetch_add(1, Ordering::Relaxed) + 1;
        MOST.fetch_max(alive, Ordering::Relaxed);
        Self(n)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn items_are_few_at_a_time() {
    let (_, session) = sessions().into_iter().next().unwrap();
    let bag = Bag::range(300_000, 1).map(Counted::new);
    let odd = bag.filter(|c| c.0 % 2 == 1);
    let lazy = bag.map_partitions(|items| items.map(|c| c.0).filter(|n| n % 1000 == 0));
    let (n, half, sum, lazy) = session
        .compute((
            &bag.count(),
            &odd.count(),
            &bag.map(|c| c.0).sum(),
            &lazy.count(),
        ))
        .unwrap();
    assert_eq!((n, half, lazy), (300_000, 150_000, 300));
    assert_eq!(sum, 299_999 * 150_000);
    let most = MOST.load(Ordering::Relaxed);
    assert!(most < 100_000, "{most} items at once");
    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
}

/// One would work through what is at hand first for more than a minute.
#[test]
fn a_cancelled_run_of_several_results_stops() {
    static BEGUN: AtomicU64 = AtomicU64::new(0);
    let session = Session::open("threads://?workers=1").unwrap();
    let numbers = Bag::from_sequence(0..4000u64, 1).map(|n| n + 1);
    let slow = numbers.map(|n| {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(20));
        n
    });
    let roots = [numbers.count(), slow.count()].map(|c| kvern_core::Collection::roots(&c).unwrap());
    let run = session.start(&roots.concat()).unwrap();
    while BEGUN.load(Ordering::Relaxed) < 10 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    session.close();
    let e = run.gather().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
    let items = BEGUN.load(Ordering::Relaxed);
    assert!(items < 400, "{items} of 4000 items were worked on");
}

#[test]
fn long_chains_are_built_run_and_dropped() {
    for n in [10_000u64, 100_000] {
        let begun = std::time::Instant::now();
        let mut bag = Bag::from_sequence(vec![0u64; 4], 2);
        for i in 0..n {
            bag = match i % 5000 {
                4999 => bag.filter(|_| true),
                _ => bag.map(|x| x + 1),
            };
        }
        let built = begun.elapsed();
        let want = 4 * (n - n / 5000);
        for (name, session) in sessions() {
            assert_eq!(session.compute(&bag.sum()).unwrap(), want, "{name}");
            // And from its end several go on.
            let (sum, count) = session.compute((&bag.sum(), &bag.count())).unwrap();
            assert_eq!((sum, count), (want, 4), "{name}");
        }
        assert!(format!("{bag:?}").len() < 1000);
        // Copying all steps for each took a minute for the longer one.
        assert!(built.as_secs() < 20, "{n} steps: {built:?}");
    }
    // With functions that pull in between.
    let mut bag = Bag::range(100, 2);
    for i in 0..3000 {
        bag = match i % 600 {
            599 => bag.map_partitions(|items| items.map(|x| x + 1)),
            _ => bag.map(|x| x + 1),
        };
    }
    for (_, session) in sessions() {
        assert_eq!(session.compute(&bag.sum()).unwrap(), 100 * 3000 + 4950);
    }
    let mut all = Bag::range(1, 1);
    for _ in 0..20_000 {
        all = concat(&[all, Bag::range(1, 1)]);
    }
    assert_eq!(all.npartitions(), 20_001);
    assert_eq!(all.count().reference().unwrap(), 20_001);
}

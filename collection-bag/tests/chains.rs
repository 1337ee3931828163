//! Chains of random steps over random partitions, on the reference executor, on one thread and on several, against plain iterators;
//! and each chain held between its steps, which must change nothing.

mod support;

use kvern_bag::{Bag, concat};
use kvern_core::Result;
use proptest::prelude::*;
use support::{everywhere, sessions};

/// One step of a chain.
#[derive(Debug, Clone, Copy)]
enum Step {
    Add(i64),
    Even,
    Repeat(u8),
    Halve,
    Distances,
    Hold,
    Repartition(u8),
    Twice,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (-5i64..5).prop_map(Step::Add),
        Just(Step::Even),
        (0u8..4).prop_map(Step::Repeat),
        Just(Step::Halve),
        Just(Step::Distances),
        Just(Step::Hold),
        (1u8..6).prop_map(Step::Repartition),
        Just(Step::Twice),
    ]
}

/// The chain as a bag. `hold`: between all steps.
fn bag(parts: &[Vec<i64>], steps: &[Step], hold: bool) -> Result<Bag<i64>> {
    let mut bag = Bag::from_partitions(parts.to_vec());
    for &s in steps {
        bag = match s {
            Step::Add(k) => bag.map(move |x| x + k),
            Step::Even => bag.filter(|x| x % 2 == 0),
            Step::Repeat(n) => bag.flat_map(move |x| (0..i64::from(n)).map(move |i| x + i)),
            Step::Halve => bag.map_partitions(|items| items.step_by(2)),
            Step::Distances => bag.map(|x| vec![x, -x]).flatten(),
            Step::Hold => bag.held()?,
            Step::Repartition(n) => bag.repartition(usize::from(n)),
            Step::Twice => concat(&[bag.clone(), bag]),
        };
        if hold {
            bag = bag.held()?;
        }
    }
    Ok(bag)
}

/// The same over plain lists.
fn plain(parts: &[Vec<i64>], steps: &[Step]) -> Vec<Vec<i64>> {
    let mut parts = parts.to_vec();
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    for &s in steps {
        let each = |f: &dyn Fn(Vec<i64>) -> Vec<i64>| parts.iter().cloned().map(f).collect();
        parts = match s {
            Step::Add(k) => each(&|p| p.into_iter().map(|x| x + k).collect()),
            Step::Even => each(&|p| p.into_iter().filter(|x| x % 2 == 0).collect()),
            Step::Repeat(n) => each(&|p| {
                p.into_iter()
                    .flat_map(|x| (0..i64::from(n)).map(move |i| x + i))
                    .collect()
            }),
            Step::Halve => each(&|p| p.into_iter().step_by(2).collect()),
            Step::Distances => each(&|p| p.into_iter().flat_map(|x| [x, -x]).collect()),
            Step::Hold => parts,
            Step::Repartition(n) => cut(&parts, usize::from(n)),
            Step::Twice => [parts.clone(), parts].concat(),
        };
    }
    parts
}

#[test]
fn any_number_of_partitions_is_clamped_or_told() {
    use kvern_core::ErrorKind;
    for n in [0, 1, 2, 3, 4, 1000, usize::MAX] {
        let bag = Bag::from_sequence(0..3u64, n);
        assert_eq!(bag.npartitions(), n.clamp(1, 3), "{n}");
        assert_eq!(bag.reference().unwrap(), [0, 1, 2], "{n}");
        let bag = Bag::range(3, n);
        assert_eq!(bag.npartitions(), n.clamp(1, 3), "{n}");
        assert_eq!(bag.reference().unwrap(), [0, 1, 2], "{n}");
        let none = Bag::<u64>::from_sequence([], n);
        assert_eq!((none.npartitions(), none.reference().unwrap()), (1, vec![]));
        let none = Bag::range(0, n);
        assert_eq!((none.npartitions(), none.reference().unwrap()), (1, vec![]));
    }
    // Items without a size of their own have nothing that could run out.
    assert_eq!(
        Bag::from_sequence([(); 5], usize::MAX)
            .count()
            .reference()
            .unwrap(),
        5
    );
    let small = Bag::range(10, 2);
    for n in [(1 << 24) + 1, u32::MAX as usize, usize::MAX] {
        for bag in [
            Bag::range(u64::MAX, n),
            Bag::from_fn(n, |_| [1u64]),
            small.repartition(n),
            small.distinct_into(n),
            small.frequencies_into(n).map(|f| f.1),
            small
                .foldby_into(n, |x| *x, 0, |n, _| n + 1, |a, b| a + b)
                .map(|f| f.1),
            small.groupby(n, |x| *x).map(|g| g.0),
        ] {
            let e = bag.reference().unwrap_err();
            assert_eq!(e.kind(), ErrorKind::BadInput, "{n}: {e}");
            assert!(
                e.to_string().contains(&format!("{n} partitions")),
                "{n}: {e}"
            );
        }
    }
    for bag in [
        Bag::from_fn(0, |i| [i as u64]),
        small.repartition(0).filter(|x| *x < 1),
        small.distinct_into(0).filter(|x| *x < 1),
    ] {
        assert_eq!((bag.npartitions(), bag.reference().unwrap()), (1, vec![0]));
    }
}

/// What `repartition` says: partitions are stretches of equal length, cut at equal distances.
fn cut(parts: &[Vec<i64>], n: usize) -> Vec<Vec<i64>> {
    if parts.len() == n {
        return parts.to_vec();
    }
    let (from, mut out) = (parts.len(), vec![Vec::new(); n]);
    for (read, p) in parts.iter().enumerate() {
        for (i, &x) in p.iter().enumerate() {
            // The last piece whose beginning is not behind item i of len.
            let piece = (0..n).rev().find(|&b| {
                let begin = (b * from).saturating_sub(read * n).min(n);
                b * from <= (read + 1) * n && p.len() * begin / n <= i && b * from < (read + 1) * n
            });
            out[piece.unwrap()].push(x);
        }
    }
    out
}

fn parts() -> impl Strategy<Value = Vec<Vec<i64>>> {
    prop::collection::vec(prop::collection::vec(-20i64..20, 0..12), 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn chains_are_plain_iterators(parts in parts(), steps in prop::collection::vec(step(), 0..6)) {
        let expected = plain(&parts, &steps);
        for hold in [false, true] {
            let bag = bag(&parts, &steps, hold).unwrap();
            prop_assert_eq!(bag.npartitions(), expected.len());
            for (name, got) in everywhere(&bag) {
                prop_assert_eq!(&got.unwrap(), &expected.concat(), "{}, held {}", name, hold);
            }
        }
    }

    #[test]
    fn reductions_are_those_of_plain_lists(parts in parts(), steps in prop::collection::vec(step(), 0..3), k in 0usize..9) {
        let items = plain(&parts, &steps).concat();
        let bag = bag(&parts, &steps, false).unwrap();
        macro_rules! same {
            ($what:expr, $expected:expr) => {
                for (name, got) in everywhere(&$what) {
                    prop_assert_eq!(got.unwrap(), $expected, "{}: {}", name, stringify!($what));
                }
            };
        }
        same!(bag.count(), items.len() as u64);
        same!(bag.sum(), items.iter().sum::<i64>());
        same!(bag.min(), items.iter().min().copied());
        same!(bag.max(), items.iter().max().copied());
        same!(bag.fold(0, |a: i64, x| a.max(x * x), i64::max), items.iter().map(|x| x * x).max().unwrap_or(0));
        same!(bag.any(|x| *x > 15), items.iter().any(|x| *x > 15));
        same!(bag.all(|x| *x > -15), items.iter().all(|x| *x > -15));
        same!(bag.reduction(|i| i.count(), |all: Vec<usize>| all.iter().sum::<usize>()), items.len());

        let mut first_seen: Vec<(i64, u64)> = Vec::new();
        for &x in &items {
            match first_seen.iter_mut().find(|p| p.0 == x) {
                Some(p) => p.1 += 1,
                None => first_seen.push((x, 1)),
            }
        }
        same!(bag.frequencies(), first_seen.clone());
        same!(bag.distinct(), first_seen.iter().map(|p| p.0).collect::<Vec<_>>());
        let mut groups: Vec<(i64, Vec<i64>)> = Vec::new();
        for &x in &items {
            match groups.iter_mut().find(|g| g.0 == x.rem_euclid(5)) {
                Some(g) => g.1.push(x),
                None => groups.push((x.rem_euclid(5), vec![x])),
            }
        }
        let push = |mut list: Vec<i64>, x: i64| { list.push(x); list };
        same!(bag.foldby(|x| x.rem_euclid(5), Vec::new(), push, |a, b| [a, b].concat()), groups.clone());

        // By hash into several partitions: the same pairs, each key in one of them.
        let parts = k + 1;
        macro_rules! same_set {
            ($what:expr, $expected:expr) => {
                let mut expected = $expected;
                expected.sort();
                let bag = $what;
                prop_assert_eq!(bag.npartitions(), parts);
                let first = everywhere(&bag)[0].1.clone().unwrap();
                for (name, got) in everywhere(&bag) {
                    let mut got = got.unwrap();
                    prop_assert_eq!(&got, &first, "{}: another order", name);
                    got.sort();
                    prop_assert_eq!(&got, &expected, "{}: {}", name, stringify!($what));
                }
            };
        }
        same_set!(bag.frequencies_into(parts), first_seen.clone());
        same_set!(bag.distinct_into(parts), first_seen.iter().map(|p| p.0).collect::<Vec<_>>());
        same_set!(bag.groupby(parts, |x| x.rem_euclid(5)), groups.clone());
        same_set!(bag.foldby_into(parts, |x| x.rem_euclid(5), Vec::new(), push, |a, b| [a, b].concat()), groups.clone());

        let mut sorted = items.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        sorted.truncate(k);
        same!(bag.topk(k), sorted.clone());
        same!(bag.topk_by(k, |a, b| a.cmp(b)), sorted.clone());
        // Stable: by a key that many share, the earlier ones.
        let mut by_key = items.clone();
        by_key.sort_by_key(|x| std::cmp::Reverse(x % 3));
        by_key.truncate(k);
        same!(bag.topk_by_key(k, |x| x % 3), by_key.clone());

        let n = items.len() as f64;
        let mean = items.iter().sum::<i64>() as f64 / n;
        let var = items.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / n;
        for (name, got) in everywhere(&bag.mean()) {
            let got = got.unwrap();
            prop_assert_eq!(got.is_some(), !items.is_empty(), "{}", name);
            prop_assert!(got.is_none_or(|m| (m - mean).abs() < 1e-9));
        }
        for (_, got) in everywhere(&bag.var(0)) {
            prop_assert!(got.unwrap().is_none_or(|v| (v - var).abs() < 1e-9 * var.max(1.0)));
        }
    }

    #[test]
    fn take_gives_the_first(parts in parts(), n in 0usize..30) {
        let items = parts.concat();
        for (_, session) in sessions() {
            let got = Bag::from_partitions(parts.clone()).take_in(n, &session).unwrap();
            prop_assert_eq!(&got[..], &items[..n.min(items.len())]);
        }
    }
}

#[test]
fn sequences_are_collected_and_texts_are_strings() {
    let texts = Bag::from_iter(["a", "b", "a"]);
    let counts = texts.frequencies().reference().unwrap();
    assert_eq!(counts, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    let owned: Bag<String> = "x y z".split(' ').collect();
    assert_eq!(
        (owned.npartitions(), owned.reference().unwrap().len()),
        (3, 3)
    );
    let numbers: Bag<f64> = (0..1000).map(f64::from).collect();
    assert_eq!(
        (numbers.npartitions(), numbers.sum().reference().unwrap()),
        (16, 499_500.0)
    );
    assert_eq!(Bag::from_iter(0..10i64).sum().reference().unwrap(), 45);
    assert_eq!(Bag::from_iter([0u8; 0]).count().reference().unwrap(), 0);
}

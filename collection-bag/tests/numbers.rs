//! Sums and moments: the exact value rounded once, whatever the order and the partitions.

mod support;

use kvern_bag::{Bag, Item, Portable};
use support::everywhere;

const INF: f64 = f64::INFINITY;

struct Case {
    xs: Vec<f64>,
    /// Sum, mean, variance, deviation, variance of a sample.
    answers: Vec<f64>,
}

/// What `tests/data/moments.py` has recorded.
fn recorded() -> Vec<Case> {
    let numbers = |text: &str| -> Vec<f64> {
        let words = text.split_whitespace();
        words
            .map(|w| f64::from_bits(u64::from_str_radix(w, 16).unwrap()))
            .collect()
    };
    let lines = include_str!("data/moments.txt").lines();
    lines
        .map(|line| {
            let (xs, answers) = line.split_once('|').unwrap();
            Case {
                xs: numbers(xs),
                answers: numbers(answers),
            }
        })
        .collect()
}

/// Some orders of the same items.
fn orders(xs: &[f64]) -> Vec<Vec<f64>> {
    let mut all = vec![xs.to_vec()];
    let mut turned = xs.to_vec();
    turned.reverse();
    all.push(turned);
    let mut sorted = xs.to_vec();
    sorted.sort_by(f64::total_cmp);
    all.push(sorted);
    let mut rotated = xs.to_vec();
    rotated.rotate_left(xs.len() / 2);
    all.push(rotated);
    all
}

fn value<A: Portable>(item: &Item<A>) -> A {
    item.reference().unwrap()
}

/// NaN is NaN, and everything else the same to the bit.
fn same(got: f64, want: f64) -> bool {
    got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan())
}

#[test]
fn moments_are_the_exact_ones_rounded_once() {
    let cases = recorded();
    assert_eq!(cases.len(), 400);
    for case in cases {
        let xs = &case.xs;
        for order in orders(xs) {
            for parts in [1, 2, 5] {
                let bag = Bag::from_sequence(order.clone(), parts);
                let got = [
                    value(&bag.sum()),
                    value(&bag.mean()).unwrap(),
                    value(&bag.var(0)).unwrap(),
                    value(&bag.std(0)).unwrap(),
                    value(&bag.var(1)).unwrap_or(f64::NAN),
                ];
                for (i, (&got, &want)) in got.iter().zip(&case.answers).enumerate() {
                    // The root is that of the rounded mantissa: a last place.
                    let near = i == 3 && (got - want).abs() <= want * 2.3e-16;
                    assert!(
                        same(got, want) || near,
                        "answer {i} of {xs:?} in {parts}: {got:e}, not {want:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_does_not_depend_on_the_order() {
    for (xs, mean) in [
        (vec![INF, 1.0], INF),
        (vec![1.0, 2.0, INF, 3.0], INF),
        (vec![-INF, -INF, 5.0], -INF),
        (vec![INF, 1.0, -INF], f64::NAN),
        (vec![1.0, f64::NAN, INF], f64::NAN),
        (vec![1e308, -1e308], 0.0),
        (vec![1e308, 1e308], 1e308),
    ] {
        for order in orders(&xs) {
            for parts in [1, 2, 4] {
                let bag = Bag::from_sequence(order.clone(), parts);
                for (name, got) in everywhere(&bag.mean()) {
                    let got = got.unwrap().unwrap();
                    assert!(same(got, mean), "{name}: mean of {order:?} is {got}");
                }
                let sum = value(&bag.sum());
                let want = if xs == [1e308, 1e308] { INF } else { mean };
                assert!(same(sum, want), "sum of {order:?} is {sum}");
                let var = value(&bag.var(0)).unwrap();
                let finite = xs.iter().all(|x| x.is_finite());
                assert_eq!(var.is_nan(), !finite, "var of {order:?} is {var}");
                let narrow = bag.map(|x| x as f32);
                if !finite {
                    assert!(same(value(&narrow.mean()).unwrap(), mean));
                }
            }
        }
    }
    // NumPy's variance of these is infinite, its root too: no float is large enough for the squares.
    let far = Bag::from_sequence([1e200, -1e200], 2);
    assert_eq!(value(&far.var(0)), Some(INF));
    assert_eq!(value(&far.std(0)), Some(1e200));
    assert_eq!(value(&Bag::from_sequence([-0.0f64], 1).sum()).to_bits(), 0);
    assert_eq!(value(&Bag::<f64>::from_sequence([], 3).sum()), 0.0);
    assert_eq!(value(&Bag::from_sequence([3.0], 1).var(1)), None);
}

#[test]
fn sums_of_integers_are_in_128_bits() {
    let lists = [
        vec![i64::MAX, 1, -2],
        vec![1, i64::MAX, -2],
        vec![i64::MIN, -1, i64::MAX, 2],
    ];
    for xs in lists {
        let want = xs.iter().map(|&x| i128::from(x)).sum::<i128>() as i64;
        for parts in 1..=4 {
            for (name, got) in everywhere(&Bag::from_sequence(xs.clone(), parts).sum()) {
                assert_eq!(got.unwrap(), want, "{name}: {xs:?} in {parts}");
            }
        }
    }
    for parts in 1..=3 {
        let e = Bag::from_sequence([i64::MAX, 1], parts).sum().reference();
        let words = e.unwrap_err().to_string();
        assert!(
            words.contains("9223372036854775808 does not fit a i64"),
            "{words}"
        );
        let e = Bag::from_sequence([u64::MAX, 1], parts).sum().reference();
        assert!(e.unwrap_err().to_string().contains("18446744073709551616"));
    }
    // Beyond 2^53, where floats have gaps.
    let big = Bag::from_sequence([i64::MAX, i64::MAX - 2, i64::MAX - 4], 2);
    assert_eq!(value(&big.mean()), Some((i64::MAX - 2) as f64));
    assert_eq!(value(&big.var(0)), Some(8.0 / 3.0));
    let big = Bag::from_sequence([u64::MAX, u64::MAX - 1], 2);
    assert_eq!(value(&big.var(0)), Some(0.25));
    assert_eq!(
        value(&Bag::from_sequence([i64::MIN], 1).mean()),
        Some(-(2f64.powi(63)))
    );
    assert_eq!(value(&Bag::from_sequence([-3i8, 4], 1).mean()), Some(0.5));
}

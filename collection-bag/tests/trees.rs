//! Random trees of chains over one bag, several results of which are wanted in one run: the answers of plain lists, and one call of each function
//! for each item.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kvern_bag::Bag;
use proptest::prelude::*;
use support::sessions;

/// A tree of chains over one bag: what each result is made of.
#[derive(Debug, Clone)]
enum Grow {
    Map(i64),
    Keep(i64),
    Repeat,
    Pull,
    End(u8),
    Fork(Vec<Self>, Vec<Self>),
}

fn chain(depth: u32) -> BoxedStrategy<Vec<Grow>> {
    let step = prop_oneof![
        (-5i64..5).prop_map(Grow::Map),
        (2i64..5).prop_map(Grow::Keep),
        Just(Grow::Repeat),
        Just(Grow::Pull),
        (0u8..4).prop_map(Grow::End),
    ];
    let steps = prop::collection::vec(step, 0..4);
    if depth == 0 {
        return steps.boxed();
    }
    (
        steps,
        prop::option::of((chain(depth - 1), chain(depth - 1))),
    )
        .prop_map(|(mut steps, fork)| {
            steps.extend(fork.map(|(a, b)| Grow::Fork(a, b)));
            steps
        })
        .boxed()
}

/// Results as bags of one list, the same of plain lists, and calls of maps that there must be.
fn grow(
    bag: &Bag<i64>,
    list: &[i64],
    steps: &[Grow],
    calls: &Arc<AtomicU64>,
    out: &mut Vec<(Bag<i64>, Vec<i64>)>,
) -> u64 {
    let (mut bag, mut list, mut want) = (bag.clone(), list.to_vec(), 0);
    // Calls that are made only if somebody wants what comes after them.
    let mut pending = 0;
    for step in steps {
        match step {
            Grow::Map(k) => {
                let (k, calls) = (*k, calls.clone());
                pending += list.len() as u64;
                bag = bag.map(move |x| {
                    calls.fetch_add(1, Ordering::Relaxed);
                    x + k
                });
                list.iter_mut().for_each(|x| *x += k);
            }
            Grow::Keep(k) => {
                let k = *k;
                bag = bag.filter(move |x| x % k != 0);
                list.retain(|x| x % k != 0);
            }
            Grow::Repeat => {
                bag = bag.flat_map(|x| [x, x + 1]);
                list = list.iter().flat_map(|&x| [x, x + 1]).collect();
            }
            Grow::Pull => {
                bag = bag.map_partitions(|items| items.map(|x| x * 2));
                list.iter_mut().for_each(|x| *x *= 2);
            }
            Grow::End(kind) => {
                want += std::mem::take(&mut pending);
                out.push(match kind {
                    0 => (bag.clone(), list.clone()),
                    1 => {
                        let sum = bag.reduction(|i| i.sum(), |s: Vec<i64>| s.iter().sum::<i64>());
                        let sum = Bag::from_delayed(&[kvern_core::delayed(|s: &i64| vec![*s])
                            .call((&sum.to_delayed().unwrap(),))]);
                        (sum.unwrap(), vec![list.iter().sum()])
                    }
                    2 => (bag.repartition(3), list.clone()),
                    _ => {
                        let mut all: Vec<i64> = Vec::new();
                        list.iter().for_each(|x| {
                            if !all.contains(x) {
                                all.push(*x);
                            }
                        });
                        (bag.distinct(), all)
                    }
                });
            }
            Grow::Fork(a, b) => {
                let before = out.len();
                want += grow(&bag, &list, a, calls, out);
                want += grow(&bag, &list, b, calls, out);
                if out.len() > before {
                    want += std::mem::take(&mut pending);
                }
            }
        }
    }
    want
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn trees_of_chains_call_each_function_once(
        parts in prop::collection::vec(prop::collection::vec(-20i64..20, 0..8), 1..4),
        steps in chain(3),
    ) {
        let calls = Arc::new(AtomicU64::new(0));
        let mut results = Vec::new();
        let list = parts.concat();
        let bag = Bag::from_partitions(parts);
        let want = grow(&bag, &list, &steps, &calls, &mut results);
        let (bags, lists): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        for (name, session) in sessions() {
            let got = session.compute(&bags).unwrap();
            prop_assert_eq!(&got, &lists, "{}", name);
            prop_assert_eq!(calls.swap(0, Ordering::Relaxed), want, "{}", name);
        }
    }
}

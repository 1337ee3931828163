//! Chains in other processes: this test program starts itself again, hands it graphs as bytes, and reads what they give.

mod support;

use std::process::Command;

use kvern_bag::{Bag, Item, OnBad, Portable, TextOptions, concat, read_json_with, read_text};
use kvern_core::{Collection, ErrorKind, Graph, Registry, TaskGraph, delayed, reference};
use serde::{Deserialize, Serialize};
use support::{folder, write};

const GRAPH: &str = "KVERN_TEST_GRAPH";
const CHILD: &str = "child_runs_the_graph";

/// What another process of this build makes of it, decoded here.
fn elsewhere<C: Collection>(what: &C) -> Result<C::Output, String> {
    let graph = Graph::new(&what.roots().unwrap());
    let bytes = graph.encode().map_err(|e| e.to_string())?;
    Ok(what.finish(run_elsewhere(&bytes)?).unwrap())
}

/// The values that another process of this build makes of a graph.
fn run_elsewhere(bytes: &[u8]) -> Result<Vec<kvern_core::Value>, String> {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        // It may have been started anywhere: here so deep that a name from this folder leads to nothing.
        .current_dir(std::env::current_dir().unwrap().join("tests"))
        .env(GRAPH, hex(bytes))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let all = |mark: &str| -> Vec<String> {
        let parts = text.lines().filter_map(|l| l.split_once(mark));
        parts.map(|p| p.1.to_owned()).collect()
    };
    if let Some(e) = all("<<error>>").pop() {
        return Err(e);
    }
    let registry = Registry::linked().unwrap();
    let values = all("<<value>>");
    assert!(!values.is_empty(), "the child said nothing: {text}");
    let values = values.iter().map(|v| registry.decode(&unhex(v)).unwrap());
    Ok(values.collect())
}

/// What another process makes of several results of one run, for which what they share is run once.
fn planned_elsewhere<C: Collection>(what: &[C]) -> Vec<C::Output> {
    let registry = std::sync::Arc::new(Registry::linked().unwrap());
    let roots: Vec<_> = what.iter().flat_map(|c| c.roots().unwrap()).collect();
    let plan = kvern_core::Plan::new(Graph::new(&roots), registry, Default::default()).unwrap();
    let values = run_elsewhere(&plan.graph().encode().unwrap()).unwrap();
    let mut values = values.into_iter();
    what.iter()
        .map(|c| {
            let n = c.outputs().unwrap();
            c.finish(values.by_ref().take(n).collect()).unwrap()
        })
        .collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let bytes = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16));
    bytes.collect::<Result<_, _>>().unwrap()
}

#[test]
fn child_runs_the_graph() {
    let Ok(hex) = std::env::var(GRAPH) else {
        return;
    };
    let run = || -> kvern_core::Result<Vec<String>> {
        let registry = Registry::linked()?;
        let graph = Graph::decode(&unhex(&hex), &registry)?;
        graph.check(&registry)?;
        let values = reference::run(&TaskGraph::expand(&graph)?, &registry)?;
        let encoded = values.iter().map(|v| {
            let mut bytes = Vec::new();
            registry.encode(v, &mut bytes)?;
            Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
        });
        encoded.collect()
    };
    match run() {
        Ok(values) => values.iter().for_each(|v| println!("<<value>>{v}")),
        Err(e) => println!("<<error>>{e}"),
    }
}

/// Here and there it is the same.
fn same<T: Portable + PartialEq + std::fmt::Debug>(bag: &Bag<T>) {
    assert_eq!(elsewhere(bag).unwrap(), bag.reference().unwrap());
}

fn same_item<A: Portable + PartialEq + std::fmt::Debug>(item: &Item<A>) {
    assert_eq!(elsewhere(item).unwrap(), item.reference().unwrap());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Record {
    Named { name: String },
    Number(i64),
}

#[test]
fn chains_of_marked_functions_run_in_another_process() {
    let numbers = Bag::range(20, 3)
        .map(|x: u64| x as i64 - 5)
        .filter(|x: &i64| x % 3 != 0)
        .map_with(&7i64, |k: &i64, x: i64| x * k)
        .filter_with(&50i64, |most: &i64, x: &i64| x <= most);
    same(&numbers);
    same(&numbers.flat_map(|x: i64| vec![x, -x]));
    same(&numbers.map(|x: i64| vec![x]).flatten());
    same(&numbers.map_partitions(|items: kvern_bag::Items<i64>| items.step_by(2)));
    same(&concat(&[numbers.clone(), numbers.repartition(2)]));
    same_item(&numbers.sum());
    same_item(&numbers.mean());
    same_item(&numbers.count());
    let fold = numbers.fold(0, |a: i64, x: i64| a.max(x), |a: i64, b: i64| a.max(b));
    same_item(&fold);
    let by = numbers.foldby(
        |x: &i64| x % 4,
        Some(0i64),
        |n: Option<i64>, x: i64| n.map(|n| n + x),
        |a: Option<i64>, b: Option<i64>| a.zip(b).map(|(a, b)| a + b),
    );
    same(&by);
    same(&numbers.groupby(3, |x: &i64| x % 4));
    same(&numbers.map(|x: i64| format!("{x}")).frequencies_into(2));
    same(&by.topk_by_key(2, |p: &(i64, Option<i64>)| p.1));
}

#[test]
fn every_function_of_a_bag_travels() {
    let made = Bag::from_fn(3, |i: usize| 0..=i as i64);
    same(&made);
    let numbers = made.try_map(|x: i64| -> Result<i64, String> {
        x.checked_mul(10).ok_or_else(|| "too large".to_owned())
    });
    same(&numbers);
    let longest = numbers.reduction(
        |items: kvern_bag::Items<i64>| items.count() as u64,
        |counts: Vec<u64>| counts.into_iter().max().unwrap_or(0),
    );
    assert_eq!(elsewhere(&longest).unwrap(), 3);
    same_item(&longest);
    same_item(&numbers.any(|x: &i64| *x == 20));
    same_item(&numbers.all(|x: &i64| *x < 20));
    same(&numbers.topk_by(2, |a: &i64, b: &i64| b.cmp(a)));
    same(&numbers.foldby_into(
        2,
        |x: &i64| x % 3,
        0i64,
        |n: i64, x: i64| n + x,
        |a: i64, b: i64| a + b,
    ));
    let records = numbers.map(|x: i64| serde_json::json!({"x": x}));
    same(&records.pluck_or("y", &serde_json::json!([1])));
}

#[test]
fn every_function_of_text_travels() {
    fn fields(line: &str) -> std::str::Split<'_, char> {
        line.split(',')
    }
    let folder = folder();
    let text = read_text(write(&folder, "t.txt", "a,1\nb,22\na,333\n")).unwrap();
    same(&text.flat_map(fields).strings());
    let keys = text.emit(|line: &str, out: &mut dyn FnMut(&str)| {
        if let Some((key, _)) = line.split_once(',') {
            out(key);
        }
    });
    same(&keys.strings());
    same(&text.map_with(&2usize, |k: &usize, l: &str| l.len() * k));
    same(
        &text.try_map(|l: &str| -> Result<i64, std::num::ParseIntError> { l[2..].parse::<i64>() }),
    );
    same_item(&text.fold(
        0,
        |n: u64, l: &str| n + l.len() as u64,
        |a: u64, b: u64| a + b,
    ));
    same(&text.foldby(
        |l: &str| l[..1].to_owned(),
        0,
        |n: u64, l: &str| n + l.len() as u64,
        |a: u64, b: u64| a + b,
    ));
}

#[test]
fn a_reduction_of_which_one_function_captures_stays_and_says_so() {
    let k = std::hint::black_box(3u64);
    let stays = Bag::range(5, 2).reduction(
        |items: kvern_bag::Items<u64>| items.sum::<u64>(),
        move |sums: Vec<u64>| sums.iter().sum::<u64>() + k,
    );
    let e = elsewhere(&stays).unwrap_err();
    assert!(e.contains("reduction captures 8 bytes"), "{e}");
}

#[test]
fn files_are_read_there() {
    let folder = folder();
    let path = write(&folder, "t.txt", "to be or not\nto be\n");
    let text = read_text(&path).unwrap();
    same(&text.words().frequencies().topk(2));
    // Which partition a word belongs to is the same there.
    for (here, i) in text
        .words()
        .frequencies_into(3)
        .to_delayed()
        .unwrap()
        .iter()
        .zip(0..)
    {
        assert_eq!(
            elsewhere(here).unwrap(),
            here.reference().unwrap(),
            "partition {i}"
        );
    }
    same(&text.filter(|l: &str| l.contains("not")).words().distinct());
    same(&text.map(|l: &str| l.len()));
    let path = write(&folder, "r.jsonl", "{\"name\": \"a\"}\n5\nbad\n");
    let records = read_json_with::<Record>(&path, &TextOptions::new(), OnBad::Skip).unwrap();
    let (items, skipped) = elsewhere(&records.with_skipped()).unwrap();
    assert_eq!((items.len(), skipped.records()), (2, 1));
    let values = records.map(|r: Record| serde_json::json!({"r": r}));
    same(&values.pluck("r"));
    std::fs::remove_file(folder.path().join("t.txt")).unwrap();
    let e = elsewhere(&text.count()).unwrap_err();
    assert!(e.contains("t.txt"), "{e}");
}

#[test]
#[cfg(unix)]
fn files_are_found_from_another_folder() {
    let folder = folder();
    write(&folder, "a.txt", "a\n");
    let b = write(&folder, "b[1].txt", "b\n");
    for named in [folder.path().join("*.txt"), b] {
        let named = support::from_here(&named);
        assert!(named.is_relative());
        let text = read_text(&named).unwrap();
        assert_eq!(elsewhere(&text).unwrap(), text.reference().unwrap());
    }
}

#[test]
fn forks_and_long_chains_travel() {
    let bag = Bag::range(40, 3).map(|x: u64| x % 7);
    let forked = [
        bag.frequencies().map(|p: (u64, u64)| p.0 * p.1),
        bag.filter(|x: &u64| x.is_multiple_of(2)),
        bag.zip(&bag.map(|x: u64| x + 1))
            .unwrap()
            .map(|p: (u64, u64)| p.1 - p.0),
    ];
    let here: Vec<Vec<u64>> = forked.iter().map(|b| b.reference().unwrap()).collect();
    assert_eq!(planned_elsewhere(&forked), here);
    let plus = |x: u64| x + 1;
    let mut long = bag;
    for _ in 0..1000 {
        long = long.map(plus);
    }
    same_item(&long.sum());
    let folder = folder();
    let lines = read_text(write(&folder, "t.txt", "a b\nc\n")).unwrap();
    let some = lines.filter(|l: &str| l.len() > 1);
    let several = [some.strings(), some.words().strings()];
    assert_eq!(
        planned_elsewhere(&several),
        [vec!["a b".to_owned()], vec!["a".into(), "b".into()]]
    );
}

#[test]
fn a_closure_that_captures_stays_and_says_so() {
    let k = std::hint::black_box(3u64);
    let bag = Bag::range(5, 2).map(move |x| x + k);
    let e = Graph::new(&bag.roots().unwrap()).encode().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotPortable);
    let words = e.to_string();
    assert!(
        words.contains("captures 8 bytes") && words.contains("bag.range.map"),
        "{words}"
    );
    assert!(words.contains("threads://"), "{words}");
}

#[test]
fn equal_chains_are_one_and_changed_files_are_others() {
    let chain = || Bag::range(9, 3).map(|x: u64| x * 2);
    let key = |bag: &Bag<u64>| bag.roots().unwrap()[0].layer.key();
    let (a, b) = (chain(), chain());
    assert_ne!(key(&a), key(&a.map(|x: u64| x)));
    // A function may draw random numbers: chains that are built apart are apart.
    assert_ne!(key(&a), key(&b));
    assert_eq!(key(&a), key(&a.clone()));
    assert_eq!(key(&Bag::range(9, 3)), key(&Bag::range(9, 3)));
    assert_eq!(a.reference().unwrap(), b.reference().unwrap());
    let folder = folder();
    let path = write(&folder, "t.txt", "a\n");
    let before = read_text(&path).unwrap().words().frequencies();
    let again = read_text(&path).unwrap().words().frequencies();
    let key = |bag: &Bag<(String, u64)>| bag.roots().unwrap()[0].layer.inputs()[0].key();
    assert_eq!(key(&before), key(&again));
    write(&folder, "t.txt", "a b\n");
    let after = read_text(&path).unwrap().words().frequencies();
    assert_ne!(key(&before), key(&after));
}

#[test]
fn delayed_and_bags_cross_over() {
    let load = delayed(|n: &u64| (0..*n).collect::<Vec<u64>>());
    let lists: Vec<_> = (1..4u64).map(|n| load.call((n,))).collect();
    let bag = Bag::from_delayed(&lists).unwrap().map(|x: u64| x + 1);
    assert_eq!(bag.reference().unwrap(), [1, 1, 2, 1, 2, 3]);
    same(&bag);
    let parts = bag.to_delayed().unwrap();
    assert_eq!(parts[2].reference().unwrap(), [1, 2, 3]);
    assert_eq!(elsewhere(&parts[1]).unwrap(), [1, 2]);
    assert!(Bag::<u64>::from_delayed(&[]).is_err());
    let twice = delayed(|s: &u64| s * 2).call((&bag.sum().to_delayed().unwrap(),));
    assert_eq!(elsewhere(&twice).unwrap(), 20);
}

//! `PARITY.md` is true: what it names is called here, and what is called here is named there.

mod support;

use std::collections::BTreeSet;

use kvern_bag::{Bag, Compression, Item, Text, TextOptions, concat, read_text, read_text_with};
use kvern_core::{Delayed, Result, Session};

/// Names paths and proves, by compiling, that they can be called.
macro_rules! called {
    ($($path:literal: $call:expr;)*) => {
        fn paths() -> BTreeSet<String> {
            $(let _ = $call;)*
            BTreeSet::from([$($path.to_owned()),*])
        }
    };
}

type B = Bag<i64>;
type J = Bag<serde_json::Value>;

called! {
    "Bag": |b: B| b;
    "Text": |t: Text| t;
    "concat": |b: &[B]| -> B { concat(b) };
    "read_text": |p: &str| -> Result<Text> { read_text(p) };
    "read_text_with": |p: &str| -> Result<Text> { read_text_with(p, &TextOptions::new()) };
    "Bag::from_sequence": |v: Vec<i64>| -> B { Bag::from_sequence(v, 2) };
    "Bag::from_delayed": |d: &[Delayed<Vec<i64>>]| -> Result<B> { Bag::from_delayed(d) };
    "Bag::range": || -> Bag<u64> { Bag::range(3, 1) };
    "Bag::map": |b: B| -> Bag<String> { b.map(|x| x.to_string()) };
    "Bag::map_with": |b: B| -> B { b.map_with(&3i64, |k: &i64, x| x * k) };
    "Bag::try_map": |b: B| -> Bag<u8> { b.try_map(u8::try_from) };
    "Bag::filter": |b: B| -> B { b.filter(|x| *x > 0) };
    "Bag::filter_with": |b: B| -> B { b.filter_with(&3i64, |k: &i64, x| x > k) };
    "Bag::map_partitions": |b: B| -> B { b.map_partitions(|i| i.skip(1)) };
    "Bag::fold": |b: B| -> Item<i64> { b.fold(0, |a, x| a + x, |a, b| a + b) };
    "Bag::foldby": |b: B| -> Bag<(bool, i64)> { b.foldby(|x| *x > 0, 0, |a, x| a + x, |a, b| a + b) };
    "Bag::groupby": |b: B| -> Bag<(i64, Vec<i64>)> { b.groupby(4, |x| x % 10) };
    "Bag::foldby_into": |b: B| -> Bag<(bool, i64)> { b.foldby_into(2, |x| *x > 0, 0, |a, x| a + x, |a, b| a + b) };
    "Bag::frequencies_into": |b: B| -> Bag<(i64, u64)> { b.frequencies_into(2) };
    "Bag::distinct_into": |b: B| -> B { b.distinct_into(2) };
    "Text::frequencies_into": |t: Text| -> Bag<(String, u64)> { t.frequencies_into(2) };
    "Bag::frequencies": |b: B| -> Bag<(i64, u64)> { b.frequencies() };
    "Bag::take": |b: B| -> Result<Vec<i64>> { b.take(3) };
    "Bag::take_in": |b: B, s: &Session| -> Result<Vec<i64>> { b.take_in(3, s) };
    "Bag::count": |b: B| -> Item<u64> { b.count() };
    "Bag::sum": |b: B| -> Item<i64> { b.sum() };
    "Bag::pluck": |b: J| -> J { b.pluck("x") };
    "Bag::pluck_or": |b: J| -> J { b.pluck_or("x", &serde_json::Value::Null) };
    "Bag::compute": |b: B| -> Result<Vec<i64>> { b.compute() };
    "Bag::compute_in": |b: B, s: &Session| -> Result<Vec<i64>> { b.compute_in(s) };
    "Session::compute": |b: B, s: &Session| -> Result<(Vec<i64>, u64)> { s.compute((&b, &b.count())) };
    "Bag::flatten": |b: Bag<Vec<i64>>| -> B { b.flatten() };
    "Bag::flat_map": |b: B| -> B { b.flat_map(|x| 0..x) };
    "Bag::distinct": |b: B| -> B { b.distinct() };
    "Bag::topk": |b: B| -> B { b.topk(3) };
    "Bag::topk_by": |b: Bag<f64>| -> Bag<f64> { b.topk_by(3, f64::total_cmp) };
    "Bag::topk_by_key": |b: B| -> B { b.topk_by_key(3, |x| -x) };
    "Bag::reduction": |b: B| -> Item<usize> { b.reduction(|i| i.count(), |v| v.into_iter().sum()) };
    "Bag::repartition": |b: B| -> B { b.repartition(3) };
    "Bag::zip": |b: B| -> Result<Bag<(i64, i64)>> { b.zip(&b) };
    "Bag::write_text": |b: B| b.write_text("x", Compression::None);
    "Bag::write_text_in": |b: B, s: &Session| b.write_text_in("x", Compression::None, s);
    "Bag::write_jsonl": |b: B| b.write_jsonl("x", Compression::None);
    "Bag::to_delayed": |b: B| -> Result<Vec<Delayed<Vec<i64>>>> { b.to_delayed() };
    "Item::to_delayed": |i: Item<u64>| -> Result<Delayed<u64>> { i.to_delayed() };
    "Bag::persist": |b: B| -> Result<B> { b.persist() };
    "Bag::persist_in": |b: B, s: &Session| -> Result<B> { b.persist_in(s) };
    "Bag::max": |b: B| -> Item<Option<i64>> { b.max() };
    "Bag::min": |b: B| -> Item<Option<i64>> { b.min() };
    "Bag::mean": |b: B| -> Item<Option<f64>> { b.mean() };
    "Bag::std": |b: B| -> Item<Option<f64>> { b.std(1) };
    "Bag::var": |b: B| -> Item<Option<f64>> { b.var(1) };
    "Bag::any": |b: B| -> Item<bool> { b.any(|x| *x > 0) };
    "Bag::all": |b: B| -> Item<bool> { b.all(|x| *x > 0) };
    "Bag::visualize": |b: B| b.visualize("x.svg");
    "Bag::explain": |b: B| -> Result<String> { b.explain() };
    "Text::words": |t: Text| -> Text { t.words() };
    "Text::map": |t: Text| -> Bag<usize> { t.map(str::len) };
    "Text::filter": |t: Text| -> Text { t.filter(|s| s.is_empty()) };
    "Text::flat_map": |t: Text| -> Text { t.flat_map(str::split_whitespace) };
    "Text::emit": |t: Text| -> Text { t.emit(|s, out| out(s)) };
    "Text::fold": |t: Text| -> Item<usize> { t.fold(0, |n, s| n + s.len(), |a, b| a + b) };
    "Text::foldby": |t: Text| -> Bag<(usize, u64)> { t.foldby(str::len, 0u64, |n, _| n + 1, |a, b| a + b) };
    "Text::frequencies": |t: Text| -> Bag<(String, u64)> { t.frequencies() };
    "Text::take": |t: Text| -> Result<Vec<String>> { t.take(1) };
    "Text::count": |t: Text| -> Item<u64> { t.count() };
    "Text::distinct": |t: Text| -> Bag<String> { t.distinct() };
}

/// The rows of the tables: Dask's name, how much it is used, and the words of the third column.
fn rows() -> Vec<(String, String, String)> {
    let text = include_str!("../PARITY.md");
    let rows = text
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| Dask") && !l.starts_with("| ---"));
    rows.map(|row| {
        let row = row.replace("\\|", "\u{0}");
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        (
            cells[0].to_owned(),
            cells[1].to_owned(),
            cells[2].to_owned(),
        )
    })
    .collect()
}

#[test]
fn the_table_names_what_there_is() {
    let mut named = BTreeSet::new();
    for (_, _, here) in rows() {
        // Every second piece is between backticks.
        for path in here.split('`').skip(1).step_by(2) {
            let is_path = path
                .chars()
                .all(|c| c.is_alphanumeric() || c == ':' || c == '_');
            let is_text = matches!(path, "map" | "str");
            if is_path && !is_text {
                named.insert(path.to_owned());
            }
        }
    }
    assert_eq!(named, paths());
}

#[test]
fn all_names_of_dask_are_in_it() {
    let rows = rows();
    let of = |what: &str| rows.iter().filter(|r| r.1 == what).count();
    // As counted in Dask's documentation: 13 functions and 38 methods.
    assert_eq!((rows.len(), of("core")), (51, 18));
    let missing = rows
        .iter()
        .filter(|r| r.1 == "core" && r.2.starts_with("not yet"))
        .count();
    let said = format!("Of the 18 core names {} are there.", 18 - missing);
    assert!(include_str!("../PARITY.md").contains(&said), "{said}");
}

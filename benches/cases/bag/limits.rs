//! The same answers by a loop over rayon, as somebody would write it by hand who takes care of speed: each file read at once, words
//! borrowed from it, one map a file, maps merged.

use std::collections::HashMap;
use std::fs;
use std::hash::Hash;
use std::path::Path;

use rayon::prelude::*;

use super::cases::{Sale, first_two, least};
use super::data;
use crate::catalog::Outcome;
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;

/// A map with the hash that hand-written programs use for short keys.
type Map<K, V> = HashMap<K, V, rustc_hash::FxBuildHasher>;

/// Times one answer from all files, each made into a map by `one`.
fn time<K: Eq + Hash + Send, V: Send>(
    options: &Options,
    folder: &Path,
    one: impl Fn(String) -> Map<K, V> + Sync,
    add: impl Fn(&mut V, V) + Sync,
    check: impl Fn(Map<K, V>) -> String,
) -> Outcome {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    let files = data::files(folder)?;
    let mb = data::bytes(&files)? / 1_000_000;
    let mut found = String::new();
    let timing = measure(options, 5, || -> Result<f64, Box<dyn std::error::Error>> {
        let (seconds, answer) = clock(|| {
            let merged = pool.install(|| {
                files
                    .par_iter()
                    .map(|f| Ok(one(fs::read_to_string(f)?)))
                    .try_reduce(Map::default, |mut a, b| {
                        for (k, v) in b {
                            match a.entry(k) {
                                std::collections::hash_map::Entry::Occupied(mut e) => {
                                    add(e.get_mut(), v);
                                }
                                std::collections::hash_map::Entry::Vacant(e) => {
                                    e.insert(v);
                                }
                            }
                        }
                        Ok::<_, std::io::Error>(a)
                    })
            });
            merged.map(&check)
        });
        found = answer?;
        Ok(seconds)
    })?;
    let record = Record::new(timing, format!("{mb} MB, 2 threads"));
    Ok(vec![record.units(mb.max(1), "MB").check(found)])
}

pub(super) fn wordcount(options: &Options) -> Outcome {
    let folder = data::text(options)?;
    let count = |text: String| {
        let mut counts: Map<&str, u64> = Map::default();
        for word in text.split_ascii_whitespace() {
            *counts.entry(word).or_default() += 1;
        }
        let owned = counts.into_iter();
        owned.map(|(w, n)| (w.to_owned(), n)).collect()
    };
    let top = |counts: Map<String, u64>| {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|pair| std::cmp::Reverse(pair.1));
        first_two(&counts)
    };
    time(options, &folder, count, |a, b| *a += b, top)
}

fn records(text: &str) -> impl Iterator<Item = Sale> {
    text.lines()
        .filter_map(|line| serde_json::from_str::<Sale>(line).ok())
        .filter(|s| s.age > 30)
}

pub(super) fn foldby(options: &Options) -> Outcome {
    let folder = data::json(options)?;
    let sums = |text: String| {
        let mut sums: Map<String, f64> = Map::default();
        for s in records(&text) {
            *sums.entry(s.city).or_default() += s.amount;
        }
        sums
    };
    let top = |sums: Map<String, f64>| {
        let top = sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        top.map_or_else(String::new, |(city, sum)| format!("{city} {sum:.2}"))
    };
    time(options, &folder, sums, |a, b| *a += b, top)
}

pub(super) fn pluck(options: &Options) -> Outcome {
    let folder = data::json(options)?;
    let names = |text: String| {
        let mut names: Map<String, u64> = Map::default();
        for s in records(&text) {
            *names.entry(s.name).or_default() += 1;
        }
        names
    };
    let first = |names: Map<String, u64>| least(&names.into_iter().collect::<Vec<_>>());
    time(options, &folder, names, |a, b| *a += b, first)
}

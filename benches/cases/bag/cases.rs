//! kvern's side of the bag cases. The bag is described anew in each run, inside the clock, as the peers do.

use std::path::Path;

use kvern::bag::{read_json, read_text};
use kvern_core::{Result, Session};
use serde::{Deserialize, Serialize};

use super::{data, session};
use crate::catalog::Outcome;
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;

/// Times one answer over the files of a folder.
fn time<T>(
    options: &Options,
    (folder, detail): (&Path, &str),
    answer: impl Fn(&Path, &Session) -> Result<T>,
    check: impl Fn(&T) -> String,
) -> Outcome {
    let session = session()?;
    let bytes = data::bytes(&data::files(folder)?)?;
    let mut found = None;
    let timing = measure(options, 5, || -> Result<f64> {
        let (seconds, result) = clock(|| answer(folder, &session));
        found = Some(result?);
        Ok(seconds)
    })?;
    let mb = bytes / 1_000_000;
    let check = found.as_ref().map(check).unwrap_or_default();
    let record = Record::new(timing, format!("{mb} MB, {detail}"));
    Ok(vec![record.units(mb.max(1), "MB").check(check)])
}

/// The first two, as the peers print them.
pub(super) fn first_two(top: &[(String, u64)]) -> String {
    let shown: Vec<_> = top
        .iter()
        .take(2)
        .map(|(w, n)| format!("('{w}', {n})"))
        .collect();
    format!("[{}]", shown.join(", "))
}

pub(super) fn wordcount(options: &Options) -> Outcome {
    let folder = data::text(options)?;
    let count = |folder: &Path, session: &Session| {
        read_text(folder.join("*.txt"))?
            .words()
            .frequencies()
            .topk_by_key(10, |pair| pair.1)
            .compute_in(session)
    };
    time(options, (&folder, "16 files"), count, |top| first_two(top))
}

pub(super) fn wordcount_strings(options: &Options) -> Outcome {
    let folder = data::text(options)?;
    let count = |folder: &Path, session: &Session| {
        read_text(folder.join("*.txt"))?
            .words()
            .strings()
            .frequencies()
            .topk_by_key(10, |pair| pair.1)
            .compute_in(session)
    };
    time(
        options,
        (&folder, "16 files, a String a word"),
        count,
        |top| first_two(top),
    )
}

/// What the cases ask of a record.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Sale {
    pub(super) name: String,
    pub(super) city: String,
    pub(super) age: u32,
    pub(super) amount: f64,
}

pub(super) fn foldby(options: &Options) -> Outcome {
    let folder = data::json(options)?;
    let sums = |folder: &Path, session: &Session| {
        read_json::<Sale>(folder.join("*.jsonl"))?
            .filter(|s| s.age > 30)
            .foldby(
                |s| s.city.clone(),
                0.0,
                |sum, s| sum + s.amount,
                |a, b| a + b,
            )
            .topk_by(10, |a, b| a.1.total_cmp(&b.1))
            .compute_in(session)
    };
    time(options, (&folder, "1e6 records in 10 files"), sums, |top| {
        format!("{} {:.2}", top[0].0, top[0].1)
    })
}

pub(super) fn pluck(options: &Options) -> Outcome {
    let folder = data::json(options)?;
    let names = |folder: &Path, session: &Session| {
        read_json::<Sale>(folder.join("*.jsonl"))?
            .filter(|s| s.age > 30)
            .map(|s| s.name)
            .frequencies()
            .compute_in(session)
    };
    time(options, (&folder, "1e6 records in 10 files"), names, least)
}

pub(super) fn pluck_untyped(options: &Options) -> Outcome {
    let folder = data::json(options)?;
    let names = |folder: &Path, session: &Session| {
        let names = read_json::<serde_json::Value>(folder.join("*.jsonl"))?
            .filter(|s| s["age"].as_u64() > Some(30))
            .pluck("name")
            .frequencies()
            .compute_in(session)?;
        Ok(names
            .into_iter()
            .map(|(v, n)| (v.as_str().unwrap_or_default().to_owned(), n))
            .collect())
    };
    time(options, (&folder, "the same, untyped"), names, least)
}

/// The first name in order, as the peers print it.
#[allow(clippy::ptr_arg, reason = "called with what a bag computes to")]
pub(super) fn least(names: &Vec<(String, u64)>) -> String {
    let least = names.iter().min();
    least.map_or_else(String::new, |(w, n)| format!("('{w}', {n})"))
}

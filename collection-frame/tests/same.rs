//! The ways of computing a frame give the same answer: random queries over random batches, as one streaming task, as tasks on threads, in
//! sequence, by the reference executor, and from a stored graph. The seed is printed; `FRAME_SEED=n`
//! runs that one again, `FRAME_ROUNDS=n` so many.

#[path = "common/rows.rs"]
mod rows;

use std::sync::Arc;

use kvern_core::{Graph, Registry, Session, TaskGraph};
use kvern_frame::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use kvern_frame::functions::{avg, count, count_distinct, max, min, sum};
use kvern_frame::{Expr, Frame, JoinHow, RecordBatch, Way, col, concat, lit, sql};
use kvern_scheduler_local as _;
use rows::rows;

/// splitmix64
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// A table with few keys, nulls, and a number of rows and partitions that may be zero and one.
fn table(rng: &mut Rng, id: &str) -> Frame {
    let schema = batch(rng, id, 0).schema();
    let partitions = 1 + rng.below(4);
    let parts: Vec<Vec<RecordBatch>> = (0..partitions)
        .map(|_| {
            (0..rng.below(3))
                .map(|_| {
                    let n = rng.below(60);
                    batch(rng, id, n)
                })
                .collect()
        })
        .collect();
    Frame::from_partitions(schema, parts).unwrap()
}

fn batch(rng: &mut Rng, id: &str, n: u64) -> RecordBatch {
    let maybe = |rng: &mut Rng, of: u64| (rng.below(9) != 0).then(|| rng.below(of) as i64);
    let k: ArrayRef = Arc::new(Int64Array::from_iter((0..n).map(|_| maybe(rng, 8))));
    let s = (0..n).map(|_| maybe(rng, 5).map(|v| format!("key number {v}")));
    let s: ArrayRef = Arc::new(StringArray::from_iter(s));
    let x: ArrayRef = Arc::new(Int64Array::from_iter((0..n).map(|_| maybe(rng, 1000))));
    // Halves add up exactly in any order.
    let y = (0..n).map(|_| maybe(rng, 400).map(|v| v as f64 / 2.0));
    let y: ArrayRef = Arc::new(Float64Array::from_iter(y));
    RecordBatch::try_from_iter_with_nullable([
        ("k", k, true),
        ("s", s, true),
        (&format!("x_{id}"), x, true),
        (&format!("y_{id}"), y, true),
    ])
    .unwrap()
}

fn one_of<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.below(all.len() as u64) as usize]
}

/// A query of one to four steps.
fn query(rng: &mut Rng) -> (String, Frame) {
    let mut words = String::new();
    let mut f = table(rng, "a");
    for step in 0..1 + rng.below(4) {
        let names = f.columns();
        let name = one_of(rng, &names).clone();
        let numeric: Vec<String> = {
            let schema = f.schema();
            let fields = schema
                .fields()
                .iter()
                .filter(|f| f.data_type().is_numeric());
            fields.map(|f| f.name().clone()).collect()
        };
        let number = numeric.first().cloned();
        let (what, next) = match (rng.below(9), number) {
            (0, Some(n)) => (
                format!("filter {n}"),
                f.filter(col(&n).gt(lit(rng.below(300) as i64))),
            ),
            (1, Some(n)) => (
                format!("column {n}"),
                f.with_column(&format!("c{step}"), col(&n) * lit(2) + lit(1)),
            ),
            (2, Some(n)) => {
                let aggregates: Vec<Expr> = vec![
                    sum(col(&n)).alias(format!("sum{step}")),
                    count(lit(1)).alias(format!("n{step}")),
                    min(col(&n)).alias(format!("min{step}")),
                    max(col(&n)).alias(format!("max{step}")),
                    avg(col(&n)).alias(format!("avg{step}")),
                    count_distinct(col(&name)).alias(format!("d{step}")),
                ];
                (
                    format!("group by {name}"),
                    f.groupby([name.as_str()]).agg(aggregates),
                )
            }
            (3, _) => {
                let how = *one_of(
                    rng,
                    &[
                        JoinHow::Inner,
                        JoinHow::Left,
                        JoinHow::Right,
                        JoinHow::Full,
                        JoinHow::Semi,
                        JoinHow::Anti,
                    ],
                );
                let other = table(rng, &format!("j{step}"));
                let key = names.iter().find(|n| *n == "k" || *n == "s").cloned();
                match key {
                    Some(key) => (
                        format!("join {key} {how:?}"),
                        f.join(&other, key.as_str(), how),
                    ),
                    None => continue,
                }
            }
            (4, _) => ("sort all, head".to_owned(), {
                // All columns, so that the first rows are the same ones whatever the order was.
                let by: Vec<Expr> = names.iter().map(col).collect();
                f.sort(by).and_then(|f| f.head(1 + rng.below(30) as usize))
            }),
            (5, _) => ("distinct".into(), f.distinct()),
            (6, _) => ("concat".into(), concat(&[&f, &f])),
            (7, Some(n)) => (
                format!("window {n}"),
                sql(
                    &format!(
                        "SELECT *, sum(\"{n}\") OVER (PARTITION BY \"{name}\") AS w{step} FROM t"
                    ),
                    [("t", &f)],
                ),
            ),
            _ => {
                let mut kept = vec![name.clone()];
                kept.extend(names.iter().find(|n| *n == "k" && **n != name).cloned());
                (format!("select {kept:?}"), f.select(kept))
            }
        };
        words.push_str(&what);
        words.push_str("; ");
        f = next.unwrap_or_else(|e| panic!("{words}: {e}"));
        if f.columns().len() > 20 {
            break;
        }
    }
    (words, f)
}

#[test]
fn every_way_gives_the_same_rows() {
    let threads = Session::open("threads://?workers=3").unwrap();
    let sync = Session::open("sync://").unwrap();
    let registry = Registry::linked().unwrap();
    let seeds: Vec<u64> = match std::env::var("FRAME_SEED") {
        Ok(s) => vec![s.parse().unwrap()],
        Err(_) => {
            let rounds = std::env::var("FRAME_ROUNDS").map_or(80, |r| r.parse().unwrap());
            (0..rounds).collect()
        }
    };
    let (mut cut, mut whole) = (0, 0);
    for seed in &seeds {
        let mut rng = Rng(*seed);
        let (words, f) = query(&mut rng);
        let partitions = 1 + rng.below(5) as usize;
        let at = format!("FRAME_SEED={seed}, {partitions} partitions: {words}");
        let want = rows(
            &threads
                .compute(&f.via(Way::Local))
                .unwrap_or_else(|e| panic!("{at}: {e:?}")),
            false,
        );
        let tasks = f.via(Way::Tasks).repartition(partitions);
        let got = threads
            .compute(&tasks)
            .unwrap_or_else(|e| panic!("{at}: {e:?}"));
        assert_eq!(rows(&got, false), want, "threads: {at}");
        let got = sync
            .compute(&tasks)
            .unwrap_or_else(|e| panic!("{at}: {e:?}"));
        assert_eq!(rows(&got, false), want, "sync: {at}");
        let got = tasks.reference().unwrap_or_else(|e| panic!("{at}: {e:?}"));
        assert_eq!(rows(&got, false), want, "reference: {at}");
        // A graph of small tables can be stored whole; what comes back runs elsewhere.
        let graph = tasks.graph().unwrap();
        let bytes = graph.encode().unwrap_or_else(|e| panic!("{at}: {e:?}"));
        let back = Graph::decode(&bytes, &registry).unwrap();
        assert_eq!(back.tasks(), graph.tasks());
        let values =
            kvern_core::reference::run(&TaskGraph::expand(&back).unwrap(), &registry).unwrap();
        let got = values[0].downcast_ref::<Vec<RecordBatch>>().unwrap();
        assert_eq!(rows(got, false), want, "stored: {at}");
        whole += usize::from(tasks.explain().unwrap().contains("one task runs all of it"));
        cut += usize::from(graph.layers().iter().any(|l| l.kind().kind() == "exchange"));
    }
    assert!(
        seeds.len() == 1 || cut > 20,
        "only {cut} queries had an exchange"
    );
    println!(
        "{cut} of {} queries had an exchange, {whole} could not be cut",
        seeds.len()
    );
    assert!(
        10 * whole <= seeds.len(),
        "{whole} queries could not be cut"
    );
}

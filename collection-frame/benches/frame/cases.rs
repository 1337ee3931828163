//! The cases: what each computes, and how its answer is told.

use std::error::Error;

use kvern_core::Session;
use kvern_frame::arrow::array::{Array, AsArray};
use kvern_frame::arrow::datatypes::{DataType, Float64Type};
use kvern_frame::{Frame, RecordBatch, Way, arrow, sql};
use kvern_scheduler_local as _;

use crate::catalog::Entry;
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;
use crate::{data, tables};

/// Two threads for everybody.
const THREADS: usize = 2;

pub(crate) fn run(entry: &Entry, options: &Options) -> Result<Record, Box<dyn Error>> {
    let session = Session::open(&format!("threads://?workers={THREADS}"))?;
    let rows = options.size(10_000_000, 1000);
    let way = if entry.who == "kvern" {
        Way::Local
    } else {
        Way::Tasks
    };
    let frame: Box<dyn Fn() -> kvern_core::Result<Frame>> = match entry.case.split_once("_q") {
        Some(("c_tpch", number)) => {
            let folder = tables::tpch(&options.data_dir);
            let text = std::fs::read_to_string(format!(
                "{}/../bench/peers/tpch_sql/q{number}.sql",
                env!("CARGO_MANIFEST_DIR")
            ))?;
            // Opened and planned in each run, as everybody does.
            Box::new(move || {
                let names = [
                    "customer", "lineitem", "nation", "orders", "region", "supplier",
                ];
                let frames = names
                    .iter()
                    .map(|n| Frame::read_parquet(folder.join(format!("{n}.parquet"))))
                    .collect::<kvern_core::Result<Vec<_>>>()?;
                sql(&text, names.into_iter().zip(&frames))
            })
        }
        Some((_, number)) => {
            let (parquet, _) = data::h2o(&options.data_dir, rows)?;
            let text = question(number)?;
            let loaded = session.compute(&Frame::read_parquet(&parquet)?)?;
            let table = dealt(loaded)?;
            Box::new(move || sql(text, [("x", &table)]))
        }
        None => {
            let (_, csv) = data::h2o(&options.data_dir, rows)?;
            Box::new(move || {
                let x = Frame::read_csv(&csv)?;
                sql("select id1, avg(v3) as v3 from x group by id1", [("x", &x)])
            })
        }
    };
    let mut answer = Vec::new();
    let timing = measure(options, 5, || {
        let (seconds, batches) = clock(|| session.compute(&frame()?.via(way)));
        answer = batches?;
        Ok::<f64, kvern_core::Error>(seconds)
    })?;
    let detail = match way {
        Way::Local => "one streaming task, 2 threads",
        Way::Tasks => "tasks on 2 threads",
    };
    Ok(Record::new(timing, detail).check(check(&answer)?))
}

/// Batches as partitions, one a thread.
fn dealt(batches: Vec<RecordBatch>) -> Result<Frame, Box<dyn Error>> {
    let schema = batches.first().ok_or("no rows")?.schema();
    let half = batches.len().div_ceil(THREADS);
    let parts = batches.chunks(half.max(1)).map(<[RecordBatch]>::to_vec);
    Ok(Frame::from_partitions(schema, parts)?)
}

fn question(number: &str) -> Result<&'static str, String> {
    Ok(match number {
        "01" => "select id1, sum(v1) as v1 from x group by id1",
        "02" => "select id1, id2, sum(v1) as v1 from x group by id1, id2",
        "03" => "select id3, sum(v1) as v1, avg(v3) as v3 from x group by id3",
        "04" => "select id4, avg(v1) as v1, avg(v2) as v2, avg(v3) as v3 from x group by id4",
        "05" => "select id6, sum(v1) as v1, sum(v2) as v2, sum(v3) as v3 from x group by id6",
        other => return Err(format!("there is no question {other}")),
    })
}

/// How many rows, and the sum of all numbers, as the peers tell it.
fn check(batches: &[RecordBatch]) -> Result<String, Box<dyn Error>> {
    let (mut rows, mut sum) = (0, 0.0f64);
    for b in batches {
        rows += b.num_rows();
        for c in b.columns().iter().filter(|c| c.data_type().is_numeric()) {
            let c = arrow::compute::cast(c, &DataType::Float64)?;
            let c = c.as_primitive::<Float64Type>();
            sum += (0..c.len())
                .filter(|&i| c.is_valid(i))
                .map(|i| c.value(i))
                .sum::<f64>();
        }
    }
    Ok(format!("{rows} rows, {sum:.6e}"))
}

//! What the array cases are held against.

use super::data::uniform;
use crate::catalog::Outcome;
use crate::limits::{compute, stream};
use crate::measure::{Timing, clock, measure};
use crate::options::Options;
use crate::record::Record;

const RUNS: usize = 9;

/// Times passes over memory.
fn passes(options: &Options, detail: String, mut pass: impl FnMut()) -> Outcome {
    let timing = measure(
        options,
        RUNS,
        || -> Result<f64, std::convert::Infallible> { Ok(clock(&mut pass).0) },
    )?;
    Ok(vec![Record::new(timing, detail)])
}

fn read(data: &[f64]) {
    std::hint::black_box(stream::read(data));
}

fn gigabytes(elements: usize) -> f64 {
    elements as f64 * 8e-9
}

pub(super) fn trig_sum(options: &Options) -> Outcome {
    if options.scale == 1.0
        && let Some(line) = compute::in_c("b1_trig_sum")
    {
        let second = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
        let timing = Timing::of(vec![
            second("seconds_min"),
            second("seconds_median"),
            second("seconds_max"),
        ]);
        let detail = "C: fused, vector sine and cosine of glibc (bench/peers/limits.c)";
        return Ok(vec![Record::new(timing, detail)]);
    }
    let data = uniform(2 * options.side(8000, 8).pow(2), 0);
    let detail = format!(
        "one read of {:.2} GB (no C compiler, or not the full size)",
        gigabytes(data.len())
    );
    passes(options, detail, || read(&data))
}

pub(super) fn standardize_sum(options: &Options) -> Outcome {
    let data = uniform(options.side(20_000, 8) * options.side(2000, 8), 0);
    let detail = format!(
        "two reads of {:.2} GB: the mean and the spread must be known first",
        gigabytes(data.len())
    );
    passes(options, detail, || {
        read(&data);
        read(&data);
    })
}

pub(super) fn xtx(options: &Options) -> Outcome {
    let n = options.side(6000, 6) as f64;
    let mut instructions = "";
    let timing = measure(options, 3, || -> Result<f64, std::convert::Infallible> {
        let (seconds, name) = compute::multiply_add(n * n * n);
        instructions = name;
        Ok(seconds)
    })?;
    let gflops = n * n * n / timing.median() * 1e-9;
    let detail = format!(
        "{n}^3 flop, as the product is symmetric, at {gflops:.0} GFLOP/s from registers ({instructions})"
    );
    Ok(vec![
        Record::new(timing, detail).units((2.0 * n * n * n * 1e-9) as usize, "GFLOP"),
    ])
}

pub(super) fn rechunk_sum(options: &Options) -> Outcome {
    let data = uniform(options.side(20_000, 20) * options.side(2000, 20), 0);
    let detail = format!(
        "one read of {:.2} GB: the sum need not wait for the copies",
        gigabytes(data.len())
    );
    passes(options, detail, || read(&data))
}

pub(super) fn mask_sum(options: &Options) -> Outcome {
    let data = uniform(options.size(50_000_000, 10), 0);
    let detail = format!("one read of {:.2} GB", gigabytes(data.len()));
    passes(options, detail, || read(&data))
}

pub(super) fn small_chunk_add_sum(options: &Options) -> Outcome {
    /// Numbers that the first cache holds with room to spare.
    const TILE: usize = 1000;
    let elements = options.side(10_000, 100).pow(2);
    let tiles = elements / TILE;
    let timing = measure(options, RUNS, || -> Result<f64, String> {
        let (seconds, total) = clock(|| stream::ones_plus_one(TILE, tiles));
        let right = (2 * tiles * TILE) as f64;
        (total == right)
            .then_some(seconds)
            .ok_or_else(|| format!("the limit found {total}, and {right} is right"))
    })?;
    let detail = format!(
        "{elements} numbers in tiles of {TILE}: fill, add 1, sum, from the first cache; no chunks, no tasks"
    );
    Ok(vec![Record::new(timing, detail).units(10_000, "chunk")])
}

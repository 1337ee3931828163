//! kvern's side of the array cases. The expression is written anew in each run, inside the clock, as the peers do.

use kvern_array::{Array, where_};
use kvern_core::{Result, Session};

use super::data::uniform_array;
use super::session;
use crate::catalog::Outcome;
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;

const RUNS: usize = 7;

/// Times an expression with one element and holds its value, divided by `elements`, against what uniform numbers must give.
fn time(
    options: &Options,
    detail: String,
    (elements, expected, tolerance): (f64, f64, f64),
    expression: impl Fn(&Session) -> Result<f64>,
) -> std::result::Result<Record, Box<dyn std::error::Error>> {
    let session = session()?;
    let mut answer = f64::NAN;
    let timing = measure(options, RUNS, || -> Result<f64> {
        let (seconds, value) = clock(|| expression(&session));
        answer = value?;
        Ok(seconds)
    })?;
    let found = answer / elements;
    // A comparison that NaN fails.
    if (found - expected).abs() <= tolerance {
        Ok(Record::new(timing, detail).check(format!("{answer:.10}")))
    } else {
        Err(format!("found {found}, and {expected} within {tolerance} is right: {detail}").into())
    }
}

pub(super) fn trig_sum(options: &Options) -> Outcome {
    let n = options.side(8000, 8);
    let chunks = [n.div_ceil(4), n.div_ceil(4)];
    let x = Array::from_ndarray(uniform_array(&[n, n], 0)?, chunks)?;
    let y = Array::from_ndarray(uniform_array(&[n, n], 0)?, chunks)?;
    let detail = format!("{n} x {n}, 4 x 4 chunks");
    let elements = (n * n) as f64;
    let record = time(options, detail, (elements, 1.0, 1e-3), |session| {
        (x.sin().powi(2) + y.cos().powi(2))
            .sum(())?
            .item_in(session)
    })?;
    Ok(vec![record])
}

pub(super) fn standardize_sum(options: &Options) -> Outcome {
    let (rows, columns) = (options.side(20_000, 8), options.side(2000, 8));
    let x = Array::from_ndarray(uniform_array(&[rows, columns], 0)?, [rows / 8, columns])?;
    let detail = format!("{rows} x {columns}, 8 row chunks");
    // The sum itself must vanish.
    let record = time(options, detail, (1.0, 0.0, 1e-3), |session| {
        let standard = (&x - x.mean(0)?) / x.std(0)?;
        standard.sum(())?.item_in(session)
    })?;
    Ok(vec![record])
}

pub(super) fn xtx(options: &Options) -> Outcome {
    let n = options.side(6000, 6);
    let x = Array::from_ndarray(uniform_array(&[n, n], 0)?, [n / 3, n / 3])?;
    let session = session()?;
    let mut corner = (f64::NAN, f64::NAN);
    let timing = measure(options, 3, || -> Result<f64> {
        let (seconds, product) = clock(|| x.t().matmul(&x)?.compute_in(&session));
        let product = product?;
        corner = (product[[0, n - 1]], product[[n - 1, 0]]);
        Ok(seconds)
    })?;
    // Column times column of uniform numbers: a quarter each, with a spread of about 0.22 / sqrt(n).
    let expected = n as f64 / 4.0;
    if (corner.0 - expected).abs() > expected * 0.1 || corner.0 != corner.1 {
        return Err(
            format!("the corners are {corner:?}, and {expected} within a tenth is right").into(),
        );
    }
    let gflop = 2.0 * (n as f64).powi(3) * 1e-9;
    let rate = gflop / timing.median();
    let detail = format!("{n} x {n}, 3 x 3 chunks, counted as {gflop:.0} GFLOP: {rate:.0} GFLOP/s");
    let record = Record::new(timing, detail).units(gflop as usize, "GFLOP");
    Ok(vec![record.check(corner.0)])
}

pub(super) fn rechunk_sum(options: &Options) -> Outcome {
    let (rows, columns) = (options.side(20_000, 20), options.side(2000, 20));
    let x = Array::from_ndarray(uniform_array(&[rows, columns], 0)?, [rows / 20, columns])?;
    let detail = format!("{rows} x {columns}, 20 row chunks -> 20 column chunks");
    let elements = (rows * columns) as f64;
    let record = time(options, detail, (elements, 0.5, 1e-3), |session| {
        x.rechunk([rows, columns / 20])?.sum(())?.item_in(session)
    })?;
    Ok(vec![record])
}

pub(super) fn mask_sum(options: &Options) -> Outcome {
    let n = options.size(50_000_000, 10);
    let x = Array::from_ndarray(uniform_array(&[n], 0)?, n.div_ceil(10))?;
    let detail = format!(
        "{n}, 10 chunks; where(x > 0.5, x, 0).sum(), without the array of unknown length between"
    );
    let record = time(options, detail, (n as f64, 0.375, 1e-3), |session| {
        where_(&x.greater(0.5)?, &x, 0.0)?.sum(())?.item_in(session)
    })?;
    Ok(vec![record])
}

pub(super) fn small_chunk_add_sum(options: &Options) -> Outcome {
    let n = options.side(10_000, 100);
    let chunks = [n / 100, n / 100];
    let detail =
        format!("{n} x {n} in 100 x 100 chunks: building, optimising and scheduling included");
    let record = time(options, detail, ((n * n) as f64, 2.0, 0.0), |session| {
        (Array::ones([n, n], chunks)? + 1.0)
            .sum(())?
            .item_in(session)
    })?;
    // Microseconds a chunk.
    Ok(vec![record.units(10_000, "chunk").target(10.0)])
}

//! Arrays under a budget that they do not fit.

use kvern_array::Array;
use kvern_core::{Result, Session};
use ndarray::{ArrayD, Axis, IxDyn};

use crate::catalog::Outcome;
use crate::machine;
use crate::measure::{clock, measure};
use crate::options::Options;
use crate::record::Record;

/// What the process may take beyond the budget: code, threads, the graph, chunks in the making.
const SLACK_MIB: f64 = 64.0;
const RUNS: usize = 3;

/// Times an expression under a budget; the answer must be `right`.
fn time(
    options: &Options,
    what: &str,
    (elements, budget_mib): (usize, usize),
    right: f64,
    expression: impl Fn(&Session) -> Result<f64>,
) -> Outcome {
    let session = Session::open(&format!("threads://?workers=2&memory={budget_mib}MiB"))?;
    let before = machine::peak_rss_mb().unwrap_or(0.0);
    let mut answer = f64::NAN;
    let timing = measure(options, RUNS, || -> Result<f64> {
        let (seconds, value) = clock(|| expression(&session));
        answer = value?;
        Ok(seconds)
    })?;
    let scale = right.abs().max(1.0);
    if (answer - right).abs() / scale > 1e-9 {
        return Err(format!("found {answer}, and {right} is right: {what}").into());
    }
    let usage = session.memory();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let detail = format!(
        "{what}: {:.2} GB under {budget_mib} MiB ({before:.0} MB resident before); results in memory at most {:.0} MiB; \
         {:.0} MiB spilled in all",
        elements as f64 * 8e-9,
        mib(usage.peak),
        mib(usage.spilled_total)
    );
    let record = Record::new(timing, detail)
        .units(elements, "element")
        .check(answer);
    // Where nobody tells the RSS there is no figure either.
    Ok(vec![match record.peak_rss_mb {
        Some(peak) => record
            .value(peak, "MB at the peak")
            .target(budget_mib as f64 + SLACK_MIB),
        None => record,
    }])
}

/// 0, 1, 2, … in chunks of 32 MiB that a function makes, so that each of them is once whole in memory.
fn counted(n: usize) -> Result<Array<f64>> {
    Array::from_block_fn(n, 4 << 20, |place| {
        let values: Vec<f64> = place[0].clone().map(|i| i as f64).collect();
        // The function cannot fail; a chunk of a wrong shape is refused by the array.
        ArrayD::from_shape_vec(IxDyn(&[values.len()]), values).unwrap_or_default()
    })
}

fn mean_of_counted(n: usize) -> f64 {
    (n - 1) as f64 / 2.0
}

pub(super) fn mean(options: &Options) -> Outcome {
    let n = options.size(500_000_000, 1000);
    let what = "mean of chunks that a function makes";
    time(options, what, (n, 256), mean_of_counted(n), |session| {
        counted(n)?.mean(())?.item_in(session)
    })
}

pub(super) fn mean_fused(options: &Options) -> Outcome {
    let n = options.size(500_000_000, 1000);
    time(
        options,
        "mean of arange",
        (n, 256),
        mean_of_counted(n),
        |session| {
            let x = Array::<f64>::arange(0.0, n as f64, 1.0, 4 << 20)?;
            x.mean(())?.item_in(session)
        },
    )
}

pub(super) fn hold(options: &Options) -> Outcome {
    let n = options.size(250_000_000, 1000) / 2 * 2;
    // Half of the numbers lie below the mean, as far from it as the other half: twice 0.5 + 1.5 + ….
    let right = (n as f64 / 2.0).powi(2);
    let what = "x.persist(), then abs(x - x.mean()).sum()";
    time(options, what, (n, 256), right, |session| {
        let x = counted(n)?.persist_in(session)?;
        (&x - x.mean(())?).abs().sum(())?.item_in(session)
    })
}

pub(super) fn rechunk(options: &Options) -> Outcome {
    let n = options.side(16_000, 40);
    let width = n / 40;
    let what = "40 row chunks to 40 column chunks, each column chunk whole";
    // The largest column sum of a matrix whose element is its row and column added up.
    let right = (n * (n - 1) / 2 + n * (n - 1)) as f64;
    time(options, what, (n * n, 512), right, |session| {
        let rows = Array::from_block_fn([n, n], [width, n], |place| {
            let lengths = [place[0].len(), place[1].len()];
            let (top, left) = (place[0].start, place[1].start);
            ArrayD::from_shape_fn(IxDyn(&lengths), |i| (top + i[0] + left + i[1]) as f64)
        })?;
        let sums = vec![vec![1], vec![width; 40]];
        let columns = rows.rechunk([n, width])?;
        let sums = columns.map_blocks_to(sums, |chunk, _| {
            chunk.sum_axis(Axis(0)).insert_axis(Axis(0))
        })?;
        sums.max(())?.item_in(session)
    })
}

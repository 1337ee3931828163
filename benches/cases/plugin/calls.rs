//! Calls of one operator, one after the other.

use std::error::Error;
use std::sync::Arc;

use kvern_core::{Kernel, TaskContext, Value};

use super::kernels::{
    self, SECOND, array, direct_arrow, direct_tensor, in_task, of_plugin, second,
};
use crate::catalog::Outcome;
use crate::machine;
use crate::measure::{Timing, clock};
use crate::options::Options;
use crate::record::Record;

/// Elements, and what is aimed at: microseconds beyond the direct call, or a share of it.
const SIZES: [(usize, &str); 3] = [(1, "1"), (1_000, "1k"), (100_000, "100k")];

/// Batches of calls, the two ways by turns: short ones, so that some are not disturbed.
const BATCHES: usize = 301;

pub(super) fn tensor_limit(options: &Options) -> Outcome {
    alone(options, "p1_tensor", direct_tensor(), kernels::tensor)
}

pub(super) fn arrow_limit(options: &Options) -> Outcome {
    alone(options, "p2_arrow", direct_arrow(), array)
}

pub(super) fn tensor(options: &Options) -> Outcome {
    let both = (of_plugin("sample.scale@1")?, direct_tensor());
    beside(options, "p1_tensor", &both, 0.1, kernels::tensor)
}

pub(super) fn arrow(options: &Options) -> Outcome {
    let both = (of_plugin("sample.times")?, direct_arrow());
    beside(options, "p2_arrow", &both, 0.6, array)
}

fn calls(options: &Options, len: usize) -> usize {
    options.size(200_000 / (len + 100), 5)
}

/// Seconds of so many calls.
fn batch(
    kernel: &dyn Kernel,
    input: &Value,
    ctx: &TaskContext<'_>,
    calls: usize,
) -> Result<f64, Box<dyn Error>> {
    let (seconds, last) = clock(|| {
        let mut last = Value::UNIT;
        for _ in 0..calls {
            last = kernel.run(&mut [input.clone()], ctx)?;
        }
        Ok::<Value, kvern_core::Error>(last)
    });
    let got = second(&last?);
    if got != SECOND {
        return Err(format!("element 1 is {got}, and must be {SECOND}").into());
    }
    Ok(seconds)
}

fn alone(
    options: &Options,
    case: &str,
    kernel: Arc<dyn Kernel>,
    input: fn(usize) -> Value,
) -> Outcome {
    machine::wait_for_quiet(options.patience);
    in_task(|ctx| {
        let mut rows = Vec::new();
        for (len, name) in SIZES {
            let (input, n) = (input(len), calls(options, len));
            batch(&*kernel, &input, ctx, n)?;
            let seconds = (0..BATCHES).map(|_| batch(&*kernel, &input, ctx, n));
            let timing = Timing::of(seconds.collect::<Result<_, _>>()?);
            rows.push(
                Record::new(timing, format!("{n} calls a batch, {BATCHES} batches"))
                    .case(format!("{case}_{name}"))
                    .units(n, "call"),
            );
        }
        Ok(rows)
    })
}

/// The plugin's calls, with what they take beyond direct ones: batches by turns, so that what disturbs one disturbs the other, and the
/// fastest of each compared, since a call cannot be faster than it is.
fn beside(
    options: &Options,
    case: &str,
    both: &(Arc<dyn Kernel>, Arc<dyn Kernel>),
    beyond_us: f64,
    input: fn(usize) -> Value,
) -> Outcome {
    machine::wait_for_quiet(options.patience);
    in_task(|ctx| {
        let mut rows = Vec::new();
        for (len, name) in SIZES {
            let (input, n) = (input(len), calls(options, len));
            let (mut plugin, mut direct) = (Vec::new(), Vec::new());
            for round in 0..=BATCHES {
                let (p, d) = (
                    batch(&*both.0, &input, ctx, n)?,
                    batch(&*both.1, &input, ctx, n)?,
                );
                if round > 0 {
                    plugin.push(p);
                    direct.push(d);
                }
            }
            let (plugin, direct) = (Timing::of(plugin), Timing::of(direct));
            let per_call = |t: &Timing| t.at(0.0) / n as f64 * 1e6;
            let (p, d) = (per_call(&plugin), per_call(&direct));
            let detail = format!("fastest batch: {p:.3} us a call, direct {d:.3} us");
            let row = Record::new(plugin, detail)
                .case(format!("{case}_{name}"))
                .units(n, "call");
            rows.push(match len {
                100_000 => row
                    .value((p / d - 1.0) * 100.0, "% beyond direct")
                    .target(2.0),
                _ => row.value(p - d, "us beyond direct").target(beyond_us),
            });
        }
        Ok(rows)
    })
}

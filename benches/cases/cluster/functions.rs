//! Single functions and bulk data.

use kvern_core::{Session, TaskHandle};

use crate::catalog::Outcome;
use crate::machine;
use crate::measure::{Timing, clock, measure};
use crate::options::Options;
use crate::record::Record;

/// As for the peers.
const WORKERS: usize = 4;
/// Arrays of the bulk cases.
const ARRAYS: usize = 16;
/// Microseconds from a submit to its result.
const ROUND_TRIP: f64 = 500.0;

type Failed = Box<dyn std::error::Error>;

pub(super) fn startup(options: &Options) -> Outcome {
    let timing = measure(options, 5, || -> Result<f64, Failed> {
        let (seconds, one) = clock(|| -> kvern_core::Result<u64> {
            let session = super::session(WORKERS)?;
            session.submit(|x: &u64| x + 1, (0u64,))?.wait()
        });
        assert_one(one?)?;
        Ok(seconds)
    })?;
    Ok(vec![Record::new(
        timing,
        format!("{WORKERS} worker processes, one task, closing"),
    )])
}

fn assert_one(got: u64) -> Result<(), Failed> {
    if got == 1 {
        Ok(())
    } else {
        Err(format!("0 + 1 is not {got}").into())
    }
}

pub(super) fn latency(options: &Options) -> Outcome {
    let session = super::session(WORKERS)?;
    let increment = |x: &u64| x + 1;
    machine::wait_for_quiet(options.patience);
    let n = options.size(3_000, 100);
    let mut seconds = Vec::with_capacity(n);
    for i in 0..(n + n / 10) as u64 {
        let (took, got) = clock(|| session.submit(increment, (i,))?.wait());
        if got? != i + 1 {
            return Err(format!("{i} + 1 came out wrong").into());
        }
        if i >= n as u64 / 10 {
            seconds.push(took);
        }
    }
    let timing = Timing::of(seconds);
    let (median, p99) = (timing.median() * 1e6, timing.at(0.99) * 1e6);
    let detail = format!("median {median:.0} us, p99 {p99:.0} us of {n}");
    Ok(vec![
        Record::new(timing, detail)
            .units(1, "round trip")
            .target(ROUND_TRIP),
    ])
}

pub(super) fn map(options: &Options) -> Outcome {
    let session = super::session(WORKERS)?;
    let increment = |x: &u64| x + 1;
    let n = options.size(10_000, 100) as u64;
    let timing = measure(options, 7, || -> Result<f64, Failed> {
        let (seconds, got) = clock(|| {
            let handles = session.map(increment, (0..n).map(|x| (x,)))?;
            session.gather(handles)
        });
        let sum: u64 = got?.iter().sum();
        if sum == n * (n + 1) / 2 {
            Ok(seconds)
        } else {
            Err(format!("the sum {sum} is wrong").into())
        }
    })?;
    let detail = format!("{n} functions mapped and gathered");
    Ok(vec![
        Record::new(timing, detail)
            .units(n as usize, "task")
            .target(20.0),
    ])
}

/// Numbers in each array, so that all are a gigabyte.
fn length(options: &Options) -> usize {
    options.size(1_000_000_000 / 8, ARRAYS * 1000) / ARRAYS
}

fn arrays(n: usize) -> Vec<Vec<f64>> {
    (0..ARRAYS).map(|i| vec![i as f64; n]).collect()
}

/// Waits until the workers have all of them.
fn all_there(session: &Session, handles: &[TaskHandle<Vec<f64>>]) -> kvern_core::Result<()> {
    let lengths = session.map(|v: &Vec<f64>| v.len() as u64, handles.iter().map(|h| (h,)))?;
    session.gather(&lengths).map(drop)
}

fn gigabytes(timing: Timing, bytes: usize, what: &str) -> Vec<Record> {
    let rate = bytes as f64 / 1e9 / timing.median();
    let detail = format!("{:.2} GB, {what}: {rate:.2} GB/s", bytes as f64 / 1e9);
    vec![Record::new(timing, detail).units(bytes / 1_000_000, "MB")]
}

pub(super) fn scatter(options: &Options) -> Outcome {
    let session = super::session(WORKERS)?;
    let n = length(options);
    let timing = measure(options, 3, || -> Result<f64, Failed> {
        let data = arrays(n);
        let (seconds, done) = clock(|| {
            let handles = session.scatter(data)?;
            all_there(&session, &handles)
        });
        done?;
        Ok(seconds)
    })?;
    Ok(gigabytes(
        timing,
        8 * n * ARRAYS,
        "client to workers, each read by a trivial task",
    ))
}

fn made(session: &Session, n: usize) -> kvern_core::Result<Vec<TaskHandle<Vec<f64>>>> {
    let make = |i: &u64, n: &u64| vec![*i as f64; *n as usize];
    let handles = session.map(make, (0..ARRAYS as u64).map(|i| (i, n as u64)))?;
    all_there(session, &handles)?;
    Ok(handles)
}

pub(super) fn gather(options: &Options) -> Outcome {
    let session = super::session(WORKERS)?;
    let n = length(options);
    let timing = measure(options, 3, || -> Result<f64, Failed> {
        let handles = made(&session, n)?;
        let (seconds, got) = clock(|| session.gather(handles));
        if got?[3][n - 1] == 3.0 {
            Ok(seconds)
        } else {
            Err("an array came back changed".into())
        }
    })?;
    Ok(gigabytes(timing, 8 * n * ARRAYS, "workers to client"))
}

pub(super) fn worker_to_worker(options: &Options) -> Outcome {
    let session = super::session(WORKERS)?;
    let n = length(options);
    // The sum of the first numbers: all arrays must come to the worker that runs it.
    let touch = |all: &[&Vec<f64>]| all.iter().map(|v| v[0]).sum::<f64>();
    let timing = measure(options, 3, || -> Result<f64, Failed> {
        let handles = session.scatter(arrays(n))?;
        all_there(&session, &handles)?;
        let (seconds, sum) = clock(|| session.submit(touch, (&handles,))?.wait());
        if sum? == (0..ARRAYS).sum::<usize>() as f64 {
            Ok(seconds)
        } else {
            Err("the sum is wrong".into())
        }
    })?;
    // A quarter is there already.
    Ok(gigabytes(
        timing,
        8 * n * ARRAYS / WORKERS * (WORKERS - 1),
        "from 3 workers to the fourth",
    ))
}

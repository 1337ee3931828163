//! `cargo xtask sim`: runs seeds and says what came of them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use kvern_sim::run::{self, Sum};

fn main() -> ExitCode {
    match arguments() {
        Ok((from, seeds)) => all(from, seeds),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(u64, u64), String> {
    let (mut from, mut seeds) = (0, 200);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let mut number = || {
            let text = args
                .next()
                .ok_or_else(|| format!("`{name}` wants a number"))?;
            text.parse::<u64>()
                .map_err(|_| format!("`{name} {text}`: {text:?} is not a number"))
        };
        match name.as_str() {
            "--from" => from = number()?,
            "--seeds" => seeds = number()?,
            _ => {
                return Err(format!(
                    "unknown argument {name:?} (allowed: --from SEED, --seeds N)"
                ));
            }
        }
    }
    Ok((from, seeds))
}

fn all(from: u64, seeds: u64) -> ExitCode {
    let started = std::time::Instant::now();
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Sum::default()));
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(8));
    // A panic is a finding like any other; its message is in the report.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let enough = failures.lock().is_ok_and(|f| f.len() >= 5);
                    if i >= seeds || enough {
                        return;
                    }
                    match run::seed(from + i) {
                        Ok(stats) => {
                            if let Ok(mut sum) = sum.lock() {
                                sum.add(&stats);
                            }
                        }
                        Err(failure) => {
                            println!("{failure}");
                            if let Ok(mut all) = failures.lock() {
                                all.push(failure.seed);
                            }
                        }
                    }
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let sum = sum.lock().map(|s| s.clone()).unwrap_or_default();
    let failures = failures.lock().map(|f| f.clone()).unwrap_or_default();
    println!(
        "{} seeds from {from} clean in {:.1} s: {} events, {} executions ({} of them again), {} tasks sent ahead ({} kept), {} workers lost, {} results and {} errors as they should be",
        sum.seeds,
        started.elapsed().as_secs_f64(),
        sum.events,
        sum.executions,
        sum.again,
        sum.ahead,
        sum.kept,
        sum.lost,
        sum.right,
        sum.errors
    );
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failures:?}");
    ExitCode::FAILURE
}

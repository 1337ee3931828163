//! Timing: warm-up, several runs, the least disturbed of them kept.

use std::time::Instant;

use crate::machine::{self, Cpu};
use crate::options::Options;

/// Runs that others disturbed by more than this many cores are repeated.
const DISTURBED: f64 = 0.2;

/// What the timed runs took.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// Seconds of each run, sorted.
    pub(crate) seconds: Vec<f64>,
    /// Cores that others used meanwhile, in the median run; `None`: too short to tell.
    pub(crate) foreign: Option<f64>,
}

impl Timing {
    pub(crate) fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self {
            seconds,
            foreign: None,
        }
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The run that this share of all runs is below.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let last = self.seconds.len().saturating_sub(1);
        self.seconds
            .get((last as f64 * share).round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    }
}

/// Seconds that this takes.
pub(crate) fn clock<T>(f: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let out = f();
    (begun.elapsed().as_secs_f64(), out)
}

/// Runs `once`, which times itself, once for warmth and then `runs` times; disturbed runs are repeated within the budget.
///
/// # Errors
/// The first error of a run.
pub(crate) fn measure<E>(
    options: &Options,
    runs: usize,
    mut once: impl FnMut() -> Result<f64, E>,
) -> Result<Timing, E> {
    machine::wait_for_quiet(options.patience);
    once()?;
    let runs = options.runs.unwrap_or(runs);
    let mut got: Vec<(f64, f64)> = Vec::new();
    let begun = Instant::now();
    loop {
        let before = Cpu::now();
        let (whole, seconds) = clock(&mut once);
        // A tick is 10 ms, so a short run cannot tell: counted as quiet.
        let foreign = match before {
            Some(cpu) if whole > 0.1 => cpu.foreign_since(whole),
            _ => 0.0,
        };
        got.push((foreign, seconds?));
        let clean = got.iter().filter(|g| g.0 < DISTURBED).count();
        let enough = clean >= runs
            || got.len() >= 3 * runs
            || begun.elapsed().as_secs_f64() > options.budget;
        if got.len() >= runs && enough {
            break;
        }
    }
    got.sort_by(|a, b| a.0.total_cmp(&b.0));
    got.truncate(runs);
    let foreign = got.get(got.len() / 2).map(|g| g.0);
    let mut timing = Timing::of(got.into_iter().map(|g| g.1).collect());
    timing.foreign = foreign;
    Ok(timing)
}

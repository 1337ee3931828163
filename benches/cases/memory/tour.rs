//! The example that the README begins with, as a reader starts it.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::catalog::Outcome;
use crate::machine;
use crate::measure::Timing;
use crate::options::Options;
use crate::record::Record;

/// What the README promises of it.
const TARGET_MIB: f64 = 256.0;

/// Starts it as a process of its own and watches its memory, which nothing of ours is in.
pub(super) fn tour(options: &Options) -> Outcome {
    let own = std::env::current_exe()?;
    // `deps/cases-…` and `examples/tour` lie side by side.
    let program = own
        .parent()
        .and_then(|deps| deps.parent())
        .map(|folder| folder.join("examples").join("tour"))
        .filter(|path| path.is_file())
        .ok_or("there is no tour yet: cargo build --release --example tour")?;
    machine::wait_for_quiet(options.patience);
    let folder = tempfile::tempdir()?;
    let (mut seconds, mut peak) = (Vec::new(), 0.0f64);
    for _ in 0..options.runs.unwrap_or(3) {
        let begun = Instant::now();
        let mut child = Command::new(&program)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let status = format!("/proc/{}/status", child.id());
        let ended = loop {
            // The high-water mark only rises, so looking now and then misses at most the last moments.
            peak = peak.max(machine::rss_field(&status, "VmHWM:").unwrap_or(0.0));
            if let Some(ended) = child.try_wait()? {
                break ended;
            }
            thread::sleep(Duration::from_millis(1));
        };
        seconds.push(begun.elapsed().as_secs_f64());
        if !ended.success() {
            return Err(format!("the tour ended with {ended}").into());
        }
    }
    let detail =
        "the example from its start to its end: 933 MB out of 2.5 MB, as a process of its own";
    let record = Record::new(Timing::of(seconds), detail);
    Ok(vec![match peak > 0.0 {
        true => record
            .peak(peak)
            .value(peak, "MB at the peak")
            .target(TARGET_MIB),
        false => record,
    }])
}

//! An array from rows to columns, and what that takes: `rechunk URL [ROWS]`, such as `rechunk threads://?workers=2&memory=256MiB`. The array has as many
//! columns as rows: 16,384, which are 2 GiB, unless it is said, in 32 chunks of each kind.

use std::time::Instant;

use kvern_array::Array;
use kvern_core::{Result, Session};
use kvern_scheduler_local as _;
use ndarray::ArrayViewD;

/// A number of `/proc/PID/status`, in MiB where it is a size.
fn status(pid: &str, name: &str) -> Option<u64> {
    let all = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = all.lines().find_map(|l| l.strip_prefix(name))?;
    let number = line
        .trim_start_matches(':')
        .split_whitespace()
        .next()?
        .parse();
    number.ok()
}

/// The most that this process and each of its workers have had resident, in MiB.
fn peaks() -> Vec<u64> {
    let me = u64::from(std::process::id());
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.filter_map(|p| p.file_name().into_string().ok());
    let mine = names.filter(|pid| *pid == me.to_string() || status(pid, "PPid") == Some(me));
    mine.filter_map(|pid| status(&pid, "VmHWM"))
        .map(|kib| kib / 1024)
        .collect()
}

fn main() -> Result<()> {
    kvern_scheduler_distributed::init();
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .unwrap_or_else(|| "threads://?workers=2&memory=256MiB".to_owned());
    let n: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(16_384);
    let session = Session::open(&url)?;
    let rows = n / 32;
    let x = Array::<f64>::arange(0.0, (n * n) as f64, 1.0, rows * n)?.reshape([n, n])?;
    // A function that needs its chunks as they are: a sum alone would take them from the rows.
    let columns = x.rechunk((-1, rows))?;
    let columns = columns.map_blocks(|c: ArrayViewD<'_, f64>| c.to_owned());
    let start = Instant::now();
    let sums = columns.sum(0)?.compute_in(&session)?;
    let took = start.elapsed().as_secs_f64();
    let first = (n * (n - 1) / 2) as f64 * n as f64;
    let right = (sums.iter().enumerate()).all(|(j, &s)| s == first + (j * n) as f64);
    let memory = session.memory();
    println!(
        "{url}: {} MiB from rows to columns in {took:.1} s, {}; resident at most {:?} MiB; counted at most {} MiB, {} MiB went to disk",
        (n * n * 8) >> 20,
        if right { "right" } else { "WRONG" },
        peaks(),
        memory.peak >> 20,
        memory.spilled_total >> 20,
    );
    Ok(())
}

//! What the kernel says about this process and about the rest of the machine (Linux; unknown elsewhere).

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Clock ticks a second in `/proc`: a constant of the Linux ABI on every platform that Rust runs on.
const TICKS: f64 = 100.0;

/// The most memory that this process has had resident, in MiB.
pub(crate) fn peak_rss_mb() -> Option<f64> {
    rss_field("/proc/self/status", "VmHWM:")
}

/// A field of a `status` file that is in kB, in MiB.
pub(crate) fn rss_field(file: &str, field: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

/// CPU seconds spent: by everybody since boot, and by this process with its worker processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    everybody: f64,
    own: f64,
}

impl Cpu {
    pub(crate) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<f64> = stat
            .lines()
            .next()?
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal
        let [user, nice, system, _, _, irq, softirq, steal] = fields[..] else {
            return None;
        };
        Some(Self {
            everybody: (user + nice + system + irq + softirq + steal) / TICKS,
            own: family("self")? / TICKS,
        })
    }

    /// Cores that others used since then.
    pub(crate) fn foreign_since(self, elapsed: f64) -> f64 {
        match Self::now() {
            Some(now) => {
                let own = now.own - self.own;
                ((now.everybody - self.everybody - own) / elapsed).max(0.0)
            }
            None => 0.0,
        }
    }
}

/// Ticks of a process, of its children that have ended, and of those that live.
fn family(process: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name in parentheses; user and system time of itself and of ended children are fields 14 to 17 of the whole line.
    let own: f64 = stat
        .rsplit(')')
        .next()?
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|word| word.parse::<f64>().ok())
        .sum();
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let lists = threads.flatten().filter_map(|thread| {
        // Not there if the kernel does not keep such lists: then only this process counts.
        fs::read_to_string(thread.path().join("children")).ok()
    });
    let living: f64 = lists
        .flat_map(|list| {
            let children: Vec<f64> = list.split_whitespace().filter_map(family).collect();
            children
        })
        .sum();
    Some(own + living)
}

/// Waits until others use less than half a core, at most so many seconds.
pub(crate) fn wait_for_quiet(patience: f64) {
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < patience {
        let Some(before) = Cpu::now() else { return };
        thread::sleep(Duration::from_millis(500));
        if before.foreign_since(0.5) < 0.6 {
            return;
        }
    }
}

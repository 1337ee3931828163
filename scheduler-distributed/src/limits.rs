//! What this machine lets a process do, as far as it says so (Linux): asked before many processes are started.

use std::fs;

use kvern_core::text::format_bytes;
use kvern_core::{Error, ErrorKind, Result};

/// File descriptors that the process of a cluster uses for each worker: its connection, and those over which its results come.
const FILES: u64 = 3;

/// Memory that a worker takes without any work.
const MEMORY: u64 = 4 << 20;

/// Threads of a worker beside those of its tasks.
const THREADS: u64 = 5;

/// Refuses more workers than can be.
///
/// # Errors
/// [`ErrorKind::Config`] with what stands against it, and how many would go.
pub(crate) fn check(workers: usize, threads: usize) -> Result<()> {
    check_against(workers as u64, threads as u64, &Machine::here())
}

/// What is known of a machine; what is not, does not limit.
#[derive(Debug, Default)]
struct Machine {
    /// Files that this process may still open, and may have open at all.
    files: Option<(u64, u64)>,
    memory: Option<u64>,
    /// Processes and threads of the whole machine.
    processes: Option<u64>,
}

impl Machine {
    fn here() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let number = |path: &str| text(path)?.trim().parse::<u64>().ok();
        let open = fs::read_dir("/proc/self/fd").map_or(0, |all| all.count() as u64);
        let files = text("/proc/self/limits").and_then(|all| of_line(&all, "Max open files"));
        let memory = text("/proc/meminfo").and_then(|all| of_line(&all, "MemAvailable:"));
        let most = [
            number("/proc/sys/kernel/pid_max"),
            number("/proc/sys/kernel/threads-max"),
        ];
        Self {
            files: files.map(|all| (all.saturating_sub(open), all)),
            memory: memory.map(|kib| kib * 1024),
            processes: most.into_iter().flatten().min(),
        }
    }
}

/// The first number after a name at the beginning of a line.
fn of_line(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|l| l.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn check_against(workers: u64, threads: u64, machine: &Machine) -> Result<()> {
    let refuse = |most: u64, why: String| {
        let words = format!("workers={workers}: {why}; at most {most} can be started here");
        Err(Error::new(ErrorKind::Config, words))
    };
    if let Some((left, all)) = machine.files
        && workers.saturating_mul(FILES) > left
    {
        let why = format!(
            "each takes {FILES} file descriptors of this process, which may have {all} (ulimit -n) and has {} left",
            left
        );
        return refuse(left / FILES, why);
    }
    if let Some(all) = machine.processes
        && workers.saturating_mul(THREADS + threads) > all
    {
        let why = format!(
            "each has {} threads, and this machine allows {all} altogether",
            THREADS + threads
        );
        return refuse(all / (THREADS + threads), why);
    }
    if let Some(all) = machine.memory
        && workers.saturating_mul(MEMORY) > all
    {
        let why = format!(
            "each takes at least {} of memory, and {} is available",
            format_bytes(MEMORY),
            format_bytes(all)
        );
        return refuse(all / MEMORY, why);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_can_be_is_refused_with_the_reason() {
        let few_files = Machine {
            files: Some((1000, 1024)),
            ..Machine::default()
        };
        let little_memory = Machine {
            memory: Some(8 << 30),
            ..Machine::default()
        };
        let few_processes = Machine {
            processes: Some(32_768),
            ..Machine::default()
        };
        for (machine, workers, words) in [
            (&few_files, 334, "ulimit -n"),
            (&little_memory, 2049, "of memory"),
            (&few_processes, 5462, "6 threads"),
        ] {
            let e = check_against(workers, 1, machine).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Config);
            let said = e.to_string();
            let most = format!("at most {} can", workers - 1);
            assert!(said.contains(words) && said.contains(&most), "{said}");
            check_against(workers - 1, 1, machine).unwrap();
        }
        check_against(u64::MAX, u64::MAX - 5, &Machine::default()).unwrap();
        check(4, 1).unwrap();
    }

    #[test]
    fn numbers_are_found_in_what_the_system_writes() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             unlimited            unlimited            processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(of_line(limits, "Max open files"), Some(1024));
        assert_eq!(of_line(limits, "Max processes"), None);
        assert_eq!(
            of_line("MemAvailable:    2048 kB\n", "MemAvailable:"),
            Some(2048)
        );
    }
}

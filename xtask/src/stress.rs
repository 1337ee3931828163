//! `cargo xtask stress`: the tests that wait or start threads and processes, again and again beside a busy machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::command::{Command, Done, Failure};
use crate::fixtures;
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "stress",
    usage: "[--count N] [--busy N] [--ever] [-- FILTERS]",
    about: "tests that could fail once in a hundred runs, a hundred times",
    details: "
Runs the tests of the crates that wait, or start threads or processes, several times each beside
busy loops, and tries none twice: what fails once has failed. Needs cargo-nextest.

--count N  how often each test runs: 20, or 100 with --ever
--busy N   how many threads keep the machine busy meanwhile: 3
--ever     only the tests that once failed now and then
FILTERS    go to the tests themselves",
    run,
};

/// The crates whose tests wait for something, or start threads or processes.
const CRATES: &[&str] = &[
    "kvern-scheduler-local",
    "kvern-scheduler-distributed",
    "kvern-ballista",
    "kvern-conformance",
    "kvern-plugin-host",
    "kvern-cli",
    "kvern-e2e",
    "kvern",
];

/// Tests that once failed now and then, by a part of their name. Whoever mends another adds it.
const EVER: &[&str] = &[
    "wait_all_tells_the_failure",
    "a_wide_graph",
    "a_task_that_kills_its_workers_is_blamed",
    "a_running_task_is_told",
    "a_worker_that_hangs_is_followed_by_another",
    "a_sort_beyond_memory_spills",
    "a_cancelled_query_ends_soon",
    "wide_fans",
    "values_without_room_on_the_disk",
];

#[derive(Debug, PartialEq)]
struct Wanted {
    count: u32,
    busy: u32,
    ever: bool,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let split = args.iter().position(|a| a == "--").unwrap_or(args.len());
    let wanted = wanted(&args[..split])?;
    if !process::has_cargo_tool(workspace, "nextest") {
        return Err(Failure::new(
            "stress needs cargo-nextest: cargo install cargo-nextest --locked",
        ));
    }
    let nextest = |what: &str| {
        let mut nextest = process::cargo(workspace);
        nextest.args(["nextest", what]).args(parts::WHOLE);
        nextest.args(["-E", &filter(wanted.ever)]);
        nextest
    };
    // Built while the machine is quiet.
    fixtures::build(workspace)?;
    process::run(nextest("run").arg("--no-run"))?;
    let busy = Busy::new(wanted.busy);
    let mut tests = nextest("run");
    tests.args(["--retries", "0", "--no-fail-fast"]);
    tests.args(["--stress-count", &wanted.count.to_string()]);
    if let Some(filters) = args.get(split + 1..).filter(|f| !f.is_empty()) {
        tests.arg("--").args(filters);
    }
    let ran = process::run(&mut tests);
    drop(busy);
    ran.map(|()| Done::Ran)
}

fn wanted(args: &[String]) -> Result<Wanted, Failure> {
    let (mut count, mut busy, mut ever) = (None, 3, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || {
            let given = args.next().map(String::as_str).unwrap_or_default();
            let number = given.parse::<u32>().ok();
            number.ok_or_else(|| Failure::new(format!("`{arg}` takes a number, not `{given}`")))
        };
        match arg.as_str() {
            "--count" => count = Some(number()?.max(1)),
            "--busy" => busy = number()?,
            "--ever" => ever = true,
            other => {
                let words = format!(
                    "`stress` knows `--count`, `--busy`, `--ever` and, after `--`, filters, not `{other}`"
                );
                return Err(Failure::new(words));
            }
        }
    }
    Ok(Wanted {
        count: count.unwrap_or(if ever { 100 } else { 20 }),
        busy,
        ever,
    })
}

/// Which tests, in nextest's words.
fn filter(ever: bool) -> String {
    let of: Vec<String> = match ever {
        true => EVER.iter().map(|name| format!("test({name})")).collect(),
        false => CRATES.iter().map(|c| format!("package({c})")).collect(),
    };
    of.join(" | ")
}

/// Threads that do nothing, as fast as they can, until this is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn new(threads: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..threads {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_slips() {
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let of = |count, busy, ever| Wanted { count, busy, ever };
        assert_eq!(wanted(&[]).unwrap(), of(20, 3, false));
        assert_eq!(wanted(&words("--ever")).unwrap(), of(100, 3, true));
        assert_eq!(
            wanted(&words("--count 5 --busy 0")).unwrap(),
            of(5, 0, false)
        );
        assert!(
            wanted(&words("--count many"))
                .unwrap_err()
                .to_string()
                .contains("`many`")
        );
        assert!(
            wanted(&words("--often"))
                .unwrap_err()
                .to_string()
                .contains("`--often`")
        );
    }

    #[test]
    fn the_crates_are_members() {
        let packages = crate::metadata::packages(&Workspace::locate().unwrap()).unwrap();
        for name in CRATES {
            parts::package(&packages, name).unwrap();
        }
    }
}

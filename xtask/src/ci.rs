//! `cargo xtask ci`: every check that a change must pass, the cheapest first.

use std::time::{Duration, Instant};

use crate::command::{Command, Done, Failure};
use crate::workspace::Workspace;
use crate::{
    deny, docs, examples, features, fmt, fuzz, layers, lint, minimal, msrv, outside, sim, spell,
    test, tidy, wasm,
};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    usage: "[--keep-going]",
    about: "every check that a change must pass, the cheapest first",
    details: "
Runs the other checks in the order of what they cost and stops at the first that fails. At the end
stand the steps with their seconds, and the name of the one that failed. A step that needs a tool
which is not installed says so and is skipped.

--keep-going  run the steps after a failing one too",
    run,
};

/// Cheapest first: a slip is told in seconds, not after the tests.
const STEPS: &[Command] = &[
    fmt::COMMAND,
    tidy::COMMAND,
    layers::COMMAND,
    spell::COMMAND,
    minimal::COMMAND,
    deny::COMMAND,
    lint::COMMAND,
    docs::COMMAND,
    features::COMMAND,
    wasm::COMMAND,
    msrv::COMMAND,
    test::COMMAND,
    sim::STEP,
    fuzz::STEP,
    test::LOOM,
    examples::COMMAND,
    outside::COMMAND,
];

struct Outcome {
    name: &'static str,
    took: Duration,
    verdict: Result<Done, Failure>,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let keep_going = match args {
        [] => false,
        [flag] if flag == "--keep-going" => true,
        [other, ..] => {
            return Err(Failure::new(format!(
                "`ci` knows `--keep-going`, not `{other}`"
            )));
        }
    };
    let outcomes = walk(workspace, STEPS, keep_going);
    print!("\n{}", table(&outcomes));
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|step| step.verdict.is_err())
        .map(|step| step.name)
        .collect();
    if failed.is_empty() {
        return Ok(Done::Ran);
    }
    let again: Vec<_> = failed
        .iter()
        .map(|name| format!("cargo xtask {name}"))
        .collect();
    Err(Failure::new(format!(
        "failed: {}. To repeat only that: {}",
        failed.join(", "),
        again.join(" && ")
    )))
}

fn walk(workspace: &Workspace, steps: &[Command], keep_going: bool) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for step in steps {
        println!("\n== {}: {}", step.name, step.about);
        let start = Instant::now();
        let verdict = (step.run)(workspace, &[]);
        let took = start.elapsed();
        match &verdict {
            Ok(Done::Ran) => println!("== {}: {:.1} s", step.name, took.as_secs_f64()),
            Ok(Done::Skipped(why)) => println!("== {}: skipped: {why}", step.name),
            // Here, below the step's own output, and again in the table: logs are read from both ends.
            Err(failure) => {
                let seconds = took.as_secs_f64();
                println!("== {}: FAILED after {seconds:.1} s: {failure}", step.name);
            }
        }
        let stop = verdict.is_err() && !keep_going;
        outcomes.push(Outcome {
            name: step.name,
            took,
            verdict,
        });
        if stop {
            break;
        }
    }
    outcomes
}

fn table(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for step in outcomes {
        let verdict = match &step.verdict {
            Ok(Done::Ran) => "ok".to_owned(),
            Ok(Done::Skipped(why)) => format!("skipped: {why}"),
            Err(_) => "FAILED".to_owned(),
        };
        out.push_str(&format!(
            "{:>8.1} s  {:9} {verdict}\n",
            step.took.as_secs_f64(),
            step.name
        ));
    }
    let total: Duration = outcomes.iter().map(|step| step.took).sum();
    out.push_str(&format!("{:>8.1} s  all steps\n", total.as_secs_f64()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(
        name: &'static str,
        run: fn(&Workspace, &[String]) -> Result<Done, Failure>,
    ) -> Command {
        Command {
            name,
            usage: "",
            about: "a step",
            details: "",
            run,
        }
    }

    fn steps() -> [Command; 3] {
        [
            step("first", |_, _| Ok(Done::Skipped("no tool".to_owned()))),
            step("second", |_, _| Err(Failure::new("it broke"))),
            step("third", |_, _| Ok(Done::Ran)),
        ]
    }

    #[test]
    fn stops_at_the_first_failure_unless_told_otherwise() {
        let workspace = Workspace::locate().unwrap();
        assert_eq!(walk(&workspace, &steps(), false).len(), 2);
        assert_eq!(walk(&workspace, &steps(), true).len(), 3);
    }

    #[test]
    fn the_table_tells_the_three_endings_apart() {
        let workspace = Workspace::locate().unwrap();
        let table = table(&walk(&workspace, &steps(), true));
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].ends_with("first     skipped: no tool"), "{table}");
        assert!(lines[1].ends_with("second    FAILED"), "{table}");
        assert!(lines[2].ends_with("third     ok"), "{table}");
        assert!(lines[3].ends_with("all steps"), "{table}");
    }
}

//! `cargo xtask fuzz`: random queries over frames, every way, against DuckDB.

use std::path::PathBuf;
use std::process::{Command as Program, Stdio};

use crate::command::{Command, Done, Failure};
use crate::metadata::executable;
use crate::parts;
use crate::workspace::Workspace;
use crate::{process, python};

/// What answers are held against.
const DUCKDB: python::Package = ("duckdb", "2.0.1");

/// What `ci` runs: that planted mistakes are seen, and fixed seeds in every way. Together two minutes at most: what a slow machine does not
/// come to in its time it says, and leaves out.
const CI: &[&str] = &[
    "--prove --way local",
    "--from 0 --seeds 1000 --way local,tasks --seconds 60",
    "--from 0 --seeds 80 --way cluster --seconds 20",
    "--from 0 --seeds 80 --way ballista --seconds 20",
];

pub(crate) const COMMAND: Command = Command {
    name: "fuzz",
    usage: "[--from SEED] [--seeds N] [--way local|tasks|cluster|ballista|all] [--python PATH] …",
    about: "random queries over frames, by seed and every way, against DuckDB",
    details: "
Builds the fuzz program and lets it compute random queries over random tables, one for each seed from SEED (0); 1,000 of them if nothing
is said. A seed whose rows are not DuckDB's prints a small case that still fails and the command that repeats it. DuckDB is the
Python package of that name, installed into a virtual environment in the user's cache folder; where it cannot be had the command says so
and is skipped. tests/fuzz/README.md says what is generated, and what counts as a difference of dialect.

--from SEED     the first seed
--seeds N       how many
--way WAY       local (one streaming task), tasks (on threads), cluster (two workers), ballista; several with commas; all.
                local and tasks if nothing is said
--python PATH   an interpreter that has duckdb, instead of the environment
--failures N    stop after so many failing seeds (5)
--seconds N     stop after that time, and say how far it came
--no-shrink     print failing seeds, and do not look for small cases of them
--prove         plant a mistake of each kind, and fail unless it is seen
--release       build for speed first: worth it for tens of thousands of seeds, and without the assertions of debug builds; not with
                ballista
--show          print what the seeds are, and compute nothing",
    run: |workspace, args| run(workspace, args),
};

/// The same with fixed seeds, as a step of `ci`.
pub(crate) const STEP: Command = Command {
    name: "fuzz",
    usage: "",
    about: "frames against DuckDB: fixed seeds of random queries",
    details: "",
    run: |workspace, _| step(workspace),
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let given = args.iter().any(|arg| arg == "--python");
    let (release, rest): (Vec<_>, Vec<_>) = args.iter().partition(|arg| *arg == "--release");
    let mut args: Vec<String> = rest.into_iter().cloned().collect();
    if !given {
        match python::with(DUCKDB) {
            Ok(path) => args.extend(["--python".to_owned(), path.display().to_string()]),
            Err(why) => return Ok(Done::Skipped(why)),
        }
    }
    let how = match release.is_empty() {
        true => parts::WHOLE,
        false => FAST,
    };
    let program = build(workspace, how)?;
    process::run(Program::new(program).args(args))?;
    Ok(Done::Ran)
}

fn step(workspace: &Workspace) -> Result<Done, Failure> {
    let python = match python::with(DUCKDB) {
        Ok(path) => path,
        Err(why) => return Ok(Done::Skipped(why)),
    };
    let program = build(workspace, parts::WHOLE)?;
    for line in CI {
        let mut run = Program::new(&program);
        run.args(line.split(' ')).arg("--python").arg(&python);
        process::run(&mut run)?;
    }
    Ok(Done::Ran)
}

/// How it is built for many seeds: frames as their benchmarks have them.
const FAST: &[&str] = &["--profile", "frame", "--package", "kvern-fuzz"];

/// Builds the program: as a rule with the features of everything else, so that nothing is compiled twice.
fn build(workspace: &Workspace, how: &[&str]) -> Result<PathBuf, Failure> {
    let mut build = process::cargo(workspace);
    build.arg("build").args(how).args(["--bin", "kvern-fuzz"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    let messages = process::output(build.stderr(Stdio::inherit()))?;
    let path = messages
        .lines()
        .find_map(|line| executable(line, "kvern-fuzz"));
    path.ok_or_else(|| Failure::new("cargo built the fuzz program and did not say where it is"))
}

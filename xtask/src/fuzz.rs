//! `cargo xtask fuzz`: random queries over frames, every way, against DuckDB.

use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use crate::command::{Command, Done, Failure};
use crate::metadata::executable;
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

/// The version that answers are held against.
const DUCKDB: &str = "2.0.1";

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
    let mut args = args.to_vec();
    if !given {
        match python() {
            Ok(path) => args.extend(["--python".to_owned(), path.display().to_string()]),
            Err(why) => return Ok(Done::Skipped(why)),
        }
    }
    let program = build(workspace)?;
    process::run(Program::new(program).args(args))?;
    Ok(Done::Ran)
}

fn step(workspace: &Workspace) -> Result<Done, Failure> {
    let python = match python() {
        Ok(path) => path,
        Err(why) => return Ok(Done::Skipped(why)),
    };
    let program = build(workspace)?;
    for line in CI {
        let mut run = Program::new(&program);
        run.args(line.split(' ')).arg("--python").arg(&python);
        process::run(&mut run)?;
    }
    Ok(Done::Ran)
}

/// Builds the program with the features of everything else, so that nothing is compiled twice.
fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let mut build = process::cargo(workspace);
    build
        .arg("build")
        .args(parts::WHOLE)
        .args(["--bin", "kvern-fuzz"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    let messages = process::output(build.stderr(Stdio::inherit()))?;
    let path = messages
        .lines()
        .find_map(|line| executable(line, "kvern-fuzz"));
    path.ok_or_else(|| Failure::new("cargo built the fuzz program and did not say where it is"))
}

/// An interpreter that has DuckDB: that of the environment, which is made where it is not there. The error says why there is none.
fn python() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache
        .or(home)
        .ok_or("no folder for an environment with DuckDB: HOME is not set")?;
    let folder = cache.join("kvern").join(format!("duckdb-{DUCKDB}"));
    let python = interpreter(&folder);
    if has_duckdb(&python) {
        return Ok(python);
    }
    println!("installing duckdb {DUCKDB} into {}", folder.display());
    // Elsewhere first: two that make it at once do not meet, and a half made one is never found.
    let making = folder.with_extension(format!("{}.new", std::process::id()));
    let made = make(&making);
    if made.is_ok() {
        let _ = std::fs::remove_dir_all(&folder);
        let _ = std::fs::rename(&making, &folder);
    }
    let _ = std::fs::remove_dir_all(&making);
    made?;
    if has_duckdb(&python) {
        return Ok(python);
    }
    Err(format!(
        "{} has no duckdb {DUCKDB} after it was installed",
        python.display()
    ))
}

fn make(folder: &Path) -> Result<(), String> {
    let system = ["python3", "python"]
        .into_iter()
        .find(|name| succeeds(Program::new(name).arg("--version")).is_ok());
    let system = system.ok_or("there is no python3, which DuckDB comes with (package python3)")?;
    let venv = succeeds(Program::new(system).args(["-m", "venv"]).arg(folder));
    venv.map_err(|why| format!("{system} makes no virtual environment: {why}"))?;
    let package = format!("duckdb=={DUCKDB}");
    let mut pip = Program::new(interpreter(folder));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    succeeds(pip.arg(&package)).map_err(|why| format!("{package} cannot be installed: {why}"))
}

fn interpreter(folder: &Path) -> PathBuf {
    match cfg!(windows) {
        true => folder.join("Scripts").join("python.exe"),
        false => folder.join("bin").join("python"),
    }
}

fn has_duckdb(python: &Path) -> bool {
    let script = format!("import duckdb, sys; sys.exit(duckdb.__version__ != '{DUCKDB}')");
    succeeds(Program::new(python).args(["-c", &script])).is_ok()
}

/// Runs it quietly. The error is the last line that it wrote.
fn succeeds(program: &mut Program) -> Result<(), String> {
    let output = program
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rfind(|line| !line.trim().is_empty());
    Err(last.map_or_else(|| output.status.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_its_last_words() {
        let mut shell = Program::new("sh");
        shell.args(["-c", "echo first >&2; echo the reason >&2; exit 3"]);
        assert_eq!(succeeds(&mut shell).unwrap_err(), "the reason");
        assert!(!has_duckdb(Path::new("/nowhere/python")));
    }
}

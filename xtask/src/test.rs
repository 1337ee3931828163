//! `cargo xtask test`: all tests of the workspace, or those of one part.

use crate::command::{Command, Done, Failure};
use crate::metadata::Package;
use crate::parts::{self, Part};
use crate::process;
use crate::workspace::Workspace;
use crate::{fixtures, fuzz, minimal, python};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    usage: "[PART] [-- FILTERS]",
    about: "all tests, or those of one part",
    details: "
Runs unit tests, integration tests and the examples in the documentation. Needs nothing but Rust;
cargo-nextest, where it is installed, runs the tests faster.

PART     core, macros, pages, store, local, machine, sim, cluster, ballista, array, kernels, bag, frame, facade, e2e, fuzz, cli, conformance, xtask, plugin-abi,
         plugin-root, plugin-arrow, plugin-bridge, plugin-host, plugin-sdk, plugin-sample: all tests of that crate;
         plugins: all tests of plugins, the sample both loaded and linked (after `fixtures`);
         docs: the examples in the documentation of all crates;
         full: all of it, and what needs more than Rust: fresh CSV files against pandas, 5,000 fresh queries against DuckDB (a Python
         environment is made for each);
         loom: the models of lock-free code, in every interleaving (built apart, so not part of the rest)
FILTERS  go to the tests themselves, for example `cargo xtask test core -- key` or `-- --ignored`",
    run,
};

/// The same as `test loom`, as a step of `ci`.
pub(crate) const LOOM: Command = Command {
    name: "test loom",
    usage: "",
    about: "the models of lock-free code, in every interleaving",
    details: "",
    run: |workspace, _| run_loom(workspace, &[]).map(|()| Done::Ran),
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    let (part, filters) = chosen(args)?;
    // What a part needs beyond Rust is made here, before its tests.
    match part {
        None | Some(Part::Full | Part::Plugins) => fixtures::build(workspace)?,
        Some(Part::Package("kvern-plugin-host")) => fixtures::build(workspace)?,
        Some(Part::Package("kvern-plugin-sample")) => {
            fixtures::sample(workspace, false)?;
        }
        Some(_) => {}
    }
    let packages = crate::metadata::packages(workspace)?;
    match part {
        None => {
            run_tests(workspace, parts::WHOLE, filters)?;
            run_linked(workspace, &packages, filters)?;
            run_docs(workspace, parts::WHOLE, filters)?;
        }
        Some(Part::Full) => {
            run_tests(workspace, parts::WHOLE, filters)?;
            run_linked(workspace, &packages, filters)?;
            run_docs(workspace, parts::WHOLE, filters)?;
            run_oracles(workspace)?;
            (minimal::COMMAND.run)(workspace, &["--whole".to_owned()])?;
        }
        Some(Part::Docs) => run_docs(workspace, parts::WHOLE, filters)?,
        Some(Part::Loom) => run_loom(workspace, filters)?,
        Some(Part::Plugins) => run_plugins(workspace, &packages, filters)?,
        Some(Part::Package(name)) => {
            let package = parts::package(&packages, name)?;
            let of: &[&str] = match name {
                "kvern-ballista" => BALLISTA,
                name => &["--package", name],
            };
            run_tests(workspace, of, filters)?;
            if has_doc_tests(package) {
                run_docs(workspace, &["--package", name], filters)?;
            }
        }
    }
    Ok(Done::Ran)
}

/// What CI does with recorded answers or fixed seeds, with fresh ones. Without a Python these are no checks, so that is a failure here.
fn run_oracles(workspace: &Workspace) -> Result<(), Failure> {
    // Each run sees other files and queries, and says which.
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
    let from = (now % 1_000_000_000 * 1000).to_string();
    let pandas = python::with(PANDAS).map_err(Failure::new)?;
    let mut csv = process::cargo(workspace);
    csv.args(["test", "--lib"]).args(parts::WHOLE);
    csv.args(["--", "--nocapture", "what_python_says_now"]);
    csv.env("KVERN_ORACLE_PYTHON", pandas);
    csv.env("KVERN_ORACLE_FROM", &from);
    process::run(csv.env("KVERN_ORACLE_SEEDS", "4000"))?;
    let fresh = ["--from", &from, "--seeds", "5000"].map(str::to_owned);
    match (fuzz::COMMAND.run)(workspace, &fresh)? {
        Done::Ran => Ok(()),
        Done::Skipped(why) => Err(Failure::new(why)),
    }
}

/// What CSV files are held against.
const PANDAS: python::Package = ("pandas", "3.1.1");

/// The sample's tests with the sample linked rather than loaded. They are named and not the package, since all other features stay as
/// they are that way, and nothing but the sample is compiled again.
fn run_linked(
    workspace: &Workspace,
    packages: &[Package],
    filters: &[String],
) -> Result<(), Failure> {
    let sample = parts::package(packages, "kvern-plugin-sample")?;
    let linked = ["--features", "kvern-plugin-sample/linked"];
    let mut of = [parts::WHOLE, &linked].concat();
    of.extend(sample.tests().flat_map(|name| ["--test", name]));
    run_tests(workspace, &of, filters)
}

/// The crate, and the commands that exist only with the feature.
const BALLISTA: &[&str] = &[
    "--package",
    "kvern-ballista",
    "--package",
    "kvern-cli",
    "--features",
    "kvern-cli/ballista",
];

/// One invocation for each: the sample's own features differ.
fn run_plugins(
    workspace: &Workspace,
    packages: &[Package],
    filters: &[String],
) -> Result<(), Failure> {
    const CRATES: &[&str] = &[
        "--package",
        "kvern-plugin-abi",
        "--package",
        "kvern-plugin-root",
        "--package",
        "kvern-plugin-arrow",
        "--package",
        "kvern-plugin-bridge",
        "--package",
        "kvern-plugin-host",
        "--package",
        "kvern-plugin",
        "--package",
        "kvern-plugin-sample",
    ];
    run_tests(workspace, CRATES, filters)?;
    run_linked(workspace, packages, filters)?;
    run_docs(workspace, CRATES, filters)
}

/// The part and what goes on to the tests: `[PART] [-- FILTERS]`.
fn chosen(args: &[String]) -> Result<(Option<Part>, &[String]), Failure> {
    let split = args
        .iter()
        .position(|arg| arg == "--")
        .unwrap_or(args.len());
    let filters = args.get(split + 1..).unwrap_or_default();
    match &args[..split] {
        [] => Ok((None, filters)),
        [part] => Ok((Some(parts::find(part)?), filters)),
        [_, second, ..] => Err(Failure::new(format!(
            "`test` takes one part, but also got `{second}`; what is for the tests goes after `--`"
        ))),
    }
}

/// Cargo refuses to look for doc tests in a package that is only a program.
fn has_doc_tests(package: &Package) -> bool {
    package.has_library()
}

fn run_tests(workspace: &Workspace, of: &[&str], filters: &[String]) -> Result<(), Failure> {
    let mut tests = process::cargo(workspace);
    if process::has_cargo_tool(workspace, "nextest") {
        // A filter that picks tests of one crate leaves the others with none, which is no failure.
        tests.args(["nextest", "run", "--no-tests", "pass"]);
        if std::env::var_os("CI").is_some() {
            tests.args(["--profile", "ci"]);
        }
        tests.args(of);
    } else {
        tests.args(["test", "--tests", "--no-fail-fast"]).args(of);
    }
    process::run(after_dashes(&mut tests, filters))
}

fn run_docs(workspace: &Workspace, of: &[&str], filters: &[String]) -> Result<(), Failure> {
    let mut tests = process::cargo(workspace);
    tests.args(["test", "--doc", "--no-fail-fast"]).args(of);
    process::run(after_dashes(&mut tests, filters))
}

/// Loom replaces the atomics of what it checks, so this is another build, with a folder of its own.
fn run_loom(workspace: &Workspace, filters: &[String]) -> Result<(), Failure> {
    let mut tests = process::cargo(workspace);
    tests
        .env("RUSTFLAGS", "--cfg kvern_loom")
        .env("CARGO_TARGET_DIR", workspace.root().join("target/loom"))
        .args(["test", "--release", "--package", "kvern-scheduler-local"])
        .args(["--lib", "models"]);
    process::run(after_dashes(&mut tests, filters))
}

fn after_dashes<'a>(
    command: &'a mut std::process::Command,
    filters: &[String],
) -> &'a mut std::process::Command {
    if !filters.is_empty() {
        command.arg("--").args(filters);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_part_comes_first_and_filters_after_dashes() {
        let args = words("core -- key --ignored");
        let (part, filters) = chosen(&args).unwrap();
        assert_eq!(part, Some(Part::Package("kvern-core")));
        assert_eq!(filters, ["key", "--ignored"]);

        let args = words("-- key");
        let (part, filters) = chosen(&args).unwrap();
        assert_eq!((part, filters), (None, &args[1..]));
        assert_eq!(chosen(&[]).unwrap(), (None, &[][..]));
    }

    #[test]
    fn a_forgotten_dash_is_explained() {
        let sentence = chosen(&words("core key")).unwrap_err().to_string();
        assert!(
            sentence.contains("`key`") && sentence.contains("after `--`"),
            "{sentence}"
        );
    }

    #[test]
    fn the_help_names_every_part() {
        for name in parts::names() {
            assert!(COMMAND.details.contains(name), "`{name}` is missing");
        }
    }
}

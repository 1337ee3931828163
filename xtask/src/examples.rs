//! `cargo xtask examples`: every example of the facade runs to its end, in release.

use crate::command::{self, Command, Done, Failure};
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "examples",
    usage: "",
    about: "every example of the facade runs to its end, in release",
    details: "
Runs the examples that the root manifest declares, which are what a user of `kvern` sees first, one
after another, without a terminal and without input. An example checks its own answer and fails if
it is wrong. Examples of single crates are tools of their developers: they are built, not run.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let packages = workspace.packages()?;
    let facade = parts::package(&packages, parts::FACADE)?;
    let mut found = false;
    for example in facade.examples() {
        found = true;
        let mut run = process::cargo(workspace);
        run.args(["run", "--release", "--package", &facade.name]);
        run.args(["--example", &example.name]);
        if !example.required_features.is_empty() {
            run.args(["--features", &example.required_features.join(",")]);
        }
        process::run(&mut run)?;
    }
    Ok(match found {
        true => Done::Ran,
        false => Done::Skipped("the root manifest declares no example".to_owned()),
    })
}

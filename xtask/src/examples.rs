//! `cargo xtask examples`: every declared example runs to its end, in release.

use crate::command::{self, Command, Done, Failure};
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "examples",
    usage: "",
    about: "every declared example runs to its end, in release",
    details: "
Runs the examples that the manifests declare, one after another, without a terminal and without
input. An example checks its own answer and fails if it is wrong.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let packages = workspace.packages()?;
    let mut found = false;
    for package in &packages {
        for example in package.examples() {
            found = true;
            let mut run = process::cargo(workspace);
            run.args(["run", "--release", "--package", &package.name]);
            run.args(["--example", &example.name]);
            if !example.required_features.is_empty() {
                run.args(["--features", &example.required_features.join(",")]);
            }
            process::run(&mut run)?;
        }
    }
    Ok(match found {
        true => Done::Ran,
        false => Done::Skipped("no manifest declares an example".to_owned()),
    })
}

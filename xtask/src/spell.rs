//! `cargo xtask spell`: words that nobody writes on purpose.

use std::process::Command as Program;

use crate::command::{self, Command, Done, Failure};
use crate::workspace::Workspace;
use crate::{process, python};

/// The checker, a program that PyPI has built for each platform.
const TYPOS: python::Package = ("typos", "1.52.0");

pub(crate) const COMMAND: Command = Command {
    name: "spell",
    usage: "",
    about: "no misspelt word in sources and pages",
    details: "
Looks for known misspellings with `typos`, which is installed from PyPI into a virtual environment in the user's
cache folder; where it cannot be had this is skipped. `_typos.toml` has the words that are right here.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    match python::with(TYPOS) {
        Ok(python) => check(workspace, Program::new(python.with_file_name("typos"))),
        Err(why) => Ok(Done::Skipped(why)),
    }
}

fn check(workspace: &Workspace, mut typos: Program) -> Result<Done, Failure> {
    typos.current_dir(workspace.root());
    process::run(typos.args(["--format", "brief"]))?;
    Ok(Done::Ran)
}

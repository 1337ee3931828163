//! `cargo xtask lint`: clippy over everything, a warning being an error.

use crate::command::{self, Command, Done, Failure};
use crate::parts;
use crate::process;
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "lint",
    usage: "",
    about: "clippy finds nothing, in libraries, tests and examples",
    details: "
Runs clippy over all crates and targets with the lints of the root Cargo.toml and clippy.toml; a
warning is an error. An exception stands in the code, as `#[expect(lint, reason = \"…\")]`.",
    run,
};

fn run(workspace: &Workspace, args: &[String]) -> Result<Done, Failure> {
    command::no_arguments(COMMAND.name, args)?;
    let mut clippy = process::cargo(workspace);
    clippy.arg("clippy").args(parts::WHOLE);
    clippy.args(["--all-targets", "--", "-D", "warnings"]);
    process::run(&mut clippy)?;
    Ok(Done::Ran)
}
